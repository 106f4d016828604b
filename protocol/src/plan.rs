//! Plans: what an account may do. A plan that exists here is valid; the table is read as a whole, and every mistake in it
//! is reported at once.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// All plans, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanTable {
    plans: BTreeMap<String, Plan>,
}

/// One plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Its name: 1 to 32 of `a-z`, `0-9`, `-`.
    pub name: String,
    /// Its limits; names are unique. None means that nothing is limited.
    pub limits: Vec<Limit>,
    /// Its place in the origin's queue; higher goes first.
    pub priority: u8,
    /// How long an admitted request may take, in milliseconds: its lease ends then, and the origin stops a little before.
    pub lease_ms: u64,
}

/// One limit of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its name, as refusals name it.
    pub name: String,
    /// What it counts.
    pub kind: LimitKind,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitKind {
    /// At most `limit` requests in any span of `window_ms`: a sliding log, exact.
    Window {
        /// At least 1.
        limit: u32,
        /// At least 1 ms, at most 31 days.
        window_ms: u64,
    },
    /// At most `limit` requests at once.
    Parallel {
        /// At least 1.
        limit: u32,
    },
}

/// One mistake in a plan table: where, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanMistake {
    /// A path such as `plans.vip.limits[2].window`.
    pub at: String,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for PlanMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.problem)
    }
}

impl PlanTable {
    /// Reads a table: `{"plans": {"<name>": {"priority": 1, "lease": "10m", "limits": [
    /// {"name": "minute", "kind": "window", "limit": 60, "window": "1m"}, {"name": "parallel", "kind": "parallel",
    /// "limit": 2}]}}}`. Unknown members, negative, fractional, zero and absurd values are mistakes.
    pub fn parse(json: &str) -> Result<Self, Vec<PlanMistake>> {
        let value: Value = serde_json::from_str(json)
            .map_err(|error| vec![PlanMistake { at: "(table)".into(), problem: format!("not JSON: {error}") }])?;
        let mut reader = Reader { mistakes: Vec::new() };
        let plans = reader.table(&value);
        if reader.mistakes.is_empty() { Ok(Self { plans }) } else { Err(reader.mistakes) }
    }

    /// The plans that Sluice has without any configuration.
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN).expect("the built-in table is valid: a test reads it")
    }

    /// The plan of this name.
    pub fn get(&self, name: &str) -> Option<&Plan> {
        self.plans.get(name)
    }

    /// The names of all plans, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.plans.keys().map(String::as_str)
    }
}

/// The plan of a key for which none was named.
pub const DEFAULT_PLAN: &str = "registered";

/// What practice uses: a little for those who are unknown, more for those who have a key, most for those who pay.
pub const BUILT_IN: &str = r#"{"plans": {
  "anonymous": {"priority": 0, "limits": [
    {"name": "second", "kind": "window", "limit": 1, "window": "1s"},
    {"name": "minute", "kind": "window", "limit": 30, "window": "1m"},
    {"name": "day", "kind": "window", "limit": 50, "window": "1d"},
    {"name": "parallel", "kind": "parallel", "limit": 1}]},
  "registered": {"priority": 1, "limits": [
    {"name": "second", "kind": "window", "limit": 5, "window": "1s"},
    {"name": "minute", "kind": "window", "limit": 60, "window": "1m"},
    {"name": "day", "kind": "window", "limit": 200, "window": "1d"},
    {"name": "parallel", "kind": "parallel", "limit": 2}]},
  "vip": {"priority": 2, "limits": [
    {"name": "second", "kind": "window", "limit": 10, "window": "1s"},
    {"name": "minute", "kind": "window", "limit": 120, "window": "1m"},
    {"name": "parallel", "kind": "parallel", "limit": 3}]}
}}"#;

const MAX_PLANS: usize = 256;
const MAX_LIMITS: usize = 16;
const MAX_WINDOW_MS: u64 = 31 * 24 * 60 * 60 * 1000;
// A grant ends a second or two before its lease, in whole seconds: shorter leases would leave nothing to grant.
const MIN_LEASE_MS: u64 = 5_000;
const MAX_LEASE_MS: u64 = crate::grant::MAX_GRANT_MS;
const DEFAULT_LEASE_MS: u64 = 10 * 60 * 1000;

/// Walks the JSON by hand, because serde stops at the first mistake.
struct Reader {
    mistakes: Vec<PlanMistake>,
}

impl Reader {
    fn table(&mut self, value: &Value) -> BTreeMap<String, Plan> {
        let Some(root) = self.object("(table)", value, &["plans"]) else { return BTreeMap::new() };
        let Some(plans) = root.get("plans") else {
            self.mistake("(table)", "needs a member `plans`");
            return BTreeMap::new();
        };
        let Some(plans) = plans.as_object() else {
            self.mistake("plans", "must be an object of plans by name");
            return BTreeMap::new();
        };
        if plans.is_empty() || plans.len() > MAX_PLANS {
            self.mistake("plans", format!("must hold 1 to {MAX_PLANS} plans"));
            return BTreeMap::new();
        }
        plans.iter().filter_map(|(name, plan)| Some((name.clone(), self.plan(name, plan)?))).collect()
    }

