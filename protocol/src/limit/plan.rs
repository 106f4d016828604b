//! Plans: what an account may do. A plan that exists here is valid: [`PlanTable::parse`] reads a table as a whole and
//! reports every mistake in it at once.

mod fields;
mod reader;
mod writer;

use crate::auth::pattern::Pattern;
use crate::id::TableVersion;
use crate::limit::bucket::Refill;
use crate::limit::schedule::Schedule;
use crate::request::cost::{Class, Classes, Rate};
use crate::request::endpoint::Endpoint;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

pub use fields::parse_duration;
pub use reader::{MAX_TABLE_BYTES, limits_from_json};
pub use writer::limits_to_json;

/// All plans, by name, and what applies to all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanTable {
    pub(crate) plans: BTreeMap<String, Plan>,
    /// Where the classes of requests begin.
    pub classes: Classes,
    /// Which formula a request's cost has: the first that matches.
    pub costs: Vec<CostRule>,
    /// Who skips which limits.
    pub exemptions: Vec<Exemption>,
    /// The plan of callers without credentials; without it they are refused.
    pub anonymous: Option<String>,
    version: TableVersion,
    json: String,
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
    /// What its requests may ask for.
    pub allowance: Allowance,
    /// What happens when an account's Gate cannot be reached.
    pub without_gate: WithoutGate,
}

/// What the requests of a plan may ask for. Absent means that only the origin's bounds apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// The models, by name or by the beginning of a name and `*`.
    pub models: Option<Vec<Pattern>>,
    /// The largest body.
    pub max_input_bytes: Option<u32>,
    /// The longest prompt, counted by the origin.
    pub max_input_tokens: Option<u32>,
    /// The largest `max_tokens`.
    pub max_tokens: Option<u32>,
    /// `max_tokens` where a request names none.
    pub default_max_tokens: Option<u32>,
}

/// What to do while an account's Gate cannot be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WithoutGate {
    /// Refuse: nothing passes uncounted.
    #[default]
    Refuse,
    /// Let through what a bucket in each isolate of the edge allows.
    Allow {
        /// The bucket's capacity.
        capacity: u32,
        /// How it is refilled.
        refill: Refill,
    },
}

/// One limit of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Its name, as refusals name it.
    pub name: String,
    /// What it counts, and how much of it is let through.
    pub kind: LimitKind,
    /// Whose requests share one count.
    pub per: Per,
    /// Which requests it is about.
    pub when: When,
    /// When it is tighter, wider or closed.
    pub schedule: Schedule,
    /// How it tightens as the origin fills.
    pub pressure: Option<Pressure>,
    /// Whether it is only watched: evaluated and counted, never enforced.
    pub shadow: bool,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LimitKind {
    /// At most `limit` in any span of `window_ms`: a sliding log, exact.
    Window {
        /// Of what.
        unit: Unit,
        /// At least 1.
        limit: u32,
        /// At least 1 ms, at most 31 days.
        window_ms: u64,
    },
    /// A token bucket.
    Bucket {
        /// Of what.
        unit: Unit,
        /// At least 1.
        capacity: u32,
        /// How it is refilled.
        refill: Refill,
    },
    /// At most `limit` requests at once.
    Parallel {
        /// At least 1.
        limit: u32,
    },
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Requests.
    Requests,
    /// Tokens of prompt and answer.
    Tokens,
    /// What the table's formulas make of a request.
    Cost,
}

/// Whose requests share one count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// All of the account's.
    #[default]
    Account,
    /// Those of one key, or of one token's subject.
    Key,
    /// Those for one model.
    Model,
    /// Those of one session: `x-session-id`.
    Session,
    /// Those for one end user: OpenAI's `user`.
    User,
}

/// Which requests a limit is about. Empty lists are about all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct When {
    /// Of these classes.
    pub classes: Vec<Class>,
    /// For these models.
    pub models: Vec<Pattern>,
    /// To these endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// From `from` percent of the origin's places in use on, a limit shrinks evenly, to `percent` of itself when all are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pressure {
    /// 0 to 99.
    pub from: u8,
    /// 1 to 100.
    pub percent: u8,
}

/// The formula of some requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostRule {
    /// Which requests.
    pub when: When,
    /// What they cost.
    pub rate: Rate,
}

