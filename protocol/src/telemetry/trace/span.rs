//! One span: a stretch of a request's time, and what is told of it.

use super::parent::{SpanId, TraceId};
use crate::telemetry::decided::cut;
use crate::time::Millis;
use std::borrow::Cow;

/// A span that has ended, or is about to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Of which trace.
    pub trace: TraceId,
    /// Which.
    pub id: SpanId,
    /// The span that it is a part of, which may be the caller's.
    pub parent: Option<SpanId>,
    /// The caller's `tracestate`.
    pub state: Option<String>,
    /// Whose side of what it is.
    pub kind: Kind,
    /// What it is called, of a few words that do not depend on who asks for what.
    pub name: String,
    /// When it began.
    pub start: Millis,
    /// When it ended.
    pub end: Millis,
    /// What is told of it, no key twice.
    pub attributes: Vec<Attribute>,
    /// Whether we failed in it.
    pub has_failed: bool,
}

/// Whose side of what a span is, by its number in OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something within the gate.
    Internal = 1,
    /// A request that came.
    Server = 2,
    /// A request to somebody else.
    Client = 3,
}

/// One thing that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// What.
    pub key: &'static str,
    /// And its value.
    pub value: Value,
}

/// What attributes may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A whole number.
    Number(u64),
    /// A duration, which is told in seconds.
    Seconds(Millis),
    /// Several texts.
    Texts(Vec<String>),
}

impl Span {
    /// Tells a word of ours.
    pub fn word(&mut self, key: &'static str, word: &'static str) {
        self.tell(key, Value::Text(Cow::Borrowed(word)));
    }

    /// Tells a name, cut after 64 characters; nothing if it is empty.
    pub fn name(&mut self, key: &'static str, name: &str) {
        if !name.is_empty() {
            self.tell(key, Value::Text(Cow::Owned(cut(name))));
        }
    }

    /// Tells a whole number.
    pub fn number(&mut self, key: &'static str, number: u64) {
        self.tell(key, Value::Number(number));
    }

    /// Tells anything. A key that was told before has the new value.
    pub fn tell(&mut self, key: &'static str, value: Value) {
        match self.attributes.iter_mut().find(|told| told.key == key) {
            Some(told) => told.value = value,
            None => self.attributes.push(Attribute { key, value }),
        }
    }
}
