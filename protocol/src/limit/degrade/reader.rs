//! Reading what a plan table says of degrading.

use super::{Degrade, Done, From, Rung};
use crate::auth::pattern::pattern;
use crate::limit::fields::Reader;
use crate::time::Millis;
use serde_json::{Map, Value};

/// By its place: each kind of rung, and the member that it needs.
const KINDS: [(&str, Option<&str>); 5] = [
    ("no_stream", None),
    ("no_thinking", None),
    ("max_tokens", Some("most")),
    ("smaller_model", Some("models")),
    ("static_answer", Some("text")),
];
const DEFAULT_HOLD_MS: Millis = 10_000;
/// What origins say is believed for a second: a level is to outlast that.
const MIN_HOLD_MS: Millis = 1_000;
const MAX_HOLD_MS: Millis = 60 * 60 * 1_000;
const DEFAULT_EASE: u32 = 10;
const MAX_WAIT_MS: Millis = 60 * 60 * 1_000;
/// The longest text in place of an answer, in bytes: it is a part of the table.
const MAX_TEXT: usize = 2_048;

impl Reader {
    /// `{"hold": "10s", "ease": 10, "rungs": [{"do": "no_stream", "pressure": 60}, ...]}`.
    pub(in crate::limit) fn degrade(&mut self, at: &str, value: &Value) -> Option<Degrade> {
        let object = self.object(at, value, &["hold", "ease", "rungs"])?;
        let hold_ms = match object.get("hold") {
            None => DEFAULT_HOLD_MS,
            Some(hold) => self.duration(&format!("{at}.hold"), hold, MIN_HOLD_MS, MAX_HOLD_MS)?,
        };
        let ease = self.optional(at, object, "ease", 1, 50).unwrap_or(DEFAULT_EASE);
        let at = format!("{at}.rungs");
        let rungs = self.list(&at, object.get("rungs"), KINDS.len(), Self::rung);
        if object.get("rungs").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            self.mistake(
                &at,
                "must hold at least one of no_stream, no_thinking, max_tokens, smaller_model, static_answer",
            );
        }
        for (index, pair) in rungs.windows(2).enumerate() {
            let at = format!("{at}[{}]", index + 1);
            if place(&pair[1].done) <= place(&pair[0].done) {
                let order: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
                self.mistake(&at, format!("must come in this order, each once: {}", order.join(", ")));
            }
            let begins_before =
                |one: Option<u64>, next: Option<u64>| matches!((one, next), (Some(one), Some(next)) if next < one);
            let [before, this] = [pair[0].from, pair[1].from];
            if begins_before(before.pressure.map(u64::from), this.pressure.map(u64::from))
                || begins_before(before.wait_ms, this.wait_ms)
            {
                self.mistake(&at, "must not begin before the one before it");
            }
        }
        Some(Degrade { rungs, hold_ms, ease: u8::try_from(ease).unwrap_or(u8::MAX) })
    }

    fn rung(&mut self, at: &str, value: &Value) -> Option<Rung> {
        let object = self.object(at, value, &["do", "pressure", "wait", "breaker", "most", "models", "text"])?;
        let kinds: Vec<(&str, usize)> = KINDS.iter().enumerate().map(|(place, (name, _))| (*name, place)).collect();
        if !object.contains_key("do") {
            self.mistake(at, "needs a member `do`");
        }
        let kind = self.one_of(at, object, "do", &kinds)?;
        let pressure = self.optional(at, object, "pressure", 1, 100).and_then(|from| u8::try_from(from).ok());
        let wait_ms = match object.get("wait") {
            None => None,
            Some(wait) => self.duration(&format!("{at}.wait"), wait, 1, MAX_WAIT_MS),
        };
        let breaker = match object.get("breaker") {
            None | Some(Value::Bool(false)) => false,
            Some(Value::Bool(true)) => true,
            Some(_) => {
                self.mistake(&format!("{at}.breaker"), "must be true or false");
                false
            }
        };
        if !["pressure", "wait", "breaker"].iter().any(|name| object.contains_key(*name)) {
            self.mistake(at, "needs `pressure`, `wait` or `breaker`: when it begins");
        }
        let done = self.done(at, object, kind)?;
        Some(Rung { done, from: From { pressure, wait_ms, breaker } })
    }

    fn done(&mut self, at: &str, object: &Map<String, Value>, kind: usize) -> Option<Done> {
        let (name, needed) = KINDS[kind];
        for member in ["most", "models", "text"] {
            let is_known = needed == Some(member) || (name, member) == ("no_thinking", "models");
            match object.contains_key(member) {
                true if !is_known => self.mistake(at, format!("has `{member}`, which `{name}` does not take")),
                false if needed == Some(member) => self.mistake(at, format!("needs `{member}`")),
                _ => {}
            }
        }
        let models = format!("{at}.models");
        Some(match name {
            "no_stream" => Done::NoStream,
            "no_thinking" => Done::NoThinking(object.get("models").map(|names| self.names(&models, names, pattern))),
            "max_tokens" => Done::MaxTokens(self.optional(at, object, "most", 1, 1_000_000)?),
            "smaller_model" => Done::SmallerModel(self.aliases(&models, object.get("models")?)),
            _ => {
                let text = object.get("text")?.as_str().filter(|text| (1..=MAX_TEXT).contains(&text.len()));
                if text.is_none() {
                    self.mistake(&format!("{at}.text"), format!("must be a text of 1 to {MAX_TEXT} bytes"));
                }
                Done::StaticAnswer(text?.to_owned())
            }
        })
    }
}

const fn place(done: &Done) -> usize {
    match done {
        Done::NoStream => 0,
        Done::NoThinking(_) => 1,
        Done::MaxTokens(_) => 2,
        Done::SmallerModel(_) => 3,
        Done::StaticAnswer(_) => 4,
    }
}
