//! At most `limit` in any span of `window`: whether too many were let through, and whether any was refused for nothing.

use crate::observation::{Claim, Observation, grain};
use std::time::Duration;

/// The most admissions that surely lay within one span of `window`: sent after it began, answered before it ended.
pub(crate) fn most_within(observations: &[Observation], window: Duration) -> usize {
    let admissions: Vec<_> = observations.iter().filter(|observation| observation.is_admitted()).collect();
    let within = |begin: Duration| {
        let end = begin + window.saturating_sub(grain(window));
        admissions.iter().filter(|admission| admission.sent >= begin && admission.answered < end).count()
    };
    // The span that holds the most can be moved until it begins with one of them.
    admissions.iter().map(|admission| within(admission.sent)).max().unwrap_or(0)
}

/// A request that was refused although the claim left room for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unjust {
    /// When it was sent.
    pub(crate) at: Duration,
    /// How many could have counted at that time, at most.
    pub(crate) counted: usize,
}

/// The refusals for which there surely was room, wherever the decisions fell.
///
/// Where a parallel limit is claimed too, a refusal is excused by as many requests as it allows being possibly under
/// way. One that tells no wait was most likely that limit's: for it a request is under way for a while longer, because
/// its place comes back after its last byte has gone.
pub(crate) fn unjust(observations: &[Observation], claim: &Claim) -> Vec<Unjust> {
    let refused = observations.iter().filter(|observation| observation.is_refused());
    let judge = |refusal: &Observation| {
        let others = || observations.iter().filter(|other| !other.is_refused() && other.sent < refusal.answered);
        let memory = claim.window + grain(claim.window);
        let counted = others().filter(|other| other.answered + memory > refusal.sent).count();
        let settling = if refusal.wait().is_some() { Duration::ZERO } else { SETTLING };
        let under_way = others().filter(|other| other.ended + settling > refusal.sent).count();
        let excused = claim.parallel.is_some_and(|parallel| under_way >= parallel);
        (counted < claim.limit && !excused).then_some(Unjust { at: refusal.sent, counted })
    };
    refused.filter_map(judge).collect()
}

/// When the window surely has room again, if it may be full: `admissions` are the times at which they were answered, in
/// order.
pub(crate) fn room_at(admissions: &[Duration], claim: &Claim, now: Duration) -> Option<Duration> {
    let leaves = |answered: &Duration| *answered + claim.window + grain(claim.window);
    let counted: Vec<_> = admissions.iter().map(leaves).filter(|leaves| *leaves > now).collect();
    counted.len().checked_sub(claim.limit).map(|too_many| counted[too_many])
}

/// For how long after an answer's last byte its place may still be held: giving it back may wait for a busy disk.
const SETTLING: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::by_hand::{admitted, claim, refused};

    const WINDOW: Duration = Duration::from_secs(1);

    #[test]
    fn a_fixed_window_lets_twice_the_limit_through_at_its_end() {
        let burst = |at: u64| (0..5).map(move |number| admitted(at + number, at + number + 10));
        let fixed: Vec<_> = burst(900).chain(burst(1_010)).collect();
        assert_eq!(most_within(&fixed, WINDOW), 10);
        let sliding: Vec<_> = burst(900).chain(burst(1_920)).collect();
        assert_eq!(most_within(&sliding, WINDOW), 5);
    }

    #[test]
    fn what_may_lie_outside_the_span_does_not_count() {
        // The second could have been decided up to 1,300 ms after the first began.
        assert_eq!(most_within(&[admitted(0, 5), admitted(700, 1_300)], WINDOW), 1);
        assert_eq!(most_within(&[admitted(0, 5), admitted(700, 900)], WINDOW), 2);
        // A gateway that counts whole milliseconds may be one early.
        assert_eq!(most_within(&[admitted(0, 0), admitted(998, 999)], WINDOW), 1);
        assert_eq!(most_within(&[], WINDOW), 0);
    }

    #[test]
    fn a_refusal_that_had_room_is_unjust() {
        let claim = claim(2, 1_000, None);
        let full = [admitted(0, 10), admitted(20, 30), refused(40, 50, Some(950))];
        assert_eq!(unjust(&full, &claim), []);
        let burnt = [admitted(0, 10), admitted(20, 30), refused(1_040, 1_050, Some(1))];
        assert_eq!(unjust(&burnt, &claim), [Unjust { at: Duration::from_millis(1_040), counted: 0 }]);
        let late = [admitted(0, 10), admitted(500, 510), refused(1_020, 1_025, Some(1))];
        assert_eq!(unjust(&late, &claim).len(), 1);
    }

    #[test]
    fn a_refusal_that_may_have_been_in_time_is_not() {
        // The first admission may still have counted: decided at 10, it leaves at 1,010.
        let edge = [admitted(0, 10), admitted(500, 510), refused(1_009, 1_030, Some(1))];
        assert_eq!(unjust(&edge, &claim(2, 1_000, None)), []);
        // Another that was on its way at the same time may have come first.
        let race = [refused(0, 50, None), admitted(40, 60)];
        assert_eq!(unjust(&race, &claim(1, 1_000, None)), []);
        // Nobody knows whether an error counted.
        let mut error = admitted(0, 10);
        error.decision = crate::observation::Decision::Other(502);
        assert_eq!(unjust(&[error, refused(20, 30, None)], &claim(1, 1_000, None)), []);
    }

    #[test]
    fn room_comes_when_enough_have_left() {
        let claim = claim(2, 1_000, None);
        let admissions = [0, 100, 200].map(Duration::from_millis);
        let room = |now: u64| room_at(&admissions, &claim, Duration::from_millis(now)).map(|at| at.as_millis());
        assert_eq!((room(300), room(1_050), room(1_150)), (Some(1_102), Some(1_102), None));
    }

    #[test]
    fn a_parallel_limit_excuses_what_came_at_once() {
        let both = claim(5, 1_000, Some(2));
        let at_once = [admitted(0, 40), admitted(0, 40), refused(0, 20, None)];
        assert_eq!(unjust(&at_once, &both), []);
        assert_eq!(unjust(&at_once, &claim(5, 1_000, None)).len(), 1);
        let one = [admitted(0, 40), refused(0, 20, None)];
        assert_eq!(unjust(&one, &both).len(), 1, "there was room for two");
        let settling = [admitted(0, 40), admitted(0, 40), refused(100, 110, None)];
        assert_eq!(unjust(&settling, &both), [], "their places may not be back yet");
        let window = [admitted(0, 40), admitted(0, 40), refused(100, 110, Some(900))];
        assert_eq!(unjust(&window, &both).len(), 1, "a wait was told, so it was the window");
    }
}
