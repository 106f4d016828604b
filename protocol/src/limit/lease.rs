//! Leases: what is admitted and not yet settled.
//!
//! Every admitted request holds a lease until it is settled or until its deadline, whichever comes first. Limits on
//! requests at once count live leases; expiry is decided when somebody asks, so no alarm is needed for correctness. The origin stops
//! before the deadline, so live leases are an upper bound on the work that runs.

use crate::auth::principal::Mark;
use crate::id::RequestId;
use crate::limit::count::Scope;
use crate::limit::kind::parallel::LeaseEnds;
use crate::limit::kind::{LogKind, Unit};
use crate::order;
use crate::request::bodies::chat::Used;
use crate::request::cost::Rate;
use crate::request::cost::work::Work;
use crate::time::Millis;
use crate::usage::hours::Place;
use serde::{Deserialize, Serialize};

/// One admitted request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The request.
    pub request: RequestId,
    /// The key or the subject that sent it.
    pub key: Mark,
    /// When it was admitted.
    pub at: Millis,
    /// When the lease ends by itself; at this time it no longer counts.
    pub deadline: Millis,
    /// What was reserved, if some limit of tokens or cost counted it: the origin keeps to it.
    pub metered: Option<Metered>,
    /// As whose it will be counted when it ends: a place in [`crate::usage::hours::Hours`]. One from before there were
    /// any has none.
    pub place: Option<Place>,
    /// Where it was counted.
    pub counted: Vec<Counted>,
}

/// What a request may use, and what that costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metered {
    /// What it may use.
    pub work: Work,
    /// What that costs.
    pub rate: Rate,
    /// Whether some limit that counts it is enforced; one that is only watched must not bind the origin.
    pub is_enforced: bool,
}

impl Metered {
    /// What the origin is to keep to, if it must.
    pub fn granted(self) -> Option<Work> {
        self.is_enforced.then_some(self.work)
    }
}

/// One limit's count of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The limit's name.
    pub limit: String,
    /// What was counted.
    pub unit: Unit,
    /// In what; `None` for a limit whose count this lease is.
    pub log: Option<LogKind>,
    /// In whose.
    pub scope: Scope,
    /// The time under which it is kept.
    pub at: Millis,
    /// How much was counted.
    pub amount: u64,
}

/// All leases of one account, in order of admission.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leases(Vec<Lease>);

/// Which leases a limit counts.
#[derive(Clone, Copy, Debug)]
pub enum Among<'a> {
    /// All.
    All,
    /// Those that it counted in this scope.
    Counted(&'a str, Scope),
}

/// The live ones at one time.
#[derive(Clone, Copy, Debug)]
pub struct Live<'a> {
    leases: &'a Leases,
    now: Millis,
    among: Among<'a>,
}

impl Leases {
    /// Those that are live at `now`.
    pub const fn live<'a>(&'a self, now: Millis, among: Among<'a>) -> Live<'a> {
        Live { leases: self, now, among }
    }

    /// The most live leases that one value of this limit has.
    pub fn fullest(&self, now: Millis, limit: &str) -> Scope {
        let scopes = || self.0.iter().filter(|lease| lease.deadline > now).flat_map(|lease| lease.scopes_in(limit));
        scopes().max_by_key(|scope| scopes().filter(|other| other == scope).count()).unwrap_or(Scope::Account)
    }

    /// When the oldest lease that is kept was admitted.
    pub fn oldest(&self) -> Option<Millis> {
        self.0.first().map(|lease| lease.at)
    }

    /// The lease of a request, live or past its deadline, while it is kept.
    pub fn find(&self, request: RequestId) -> Option<&Lease> {
        self.0.iter().find(|lease| lease.request == request)
    }

    /// Adds a lease. The caller has seen that the request has none.
    pub fn grant(&mut self, lease: Lease) {
        self.0.push(lease);
    }

    /// Ends a lease; `None` if the request has none (settled before, or its deadline passed and it was dropped).
    pub fn release(&mut self, request: RequestId) -> Option<Lease> {
        let index = self.0.iter().position(|lease| lease.request == request)?;
        Some(self.0.remove(index))
    }

    /// Drops leases whose deadline has passed: what they counted stays counted. Each is shown before.
    pub fn drop_expired(&mut self, now: Millis, mut show: impl FnMut(&Lease)) {
        self.0.retain(|lease| {
            let is_live = lease.deadline > now;
            if !is_live {
                show(lease);
            }
            is_live
        });
    }

    /// Each lease's place in what was used is another now: the one that stands where its own was.
    pub fn move_places(&mut self, places: &[Option<u32>]) {
        for lease in &mut self.0 {
            let moved = |place: Place| Some(Place { line: (*places.get(place.line as usize)?)?, ..place });
            lease.place = lease.place.and_then(moved);
        }
    }

    /// Leases that were granted in what is the future at `now` were granted now, for as long as they were to last.
    pub fn take_back_to(&mut self, now: Millis) {
        for lease in &mut self.0 {
            let lasts = lease.deadline.saturating_sub(lease.at);
            lease.at = lease.at.min(now);
            lease.deadline = lease.deadline.min(lease.at.saturating_add(lasts));
            for counted in &mut lease.counted {
                counted.at = counted.at.min(now);
            }
        }
    }

    /// All leases that are kept, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Lease> {
        self.0.iter()
    }

    /// The names of the limits that count leases, each once.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let all = self.0.iter().flat_map(|lease| &lease.counted).map(|one| one.limit.as_str());
        order::set(all).into_iter()
    }

    /// Gives up what leases would give back to logs: it stays counted.
    pub fn keep_what_they_count(&mut self) {
        for lease in &mut self.0 {
            lease.counted.retain(|one| one.log.is_none());
        }
    }
}

impl Live<'_> {
    /// How many.
    pub fn count(&self) -> usize {
        let mut count = 0;
        self.each(&mut |_| count += 1);
        count
    }
}

impl LeaseEnds for Live<'_> {
    fn each(&self, show: &mut dyn FnMut(Millis)) {
        let counts = |lease: &&Lease| match self.among {
            Among::All => true,
            Among::Counted(limit, scope) => lease.scopes_in(limit).any(|other| other == scope),
        };
        let live = self.leases.0.iter().filter(|lease| lease.deadline > self.now);
        live.filter(counts).map(|lease| lease.deadline).for_each(show);
    }
}

impl Lease {
    /// Where this limit counts it: a plan's and a key's own limit may have one name.
    fn scopes_in(&self, limit: &str) -> impl Iterator<Item = Scope> {
        self.counted.iter().filter(move |one| one.log.is_none() && one.limit == limit).map(|one| one.scope)
    }
}

impl Counted {
    /// How much of it is given back once it is known what was used. Never more than was counted, and nothing is added: an
    /// origin that is ours keeps to what was reserved.
    pub fn unused(&self, metered: Option<Metered>, used: Used) -> u64 {
        let used = match (self.unit, metered) {
            (Unit::Tokens, _) => used.usage.prompt_tokens.saturating_add(used.usage.completion_tokens),
            (Unit::Cost, Some(Metered { work, rate, .. })) => rate.used(work, used),
            (Unit::Money, Some(Metered { rate, .. })) => rate.price.used(used),
            (Unit::Images, _) => used.drawn.images.into(),
            (Unit::Requests | Unit::Cost | Unit::Money, _) => return 0,
        };
        self.amount.saturating_sub(used)
    }
}

impl FromIterator<Lease> for Leases {
    fn from_iter<I: IntoIterator<Item = Lease>>(leases: I) -> Self {
        Self(leases.into_iter().collect())
    }
}
