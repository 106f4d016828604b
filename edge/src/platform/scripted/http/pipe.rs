//! An answer on its way from the origin to its caller.

use super::super::course;
use super::Stream;
use super::channel::Channel;
use crate::platform::Fault;
use futures_util::future::{Either, select};
use sluice_protocol::wire::sse::Passed;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// A body that is being piped.
pub struct Pipe {
    body: Channel,
    out: Channel,
    ended: Rc<RefCell<Ended>>,
}

impl Drop for Pipe {
    /// A caller's connection breaks with the isolate, also where the origin's had broken before.
    fn drop(&mut self) {
        self.out.end(Err("the isolate is gone".into()));
    }
}

/// Both ends of a pipe that runs.
struct Open {
    body: Channel,
    out: Channel,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.body.abandon();
        self.out.end(Err("the isolate is gone".into()));
    }
}

#[derive(Default)]
struct Ended {
    how: Option<Result<(), Fault>>,
    waker: Option<Waker>,
}

impl Pipe {
    /// Begins to pipe a body through `see`, which says what passes of a chunk; `rest` gives what is still held back at
    /// the end. Where it `waits`, the body's end is not the answer's: [`Self::end`] writes that. A chunk is taken when the
    /// caller has taken the one before.
    pub fn begin(
        body: &Stream,
        mut see: impl FnMut(&[u8]) -> Passed + 'static,
        mut rest: impl FnMut() -> Vec<u8> + 'static,
        waits: bool,
    ) -> Result<Self, Fault> {
        let pipe = Self { body: body.0.clone(), out: Channel::default(), ended: Rc::default() };
        let (body, out, ended) = (body.0.clone(), pipe.out.clone(), pipe.ended.clone());
        let open = Open { body: body.clone(), out: out.clone() };
        course::spawn_here(async move {
            // What is open closes with its isolate.
            let open = open;
            let how = loop {
                out.taken().await;
                let chunk = match select(pin!(body.read()), pin!(out.abandoned())).await {
                    Either::Left((chunk, _)) => chunk,
                    // The caller is gone, or the answer was ended behind the pipe's back.
                    Either::Right(_) => {
                        body.abandon();
                        break Err("the caller is gone".into());
                    }
                };
                match chunk {
                    Some(Ok(chunk)) => {
                        let passed = match see(&chunk) {
                            Passed::Whole => chunk,
                            Passed::Part(part) => part,
                        };
                        out.write(passed);
                    }
                    None if waits => break Ok(()),
                    None => {
                        out.write(rest());
                        out.end(Ok(()));
                        break Ok(());
                    }
                    // The caller is still told inside the stream.
                    Some(Err(why)) => break Err(why.into()),
                }
            };
            std::mem::forget(open);
            let waker = {
                let mut ended = ended.borrow_mut();
                ended.how = Some(how);
                ended.waker.take()
            };
            waker.into_iter().for_each(Waker::wake);
        });
        Ok(pipe)
    }

    pub(in crate::platform::scripted) fn readable(&self) -> Channel {
        self.out.clone()
    }

    /// Settles at the body's end, and fails where it breaks off or the caller leaves.
    pub fn ended(&self) -> impl Future<Output = Result<(), Fault>> + use<> {
        let ended = self.ended.clone();
        poll_fn(move |context| {
            let mut ended = ended.borrow_mut();
            match &ended.how {
                Some(how) => Poll::Ready(how.clone()),
                None => {
                    ended.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
    }

    /// Whether the caller has taken all that came.
    pub fn is_taken(&self) -> bool {
        self.out.is_empty()
    }

    /// Adds these bytes and ends what the caller reads, whatever the body does.
    pub fn end(&self, bytes: &[u8]) {
        self.out.write(bytes.to_vec());
        self.out.end(Ok(()));
        self.body.abandon();
    }
}
