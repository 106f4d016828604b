//! Whether told waits are true: who comes back then is let through, and who comes back earlier is not.

use crate::observation::{Observation, Wait, drift, grain};
use std::time::Duration;

/// What became of the waits that one caller was told, who sent nothing else meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Promises {
    /// How many came back no earlier than told and were let through.
    pub(crate) kept: usize,
    /// How long after the told time somebody was refused again, at worst.
    pub(crate) broken: Option<Duration>,
    /// By how much the told time surely lay after that at which a request passed, at worst.
    pub(crate) overlong: Option<Duration>,
    /// How long before the told time somebody was refused, at closest: no wait could be shorter by more.
    pub(crate) closest_early: Option<Duration>,
    /// How long after the told time somebody came who was let through, at closest.
    pub(crate) closest_kept: Option<Duration>,
}

/// Judges a caller's requests in the order in which they were sent, one after the other.
///
/// A wait counts from the decision, so the told time lies between `sent + wait` and `answered + wait`. It is about the
/// next request that is let through, and about no later one. Two clocks may come apart meanwhile; one does not.
pub(crate) fn promises(attempts: &[Observation], one_clock: bool) -> Promises {
    let mut judged = Promises::default();
    for (number, refusal) in attempts.iter().enumerate() {
        if let Some(wait) = refusal.wait() {
            judged.follow(refusal, wait, &attempts[number + 1..], one_clock);
        }
    }
    judged
}

impl Promises {
    /// What became of all rounds together.
    pub(crate) fn all(rounds: &[Self]) -> Self {
        let mut all = Self::default();
        for round in rounds {
            all.kept += round.kept;
            for (place, value, choose) in [
                (&mut all.broken, round.broken, Duration::max as Choose),
                (&mut all.overlong, round.overlong, Duration::max),
                (&mut all.closest_early, round.closest_early, Duration::min),
                (&mut all.closest_kept, round.closest_kept, Duration::min),
            ] {
                if let Some(value) = value {
                    keep(place, value, choose);
                }
            }
        }
        all
    }

    fn follow(&mut self, refusal: &Observation, wait: Wait, later: &[Observation], one_clock: bool) {
        let (earliest, latest) = (refusal.sent + wait.time, refusal.answered + wait.time);
        let apart = if one_clock { Duration::ZERO } else { drift(wait.time) };
        let rounding = if wait.exact { Duration::ZERO } else { Duration::from_secs(1) };
        for attempt in later {
            if attempt.is_refused() {
                if attempt.sent >= latest + apart {
                    keep(&mut self.broken, attempt.sent - latest, Duration::max);
                }
                if let Some(early) = earliest.checked_sub(attempt.answered) {
                    keep(&mut self.closest_early, early, Duration::min);
                }
                continue;
            }
            if attempt.is_admitted() {
                if attempt.answered + rounding + grain(wait.time) <= earliest {
                    keep(&mut self.overlong, earliest - attempt.answered, Duration::max);
                }
                if let Some(after) = attempt.sent.checked_sub(latest) {
                    self.kept += 1;
                    keep(&mut self.closest_kept, after, Duration::min);
                }
            }
            return;
        }
    }
}

type Choose = fn(Duration, Duration) -> Duration;

fn keep(place: &mut Option<Duration>, value: Duration, choose: Choose) {
    *place = Some(place.map_or(value, |kept| choose(kept, value)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::by_hand::{admitted, refused};
    use crate::observation::{Decision, Wait};

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn an_exact_wait_is_kept() {
        // The window is free at 1,000.
        let attempts = [refused(100, 104, Some(898)), refused(990, 994, Some(8)), admitted(1_002, 1_006)];
        let judged = promises(&attempts, true);
        assert_eq!((judged.kept, judged.broken, judged.overlong), (2, None, None));
        assert_eq!((judged.closest_early, judged.closest_kept), (Some(ms(4)), Some(ms(0))));
    }

    #[test]
    fn a_wait_that_is_too_short_is_broken() {
        let judged =
            promises(&[refused(100, 110, Some(300)), refused(415, 420, Some(300)), admitted(1_001, 1_005)], true);
        assert_eq!(judged.broken, Some(ms(5)));
        let in_time = promises(&[refused(100, 110, Some(300)), refused(409, 420, Some(300))], true);
        assert_eq!(in_time.broken, None, "sent before the time was surely over");
        let on_the_dot = [refused(100, 110, Some(300)), refused(410, 420, Some(300))];
        assert_eq!(promises(&on_the_dot, true).broken, Some(ms(0)));
        assert_eq!(promises(&on_the_dot, false).broken, None, "the gateway's clock may be a little behind");
    }

    #[test]
    fn a_wait_that_is_too_long_is_found_by_who_comes_early() {
        let judged = promises(&[refused(500, 510, Some(1_000)), admitted(1_001, 1_005)], true);
        assert_eq!(judged.overlong, Some(ms(495)));
        let one_early = promises(&[refused(500, 510, Some(500)), admitted(998, 999)], true);
        assert_eq!(one_early.overlong, None, "a gateway that counts whole milliseconds");
    }

    #[test]
    fn whole_seconds_may_be_rounded_up_but_not_by_more() {
        let mut refusal = refused(500, 510, None);
        refusal.decision = Decision::Refused(Some(Wait { time: ms(2_000), exact: false }));
        assert_eq!(promises(&[refusal.clone(), admitted(1_600, 1_610)], true).overlong, None);
        assert_eq!(promises(&[refusal, admitted(1_300, 1_310)], true).overlong, Some(ms(1_190)));
    }

    #[test]
    fn a_wait_is_about_the_next_admission_only() {
        let judged = promises(&[refused(0, 10, Some(100)), admitted(110, 115), refused(120, 125, Some(50))], true);
        assert_eq!((judged.kept, judged.broken), (1, None));
    }
}
