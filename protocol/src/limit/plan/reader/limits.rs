//! Reading a plan's limits.

use crate::auth::pattern::pattern;
use crate::limit::fields::{Reader, find};
use crate::limit::kind::Form;
use crate::limit::plan::schedule::{DAYS, Schedule, ScheduleRule};
use crate::limit::plan::{EndpointName, Limit, Per, Pressure, When};
use crate::request::cost::Class;
use serde_json::Value;

const MAX_LIMITS: usize = 16;
const MAX_RULES: usize = 16;

impl Reader {
    pub(super) fn limits(&mut self, at: &str, value: Option<&Value>) -> Vec<Limit> {
        let Some(Value::Array(values)) = value else {
            self.mistake(at, "must be a list of limits (an empty list limits nothing)");
            return Vec::new();
        };
        if values.len() > MAX_LIMITS {
            self.mistake(at, format!("must hold at most {MAX_LIMITS} limits, not {}", values.len()));
            return Vec::new();
        }
        let mut limits: Vec<Limit> = Vec::new();
        for (index, value) in values.iter().enumerate() {
            let at = format!("{at}[{index}]");
            let Some(limit) = self.limit(&at, value) else { continue };
            if limits.iter().any(|other| other.name == limit.name) {
                self.mistake(&format!("{at}.name"), format!("`{}` is already the name of another limit", limit.name));
            }
            limits.push(limit);
        }
        limits
    }

    fn limit(&mut self, at: &str, value: &Value) -> Option<Limit> {
        let form = match Form::of(value.get("kind").and_then(Value::as_str)) {
            Ok(form) => form,
            Err(problem) => {
                self.mistake(&format!("{at}.kind"), problem);
                return None;
            }
        };
        let members = [&["name", "kind", "per", "when", "schedule", "pressure", "shadow"], form.members].concat();
        let object = self.object(at, value, &members)?;
        let name = object.get("name").and_then(Value::as_str).unwrap_or_default();
        self.name(&format!("{at}.name"), name);
        let kind = (form.read)(self, at, object);
        let per = self.one_of(at, object, "per", &PERS).unwrap_or_default();
        let when = object.get("when").map(|when| self.when(&format!("{at}.when"), when)).unwrap_or_default();
        let schedule = object.get("schedule").map(|value| self.schedule(&format!("{at}.schedule"), value));
        let pressure = object.get("pressure").and_then(|value| self.pressure(&format!("{at}.pressure"), value));
        let shadow = match object.get("shadow") {
            None => false,
            Some(Value::Bool(shadow)) => *shadow,
            Some(_) => {
                self.mistake(&format!("{at}.shadow"), "must be true or false");
                false
            }
        };
        let schedule = schedule.unwrap_or_default();
        Some(Limit { per, when, schedule, pressure, shadow, ..Limit::new(name, kind?) })
    }

    pub(super) fn when(&mut self, at: &str, value: &Value) -> When {
        let Some(object) = self.object(at, value, &["class", "model", "endpoint"]) else { return When::default() };
        let mut when = When::default();
        if let Some(value) = object.get("class") {
            when.classes = self.names(&format!("{at}.class"), value, |name| find(&CLASSES, name));
        }
        if let Some(value) = object.get("model") {
            when.models = self.names(&format!("{at}.model"), value, pattern);
        }
        if let Some(value) = object.get("endpoint") {
            when.endpoints = self.names(&format!("{at}.endpoint"), value, |name| find(&ENDPOINTS, name));
        }
        when
    }

    fn schedule(&mut self, at: &str, value: &Value) -> Schedule {
        let Some(object) = self.object(at, value, &["utc_offset", "rules"]) else { return Schedule::default() };
        let offset_minutes = match object.get("utc_offset") {
            None => 0,
            Some(value) => value.as_str().and_then(parse_offset).unwrap_or_else(|| {
                self.mistake(&format!("{at}.utc_offset"), "must be an offset such as \"+02:00\"");
                0
            }),
        };
        let before = self.mistakes.len();
        let rules = self.list(&format!("{at}.rules"), object.get("rules"), MAX_RULES, Self::schedule_rule);
        let schedule = Schedule { offset_minutes, rules };
        if self.mistakes.len() == before && schedule.percents().iter().all(|percent| *percent == 0) {
            self.mistake(at, "never opens: at least one hour of the week needs a percentage above 0");
        }
        schedule
    }

    fn schedule_rule(&mut self, at: &str, value: &Value) -> Option<ScheduleRule> {
        let object = self.object(at, value, &["days", "from", "to", "percent"])?;
        let days = match object.get("days") {
            None => 0b111_1111,
            Some(value) => {
                let read = |name: &str| DAYS.iter().position(|day| *day == name).map(|day| 1u8 << day);
                self.names(&format!("{at}.days"), value, read).into_iter().fold(0, |days, day| days | day)
            }
        };
        let mut minute = |name: &str| {
            let minute = object.get(name).and_then(Value::as_str).and_then(parse_minute);
            if minute.is_none() {
                self.mistake(&format!("{at}.{name}"), "must be a time of day such as \"08:30\", at most \"24:00\"");
            }
            minute
        };
        let (from, to) = (minute("from"), minute("to"));
        let percent = match object.get("percent") {
            Some(value) => self.number(&format!("{at}.percent"), value, 0, 1_000),
            None => self.number(&format!("{at}.percent"), &Value::Null, 0, 1_000),
        };
        if from.is_some() && (from == to || from == Some(24 * 60)) {
            self.mistake(at, "must begin before 24:00 and end at another time than it begins");
            return None;
        }
        Some(ScheduleRule { days, from: from?, to: to?, percent: percent? as u16 })
    }

    fn pressure(&mut self, at: &str, value: &Value) -> Option<Pressure> {
        let object = self.object(at, value, &["from", "percent"])?;
        let from = self.optional(at, object, "from", 0, 99).unwrap_or(50);
        let percent = self.ranged(at, object, "percent", 1, 100);
        Some(Pressure { from: from as u8, percent: percent? as u8 })
    }
}

fn parse_minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |text: &str| (text.len() == 2).then(|| text.parse::<u16>().ok()).flatten();
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (minutes < 60 && hours * 60 + minutes <= 24 * 60).then_some(hours * 60 + minutes)
}

fn parse_offset(text: &str) -> Option<i32> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    parse_minute(rest).filter(|minutes| *minutes < 24 * 60).map(|minutes| sign * i32::from(minutes))
}

const PERS: [(&str, Per); 5] = [
    ("account", Per::Account),
    ("key", Per::Key),
    ("model", Per::Model),
    ("session", Per::Session),
    ("user", Per::User),
];
const CLASSES: [(&str, Class); 3] = [("light", Class::Light), ("medium", Class::Medium), ("heavy", Class::Heavy)];
const ENDPOINTS: [(&str, EndpointName); 5] = [
    ("chat", EndpointName::Chat),
    ("completions", EndpointName::Completions),
    ("embeddings", EndpointName::Embeddings),
    ("batch", EndpointName::Batch),
    ("images", EndpointName::Images),
];
