//! Objects: each has a name and rows of its own, and there is one of each name.

use crate::platform::{Env, Fault, State};
use std::fmt;
use std::future::{Future, ready};

/// What an object does.
pub trait Object: 'static {
    /// The object at its start. What it knows is in its rows.
    fn new(state: State, env: Env) -> Self;

    /// Answers a message in the turn in which it came. Nothing, if that takes a wait; nothing has been done then.
    fn answer_at_once(&self, _message: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(None)
    }

    /// Answers a message.
    fn answer(&self, message: Vec<u8>) -> impl Future<Output = Result<Vec<u8>, Fault>>;

    /// Its alarm rings.
    fn alarm(&self) -> impl Future<Output = Result<(), Fault>> {
        ready(Ok(()))
    }
}

/// A message to an object without an answer.
#[derive(Debug)]
pub struct Unanswered {
    /// What became of it.
    pub cause: Cause,
    /// For the log.
    pub why: String,
}

/// What became of a message without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The object could not be reached, or its answer was lost: it may have had the message, or not.
    Unreachable,
    /// The object is there and has too much to do.
    Overloaded,
    /// The object was started anew while it had the message: with other code, or because the message was too much for it.
    Reset,
    /// The object was reached, and its code failed over the message.
    Own,
}

impl Unanswered {
    /// An answer that is none.
    pub fn own(why: impl Into<String>) -> Self {
        Self { cause: Cause::Own, why: why.into() }
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.cause, self.why)
    }
}
