//! When something that an isolate keeps of the Registry's is asked for anew: often enough to be in time, by one request for all,
//! and not at once again where that has failed.

use crate::time::Millis;

/// Until then nobody asks.
pub const FRESH_MS: Millis = 2_000;
/// From then on a request waits for the answer: what is changed holds everywhere within five seconds.
pub const STALE_MS: Millis = 4_500;
/// For how long one who asks is waited for. It may vanish with its request, so its turn ends by itself.
pub const TURN_MS: Millis = 2_000;

/// What is known of something that is kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fresh {
    /// When what is kept was asked for: whatever was changed before that is in it.
    asked_at: Option<Millis>,
    /// Since when somebody is asking.
    asking_since: Option<Millis>,
    /// When somebody last asked in vain.
    failed_at: Option<Millis>,
}

/// What a request has to do that needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: what is kept is to be used.
    Nothing,
    /// What is kept is to be used, and this request asks meanwhile, for all.
    AskMeanwhile,
    /// This request asks, and waits for the answer.
    Ask,
    /// Another request asks; wait, and look again.
    Wait,
    /// Nothing is kept, and the Registry could not be asked a moment ago.
    Unavailable,
}

impl Fresh {
    /// What a request needs to do at `now`.
    pub fn need(&self, now: Millis) -> Need {
        let within = |since: Option<Millis>, span: Millis| since.is_some_and(|since| now.abs_diff(since) < span);
        let is_asking = within(self.asking_since, TURN_MS);
        let Some(asked_at) = self.asked_at else {
            return match () {
                () if is_asking => Need::Wait,
                () if within(self.failed_at, NOTHING_RETRY_MS) => Need::Unavailable,
                () => Need::Ask,
            };
        };
        let may_ask = !is_asking && !within(self.failed_at, RETRY_MS);
        match now.abs_diff(asked_at) {
            age if age < FRESH_MS => Need::Nothing,
            age if age < STALE_MS && may_ask => Need::AskMeanwhile,
            age if age < STALE_MS => Need::Nothing,
            _ if is_asking => Need::Wait,
            _ if may_ask => Need::Ask,
            // Old limits are limits: better than refusing everybody.
            _ => Need::Nothing,
        }
    }

    /// Somebody asks.
    pub const fn begin(&mut self, now: Millis) {
        self.asking_since = Some(now);
    }

    /// Whoever asked has its answer, or will have none.
    pub const fn end(&mut self, is_answered: bool, now: Millis) {
        self.asking_since = None;
        self.failed_at = if is_answered { None } else { Some(now) };
    }

    /// Whether what was asked for at this time is newer than what is kept; if so, it is kept from now on.
    pub fn keep(&mut self, asked_at: Millis, now: Millis) -> bool {
        // Asked before, answered after: what was learnt meanwhile is newer. What was asked for in a time that has not come
        // was so by a clock that has been set back since.
        let is_newer = self.asked_at.is_none_or(|kept| kept <= asked_at || kept > now);
        if is_newer {
            self.asked_at = Some(asked_at);
        }
        is_newer
    }
}

/// Between two tries that fail, where something is kept.
const RETRY_MS: Millis = 2_000;
/// The same where nothing is: requests are refused meanwhile, or go on without.
const NOTHING_RETRY_MS: Millis = 500; // not a status: milliseconds

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_790_000_000_000;

    /// What was asked for at [`NOW`].
    fn kept() -> Fresh {
        let mut fresh = Fresh::default();
        assert!(fresh.keep(NOW, NOW));
        fresh
    }

    #[test]
    fn where_nothing_is_kept_one_asks_and_the_others_wait() {
        let mut fresh = Fresh::default();
        assert_eq!(fresh.need(NOW), Need::Ask);
        fresh.begin(NOW);
        assert_eq!((fresh.need(NOW), fresh.need(NOW + TURN_MS - 1)), (Need::Wait, Need::Wait));
        assert_eq!(fresh.need(NOW + TURN_MS), Need::Ask, "who vanished is not waited for");
        fresh.end(false, NOW + 10);
        assert_eq!(fresh.need(NOW + 10), Need::Unavailable);
        assert_eq!(fresh.need(NOW + 10 + NOTHING_RETRY_MS), Need::Ask);
        fresh.begin(NOW + 600);
        assert!(fresh.keep(NOW + 600, NOW + 605));
        fresh.end(true, NOW + 610);
        assert_eq!(fresh.need(NOW + 610), Need::Nothing);
    }

    #[test]
    fn what_is_kept_is_renewed_in_the_background_and_then_waited_for() {
        let fresh = kept();
        let needs = [0, FRESH_MS - 1, FRESH_MS, STALE_MS - 1, STALE_MS].map(|age| fresh.need(NOW + age));
        assert_eq!(needs, [Need::Nothing, Need::Nothing, Need::AskMeanwhile, Need::AskMeanwhile, Need::Ask]);
        let mut asking = kept();
        asking.begin(NOW + FRESH_MS);
        assert_eq!(asking.need(NOW + FRESH_MS), Need::Nothing, "one asks for all");
        asking.begin(NOW + STALE_MS);
        assert_eq!(asking.need(NOW + STALE_MS), Need::Wait);
        assert_eq!(fresh.need(NOW - STALE_MS), Need::Ask, "a clock that went back far");
    }

    #[test]
    fn what_is_old_is_better_than_nothing_and_is_not_asked_for_at_once_again() {
        let mut fresh = kept();
        let late = NOW + 3 * STALE_MS;
        fresh.begin(late);
        fresh.end(false, late + 5);
        assert_eq!(fresh.need(late + 5), Need::Nothing);
        assert_eq!(fresh.need(late + 5 + RETRY_MS), Need::Ask);
        let mut young = kept();
        young.end(false, NOW + FRESH_MS);
        assert_eq!(young.need(NOW + FRESH_MS), Need::Nothing);
        assert_eq!(young.need(NOW + FRESH_MS + RETRY_MS), Need::AskMeanwhile);
    }

    #[test]
    fn an_answer_that_was_overtaken_is_not_kept() {
        let mut fresh = kept();
        assert!(!fresh.keep(NOW - 1, NOW));
        assert!(fresh.keep(NOW, NOW) && fresh.keep(NOW + 1, NOW + 1));
        // A clock was set back by a minute.
        assert!(fresh.keep(NOW - 60_000, NOW - 59_990));
        assert_eq!(fresh.need(NOW - 59_000), Need::Nothing);
    }
}
