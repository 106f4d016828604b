//! Between text and tokens: the chat template, the tokenizer, and the way back.

pub(crate) mod detokenizer;
mod parts;
pub(crate) mod stop;
pub(crate) mod template;

use crate::engine::load::LoadError;
use detokenizer::{Detokenizer, TokenBytes};
use parts::Parts;
use sluice_protocol::chat::ChatRequest;
use sluice_protocol::refusal::{Reason, Refusal};
use std::collections::HashSet;
use std::path::Path;
use stop::StopFilter;
use template::{ChatTemplate, TemplateError, TemplateMessage};
use tokenizers::Tokenizer;

/// A model's text side: everything in its directory that is not weights.
pub struct Text {
    /// Knows the control tokens: for what the template wrote.
    tokenizer: Tokenizer,
    /// Knows no added token: for what people wrote that looks like a control token.
    plain: Tokenizer,
    controls: Vec<String>,
    template: ChatTemplate,
    bytes: TokenBytes,
    ends: Vec<u32>,
}

impl Text {
    /// Loads `tokenizer.json`, the chat template (`chat_template.jinja`, or the one in `tokenizer_config.json`) and the
    /// ending tokens (of `generation_config.json` and `config.json`) of a directory in Hugging Face's layout; or what a GGUF
    /// file has of them in its metadata.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let parts = match path.extension().is_some_and(|extension| extension == "gguf") {
            true => Parts::of_gguf(path)?,
            false => Parts::of_directory(path)?,
        };
        Self::new(parts, path)
    }

    /// A stand-in for a model of made-up weights: bytes are tokens, and every other id is spelt as its number.
    pub fn stand_in(vocab: usize) -> Result<Self, LoadError> {
        Self::new(Parts::stand_in(vocab), Path::new("the stand-in tokenizer"))
    }

    fn new(parts: Parts, place: &Path) -> Result<Self, LoadError> {
        let fault = |why: &dyn std::fmt::Display| LoadError::new(place, &format!("the tokenizer: {why}"));
        let tokenizer = parse_tokenizer(&parts.tokenizer).map_err(|why| fault(&why))?;
        if !matches!(tokenizer.get_decoder(), Some(tokenizers::DecoderWrapper::ByteLevel(_))) {
            return Err(fault(&"not a byte-level BPE tokenizer, as Qwen's are"));
        }
        let mut bare: serde_json::Value = serde_json::from_slice(&parts.tokenizer).map_err(|error| fault(&error))?;
        bare["added_tokens"] = serde_json::Value::Array(Vec::new());
        let plain = parse_tokenizer(bare.to_string().as_bytes()).map_err(|why| fault(&why))?;
        let added = tokenizer.get_added_tokens_decoder();
        let hidden: HashSet<u32> = added.iter().filter(|(_, token)| token.special).map(|(id, _)| *id).collect();
        // Some of Qwen's control tokens are not marked as special; all of them are written alike.
        let controls = added
            .values()
            .filter(|token| token.special || (token.content.starts_with("<|") && token.content.ends_with("|>")))
            .map(|token| token.content.clone())
            .collect();
        let bytes =
            TokenBytes::new(&tokenizer.get_vocab(true), |id| added.contains_key(&id), |id| hidden.contains(&id));
        let template = ChatTemplate::new(parts.template, parts.eos_token)
            .map_err(|error| LoadError::new(place, &format!("the chat template: {error}")))?;
        if parts.ends.is_empty() {
            return Err(LoadError::new(place, "no file names an ending token: answers would not end"));
        }
        let text = Self { tokenizer, plain, controls, template, bytes, ends: parts.ends };
        // A template that cannot greet is found now and not by the first caller.
        let probe = [TemplateMessage { role: sluice_protocol::chat::Role::User, content: "Hello" }];
        match text.template.render(&probe, None) {
            Ok(_) => Ok(text),
            Err(error) => Err(LoadError::new(place, &format!("the chat template does not render: {error:?}"))),
        }
    }

    /// The ids that end an answer. Never empty.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// The tokens of a request's prompt.
    ///
    /// Control tokens come from the template alone: `<|im_start|>` in a message is read as those twelve characters.
    /// Refuses what the template refuses. Takes time in proportion to the request: not for an async thread.
    pub(crate) fn prompt(&self, request: &ChatRequest) -> Result<Vec<u32>, Refusal> {
        let marks = Marks::new(&self.controls);
        let contents: Vec<String> = request.messages.iter().map(|message| marks.cover(&message.content)).collect();
        let messages: Vec<_> = request
            .messages
            .iter()
            .zip(&contents)
            .map(|(message, content)| TemplateMessage { role: message.role, content })
            .collect();
        let rendered = self.template.render(&messages, request.enable_thinking).map_err(|error| match error {
            TemplateError::Refused(why) => {
                Refusal::new(Reason::InvalidRequest, format!("The model's chat template refuses this: {why}"))
                    .with_param("messages")
            }
            TemplateError::Broken(why) => Refusal::new(Reason::Internal, "The model's chat template failed.")
                .with_detail(format!("chat template: {why}")),
        })?;
        let mut ids = Vec::new();
        for piece in marks.split(&rendered) {
            let encoding = match piece {
                Piece::Text(text) => self.tokenizer.encode_fast(text, false),
                Piece::Covered(special) => self.plain.encode_fast(special, false),
            };
            let encoding = encoding.map_err(|error| {
                Refusal::new(Reason::Internal, "The prompt could not be turned into tokens.")
                    .with_detail(format!("tokenizer: {error}"))
            })?;
            ids.extend_from_slice(encoding.get_ids());
        }
        Ok(ids)
    }

    /// Turns an answer's tokens into text, up to the first of these stop strings.
    pub(crate) fn answer(&self, stops: Vec<String>) -> AnswerText {
        AnswerText { detokenizer: Detokenizer::new(self.bytes.clone()), stop: StopFilter::new(stops) }
    }
}

