//! How an account's limits stand at one time: what callers are told in headers and by `GET /v1/key`.

use crate::limit::ask::{Facts, Rule};
use crate::limit::count::{Log, Room, Scope};
use crate::limit::gate::among;
use crate::limit::lease::Among;
use crate::limit::plan::{LimitKind, Per, Unit};
use crate::limit::state::GateState;
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// One limit of a plan, as it stands for one caller at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The limit's name.
    pub limit: String,
    /// What kind it is.
    pub kind: StandingKind,
    /// What it counts.
    pub unit: Unit,
    /// Whose requests share its count.
    pub per: Per,
    /// The most that it lets through now.
    pub quota: u32,
    /// What counts now.
    pub used: u32,
    /// When the first of what counts stops counting; absent if nothing does.
    pub more_at: Option<Millis>,
    /// When the last of what counts stops counting; absent if nothing does.
    pub whole_at: Option<Millis>,
    /// For a limit that is only watched: how many requests it would have refused.
    pub shadowed: Option<u64>,
}

/// What kind of limit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StandingKind {
    /// In any span of this many milliseconds.
    Window(u64),
    /// A bucket that is full again after this many milliseconds without a request.
    Bucket(u64),
    /// Requests at once.
    Parallel,
}

/// For whom the limits are looked at.
#[derive(Clone, Copy, Debug)]
pub enum For<'f> {
    /// One request: only limits that are about it, and its own counts.
    Request(&'f Facts),
    /// A caller as such: all limits, and of those that count by model, session or user the fullest count.
    Caller(crate::auth::principal::Mark),
}

impl Standing {
    /// What is left. Nothing, where a plan was made stricter than what counts.
    pub const fn remaining(&self) -> u32 {
        self.quota.saturating_sub(self.used)
    }
}

impl GateState {
    /// How these rules stand at `now`, in their order.
    pub fn standings(&self, rules: &[Rule<'_>], whose: For<'_>, now: Millis) -> Vec<Standing> {
        let now = self.clamp(now);
        let applies = |rule: &&Rule<'_>| match whose {
            For::Request(facts) => rule.applies(facts),
            For::Caller(_) => true,
        };
        rules.iter().filter(applies).map(|rule| self.standing(rule, whose, now)).collect()
    }

    fn standing(&self, rule: &Rule<'_>, whose: For<'_>, now: Millis) -> Standing {
        let limit = rule.limit;
        let pressure = match whose {
            For::Request(facts) => facts.pressure,
            For::Caller(_) => 0,
        };
        let quota = rule.quota_at(limit.schedule.percent_at(now), pressure);
        // `None` stands for the fullest of all values.
        let value = match (whose, limit.per) {
            (_, Per::Account) => Some(None),
            (For::Request(facts), _) => Some(rule.value(facts)),
            (For::Caller(key), Per::Key) => Some(Some(key)),
            (For::Caller(_), _) => None,
        };
        let count = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let (kind, used, ends) = match limit.kind {
            LimitKind::Parallel { .. } => {
                let among = match value {
                    Some(value) => among(rule, value.map_or(Scope::Account, Scope::Value)),
                    None => Among::Counted(&limit.name, self.leases.fullest(now, &limit.name)),
                };
                (StandingKind::Parallel, count(self.leases.live(now, among) as u64), self.leases.ends(now, among))
            }
            LimitKind::Window { .. } | LimitKind::Bucket { .. } => {
                let log = match value {
                    Some(value) => {
                        let scope = self.counts.scope(limit, value, now, Room::OF_ACCOUNT);
                        self.counts.get(limit, scope, now)
                    }
                    None => self.counts.all_of(limit).max_by_key(|log| log.used(limit, now)),
                };
                let kind = match limit.kind {
                    LimitKind::Bucket { refill, .. } => {
                        let whole = u64::from(quota).saturating_mul(refill.every_ms).div_ceil(u64::from(refill.amount));
                        StandingKind::Bucket(whole)
                    }
                    LimitKind::Window { window_ms, .. } => StandingKind::Window(window_ms),
                    LimitKind::Parallel { .. } => StandingKind::Parallel,
                };
                let used = log.map_or(0, |log: &Log| count(log.used(limit, now)));
                (kind, used, log.and_then(|log| log.ends(limit, now)))
            }
        };
        let (more_at, whole_at) = ends.unzip();
        let shadowed = limit.shadow.then(|| self.shadowed(&limit.name));
        let name = limit.name.clone();
        Standing { limit: name, kind, unit: limit.unit(), per: limit.per, quota, used, more_at, whole_at, shadowed }
    }
}
