//! settle, what is given again: finished pictures, to whoever repeats a request with the same `Idempotency-Key`.
//!
//! A picture may have taken minutes, and whoever asks again is to have that one and to pay nothing. Kept are files, for
//! [`KEPT`], within [`MOST_BYTES`]; the oldest go first. They are an account's own.

use axum::http::HeaderMap;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use sluice_protocol::admin::idempotency_key;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::wire::header;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// For so long a picture is given again.
const KEPT: Duration = Duration::from_secs(600);
/// What all of them take at most.
const MOST_BYTES: usize = 256 << 20;

/// By what a repetition is known, and what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    by: By,
    body: [u8; 32],
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct By {
    account: String,
    key: String,
}

/// Pictures that are finished.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Each file in base64.
    pub(crate) files: Vec<Bytes>,
    /// When they were asked for first, in milliseconds since the epoch.
    pub(crate) at: u64,
}

/// All that is kept.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    all: HashMap<By, Entry>,
    /// In the order in which they were kept.
    order: VecDeque<(Instant, By)>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    body: [u8; 32],
    finished: Arc<Finished>,
}

impl Question {
    /// What a request's headers say; nothing without a key. Refuses one that cannot be a key.
    pub(crate) fn read(headers: &HeaderMap, account: &str, body: &[u8]) -> Result<Option<Self>, Refusal> {
        // What is no text is no key.
        let key = headers.get(header::IDEMPOTENCY_KEY).map(|key| key.to_str().unwrap_or_default());
        let question = |key: &str| Self {
            by: By { account: account.to_owned(), key: key.to_owned() },
            body: Sha256::digest(body).into(),
        };
        Ok(idempotency_key(key)?.map(question))
    }
}

impl Kept {
    /// What the same request was given. Refuses another request with the same key.
    pub(crate) fn find(&self, question: &Question, now: Instant) -> Result<Option<Arc<Finished>>, Refusal> {
        let mut state = self.lock();
        state.forget(now, MOST_BYTES);
        match state.all.get(&question.by) {
            None => Ok(None),
            Some(entry) if entry.body == question.body => Ok(Some(Arc::clone(&entry.finished))),
            Some(_) => {
                let why = "Another request had this `Idempotency-Key` within the last ten minutes. Take a new one.";
                Err(Refusal::new(Reason::IdempotencyKeyReused, why))
            }
        }
    }

    /// Keeps pictures, unless some are kept by this key: those were first.
    pub(crate) fn keep(&self, question: Question, finished: Arc<Finished>, now: Instant) {
        self.keep_within(question, finished, now, MOST_BYTES);
    }

    fn keep_within(&self, question: Question, finished: Arc<Finished>, now: Instant, most: usize) {
        let mut state = self.lock();
        state.forget(now, most);
        if state.all.contains_key(&question.by) || finished.size() > most {
            return;
        }
        state.bytes += finished.size();
        state.order.push_back((now, question.by.clone()));
        state.all.insert(question.by, Entry { body: question.body, finished });
        state.forget(now, most);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in a critical section panics halfway through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Finished {
    fn size(&self) -> usize {
        self.files.iter().map(Bytes::len).sum()
    }
}

impl State {
    /// Lets go of what is too old, and of the oldest as long as all take too much.
    fn forget(&mut self, now: Instant, most: usize) {
        while self.bytes > most || self.order.front().is_some_and(|(since, _)| now.duration_since(*since) >= KEPT) {
            let Some((_, oldest)) = self.order.pop_front() else { break };
            if let Some(entry) = self.all.remove(&oldest) {
                self.bytes = self.bytes.saturating_sub(entry.finished.size());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn question(account: &str, key: &str, body: &str) -> Question {
        let mut headers = HeaderMap::new();
        headers.insert(header::IDEMPOTENCY_KEY, HeaderValue::from_str(key).unwrap());
        Question::read(&headers, account, body.as_bytes()).unwrap().unwrap()
    }

    fn finished(bytes: usize) -> Arc<Finished> {
        Arc::new(Finished { files: vec![Bytes::from(vec![b'A'; bytes])], at: 7 })
    }

    #[test]
    fn the_same_request_of_the_same_account_is_given_the_same_pictures_for_ten_minutes() {
        let (kept, now) = (Kept::default(), Instant::now());
        kept.keep(question("a", "one", "{}"), finished(3), now);
        let later = now + KEPT - Duration::from_millis(1);
        assert_eq!(kept.find(&question("a", "one", "{}"), later).unwrap().unwrap().size(), 3);
        assert!(kept.find(&question("b", "one", "{}"), later).unwrap().is_none(), "somebody else's");
        assert!(kept.find(&question("a", "two", "{}"), later).unwrap().is_none());
        let other = kept.find(&question("a", "one", "{ }"), later).unwrap_err();
        assert_eq!(other.reason, Reason::IdempotencyKeyReused);
        // The first ones stay.
        kept.keep(question("a", "one", "{ }"), finished(9), later);
        assert_eq!(kept.find(&question("a", "one", "{}"), later).unwrap().unwrap().size(), 3);
        assert!(kept.find(&question("a", "one", "{}"), now + KEPT).unwrap().is_none());
        let state = kept.lock();
        assert_eq!((state.bytes, state.order.len(), state.all.len()), (0, 0, 0));
    }

    #[test]
    fn the_oldest_go_where_all_take_too_much() {
        let (kept, now) = (Kept::default(), Instant::now());
        for number in 0..10_usize {
            let at = now + Duration::from_secs(number as u64);
            kept.keep_within(question("a", &number.to_string(), "{}"), finished(30), at, 100);
            assert!(kept.lock().bytes <= 100);
        }
        let there: Vec<usize> = (0..10)
            .filter(|number| kept.find(&question("a", &number.to_string(), "{}"), now).unwrap().is_some())
            .collect();
        assert_eq!(there, [7, 8, 9]);
        kept.keep_within(question("a", "large", "{}"), finished(101), now, 100);
        assert!(kept.find(&question("a", "large", "{}"), now).unwrap().is_none());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let mut headers = HeaderMap::new();
        assert_eq!(Question::read(&headers, "a", b"{}").unwrap(), None);
        for bad in ["", "with space", "\u{e9}"] {
            headers.insert(header::IDEMPOTENCY_KEY, HeaderValue::from_bytes(bad.as_bytes()).unwrap());
            assert_eq!(Question::read(&headers, "a", b"{}").unwrap_err().reason, Reason::InvalidRequest, "{bad:?}");
        }
    }
}
