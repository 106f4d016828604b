//! Failed admin logins: who has failed too often to be heard, and what of it is written down.
//!
//! An address that fails [`MAX_FAILURES`] times within [`SPAN_MS`] is slowed until [`SPAN_MS`] after the last of them; whoever comes
//! without an address shares one count with all others that do. If all together fail [`MAX_ALL`] times within a span, all are
//! slowed until it is over. Nobody can so lock an admin out: a token that nobody can guess ([`is_certain`]) is heard in any case.
//!
//! Of all addresses together, at most [`MAX_NOTED`] failures in a span are noted one by one; the rest are counted, and the next one
//! that is noted tells how many. Whoever has a million addresses so fills neither the log nor a memory.

use crate::auth::principal::AccountName;
use crate::time::Millis;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// How often an address may fail.
pub const MAX_FAILURES: u32 = 10;
/// How often all addresses together may fail within a span.
pub const MAX_ALL: u32 = 300; // not a status: failures
/// Within how many milliseconds, and for how long it is then not heard.
pub const SPAN_MS: Millis = 60_000;
/// How many failures are noted one by one within a span, of all addresses together.
pub const MAX_NOTED: u32 = 30;
/// How many rows of failed logins are kept.
pub const MAX_ROWS: i64 = 500; // not a status: rows
/// For how long a row counts what its address does, in milliseconds.
pub const ROW_MS: Millis = 60 * 60 * 1_000;
/// How long a token is at least that nobody guesses, in characters.
pub const CERTAIN_LEN: usize = 32;

/// Whether a token is so long that trying others does not find it: it may be compared at any time. A shorter one may be a word;
/// from whoever is slowed it is not heard even if it is right, or an answer would tell.
pub const fn is_certain(token: &str) -> bool {
    token.len() >= CERTAIN_LEN
}

/// What one address did within an hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedLogin {
    /// From where: an address, or for IPv6 the first half of one; empty where the platform does not say.
    pub address: String,
    /// When it first failed, milliseconds since the epoch.
    pub first: Millis,
    /// When it last failed.
    pub last: Millis,
    /// How often, as far as each was noted.
    pub count: u64,
    /// How many failures, from wherever, were only counted before these.
    pub not_noted_before: u64,
}

/// `GET /admin/v1/failed-logins`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedLogins {
    /// The newest first.
    pub data: Vec<FailedLogin>,
}

/// How an address is called in a row.
pub fn shown(address: Option<IpAddr>) -> String {
    let account = address.map(AccountName::of_address);
    account.map_or_else(String::new, |account| account.name().trim_start_matches("ip:").to_owned())
}

/// The failures of the last minute.
#[derive(Clone, Debug, Default)]
pub struct Failures {
    by_address: HashMap<Option<AccountName>, Failed>,
    /// Since when failures of all are counted, how many there were, and how many of them were noted one by one.
    since: Millis,
    all: u32,
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
    /// For how many milliseconds more an address is slowed. An IPv6 address is its /64; those without an address are one.
    pub fn wait(&self, address: Option<IpAddr>, now: Millis) -> Option<Millis> {
        let of_all = (self.all >= MAX_ALL).then(|| end_of(self.since, now)).flatten();
        let failed = self.by_address.get(&address.map(AccountName::of_address));
        let of_address =
            failed.filter(|failed| failed.count >= MAX_FAILURES).and_then(|failed| end_of(failed.last, now));
        of_address.max(of_all)
    }

    /// Counts a failure.
    pub fn fail(&mut self, address: Option<IpAddr>, now: Millis) -> Verdict {
        self.count(address, now);
        if now.abs_diff(self.since) >= SPAN_MS {
            (self.since, self.all, self.noted) = (now, 0, 0);
        }
        self.all = self.all.saturating_add(1);
        if self.noted >= MAX_NOTED {
            self.unnoted += 1;
            return Verdict { note: None };
        }
        self.noted += 1;
        Verdict { note: Some(std::mem::take(&mut self.unnoted)) }
    }

    /// Slows an address for so many milliseconds: somebody else has counted its failures.
    pub fn block(&mut self, address: Option<IpAddr>, wait: Millis, now: Millis) {
        // It has failed as long ago as makes this wait end when it should.
        let last = now.saturating_sub(SPAN_MS.saturating_sub(wait));
        *self.count(address, now) = Failed { count: MAX_FAILURES, last };
    }

    fn count(&mut self, address: Option<IpAddr>, now: Millis) -> &mut Failed {
        let who = address.map(AccountName::of_address);
        if !self.by_address.contains_key(&who) && self.by_address.len() >= MAX_ADDRESSES {
            self.by_address.retain(|_, failed| now.abs_diff(failed.last) < SPAN_MS);
            if self.by_address.len() >= MAX_ADDRESSES {
                // So many fail at once that all are slowed together.
                self.by_address.clear();
            }
        }
        let failed = self.by_address.entry(who).or_insert(Failed { count: 0, last: now });
        let is_over = now.abs_diff(failed.last) >= SPAN_MS;
        failed.count = if is_over { 1 } else { failed.count.saturating_add(1) };
        failed.last = now;
        failed
    }
}

/// How long it takes until a span that began then is over.
fn end_of(since: Millis, now: Millis) -> Option<Millis> {
    let end = since.saturating_add(SPAN_MS);
    (since..end).contains(&now).then(|| end - now)
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
        assert_eq!(failures.wait(None, 1_000), None, "nobody has come without an address");
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
        assert_eq!(failures.wait(None, 100_699), Some(1));
    }

    #[test]
    fn where_nobody_says_an_address_all_are_slowed_together() {
        let mut failures = Failures::default();
        for _ in 0..MAX_FAILURES {
            assert_eq!(failures.wait(None, 5), None);
            failures.fail(None, 5);
        }
        assert_eq!(failures.wait(None, 5), Some(SPAN_MS));
        assert_eq!(failures.wait(address("203.0.113.9"), 5), None);
    }

    /// Whoever can choose the address that is told has as many as it likes.
    #[test]
    fn a_thousand_addresses_that_fail_are_slowed_together_and_not_for_long() {
        let mut failures = Failures::default();
        let addresses = (0..MAX_ALL).map(|number| Some(IpAddr::from(number.to_be_bytes())));
        for (number, one) in addresses.enumerate() {
            assert_eq!(failures.wait(one, 100_000 + number as u64), None, "{number}");
            failures.fail(one, 100_000 + number as u64);
        }
        let new = address("203.0.113.9");
        assert_eq!(failures.wait(new, 100_500), Some(SPAN_MS - 500));
        assert_eq!(failures.wait(new, 100_000 + SPAN_MS), None, "the span is over");
        assert!(is_certain(&"x".repeat(CERTAIN_LEN)) && !is_certain(&"x".repeat(CERTAIN_LEN - 1)));
    }

    #[test]
    fn a_row_names_whom_it_counts() {
        assert_eq!(shown(address("203.0.113.9")), "203.0.113.9");
        assert_eq!(shown(address("2001:db8::9")), "2001:db8::/64");
        assert_eq!(shown(None), "");
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
