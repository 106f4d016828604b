//! What a text side is made of, and the places where models keep it.

use crate::load_error::LoadError;
use candle_core::quantized::gguf_file::{Content, Value};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Reads a file of a model by its name.
pub(crate) type Read<'a> = &'a dyn Fn(&str) -> std::io::Result<Vec<u8>>;

/// Everything of a model that is not weights.
pub(crate) struct Parts {
    /// `tokenizer.json`.
    pub(crate) tokenizer: Vec<u8>,
    /// The chat template's source.
    pub(crate) template: String,
    /// Tokens that templates know by a name, such as `eos_token`.
    pub(crate) tokens: BTreeMap<String, String>,
    /// The ids that end an answer.
    pub(crate) ends: Vec<u32>,
}

/// What a model cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// A chat template.
    Template,
    /// Nothing but a tokenizer: it embeds, and what it has besides is not used.
    Nothing,
}

impl Need {
    /// A template for who needs none: what was said, one after the other.
    const JOINED: &str = "{% for message in messages %}{{ message.content }}{% endfor %}";

    fn template<E>(self, found: Result<String, E>) -> Result<String, E> {
        match self {
            Self::Template => found,
            Self::Nothing => Ok(Self::JOINED.to_owned()),
        }
    }
}

impl Parts {
    /// The files of a directory in Hugging Face's layout, or what a GGUF file's metadata have of them.
    pub(crate) fn of(path: &Path, need: Need) -> Result<Self, LoadError> {
        match path.extension().is_some_and(|extension| extension == "gguf") {
            true => Self::of_gguf(path, need),
            false => Self::of_files(path, &|name| std::fs::read(path.join(name)), need),
        }
    }

    /// `directory` is for messages.
    pub(crate) fn of_files(directory: &Path, read: Read<'_>, need: Need) -> Result<Self, LoadError> {
        let tokenizer =
            read("tokenizer.json").map_err(|error| LoadError::new(directory.join("tokenizer.json"), &error))?;
        let (template, tokens) = load_template(directory, read, need)?;
        Ok(Self { tokenizer, template, tokens, ends: load_ends(directory, read)? })
    }

    /// The metadata of a GGUF file, or of the first part of a split one.
    fn of_gguf(path: &Path, need: Need) -> Result<Self, LoadError> {
        let fault = |why: &dyn std::fmt::Display| LoadError::new(path, &why.to_string());
        let file = File::open(path).map_err(|error| fault(&error))?;
        let content = Content::read(&mut BufReader::new(file)).map_err(|error| fault(&error))?;
        from_metadata(&content, need).map_err(|why| fault(&why))
    }
}

/// GGUF's kinds of tokens (`llama_token_type`): control tokens are hidden from answers, a user's own are text.
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

/// How Qwen2 and Qwen3 cut text into pieces before they look for tokens, as their `tokenizer.json` has it.
pub const QWEN_PIECES: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

fn from_metadata(content: &Content, need: Need) -> Result<Parts, String> {
    let text = |key: &str| match content.metadata.get(key) {
        Some(Value::String(text)) => Ok(text.as_str()),
        _ => Err(format!("{key} is missing")),
    };
    let list = |key: &str| match content.metadata.get(key) {
        Some(Value::Array(values)) => Ok(values),
        _ => Err(format!("{key} is missing")),
    };
    let (model, pieces) = (text("tokenizer.ggml.model")?, text("tokenizer.ggml.pre")?);
    if (model, pieces) != ("gpt2", "qwen2") {
        return Err(format!("the tokenizer {model} with {pieces} is not served; gpt2 with qwen2 is"));
    }
    let tokens = list("tokenizer.ggml.tokens")?;
    let kinds = list("tokenizer.ggml.token_type")?;
    let mut vocab = serde_json::Map::new();
    let mut added = Vec::new();
    for (id, token) in tokens.iter().enumerate() {
        let Value::String(token) = token else {
            return Err(format!("token {id} is no text"));
        };
        match kinds.get(id).and_then(whole) {
            Some(kind @ (CONTROL | USER_DEFINED)) => added.push(json!({
                "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": kind == CONTROL,
            })),
            _ => {
                vocab.insert(token.clone(), id.into());
            }
        }
    }
    let mut merges = Vec::new();
    for merge in list("tokenizer.ggml.merges")? {
        match merge {
            // Old files hold each merge as one text, parted by its only space.
            Value::String(merge) => merges.push(json!(merge)),
            _ => return Err("a merge is no text".into()),
        }
    }
    let byte_level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false});
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": QWEN_PIECES}, "behavior": "Isolated", "invert": false}, byte_level,
        ]},
        "post_processor": null, "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": merges,
        },
    });
    let spelling = |(name, key): (&str, &str)| {
        let id = usize::try_from(content.metadata.get(key).and_then(whole)?).ok()?;
        match tokens.get(id) {
            Some(Value::String(token)) => Some((name.to_owned(), token.clone())),
            _ => None,
        }
    };
    let named = [("bos_token", "tokenizer.ggml.bos_token_id"), ("eos_token", "tokenizer.ggml.eos_token_id")];
    let named: BTreeMap<String, String> = named.into_iter().filter_map(spelling).collect();
    let mut ends = Vec::new();
    for key in ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"] {
        ends.extend(content.metadata.get(key).and_then(whole).and_then(|id| u32::try_from(id).ok()));
    }
    // A base model's file names <|endoftext|> alone, and a chat ends with <|im_end|> all the same.
    let spelt = |wanted: &str| tokens.iter().position(|token| matches!(token, Value::String(token) if token == wanted));
    ends.extend(spelt("<|im_end|>").and_then(|id| u32::try_from(id).ok()));
    ends.sort_unstable();
    ends.dedup();
    Ok(Parts {
        tokenizer: tokenizer.to_string().into_bytes(),
        template: need.template(text("tokenizer.chat_template").map(str::to_owned))?,
        tokens: named,
        ends,
    })
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::U8(number) => Some((*number).into()),
        Value::I8(number) => Some((*number).into()),
        Value::U16(number) => Some((*number).into()),
        Value::I16(number) => Some((*number).into()),
        Value::U32(number) => Some((*number).into()),
        Value::I32(number) => Some((*number).into()),
        Value::U64(number) => i64::try_from(*number).ok(),
        Value::I64(number) => Some(*number),
        _ => None,
    }
}

