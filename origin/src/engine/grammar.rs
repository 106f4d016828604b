//! Answers of a form (`response_format`): which tokens may come next, so that what comes out is JSON that follows a schema.
//!
//! A schema is compiled once for each request, before the request waits, and shared with nobody: what a constraint allows, and
//! when it gives up, depends on its own answer alone. Compiling takes 0.3 to 3 ms for schemas as people write them, which is
//! not worth a cache.
//!
//! **Thinking.** A model that thinks does so in front of its answer, between two tokens of its own, `<think>` and `</think>`.
//! As in vLLM, the form binds what comes after: a block that the model or its template opens is free text until the
//! model closes it (it cannot end the answer before), and then the form begins. A model that does not open one answers at
//! once. Where thinking is switched off there is no block.

use crate::text::Text;
use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use llguidance::{JsonCompileOptions, Matcher, ParserFactory};
use serde_json::{Value, json};
use sluice_protocol::chat::{ChatRequest, ResponseFormat};
use sluice_protocol::refusal::{Reason, Refusal};
use std::sync::OnceLock;
use std::{iter, thread};

/// Compiles forms for one model's vocabulary.
pub(crate) struct Grammars {
    vocab: usize,
    /// Made when first asked for: for 151,936 tokens it takes more than a second. `None` if it could not be made.
    factory: OnceLock<Option<ParserFactory>>,
}

impl Grammars {
    /// For a model with this many tokens.
    pub(crate) fn new(vocab: usize) -> Self {
        Self { vocab, factory: OnceLock::new() }
    }

    /// What binds the answer to a request with this prompt; `None` if nothing does.
    ///
    /// Refuses with [`Reason::InvalidRequest`] a schema that cannot be followed: what it asks for is not served, contradicts
    /// itself, or is too complex. Takes milliseconds, and up to about a second for what is refused as too complex: not for an
    /// async thread.
    pub(crate) fn constraint(
        &self,
        text: &Text,
        request: &ChatRequest,
        prompt: &[u32],
    ) -> Result<Option<Constraint>, Refusal> {
        let schema = match &request.format {
            ResponseFormat::Text => return Ok(None),
            ResponseFormat::JsonObject => json!({"type": "object"}),
            ResponseFormat::JsonSchema(format) => parse(&format.schema)?,
        };
        let factory = self.factory.get_or_init(|| factory(text, self.vocab).ok()).as_ref().ok_or_else(|| {
            Refusal::new(Reason::Internal, "The origin failed on this request.").with_detail("no token trie was made")
        })?;
        let matcher = on_a_deep_stack(|| compile(factory, schema))??;
        let marks = text.thinking();
        let phase = match marks {
            Some([open, close]) => phase(text, prompt, [open, close], request.enable_thinking),
            None => Phase::Answering,
        };
        Ok(Some(Constraint { matcher: Box::new(matcher), phase, marks, ends: text.ends().to_vec() }))
    }
}

/// Where in an answer a model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing has come: it may begin to think, or to answer.
    Before,
    /// It thinks: whatever it wants, but the end.
    Thinking,
    /// The form binds.
    Answering,
}

/// Binds one answer to its form.
pub(crate) struct Constraint {
    matcher: Box<Matcher>,
    phase: Phase,
    /// The tokens that open and close a block of thoughts.
    marks: Option<[u32; 2]>,
    ends: Vec<u32>,
}

/// The form leaves no token, or became too complex to follow. The text is for the log and holds nothing of the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the form leaves no token or is too complex to follow")]
pub(crate) struct DeadEnd;

impl Constraint {
    /// The same for another answer to the same request: shares nothing with this one.
    pub(crate) fn fresh(&self) -> Self {
        Self {
            matcher: Box::new(self.matcher.deep_clone()),
            phase: self.phase,
            marks: self.marks,
            ends: self.ends.clone(),
        }
    }

    /// Makes minus infinity of the logits of all tokens that must not come next; the others stay as they are. An ending
    /// token stays only where the answer is complete.
    pub(super) fn mask(&mut self, logits: &mut [f32]) -> Result<(), DeadEnd> {
        if self.phase == Phase::Thinking {
            for end in &self.ends {
                if let Some(logit) = logits.get_mut(*end as usize) {
                    *logit = f32::NEG_INFINITY;
                }
            }
            return Ok(());
        }
        let mut allowed = self.matcher.compute_mask().map_err(|_| DeadEnd)?;
        if let (Phase::Before, Some([open, _])) = (self.phase, self.marks) {
            allowed.allow_token(open);
        }
        // 32 tokens a word; what lies beyond the mask is not allowed.
        let words = allowed.as_slice().iter().copied().chain(iter::repeat(0));
        for (word, logits) in words.zip(logits.chunks_mut(32)) {
            match word {
                u32::MAX => {}
                0 => logits.fill(f32::NEG_INFINITY),
                _ => {
                    for (_, logit) in logits.iter_mut().enumerate().filter(|(bit, _)| word >> bit & 1 == 0) {
                        *logit = f32::NEG_INFINITY;
                    }
                }
            }
        }
        Ok(())
    }

