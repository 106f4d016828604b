//! Between text and tokens: the chat template, the tokenizer, and the way back.

mod answer;
mod bare;
mod caption;
pub(crate) mod detokenizer;
mod judging;
mod memo;
pub(crate) mod parts;
pub(crate) mod sections;
pub(crate) mod stop;
mod template;
#[cfg(test)]
mod tests;
mod tokenizer;

use crate::load_error::LoadError;
pub(crate) use answer::AnswerText;
pub(crate) use bare::check_tokens;
use detokenizer::TokenBytes;
use judging::Judging;
use memo::{Memo, is_cut};
pub use parts::QWEN_PIECES;
use parts::{Need, Parts, Read};
use sections::{CALL_MARKS, MARKS, Start, THINK_MARKS, opens_thinking};
use serde_json::Value;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::chat::{Capability, ChatRequest};
use sluice_protocol::time::Millis;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use template::marks::{Marks, Piece};
use template::view::View;
use template::{ChatTemplate, TemplateError};
use tokenizer::{extend, parse_tokenizer, taken_apart, with_added_tokens};
use tokenizers::{AddedToken, Tokenizer};

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
    /// Whether the model may think: the marks of thinking are tokens of their own. For a model that does not have them
    /// `<think>` is text like any other.
    thinks: bool,
    /// Tokens that stand for themselves and are no part of what a model spells.
    added: HashSet<u32>,
    /// How it is asked to judge, of a model that does.
    judging: Option<Judging>,
    /// The control token behind which a prompt may be cut, and what was taken apart before.
    turn_end: Option<String>,
    memo: Memo,
}

/// A prompt, and where it leaves the answer.
#[derive(Debug)]
pub(crate) struct Prompt {
    pub(crate) tokens: Vec<u32>,
    pub(crate) start: Start,
}