fn parse_tokenizer(json: &[u8]) -> Result<Tokenizer, String> {
    let mut tokenizer = Tokenizer::from_bytes(json).map_err(|error| error.to_string())?;
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(|error| error.to_string())?;
    Ok(tokenizer)
}

/// An answer on its way from tokens to text.
#[derive(Debug)]
pub(crate) struct AnswerText {
    detokenizer: Detokenizer,
    stop: StopFilter,
}

impl AnswerText {
    /// The text that this token adds, possibly none; and whether a stop string has come.
    pub(crate) fn push(&mut self, token: u32) -> (String, bool) {
        let (mut text, mut out) = (String::new(), String::new());
        self.detokenizer.push(token, &mut text);
        let stopped = self.stop.push(&text, &mut out);
        (out, stopped)
    }

    /// What was held back, at the end; and whether that made a stop string.
    pub(crate) fn finish(&mut self) -> (String, bool) {
        let (mut text, mut out) = (String::new(), String::new());
        self.detokenizer.finish(&mut text);
        let stopped = self.stop.push(&text, &mut out);
        if !stopped {
            self.stop.finish(&mut out);
        }
        (out, stopped)
    }
}

/// Covers control tokens in what people wrote with marks that nobody can guess, so that they pass through the template
/// (which may look into a message) and are found again behind it.
struct Marks<'a> {
    controls: &'a [String],
    prefix: String,
}

enum Piece<'a> {
    Text(&'a str),
    Covered(&'a str),
}

/// Private-use characters: one starts a mark, another of this range, one per control token, ends it.
const MARK: char = '\u{f0000}';
const FIRST_INDEX: u32 = 0xf_0100;

impl<'a> Marks<'a> {
    fn new(controls: &'a [String]) -> Self {
        Self { controls, prefix: format!("{MARK}{:016x}", crate::random_u64()) }
    }

    /// One pass: at every character, the longest control token that starts there.
    fn cover(&self, content: &str) -> String {
        let mut covered = String::with_capacity(content.len());
        let mut rest = content;
        while let Some(character) = rest.chars().next() {
            let special = (0u32..)
                .zip(self.controls)
                .filter(|(_, special)| !special.is_empty() && rest.starts_with(special.as_str()))
                .max_by_key(|(_, special)| special.len());
            match special.and_then(|(index, special)| Some((char::from_u32(FIRST_INDEX + index)?, special))) {
                Some((index, special)) => {
                    covered.push_str(&self.prefix);
                    covered.push(index);
                    rest = &rest[special.len()..];
                }
                None => {
                    covered.push(character);
                    rest = &rest[character.len_utf8()..];
                }
            }
        }
        covered
    }

    fn split<'b>(&self, rendered: &'b str) -> Vec<Piece<'b>>
    where
        'a: 'b,
    {
        let mut pieces = Vec::new();
        let mut parts = rendered.split(self.prefix.as_str());
        pieces.extend(parts.next().map(Piece::Text));
        for part in parts {
            let mut characters = part.chars();
            let special = characters
                .next()
                .and_then(|index| u32::from(index).checked_sub(FIRST_INDEX))
                .and_then(|index| self.controls.get(index as usize));
            // A mark that the template cut in two stands for nothing.
            pieces.extend(special.map(|special| Piece::Covered(special)));
            pieces.push(Piece::Text(characters.as_str()));
        }
        pieces.retain(|piece| !matches!(piece, Piece::Text("")));
        pieces
    }
}
