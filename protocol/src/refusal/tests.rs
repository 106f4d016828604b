//! What the table and the headers of a refusal hold to.

use super::*;
use crate::wire::header;

#[test]
fn codes_are_unique_and_round_trip() {
    for reason in Reason::ALL {
        assert_eq!(Reason::from_code(reason.row().code), Some(*reason), "{reason:?}");
    }
}

#[test]
fn a_permanent_refusal_never_carries_a_wait() {
    for reason in Reason::ALL {
        let names: Vec<_> = Refusal::new(*reason, "x").with_retry_after_ms(1).headers();
        let waits = names.iter().any(|(name, _)| *name == header::RETRY_AFTER);
        assert_eq!(waits, reason.row().retry == Retry::Yes, "{reason:?}");
    }
}

#[test]
fn nobody_is_sent_to_sleep_for_longer_than_a_minute() {
    let row = |reason, wait: Option<u64>| {
        let refusal = Refusal::new(reason, "x");
        let headers = wait.into_iter().fold(refusal, Refusal::with_retry_after_ms).headers();
        let get = |name| headers.iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone());
        (get(header::SHOULD_RETRY).unwrap(), get(header::RETRY_AFTER), get(header::RETRY_AFTER_MS))
    };
    let told = |should: &str, seconds: &str, ms: &str| (should.to_owned(), Some(seconds.into()), Some(ms.into()));
    for reason in Reason::ALL.iter().copied().filter(|reason| reason.row().retry == Retry::Yes) {
        assert_eq!(row(reason, None), ("true".into(), None, None), "{reason:?}");
        assert_eq!(row(reason, Some(0)), told("true", "0", "0"), "{reason:?}");
        assert_eq!(row(reason, Some(60_000)), told("true", "60", "60000"), "{reason:?}");
        // The exact wait is told all the same.
        assert_eq!(row(reason, Some(60_001)), told("false", "61", "60001"), "{reason:?}");
        assert_eq!(row(reason, Some(86_400_000)), told("false", "86400", "86400000"), "{reason:?}");
    }
    assert_eq!(row(Reason::NeverFits, Some(1)), ("false".into(), None, None));
}

#[test]
fn seconds_are_rounded_up() {
    let headers = Refusal::new(Reason::RateLimited, "x").with_retry_after_ms(2_001).headers();
    assert!(headers.contains(&(header::RETRY_AFTER, "3".into())));
    assert!(headers.contains(&(header::RETRY_AFTER_MS, "2001".into())));
}
