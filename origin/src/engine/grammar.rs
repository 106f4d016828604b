//! Answers of a form (`response_format`), and calls that must be made or must follow a schema (`tools`): which tokens
//! may come next, so that what comes out is what was asked for.
//!
//! A schema is compiled once for each request, before the request waits, and shared with nobody: what a constraint
//! allows, and when it gives up, depends on its own answer alone. Compiling takes a few milliseconds for schemas as
//! people write them, which is not worth a cache. Every bound is a count and none a time.
//!
//! **Thinking.** A model that thinks does so in front of its answer, between two tokens of its own, `<think>` and
//! `</think>`. As in vLLM, the form binds what comes after: a block that the model or its template opens is free text
//! until the model closes it (it cannot end the answer before), and then the form begins. A model that does not open
//! one answers at once. Where thinking is switched off there is no block.
//!
//! **Calls that are free.** Where tools may be called and follow no schema, nothing is bound, and nothing is computed, until the
//! model opens a call: then only a tool that was offered can follow, with some object, and the call is closed.

mod free_calls;
mod schema;
mod shape;

use crate::text::Text;
use crate::text::sections::CALL_MARKS;
use free_calls::FreeCalls;
use llguidance::api::ParserLimits;
use llguidance::toktrie::{ApproximateTokEnv, SimpleVob, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use shape::{Opens, Place, Shape};
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::chat::{ChatRequest, ResponseFormat};
use std::sync::OnceLock;
use std::{iter, thread};

/// Compiles forms for one model's vocabulary.
pub(crate) struct Grammars {
    vocab: usize,
    /// Made by [`Self::prepare`], or at the first use. `None` if it could not be made.
    factory: OnceLock<Option<ParserFactory>>,
}

impl Grammars {
    /// For a model with this many tokens.
    pub(crate) fn new(vocab: usize) -> Self {
        Self { vocab, factory: OnceLock::new() }
    }

    /// Does what the first form or the first tools would wait for: for 151,936 tokens more than a second.
    pub(crate) fn prepare(&self, text: &Text) {
        self.factory(text);
    }

    fn factory(&self, text: &Text) -> Option<&ParserFactory> {
        self.factory.get_or_init(|| factory(text, self.vocab).ok()).as_ref()
    }

    /// What binds the answer to a request with this prompt; `None` if nothing does.
    ///
    /// Refuses with [`Reason::InvalidRequest`] a schema that cannot be followed and has to be: what it asks for is not
    /// served, contradicts itself, or is too complex. Takes milliseconds, and up to about a second for what is refused
    /// as too complex: not for an async thread.
    pub(crate) fn constraint(
        &self,
        text: &Text,
        request: &ChatRequest,
        prompt: &[u32],
    ) -> Result<Option<Constraint>, Refusal> {
        if request.format == ResponseFormat::Text && request.tools.is_empty() {
            return Ok(None);
        }
        let marks = text.calling();
        let compiled = on_a_deep_stack(|| {
            let (shape, free_after) = match (Shape::of(request, marks.is_some())?, marks) {
                (Some(shape), _) => (shape, None),
                (None, Some([open, _])) if !request.tools.is_empty() => {
                    (Shape::of_free_call(&request.tools)?, Some(open))
                }
                (None, _) => return Ok(None),
            };
            let factory = self.factory(text).ok_or_else(|| {
                Refusal::new(Reason::Internal, "The origin failed on this request.")
                    .with_detail("no token trie was made")
            })?;
            let (param, opens) = (shape.param(), shape.opens(marks.map(|[open, _]| open)));
            let matcher = Box::new(shape.compile(factory)?);
            let rule = match free_after {
                Some(open) => Rule::Calls(FreeCalls::after(open, matcher)),
                None => Rule::Answer(matcher, opens),
            };
            Ok(Some((param, rule)))
        })?;
        let Some((param, rule)) = compiled? else { return Ok(None) };
        let marks = text.thinking();
        let phase = match marks {
            Some([open, close]) => phase(text, prompt, [open, close], request.enable_thinking),
            None => Phase::Answering,
        };
        Ok(Some(Constraint { rule, phase, marks, ends: text.ends().to_vec(), param }))
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

/// What is bound.
enum Rule {
    /// The whole answer, in which calls are opened like this.
    Answer(Box<Matcher>, Opens),
    /// Calls in an answer that is free.
    Calls(FreeCalls),
}

/// What became of an answer with a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted {
    /// Nothing more could come.
    pub(super) is_complete: bool,
    /// A mark of a call that ends in this token opens one: what follows is bound to be a call.
    pub(super) binds_calls: bool,
}

/// Binds one answer to its form.
pub(crate) struct Constraint {
    rule: Rule,
    phase: Phase,
    /// The tokens that open and close a block of thoughts.
    marks: Option<[u32; 2]>,
    ends: Vec<u32>,
    param: &'static str,
}

/// The form leaves no token, or became too complex to follow. The text is for the log and holds nothing of the
/// caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the form leaves no token or is too complex to follow")]
pub(crate) struct DeadEnd;

impl Constraint {
    /// The same for another answer to the same request: shares nothing with this one.
    pub(crate) fn fresh(&self) -> Self {
        let rule = match &self.rule {
            Rule::Answer(matcher, opens) => Rule::Answer(Box::new(matcher.deep_clone()), *opens),
            Rule::Calls(calls) => Rule::Calls(calls.fresh()),
        };
        Self { rule, phase: self.phase, marks: self.marks, ends: self.ends.clone(), param: self.param }
    }

    /// The member of the request that asks for it.
    pub(super) fn param(&self) -> &'static str {
        self.param
    }

    /// Sets the logits of all tokens that must not come next to minus infinity, and leaves the others. An ending token
    /// stays only where the answer is complete.
    pub(super) fn mask(&mut self, logits: &mut [f32]) -> Result<(), DeadEnd> {
        let matcher = match &mut self.rule {
            Rule::Answer(matcher, _) => matcher,
            Rule::Calls(calls) => return calls.mask(logits),
        };
        if self.phase == Phase::Thinking {
            for end in &self.ends {
                if let Some(logit) = logits.get_mut(*end as usize) {
                    *logit = f32::NEG_INFINITY;
                }
            }
            return Ok(());
        }
        let mut allowed = matcher.compute_mask().map_err(|_| DeadEnd)?;
        if let (Phase::Before, Some([open, _])) = (self.phase, self.marks) {
            allowed.allow_token(open);
        }
        leave(&allowed, logits);
        Ok(())
    }

    /// Goes on with the token that was chosen, which is not an ending one.
    pub(super) fn accept(&mut self, token: u32) -> Result<Accepted, DeadEnd> {
        match (self.phase, self.marks) {
            (Phase::Before, Some([open, _])) if token == open => self.phase = Phase::Thinking,
            (Phase::Thinking, Some([_, close])) if token == close => self.phase = Phase::Answering,
            (Phase::Thinking, _) => {}
            (Phase::Before | Phase::Answering, _) => {
                self.phase = Phase::Answering;
                let (matcher, opens) = match &mut self.rule {
                    Rule::Answer(matcher, opens) => (matcher, *opens),
                    Rule::Calls(calls) => {
                        return Ok(Accepted { is_complete: false, binds_calls: calls.accept(token)? });
                    }
                };
                matcher.consume_token(token).map_err(|_| DeadEnd)?;
                return Ok(Accepted { is_complete: matcher.is_stopped(), binds_calls: opens.with(token) });
            }
        }
        Ok(Accepted::default())
    }
}

/// Sets the logits of all other tokens to minus infinity.
fn leave(allowed: &SimpleVob, logits: &mut [f32]) {
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
}

/// How deep llguidance's compiler goes: a few calls for each rule on a path through a grammar, which [`schema`] bounds
/// by 2,000. Memory that is not used is not taken.
const STACK: usize = 128 * 1024 * 1024;
/// What one answer may cost: 20,000 states of the lexer are some 30 MB, and what a mask may use up takes a few
/// milliseconds.
fn limit(limits: &mut ParserLimits) {
    limits.max_lexer_states = 20_000;
    limits.step_lexer_fuel = 50_000;
    limits.step_max_items = 20_000;
    limits.max_grammar_size = 200_000;
    // An error would hold the answer.
    limits.verbose_errors = false;
}

fn factory(text: &Text, vocab: usize) -> Result<ParserFactory, ()> {
    let mut words = text.words(vocab);
    // Tokens that stand for themselves: a rule can name them, and no text contains them.
    for (id, mark) in text.calling().into_iter().flatten().zip(CALL_MARKS) {
        if let Some(word) = words.get_mut(id as usize) {
            *word = [&[TokTrie::SPECIAL_TOKEN_MARKER], mark.as_bytes()].concat();
        }
    }
    let ends: Vec<u32> = text.ends().iter().copied().filter(|end| (*end as usize) < vocab).collect();
    let (Some(first), Ok(size)) = (ends.first(), u32::try_from(vocab)) else { return Err(()) };
    let trie = TokTrie::from(&TokRxInfo::new(size, *first), &words).with_eos_tokens(&ends);
    let environment: TokEnv = std::sync::Arc::new(ApproximateTokEnv::new(trie));
    let mut factory = ParserFactory::new_simple(&environment).map_err(drop)?;
    limit(factory.quiet().limits_mut());
    Ok(factory)
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
fn unfollowable(place: Place, said: &str) -> Refusal {
    let said = said.split("\n<").next().unwrap_or_default();
    let why = if said.starts_with("panic") || said.starts_with("NoExtension") {
        "nothing fits it, or it is not a schema".to_owned()
    } else {
        said.to_owned()
    };
    let why: String = why.chars().take(MAX_REASON).collect();
    let message = format!("{} cannot be followed: {why}.", place.named());
    Refusal::new(Reason::InvalidRequest, message).with_param(place.param())
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