impl Text {
    /// Loads `tokenizer.json`, the chat template (`chat_template.jinja`, or the one in `tokenizer_config.json`) and the
    /// ending tokens (of `generation_config.json` and `config.json`) of a directory in Hugging Face's layout; or what a GGUF
    /// file has of them in its metadata.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        Self::new(Parts::of(path, Need::Template)?, path)
    }

    /// As [`Self::load`], of a model that embeds: it needs no template.
    pub fn load_embedding(path: &Path) -> Result<Self, LoadError> {
        Self::new(Parts::of(path, Need::Nothing)?, path)
    }

    /// The text side of a model whose files are read like this; one that embeds needs no template. `place` is for messages.
    pub(crate) fn of_files(place: &Path, read: Read<'_>, embeds: bool) -> Result<Self, LoadError> {
        let need = if embeds { Need::Nothing } else { Need::Template };
        Self::new(Parts::of_files(place, read, need)?, place)
    }

    /// The text side that is made of these parts.
    pub(crate) fn new(parts: Parts, place: &Path) -> Result<Self, LoadError> {
        let fault = |why: &dyn std::fmt::Display| LoadError::new(place, &format!("the tokenizer: {why}"));
        let mut bare: Value = serde_json::from_slice(&parts.tokenizer).map_err(|error| fault(&error))?;
        let tokenizer = with_added_tokens(&bare).map_err(|why| fault(&why))?;
        if !matches!(tokenizer.get_decoder(), Some(tokenizers::DecoderWrapper::ByteLevel(_))) {
            return Err(fault(&"not a byte-level BPE tokenizer, as Qwen's are"));
        }
        bare["added_tokens"] = Value::Array(Vec::new());
        let plain = parse_tokenizer(bare.to_string().as_bytes()).map_err(|why| fault(&why))?;
        let added = tokenizer.get_added_tokens_decoder();
        // The marks in an answer are read, and so taken out of it, behind this.
        let hides = |token: &AddedToken| token.special && !MARKS.contains(&token.content.as_str());
        let hidden: HashSet<u32> = added.iter().filter(|(_, token)| hides(token)).map(|(id, _)| *id).collect();
        let thinks = THINK_MARKS.iter().all(|mark| added.values().any(|token| token.content == *mark));
        // Some of Qwen's control tokens are not marked as special; all of them are written alike.
        let controls = added
            .values()
            .filter(|token| token.special || (token.content.starts_with("<|") && token.content.ends_with("|>")))
            .map(|token| token.content.clone())
            .collect();
        let bytes =
            TokenBytes::new(&tokenizer.get_vocab(true), |id| added.contains_key(&id), |id| hidden.contains(&id));
        let marks = Arc::new(Marks::new(controls, crate::system::random_u64()));
        let template = ChatTemplate::new(parts.template, parts.tokens, Arc::clone(&marks))
            .map_err(|error| LoadError::new(place, &format!("the chat template: {error}")))?;
        if parts.ends.is_empty() {
            return Err(LoadError::new(place, "no file names an ending token: answers would not end"));
        }
        // One that takes white space beside it along would take it from its neighbour.
        let is_plain = |token: &&AddedToken| !token.lstrip && !token.rstrip && !token.single_word && !token.normalized;
        let named: Vec<&str> = added.values().map(|token| token.content.as_str()).collect();
        let ends = parts.ends.iter().filter_map(|end| added.get(end)).filter(is_plain);
        let cuts = ends.map(|token| token.content.clone()).filter(|end| is_cut(end, &named)).collect::<Vec<_>>();
        let added = added.into_keys().collect();
        let text = Self {
            tokenizer,
            plain,
            marks,
            template,
            bytes,
            ends: parts.ends,
            thinks,
            added,
            judging: None,
            turn_end: None,
            memo: Memo::default(),
        };
        // A template that cannot greet is found now and not by the first caller.
        match text.template.render(View::greeting(), 0) {
            // What its turns end with: an end that its template writes.
            Ok(greeting) => {
                let turn_end = cuts.into_iter().find(|end| greeting.contains(end.as_str()));
                Ok(Self { turn_end, ..text })
            }
            Err(error) => Err(LoadError::new(place, &format!("the chat template does not render: {error:?}"))),
        }
    }

    /// The ids that end an answer. Never empty.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// What each of a model's tokens spells, of this many; nothing where it is a control token or another that was added, or
    /// spells a byte that is in no text.
    pub(crate) fn words(&self, vocab: usize) -> Vec<Vec<u8>> {
        let spelt = |id: &u32| !self.added.contains(id) && !self.bytes.get(*id).contains(&0xff);
        (0u32..).take(vocab).map(|id| if spelt(&id) { self.bytes.get(id).to_vec() } else { Vec::new() }).collect()
    }

    /// The tokens that open and close a block of thoughts, of a model that has them.
    pub(crate) fn thinking(&self) -> Option<[u32; 2]> {
        self.tokens_of(THINK_MARKS)
    }

    /// The tokens that open and close a call, of a model that has them.
    pub(crate) fn calling(&self) -> Option<[u32; 2]> {
        self.tokens_of(CALL_MARKS)
    }

    fn tokens_of(&self, [open, close]: [&str; 2]) -> Option<[u32; 2]> {
        let mark = |text| self.tokenizer.token_to_id(text).filter(|id| self.added.contains(id));
        Some([mark(open)?, mark(close)?])
    }

    /// What the model can do besides answering: its template looks at tools, its marks are those of thinking.
    pub(crate) fn capabilities(&self) -> Vec<Capability> {
        let tools = self.template.reads("tools").then_some(Capability::Tools);
        tools.into_iter().chain(self.thinks.then_some(Capability::Thinking)).collect()
    }

    /// Whether a token spells nothing but white space.
    pub(crate) fn is_blank(&self, token: u32) -> bool {
        let bytes = self.bytes.get(token);
        !bytes.is_empty() && bytes.iter().all(u8::is_ascii_whitespace)
    }

    /// A request's prompt. `account` is whose it is, and `now` for templates that ask the time.
    ///
    /// Control tokens come from the template alone: `<|im_start|>` in a message, a tool, a call or its result is read
    /// as those twelve characters. Refuses what the template refuses, and tools, thinking or its absence, and arguments
    /// of `chat_template_kwargs` where it does not know them or we do not pass them on. Takes time in proportion to the
    /// request: not for an async thread.
    pub(crate) fn prompt(&self, request: &ChatRequest, account: &str, now: Millis) -> Result<Prompt, Refusal> {
        self.prompt_to(request, true, (account, now))
    }

    /// The same, up to where an answer begins or only to the end of the last message.
    pub(crate) fn prompt_to(
        &self,
        request: &ChatRequest,
        answer: bool,
        (account, now): (&str, Millis),
    ) -> Result<Prompt, Refusal> {
        if !request.tools.is_empty() && !self.template.reads("tools") {
            let why = "This model knows no tools: its chat template does not look at them. Leave `tools` out.";
            return Err(Refusal::new(Reason::UnsupportedParameter, why).with_param("tools"));
        }
        if let Some(name) = request.template_arguments.iter().find(|name| self.template.reads(name)) {
            let why = format!(
                "`chat_template_kwargs.{name}` is not served, and this model's chat template looks at it. Leave it out."
            );
            return Err(Refusal::new(Reason::UnsupportedParameter, why).with_param("chat_template_kwargs"));
        }
        let view = View { answer, ..View::of(request, &self.marks) };
        let rendered = self.template.render(view, now).map_err(|error| match error {
            TemplateError::Refused(why) => {
                Refusal::new(Reason::InvalidRequest, format!("The model's chat template refuses this: {why}"))
                    .with_param(request.names.prompt)
            }
            TemplateError::Broken(why) => Refusal::new(Reason::Internal, "The model's chat template failed.")
                .with_detail(format!("chat template: {why}")),
        })?;
        let opens = opens_thinking(&rendered);
        let param = request.thinking_param;
        let may_refuse = answer && !param.is_empty() && !self.template.reads("enable_thinking");
        if may_refuse && request.enable_thinking.is_some_and(|thinks| thinks != opens) {
            let never = if opens { "always" } else { "never" };
            let why = format!("This model's chat template {never} thinks. Leave `{param}` out.");
            return Err(Refusal::new(Reason::UnsupportedParameter, why).with_param(param));
        }
        let start = match opens {
            true => Start::Thinking,
            false if self.thinks => Start::Open,
            false => Start::Content,
        };
        Ok(Prompt { tokens: self.read(&rendered, account)?, start })
    }

    /// The tokens of what was rendered for an account: what was covered is text like any other.
    fn read(&self, rendered: &str, account: &str) -> Result<Vec<u32>, Refusal> {
        let mut tokens = Vec::new();
        for piece in self.marks.split(rendered) {
            let taken = match (piece, &self.turn_end) {
                (Piece::Text(text), Some(end)) => {
                    self.memo.tokens(account, text, end, |part, tokens| extend(&self.tokenizer, part, tokens))
                }
                (Piece::Text(text), None) => taken_apart(&self.tokenizer, text),
                (Piece::Covered(special), _) => taken_apart(&self.plain, special),
            };
            let taken = taken.map_err(|error| {
                Refusal::new(Reason::Internal, "The prompt could not be turned into tokens.")
                    .with_detail(format!("tokenizer: {error}"))
            })?;
            tokens.extend(taken);
        }
        Ok(tokens)
    }

    /// The tokens that a request's messages become: what the model is given. `now` is for templates that ask the time.
    /// Refuses what serving refuses.
    pub fn prompt_tokens(&self, request: &ChatRequest, now: Millis) -> Result<Vec<u32>, Refusal> {
        Ok(self.prompt(request, "", now)?.tokens)
    }

    /// The bytes of one token; `None` for one that stands for none, such as a control token.
    pub(crate) fn bytes(&self, token: u32) -> Option<&[u8]> {
        Some(self.bytes.get(token)).filter(|bytes| !bytes.is_empty())
    }

    /// The text of one token alone.
    pub(crate) fn spell(&self, token: u32) -> String {
        self.spell_all(&[token])
    }
}