    fn plan(&mut self, name: &str, value: &Value) -> Option<Plan> {
        let at = format!("plans.{name}");
        self.name(&at, name);
        let plan = self.object(&at, value, &["priority", "lease", "limits"])?;
        let priority = match plan.get("priority") {
            None => 0,
            Some(value) => self.number(&format!("{at}.priority"), value, 0, 255)? as u8,
        };
        let lease_ms = match plan.get("lease") {
            None => DEFAULT_LEASE_MS,
            Some(value) => self.duration(&format!("{at}.lease"), value, MIN_LEASE_MS, MAX_LEASE_MS)?,
        };
        let limits = self.limits(&format!("{at}.limits"), plan.get("limits"));
        Some(Plan { name: name.to_owned(), limits, priority, lease_ms })
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
        let members: &[&str] = match kind {
            Some("window") => &["name", "kind", "unit", "limit", "window"],
            Some("parallel") => &["name", "kind", "limit"],
            _ => {
                self.mistake(&format!("{at}.kind"), "must be \"window\" or \"parallel\"");
                return None;
            }
        };
        let object = self.object(at, value, members)?;
        let name = object.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.name(&format!("{at}.name"), &name);
        if !matches!(object.get("unit").map(Value::as_str), None | Some(Some("requests"))) {
            self.mistake(&format!("{at}.unit"), "must be \"requests\"");
        }
        let missing = Value::Null;
        let limit = self.number(&format!("{at}.limit"), object.get("limit").unwrap_or(&missing), 1, 1_000_000);
        let kind = match kind {
            Some("window") => {
                let window = object.get("window").unwrap_or(&missing);
                let window_ms = self.duration(&format!("{at}.window"), window, 1, MAX_WINDOW_MS);
                LimitKind::Window { limit: limit? as u32, window_ms: window_ms? }
            }
            _ => LimitKind::Parallel { limit: limit? as u32 },
        };
        Some(Limit { name, kind })
    }

    fn object<'a>(&mut self, at: &str, value: &'a Value, members: &[&str]) -> Option<&'a Map<String, Value>> {
        let Some(object) = value.as_object() else {
            self.mistake(at, "must be an object");
            return None;
        };
        for unknown in object.keys().filter(|key| !members.contains(&key.as_str())) {
            self.mistake(at, format!("has an unknown member `{unknown}`; known: {}", members.join(", ")));
        }
        Some(object)
    }

    fn name(&mut self, at: &str, name: &str) {
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 32 || !name.bytes().all(good) {
            self.mistake(at, "a name is 1 to 32 of a-z, 0-9 and -");
        }
    }

    fn number(&mut self, at: &str, value: &Value, min: u64, max: u64) -> Option<u64> {
        let number = value.as_u64().filter(|number| (min..=max).contains(number));
        if number.is_none() {
            self.mistake(at, format!("must be a whole number from {min} to {max}"));
        }
        number
    }

    fn duration(&mut self, at: &str, value: &Value, min: u64, max: u64) -> Option<u64> {
        let duration = value.as_str().and_then(parse_duration).filter(|ms| (min..=max).contains(ms));
        if duration.is_none() {
            self.mistake(
                at,
                format!(
                    "must be a duration such as \"500ms\", \"10s\", \"1m\", \"1h\", \"1d\", from {min} ms to {max} ms"
                ),
            );
        }
        duration
    }

    fn mistake(&mut self, at: &str, problem: impl Into<String>) {
        self.mistakes.push(PlanMistake { at: at.to_owned(), problem: problem.into() });
    }
}

/// A whole number and a unit (`ms`, `s`, `m`, `h`, `d`), in milliseconds. `None` for anything else or an overflow.
pub fn parse_duration(text: &str) -> Option<u64> {
    let split = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table_has_the_default_plan() {
        assert!(PlanTable::built_in().get(DEFAULT_PLAN).is_some());
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let table = r#"{"plans": {"A!": {"limits": []}, "b": {"priority": -1, "limits": []}, "c": {"limits": [
            {"name": "x", "kind": "window", "limit": 0, "window": "0s"},
            {"name": "x", "kind": "parallel", "limit": 1e3},
            {"name": "y", "kind": "bucket"},
            {"name": "z", "kind": "parallel", "limit": 1, "burst": 2},
            {"name": "x", "kind": "parallel", "limit": 1}]}}}"#;
        let at: Vec<_> = PlanTable::parse(table).unwrap_err().into_iter().map(|mistake| mistake.at).collect();
        assert_eq!(
            at,
            [
                "plans.A!",
                "plans.b.priority",
                "plans.c.limits[0].limit",
                "plans.c.limits[0].window",
                "plans.c.limits[1].limit",
                "plans.c.limits[2].kind",
                "plans.c.limits[3]",
            ]
        );
    }

    #[test]
    fn duplicate_names_and_absurd_windows_are_mistakes() {
        for (window, good) in
            [("1ms", true), ("31d", true), ("100000d", false), ("1y", false), ("1.5s", false), ("", false)]
        {
            let table = format!(
                r#"{{"plans":{{"a":{{"limits":[{{"name":"w","kind":"window","limit":1,"window":"{window}"}}]}}}}}}"#
            );
            assert_eq!(PlanTable::parse(&table).is_ok(), good, "{window}");
        }
        let twice = r#"{"plans":{"a":{"limits":[{"name":"p","kind":"parallel","limit":1},{"name":"p","kind":"parallel","limit":2}]}}}"#;
        assert_eq!(PlanTable::parse(twice).unwrap_err()[0].at, "plans.a.limits[1].name");
    }
}
