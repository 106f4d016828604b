//! Requests and answers.

pub(super) mod channel;
pub(super) mod feed;
pub(super) mod pipe;

use self::channel::Channel;
use crate::platform::body::{Bounds, Broken};
use crate::platform::head::{self, Head};
use crate::platform::{Fault, Feed, Pipe, sleep};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

/// A caller's request.
pub struct Request {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
    /// How long its body takes to arrive, in milliseconds.
    pub(super) body_ms: u32,
    pub(super) signal: Signal,
}

/// Tells when a caller leaves.
#[derive(Clone, Default)]
pub struct Signal(Rc<Leaving>);

/// Ends what nobody but the edge itself waits for.
pub struct Abort(Signal);

/// Who is told.
pub(super) type Listener = dyn Fn();

#[derive(Default)]
struct Leaving {
    is_aborted: Cell<bool>,
    listeners: RefCell<Vec<Weak<Listener>>>,
}

/// An answer: ours to a caller, or somebody else's to us.
pub struct Response {
    pub(super) status: u16,
    pub(super) headers: RefCell<BTreeMap<String, String>>,
    pub(super) body: Content,
    /// Whether somebody has its stream.
    pub(super) is_streamed: Cell<bool>,
}

/// What an answer carries.
pub(super) enum Content {
    Bytes(Vec<u8>),
    Pieces(Channel),
}

/// A body that comes in pieces.
pub struct Stream(pub(super) Channel);

/// A whole body.
#[derive(Clone)]
pub struct Body(Rc<[u8]>);

impl Request {
    /// What stands before its body.
    pub fn head(&self) -> Head {
        let first = format!("{}\n{}", self.method, self.url);
        Head::of_request(first + &lines(&self.headers, head::REQUEST))
    }

    /// What else stands there, for who reads its body.
    pub fn rest(&self) -> Head {
        Head::of_rest(lines(&self.headers, head::REST))
    }

    /// A header that is not in its [`Head`].
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).cloned()
    }

    /// The continent that its caller is on: what a test has put into a header.
    pub fn continent(&self) -> String {
        self.header("cf-ipcontinent").unwrap_or_default()
    }

    /// Tells when its caller leaves.
    pub fn signal(&self) -> Signal {
        self.signal.clone()
    }
}

impl Signal {
    /// Of nobody, who never leaves.
    pub fn of_nobody() -> Result<Self, Fault> {
        Ok(Self::default())
    }

    /// Whether the caller has left.
    pub fn is_aborted(&self) -> bool {
        self.0.is_aborted.get()
    }

    pub(super) fn abort(&self) {
        if !self.0.is_aborted.replace(true) {
            let listeners = self.0.listeners.take();
            for listener in listeners.iter().filter_map(Weak::upgrade) {
                listener();
            }
        }
    }

    pub(super) fn on_abort(&self, listener: Weak<Listener>) {
        self.0.listeners.borrow_mut().push(listener);
    }
}

impl Abort {
    /// Nothing is ended yet.
    pub fn new() -> Result<Self, Fault> {
        Ok(Self(Signal::default()))
    }

    /// What is told when it is ended, as if its caller had left.
    pub fn signal(&self) -> Signal {
        self.0.clone()
    }

    /// Ends it.
    pub fn abort(&self) {
        self.0.abort();
    }
}

impl Response {
    /// An answer whose body is text. Its headers are a JSON object.
    pub fn of_text(status: u16, headers: &str, body: &str) -> Result<Self, Fault> {
        Self::new(status, headers, Content::Bytes(body.into()))
    }

    /// An answer whose body lies on the platform's side.
    pub fn of_body(status: u16, headers: &str, body: &Body) -> Result<Self, Fault> {
        Self::new(status, headers, Content::Bytes(body.bytes()))
    }

    /// An answer whose body is these, one after the other.
    pub fn of_parts(status: u16, headers: &str, parts: &[Body]) -> Result<Self, Fault> {
        Self::new(status, headers, Content::Bytes(parts.iter().flat_map(Body::bytes).collect()))
    }

    /// An answer whose body is what comes out of a pipe.
    pub fn of_pipe(status: u16, headers: &str, pipe: &Pipe) -> Result<Self, Fault> {
        Self::new(status, headers, Content::Pieces(pipe.readable()))
    }

    /// An answer whose body is written piece by piece.
    pub fn of_feed(status: u16, headers: &str, feed: &Feed) -> Result<Self, Fault> {
        Self::new(status, headers, Content::Pieces(feed.readable()))
    }

    /// An answer without a body.
    pub fn empty(status: u16, headers: &str) -> Result<Self, Fault> {
        Self::new(status, headers, Content::Bytes(Vec::new()))
    }

    fn new(status: u16, headers: &str, body: Content) -> Result<Self, Fault> {
        let headers = RefCell::new(serde_json::from_str(headers)?);
        Ok(Self { status, headers, body, is_streamed: Cell::new(false) })
    }

    /// Sets one more header.
    pub fn set_header(&self, name: &str, value: &str) -> Result<(), Fault> {
        self.headers.borrow_mut().insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// What stands before the body of somebody else's answer.
    pub fn head(&self) -> Head {
        Head::of_response(self.status.to_string() + &lines(&self.headers.borrow(), head::RESPONSE))
    }

    /// Its body, in pieces; `None` if it has none.
    pub fn stream(&self) -> Option<Stream> {
        self.is_streamed.set(true);
        match &self.body {
            Content::Pieces(pieces) => Some(Stream(pieces.clone())),
            Content::Bytes(bytes) if bytes.is_empty() => None,
            Content::Bytes(bytes) => {
                let pieces = Channel::default();
                pieces.write(bytes.clone());
                pieces.end(Ok(()));
                Some(Stream(pieces))
            }
        }
    }
}

impl Drop for Response {
    /// What nobody reads is closed.
    fn drop(&mut self) {
        match &self.body {
            Content::Pieces(pieces) if !self.is_streamed.get() => pieces.abandon(),
            Content::Pieces(_) | Content::Bytes(_) => {}
        }
    }
}

impl Body {
    /// A caller's; `length` is what its head declares.
    pub async fn of_request(request: &Request, _length: Option<u64>, bounds: Bounds) -> Result<Self, Broken> {
        if request.body.len() as u64 > bounds.max {
            return Err(Broken::Large);
        }
        sleep(request.body_ms.min(bounds.ms)).await;
        if request.body_ms > bounds.ms { Err(Broken::Late) } else { Ok(Self(request.body.as_slice().into())) }
    }

    /// Somebody else's whole answer, at most `max` bytes of it. Its time is for whoever waits.
    pub async fn of_response(response: &Response, max: u64) -> Result<Self, Broken> {
        let mut all = Vec::new();
        match &response.body {
            Content::Bytes(bytes) => all.extend_from_slice(bytes),
            Content::Pieces(pieces) => {
                while let Some(piece) = pieces.read().await {
                    all.extend(piece.map_err(|why| Broken::Off(why.into()))?);
                    if all.len() as u64 > max {
                        pieces.abandon();
                        break;
                    }
                }
            }
        }
        if all.len() as u64 > max { Err(Broken::Large) } else { Ok(Self(all.into())) }
    }

    /// One that is made here.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// How many bytes it has.
    pub fn size(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// A copy, to look at.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.to_vec()
    }
}

fn lines(headers: &BTreeMap<String, String>, names: &[&str]) -> String {
    let line = |name: &&str| headers.get(*name).map_or_else(|| "\n".to_owned(), |value| format!("\n={value}"));
    names.iter().map(line).collect()
}
