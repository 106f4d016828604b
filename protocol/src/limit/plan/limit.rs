//! One limit of a plan: which requests it is about, and whose share one count. What it counts is its kind.

use super::schedule::Schedule;
use crate::auth::pattern::Pattern;
use crate::limit::kind::{LimitKind, Unit};
use crate::limit::per::Per;
use crate::request::cost::Class;
use crate::request::endpoint::Endpoint;
use serde::{Deserialize, Serialize};

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

/// Which requests a limit is about. Empty lists are about all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct When {
    /// Of these classes.
    pub classes: Vec<Class>,
    /// For these models.
    pub models: Vec<Pattern>,
    /// To these endpoints.
    pub endpoints: Vec<EndpointName>,
}

/// An endpoint, as plans name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointName {
    /// Chats.
    Chat,
    /// Completions of text.
    Completions,
    /// Vectors.
    Embeddings,
    /// Whatever is asked for by a job: a line of a batch, or an answer in the background.
    Batch,
    /// Pictures.
    Images,
}

/// From `from` percent of the origin's places in use on, a limit shrinks evenly, to `percent` of itself when all are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pressure {
    /// 0 to 99.
    pub from: u8,
    /// 1 to 100.
    pub percent: u8,
}

impl Limit {
    /// A limit for the whole account and all of its requests.
    pub fn new(name: &str, kind: impl Into<LimitKind>) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.into(),
            per: Per::Account,
            when: When::default(),
            schedule: Schedule::default(),
            pressure: None,
            shadow: false,
        }
    }

    /// What it counts.
    pub fn unit(&self) -> Unit {
        self.kind.unit()
    }

    /// The most that it lets through, before schedule and pressure.
    pub fn quota(&self) -> u64 {
        self.kind.quota()
    }

    /// Whether it refuses one request of a caller exactly if it refuses all of them, whatever they ask for. `Per::Key` counts by
    /// the caller (a key, or a subject of those who have none), so that is true of each caller by itself, and of no other one.
    pub fn is_blanket(&self) -> bool {
        matches!(self.unit(), Unit::Requests)
            && matches!(self.per, Per::Account | Per::Key)
            && self.when == When::default()
            && self.pressure.is_none()
            // A lease may end at any time, and then there is room.
            && self.kind.in_log().is_some()
    }
}

impl When {
    /// Whether a request is one of those.
    pub fn matches(&self, class: Class, model: &str, endpoint: Endpoint, batch: bool) -> bool {
        (self.classes.is_empty() || self.classes.contains(&class))
            && (self.models.is_empty() || self.models.iter().any(|pattern| pattern.matches(model)))
            && (self.endpoints.is_empty() || self.endpoints.iter().any(|name| name.is(endpoint, batch)))
    }
}

impl EndpointName {
    /// Whether it names what a request asks for. A job's request counts for its own endpoint as a live one does.
    const fn is(self, endpoint: Endpoint, batch: bool) -> bool {
        match self {
            Self::Chat => matches!(endpoint, Endpoint::Chat),
            Self::Completions => matches!(endpoint, Endpoint::Completions),
            Self::Embeddings => matches!(endpoint, Endpoint::Embeddings),
            Self::Batch => batch,
            Self::Images => matches!(endpoint, Endpoint::Images),
        }
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
