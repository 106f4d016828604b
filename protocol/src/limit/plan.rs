//! Plans: what an account may do. A plan that exists here is valid: [`PlanTable::parse`] reads a table as a whole and
//! reports every mistake in it at once.

pub mod alert;
mod limit;
mod reader;
pub mod schedule;
mod writer;

use crate::auth::alias::Aliases;
use crate::auth::pattern::Pattern;
use crate::id::Version;
use crate::limit::cache::CachePlan;
use crate::limit::calendar::Cycle;
use crate::limit::degrade::Degrade;
use crate::limit::kind::refill::Refill;
use crate::request::cost::money::Currency;
use crate::request::cost::price::Price;
use crate::request::cost::{Class, Classes, Rate};
use crate::request::endpoint::Endpoint;
use std::collections::BTreeMap;

pub use crate::limit::per::Per;
pub use alert::AlertRule;
pub use limit::{EndpointName, Limit, Pressure, When};
pub use reader::{MAX_TABLE_BYTES, limits_from_json};
pub use writer::limits_to_json;

/// All plans, by name, and what applies to all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanTable {
    pub(crate) plans: BTreeMap<String, Plan>,
    /// Where the classes of requests begin.
    pub classes: Classes,
    /// Which formula a request's cost has: of each sort the first that matches.
    pub costs: Vec<CostRule>,
    /// What its prices are in; none where it has no price.
    pub currency: Option<Currency>,
    /// Who skips which limits.
    pub exemptions: Vec<Exemption>,
    /// The plan of callers without credentials; without it they are refused.
    pub anonymous: Option<String>,
    /// When somebody is told; the built-in rules where the table has none.
    pub alerts: Vec<AlertRule>,
    version: Version,
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
    /// Other names for models, which go before the deployment's.
    pub aliases: Aliases,
    /// What is made of its requests while the origins are full.
    pub degrade: Option<Degrade>,
    /// A request that limits of tokens or cost would refuse may have as many as fit instead, if those are so many at least.
    pub clamp: Option<u32>,
    /// How its answers are given again to the same question, if they are without being asked to.
    pub cache: Option<CachePlan>,
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

/// The formula of some requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostRule {
    /// Which requests.
    pub when: When,
    /// What they cost.
    pub formula: Formula,
}

/// What requests cost: in units of the operator's own, or in money. A request may cost both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formula {
    /// Whole units.
    Units(Rate),
    /// Money, of the table's currency.
    Money(Price),
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

impl PlanTable {
    /// The plans that Sluice has without any configuration.
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN).expect("the built-in table is valid: a test reads it")
    }

    /// The table that is not known: it has no plans, and a Gate that is asked with its version ([`Version::UNKNOWN`])
    /// decides by the table that it last decided by.
    pub fn unknown() -> Self {
        Self {
            plans: BTreeMap::new(),
            classes: Classes::default(),
            costs: Vec::new(),
            currency: None,
            exemptions: Vec::new(),
            anonymous: None,
            alerts: Vec::new(),
            version: Version::UNKNOWN,
            json: String::new(),
        }
    }

    /// Whether this stands for a table that is not known.
    pub fn is_unknown(&self) -> bool {
        self.version == Version::UNKNOWN
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
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The text that it was read from.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// What a request costs, `batch` if it is a job's; nothing costs anything where no rule matches.
    pub fn rate(&self, class: Class, model: &str, endpoint: Endpoint, batch: bool) -> Rate {
        let matching = || self.costs.iter().filter(|rule| rule.when.matches(class, model, endpoint, batch));
        let units = matching().find_map(|rule| match rule.formula {
            Formula::Units(rate) => Some(rate),
            Formula::Money(_) => None,
        });
        let price = matching().find_map(|rule| match rule.formula {
            Formula::Money(price) => Some(price),
            Formula::Units(_) => None,
        });
        Rate { price: price.unwrap_or_default(), ..units.unwrap_or_default() }
    }

    /// The calendar's periods that its limits count in.
    pub fn cycles(&self) -> impl Iterator<Item = Cycle> + '_ {
        self.limits().filter_map(|limit| limit.kind.cycle())
    }

    /// The limits of all plans.
    pub fn limits(&self) -> impl Iterator<Item = &Limit> {
        self.plans.values().flat_map(|plan| &plan.limits)
    }

    /// Whether some plan has another model for this name: then whose plan it is has to be known.
    pub fn has_alias(&self, name: &str) -> bool {
        self.plans.values().any(|plan| plan.aliases.of(name).is_some())
    }

    /// The model that answers to this name on this plan, if it is another's: by the plan's own aliases, or else by those of
    /// the deployment.
    pub fn meant<'a>(&'a self, plan: &str, name: &str, deployment: &'a Aliases) -> Option<&'a str> {
        self.get(plan).and_then(|plan| plan.aliases.of(name)).or_else(|| deployment.of(name))
    }

    /// Whether some address skips some limit.
    pub fn exempts_addresses(&self) -> bool {
        self.exemptions.iter().any(|exemption| !exemption.addresses.is_empty())
    }

    /// Whether some limit of some plan tightens as the origin fills, or some plan makes less of its requests then.
    pub fn feels_pressure(&self) -> bool {
        let feels = |plan: &Plan| plan.degrade.is_some() || plan.limits.iter().any(|limit| limit.pressure.is_some());
        self.plans.values().any(feels)
    }

    /// The plans that make less of their requests while the origins are full.
    pub fn degrading(&self) -> impl Iterator<Item = (&str, &Degrade)> {
        self.plans.values().filter_map(|plan| Some((plan.name.as_str(), plan.degrade.as_ref()?)))
    }
}

/// The plan of a key for which none was named.
pub const DEFAULT_PLAN: &str = "registered";

/// What practice uses: a little for those who are unknown, more for those who have a key, most for those who pay.
pub const BUILT_IN: &str = include_str!("built_in.json");
