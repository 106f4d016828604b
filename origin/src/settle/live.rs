//! Requests by their ids: one that waits or runs can be cancelled, and one that is over tells for a while what it used.
//!
//! An edge asks for it when its caller has left or a stream broke off, and settles what was used and not what was reserved.

use crate::engine::job_state::JobState;
use sluice_protocol::forward::report::{RequestReport, RequestStatus};
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::chat::Used;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The requests of one origin.
#[derive(Default)]
pub(crate) struct Live {
    state: Mutex<State>,
    over: Notify,
}

struct State {
    live: HashMap<RequestId, (String, Arc<JobState>)>,
    /// Those that are over, and those that were cancelled before they came.
    over: HashMap<RequestId, Ended>,
    /// When each of them was over, oldest first.
    order: VecDeque<(Instant, RequestId)>,
    /// Whatever ended since then is remembered.
    known_since: Instant,
}

/// A request that is over.
struct Ended {
    account: String,
    used: Used,
    /// Whether it was answered to its end.
    complete: bool,
}

impl Default for State {
    fn default() -> Self {
        let (live, over, order) = (HashMap::new(), HashMap::new(), VecDeque::new());
        Self { live, over, order, known_since: Instant::now() }
    }
}

/// A request that is not over. Dropping it says that it is.
pub(crate) struct LiveRequest {
    requests: Arc<Live>,
    id: RequestId,
}

impl Live {
    /// A request begins; `account` is whose it is. Refuses with [`Reason::Cancelled`] one that was cancelled before it came.
    pub(crate) fn enter(
        self: &Arc<Self>,
        id: RequestId,
        account: &str,
    ) -> Result<(LiveRequest, Arc<JobState>), Refusal> {
        let job = Arc::new(JobState::new());
        let mut state = self.lock();
        if state.over.contains_key(&id) {
            return Err(cancelled());
        }
        state.live.insert(id, (account.to_owned(), Arc::clone(&job)));
        drop(state);
        Ok((LiveRequest { requests: Arc::clone(self), id }, job))
    }

    /// What a request has used, once that is final. One that never came has used nothing.
    pub(crate) fn final_usage(&self, id: RequestId) -> Option<Used> {
        let state = self.lock();
        match state.over.get(&id) {
            Some(ended) => Some(ended.used),
            None if state.live.contains_key(&id) => None,
            None => Some(Used::NOTHING),
        }
    }

    /// Ends a request of this account, if it is not over, and waits for its end, though not for ever. One that is not known will be
    /// refused if it comes yet. `None`: it is somebody else's.
    pub(crate) async fn cancel(&self, id: RequestId, account: &str) -> Option<RequestReport> {
        self.cancel_within(id, account, PATIENCE).await
    }

    async fn cancel_within(&self, id: RequestId, account: &str, patience: Duration) -> Option<RequestReport> {
        let patience = tokio::time::Instant::now() + patience;
        loop {
            let over = self.over.notified();
            tokio::pin!(over);
            over.as_mut().enable();
            let state = {
                let mut state = self.lock();
                match (state.over.get(&id), state.live.get(&id)) {
                    (Some(ended), _) if ended.account == account => {
                        let report = RequestReport::new(id, RequestStatus::Ended, ended.used);
                        return Some(RequestReport { complete: Some(ended.complete), ..report });
                    }
                    (None, Some((owner, job))) if owner == account => Arc::clone(job),
                    (None, None) => {
                        let now = Instant::now();
                        let known = now.saturating_duration_since(state.known_since);
                        let account = account.to_owned();
                        state.keep(now, id, Ended { account, used: Used::NOTHING, complete: false });
                        return Some(RequestReport::unseen(id, u64::try_from(known.as_millis()).unwrap_or(u64::MAX)));
                    }
                    _ => return None,
                }
            };
            state.cancel();
            if tokio::time::timeout_at(patience, over).await.is_err() {
                return Some(RequestReport::new(id, RequestStatus::Ending, state.used()));
            }
        }
    }

