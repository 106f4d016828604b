//! Between text and tokens: the chat template, the tokenizer, and the way back.

pub(crate) mod detokenizer;
mod marks;
mod parts;
mod python;
pub(crate) mod stop;
mod template;
#[cfg(test)]
mod tests;
mod view;

use crate::engine::load::LoadError;
use detokenizer::{Detokenizer, TokenBytes};
use marks::{Marks, Piece};
use parts::Parts;
use sluice_protocol::Millis;
use sluice_protocol::chat::ChatRequest;
use sluice_protocol::refusal::{Reason, Refusal};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use stop::StopFilter;
use template::{ChatTemplate, TemplateError};
use tokenizers::Tokenizer;
use view::View;

/// A model's text side: everything in its directory that is not weights.
pub struct Text {
    /// Knows the control tokens: for what the template wrote.
    tokenizer: Tokenizer,
    /// Knows no added token: for what people wrote that looks like a control token.
    plain: Tokenizer,
    marks: Arc<Marks>,
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
        let marks = Arc::new(Marks::new(controls, crate::random_u64()));
        let template = ChatTemplate::new(parts.template, parts.tokens, Arc::clone(&marks))
            .map_err(|error| LoadError::new(place, &format!("the chat template: {error}")))?;
        if parts.ends.is_empty() {
            return Err(LoadError::new(place, "no file names an ending token: answers would not end"));
        }
        let text = Self { tokenizer, plain, marks, template, bytes, ends: parts.ends };
        // A template that cannot greet is found now and not by the first caller.
        match text.template.render(View::greeting(), 0) {
            Ok(_) => Ok(text),
            Err(error) => Err(LoadError::new(place, &format!("the chat template does not render: {error:?}"))),
        }
    }

    /// The ids that end an answer. Never empty.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// The tokens of a request's prompt; `now` is for templates that ask the time.
    ///
    /// Control tokens come from the template alone: `<|im_start|>` in a message, a tool, a call or its result is read as
    /// those twelve characters. Refuses what the template refuses, and tools where it does not know any. Takes time in
    /// proportion to the request: not for an async thread.
    pub(crate) fn prompt(&self, request: &ChatRequest, now: Millis) -> Result<Vec<u32>, Refusal> {
        if !request.tools.is_empty() && !self.template.knows_tools() {
            let why = "This model knows no tools: its chat template does not look at them. Leave `tools` out.";
            return Err(Refusal::new(Reason::UnsupportedParameter, why).with_param("tools"));
        }
        let view = View::of(request, &self.marks);
        let rendered = self.template.render(view, now).map_err(|error| match error {
            TemplateError::Refused(why) => {
                Refusal::new(Reason::InvalidRequest, format!("The model's chat template refuses this: {why}"))
                    .with_param("messages")
            }
            TemplateError::Broken(why) => Refusal::new(Reason::Internal, "The model's chat template failed.")
                .with_detail(format!("chat template: {why}")),
        })?;
        let mut ids = Vec::new();
        for piece in self.marks.split(&rendered) {
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
