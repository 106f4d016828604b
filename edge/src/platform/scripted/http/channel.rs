//! Pieces of a body on their way, and single results.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Pieces on their way from one writer to one reader.
#[derive(Clone, Default)]
pub(in crate::platform::scripted) struct Channel(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    pieces: VecDeque<Vec<u8>>,
    /// How the writer ended it.
    end: Option<Result<(), String>>,
    /// Whether nobody reads any more.
    is_abandoned: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl State {
    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

impl Channel {
    /// Writes a piece, if it has not ended; whether anybody reads.
    pub(in crate::platform::scripted) fn write(&self, piece: Vec<u8>) -> bool {
        let mut state = self.0.borrow_mut();
        if state.end.is_none() && !state.is_abandoned && !piece.is_empty() {
            state.pieces.push_back(piece);
        }
        state.wake();
        !state.is_abandoned
    }

    /// Ends it, unless it has ended.
    pub(in crate::platform::scripted) fn end(&self, end: Result<(), String>) {
        let mut state = self.0.borrow_mut();
        state.end.get_or_insert(end);
        state.wake();
    }

    /// Nobody reads any more.
    pub(in crate::platform::scripted) fn abandon(&self) {
        let mut state = self.0.borrow_mut();
        state.is_abandoned = true;
        state.wake();
    }

    /// Whether nobody reads any more.
    pub(in crate::platform::scripted) fn is_abandoned(&self) -> bool {
        self.0.borrow().is_abandoned
    }

    /// Whether the reader has taken all that was written.
    pub(in crate::platform::scripted) fn is_empty(&self) -> bool {
        self.0.borrow().pieces.is_empty()
    }

    /// The next piece; `None` at the end.
    pub(in crate::platform::scripted) async fn read(&self) -> Option<Result<Vec<u8>, String>> {
        poll_fn(|context| {
            let mut state = self.0.borrow_mut();
            if let Some(piece) = state.pieces.pop_front() {
                state.wake();
                return Poll::Ready(Some(Ok(piece)));
            }
            match &state.end {
                Some(Ok(())) => Poll::Ready(None),
                Some(Err(why)) => Poll::Ready(Some(Err(why.clone()))),
                None => {
                    state.reader = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Waits until the reader has taken all, or reads no more, or the writer has ended it.
    pub(in crate::platform::scripted) async fn taken(&self) {
        poll_fn(|context| {
            let mut state = self.0.borrow_mut();
            if state.pieces.is_empty() || state.is_abandoned || state.end.is_some() {
                return Poll::Ready(());
            }
            state.writer = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Waits until nobody reads any more, or it has ended.
    pub(in crate::platform::scripted) async fn abandoned(&self) {
        poll_fn(|context| {
            let mut state = self.0.borrow_mut();
            if state.is_abandoned || state.end.is_some() {
                return Poll::Ready(());
            }
            state.writer = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