/// Who skips a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exemption {
    /// The limit's name, in whichever plan.
    pub limit: String,
    /// Accounts (`acct:...`, `jwt:...`, `ip:...`) and keys (`key_...`).
    pub principals: Vec<String>,
    /// Addresses of callers.
    pub addresses: Vec<crate::auth::principal::Network>,
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
    /// The plans that Sluice has without any configuration.
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN).expect("the built-in table is valid: a test reads it")
    }

    /// The table that is not known: it has no plans, and a Gate that is asked with its version ([`TableVersion::UNKNOWN`])
    /// decides by the table that it last decided by.
    pub fn unknown() -> Self {
        Self {
            plans: BTreeMap::new(),
            classes: Classes::default(),
            costs: Vec::new(),
            exemptions: Vec::new(),
            anonymous: None,
            version: TableVersion::UNKNOWN,
            json: String::new(),
        }
    }

    /// Whether this stands for a table that is not known.
    pub fn is_unknown(&self) -> bool {
        self.version == TableVersion::UNKNOWN
    }

    /// The plan of this name.
    pub fn get(&self, name: &str) -> Option<&Plan> {
        self.plans.get(name)
    }

    /// The names of all plans, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.plans.keys().map(String::as_str)
    }

    /// Which table this is. Two tables of one version are the same text.
    pub const fn version(&self) -> TableVersion {
        self.version
    }

    /// The text that it was read from.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The formula for a request; nothing costs anything where none matches.
    pub fn rate(&self, class: Class, model: &str, endpoint: Endpoint) -> Rate {
        self.costs
            .iter()
            .find(|rule| rule.when.matches(class, model, endpoint))
            .map_or(Rate::default(), |rule| rule.rate)
    }

    /// Whether some address skips some limit.
    pub fn exempts_addresses(&self) -> bool {
        self.exemptions.iter().any(|exemption| !exemption.addresses.is_empty())
    }

    /// Whether some limit of some plan tightens as the origin fills.
    pub fn feels_pressure(&self) -> bool {
        self.plans.values().flat_map(|plan| &plan.limits).any(|limit| limit.pressure.is_some())
    }
}

impl Limit {
    /// A limit for the whole account and all of its requests.
    pub fn new(name: &str, kind: LimitKind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            per: Per::Account,
            when: When::default(),
            schedule: Schedule::default(),
            pressure: None,
            shadow: false,
        }
    }

    /// What it counts.
    pub const fn unit(&self) -> Unit {
        match self.kind {
            LimitKind::Window { unit, .. } | LimitKind::Bucket { unit, .. } => unit,
            LimitKind::Parallel { .. } => Unit::Requests,
        }
    }

    /// The most that it lets through, before schedule and pressure.
    pub const fn quota(&self) -> u32 {
        match self.kind {
            LimitKind::Window { limit, .. } | LimitKind::Parallel { limit } => limit,
            LimitKind::Bucket { capacity, .. } => capacity,
        }
    }

    /// Whether it refuses one request of a caller exactly if it refuses all of them, whatever they ask for. `Per::Key` counts by
    /// the caller (a key, or a subject of those who have none), so that is true of each caller by itself, and of no other one.
    pub fn is_blanket(&self) -> bool {
        matches!(self.unit(), Unit::Requests)
            && matches!(self.per, Per::Account | Per::Key)
            && self.when == When::default()
            && self.pressure.is_none()
            && !matches!(self.kind, LimitKind::Parallel { .. })
    }
}

impl When {
    /// Whether a request is one of those.
    pub fn matches(&self, class: Class, model: &str, endpoint: Endpoint) -> bool {
        (self.classes.is_empty() || self.classes.contains(&class))
            && (self.models.is_empty() || self.models.iter().any(|pattern| pattern.matches(model)))
            && (self.endpoints.is_empty() || self.endpoints.contains(&endpoint))
    }
}

impl Pressure {
    /// The percentage of a limit that is left when `full` percent of the origin's places are in use.
    pub fn percent_at(self, full: u8) -> u32 {
        let (from, full) = (u32::from(self.from), u32::from(full.min(100)));
        if full <= from {
            return 100;
        }
        100 - 100_u32.saturating_sub(u32::from(self.percent)) * (full - from) / (100 - from)
    }
}

/// Leases of one account at once, whatever its plan says: its row must stay small.
pub const MAX_LEASES: usize = 2_048;

/// The plan of a key for which none was named.
pub const DEFAULT_PLAN: &str = "registered";

/// What practice uses: a little for those who are unknown, more for those who have a key, most for those who pay.
pub const BUILT_IN: &str = include_str!("built_in.json");
