//! Degrading: what a plan makes of its requests while the origins are full, and how much of it at which time.
//!
//! A plan lists rungs, the mildest first. Each has something that is done and when it begins. A level is how many rungs
//! are in force, from the first on. [`Dial`] says which level holds; [`Degrade::bend`] what that makes of one request.

mod dial;
mod reader;

pub use dial::Dial;

use crate::auth::alias::Aliases;
use crate::auth::pattern::Pattern;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a plan does while the origins are full. One that exists is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Degrade {
    /// The mildest first; each kind once at most, and none begins before the one before it.
    rungs: Vec<Rung>,
    /// How long all has to be calm before the last rung is left, in milliseconds.
    hold_ms: Millis,
    /// How far below its beginning a rung is left, in percentage points of the pressure and percent of the wait.
    ease: u8,
}

/// One rung.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rung {
    done: Done,
    from: From,
}

/// When a rung begins: at any of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct From {
    /// From so many percent of the origins' places in use on.
    pressure: Option<u8>,
    /// From so long a wait on, in milliseconds.
    wait_ms: Option<Millis>,
    /// While no origin takes requests for the model.
    breaker: bool,
}

/// What a rung does.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Done {
    /// The origin is asked for whole answers.
    NoStream,
    /// Models do not think: all, or these.
    NoThinking(Option<Vec<Pattern>>),
    /// An answer has so many tokens at most; all answers of a request together.
    MaxTokens(u32),
    /// Other models answer.
    SmallerModel(Aliases),
    /// No model is asked: this is the answer.
    StaticAnswer(String),
}

/// How full the origins are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signal {
    /// How many percent of their places are in use.
    pub pressure: u8,
    /// How long a request that came now would wait, in milliseconds; 0 where nobody knows.
    pub wait_ms: Millis,
}

/// What of a request may be bent.
#[derive(Clone, Copy, Debug)]
pub struct Bendable<'a> {
    /// Its model.
    pub model: &'a str,
    /// Whether its answer is to come in pieces.
    pub streams: bool,
    /// Whether its model may think.
    pub thinks: bool,
    /// How many tokens all of its answers may have together.
    pub max_tokens: u32,
    /// Whether another model may answer.
    pub may_change_model: bool,
}

/// What was made of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Degraded {
    /// Its answer was to come in pieces, and the origin is asked for a whole one.
    pub no_stream: bool,
    /// Its model does not think.
    pub no_thinking: bool,
    /// Its answers have so many tokens at most, together.
    pub max_tokens: Option<u32>,
    /// Another model answers.
    pub model: Option<String>,
    /// No model answers, but the plan's text.
    pub static_answer: bool,
    /// A limit of tokens would have refused it: it has so many, together.
    pub clamped: Option<u32>,
}

impl Degrade {
    /// The level at which this begins, or the one at which it is left, if `eased`.
    fn level(&self, signal: Signal, eased: bool) -> u8 {
        let ease = if eased { self.ease } else { 0 };
        let holds = |rung: &Rung| {
            let by_pressure =
                rung.from.pressure.is_some_and(|from| signal.pressure >= from.saturating_sub(ease).max(1));
            let wait = |from: Millis| (from - from * Millis::from(ease) / 100).max(1);
            by_pressure || rung.from.wait_ms.is_some_and(|from| signal.wait_ms >= wait(from))
        };
        self.level_of(self.rungs.iter().rposition(holds))
    }

    /// The level of a request for whose model no origin takes requests. It needs no dial: a breaker has its own.
    pub fn level_when_broken(&self) -> u8 {
        self.level_of(self.rungs.iter().rposition(|rung| rung.from.breaker))
    }

    fn most_level(&self) -> u8 {
        self.level_of(self.rungs.len().checked_sub(1))
    }

    fn level_of(&self, last: Option<usize>) -> u8 {
        last.map_or(0, |last| u8::try_from(last + 1).unwrap_or(u8::MAX))
    }

    /// Whether some rung begins with the breaker.
    pub fn watches_breakers(&self) -> bool {
        self.level_when_broken() > 0
    }

    /// What this level makes of a request. Nothing, where it has nothing of what would be bent. A static answer is all
    /// that is done.
    pub fn bend(&self, level: u8, asked: Bendable<'_>) -> Degraded {
        let mut degraded = Degraded::default();
        for rung in &self.rungs[..self.rungs.len().min(level.into())] {
            match &rung.done {
                Done::NoStream => degraded.no_stream = asked.streams,
                Done::NoThinking(models) => {
                    let is_meant = |models: &Vec<Pattern>| models.iter().any(|model| model.matches(asked.model));
                    degraded.no_thinking = asked.thinks && models.as_ref().is_none_or(is_meant);
                }
                Done::MaxTokens(most) => degraded.max_tokens = Some(*most).filter(|most| *most < asked.max_tokens),
                Done::SmallerModel(models) => {
                    let other = models.of(asked.model).filter(|model| asked.may_change_model && *model != asked.model);
                    degraded.model = other.map(str::to_owned);
                }
                Done::StaticAnswer(_) => return Degraded { static_answer: true, ..Degraded::default() },
            }
        }
        degraded
    }

    /// The plan's text in place of an answer, if it has one.
    pub fn text(&self) -> Option<&str> {
        self.rungs.iter().find_map(|rung| match &rung.done {
            Done::StaticAnswer(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// The models that answer in the place of others.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.rungs.iter().flat_map(|rung| match &rung.done {
            Done::SmallerModel(models) => models.models().collect(),
            _ => Vec::new(),
        })
    }
}

impl Degraded {
    /// Whether anything was done.
    pub fn is_any(&self) -> bool {
        *self != Self::default()
    }

    /// What was done, each by its name, with what it came to.
    pub fn steps(&self) -> Vec<String> {
        let number = |name: &str, number: Option<u32>| number.map(|number| format!("{name}={number}"));
        let flag = |name: &str, is_set: bool| is_set.then(|| name.to_owned());
        [
            flag("no-stream", self.no_stream),
            flag("no-thinking", self.no_thinking),
            number("max-tokens", self.max_tokens),
            // A name of a model may hold what a header may not.
            self.model.is_some().then(|| "model".to_owned()),
            flag("static-answer", self.static_answer),
            number("clamp", self.clamped),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl fmt::Display for Degraded {
    /// As the header has it: `no-stream, max-tokens=256`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.steps().join(", "))
    }
}