    /// Goes on with the token that was chosen, which is not an ending one. Whether the answer is complete with it, so that
    /// nothing more could come.
    pub(super) fn accept(&mut self, token: u32) -> Result<bool, DeadEnd> {
        match (self.phase, self.marks) {
            (Phase::Before, Some([open, _])) if token == open => self.phase = Phase::Thinking,
            (Phase::Thinking, Some([_, close])) if token == close => self.phase = Phase::Answering,
            (Phase::Thinking, _) => {}
            (Phase::Before | Phase::Answering, _) => {
                self.phase = Phase::Answering;
                self.matcher.consume_token(token).map_err(|_| DeadEnd)?;
                return Ok(self.matcher.is_stopped());
            }
        }
        Ok(false)
    }
}

/// White space between two parts: bounded, as a model that is bound to JSON and does not want to write it may write blanks for ever.
const BLANKS: &str = r"[\x20\x0A\x0D\x09]{1,64}";
/// How deep the compiler goes: one call for each part of a schema on a path through its references, of which 64 KiB of schema hold
/// 6,500. Those took between 16 and 32 MiB. Memory that is not used is not taken.
const STACK: usize = 128 * 1024 * 1024;
/// What one answer may cost: 20,000 states of the lexer are some 30 MB, and what a mask may use up takes a few milliseconds.
fn limit(limits: &mut ParserLimits) {
    limits.max_lexer_states = 20_000;
    limits.step_lexer_fuel = 50_000;
    limits.step_max_items = 20_000;
    limits.max_grammar_size = 200_000;
    // An error would hold the answer.
    limits.verbose_errors = false;
}

fn factory(text: &Text, vocab: usize) -> Result<ParserFactory, ()> {
    let words = text.words(vocab);
    let ends: Vec<u32> = text.ends().iter().copied().filter(|end| (*end as usize) < vocab).collect();
    let (Some(first), Ok(size)) = (ends.first(), u32::try_from(vocab)) else { return Err(()) };
    let trie = TokTrie::from(&TokRxInfo::new(size, *first), &words).with_eos_tokens(&ends);
    let environment: TokEnv = std::sync::Arc::new(ApproximateTokEnv::new(trie));
    let mut factory = ParserFactory::new_simple(&environment).map_err(drop)?;
    limit(factory.quiet().limits_mut());
    Ok(factory)
}

fn parse(schema: &str) -> Result<Value, Refusal> {
    let schema: Value = serde_json::from_str(schema).map_err(|error| unfollowable(&error.to_string()))?;
    // llguidance's own settings: they would let a schema be followed in part.
    match schema.get("x-guidance") {
        Some(_) => Err(unfollowable("`x-guidance` is not served")),
        None => Ok(schema),
    }
}

fn compile(factory: &ParserFactory, mut schema: Value) -> Result<Matcher, Refusal> {
    let options = JsonCompileOptions { whitespace_pattern: Some(BLANKS.into()), ..JsonCompileOptions::default() };
    options.apply_to(&mut schema);
    let parser = factory.create_parser(TopLevelGrammar::from_json_schema(schema));
    let mut matcher = Matcher::new(parser);
    // A form that nothing fits is found now and not in the middle of a stream.
    match matcher.compute_mask() {
        Ok(_) => Ok(matcher),
        Err(error) => Err(unfollowable(&error.to_string())),
    }
}

fn on_a_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Refusal> {
    let failed = |detail| Refusal::new(Reason::Internal, "The origin failed on this request.").with_detail(detail);
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("schema".into()).stack_size(STACK).spawn_scoped(scope, work);
        let thread = thread.map_err(|_| failed("no thread for a schema"))?;
        thread.join().map_err(|_| failed("compiling a schema panicked"))
    })
}

/// Tells the caller what the compiler said of its schema, where that is meant for people.
fn unfollowable(said: &str) -> Refusal {
    let said = said.split("\n<").next().unwrap_or_default();
    let why = if said.starts_with("panic") || said.starts_with("NoExtension") {
        "nothing fits it, or it is not a schema".to_owned()
    } else if said.starts_with("oneOf") {
        "of `oneOf`, it must be plain from types and constants that no value fits two options; use `anyOf`".to_owned()
    } else {
        said.replace(" without 'referencing' feature", "")
    };
    let why: String = why.chars().take(MAX_REASON).collect();
    let message = format!("The schema of `response_format` cannot be followed: {why}.");
    Refusal::new(Reason::InvalidRequest, message).with_param("response_format")
}

/// Characters of the compiler's words that a caller is told.
const MAX_REASON: usize = 300;

/// Where an answer begins, by how its prompt ends: the template may have opened a block of thoughts, or closed one.
fn phase(text: &Text, prompt: &[u32], [open, close]: [u32; 2], enable_thinking: Option<bool>) -> Phase {
    match prompt.iter().rev().find(|token| !text.is_blank(**token)) {
        Some(last) if *last == open => Phase::Thinking,
        Some(last) if *last == close => Phase::Answering,
        _ if enable_thinking == Some(false) => Phase::Answering,
        _ => Phase::Before,
    }
}
