//! Requests by their ids: one that waits or runs can be cancelled, and one that is over tells for a while what it used.
//!
//! An edge asks for it when its caller has left or a stream broke off, and settles what was used and not what was reserved.

use crate::engine::job_state::JobState;
use sluice_protocol::chat::Usage;
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::report::{RequestReport, RequestStatus};
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

#[derive(Default)]
struct State {
    live: HashMap<RequestId, (String, Arc<JobState>)>,
    over: HashMap<RequestId, (String, Usage)>,
    /// Those that are over, with when that was, oldest first.
    order: VecDeque<(Instant, RequestId)>,
}

/// A request that is not over. Dropping it says that it is.
pub(crate) struct LiveRequest {
    requests: Arc<Live>,
    id: RequestId,
}

impl Live {
    /// A request begins; `account` is whose it is.
    pub(crate) fn enter(self: &Arc<Self>, id: RequestId, account: &str) -> (LiveRequest, Arc<JobState>) {
        let state = Arc::new(JobState::new());
        self.lock().live.insert(id, (account.to_owned(), Arc::clone(&state)));
        (LiveRequest { requests: Arc::clone(self), id }, state)
    }

    /// Ends a request of this account, if it is not over, and waits for its end, though not for ever. `None`: there is no
    /// such request, or it has been over for so long that it is forgotten.
    pub(crate) async fn cancel(&self, id: RequestId, account: &str) -> Option<RequestReport> {
        let patience = tokio::time::Instant::now() + PATIENCE;
        loop {
            let over = self.over.notified();
            tokio::pin!(over);
            over.as_mut().enable();
            let state = {
                let state = self.lock();
                if let Some((_, usage)) = state.over.get(&id).filter(|(owner, _)| owner == account) {
                    return Some(RequestReport::new(id, RequestStatus::Ended, *usage));
                }
                Arc::clone(state.live.get(&id).filter(|(owner, _)| owner == account).map(|(_, state)| state)?)
            };
            state.cancel();
            if tokio::time::timeout_at(patience, over).await.is_err() {
                return Some(RequestReport::new(id, RequestStatus::Ending, state.usage()));
            }
        }
    }

    fn leave(&self, id: RequestId) {
        let now = Instant::now();
        let mut state = self.lock();
        let Some((account, job)) = state.live.remove(&id) else { return };
        state.over.insert(id, (account, job.usage()));
        state.order.push_back((now, id));
        while state.order.len() > MAX_OVER
            || state.order.front().is_some_and(|(since, _)| now.duration_since(*since) > REMEMBERED)
        {
            let Some((_, oldest)) = state.order.pop_front() else { break };
            state.over.remove(&oldest);
        }
        drop(state);
        self.over.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in a critical section panics halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
/// How long one that is over is remembered: an edge asks at once.
const REMEMBERED: Duration = Duration::from_secs(120);
/// How many are remembered at most; at some 150 bytes each.
const MAX_OVER: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_request_is_told_of_by_its_account_alone_while_it_runs_and_afterwards() {
        let requests = Arc::new(Live::default());
        let id = RequestId([7; 16]);
        assert_eq!(requests.cancel(id, "a").await, None);
        let (live, state) = requests.enter(id, "a");
        state.begin(5, 2);
        state.generate();
        assert_eq!(requests.cancel(id, "b").await, None);
        assert!(!state.is_cancelled(), "a stranger cancels nothing");
        // An engine that hangs: the answer comes all the same.
        let report = requests.cancel(id, "a").await.unwrap();
        assert_eq!((report.status, report.usage), (RequestStatus::Ending, Usage::new(5, 1)));
        assert!(state.is_cancelled());
        let asked = tokio::spawn({
            let requests = Arc::clone(&requests);
            async move { requests.cancel(id, "a").await }
        });
        tokio::task::yield_now().await;
        state.generate();
        drop(live);
        let report = asked.await.unwrap().unwrap();
        assert_eq!((report.status, report.usage), (RequestStatus::Ended, Usage::new(5, 2)));
        assert_eq!(requests.cancel(id, "a").await, Some(report));
        assert_eq!(requests.cancel(id, "").await, None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let requests = Arc::new(Live::default());
        for number in 0..MAX_OVER as u128 + 10 {
            drop(requests.enter(RequestId(number.to_be_bytes()), "a"));
        }
        let state = requests.lock();
        assert_eq!((state.live.len(), state.over.len(), state.order.len()), (0, MAX_OVER, MAX_OVER));
        assert!(!state.over.contains_key(&RequestId(0u128.to_be_bytes())), "the oldest is forgotten first");
    }
}
