//! How long a comparison of secrets takes does not tell how much of one was right.
//!
//! The quickest of many rounds is compared: whatever else the machine does only makes rounds slower. A comparison that stops at
//! the first difference is measured beside, so that it is known what such a one would look like.

use sluice_protocol::auth::key::{ApiKey, Peppers, SecretHash};
use sluice_protocol::id::AccountId;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The quickest of many rounds of each, in turn.
fn quickest(mut first: impl FnMut() -> bool, mut second: impl FnMut() -> bool) -> f64 {
    let time = |work: &mut dyn FnMut() -> bool| {
        let begun = Instant::now();
        // Few at a time: a round that nothing interrupts is then to be had on a busy machine, too.
        for _ in 0..20 {
            assert!(!black_box(work()));
        }
        begun.elapsed()
    };
    let (mut one, mut two) = (Duration::MAX, Duration::MAX);
    for _ in 0..4_000 {
        one = one.min(time(&mut first));
        two = two.min(time(&mut second));
    }
    one.as_secs_f64() / two.as_secs_f64()
}

/// Twice as long one way or the other would be a leak of much; this bound is far below.
const SAME: std::ops::Range<f64> = 0.8..1.25;

fn hash(bytes: [u8; 32]) -> SecretHash {
    serde_json::from_value(serde_json::json!(bytes)).unwrap()
}

/// All zeros but for one byte.
fn differs_at(place: usize) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[place] = 1;
    bytes
}

fn stops_early(one: &[u8; 32], two: &[u8; 32]) -> bool {
    for place in 0..32 {
        // Each step is really taken, as in a loop that the compiler does not see through.
        if black_box(one[place]) != black_box(two[place]) {
            return false;
        }
    }
    true
}

#[test]
fn a_secret_that_is_nearly_right_takes_as_long_as_one_that_is_not() {
    let (zero, early, late) = ([0; 32], differs_at(0), differs_at(31));
    let control = quickest(|| stops_early(&zero, black_box(&early)), || stops_early(&zero, black_box(&late)));
    assert!(control < 0.5, "a comparison that stops early shows: {control}");

    let (kept, early, late) = (hash(zero), hash(early), hash(late));
    let ratio = quickest(|| kept.matches(black_box(&early)), || kept.matches(black_box(&late)));
    assert!(SAME.contains(&ratio), "of the secret's hash: {ratio}");
}

/// The tag is what somebody without a key would guess at, byte by byte.
#[test]
fn a_tag_that_is_nearly_right_takes_as_long_as_one_that_is_not() {
    let peppers = Peppers::parse(&format!("1:{}", "ab".repeat(32))).unwrap();
    let key = ApiKey::mint(&peppers, AccountId([7; 8]), [9; 20]).reveal();
    // A character near the end changes the last bytes of the tag; one a few before it, the first ones.
    let change = |from_end: usize| {
        let mut text = key.clone().into_bytes();
        let place = text.len() - from_end;
        text[place] = if text[place] == b'7' { b'8' } else { b'7' };
        String::from_utf8(text).unwrap()
    };
    let (early, late) = (change(10), change(1));
    let refused = |text: &str| ApiKey::parse(black_box(text), &peppers).is_ok();
    let ratio = quickest(|| refused(&early), || refused(&late));
    assert!(SAME.contains(&ratio), "of the tag: {ratio}");
}
