//! How a Gate tells the time: a clock may stand still, go back a little, or be wrong once, and nothing is let through by it.

use crate::limit::calendar::Calendar;
use crate::limit::state::GateState;
use crate::time::Millis;
use crate::usage::HOUR_MS;

/// How far a clock may go back and is taken to stand still, in milliseconds: clocks that are set right step less.
pub const STEP_BACK_MS: u64 = 10_000;
/// How long a lease that has ended by itself is kept, in milliseconds: it holds nobody up, and whoever was cut off at its end is yet
/// told of, so that what was computed counts and not what was reserved.
pub const GRACE_MS: u64 = 10_000;
/// How long a settled request is remembered. An edge gives up on a lost message long before.
pub const CLOSED_MS: u64 = 2 * 60 * 1000;
/// How many settled requests are remembered at most. Past it a late message can only make the Gate stricter: a settle
/// without a lease takes nothing back and adds nothing up, and an admit is counted and holds a lease until its deadline.
pub const MAX_CLOSED: usize = 128;

impl GateState {
    /// Takes notice of a reading of the clock, before anything is decided at it. Returns whether the state changed.
    ///
    /// A clock that goes back a little, as clocks do that are set right, is taken to stand still. One that goes back far was
    /// or is wrong, and a single reading does not say which: that one is noted, and until the next everything counts as
    /// if it had just been counted. A second reading like it says that the clock had been ahead: what was counted then is
    /// counted as of now, and is over when it would be if it had been. `calendar`: the periods of now.
    pub fn see(&mut self, now: Millis, calendar: &Calendar) -> bool {
        if !is_far_behind(now, self.last_now) {
            return self.behind.take().is_some();
        }
        match self.behind {
            Some(before) if before == now => return false,
            Some(before) if !is_far_behind(now, before) => self.take_back_to(now, calendar),
            _ => self.behind = Some(now),
        }
        true
    }

    /// The time to decide at: `now`, or the last time if the clock went back a little.
    pub fn clamp(&self, now: Millis) -> Millis {
        if self.behind.is_some() && is_far_behind(now, self.last_now) { now } else { self.latest(now) }
    }

    /// The later of `now` and the last change: whatever the clock says, what had ended then has ended.
    pub fn latest(&self, now: Millis) -> Millis {
        now.max(self.last_now)
    }

    /// Moves time on and forgets what no longer matters: what had expired at the reading before, since this one may be ahead.
    pub(super) fn tidy(&mut self, now: Millis) {
        if now > self.last_now {
            (self.sure, self.last_now) = (self.last_now, now);
        }
        self.turn(now);
        let sure = self.sure;
        // As long as nobody knows which of two readings is wrong, nothing is forgotten.
        if self.behind.is_none() {
            let Self { leases, hours, .. } = self;
            leases.drop_expired(sure.saturating_sub(GRACE_MS), |lease| hours.lapsed(lease.place));
            self.counts.drop_expired(sure);
            while self.closed.front().is_some_and(|(at, _)| at.saturating_add(CLOSED_MS) <= sure) {
                self.closed.pop_front();
            }
        }
        while self.closed.len() > MAX_CLOSED {
            self.closed.pop_front();
        }
    }

    /// Which hour it certainly is, or was a moment ago, since 1970. Nobody knows while one of two readings is wrong.
    pub fn sure_hour(&self) -> Option<u64> {
        self.behind.is_none().then_some(self.sure / HOUR_MS)
    }

    /// Counts in the hour of `now` from here on.
    pub(super) fn turn(&mut self, now: Millis) {
        if self.hours.turn(now) {
            let places = self.hours.compact(self.leases.iter().filter_map(|lease| Some(lease.place?.line)));
            self.leases.move_places(&places);
        }
    }

    /// The clock was ahead: what was counted in what is the future now is counted now.
    fn take_back_to(&mut self, now: Millis, calendar: &Calendar) {
        self.counts.take_back_to(now, calendar);
        self.leases.take_back_to(now);
        self.hours.take_back_to(now);
        for (at, _) in &mut self.closed {
            *at = (*at).min(now);
        }
        (self.last_now, self.sure, self.behind) = (now, self.sure.min(now), None);
    }
}

/// Whether a clock went back further than one that is set right.
const fn is_far_behind(now: Millis, before: Millis) -> bool {
    now.saturating_add(STEP_BACK_MS) < before
}
