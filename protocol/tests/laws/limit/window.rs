//! The sliding log against a list of everything that ever happened.

use proptest::collection::vec;
use proptest::prelude::*;
use sluice_protocol::limit::kind::entry::{EXACT_ENTRIES, SUB_BUCKETS};
use sluice_protocol::limit::kind::window::WindowLog;
use sluice_protocol::limit::kind::{CountLog, Fit};

/// The oracle: all events, never forgotten.
fn used(events: &[(u64, u32)], now: u64, window: u64) -> u64 {
    events.iter().filter(|(at, _)| at + window > now).map(|(_, amount)| u64::from(*amount)).sum()
}

proptest! {
    /// Waiting until the promised time suffices, one millisecond less does not, and what was counted never exceeds the
    /// limit in any span.
    #[test]
    fn a_log_is_exact_and_its_promise_is_honest(
        steps in vec((0u64..40, 1u32..4), 1..200),
        window in 1u64..100,
        limit in 1u64..12,
    ) {
        let (mut log, mut events, mut now) = (WindowLog::starting(0, window), Vec::new(), 1_000);
        for (step, amount) in steps {
            now += step;
            prop_assert_eq!(log.used(now), used(&events, now, window));
            match log.fit(now, limit, amount) {
                Fit::Now => {
                    prop_assert!(used(&events, now, window) + u64::from(amount) <= limit);
                    prop_assert_eq!(log.add(now, amount), now);
                    events.push((now, amount));
                }
                Fit::At(at) => {
                    prop_assert!(at > now);
                    prop_assert!(used(&events, at, window) + u64::from(amount) <= limit);
                    prop_assert!(used(&events, at - 1, window) + u64::from(amount) > limit);
                    prop_assert_eq!(log.fit(at, limit, amount), Fit::Now);
                    prop_assert_ne!(log.fit(at - 1, limit, amount), Fit::Now);
                }
                Fit::Never => prop_assert!(u64::from(amount) > limit),
            }
        }
        for start in 1_000..=now {
            let span = events.iter().filter(|(at, _)| (start..start + window).contains(at));
            prop_assert!(span.map(|(_, amount)| u64::from(*amount)).sum::<u64>() <= limit);
        }
    }

    /// Past its exact size a log never counts less than the truth, and never more than the truth of a window that is
    /// 1/256 longer.
    #[test]
    fn a_merged_log_errs_on_the_safe_side_only(
        gaps in vec(1u64..30, EXACT_ENTRIES + 1..EXACT_ENTRIES * 3),
        window in 20_000u64..60_000,
        probe in 0u64..70_000,
    ) {
        let (mut log, mut events, mut now) = (WindowLog::starting(0, window), Vec::new(), 5_000_000);
        for gap in gaps {
            now += gap;
            log.add(now, 1);
            events.push((now, 1));
            prop_assert!(log.entries().count() <= EXACT_ENTRIES + 1);
        }
        let step = window.div_ceil(SUB_BUCKETS);
        for now in [now, now + probe] {
            let counted = log.used(now);
            prop_assert!(counted >= used(&events, now, window));
            prop_assert!(counted <= used(&events, now, window + step));
        }
    }

    /// A refund takes back exactly what was counted under that time, whether or not the log was merged since.
    #[test]
    fn a_refund_finds_what_it_takes_back(gaps in vec(1u64..30, 1..EXACT_ENTRIES * 2), back in any::<prop::sample::Index>()) {
        let window = 1_000_000;
        let (mut log, mut now, mut ats) = (WindowLog::starting(0, window), 7_777, Vec::new());
        for gap in &gaps {
            now += gap;
            ats.push(log.add(now, 1));
        }
        prop_assert_eq!(log.used(now), gaps.len() as u64);
        log.refund(*back.get(&ats), 1);
        prop_assert_eq!(log.used(now), gaps.len() as u64 - 1);
        for at in ats {
            log.refund(at, 1);
        }
        prop_assert!(log.used(now) <= 1, "at most what the first refund had taken from a neighbour's share");
    }

    /// Odd time is safe: huge windows and the end of time neither panic nor let more through.
    #[test]
    fn the_end_of_time_is_safe(now in (u64::MAX - 1_000)..=u64::MAX, window in any::<u64>()) {
        let mut log = WindowLog::starting(0, window.max(1));
        log.add(now, 1);
        let _ = log.fit(now, 1, 1);
        log.refund(now, 5);
        prop_assert!(log.is_void());
    }
}
