//! stream: how an answer is told, whichever door it was asked for at. Each protocol's room implements [`Tell`]; what drives
//! it, in pieces ([`stream`]) or [`whole`], is the same for all of them.

pub(crate) mod stream;
pub(crate) mod whole;

use crate::generate::said::Said;
use sluice_protocol::forward::report::UsageMark;
use sluice_protocol::id::RequestId;
use sluice_protocol::request::bodies::chat::{AnswerCall, FinishReason, TokenLogprob, UsageReport};
use sluice_protocol::request::bodies::responses::Repeated;
use sluice_protocol::time::Millis;
use std::sync::Arc;

/// Tells the answers to one request in a protocol's own shape. Each method that gives a text gives what is sent as it is:
/// events, lines, or nothing. `mark` is to ride on what is sent, so that whoever relays it knows what had been used.
pub(crate) trait Tell: Send {
    /// What the answer of this index begins with. `cached`: how many tokens of the prompts were remembered, as far as that
    /// is known.
    fn begin(&mut self, index: u32, cached: u64, mark: UsageMark) -> String;

    /// Whether an answer begins with how many tokens were remembered: then it begins when the engine has begun.
    fn tells_cached(&self) -> bool {
        false
    }

    /// What is new in it; nothing, where that is to be told with what follows.
    fn delta(&mut self, piece: Piece, mark: UsageMark) -> String;

    /// That a string of the caller's ended it. Comes before its end.
    fn stopped(&mut self, _by: &str) {}

    /// Its end; of the last one with what all of them used, which ends the stream. `mark` is final then.
    fn end(&mut self, index: u32, reason: FinishReason, usage: Option<UsageReport>, mark: UsageMark) -> String;

    /// That a request waits in the queue behind this many others. Never empty: silence is taken for death.
    fn queued(&mut self, ahead: usize, mark: UsageMark) -> String;

    /// That it is worked on, where nothing else is to be said. Never empty.
    fn working(&mut self, mark: UsageMark) -> String;

    /// How many events it has told, where its protocol numbers them.
    fn events(&self) -> u64 {
        0
    }

    /// All answers at once, as JSON.
    fn whole(&mut self, answers: Vec<Gathered>, usage: UsageReport) -> String;
}

/// What is new in an answer.
pub(crate) struct Piece {
    /// Which answer.
    pub(crate) index: u32,
    /// What was thought, said and called, in its order.
    pub(crate) said: Vec<Said>,
    /// How likely the tokens were that came since the last piece; empty where that was not asked for.
    pub(crate) logprobs: Vec<TokenLogprob>,
}

/// One answer, whole.
pub(crate) struct Gathered {
    pub(crate) content: String,
    pub(crate) reasoning: String,
    pub(crate) calls: Vec<GatheredCall>,
    pub(crate) logprobs: Vec<TokenLogprob>,
    /// Those of them that came with content, and not with thoughts or calls.
    pub(crate) said: Vec<TokenLogprob>,
    pub(crate) reason: FinishReason,
    /// The caller's string that ended it, if one did.
    pub(crate) stop: Option<String>,
}

/// A call of an answer.
pub(crate) struct GatheredCall {
    pub(crate) call: AnswerCall,
    /// Whether it was not cut off.
    pub(crate) is_whole: bool,
}

/// What all parts of an answer have in common.
pub(crate) struct Head {
    /// The request's id.
    pub(crate) request: RequestId,
    /// When it came.
    pub(crate) at: Millis,
    /// The model that answers.
    pub(crate) model: String,
    /// How many tokens all prompts have.
    pub(crate) prompt_tokens: u64,
    /// How it is to be told.
    pub(crate) manner: Manner,
}

/// What a request says of how its answer is told, and of nothing else.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manner {
    /// Whether a stream ends with an event of its own for usage.
    pub(crate) include_usage: bool,
    /// Whether tokens are told with their log probabilities.
    pub(crate) logprobs: bool,
    /// What answers begin with, by prompt: the prompts, if that was asked for.
    pub(crate) echo: Option<Vec<String>>,
    /// How many answers there are to each prompt; at least 1.
    pub(crate) answers: u32,
    /// What a response repeats of its request; of no other door's.
    pub(crate) repeated: Option<Arc<Repeated>>,
}

impl Manner {
    /// What the answer of this index begins with.
    pub(crate) fn beginning(&self, index: u32) -> Option<&str> {
        self.echo.as_ref()?.get((index / self.answers.max(1)) as usize).map(String::as_str)
    }
}
