//! settle: how a request that has ended is counted. What was computed for it is what counts, whatever the status of its answer.
//!
//! The origin tells it with a complete answer, with a refusal, or with the event that ends a stream. Where it told nothing, it
//! is asked. Where it cannot be asked either, what it was seen to have used counts.

use sluice_protocol::forward::relayed::Seen;
use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::refusal::Reason;
use sluice_protocol::request::bodies::chat::Used;

/// How a request ended, as far as its edge knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is settled so.
    Certain(Outcome),
    /// The origin is asked what it used. If it cannot tell, it is settled so.
    Ask(Outcome),
}

impl Ending {
    /// Of a request that the origin refused with this reason, and what it said had been used.
    pub fn of_refusal(reason: Reason, told: Option<Used>) -> Self {
        match told {
            Some(usage) => Self::Certain(counted(usage, reason.is_refunded())),
            None if reason.is_refunded() => Self::Ask(Outcome::NotServed),
            None => Self::Ask(Outcome::Served(None)),
        }
    }

    /// Of a stream that was relayed as far as it came. `left`: its caller has, or its time was over.
    pub fn of_stream(seen: Seen, left: bool) -> Self {
        let is_ours = !left && seen.refused.is_none_or(Reason::is_refunded);
        match (seen.usage, seen.so_far) {
            (Some(usage), _) => Self::Certain(match seen.refused {
                Some(reason) => counted(usage, reason.is_refunded()),
                None => Outcome::Served(Some(usage)),
            }),
            (None, Some(so_far)) => Self::Ask(counted(so_far, is_ours)),
            (None, None) if is_ours && !seen.answered => Self::Ask(Outcome::NotServed),
            (None, None) => Self::Ask(Outcome::Served(None)),
        }
    }

    /// With what the origin said when it was asked.
    pub fn settled(self, asked: Option<Used>) -> Outcome {
        match (self, asked) {
            (Self::Certain(outcome) | Self::Ask(outcome), None) | (Self::Certain(outcome), Some(_)) => outcome,
            (Self::Ask(otherwise), Some(usage)) => counted(usage, otherwise == Outcome::NotServed),
        }
    }
}

/// A request that we failed before anything was computed for it is taken back. What was computed stays counted.
fn counted(used: Used, is_ours: bool) -> Outcome {
    if is_ours && used.is_nothing() { Outcome::NotServed } else { Outcome::Served(Some(used)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_protocol::request::bodies::chat::Usage;
    use sluice_protocol::request::drawing::Drawn;

    const NONE: Used = Used::NOTHING;
    const SOME: Used = Used { usage: Usage::new(5, 3), reasoning_tokens: Some(1), ..NONE };
    const MORE: Used = Used { usage: Usage::new(5, 9), reasoning_tokens: Some(1), ..NONE };

    fn holds(outcome: Outcome, computed: Used) -> bool {
        match outcome {
            // All that was reserved stays counted, which the origin keeps to.
            Outcome::Served(None) => true,
            Outcome::Served(Some(used)) => used.usage.total_tokens >= computed.usage.total_tokens,
            Outcome::NotServed => computed.usage.total_tokens == 0,
        }
    }

    #[test]
    fn what_is_told_counts_whatever_the_reason() {
        for reason in Reason::ALL {
            for told in [NONE, SOME] {
                let ending = Ending::of_refusal(*reason, Some(told));
                assert!(holds(ending.settled(None), told), "{reason:?} {told:?}");
                // Nobody is asked what is certain.
                assert_eq!(ending.settled(Some(MORE)), ending.settled(None));
            }
            let untold = Ending::of_refusal(*reason, None);
            assert!(matches!(untold, Ending::Ask(_)), "{reason:?}");
            assert!(holds(untold.settled(Some(SOME)), SOME), "{reason:?}");
        }
    }

    #[test]
    fn we_take_back_what_we_failed_before_it_cost_anything() {
        assert_eq!(Ending::of_refusal(Reason::Overloaded, Some(NONE)).settled(None), Outcome::NotServed);
        assert_eq!(Ending::of_refusal(Reason::Draining, Some(SOME)).settled(None), Outcome::Served(Some(SOME)));
        // A step of a picture is work, too, whatever its prompt was counted as.
        let drawn = Used::of_pictures(0, Drawn { images: 1, steps: 1, pixel_steps: 4_096 });
        assert_eq!(Ending::of_refusal(Reason::Draining, Some(drawn)).settled(None), Outcome::Served(Some(drawn)));
        assert_eq!(Ending::of_refusal(Reason::InvalidRequest, Some(NONE)).settled(None), Outcome::Served(Some(NONE)));
    }

    #[test]
    fn a_stream_counts_what_it_told_or_what_the_origin_tells_or_what_was_seen() {
        let reasons = [None].into_iter().chain(Reason::ALL.iter().copied().map(Some));
        for refused in reasons {
            for left in [false, true] {
                let told =
                    Ending::of_stream(Seen { usage: Some(SOME), refused, so_far: Some(NONE), answered: true }, left);
                assert_eq!(told, Ending::Certain(Outcome::Served(Some(SOME))));
                let cut = Ending::of_stream(Seen { usage: None, refused, so_far: Some(SOME), answered: true }, left);
                assert_eq!(cut.settled(None), Outcome::Served(Some(SOME)), "{refused:?} {left}");
                assert_eq!(cut.settled(Some(MORE)), Outcome::Served(Some(MORE)));
                let bare = Ending::of_stream(Seen { refused, ..Seen::default() }, left);
                assert!(holds(bare.settled(Some(SOME)), SOME));
                // As of an origin that is of an older version.
                let silent = Ending::of_stream(Seen { refused, answered: true, ..Seen::default() }, left);
                assert_eq!(silent.settled(None), Outcome::Served(None), "{refused:?} {left}");
                assert_eq!(silent.settled(Some(SOME)), Outcome::Served(Some(SOME)));
            }
        }
        // It waited, and was refused; its caller left before anything came; the origin was gone before anything came.
        let waited = Seen { usage: Some(NONE), refused: Some(Reason::QueueTimeout), ..Seen::default() };
        assert_eq!(Ending::of_stream(waited, false).settled(None), Outcome::NotServed);
        assert_eq!(Ending::of_stream(Seen::default(), true).settled(None), Outcome::Served(None));
        assert_eq!(Ending::of_stream(Seen::default(), true).settled(Some(NONE)), Outcome::Served(Some(NONE)));
        assert_eq!(Ending::of_stream(Seen::default(), false).settled(None), Outcome::NotServed);
    }
}