#[derive(Default, Deserialize)]
struct TokenizerConfig {
    chat_template: Option<RawTemplate>,
    bos_token: Option<RawToken>,
    eos_token: Option<RawToken>,
    unk_token: Option<RawToken>,
    pad_token: Option<RawToken>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawTemplate {
    One(String),
    Named(Vec<NamedTemplate>),
}

#[derive(Deserialize)]
struct NamedTemplate {
    name: String,
    template: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawToken {
    Text(String),
    Added { content: String },
}

/// The template's source, and the tokens that it may ask for by name.
fn load_template(
    directory: &Path,
    read: Read<'_>,
    need: Need,
) -> Result<(String, BTreeMap<String, String>), LoadError> {
    let file = directory.join("tokenizer_config.json");
    let config: TokenizerConfig = match read("tokenizer_config.json") {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| LoadError::new(&file, &error))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => TokenizerConfig::default(),
        Err(error) => return Err(LoadError::new(&file, &error)),
    };
    let tokens = [
        ("bos_token", config.bos_token),
        ("eos_token", config.eos_token),
        ("unk_token", config.unk_token),
        ("pad_token", config.pad_token),
    ];
    let spelling = |(name, token): (&str, Option<RawToken>)| match token? {
        RawToken::Text(text) | RawToken::Added { content: text } => Some((name.to_owned(), text)),
    };
    let tokens = tokens.into_iter().filter_map(spelling).collect();
    let jinja = directory.join("chat_template.jinja");
    let (file, source) = match read("chat_template.jinja") {
        Ok(source) => {
            let source = String::from_utf8(source).map_err(|error| LoadError::new(&jinja, &error))?;
            (jinja, Some(source))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let source = config.chat_template.and_then(|template| match template {
                RawTemplate::One(source) => Some(source),
                RawTemplate::Named(all) => all.into_iter().find(|one| one.name == "default").map(|one| one.template),
            });
            (file, source)
        }
        Err(error) => return Err(LoadError::new(&jinja, &error)),
    };
    let source = source.ok_or_else(|| LoadError::new(&file, "there is no chat_template, here or in a file of its own"));
    Ok((need.template(source)?, tokens))
}

#[derive(Default, Deserialize)]
struct RawEnds {
    eos_token_id: Option<Ids>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Ids {
    One(u32),
    Several(Vec<u32>),
}

/// The union of both files: chat models name `<|im_end|>` in one and `<|endoftext|>` in the other.
fn load_ends(directory: &Path, read: Read<'_>) -> Result<Vec<u32>, LoadError> {
    let mut ends = Vec::new();
    for name in ["generation_config.json", "config.json"] {
        let file = directory.join(name);
        let raw: RawEnds = match read(name) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| LoadError::new(&file, &error))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => RawEnds::default(),
            Err(error) => return Err(LoadError::new(&file, &error)),
        };
        match raw.eos_token_id {
            Some(Ids::One(id)) => ends.push(id),
            Some(Ids::Several(ids)) => ends.extend(ids),
            None => {}
        }
    }
    ends.sort_unstable();
    ends.dedup();
    if ends.is_empty() {
        let why = "eos_token_id is in neither generation_config.json nor config.json: answers would not end";
        return Err(LoadError::new(directory, &why));
    }
    Ok(ends)
}
