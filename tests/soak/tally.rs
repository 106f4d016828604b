//! What the callers of one shape met.

use crate::wire::Heard;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts by what was met. Those that are faults are known by their name.
#[derive(Default)]
pub(crate) struct Tally(Mutex<BTreeMap<String, u64>>);

impl Tally {
    /// Counts what is as it should be.
    pub(crate) fn met(&self, what: &str) {
        *self.lock().entry(what.to_owned()).or_default() += 1;
    }

    /// Counts a fault of ours.
    pub(crate) fn fault(&self, what: &str) {
        self.met(&format!("{FAULT}{what}"));
    }

    /// Counts an answer: whatever says that we failed is a fault, and so is none.
    pub(crate) fn read(&self, read: &Heard) {
        match read {
            Heard::Answer(status @ (500 | 501 | 502 | 504..)) => self.fault(&status.to_string()),
            Heard::Answer(status) => self.met(&status.to_string()),
            Heard::Closed => self.fault("closed without an answer"),
            Heard::Hung => self.fault("no answer"),
        }
    }

    /// How many times anything was met.
    pub(crate) fn acts(&self) -> u64 {
        self.lock().values().sum()
    }

    /// Each kind of fault, with how often.
    pub(crate) fn faults(&self) -> impl Iterator<Item = String> {
        let all = self.lock().clone();
        all.into_iter().filter_map(|(what, count)| Some(format!("{} ({count} times)", what.strip_prefix(FAULT)?)))
    }

    /// All counts.
    pub(crate) fn line(&self) -> String {
        self.lock().iter().map(|(what, count)| format!("{what}: {count}")).collect::<Vec<_>>().join(", ")
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const FAULT: &str = "FAULT ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_fail_at_is_a_fault_and_a_refusal_is_none() {
        let tally = Tally::default();
        [200, 400, 401, 413, 429, 503].iter().for_each(|status| tally.read(&Heard::Answer(*status)));
        assert_eq!((tally.acts(), tally.faults().count()), (6, 0));
        [500, 502, 504, 520].iter().for_each(|status| tally.read(&Heard::Answer(*status)));
        tally.read(&Heard::Hung);
        tally.read(&Heard::Closed);
        assert_eq!((tally.acts(), tally.faults().count()), (12, 6));
    }
}
