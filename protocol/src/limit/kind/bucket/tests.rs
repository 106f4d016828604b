use super::*;
use crate::refusal::Reason;

/// Holds 10 and gets 2 a second.
const BURST: Bucket = Bucket { unit: Unit::Tokens, capacity: 10, refill: Refill { amount: 2, every_ms: 1_000 } };

fn counting(now: Millis) -> Counting {
    Counting { now, oldest: 0, size: entry::Size::EXACT, span: None }
}

fn log(amounts: &[(Millis, u32)]) -> Log {
    let mut log = BURST.starting(0);
    for (at, amount) in amounts {
        assert_eq!(BURST.add(&mut log, u64::from(*amount), counting(*at)), *at);
    }
    log
}

#[test]
fn a_debt_drains_steadily() {
    let log = log(&[(0, 10)]);
    let tally = Tally::of_log(&log);
    for (now, used) in [(0, 10), (499, 10), (500, 9), (4_500, 1), (4_999, 1), (5_000, 0)] {
        assert_eq!(BURST.used(tally, now), used, "at {now}");
    }
    for (amount, fit) in [(1, 500), (2, 1_000), (10, 5_000)] {
        assert_eq!(BURST.fit(tally, 0, 10, amount), Fit::At(fit), "{amount}");
    }
    assert_eq!(BURST.fit(tally, 700, 10, 1), Fit::Now);
    assert_eq!(BURST.fit(tally, 0, 10, 11), Fit::Never);
    assert_eq!(BURST.ends(tally, 0), Some((500, 5_000)));
    assert_eq!(BURST.ends(tally, 700), Some((1_000, 5_000)));
    assert_eq!(BURST.ends(tally, 5_000), None);
}

#[test]
fn a_refund_is_made_where_it_was_counted() {
    let mut log = log(&[(0, 4), (1_000, 4)]);
    let used = |log: &Log| BURST.used(Tally::of_log(log), 1_000);
    assert_eq!(used(&log), 6);
    // Of the 4 at 0 half has drained: giving back all of it takes back the other half.
    log.refund(0, 4);
    assert_eq!(used(&log), 4);
    log.refund(1_000, 1);
    assert_eq!(used(&log), 3);
}

#[test]
fn what_no_lease_can_give_back_any_more_is_folded_and_stays() {
    let mut log = log(&[(0, 4)]);
    BURST.add(&mut log, 1, Counting { oldest: 1_000, ..counting(1_000) });
    assert_eq!(log.entry_count(), 1);
    log.refund(0, 4);
    assert_eq!(BURST.used(Tally::of_log(&log), 1_000), 3);
}

#[test]
fn a_debt_is_the_same_amount_at_another_rate() {
    let mut log = log(&[(0, 10)]);
    let slower = Bucket { refill: Refill { amount: 1, every_ms: 60_000 }, ..BURST };
    // As an entry that may still be given back, and as a part of the debt.
    for _ in 0..2 {
        assert_eq!(slower.used(Tally::of_log(&log), 0), 10);
        assert_eq!(slower.fit(Tally::of_log(&log), 0, 10, 1), Fit::At(60_000));
        log.coarsen(0);
    }
    let (thirds, halves) = (Refill { amount: 1, every_ms: 3 }, Refill { amount: 1, every_ms: 2 });
    assert_eq!([0, 1, 2, 3, 4].map(|debt| thirds.convert(debt, halves)), [0, 1, 2, 2, 3], "rounded up");
    assert_eq!(slower.log_kind(), BURST.log_kind(), "its log goes on");
}

#[test]
fn callers_are_told_of_its_burst() {
    let refused = BURST.refused(7, Per::Account);
    assert_eq!((refused.text().as_str(), refused.quota()), ("bursts of 7 tokens", 7));
    assert_eq!((refused.reason(), refused.awaits()), (Reason::RateLimited, None));
    for (quota, fills_in_ms) in [(10, 5_000), (1, 500), (0, 0)] {
        assert_eq!(BURST.standing(quota, None).span_ms(), Some(fills_in_ms));
    }
    let thirds = Bucket { refill: Refill { amount: 3, every_ms: 1_000 }, ..BURST };
    assert_eq!(thirds.standing(1, None).span_ms(), Some(334), "never shorter than it takes");
    assert_eq!(BURST.standing(1, None).name(), "bucket");
}

#[test]
fn a_plan_need_not_say_every_when() {
    let mut reader = Reader::new(|_| true);
    let mut read = |text: &str| Bucket::read(&mut reader, "at", &serde_json::from_str(text).unwrap());
    assert_eq!(read(r#"{"unit":"tokens","capacity":10,"refill":2}"#), Some(BURST));
    assert_eq!(read(r#"{"unit":"tokens","capacity":10,"refill":0}"#), None);
    assert_eq!(read(r#"{"capacity":1000001,"refill":1}"#), None);
    assert_eq!(read(r#"{"unit":"cost","capacity":1000001,"refill":1}"#).map(|bucket| bucket.capacity), Some(1_000_001));
}

#[test]
fn what_no_bucket_of_ours_is_packed_as_is_none() {
    let packed =
        |entries: &[(u64, u32)]| PackedBucket { refill: BURST.refill, since: 5, debt: 1, entries: entries.to_vec() };
    assert_eq!(packed(&[]).unpack().map(|log| log.is_full(5)), Some(false));
    for damaged in [&[(0, 0)][..], &[(1, 1), (0, 1)]] {
        assert_eq!(packed(damaged).unpack(), None);
    }
}
