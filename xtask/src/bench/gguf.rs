//! Gives a GGUF file of made-up weights a tokenizer with which every program that serves it reads the same tokens out of
//! a request: bytes, three control tokens, and every other id spelt as its number.

use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::Path,
};

use anyhow::{Context, Result, bail};

const TEMPLATE_KEY: &str = "tokenizer.chat_template";
/// ChatML, and nothing else.
const TEMPLATE: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
/// What follows the 256 bytes.
const CONTROLS: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
const IM_END: u32 = 258;
/// llama.cpp's kinds of tokens.
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
/// What the weights' place in a file is a multiple of.
const ALIGNMENT: usize = 32;

// Kinds of values, as the format numbers them.
const U32: u32 = 4;
const I32: u32 = 5;
const BOOL: u32 = 7;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// Puts the tokenizer into the file in place of the one that it has, unless it was done before.
pub(super) fn give_tokenizer(path: &Path) -> Result<()> {
    let about = || format!("cannot give {} a tokenizer", path.display());
    let mut file = File::open(path).with_context(about)?;
    let Some(head) = new_head(BufReader::new(&mut file)).with_context(about)? else { return Ok(()) };
    let draft = path.with_extension("draft");
    let mut out = BufWriter::new(File::create(&draft).with_context(about)?);
    out.write_all(&head.bytes).with_context(about)?;
    file.seek(SeekFrom::Start(head.rest)).with_context(about)?;
    std::io::copy(&mut file, &mut out).with_context(about)?;
    out.flush().with_context(about)?;
    fs::rename(&draft, path).with_context(about)
}

/// A file's new beginning, and where the rest of the old one begins.
struct Head {
    bytes: Vec<u8>,
    rest: u64,
}

/// Everything up to the tensors' names: the old metadata without its tokenizer, and the new one. As long as the old one
/// but for whole steps of the alignment, so that all that follows stays as it is. Nothing if the file is such a one already.
fn new_head(file: impl Read) -> Result<Option<Head>> {
    let mut reader = Reader { file, at: 0, seen: Vec::new() };
    if reader.take::<4>()? != *b"GGUF" || reader.u32()? < 2 {
        bail!("it is no GGUF file of version 2 or later");
    }
    let (tensors, count) = (reader.u64()?, reader.u64()?);
    let begins = reader.seen[..8].to_vec();
    let (mut kept, mut entries, mut vocab) = (Vec::new(), 0, 0);
    for _ in 0..count {
        reader.seen.clear();
        let key = reader.string()?;
        let kind = reader.u32()?;
        let len = reader.skip(kind)?;
        match key.as_str() {
            TEMPLATE_KEY => return Ok(None),
            "tokenizer.ggml.tokens" => vocab = len,
            _ => {}
        }
        if !key.starts_with("tokenizer.") {
            kept.extend_from_slice(&reader.seen);
            entries += 1;
        }
    }
    if vocab <= u64::from(IM_END) {
        bail!("it has {vocab} tokens, too few for every byte");
    }
    let tokenizer = tokenizer(u32::try_from(vocab)?);
    let mut bytes = begins;
    // One more, which fills up.
    bytes.extend_from_slice(&tensors.to_le_bytes());
    bytes.extend_from_slice(&(entries + tokenizer.len() as u64 + 1).to_le_bytes());
    bytes.extend_from_slice(&kept);
    tokenizer.iter().for_each(|entry| bytes.extend_from_slice(entry));
    let filled = entry("sluice.filling", STRING, &string(""));
    let missing = usize::try_from(reader.at)? + ALIGNMENT - (bytes.len() + filled.len()) % ALIGNMENT;
    let filling = " ".repeat(missing % ALIGNMENT);
    bytes.extend_from_slice(&entry("sluice.filling", STRING, &string(&filling)));
    Ok(Some(Head { bytes, rest: reader.at }))
}

fn tokenizer(vocab: u32) -> Vec<Vec<u8>> {
    let mut names: Vec<String> = byte_characters().map(String::from).into();
    names.extend(CONTROLS.map(String::from));
    names.extend((IM_END + 1..vocab).map(|id| format!("[{id}]")));
    let kinds = (0..vocab).map(|id| if (256..=IM_END).contains(&id) { CONTROL } else { NORMAL });
    let text = |key: &str, value: &str| entry(key, STRING, &string(value));
    vec![
        text("tokenizer.ggml.model", "gpt2"),
        text("tokenizer.ggml.pre", "qwen2"),
        entry("tokenizer.ggml.tokens", ARRAY, &array(STRING, names.iter().map(|name| string(name)))),
        entry("tokenizer.ggml.token_type", ARRAY, &array(I32, kinds.map(|kind| kind.to_le_bytes().to_vec()))),
        entry("tokenizer.ggml.merges", ARRAY, &array(STRING, std::iter::empty())),
        entry("tokenizer.ggml.eos_token_id", U32, &IM_END.to_le_bytes()),
        entry("tokenizer.ggml.add_bos_token", BOOL, &[0]),
        text(TEMPLATE_KEY, TEMPLATE),
    ]
}

