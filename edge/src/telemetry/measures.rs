//! What this isolate counts, besides what it writes down. How it is added up, `sluice_protocol::measures` says; who hands it
//! on, `hop/meter.rs`.

use crate::platform::{self, isolate_local, random};
use sluice_protocol::hop::gate_call::Answer;
use sluice_protocol::id::RequestId;
use sluice_protocol::measures::counter::Counter;
use sluice_protocol::measures::report::{IsolateState, Report};
use sluice_protocol::measures::request::Seen;
use sluice_protocol::measures::series::Series;
use sluice_protocol::telemetry::{Decided, RequestEnd};
use sluice_protocol::time::Millis;
use std::cell::{Cell, RefCell};

/// A message to a Gate was answered, over which it wrote rows and found leases that had ended by themselves.
pub fn gate_called(rows_written: u64, lapsed: u64) {
    COUNTER.with_borrow_mut(|counter| {
        counter.add(Series::GateCalls, 1);
        counter.add(Series::GateRows, rows_written);
        counter.add(Series::Lapsed, lapsed);
    });
}

/// An admin's login failed.
pub fn login_failed() {
    COUNTER.with_borrow_mut(|counter| counter.add(Series::FailedLogins, 1));
}

/// Leases that a Gate found to have ended by themselves while it was told something else.
pub fn lapsed(count: u64) {
    COUNTER.with_borrow_mut(|counter| counter.add(Series::Lapsed, count));
}

/// So many spans were dropped that were to be exported.
pub fn spans_dropped(count: u64) {
    if count > 0 {
        COUNTER.with_borrow_mut(|counter| counter.add(Series::SpansDropped, count));
    }
}

/// Whether nothing that was admitted is in flight.
pub fn is_idle() -> bool {
    COUNTER.with_borrow(Counter::is_idle)
}

/// A Gate has decided about a request, or had. See [`Counter::decided`].
pub fn decided(answer: &Answer, is_batch: bool, account: &str, key: impl FnOnce() -> String) {
    COUNTER.with_borrow_mut(|counter| counter.decided(answer, is_batch, account, key));
}

/// A request that was admitted, until this is dropped or its lease is over.
pub struct InFlight(RequestId);

impl InFlight {
    /// Since now.
    pub fn until(request: RequestId, deadline: Millis) -> Self {
        COUNTER.with_borrow_mut(|counter| counter.admitted(request, deadline));
        Self(request)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        COUNTER.with_borrow_mut(|counter| counter.ended(self.0));
    }
}

/// A request for an answer is over, after this time. See [`Counter::over`].
pub fn over(seen: &Seen, end: RequestEnd, ms: Millis) {
    COUNTER.with_borrow_mut(|counter| counter.over(seen, end, ms));
}

/// A request that came at `since` is over: what was decided of it is kept. See [`Counter::keep`].
pub fn keep(decided: &Decided, end: RequestEnd, since: Millis, now: Millis) {
    COUNTER.with_borrow_mut(|counter| counter.keep(decided, end.used(), since, now));
}

/// Whether nobody has looked for a while at how full an origin is: whoever asks looks.
pub fn wants_capacity() -> bool {
    let (now, last) = (platform::now(), LOOKED_AT.get());
    let is_old = now.abs_diff(last) >= LOOK_MS;
    if is_old {
        LOOKED_AT.set(now);
    }
    is_old
}

/// Whether anything was counted that is not handed on.
pub fn has_news() -> bool {
    COUNTER.with_borrow(Counter::has_news)
}

/// Whether whoever asks is to hand on what is counted, in a while. See [`Counter::begin`].
pub fn begin() -> bool {
    COUNTER.with_borrow_mut(|counter| counter.begin(platform::now()))
}

/// Whether whoever asks is to hand it on now. See [`Counter::begin_now`].
pub fn begin_now() -> bool {
    COUNTER.with_borrow_mut(|counter| counter.begin_now(platform::now()))
}

/// What is to be handed on. `kept_ms`: for how long requests are kept.
pub fn report(state: IsolateState, kept_ms: Millis) -> Report {
    COUNTER.with_borrow_mut(|counter| counter.report(ISOLATE.get(), state, kept_ms, platform::now()))
}

/// It was, or was not, and whoever did so would go on. Returns whether they have to. See [`Counter::handed_over`].
pub fn handed_over(number: u64, is_taken: bool, goes_on: bool) -> bool {
    COUNTER.with_borrow_mut(|counter| counter.handed_over(number, is_taken, goes_on, platform::now()))
}

isolate_local! {
    static COUNTER: RefCell<Counter> = RefCell::default();
    /// By what a Meter tells isolates apart.
    static ISOLATE: Cell<u64> = Cell::new(u64::from_be_bytes(random()));
    static LOOKED_AT: Cell<Millis> = Cell::new(0);
}

/// How long what an origin said of itself is shown before it is looked at again, in milliseconds.
const LOOK_MS: Millis = 1_000;
