//! The decision: plan + state + ask + now -> admit or refuse, and later settle.
//!
//! Every limit of the plan is evaluated first; then all are committed or none. A refusal changes nothing, names every
//! limit that refused, and carries the exact time at which this very request would pass. Admit and settle are keyed by the
//! request's id: repeated, reordered and late messages change nothing.

use crate::Millis;
use crate::chat::Usage;
use crate::id::RequestId;
use crate::lease::{Counted, Lease, Leases};
use crate::plan::{Limit, LimitKind, Plan};
use crate::ratelimit::{Standing, StandingKind};
use crate::window::{Fit, Window};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// All that a Gate knows of what an account did. Plain data: see [`crate::state`] for how it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GateState {
    /// The latest time that was ever decided at. Time never goes back behind it.
    pub(crate) last_now: Millis,
    /// One log for each window limit, by the limit's name.
    pub(crate) windows: BTreeMap<String, Window>,
    /// What is admitted and not settled.
    pub(crate) leases: Leases,
    /// What was settled lately, oldest first, so that a late or repeated message for it is recognised. Half of the
    /// request's random id is enough to tell requests apart, and keeps a busy account's row small.
    pub(crate) closed: VecDeque<(Millis, Mark)>,
    /// What was used in all.
    pub(crate) totals: Totals,
}

/// The answer to an ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Go. The lease ends at `deadline`.
    Admit {
        /// When the lease ends by itself.
        deadline: Millis,
    },
    /// No. Nothing changed.
    Refuse(Vec<Refused>),
    /// This request was settled before: the message is late. Nothing changed, and it must not be forwarded.
    Closed,
}

/// One limit that refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The limit's name.
    pub limit: String,
    /// What kind it is.
    pub kind: RefusedKind,
    /// When this request would pass this limit, if nothing else is counted or settled before: a time, in milliseconds
    /// since the epoch. `None` if never.
    pub at: Option<Millis>,
}

/// What kind of limit refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusedKind {
    /// `limit` in any span of `window_ms`.
    Window {
        /// The limit.
        limit: u32,
        /// The span.
        window_ms: u64,
    },
    /// `limit` at once.
    Parallel {
        /// The limit.
        limit: u32,
    },
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The origin took it, to the end or until the caller left, or refused it as a bad request: it stays counted.
    /// The usage is absent where the origin gave none or the stream broke off before its last event.
    Served(Option<Usage>),
    /// It was a good request and we failed it (origin full, down or draining): taken back from every window.
    NotServed,
}

/// What an account has used since its Gate first saw it. Saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Requests that were settled as served.
    pub served: u64,
    /// Tokens of their prompts, as far as the origin told.
    pub prompt_tokens: u64,
    /// Tokens of their answers, as far as the origin told.
    pub completion_tokens: u64,
}

/// How long a settled request is remembered. An edge gives up on a lost message long before.
pub const CLOSED_MS: u64 = 2 * 60 * 1000;
/// How many settled requests are remembered at most. Past it a late message can only make the Gate stricter: a settle
/// without a lease takes nothing back and adds nothing up, and an admit is counted and holds a lease until its deadline.
pub const MAX_CLOSED: usize = 128;

/// Half of a request's id.
pub(crate) type Mark = [u8; 8];

fn mark(request: RequestId) -> Mark {
    let [a, b, c, d, e, f, g, h, ..] = request.0;
    [a, b, c, d, e, f, g, h]
}

impl GateState {
    /// The time to decide at: `now`, or the last time if the clock went back.
    pub fn clamp(&self, now: Millis) -> Millis {
        now.max(self.last_now)
    }

    /// Decides one ask. [`Decision::Admit`] has changed the state, and the caller must store it before it answers; any
    /// other decision has changed nothing.
    pub fn admit(&mut self, plan: &Plan, request: RequestId, now: Millis) -> Decision {
        let now = self.clamp(now);
        if let Some(lease) = self.leases.find(request) {
            return Decision::Admit { deadline: lease.deadline };
        }
        if self.is_closed(request) {
            return Decision::Closed;
        }
        let refused = self.evaluate(plan, now);
        if !refused.is_empty() {
            return Decision::Refuse(refused);
        }
        Decision::Admit { deadline: self.commit(plan, request, now) }
    }

    /// When the plan's limits refuse one more request at `now`, and until when. Empty if it would pass.
    pub fn evaluate(&self, plan: &Plan, now: Millis) -> Vec<Refused> {
        let now = self.clamp(now);
        let mut refused = Vec::new();
        for limit in &plan.limits {
            let (kind, at) = match limit.kind {
                LimitKind::Window { limit: most, window_ms } => {
                    let fit = match self.windows.get(&limit.name) {
                        Some(window) => window.fit(now, window_ms, u64::from(most), 1),
                        None => Fit::Now,
                    };
                    let at = match fit {
                        Fit::Now => continue,
                        Fit::At(at) => Some(at),
                        Fit::Never => None,
                    };
                    (RefusedKind::Window { limit: most, window_ms }, at)
                }
                LimitKind::Parallel { limit: most } => match self.leases.fits_at(now, most as usize) {
                    None => continue,
                    Some(at) => (RefusedKind::Parallel { limit: most }, Some(at)),
                },
            };
            refused.push(Refused { limit: limit.name.clone(), kind, at });
        }
        refused
    }