/// The character that stands for each byte in byte-level vocabularies.
fn byte_characters() -> [char; 256] {
    let mut others = (256..).filter_map(char::from_u32);
    std::array::from_fn(|byte| match u8::try_from(byte) {
        Ok(byte @ (b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)) => char::from(byte),
        _ => others.next().unwrap_or_default(),
    })
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

fn array(kind: u32, values: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let values: Vec<Vec<u8>> = values.collect();
    [&kind.to_le_bytes()[..], &(values.len() as u64).to_le_bytes(), &values.concat()].concat()
}

fn entry(key: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [&string(key), &kind.to_le_bytes()[..], value].concat()
}

/// Reads a file's head, and keeps what it has read until that is cleared.
struct Reader<R> {
    file: R,
    at: u64,
    seen: Vec<u8>,
}

impl<R: Read> Reader<R> {
    fn bytes(&mut self, count: u64) -> Result<&[u8]> {
        let from = self.seen.len();
        let read = (&mut self.file).take(count).read_to_end(&mut self.seen)?;
        if read as u64 != count {
            bail!("it ends in its metadata");
        }
        self.at += count;
        Ok(&self.seen[from..])
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.bytes(N as u64)?.try_into().expect("as many bytes came as were asked for"))
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    fn string(&mut self) -> Result<String> {
        let len = self.u64()?;
        Ok(String::from_utf8(self.bytes(len)?.to_vec())?)
    }

    /// Passes a value of this kind; says how many it holds.
    fn skip(&mut self, kind: u32) -> Result<u64> {
        let size = match kind {
            0 | 1 | BOOL => 1,
            2 | 3 => 2,
            U32..=6 => 4,
            10..=12 => 8,
            STRING => {
                let len = self.u64()?;
                self.bytes(len)?;
                return Ok(1);
            }
            ARRAY => {
                let (kind, len) = (self.u32()?, self.u64()?);
                for _ in 0..len {
                    self.skip(kind)?;
                }
                return Ok(len);
            }
            other => bail!("it has a value of the unknown kind {other}"),
        };
        self.bytes(size)?;
        Ok(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_tokenizer_changes_and_only_once() {
        let old: Vec<Vec<u8>> = vec![
            entry("general.name", STRING, &string("random")),
            entry("tokenizer.ggml.tokens", ARRAY, &array(STRING, (0..300).map(|_| string("x")))),
            entry("qwen3.rope.freq_base", 6, &1.0f32.to_le_bytes()),
        ];
        let mut head = [&b"GGUF"[..], &2u32.to_le_bytes(), &9u64.to_le_bytes(), &3u64.to_le_bytes()].concat();
        head.extend(old.concat());
        let length = head.len();
        let rest = b"what follows, whatever it is";
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("m.gguf");
        fs::write(&path, [&head[..], rest].concat()).unwrap();
        give_tokenizer(&path).unwrap();
        let made = fs::read(&path).unwrap();
        let (new, kept) = made.split_at(made.len() - rest.len());
        assert_eq!((kept, new.len() % ALIGNMENT), (&rest[..], length % ALIGNMENT));
        let holds = |bytes: &[u8]| new.windows(bytes.len()).filter(|window| *window == bytes).count();
        assert_eq!((holds(&old[0]), holds(&old[1]), holds(&old[2])), (1, 0, 1));
        assert_eq!((holds(TEMPLATE.as_bytes()), holds(&string("[259]")), holds(&string("[299]"))), (1, 1, 1));
        assert_eq!((&new[..16], u64::from_le_bytes(new[16..24].try_into().unwrap())), (&head[..16], 2 + 8 + 1));
        give_tokenizer(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), made);
    }

    #[test]
    fn bytes_have_the_characters_of_byte_level_vocabularies() {
        let characters = byte_characters();
        assert_eq!([b'a', b' ', b'\n', 0xad].map(|byte| characters[usize::from(byte)]), ['a', 'Ġ', 'Ċ', 'Ń']);
    }

    #[test]
    fn what_is_no_gguf_file_is_refused() {
        assert!(new_head(&b"GGUF\x01\0\0\0"[..]).is_err() && new_head(&b"GGUF\x03\0\0\0"[..]).is_err());
    }
}
