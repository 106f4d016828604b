//! What an object remembers of its rings, and how far one has come.

use crate::platform;
use crate::telemetry;
use sluice_protocol::jobs::name::BatchId;
use sluice_protocol::telemetry::Line;
use sluice_protocol::time::Millis;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// What an object remembers of its rings. What is lost of it, is found out again.
#[derive(Default)]
pub(super) struct Ringing {
    is_on: Cell<bool>,
    /// Until when a batch has to stay away.
    away: RefCell<BTreeMap<BatchId, Millis>>,
    /// How many rings in a row have met origins that failed.
    failures: Cell<u32>,
    /// How many rings in a row had no line answered, for want of room.
    full: Cell<u32>,
    /// How many lines go out at once: one more after each ring that met nothing, and half as many where there was no
    /// room.
    width: Cell<usize>,
}

/// One ring at a time.
pub(super) struct One<'a>(&'a Cell<bool>);

impl Ringing {
    /// Begins; `None` while another one is on, which sees to what follows.
    pub(super) fn begin(&self) -> Option<One<'_>> {
        (!self.is_on.replace(true)).then_some(One(&self.is_on))
    }
}

impl Drop for One<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// A batch whose lines go out in this ring.
pub(super) struct Round {
    /// Which.
    pub(super) batch: BatchId,
    /// How long a request of its may take, in milliseconds.
    pub(super) lease_ms: Millis,
    /// Until when lines go out.
    pub(super) until: Millis,
    /// From which line on is looked for one that waits.
    pub(super) from: Cell<u32>,
    /// How many more lines go out.
    pub(super) left: Cell<u32>,
    /// Nothing more goes out in this ring.
    pub(super) is_over: Cell<bool>,
    /// Whether an origin has failed over a line.
    pub(super) has_failed: Cell<bool>,
    /// For how long nothing more of its batch goes out, by what its lines met.
    pub(super) pause: Cell<Millis>,
    /// Whether a line was answered.
    pub(super) has_passed: Cell<bool>,
}

impl Round {
    /// One that begins now.
    pub(super) fn new(batch: BatchId, lease_ms: Millis) -> Self {
        Self {
            batch,
            lease_ms,
            until: platform::now().saturating_add(ROUND_MS),
            from: Cell::new(0),
            left: Cell::new(LINES),
            is_over: Cell::new(false),
            has_failed: Cell::new(false),
            pause: Cell::new(0),
            has_passed: Cell::new(false),
        }
    }
}

impl Ringing {
    /// What a round met decides how the next one goes, and when: in so many milliseconds.
    pub(super) fn end_round(&self, round: &Round, width: usize) -> Millis {
        let Self { failures, full, width: next_width, .. } = self;
        if round.has_failed.get() {
            self.fail();
            return self.failure_pause();
        }
        if round.has_passed.get() {
            failures.set(0);
            full.set(0);
        }
        if round.pause.get() == 0 {
            next_width.set(width + 1);
            return 0;
        }
        next_width.set(width / 2);
        if !round.has_passed.get() {
            full.set(full.get() + 1);
        }
        let pause = round.pause.get().max(self.full_pause());
        self.stay_away(round.batch, pause);
        0
    }

    /// Whether the last ring met origins that failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failures.get() > 0
    }

    /// How many lines go out at once, of at most so many.
    pub(super) fn width(&self, most: usize) -> usize {
        self.width.get().clamp(1, most)
    }

    /// Until when a batch has to stay away; 0 if it need not.
    pub(super) fn away_until(&self, batch: BatchId) -> Millis {
        self.away.borrow().get(&batch).copied().unwrap_or_default()
    }

    /// A batch stays away for so many milliseconds, or as long as it had to before.
    pub(super) fn stay_away(&self, batch: BatchId, wait: Millis) {
        let until = platform::now().saturating_add(wait);
        let mut away = self.away.borrow_mut();
        away.retain(|_, until| *until > platform::now());
        let longest = away.entry(batch).or_default();
        *longest = until.max(*longest);
    }

    /// Origins fail, or none is ready.
    pub(super) fn fail(&self) {
        let failures = self.failures.get() + 1;
        self.failures.set(failures);
        if failures == TOLD_AT {
            telemetry::write(&Line::trouble("lines of batches are not answered", "the origins fail, or are not ready"));
        }
    }

    /// For how long nothing is sent after that, in milliseconds.
    pub(super) fn failure_pause(&self) -> Millis {
        doubled(FAILURE_MS, self.failures.get()).min(MAX_FAILURE_MS)
    }

    fn full_pause(&self) -> Millis {
        doubled(FULL_MS, self.full.get()).min(MAX_FULL_MS)
    }
}

/// When the first of several things is due.
#[derive(Default)]
pub(super) struct Soonest(pub(super) Option<Millis>);

impl Soonest {
    /// Something is due then.
    pub(super) fn within(&mut self, wait: Millis) {
        // A timer at once would be a loop where something stays due.
        let wait = wait.max(1);
        self.0 = Some(self.0.map_or(wait, |soonest| soonest.min(wait)));
    }
}

/// A pause that is doubled each time, but for the first.
fn doubled(pause: Millis, times: u32) -> Millis {
    if times == 0 { 0 } else { pause << (times - 1).min(16) }
}

/// How many lines one ring sends at most: the platform bounds what one event may ask.
const LINES: u32 = 200;
/// How long one ring sends lines, in milliseconds: the platform ends an alarm after fifteen minutes.
const ROUND_MS: Millis = 60_000;
/// How long nothing is sent after origins have failed, in milliseconds; doubled each time.
const FAILURE_MS: Millis = 1_000;
/// The longest of those pauses.
const MAX_FAILURE_MS: Millis = 60_000;
/// How long nothing of a batch is sent where there was no room, at least, in milliseconds; doubled each time.
const FULL_MS: Millis = 500; // not a status: milliseconds
/// The longest of those pauses, where the refusal says nothing longer.
const MAX_FULL_MS: Millis = 30_000;
/// After how many failures the log says so.
const TOLD_AT: u32 = 5;
