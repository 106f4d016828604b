//! What a kind of limit does, and what its parts do.

use super::{Counting, Fit, Log, LogKind, RefusedKind, StandingKind, Tally, Unit};
use crate::limit::calendar::{Calendar, Cycle, Span};
use crate::limit::per::Per;
use crate::refusal::Reason;
use crate::request::cost::money::Currency;
use crate::time::Millis;
use serde_json::{Map, Value};
use std::any::Any;
use std::borrow::Cow;

/// What a kind of limit does.
pub trait Kind {
    /// As plans name it.
    fn name(&self) -> &'static str;

    /// What it counts.
    fn unit(&self) -> Unit;

    /// The most that it lets through, before schedule and pressure.
    fn quota(&self) -> u64;

    /// Writes its own members as a plan has them.
    fn write(&self, object: &mut Map<String, Value>);

    /// How it counts in a log; `None` for a kind whose count is the leases that it has granted.
    fn in_log(&self) -> Option<&dyn CountInLog>;

    /// What counts at `now`.
    fn used(&self, tally: Tally<'_>, now: Millis) -> u64;

    /// When the first and the last of what counts at `now` stop counting; `None` if nothing counts.
    fn ends(&self, tally: Tally<'_>, now: Millis) -> Option<(Millis, Millis)>;

    /// When `amount` fits under `quota`, which is no less than that.
    fn fit(&self, tally: Tally<'_>, now: Millis, quota: u64, amount: u64) -> Fit;

    /// As a refusal tells it, with what it lets through at the time of the decision, and whose it is.
    fn refused(&self, quota: u64, per: Per) -> RefusedKind;

    /// As a standing tells it, with what it lets through now. `span`: the period of now, if it has one.
    fn standing(&self, quota: u64, span: Option<Span>) -> StandingKind;

    /// The calendar's periods that it counts in, if it does.
    fn cycle(&self) -> Option<Cycle> {
        None
    }

    /// The currency that it counts in, if it counts money.
    fn currency(&self) -> Option<Currency> {
        None
    }
}

/// What a kind of limit does that counts in a log.
pub trait CountInLog {
    /// What its log is.
    fn log_kind(&self) -> LogKind;

    /// A log in which nothing is counted.
    fn starting(&self, now: Millis) -> Log;

    /// Counts an amount, and returns the time under which that is kept: giving back needs it.
    fn add(&self, log: &mut Log, amount: u64, counting: Counting) -> Millis;
}

/// What every log does, whichever limit it is for.
pub trait CountLog: Any {
    /// Whether something in it counts at `now`.
    fn is_live(&self, now: Millis) -> bool;

    /// Whether it is as good as none, at any time.
    fn is_void(&self) -> bool;

    /// How many entries it keeps.
    fn entry_count(&self) -> usize;

    /// How much longer its row is at most than that of as many entries of a window, in bytes.
    fn more_bytes(&self) -> usize {
        0
    }

    /// Takes back up to `amount` of what was counted under `at`. Takes back nothing that has left the log.
    fn refund(&mut self, at: Millis, amount: u64);

    /// Drops what no longer counts at `now`.
    fn drop_expired(&mut self, now: Millis);

    /// Makes it smaller, to about as many entries: it then lets nothing more through.
    fn coarsen(&mut self, entries: u64);

    /// Counts all that lies after `now` at `now`: the clock had been ahead. `calendar`: the periods of now.
    fn take_back_to(&mut self, now: Millis, calendar: &Calendar);
}

/// How a kind of limit tells that it refused.
pub trait DescribeRefused {
    /// What it counts.
    fn unit(&self) -> Unit;

    /// What it lets through at the time of the decision.
    fn quota(&self) -> u64;

    /// What it lets through, for people: `60 requests in 60 s`.
    fn text(&self) -> String;

    /// An amount that was asked for or is left, for people: `120`.
    fn told(&self, amount: u64) -> String {
        amount.to_string()
    }

    /// Whether its hours have closed it.
    fn is_closed(&self) -> bool {
        self.quota() == 0
    }

    /// When it opens again, for people, where that is the same for every request.
    fn opens(&self, _: Millis) -> Option<String> {
        None
    }

    /// Why a request is refused that no other kind refuses.
    fn reason(&self) -> Reason {
        Reason::RateLimited
    }

    /// Why a request is refused that it lets through at no time.
    fn never(&self) -> Reason {
        Reason::NeverFits
    }

    /// What a caller waits for whom no certain time can be told: `when ...`.
    fn awaits(&self) -> Option<&'static str> {
        None
    }
}

/// How a kind of limit tells how it stands.
pub trait DescribeStanding {
    /// As plans name it.
    fn name(&self) -> &'static str;

    /// In how many milliseconds what is counted now is over, if nothing else ends it before.
    fn span_ms(&self) -> Option<u64>;

    /// Whether what counts is over at a time that can be told. Where it is not, it most likely ends long before.
    fn is_timed(&self) -> bool {
        self.span_ms().is_some()
    }

    /// The unit of its quota in `RateLimit-Policy`, where that is not the draft's default.
    fn quota_unit(&self, unit: Unit) -> Option<Cow<'static, str>> {
        unit.quota_unit().map(Cow::from)
    }

    /// An amount as `RateLimit` tells it: a whole number of at most 15 digits.
    fn in_headers(&self, amount: u64) -> u64 {
        amount
    }

    /// The calendar's periods that it counts in, if it does.
    fn cycle(&self) -> Option<Cycle> {
        None
    }

    /// The currency that it counts in, if it counts money.
    fn currency(&self) -> Option<Currency> {
        None
    }
}