    /// Ends a request's lease. Returns whether the state changed and must be stored.
    ///
    /// A settle that comes before its admit (or long after its lease) leaves a mark, so that the admit, if it comes yet,
    /// is recognised as late.
    pub fn settle(&mut self, request: RequestId, outcome: Outcome, now: Millis) -> bool {
        let now = self.clamp(now);
        if self.is_closed(request) {
            return false;
        }
        let lease = self.leases.release(request);
        match (&lease, outcome) {
            (None, _) => {}
            (Some(_), Outcome::Served(usage)) => self.totals.add(usage.unwrap_or_default()),
            (Some(lease), Outcome::NotServed) => {
                for counted in &lease.counted {
                    if let Some(window) = self.windows.get_mut(&counted.limit) {
                        window.refund(counted.at, counted.amount);
                    }
                }
            }
        }
        self.closed.push_back((now, mark(request)));
        self.tidy(now);
        true
    }

    /// How the plan's limits stand at `now`, in the plan's order.
    pub fn standings(&self, plan: &Plan, now: Millis) -> Vec<Standing> {
        let now = self.clamp(now);
        let count = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let standing = |limit: &Limit| {
            let (kind, quota, used, ends) = match limit.kind {
                LimitKind::Window { limit: quota, window_ms } => {
                    let log = self.windows.get(&limit.name);
                    let used = log.map_or(0, |log| count(log.used(now, window_ms)));
                    (StandingKind::Window(window_ms), quota, used, log.and_then(|log| log.ends(now, window_ms)))
                }
                LimitKind::Parallel { limit: quota } => {
                    let used = count(self.leases.live(now) as u64);
                    (StandingKind::Parallel, quota, used, self.leases.ends(now))
                }
            };
            let (more_at, whole_at) = ends.unzip();
            Standing { limit: limit.name.clone(), kind, quota, used, more_at, whole_at }
        };
        plan.limits.iter().map(standing).collect()
    }

    /// What was used in all.
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// Whether this request holds a lease that is kept: a repeated admit for it changes nothing.
    pub fn lease_of(&self, request: RequestId) -> bool {
        self.leases.find(request).is_some()
    }

    /// How many requests hold a lease at `now`.
    pub fn live_leases(&self, now: Millis) -> usize {
        self.leases.live(self.clamp(now))
    }

    /// What the plan's window of this name counts at `now`; 0 for a name that is not a window of the plan.
    pub fn used(&self, plan: &Plan, limit: &str, now: Millis) -> u64 {
        let now = self.clamp(now);
        plan.limits
            .iter()
            .find_map(|candidate| match candidate.kind {
                LimitKind::Window { window_ms, .. } if candidate.name == limit => {
                    Some(self.windows.get(limit)?.used(now, window_ms))
                }
                _ => None,
            })
            .unwrap_or(0)
    }

    fn is_closed(&self, request: RequestId) -> bool {
        let mark = mark(request);
        self.closed.iter().any(|(_, closed)| *closed == mark)
    }

    fn commit(&mut self, plan: &Plan, request: RequestId, now: Millis) -> Millis {
        self.tidy(now);
        // Logs of limits that the plan no longer has end with the plan's next decision.
        self.windows.retain(|name, _| plan.limits.iter().any(|limit| limit.name == *name));
        let mut counted = Vec::new();
        for limit in &plan.limits {
            if let LimitKind::Window { window_ms, .. } = limit.kind {
                let at = self
                    .windows
                    .entry(limit.name.clone())
                    .or_insert_with(|| Window::starting(now))
                    .add(now, window_ms, 1);
                counted.push(Counted { limit: limit.name.clone(), at, amount: 1 });
            }
        }
        let deadline = now.saturating_add(plan.lease_ms);
        self.leases.grant(Lease { request, at: now, deadline, counted });
        deadline
    }

    /// Moves time on and forgets what no longer matters.
    fn tidy(&mut self, now: Millis) {
        self.last_now = now;
        self.leases.drop_expired(now);
        while self.closed.front().is_some_and(|(at, _)| at.saturating_add(CLOSED_MS) <= now)
            || self.closed.len() > MAX_CLOSED
        {
            self.closed.pop_front();
        }
    }
}

impl Totals {
    fn add(&mut self, usage: Usage) {
        self.served = self.served.saturating_add(1);
        self.prompt_tokens = self.prompt_tokens.saturating_add(usage.prompt_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(usage.completion_tokens);
    }
}
