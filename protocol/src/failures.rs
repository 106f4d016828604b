//! Failed admin logins: who has failed too often to be heard, and what of it is written down.
//!
//! An address that fails [`MAX_FAILURES`] times within [`SPAN_MS`] is not heard until [`SPAN_MS`] after the last of them. Of all
//! addresses together, at most [`MAX_NOTED`] failures in a span are noted one by one; the rest are counted, and the next one
//! that is noted tells how many. Whoever has a million addresses so fills neither the log nor a memory.

use crate::Millis;
use crate::principal::Account;
use core::net::IpAddr;
use std::collections::HashMap;

/// How often an address may fail.
pub const MAX_FAILURES: u32 = 10;
/// Within how many milliseconds, and for how long it is then not heard.
pub const SPAN_MS: Millis = 60_000;
/// How many failures are noted one by one within a span, of all addresses together.
pub const MAX_NOTED: u32 = 30;

/// The failures of the last minute.
#[derive(Clone, Debug, Default)]
pub struct Failures {
    by_address: HashMap<Account, Failed>,
    /// Since when failures are noted one by one, and how many were.
    noting_since: Millis,
    noted: u32,
    /// How many were not, since the last one that was.
    unnoted: u64,
}

#[derive(Clone, Copy, Debug)]
struct Failed {
    count: u32,
    last: Millis,
}

/// What becomes of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is to be noted, and how many before it were not.
    pub note: Option<u64>,
}

impl Failures {
    /// For how many milliseconds more an address is not heard. An IPv6 address is its /64; somebody without an address is
    /// always heard.
    pub fn wait(&self, address: Option<IpAddr>, now: Millis) -> Option<Millis> {
        let failed = self.by_address.get(&Account::of_address(address?))?;
        let end = failed.last.saturating_add(SPAN_MS);
        (failed.count >= MAX_FAILURES && (failed.last..end).contains(&now)).then(|| end - now)
    }

    /// Counts a failure.
    pub fn fail(&mut self, address: Option<IpAddr>, now: Millis) -> Verdict {
        if let Some(address) = address {
            self.count(Account::of_address(address), now);
        }
        if now.abs_diff(self.noting_since) >= SPAN_MS {
            (self.noting_since, self.noted) = (now, 0);
        }
        if self.noted >= MAX_NOTED {
            self.unnoted += 1;
            return Verdict { note: None };
        }
        self.noted += 1;
        Verdict { note: Some(std::mem::take(&mut self.unnoted)) }
    }

    /// Does not hear an address for so many milliseconds: somebody else has counted its failures.
    pub fn block(&mut self, address: Option<IpAddr>, wait: Millis, now: Millis) {
        let Some(address) = address else { return };
        self.count(Account::of_address(address), now);
        if let Some(failed) = self.by_address.get_mut(&Account::of_address(address)) {
            // It has failed as long ago as makes this wait end when it should.
            *failed = Failed { count: MAX_FAILURES, last: now.saturating_sub(SPAN_MS.saturating_sub(wait)) };
        }
    }

    fn count(&mut self, who: Account, now: Millis) {
        if !self.by_address.contains_key(&who) && self.by_address.len() >= MAX_ADDRESSES {
            self.by_address.retain(|_, failed| now.abs_diff(failed.last) < SPAN_MS);
            if self.by_address.len() >= MAX_ADDRESSES {
                // So many fail at once: each of them still has all its tries before it, and a token is not guessed in them.
                self.by_address.clear();
            }
        }
        let failed = self.by_address.entry(who).or_insert(Failed { count: 0, last: now });
        let is_over = now.abs_diff(failed.last) >= SPAN_MS;
        failed.count = if is_over { 1 } else { failed.count.saturating_add(1) };
        failed.last = now;
    }
}

/// Addresses whose failures are kept.
const MAX_ADDRESSES: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn an_address_that_fails_too_often_is_not_heard_for_a_minute() {
        let mut failures = Failures::default();
        let (one, other) = (address("203.0.113.9"), address("203.0.113.10"));
        for try_number in 0..MAX_FAILURES {
            assert_eq!(failures.wait(one, 1_000), None, "{try_number}");
            failures.fail(one, 1_000);
        }
        assert_eq!(failures.wait(one, 1_000), Some(SPAN_MS));
        assert_eq!(failures.wait(one, 60_999), Some(1));
        assert_eq!(failures.wait(one, 61_000), None);
        assert_eq!(failures.wait(other, 1_000), None);
        assert_eq!(failures.wait(None, 1_000), None);
        // After that it has all its tries again.
        failures.fail(one, 61_000);
        assert_eq!(failures.wait(one, 61_000), None);
    }

    #[test]
    fn what_others_have_counted_holds_here() {
        let mut failures = Failures::default();
        failures.block(address("203.0.113.9"), 700, 100_000);
        assert_eq!(failures.wait(address("203.0.113.9"), 100_000), Some(700));
        assert_eq!(failures.wait(address("203.0.113.9"), 100_700), None);
        failures.block(None, 700, 100_000);
    }

    #[test]
    fn failures_that_are_far_apart_do_not_add_up() {
        let mut failures = Failures::default();
        for number in 0..100 {
            failures.fail(address("203.0.113.9"), number * SPAN_MS);
            assert_eq!(failures.wait(address("203.0.113.9"), number * SPAN_MS), None);
        }
    }

    #[test]
    fn all_addresses_of_one_customer_are_one() {
        let mut failures = Failures::default();
        for number in 0..MAX_FAILURES {
            failures.fail(address(&format!("2001:db8::{number}")), 5);
        }
        assert!(failures.wait(address("2001:db8::ffff"), 5).is_some());
        assert!(failures.wait(address("2001:db8:0:1::1"), 5).is_none());
    }

    #[test]
    fn a_flood_from_many_addresses_is_counted_and_not_written_out() {
        let mut failures = Failures::default();
        let flood: Vec<_> = (0..100_000u32).map(|number| Some(IpAddr::from(number.to_be_bytes()))).collect();
        let noted = flood.iter().filter(|address| failures.fail(**address, 7).note.is_some()).count();
        assert_eq!(noted as u32, MAX_NOTED);
        assert!(failures.by_address.len() <= MAX_ADDRESSES);
        let next = failures.fail(None, 7 + SPAN_MS);
        assert_eq!(next.note, Some(100_000 - u64::from(MAX_NOTED)), "the next one tells of the rest");
        assert_eq!(failures.fail(None, 7 + SPAN_MS).note, Some(0));
    }
}
