//! Reading a plan table: the JSON is walked by hand, because serde stops at the first mistake.

use super::fields::{DAYS, MAX_LIST, Reader, find, parse_minute, parse_offset};
use super::{
    Allowance, CostRule, Endpoint, Exemption, Limit, LimitKind, Per, Plan, PlanMistake, PlanTable, Pressure,
    TableVersion, Unit, When, WithoutGate,
};
use crate::auth::pattern::pattern;
use crate::auth::principal::{AccountName, Network};
use crate::id::KeyId;
use crate::json::parse_unique;
use crate::limit::bucket::Refill;
use crate::limit::schedule::{Schedule, ScheduleRule};
use crate::request::cost::{Class, Classes, Rate};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

impl PlanTable {
    /// Reads a table: `{"plans": {"<name>": {"limits": [...]}}}`; the README describes every member. Unknown members,
    /// negative, fractional, zero and absurd values are mistakes, and so is a table of more than [`MAX_TABLE_BYTES`].
    pub fn parse(json: &str) -> Result<Self, Vec<PlanMistake>> {
        let whole = |problem: String| vec![PlanMistake { at: "(table)".into(), problem }];
        if json.len() > MAX_TABLE_BYTES {
            return Err(whole(format!("must be at most {MAX_TABLE_BYTES} bytes long, not {}", json.len())));
        }
        let value = parse_unique(json).map_err(|error| whole(format!("not JSON: {error}")))?;
        let mut reader = Reader { mistakes: Vec::new() };
        let mut table = reader.table(&value);
        table.version = TableVersion::of(json);
        table.json = json.to_owned();
        if reader.mistakes.is_empty() { Ok(table) } else { Err(reader.mistakes) }
    }
}

/// Reads a list of limits as a plan has it, for a key's own. `at` is where it stands, for the mistakes.
pub fn limits_from_json(at: &str, value: &Value) -> Result<Vec<Limit>, Vec<PlanMistake>> {
    let mut reader = Reader { mistakes: Vec::new() };
    let limits = reader.limits(at, Some(value));
    if reader.mistakes.is_empty() { Ok(limits) } else { Err(reader.mistakes) }
}

/// A table that every Gate keeps in memory, and that travels in one message.
pub const MAX_TABLE_BYTES: usize = 64 * 1024;
const MAX_PLANS: usize = 64;
const MAX_LIMITS: usize = 16;
const MAX_RULES: usize = 16;
const MAX_WINDOW_MS: u64 = 31 * 24 * 60 * 60 * 1000;
// A grant ends a second or two before its lease, in whole seconds: shorter leases would leave nothing to grant.
const MIN_LEASE_MS: u64 = 5_000;
const MAX_LEASE_MS: u64 = crate::forward::grant::MAX_GRANT_MS;
const DEFAULT_LEASE_MS: u64 = 10 * 60 * 1000;
/// Requests: more than one object can decide in a window. Tokens and cost: all that an amount can be.
const MAX_REQUESTS: u64 = 1_000_000;
const MAX_AMOUNT: u64 = 1_000_000_000;

impl Reader {
    fn table(&mut self, value: &Value) -> PlanTable {
        let mut table = PlanTable {
            plans: BTreeMap::new(),
            classes: Classes::default(),
            costs: Vec::new(),
            exemptions: Vec::new(),
            anonymous: None,
            version: TableVersion::default(),
            json: String::new(),
        };
        let members = ["plans", "classes", "costs", "exempt", "anonymous"];
        let Some(root) = self.object("(table)", value, &members) else { return table };
        match root.get("plans").map(Value::as_object) {
            None => self.mistake("(table)", "needs a member `plans`"),
            Some(None) => self.mistake("plans", "must be an object of plans by name"),
            Some(Some(plans)) if plans.is_empty() || plans.len() > MAX_PLANS => {
                self.mistake("plans", format!("must hold 1 to {MAX_PLANS} plans"));
            }
            Some(Some(plans)) => {
                table.plans =
                    plans.iter().filter_map(|(name, plan)| Some((name.clone(), self.plan(name, plan)?))).collect();
            }
        }
        if let Some(classes) = root.get("classes") {
            self.classes(classes, &mut table.classes);
        }
        table.costs = self.list("costs", root.get("costs"), MAX_RULES, Self::cost);
        table.exemptions = self.list("exempt", root.get("exempt"), MAX_LIST, Self::exemption);
        match root.get("anonymous") {
            None | Some(Value::Null) => {}
            Some(Value::String(name)) if root.get("plans").and_then(|plans| plans.get(name)).is_some() => {
                table.anonymous = Some(name.clone())
            }
            Some(_) => self.mistake("anonymous", "must name a plan of this table"),
        }
        table
    }

