//! Reading a table's rules for alerts.

use crate::limit::fields::{MAX_AMOUNT, Reader};
use crate::limit::plan::AlertRule;
use crate::limit::plan::alert::{BUDGET_PERCENT, Condition, MAX_WITHIN_MS, MIN_WITHIN_MS};
use crate::time::Millis;
use serde_json::{Map, Value};

/// How many rules a table may have.
const MAX_RULES: usize = 32;
/// How many webhooks a rule may name: there are no more.
const MAX_SEND: usize = 16;
/// By its place: each kind, and the members that it needs besides `kind`.
const KINDS: [(&str, &[&str]); 6] = [
    ("key_refused", &["more_than", "within"]),
    ("budget", &["percent"]),
    ("origin_down", &["for"]),
    ("errors", &["percent", "of_at_least", "within"]),
    ("lapsed", &["more_than", "within"]),
    ("failed_logins", &["more_than", "within"]),
];

impl Reader {
    /// `[{"name": "errors", "when": {...}, "send": ["ops"], "muted": false}]`; the built-in rules where there is no
    /// list.
    pub(super) fn alerts(&mut self, value: Option<&Value>) -> Vec<AlertRule> {
        if value.is_none() {
            return AlertRule::built_in();
        }
        let rules = self.list("alerts", value, MAX_RULES, Self::alert);
        let values = value.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let values = &values[..values.len().min(MAX_RULES)];
        for (index, value) in values.iter().enumerate() {
            let name = value.get("name").and_then(Value::as_str);
            if name.is_some() && values[..index].iter().any(|before| before.get("name").and_then(Value::as_str) == name)
            {
                self.mistake(&format!("alerts[{index}].name"), "stands twice");
            }
        }
        rules
    }

    fn alert(&mut self, at: &str, value: &Value) -> Option<AlertRule> {
        let object = self.object(at, value, &["name", "when", "send", "muted"])?;
        let name = object.get("name").and_then(Value::as_str).unwrap_or_default();
        self.name(&format!("{at}.name"), name);
        let send = self.send(&format!("{at}.send"), object.get("send"));
        let muted = object.get("muted").map_or(Some(false), Value::as_bool);
        if muted.is_none() {
            self.mistake(&format!("{at}.muted"), "must be true or false");
        }
        let when = match object.get("when") {
            Some(when) => self.condition(&format!("{at}.when"), when),
            None => {
                self.mistake(at, "needs a member `when`");
                None
            }
        };
        Some(AlertRule { name: name.to_owned(), when: when?, send, muted: muted? })
    }

    /// An empty list is no list: all webhooks.
    fn send(&mut self, at: &str, value: Option<&Value>) -> Vec<String> {
        let mut names = Vec::new();
        self.list(at, value, MAX_SEND, |reader, at, value| {
            let name = value.as_str().unwrap_or_default();
            reader.name(at, name);
            if names.contains(&name.to_owned()) {
                reader.mistake(at, "stands twice");
            }
            names.push(name.to_owned());
            Some(name.to_owned())
        })
    }

    fn condition(&mut self, at: &str, value: &Value) -> Option<Condition> {
        let of_any = ["kind", "more_than", "within", "percent", "for", "of_at_least"];
        let object = self.object(at, value, &of_any)?;
        if !object.contains_key("kind") {
            self.mistake(at, "needs a member `kind`");
        }
        let known: Vec<(&str, usize)> = KINDS.iter().enumerate().map(|(place, (name, _))| (*name, place)).collect();
        let (kind, needed) = KINDS[self.one_of(at, object, "kind", &known)?];
        for member in &of_any[1..] {
            match object.contains_key(*member) {
                true if !needed.contains(member) => {
                    self.mistake(at, format!("has `{member}`, which `{kind}` does not take"));
                }
                false if needed.contains(member) => self.mistake(at, format!("needs `{member}`")),
                _ => {}
            }
        }
        // All of them are read before one that is missing ends it, so that every mistake is told.
        let more_than = self.amount(at, object, "more_than", 0);
        let within_ms = self.span(at, object, "within", MIN_WITHIN_MS);
        let of_at_least = self.amount(at, object, "of_at_least", 1);
        match kind {
            "key_refused" => Some(Condition::KeyRefused { more_than: more_than?, within_ms: within_ms? }),
            "budget" => {
                let percent = self.steps(&format!("{at}.percent"), object.get("percent")?)?;
                Some(Condition::BudgetUsed { percent })
            }
            "origin_down" => Some(Condition::OriginDown { for_ms: self.span(at, object, "for", 0)? }),
            "errors" => {
                let percent = self.optional(at, object, "percent", 1, 99)?;
                let percent = u8::try_from(percent).unwrap_or(u8::MAX);
                Some(Condition::Errors { percent, of_at_least: of_at_least?, within_ms: within_ms? })
            }
            "lapsed" => Some(Condition::Lapsed { more_than: more_than?, within_ms: within_ms? }),
            _ => Some(Condition::FailedLogins { more_than: more_than?, within_ms: within_ms? }),
        }
    }

    fn amount(&mut self, at: &str, object: &Map<String, Value>, name: &str, least: u64) -> Option<u64> {
        self.number(&format!("{at}.{name}"), object.get(name)?, least, MAX_AMOUNT)
    }

    fn span(&mut self, at: &str, object: &Map<String, Value>, name: &str, least: u64) -> Option<Millis> {
        self.duration(&format!("{at}.{name}"), object.get(name)?, least, MAX_WITHIN_MS)
    }

    /// One step or a list of them, in order.
    fn steps(&mut self, at: &str, value: &Value) -> Option<Vec<u8>> {
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let is_there = |step: &u8| values.iter().any(|value| value.as_u64() == Some(u64::from(*step)));
        let steps: Vec<u8> = BUDGET_PERCENT.into_iter().filter(is_there).collect();
        // As many as there are, each of them a step: so each is there once.
        let is_good = !steps.is_empty() && steps.len() == values.len();
        if !is_good {
            self.mistake(at, "must be one or more of 50, 80, 90 and 100, each once");
        }
        is_good.then_some(steps)
    }
}
