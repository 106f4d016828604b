//! How an account's limits stand at one time: what callers are told in headers and by `GET /v1/key`.

pub mod ratelimit;

use crate::limit::ask::{Facts, Rule};
use crate::limit::count::Room;
use crate::limit::gate::among;
use crate::limit::kind::{StandingKind, Tally, Unit};
use crate::limit::lease::Among;
use crate::limit::plan::Per;
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
    /// The most that it lets through now; money is in nano-units.
    pub quota: u64,
    /// What counts now.
    pub used: u64,
    /// When the first of what counts stops counting; absent if nothing does.
    pub more_at: Option<Millis>,
    /// When the last of what counts stops counting; absent if nothing does.
    pub whole_at: Option<Millis>,
    /// For a limit that is only watched: how many requests it would have refused.
    pub shadowed: Option<u64>,
}

/// For whom the limits are looked at.
#[derive(Clone, Copy, Debug)]
pub enum For<'f> {
    /// One request: only limits that are about it, and its own counts.
    Request(&'f Facts),
    /// A caller as such: all limits, and of those that count by model, session or user the fullest count.
    Caller(crate::auth::principal::Mark),
    /// The account as such: the fullest count of each limit.
    Account,
}

impl Standing {
    /// What is left. Nothing, where a plan was made stricter than what counts.
    pub const fn remaining(&self) -> u64 {
        self.quota.saturating_sub(self.used)
    }

    /// Whether a served request gives something back when it ends: its place among those at once, or what was reserved for
    /// it and not used. As one of some requests in a span of time it stays counted.
    pub fn gets_back(&self) -> bool {
        !self.kind.is_timed() || self.unit != Unit::Requests
    }
}

impl GateState {
    /// How these rules stand at `now`, in their order.
    pub fn standings(&self, rules: &[Rule<'_>], whose: For<'_>, now: Millis) -> Vec<Standing> {
        let now = self.clamp(now);
        let applies = |rule: &&Rule<'_>| match whose {
            For::Request(facts) => rule.applies(facts),
            For::Caller(_) | For::Account => true,
        };
        rules.iter().filter(applies).map(|rule| self.standing(rule, whose, now)).collect()
    }

    fn standing(&self, rule: &Rule<'_>, whose: For<'_>, now: Millis) -> Standing {
        let limit = rule.limit;
        let pressure = match whose {
            For::Request(facts) => facts.pressure,
            For::Caller(_) | For::Account => 0,
        };
        let quota = rule.quota_at(limit.schedule.percent_at(now), pressure);
        // `None` stands for the fullest of all values.
        let value = match (whose, limit.per) {
            (_, Per::Account) => Some(None),
            (For::Request(facts), _) => Some(rule.value(facts)),
            (For::Caller(key), Per::Key) => Some(Some(key)),
            (For::Caller(_) | For::Account, _) => None,
        };
        let (log, among) = match value {
            Some(value) => {
                let scope = self.counts.scope(limit, value, now, Room::OF_ACCOUNT);
                (self.counts.get(limit, scope, now), among(rule, scope))
            }
            None => {
                let fullest = self.leases.fullest(now, &limit.name);
                (self.counts.fullest(limit, now), Among::Counted(&limit.name, fullest))
            }
        };
        let tally = Tally { log, leases: &self.leases.live(now, among) };
        let used = limit.kind.used(tally, now);
        let (more_at, whole_at) = limit.kind.ends(tally, now).unzip();
        let shadowed = limit.shadow.then(|| self.shadowed(&limit.name));
        Standing {
            limit: limit.name.clone(),
            kind: limit.kind.standing(quota, rule.span),
            unit: limit.unit(),
            per: limit.per,
            quota,
            used,
            more_at,
            whole_at,
            shadowed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::kind::bucket::BucketStanding;
    use crate::limit::kind::parallel::ParallelStanding;
    use crate::limit::kind::window::WindowStanding;

    #[test]
    fn a_served_request_gives_back_its_place_and_what_it_did_not_use() {
        let gets_back = |kind, unit| {
            let per = Per::Account;
            let (more_at, whole_at, shadowed) = (None, None, None);
            Standing { limit: "l".into(), kind, unit, per, quota: 1, used: 1, more_at, whole_at, shadowed }.gets_back()
        };
        let timed: [StandingKind; 2] =
            [WindowStanding { window_ms: 1 }.into(), BucketStanding { fills_in_ms: 1 }.into()];
        for kind in timed {
            let all = [Unit::Requests, Unit::Tokens, Unit::Cost].map(|unit| gets_back(kind, unit));
            assert_eq!(all, [false, true, true], "{kind:?}");
        }
        assert!(gets_back(ParallelStanding.into(), Unit::Requests));
    }
}