    fn plan(&mut self, name: &str, value: &Value) -> Option<Plan> {
        let at = format!("plans.{name}");
        self.name(&at, name);
        let members = [
            "priority",
            "lease",
            "limits",
            "models",
            "max_input_bytes",
            "max_input_tokens",
            "max_tokens",
            "default_max_tokens",
            "without_gate",
        ];
        let plan = self.object(&at, value, &members)?;
        let mut number = |name: &str, most: u64| self.optional(&at, plan, name, 1, most);
        let allowance = Allowance {
            models: None,
            max_input_bytes: number("max_input_bytes", 100 << 20),
            max_input_tokens: number("max_input_tokens", MAX_AMOUNT),
            max_tokens: number("max_tokens", 1_000_000),
            default_max_tokens: number("default_max_tokens", 1_000_000),
        };
        let models = plan.get("models").map(|models| self.names(&format!("{at}.models"), models, pattern));
        if let Some(most) = allowance.max_tokens.filter(|most| allowance.default_max_tokens > Some(*most)) {
            self.mistake(&format!("{at}.default_max_tokens"), format!("must be at most `max_tokens`, {most}"));
        }
        let priority = self.optional(&at, plan, "priority", 0, 255).unwrap_or(0);
        let lease_ms = match plan.get("lease") {
            None => Some(DEFAULT_LEASE_MS),
            Some(value) => self.duration(&format!("{at}.lease"), value, MIN_LEASE_MS, MAX_LEASE_MS),
        };
        let without_gate = self.without_gate(&format!("{at}.without_gate"), plan.get("without_gate"));
        let limits = self.limits(&format!("{at}.limits"), plan.get("limits"));
        Some(Plan {
            name: name.to_owned(),
            limits,
            priority: u8::try_from(priority).unwrap_or(u8::MAX),
            lease_ms: lease_ms?,
            allowance: Allowance { models, ..allowance },
            without_gate,
        })
    }

    fn without_gate(&mut self, at: &str, value: Option<&Value>) -> WithoutGate {
        match value {
            None => WithoutGate::Refuse,
            Some(Value::String(text)) if text == "refuse" => WithoutGate::Refuse,
            Some(value @ Value::Object(_)) => {
                let bucket = self.object(at, value, &["capacity", "refill", "every"]);
                let capacity = bucket.and_then(|bucket| self.required(at, bucket, "capacity", MAX_REQUESTS));
                let refill = bucket.and_then(|bucket| self.refill(at, bucket));
                match (capacity, refill) {
                    (Some(capacity), Some(refill)) => WithoutGate::Allow { capacity, refill },
                    _ => WithoutGate::Refuse,
                }
            }
            Some(_) => {
                self.mistake(at, "must be \"refuse\" or a bucket such as {\"capacity\": 5, \"refill\": 1}");
                WithoutGate::Refuse
            }
        }
    }

