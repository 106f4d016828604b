//! Reading a plan table: the JSON is walked by hand, because serde stops at the first mistake.

mod alerts;
mod costs;
mod limits;

use super::{Allowance, Exemption, Limit, Plan, PlanTable, WithoutGate};
use crate::auth::alias::Aliases;
use crate::auth::pattern::pattern;
use crate::auth::principal::{AccountName, Network};
use crate::id::{KeyId, Version};
use crate::limit::calendar::Zone;
use crate::limit::fields::{MAX_AMOUNT, MAX_LIST, MAX_REQUESTS, PlanMistake, Reader};
use crate::limit::kind::refill::Refill;
use crate::order;
use crate::request::cost::Classes;
use crate::wire::json::parse_unique;
use serde_json::Value;
use std::collections::BTreeMap;

impl PlanTable {
    /// Reads a table: `{"plans": {"<name>": {"limits": [...]}}}`; the README describes every member. Unknown members,
    /// negative, fractional, zero and absurd values are mistakes, and so is a table of more than [`MAX_TABLE_BYTES`].
    pub fn parse(json: &str) -> Result<Self, Vec<PlanMistake>> {
        Self::parse_with(json, |_| true)
    }

    /// [`Self::parse`], where a time zone that the platform does not know is a mistake, too.
    pub fn parse_with(json: &str, knows: fn(Zone) -> bool) -> Result<Self, Vec<PlanMistake>> {
        let whole = |problem: String| vec![PlanMistake { at: "(table)".into(), problem }];
        if json.len() > MAX_TABLE_BYTES {
            return Err(whole(format!("must be at most {MAX_TABLE_BYTES} bytes long, not {}", json.len())));
        }
        let value = parse_unique(json).map_err(|error| whole(format!("not JSON: {error}")))?;
        let mut reader = Reader { prices: Some(costs::currency_of(value.get("costs"))), ..Reader::new(knows) };
        let mut table = reader.table(&value);
        table.version = Version::of(json);
        table.json = json.to_owned();
        if reader.mistakes.is_empty() { Ok(table) } else { Err(reader.mistakes) }
    }
}

/// Reads a list of limits as a plan has it, for a key's own. `at` is where it stands, for the mistakes. Whether there
/// are their time zones, and prices in their currencies, is seen where they meet those.
pub fn limits_from_json(at: &str, value: &Value) -> Result<Vec<Limit>, Vec<PlanMistake>> {
    let mut reader = Reader::new(|_| true);
    let limits = reader.limits(at, Some(value));
    if reader.mistakes.is_empty() { Ok(limits) } else { Err(reader.mistakes) }
}

/// A table that every Gate keeps in memory, and that travels in one message.
pub const MAX_TABLE_BYTES: usize = 64 * 1024;
const MAX_PLANS: usize = 64;
/// Each is compared with the name of each request.
const MAX_ALIASES: usize = 64;
// A grant ends a second or two before its lease, in whole seconds: shorter leases would leave nothing to grant.
const MIN_LEASE_MS: u64 = 5_000;
const MAX_LEASE_MS: u64 = crate::forward::grant::MAX_GRANT_MS;
const DEFAULT_LEASE_MS: u64 = 10 * 60 * 1000;

