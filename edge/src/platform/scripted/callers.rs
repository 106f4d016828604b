//! Callers, and what they are answered.

use super::course;
use super::course::tasks::Home;
use super::http::channel::Channel;
use super::http::{Content, Request, Response, Signal};
use crate::platform::{Fault, sleep};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;

/// What a caller sends.
#[derive(Clone, Default)]
pub struct Sent {
    /// Its method.
    pub method: String,
    /// Its URL.
    pub url: String,
    /// Its headers, by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: Vec<u8>,
    /// How long the body takes to arrive, in milliseconds.
    pub body_ms: u32,
}

/// A caller, and what it was answered.
#[derive(Clone)]
pub struct Caller(Rc<Line>);

struct Line {
    signal: Signal,
    answer: RefCell<Answer>,
    /// What it reads.
    pieces: RefCell<Option<Channel>>,
    /// Whether it reads, or waits.
    reads: Cell<bool>,
    task: Cell<Option<usize>>,
}

#[derive(Default)]
struct Answer {
    status: Option<u16>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    closed: Option<Closed>,
}

/// How a caller's connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// With a whole answer.
    Whole,
    /// It broke.
    Broken,
    /// The caller left.
    Left,
}

impl Caller {
    pub(super) fn new() -> Self {
        Self(Rc::new(Line {
            signal: Signal::default(),
            answer: RefCell::default(),
            pieces: RefCell::default(),
            reads: Cell::new(true),
            task: Cell::new(None),
        }))
    }

    /// What it sends, as a request of its own.
    pub(super) fn request(&self, sent: Sent) -> Request {
        let Sent { method, url, headers, body, body_ms } = sent;
        Request { method, url, headers, body, body_ms, signal: self.0.signal.clone() }
    }

    /// Which task serves it.
    pub(super) fn is_served_by(&self, task: usize) {
        self.0.task.set(Some(task));
    }

    /// Serves it. Its connection breaks if this is dropped before it is answered.
    pub(super) fn serve(self, serving: impl Future<Output = Result<Response, Fault>>) -> impl Future<Output = ()> {
        let mut served = Served(Some(self));
        async move {
            let answered = serving.await;
            if let Some(caller) = served.0.take() {
                caller.answered(answered);
            }
        }
    }

    /// The status of its answer.
    pub fn status(&self) -> Option<u16> {
        self.0.answer.borrow().status
    }

    /// A header of its answer.
    pub fn header(&self, name: &str) -> Option<String> {
        self.0.answer.borrow().headers.get(name).cloned()
    }

    /// What has arrived of its answer's body.
    pub fn body(&self) -> String {
        String::from_utf8_lossy(&self.0.answer.borrow().body).into_owned()
    }

    /// How its connection ended, if it has.
    pub fn closed(&self) -> Option<Closed> {
        self.0.answer.borrow().closed.clone()
    }

    /// Leaves.
    pub fn leave(&self) {
        self.close(Closed::Left);
        self.0.signal.abort();
        if let Some(pieces) = self.0.pieces.borrow().as_ref() {
            pieces.abandon();
        }
        if let Some(task) = self.0.task.take().filter(|_| self.status().is_none()) {
            course::of_thread(|course| course.abandon(task));
        }
    }

    /// Reads nothing more, or reads on.
    pub fn set_reading(&self, reads: bool) {
        self.0.reads.set(reads);
    }

    fn close(&self, how: Closed) {
        self.0.answer.borrow_mut().closed.get_or_insert(how);
    }

    fn answered(&self, answered: Result<Response, Fault>) {
        let Ok(response) = answered else { return self.close(Closed::Broken) };
        {
            let mut answer = self.0.answer.borrow_mut();
            answer.status = Some(response.status);
            answer.headers = response.headers.take();
        }
        match &response.body {
            Content::Bytes(bytes) => {
                self.0.answer.borrow_mut().body.extend_from_slice(bytes);
                self.close(Closed::Whole);
            }
            Content::Pieces(pieces) => {
                response.is_streamed.set(true);
                self.0.pieces.replace(Some(pieces.clone()));
                course::spawn(Home::Outside, self.clone().read(pieces.clone()));
            }
        }
    }

    async fn read(self, pieces: Channel) {
        loop {
            while !self.0.reads.get() {
                sleep(STALL_MS).await;
                if self.closed().is_some() {
                    return;
                }
            }
            match pieces.read().await {
                Some(Ok(piece)) => self.0.answer.borrow_mut().body.extend(piece),
                Some(Err(_)) => return self.close(Closed::Broken),
                None => return self.close(Closed::Whole),
            }
        }
    }
}

/// A request that an isolate serves; its connection breaks with the isolate.
struct Served(Option<Caller>);

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(caller) = self.0.take() {
            caller.close(Closed::Broken);
        }
    }
}

/// How often a caller that does not read looks whether it is to, in milliseconds.
const STALL_MS: u32 = 5;
