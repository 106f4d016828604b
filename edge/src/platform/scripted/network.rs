//! Callers, and other servers.

use super::channel::Channel;
use super::env::Context;
use super::http::{Body, Content, Request, Response, Signal};
use super::tasks::Home;
use super::world::{self, Inner, Place, World};
use crate::platform::{Fault, sleep};
use futures_channel::oneshot::{self, Sender};
use futures_util::future::{Either, select};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
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

/// What a server is asked.
pub struct Asked {
    /// Its method.
    pub method: String,
    /// Its URL.
    pub url: String,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: Vec<u8>,
    is_gone: Rc<Cell<bool>>,
}

/// What a server answers.
pub struct Reply {
    status: u16,
    headers: BTreeMap<String, String>,
    pieces: Channel,
}

/// Whoever answers requests of the edge's: `None` if nobody does.
pub type Server = Rc<dyn Fn(Asked) -> Pin<Box<dyn Future<Output = Option<Reply>>>>>;

impl Caller {
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
        if self.status().is_none() {
            let ended =
                self.0.task.take().and_then(|task| world::of_thread(|world| world.tasks.borrow_mut().end(task)));
            // Nobody runs it any more; what it waits for is never told.
            std::mem::forget(ended);
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
                world::spawn(Home::Outside, self.clone().read(pieces.clone()));
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

impl World {
    /// Sends a request to the isolate of this place.
    pub fn send(&self, place: Place, sent: Sent) -> Caller {
        let line = Line {
            signal: Signal::default(),
            answer: RefCell::default(),
            pieces: RefCell::default(),
            reads: Cell::new(true),
            task: Cell::new(None),
        };
        let caller = Caller(Rc::new(line));
        let inner = self.inner();
        let home = Home::Isolate(inner.isolate_at(place));
        let request = Request {
            method: sent.method,
            url: sent.url,
            headers: sent.headers,
            body: sent.body,
            body_ms: sent.body_ms,
            signal: caller.0.signal.clone(),
        };
        let serving = inner.run_in(home, || (inner.edge.serve)(request, inner.env(), Context(home)));
        let mut served = Served(Some(caller.clone()));
        let task = inner.spawn(home, async move {
            let answered = serving.await;
            if let Some(caller) = served.0.take() {
                caller.answered(answered);
            }
        });
        caller.0.task.set(Some(task));
        caller
    }
}

impl Asked {
    /// Whether whoever asked has closed the connection before the answer began.
    pub fn is_gone(&self) -> bool {
        self.is_gone.get()
    }
}

impl Reply {
    /// An answer whose body is yet to be written.
    pub fn new(status: u16, headers: &[(&str, &str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { status, headers, pieces: Channel::default() }
    }

    /// A whole answer.
    pub fn whole(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let reply = Self::new(status, headers);
        let writer = reply.writer();
        writer.write(body);
        writer.end();
        reply
    }

    /// What its body is written with.
    pub fn writer(&self) -> Writer {
        Writer(self.pieces.clone())
    }
}

/// Writes an answer's body.
#[derive(Clone)]
pub struct Writer(Channel);

impl Writer {
    /// Writes a piece; whether anybody reads.
    pub fn write(&self, piece: &str) -> bool {
        self.0.write(piece.as_bytes().to_vec())
    }

    /// Whether nobody reads any more.
    pub fn is_closed(&self) -> bool {
        self.0.is_abandoned()
    }

    /// The answer is whole.
    pub fn end(&self) {
        self.0.end(Ok(()));
    }

    /// The answer breaks off.
    pub fn break_off(&self) {
        self.0.end(Err("the connection was reset".into()));
    }
}

/// Sends a request to another server. Its headers are a JSON object.
pub fn fetch(
    url: &str,
    method: &str,
    headers: &str,
    body: Option<&Body>,
) -> Result<impl Future<Output = Result<Response, Fault>> + use<>, Fault> {
    let headers = serde_json::from_str(headers)?;
    let (method, url) = (method.to_owned(), url.to_owned());
    let asked = Asked { method, url, headers, body: body.map(Body::bytes).unwrap_or_default(), is_gone: Rc::default() };
    let (tell, told) = oneshot::channel();
    world::after_turn(move || world::spawn(Home::Outside, travel(asked, tell)));
    Ok(async { told.await.unwrap_or_else(|_| Err("the request is lost".into())) })
}

/// The same to the origin.
pub fn fetch_from_origin(
    url: &str,
    method: &str,
    headers: &str,
    body: Option<&Body>,
) -> Result<impl Future<Output = Result<Response, Fault>> + use<>, Fault> {
    fetch(url, method, headers, body)
}

/// Runs what a server does after it has begun to answer.
pub fn in_background(task: impl Future<Output = ()> + 'static) {
    world::spawn(Home::Outside, task);
}

async fn travel(asked: Asked, mut tell: Sender<Result<Response, Fault>>) {
    let look = |look: &dyn Fn(&Rc<Inner>) -> u32| world::of_thread(|world| look(world)).unwrap_or_default();
    let happens = |chance| world::of_thread(|world| world.rng.borrow_mut().per_mille(chance)).unwrap_or_default();
    world::delay().await;
    let is_gone = asked.is_gone.clone();
    let server = world::of_thread(|world| world.server.borrow().clone()).flatten();
    let reply = match server {
        Some(server) if !happens(look(&|world| world.faults.get().unreachable)) => {
            match select(server(asked), tell.cancellation()).await {
                Either::Left((reply, _)) => reply,
                Either::Right(((), serving)) => {
                    is_gone.set(true);
                    serving.await
                }
            }
        }
        _ => None,
    };
    world::delay().await;
    let is_lost = happens(look(&|world| world.faults.get().reply_lost)) || tell.is_canceled();
    let answer = match reply {
        Some(reply) if is_lost => {
            reply.pieces.abandon();
            Err("the connection was reset".into())
        }
        Some(Reply { status, headers, pieces }) => Ok(Response {
            status,
            headers: RefCell::new(headers),
            body: Content::Pieces(pieces),
            is_streamed: Cell::new(false),
        }),
        None => Err("nobody answers".into()),
    };
    // It is for nobody if whoever asked is gone.
    drop(tell.send(answer));
}

/// How often a caller that does not read looks whether it is to, in milliseconds.
const STALL_MS: u32 = 5;
