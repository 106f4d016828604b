//! From token ids to text that is always whole characters.

use std::collections::HashMap;
use std::sync::Arc;

/// The bytes that each token stands for, of a byte-level BPE tokenizer.
#[derive(Clone, Debug)]
pub(crate) struct TokenBytes(Arc<Vec<Box<[u8]>>>);

impl TokenBytes {
    /// Built from the vocabulary; tokens in `hidden` (control tokens) stand for nothing. Tokens in `literal` (added
    /// tokens) stand for their own text; all others are spelt in GPT-2's alphabet of bytes.
    pub(crate) fn new(
        vocab: &HashMap<String, u32>,
        literal: impl Fn(u32) -> bool,
        hidden: impl Fn(u32) -> bool,
    ) -> Self {
        let alphabet = byte_alphabet();
        let size = vocab.values().max().map_or(0, |id| *id as usize + 1);
        let mut table: Vec<Box<[u8]>> = vec![Box::default(); size];
        for (token, id) in vocab {
            let bytes: Box<[u8]> = if hidden(*id) {
                Box::default()
            } else if literal(*id) {
                token.as_bytes().into()
            } else {
                // A character outside of the alphabet stands for itself.
                let spell = |c: char| alphabet.get(&c).map_or_else(|| c.to_string().into_bytes(), |byte| vec![*byte]);
                token.chars().flat_map(spell).collect()
            };
            table[*id as usize] = bytes;
        }
        Self(Arc::new(table))
    }

    /// The bytes of a token; none for ids that the tokenizer does not have (vocabularies are padded).
    pub(super) fn get(&self, id: u32) -> &[u8] {
        self.0.get(id as usize).map_or(&[], AsRef::as_ref)
    }
}

/// GPT-2's alphabet: every byte has a printable character.
fn byte_alphabet() -> HashMap<char, u8> {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut next = 0x100;
    let mut alphabet = HashMap::with_capacity(256);
    for byte in 0..=255u8 {
        let code = if printable(byte) {
            u32::from(byte)
        } else {
            next += 1;
            next - 1
        };
        alphabet.insert(char::from_u32(code).expect("codes below 0x200 are characters"), byte);
    }
    alphabet
}

/// GPT-2's character for every byte, in the order of bytes.
pub(crate) fn byte_characters() -> [char; 256] {
    let mut characters = ['\0'; 256];
    for (character, byte) in byte_alphabet() {
        characters[usize::from(byte)] = character;
    }
    characters
}

/// One answer's state: at most three bytes of a character that is not complete yet.
#[derive(Debug)]
pub(crate) struct Detokenizer {
    tokens: TokenBytes,
    tail: Vec<u8>,
}

impl Detokenizer {
    pub(crate) fn new(tokens: TokenBytes) -> Self {
        Self { tokens, tail: Vec::new() }
    }

    /// Appends the text that this token completes. Bytes that can never become a character come out as U+FFFD.
    pub(crate) fn push(&mut self, token: u32, text: &mut String) {
        self.tail.extend_from_slice(self.tokens.get(token));
        self.drain(text, false);
    }

    /// Appends what is left at the end: an incomplete character comes out as U+FFFD.
    pub(crate) fn finish(&mut self, text: &mut String) {
        self.drain(text, true);
    }

    fn drain(&mut self, text: &mut String, end: bool) {
        let mut start = 0;
        for chunk in self.tail.utf8_chunks() {
            text.push_str(chunk.valid());
            start += chunk.valid().len();
            let invalid = chunk.invalid();
            // Only the last chunk can be a prefix of a character.
            let incomplete = start + invalid.len() == self.tail.len() && is_prefix(invalid);
            if invalid.is_empty() || (incomplete && !end) {
                break;
            }
            text.push(char::REPLACEMENT_CHARACTER);
            start += invalid.len();
        }
        self.tail.drain(..start);
    }
}

/// Whether more bytes could make a character of these.
fn is_prefix(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Byte `n` is token `n`; 256 is a control token, 257 an added one.
    fn table() -> TokenBytes {
        let mut vocab: HashMap<String, u32> =
            byte_characters().iter().zip(0..).map(|(character, id)| (character.to_string(), id)).collect();
        vocab.insert("<|im_end|>".into(), 256);
        vocab.insert("<think>é".into(), 257);
        TokenBytes::new(&vocab, |id| id >= 256, |id| id == 256)
    }

    fn decode(ids: impl IntoIterator<Item = u32>) -> (String, Vec<String>) {
        let mut detokenizer = Detokenizer::new(table());
        let mut pieces = Vec::new();
        for id in ids {
            let mut text = String::new();
            detokenizer.push(id, &mut text);
            pieces.push(text);
        }
        let mut text = String::new();
        detokenizer.finish(&mut text);
        pieces.push(text);
        (pieces.concat(), pieces)
    }

    #[test]
    fn control_tokens_are_not_shown_and_added_ones_are() {
        assert_eq!(decode([b'a'.into(), 256, 257, 9_999]).0, "a<think>é");
    }

    #[test]
    fn a_character_comes_out_when_it_is_whole() {
        let (_, pieces) = decode("🦀".bytes().map(u32::from));
        assert_eq!(pieces, ["", "", "", "🦀", ""]);
    }

    #[test]
    fn a_broken_character_does_not_hold_up_the_next() {
        assert_eq!(decode([0xf0, 0x9f, u32::from(b'a')]).1, ["", "", "\u{fffd}a", ""]);
        assert_eq!(decode([0xe2]).1, ["", "\u{fffd}"]);
    }

    proptest! {
        #[test]
        fn any_bytes_decode_as_the_standard_library_does(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let expected = String::from_utf8_lossy(&bytes).into_owned();
            prop_assert_eq!(decode(bytes.iter().copied().map(u32::from)).0, expected);
        }
    }
}
