//! Other servers, and requests of the edge's to them.

use super::course::tasks::Home;
use super::course::{self, happens};
use super::http::channel::Channel;
use super::http::{Body, Content, Response};
use crate::platform::Fault;
use futures_channel::oneshot::{self, Sender};
use futures_util::future::{Either, select};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

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
    course::after_turn(move || course::spawn(Home::Outside, travel(asked, tell)));
    Ok(async { told.await.unwrap_or_else(|_| Err("the request is lost".into())) })
}

/// The same to an origin. There are no bindings here.
pub fn fetch_from_origin(
    _binding: &str,
    url: &str,
    method: &str,
    headers: &str,
    body: Option<&Body>,
) -> Result<impl Future<Output = Result<Response, Fault>> + use<>, Fault> {
    fetch(url, method, headers, body)
}

/// Runs what a server does after it has begun to answer.
pub fn in_background(task: impl Future<Output = ()> + 'static) {
    course::spawn(Home::Outside, task);
}

async fn travel(asked: Asked, mut tell: Sender<Result<Response, Fault>>) {
    course::delay().await;
    let is_gone = asked.is_gone.clone();
    let server = SERVER.with_borrow(Clone::clone);
    let reply = match server {
        Some(server) if !happens(|faults| faults.unreachable) => {
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
    course::delay().await;
    let is_lost = happens(|faults| faults.reply_lost) || tell.is_canceled();
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

thread_local! {
    /// Whoever answers, in this thread's world.
    static SERVER: RefCell<Option<Server>> = const { RefCell::new(None) };
}

/// Who answers from now on.
pub(super) fn set(server: Option<Server>) {
    SERVER.set(server);
}