    fn limits(&mut self, at: &str, value: Option<&Value>) -> Vec<Limit> {
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
        let kind = value.get("kind").and_then(Value::as_str);
        let own: &[&str] = match kind {
            Some("window") => &["unit", "limit", "window"],
            Some("bucket") => &["unit", "capacity", "refill", "every"],
            Some("parallel") => &["limit"],
            _ => {
                self.mistake(&format!("{at}.kind"), "must be \"window\", \"bucket\" or \"parallel\"");
                return None;
            }
        };
        let members = [&["name", "kind", "per", "when", "schedule", "pressure", "shadow"], own].concat();
        let object = self.object(at, value, &members)?;
        let name = object.get("name").and_then(Value::as_str).unwrap_or_default();
        self.name(&format!("{at}.name"), name);
        let unit = self.one_of(at, object, "unit", &UNITS).unwrap_or(Unit::Requests);
        let most = if unit == Unit::Requests { MAX_REQUESTS } else { MAX_AMOUNT };
        let kind = match kind {
            Some("window") => {
                let limit = self.required(at, object, "limit", most);
                let missing = Value::Null;
                let window = object.get("window").unwrap_or(&missing);
                let window_ms = self.duration(&format!("{at}.window"), window, 1, MAX_WINDOW_MS);
                limit.zip(window_ms).map(|(limit, window_ms)| LimitKind::Window { unit, limit, window_ms })
            }
            Some("bucket") => {
                let capacity = self.required(at, object, "capacity", most);
                let refill = self.refill(at, object);
                capacity.zip(refill).map(|(capacity, refill)| LimitKind::Bucket { unit, capacity, refill })
            }
            _ => {
                let most = crate::limit::plan::MAX_LEASES as u64;
                self.required(at, object, "limit", most).map(|limit| LimitKind::Parallel { limit })
            }
        };
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

    fn refill(&mut self, at: &str, object: &Map<String, Value>) -> Option<Refill> {
        let amount = self.required(at, object, "refill", MAX_AMOUNT);
        let every_ms = match object.get("every") {
            None => Some(1_000),
            Some(value) => self.duration(&format!("{at}.every"), value, 1, MAX_WINDOW_MS),
        };
        Some(Refill { amount: amount?, every_ms: every_ms? })
    }

    fn when(&mut self, at: &str, value: &Value) -> When {
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

    fn classes(&mut self, value: &Value, classes: &mut Classes) {
        let Some(object) = self.object("classes", value, &["light", "heavy"]) else { return };
        for (name, bytes, tokens) in [
            ("light", &mut classes.light_body_bytes, &mut classes.light_max_tokens),
            ("heavy", &mut classes.heavy_body_bytes, &mut classes.heavy_max_tokens),
        ] {
            let at = format!("classes.{name}");
            let Some(value) = object.get(name) else { continue };
            let Some(class) = self.object(&at, value, &["body_bytes", "max_tokens"]) else { continue };
            *bytes = self.optional(&at, class, "body_bytes", 1, 100 << 20).unwrap_or(*bytes);
            *tokens = self.optional(&at, class, "max_tokens", 1, 1_000_000).unwrap_or(*tokens);
        }
        let light_is_less = classes.light_body_bytes <= classes.heavy_body_bytes
            && classes.light_max_tokens <= classes.heavy_max_tokens;
        if !light_is_less {
            self.mistake("classes", "light must end where heavy begins, or before");
        }
    }

    fn cost(&mut self, at: &str, value: &Value) -> Option<CostRule> {
        const WEIGHTS: [&str; 6] =
            ["request", "prompt_token", "completion_token", "thinking_token", "image_step", "image_kilopixel"];
        let members: Vec<&str> = WEIGHTS.into_iter().chain(["when"]).collect();
        let object = self.object(at, value, &members)?;
        let when = object.get("when").map(|when| self.when(&format!("{at}.when"), when)).unwrap_or_default();
        let mut weight = |name| self.optional(at, object, name, 0, 1_000_000).unwrap_or(0);
        let [request, prompt_token, completion_token, thinking_token, image_step, image_kilopixel] =
            WEIGHTS.map(&mut weight);
        let rate = Rate { request, prompt_token, completion_token, thinking_token, image_step, image_kilopixel };
        if rate == Rate::default() {
            self.mistake(at, format!("needs at least one of {}", WEIGHTS.join(", ")));
        }
        Some(CostRule { when, rate })
    }

    fn exemption(&mut self, at: &str, value: &Value) -> Option<Exemption> {
        let object = self.object(at, value, &["limit", "who"])?;
        let limit = object.get("limit").and_then(Value::as_str).unwrap_or_default();
        self.name(&format!("{at}.limit"), limit);
        let mut exemption = Exemption { limit: limit.to_owned(), principals: Vec::new(), addresses: Vec::new() };
        let who = object.get("who").cloned().unwrap_or(Value::Null);
        for name in self.names(&format!("{at}.who"), &who, |name| principal(name).then(|| name.to_owned())) {
            match Network::parse(&name) {
                Some(network) => exemption.addresses.push(network),
                None => exemption
                    .principals
                    .push(AccountName::parse(&name).map_or(name, |account| account.name().to_owned())),
            }
        }
        Some(exemption)
    }
}

const UNITS: [(&str, Unit); 3] = [("requests", Unit::Requests), ("tokens", Unit::Tokens), ("cost", Unit::Cost)];
const PERS: [(&str, Per); 5] = [
    ("account", Per::Account),
    ("key", Per::Key),
    ("model", Per::Model),
    ("session", Per::Session),
    ("user", Per::User),
];
const CLASSES: [(&str, Class); 3] = [("light", Class::Light), ("medium", Class::Medium), ("heavy", Class::Heavy)];
const ENDPOINTS: [(&str, Endpoint); 2] = [("chat", Endpoint::Chat), ("completions", Endpoint::Completions)];

fn principal(text: &str) -> bool {
    KeyId::parse(text).is_some() || AccountName::parse(text).is_some() || Network::parse(text).is_some()
}
