//! What a Gate says, and what it is told.

use crate::limit::kind::RefusedKind;
use crate::limit::lease::Metered;
use crate::request::bodies::chat::Used;
use crate::request::cost::work::Work;
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// The answer to an ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Go.
    Admit(Admitted),
    /// No. Nothing changed.
    Refuse(Vec<Refused>),
    /// This request was settled before: the message is late. Nothing changed, and it must not be forwarded.
    Closed,
}

/// What was admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// When the lease ends by itself.
    pub deadline: Millis,
    /// What the request may use, if some limit of tokens or cost counts it.
    pub metered: Option<Work>,
    /// Watched limits that would have refused it.
    pub shadowed: Vec<String>,
}

/// One limit that refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The limit's name.
    pub limit: String,
    /// What kind it is, and what it lets through at the time of the decision.
    pub kind: RefusedKind,
    /// What the request asked for; money is in nano-units.
    pub amount: u64,
    /// What counted already.
    pub used: u64,
    /// When the request would pass this limit.
    pub passes: Passes,
    /// Which of this caller's other requests it refuses, too, until then.
    pub blanket: Blanket,
}

/// Which other requests a limit refuses together with one of them: all of the same caller's, or not all.
///
/// A caller is a key (with each of its secrets), or a subject with its plan. Nothing is said of other callers: those of the
/// same account may have other plans, and a limit `per` key counts each of them by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Blanket {
    /// Another request may pass it: a smaller one, or one for another model.
    No,
    /// All of this caller's, whatever they ask for.
    Caller,
    /// All of this caller's from the same address. From another one the caller may be exempt, or not let in at all.
    Address,
}

/// When a refused request would pass, if nothing else is counted or settled before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Passes {
    /// At this time, in milliseconds since the epoch; not one millisecond earlier.
    At(Millis),
    /// When the origin is less full: it would pass then, or at least sooner.
    LessFull,
    /// Never: it asks for more than the limit ever lets through.
    Never,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The origin took it, to the end or until the caller left, or refused it as a bad request: it stays counted.
    /// What was used is absent where the origin gave none or the stream broke off before its last event: then all that
    /// was reserved stays counted.
    Served(Option<Used>),
    /// It was a good request and we failed it (origin full, down or draining): taken back from every limit.
    NotServed,
}

impl Outcome {
    /// What was used, if that is known.
    pub const fn used(self) -> Option<Used> {
        match self {
            Self::Served(used) => used,
            Self::NotServed => None,
        }
    }
}

/// What an account has used since its Gate first saw it. Saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Requests that were settled as served.
    pub served: u64,
    /// Tokens of their prompts, as far as the origin told.
    pub prompt_tokens: u64,
    /// Tokens of their answers, as far as the origin told.
    pub completion_tokens: u64,
    /// What they cost, as far as a limit counted cost.
    #[serde(default)]
    pub cost: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, used: Option<Used>, metered: Option<Metered>) {
        let told = used.unwrap_or_default().usage;
        self.served = self.served.saturating_add(1);
        self.prompt_tokens = self.prompt_tokens.saturating_add(told.prompt_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(told.completion_tokens);
        if let Some(Metered { work, rate, .. }) = metered {
            let cost = used.map_or_else(|| rate.reserve(work), |used| rate.used(work, used));
            self.cost = self.cost.saturating_add(cost);
        }
    }
}
