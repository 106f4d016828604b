//! Requests and answers, of callers and to others.

pub(super) mod body;
pub(super) mod pipe;

use super::calls;
use super::wait::promise::Settled;
use crate::platform::head::{self, Head};
use crate::platform::{Body, Fault, Feed, Pipe};
use js_sys::Array;
use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{AbortSignal, ReadableStream};

/// A caller's request.
pub struct Request {
    pub(super) own: web_sys::Request,
    /// Whether its body is read, or it has none.
    is_read: Rc<Cell<bool>>,
}

/// Tells when a caller leaves.
#[derive(Clone)]
pub struct Signal(pub(super) AbortSignal);

/// Ends what nobody but the edge itself waits for.
pub struct Abort(web_sys::AbortController);

/// An answer: ours to a caller, or somebody else's to us.
pub struct Response(pub(super) web_sys::Response);

/// A body that comes in pieces.
pub struct Stream(pub(super) ReadableStream);

impl Request {
    /// The platform's.
    pub fn new(own: web_sys::Request) -> Self {
        Self { own, is_read: Rc::default() }
    }

    /// Whether its body has been read, or it has none.
    pub fn is_read(&self) -> Rc<Cell<bool>> {
        self.is_read.clone()
    }

    /// It is, for its body.
    pub(super) fn read(&self) -> &web_sys::Request {
        self.is_read.set(true);
        &self.own
    }

    /// What stands before its body.
    pub fn head(&self) -> Head {
        thread_local! {
            static NAMES: JsValue = array(head::REQUEST);
        }
        let head = Head::of_request(NAMES.with(|names| calls::request_head(&self.own, names)));
        self.is_read.set(head.method() == "GET");
        head
    }

    /// What else stands there, for who reads its body.
    pub fn rest(&self) -> Head {
        thread_local! {
            static NAMES: JsValue = array(head::REST);
        }
        Head::of_rest(NAMES.with(|names| calls::request_rest(&self.own, names)))
    }

    /// A header that is not in its [`Head`].
    pub fn header(&self, name: &str) -> Option<String> {
        self.own.headers().get(name).ok().flatten()
    }

    /// The continent that its caller is on, as the platform names it; empty where it does not know.
    pub fn continent(&self) -> String {
        calls::continent(&self.own)
    }

    /// Tells when its caller leaves.
    pub fn signal(&self) -> Signal {
        Signal(self.own.signal())
    }
}

impl Signal {
    /// Of nobody, who never leaves.
    pub fn of_nobody() -> Result<Self, Fault> {
        Ok(Self(web_sys::AbortController::new()?.signal()))
    }

    /// Whether the caller has left.
    pub fn is_aborted(&self) -> bool {
        self.0.aborted()
    }
}

impl Abort {
    /// Nothing is ended yet.
    pub fn new() -> Result<Self, Fault> {
        Ok(Self(web_sys::AbortController::new()?))
    }

    /// What is told when it is ended, as if its caller had left.
    pub fn signal(&self) -> Signal {
        Signal(self.0.signal())
    }

    /// Ends it.
    pub fn abort(&self) {
        self.0.abort();
    }
}

impl Response {
    /// An answer whose body is text. Its headers are a JSON object.
    pub fn of_text(status: u16, headers: &str, body: &str) -> Result<Self, Fault> {
        Ok(Self(calls::respond_text(status, headers, body)?))
    }

    /// An answer whose body lies on the platform's side.
    pub fn of_body(status: u16, headers: &str, body: &Body) -> Result<Self, Fault> {
        Ok(Self(calls::respond(status, headers, body.as_js())?))
    }

    /// An answer whose body is these, one after the other.
    pub fn of_parts(status: u16, headers: &str, parts: &[Body]) -> Result<Self, Fault> {
        let parts: Array = parts.iter().map(Body::as_js).collect();
        Ok(Self(calls::respond_parts(status, headers, &parts)?))
    }

    /// An answer whose body is what comes out of a pipe.
    pub fn of_pipe(status: u16, headers: &str, pipe: &Pipe) -> Result<Self, Fault> {
        Ok(Self(calls::respond(status, headers, &pipe.readable())?))
    }

    /// An answer whose body is written piece by piece.
    pub fn of_feed(status: u16, headers: &str, feed: &Feed) -> Result<Self, Fault> {
        Ok(Self(calls::respond(status, headers, &feed.readable())?))
    }

    /// An answer without a body.
    pub fn empty(status: u16, headers: &str) -> Result<Self, Fault> {
        Ok(Self(calls::respond(status, headers, &JsValue::NULL)?))
    }

    /// Sets one more header.
    pub fn set_header(&self, name: &str, value: &str) -> Result<(), Fault> {
        Ok(self.0.headers().set(name, value)?)
    }

    /// What stands before the body of somebody else's answer.
    pub fn head(&self) -> Head {
        thread_local! {
            static NAMES: [JsValue; 2] = [array(head::RESPONSE), array(&head::RESPONSE[..head::OF_ANSWER])];
        }
        Head::of_response(NAMES.with(|[names, few]| calls::response_head(&self.0, names, few)))
    }

    /// Its body, in pieces; `None` if it has none.
    pub fn stream(&self) -> Option<Stream> {
        self.0.body().map(Stream)
    }
}

/// Sends a request to another server, which is not followed elsewhere. Its headers are a JSON object.
pub fn fetch(
    url: &str,
    method: &str,
    headers: &str,
    body: Option<&Body>,
) -> Result<impl Future<Output = Result<Response, Fault>> + use<>, Fault> {
    let sent = calls::send(url, method, headers, body.map_or(&JsValue::UNDEFINED, Body::as_js))?;
    Ok(response(Settled::of(&sent)))
}

/// The same to an origin, through the binding of this name if there is one.
pub fn fetch_from_origin(
    binding: &str,
    url: &str,
    method: &str,
    headers: &str,
    body: Option<&Body>,
) -> Result<impl Future<Output = Result<Response, Fault>> + use<>, Fault> {
    let sent = calls::send_to_origin(binding, url, method, headers, body.map_or(&JsValue::UNDEFINED, Body::as_js))?;
    Ok(response(Settled::of(&sent)))
}

async fn response(sent: Settled) -> Result<Response, Fault> {
    Ok(Response(sent.await?.unchecked_into()))
}

fn array(names: &[&str]) -> JsValue {
    names.iter().map(|name| JsValue::from_str(name)).collect::<Array>().into()
}