impl Reader {
    fn table(&mut self, value: &Value) -> PlanTable {
        let mut table = PlanTable {
            plans: BTreeMap::new(),
            classes: Classes::default(),
            costs: Vec::new(),
            currency: self.prices.flatten(),
            exemptions: Vec::new(),
            anonymous: None,
            alerts: Vec::new(),
            version: Version::default(),
            json: String::new(),
        };
        let members = ["plans", "classes", "costs", "exempt", "anonymous", "alerts"];
        let Some(root) = self.object("(table)", value, &members) else { return table };
        match root.get("plans").map(Value::as_object) {
            None => self.mistake("(table)", "needs a member `plans`"),
            Some(None) => self.mistake("plans", "must be an object of plans by name"),
            Some(Some(plans)) if plans.is_empty() || plans.len() > MAX_PLANS => {
                self.mistake("plans", format!("must hold 1 to {MAX_PLANS} plans"));
            }
            Some(Some(plans)) => {
                let read = |(name, plan): (&String, &Value)| Some((name.clone(), self.plan(name, plan)?));
                table.plans = order::map(plans.iter().filter_map(read));
            }
        }
        if let Some(classes) = root.get("classes") {
            self.classes(classes, &mut table.classes);
        }
        table.costs = self.costs(root.get("costs"));
        table.exemptions = self.list("exempt", root.get("exempt"), MAX_LIST, Self::exemption);
        match root.get("anonymous") {
            None | Some(Value::Null) => {}
            Some(Value::String(name)) if root.get("plans").and_then(|plans| plans.get(name)).is_some() => {
                table.anonymous = Some(name.clone())
            }
            Some(_) => self.mistake("anonymous", "must name a plan of this table"),
        }
        table.alerts = self.alerts(root.get("alerts"));
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
            "aliases",
            "degrade",
            "clamp",
            "cache",
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
        let aliases = plan.get("aliases").map(|named| self.aliases(&format!("{at}.aliases"), named));
        let degrade = plan.get("degrade").and_then(|value| self.degrade(&format!("{at}.degrade"), value));
        let cache = plan.get("cache").and_then(|value| self.cache(&format!("{at}.cache"), value));
        let clamp = self.optional(&at, plan, "clamp", 1, 1_000_000);
        Some(Plan {
            name: name.to_owned(),
            limits,
            priority: u8::try_from(priority).unwrap_or(u8::MAX),
            lease_ms: lease_ms?,
            allowance: Allowance { models, ..allowance },
            without_gate,
            aliases: aliases.unwrap_or_default(),
            degrade,
            clamp,
            cache,
        })
    }

    pub(in crate::limit) fn aliases(&mut self, at: &str, value: &Value) -> Aliases {
        let mut aliases = Aliases::default();
        let Some(named) = value.as_object().filter(|named| named.len() <= MAX_ALIASES) else {
            self.mistake(at, format!("must be an object of at most {MAX_ALIASES} names and models"));
            return aliases;
        };
        for (name, model) in named {
            if let Err(problem) = aliases.add(name, model) {
                self.mistake(&format!("{at}.{name}"), problem);
            }
        }
        for (name, model) in named {
            let leads_on = model.as_str().is_some_and(|model| model == name || aliases.lead_on(model));
            if leads_on {
                self.mistake(&format!("{at}.{name}"), "must not lead to another alias, nor to itself");
            }
        }
        aliases
    }

    fn without_gate(&mut self, at: &str, value: Option<&Value>) -> WithoutGate {
        match value {
            None => WithoutGate::Refuse,
            Some(Value::String(text)) if text == "refuse" => WithoutGate::Refuse,
            Some(value @ Value::Object(_)) => {
                let bucket = self.object(at, value, &["capacity", "refill", "every"]);
                let capacity = bucket.and_then(|bucket| self.required(at, bucket, "capacity", MAX_REQUESTS));
                let refill = bucket.and_then(|bucket| Refill::read(self, at, bucket));
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

    fn classes(&mut self, value: &Value, classes: &mut Classes) {
        let Some(object) = self.object("classes", value, &["light", "heavy"]) else { return };
        let Classes {
            light_body_bytes,
            light_max_tokens,
            heavy_body_bytes,
            heavy_max_tokens,
            light_kilopixel_steps,
            heavy_kilopixel_steps,
        } = classes;
        for (name, bytes, tokens, drawn) in [
            ("light", light_body_bytes, light_max_tokens, light_kilopixel_steps),
            ("heavy", heavy_body_bytes, heavy_max_tokens, heavy_kilopixel_steps),
        ] {
            let at = format!("classes.{name}");
            let Some(value) = object.get(name) else { continue };
            let Some(class) = self.object(&at, value, &["body_bytes", "max_tokens", "kilopixel_steps"]) else {
                continue;
            };
            *bytes = self.optional(&at, class, "body_bytes", 1, 100 << 20).unwrap_or(*bytes);
            *tokens = self.optional(&at, class, "max_tokens", 1, 1_000_000).unwrap_or(*tokens);
            *drawn = self.optional(&at, class, "kilopixel_steps", 1, MAX_AMOUNT).unwrap_or(*drawn);
        }
        let light_is_less = classes.light_body_bytes <= classes.heavy_body_bytes
            && classes.light_max_tokens <= classes.heavy_max_tokens
            && classes.light_kilopixel_steps <= classes.heavy_kilopixel_steps;
        if !light_is_less {
            self.mistake("classes", "light must end where heavy begins, or before");
        }
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

fn principal(text: &str) -> bool {
    KeyId::parse(text).is_some() || AccountName::parse(text).is_some() || Network::parse(text).is_some()
}