    fn leave(&self, id: RequestId) {
        let now = Instant::now();
        let mut state = self.lock();
        let Some((account, job)) = state.live.remove(&id) else { return };
        state.keep(now, id, Ended { account, used: job.used(), complete: job.is_whole() });
        drop(state);
        self.over.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in a critical section panics halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Remembers what a request has used, and forgets what is too old or too much.
    fn keep(&mut self, now: Instant, id: RequestId, ended: Ended) {
        self.over.insert(id, ended);
        self.order.push_back((now, id));
        while self.order.len() > MAX_OVER
            || self.order.front().is_some_and(|(since, _)| now.duration_since(*since) > REMEMBERED)
        {
            let Some((since, oldest)) = self.order.pop_front() else { break };
            self.over.remove(&oldest);
            self.known_since = self.known_since.max(since);
        }
    }
}

impl Drop for LiveRequest {
    fn drop(&mut self) {
        self.requests.leave(self.id);
    }
}

/// What the reader of a request that was cancelled is told.
pub(crate) fn cancelled() -> Refusal {
    Refusal::new(Reason::Cancelled, "The request was cancelled.")
}

/// How long a request that was cancelled is waited for: many steps of an engine that lives.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long one that is over is remembered. An edge asks as soon as it knows of the end, which is after its slowest reader.
const REMEMBERED: Duration = Duration::from_secs(900);
/// How many are remembered at most; at some 150 bytes each.
const MAX_OVER: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_protocol::request::bodies::chat::Usage;

    #[tokio::test]
    async fn a_request_is_told_of_by_its_account_alone_while_it_runs_and_afterwards() {
        let requests = Arc::new(Live::default());
        let id = RequestId([7; 16]);
        let (live, state) = requests.enter(id, "a").unwrap();
        state.begin(5, 2);
        state.generate();
        assert_eq!(requests.cancel(id, "b").await, None);
        assert!(!state.is_cancelled(), "a stranger cancels nothing");
        // An engine that hangs: the answer comes all the same.
        let report = requests.cancel_within(id, "a", Duration::ZERO).await.unwrap();
        assert_eq!((report.status, report.usage), (RequestStatus::Ending, Usage::new(5, 1)));
        assert!(state.is_cancelled());
        let asked = tokio::spawn({
            let requests = Arc::clone(&requests);
            async move { requests.cancel_within(id, "a", Duration::from_secs(600)).await }
        });
        tokio::task::yield_now().await;
        state.generate();
        state.answer(0, 2);
        state.answer(2, 1);
        drop(live);
        let report = asked.await.unwrap().unwrap();
        assert_eq!((report.status, report.usage), (RequestStatus::Ended, Usage::new(5, 2)));
        assert_eq!(report.reasoning_tokens, Some(1), "what nobody has read may have been thought");
        assert_eq!(report.complete, Some(false), "nobody said that it was whole");
        assert_eq!(requests.cancel(id, "a").await, Some(report));
        assert_eq!(requests.cancel(id, "").await, None);
    }

    #[tokio::test]
    async fn a_request_that_is_cancelled_before_it_comes_is_refused_when_it_does() {
        let requests = Arc::new(Live::default());
        let id = RequestId([7; 16]);
        assert_eq!(requests.final_usage(id), Some(Used::NOTHING));
        let report = requests.cancel(id, "a").await.unwrap();
        assert_eq!((report.status, report.usage), (RequestStatus::Unseen, Usage::new(0, 0)));
        assert_eq!(requests.enter(id, "a").err().map(|refusal| refusal.reason), Some(Reason::Cancelled));
        // It is over, and nothing was done for it.
        assert_eq!(requests.cancel(id, "a").await.unwrap().status, RequestStatus::Ended);
        assert_eq!(requests.final_usage(id), Some(Used::NOTHING));
    }

    #[test]
    fn how_far_back_is_known_is_up_to_the_last_that_was_forgotten() {
        let mut state = State::default();
        let begun = state.known_since;
        let ended = || Ended { account: "a".into(), used: Usage::new(1, 1).into(), complete: true };
        let at = |seconds| begun + Duration::from_secs(seconds);
        state.keep(at(1), RequestId([1; 16]), ended());
        state.keep(at(2), RequestId([2; 16]), ended());
        assert_eq!(state.known_since, begun);
        state.keep(at(2) + REMEMBERED, RequestId([3; 16]), ended());
        assert_eq!((state.known_since, state.over.len()), (at(1), 2));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let requests = Arc::new(Live::default());
        for number in 0..MAX_OVER as u128 + 10 {
            drop(requests.enter(RequestId(number.to_be_bytes()), "a").unwrap());
        }
        let state = requests.lock();
        assert_eq!((state.live.len(), state.over.len(), state.order.len()), (0, MAX_OVER, MAX_OVER));
        assert!(!state.over.contains_key(&RequestId(0u128.to_be_bytes())), "the oldest is forgotten first");
    }
}
