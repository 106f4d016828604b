//! Whether an origin takes requests at all: by what they met on their way to it, and by what it says when it is asked
//! whether it is ready. Who is asked, and when, is decided here; there is no asking without traffic.

use crate::time::Millis;

/// An origin's door. It starts open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Door {
    shut: Option<Shut>,
    /// Requests in a row that did not reach it.
    unreached: u32,
    /// Probes in a row that it did not answer.
    unanswered: u32,
    /// When it was last probed.
    probed_at: Option<Millis>,
}

/// A door that is shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shut {
    /// When it is probed again.
    probe_at: Millis,
    /// How often it was, in vain.
    tries: u32,
}

/// What came of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It is ready.
    Ready,
    /// It answers, and is not: it stops, or its engine stands still. What it has goes on.
    NotReady,
    /// It does not answer.
    Dead,
}

impl Door {
    /// Whether it takes requests.
    pub const fn is_open(&self) -> bool {
        self.shut.is_none()
    }

    /// Whether nobody is heard behind it: what it was sent will not be answered either.
    pub const fn is_dead(&self) -> bool {
        self.unanswered >= UNANSWERED
    }

    /// When it may open again at the earliest, if it is shut.
    pub fn opens_at(&self) -> Option<Millis> {
        self.shut.map(|shut| shut.probe_at)
    }

    /// A request was answered.
    pub const fn answered(&mut self) {
        self.unreached = 0;
        self.unanswered = 0;
    }

    /// A request did not reach it. Returns whether the door has shut.
    pub const fn not_reached(&mut self, now: Millis) -> bool {
        self.unreached = self.unreached.saturating_add(1);
        self.unreached >= UNREACHED && self.shut(now)
    }

    /// It said that it takes nothing new, or somebody else found it so. Returns whether the door has shut.
    pub const fn shut(&mut self, now: Millis) -> bool {
        let shuts = self.shut.is_none();
        if shuts {
            self.shut = Some(Shut { probe_at: now, tries: 0 });
        }
        shuts
    }

    /// It answered a request that was sent there all the same.
    pub fn opened(&mut self) {
        *self = Self { probed_at: self.probed_at, ..Self::default() };
    }

    /// Somebody else has found it open: it is probed as soon as it may be.
    pub const fn hurry(&mut self, now: Millis) {
        if let Some(shut) = &mut self.shut {
            shut.probe_at = now;
        }
    }

    /// Whether it is to be probed now: it is shut, and its time has come. It counts as probed then.
    pub fn is_due(&mut self, now: Millis) -> bool {
        let comes = |at: Millis| at <= now || at - now > LONGEST_MS;
        let is_due = self.shut.is_some_and(|shut| comes(shut.probe_at)) && self.is_rested(now);
        if is_due {
            self.probed_at = Some(now);
        }
        is_due
    }

    /// Whether it is to be probed for a request that has waited for long. It counts as probed then.
    pub fn is_due_for_who_waits(&mut self, now: Millis) -> bool {
        let is_due = self.is_rested(now);
        if is_due {
            self.probed_at = Some(now);
        }
        is_due
    }

    /// What came of a probe. Returns whether the door has opened or shut.
    pub fn probed(&mut self, probe: Probe, now: Millis) -> bool {
        let was_open = self.is_open();
        match probe {
            Probe::Ready => self.opened(),
            Probe::NotReady => {
                self.unanswered = 0;
                self.shut(now);
            }
            Probe::Dead => {
                self.unanswered = self.unanswered.saturating_add(1);
                if self.is_dead() {
                    self.shut(now);
                }
            }
        }
        if let Some(shut) = &mut self.shut {
            let wait = (FIRST_MS << shut.tries.min(8)).min(LONGEST_MS);
            *shut = Shut { probe_at: now.saturating_add(wait), tries: shut.tries.saturating_add(1) };
        }
        was_open != self.is_open()
    }

    fn is_rested(&self, now: Millis) -> bool {
        self.probed_at.is_none_or(|at| now.abs_diff(at) >= REST_MS)
    }
}

/// So many requests in a row that do not reach it shut it.
pub const UNREACHED: u32 = 2;
/// So many probes in a row that it does not answer shut it.
pub const UNANSWERED: u32 = 2;
/// How long after the first probe in vain comes the next, in milliseconds: each time after is twice as long.
const FIRST_MS: Millis = 500; // not a status: milliseconds
/// How long that is at most.
const LONGEST_MS: Millis = 10_000;
/// How long a probe may take, and how long after one comes the next at the earliest.
pub const REST_MS: Millis = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_answer_twice_is_dead_and_who_is_ready_lives() {
        let mut door = Door::default();
        assert!(!door.probed(Probe::Dead, 0) && door.is_open() && !door.is_dead());
        assert!(door.probed(Probe::Dead, 1_000) && !door.is_open() && door.is_dead());
        assert!(door.probed(Probe::Ready, 2_000) && door.is_open() && !door.is_dead());
        // Between the two it answered somebody.
        door.probed(Probe::Dead, 3_000);
        door.answered();
        assert!(!door.probed(Probe::Dead, 4_000) && door.is_open());
    }

    #[test]
    fn who_stops_is_not_dead() {
        let mut door = Door::default();
        assert!(door.probed(Probe::NotReady, 0));
        assert!(!door.is_open() && !door.is_dead());
        assert!(door.probed(Probe::Ready, 1_000));
    }

    #[test]
    fn a_shut_door_is_probed_less_and_less_often() {
        let mut door = Door::default();
        assert!(!door.is_due(0), "an open door needs none");
        assert!(!door.not_reached(0) && door.not_reached(10));
        let mut at = Vec::new();
        for now in 10..100_000 {
            if door.is_due(now) {
                at.push(now);
                door.probed(Probe::Dead, now);
            }
        }
        assert_eq!(at[..6], [10, 1_010, 2_010, 4_010, 8_010, 16_010]);
        assert!(at[5..].windows(2).all(|pair| pair[1] - pair[0] == LONGEST_MS), "{at:?}");
        // A clock that goes back far keeps it shut no longer.
        assert!(door.is_due(0));
    }

    #[test]
    fn one_probes_for_all_who_wait() {
        let mut door = Door::default();
        assert!(door.is_due_for_who_waits(5_000));
        assert!(!door.is_due_for_who_waits(5_000) && !door.is_due_for_who_waits(5_999));
        assert!(door.is_due_for_who_waits(6_000));
    }
}
