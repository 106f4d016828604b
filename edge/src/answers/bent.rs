//! A request as it is sent on after what was made of it, and what its answer says of that: which rungs, and whether the
//! answer was kept for the same question.

use crate::forward::Ticket;
use crate::platform::respond::HeaderList;
use crate::platform::{self, Body, Fault, Response, respond};
use sluice_protocol::dialect::Dialect;
use sluice_protocol::hop::gate_call::Admission;
use sluice_protocol::limit::degrade::Degraded;
use sluice_protocol::limit::standing::ratelimit;
use sluice_protocol::request::door::Door;
use sluice_protocol::request::restream::{restream, usage_apart};
use sluice_protocol::request::rewrite::{Rewrite, rewritten, with_degraded};
use sluice_protocol::request::static_answer::static_answer;
use sluice_protocol::wire::header;

/// A request as it is sent on.
pub struct Bent {
    /// Its body, if that is another one than its caller's.
    body: Option<Body>,
    /// Whether the origin is asked for pieces.
    pub stream: bool,
    /// The model that answers, if that is another one.
    pub model: Option<String>,
    /// What its answer says.
    pub told: Told,
}

/// What an answer says besides itself.
pub struct Told {
    door: Door,
    degraded: Option<Degraded>,
    /// Its caller wants pieces and the answer comes whole; whether usage is then told in a piece of its own.
    restream: Option<bool>,
    /// Whether it was kept for the same question.
    cache: Option<&'static str>,
}

impl Bent {
    /// What an admission makes of a request. `stream`: whether its caller wants pieces.
    pub fn of(door: Door, body: &Body, stream: bool, admission: &Admission) -> Self {
        let degraded = admission.degraded.as_deref().cloned();
        let done = degraded.clone().unwrap_or_default();
        let change = Rewrite { model: done.model.as_deref(), whole: done.no_stream, no_thinking: done.no_thinking };
        let changed = if change == Rewrite::default() { None } else { rewritten(door, &body.bytes(), change) };
        let is_whole = done.no_stream || done.static_answer;
        let restream = (stream && is_whole).then(|| usage_apart(&body.bytes()));
        Self {
            body: changed.map(|bytes| Body::of_bytes(&bytes)),
            stream: stream && !is_whole,
            model: done.model,
            told: Told { door, degraded, restream, cache: None },
        }
    }

    /// The same request after a second admission.
    pub fn again(&self, body: &Body, stream: bool, admission: &Admission) -> Self {
        let again = Self::of(self.told.door, body, stream, admission);
        Self { told: Told { cache: self.told.cache, ..again.told }, ..again }
    }

    /// A text in the place of an answer.
    pub fn said(&self, ticket: &Ticket, text: &str, model: &str) -> Result<Response, Fault> {
        let (door, request) = (self.told.door, ticket.attempt.request());
        let answer = static_answer(door, text, model, request, platform::now());
        self.told.made_here(ticket, &answer.ok_or("a door's answers are no texts")?)
    }

    /// Its body; `own` is its caller's.
    pub fn body<'a>(&'a self, own: &'a Body) -> &'a Body {
        self.body.as_ref().unwrap_or(own)
    }

    /// Whether no model is asked.
    pub fn is_static(&self) -> bool {
        self.told.degraded.as_ref().is_some_and(|degraded| degraded.static_answer)
    }
}

impl Told {
    /// By which door it goes.
    pub const fn door(&self) -> Door {
        self.door
    }

    /// With whether it was kept for the same question.
    pub const fn cached(&mut self, cache: &'static str) {
        self.cache = Some(cache);
    }

    /// With whether it was kept for the same question, where that was looked for.
    pub const fn cache(&self) -> Option<&'static str> {
        self.cache
    }

    /// A whole answer, for a caller that wants pieces.
    pub fn in_pieces(&mut self, usage_apart: bool) {
        self.restream = Some(usage_apart);
    }

    /// The headers of an answer that is passed on: with how its caller's limits stand, and what was made of its request.
    pub fn headers(&self, ticket: &Ticket) -> HeaderList {
        let (mut headers, admission) = (HeaderList::new(), &ticket.admission);
        headers.set(header::REQUEST_ID, ticket.attempt.request().to_string());
        let told = ratelimit::headers(&admission.standings, admission.now);
        for (name, value) in Dialect::of(self.door.path()).headers(told, admission.now) {
            headers.set(name, value);
        }
        if let Some(degraded) = &self.degraded {
            headers.set(header::DEGRADED, degraded.to_string());
        }
        if let Some(cache) = self.cache {
            headers.set(header::CACHE, cache);
        }
        headers
    }

    /// A whole answer as its caller is told it: in pieces, if it wants that.
    pub fn whole(&self, status: u16, mut headers: HeaderList, answer: &Body) -> Result<Response, Fault> {
        let changed = self.degraded.as_ref().map(|degraded| with_degraded(&answer.bytes(), &degraded.steps()));
        let Some(usage_apart) = self.restream else {
            let changed = changed.map(|bytes| Body::of_bytes(&bytes));
            return Response::of_body(status, &headers.to_json(), changed.as_ref().unwrap_or(answer));
        };
        let whole = changed.unwrap_or_else(|| answer.bytes());
        headers.set(header::CONTENT_TYPE, Dialect::of(self.door.path()).stream());
        headers.set(header::CACHE_CONTROL, "no-cache");
        match restream(self.door, &whole, usage_apart) {
            Some(stream) => Response::of_body(status, &headers.to_json(), &Body::of_bytes(&stream)),
            None => Err("an origin's whole answer is none of its door's".into()),
        }
    }

    /// An answer in pieces that are all there.
    pub fn pieces(&self, mut headers: HeaderList, answer: &Body) -> Result<Response, Fault> {
        headers.set(header::CACHE_CONTROL, "no-cache");
        Response::of_body(OK, &headers.to_json(), answer)
    }

    /// A whole answer that is made here.
    pub fn made_here(&self, ticket: &Ticket, answer: &str) -> Result<Response, Fault> {
        let mut headers = self.headers(ticket);
        headers.set(header::CONTENT_TYPE, respond::JSON);
        self.whole(OK, headers, &Body::of_bytes(answer.as_bytes()))
    }
}

/// The status of an answer.
pub const OK: u16 = 200;
