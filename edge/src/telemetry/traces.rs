//! A request's place in a trace, and its spans: what is noted while it is served, and where they wait in this isolate. What
//! they hold, `sluice_protocol::telemetry::trace` says; who exports them, `hop/traces.rs`.

use crate::platform::respond::HeaderList;
use crate::platform::{self, isolate_local, random};
use crate::telemetry::measures;
use sluice_protocol::measures::request::Broken;
use sluice_protocol::telemetry::trace::parent::{SpanId, TraceId, Traceparent, passes_state};
use sluice_protocol::telemetry::trace::queue::{Pace, Queue};
use sluice_protocol::telemetry::trace::setting::Export;
use sluice_protocol::telemetry::trace::span::{Kind, Span};
use sluice_protocol::time::Millis;
use sluice_protocol::wire::header;
use std::cell::RefCell;
use std::rc::Rc;

/// What is noted for the span of a request that is served.
pub struct Open {
    pub(super) under: Rc<Under>,
    /// The caller's span.
    parent: Option<SpanId>,
    kind: Kind,
    pub(super) account: String,
    pub(super) limits: Vec<String>,
    pub(super) cache: Option<&'static str>,
    /// Whether its caller was told of an answer before that came to its end.
    pub(super) has_begun: bool,
}

/// What the spans of a request are under.
pub struct Under {
    /// The trace, the request's own span, and whether both are exported.
    here: Traceparent,
    /// What others in the trace have to say of it.
    state: Option<String>,
}

impl Open {
    /// Of a request whose headers are these. It goes on in its caller's trace, if it names one, or begins one.
    pub(super) fn new(export: &Export, kind: Kind, header: &dyn Fn(&'static str) -> Option<String>) -> Self {
        let caller = header(header::TRACEPARENT).and_then(|text| Traceparent::parse(&text));
        let state = caller.and_then(|_| header(header::TRACESTATE)).filter(|text| passes_state(text));
        let trace = caller.map_or_else(|| TraceId::of(random()), |caller| caller.trace);
        let here = Traceparent { trace, span: SpanId::of(random()), is_sampled: export.share.takes(trace) };
        Self {
            under: Rc::new(Under { here, state }),
            parent: caller.map(|caller| caller.span),
            kind,
            account: String::new(),
            limits: Vec::new(),
            cache: None,
            has_begun: false,
        }
    }

    /// Whether anything of it is exported.
    pub(super) fn is_sampled(&self) -> bool {
        self.under.here.is_sampled
    }

    /// Its span, which began at this time and ends now.
    pub(super) fn span(&self, path: &str, since: Millis) -> Span {
        let what = if self.kind == Kind::Server { "POST" } else { "JOB" };
        let span = self.under.span(self.kind, format!("{what} {path}"), since);
        Span { id: self.under.here.span, parent: self.parent, ..span }
    }
}

impl Under {
    /// A span below the request's, which began at this time and ends now.
    fn span(&self, kind: Kind, name: String, start: Millis) -> Span {
        Span {
            trace: self.here.trace,
            id: SpanId::of(random()),
            parent: Some(self.here.span),
            state: self.state.clone(),
            kind,
            name,
            start,
            end: platform::now(),
            attributes: Vec::new(),
            has_failed: false,
        }
    }

    /// Its Gate was asked at this time, and has answered; or why it has not.
    pub(super) fn gate_asked(&self, since: Millis, failed: Option<&'static str>) {
        if self.here.is_sampled {
            let mut span = self.span(Kind::Internal, "gate".to_owned(), since);
            if let Some(why) = failed {
                span.word("error.type", why);
                span.has_failed = true;
            }
            put(span);
        }
    }
}

/// What origins are told of a request's trace.
#[derive(Default)]
pub enum Onward {
    /// Nothing: nobody has told of any.
    #[default]
    Nothing,
    /// What its caller has sent, as it is: this deployment exports nothing.
    Passed {
        /// Which is valid.
        traceparent: String,
        /// As far as it is passed on.
        tracestate: Option<String>,
    },
    /// That it comes from a span of ours.
    Ours(Rc<Under>),
}

impl Onward {
    /// What a caller has sent, if it is valid.
    pub(super) fn passed(traceparent: Option<&str>, header: &dyn Fn(&'static str) -> Option<String>) -> Self {
        match traceparent.filter(|text| Traceparent::parse(text).is_some()) {
            Some(traceparent) => Self::Passed {
                traceparent: traceparent.to_owned(),
                tracestate: header(header::TRACESTATE).filter(|text| passes_state(text)),
            },
            None => Self::Nothing,
        }
    }

    /// A try at an origin, which begins now: its name among several, its URL, and what of it is asked.
    pub fn leg(&self, origin: Option<&str>, url: &str, path: &'static str) -> Leg {
        match self {
            Self::Nothing => Leg::default(),
            Self::Passed { traceparent, tracestate } => Leg::telling(traceparent.clone(), tracestate.clone()),
            Self::Ours(under) => {
                let mut span = under.span(Kind::Client, format!("POST {path}"), platform::now());
                let traceparent = Traceparent { span: span.id, ..under.here }.to_string();
                let mut leg = Leg::telling(traceparent, under.state.clone());
                if !under.here.is_sampled {
                    return leg;
                }
                span.word("http.request.method", "POST");
                span.word("url.template", path);
                let (host, port) = host_and_port(url);
                span.name("server.address", host);
                span.number("server.port", port.into());
                span.name("sluice.origin", origin.unwrap_or_default());
                leg.span = Some(Box::new(span));
                leg
            }
        }
    }
}

/// One try at an origin. Its span ends when this is dropped: also where nobody waits for it any more.
#[derive(Default)]
pub struct Leg {
    traceparent: Option<String>,
    tracestate: Option<String>,
    span: Option<Box<Span>>,
    /// Whether it is known what became of it.
    is_over: bool,
}

impl Leg {
    /// One without a span.
    fn telling(traceparent: String, tracestate: Option<String>) -> Self {
        Self { traceparent: Some(traceparent), tracestate, span: None, is_over: false }
    }

    /// What the origin is told.
    pub fn tell(&self, headers: &mut HeaderList) {
        if let Some(traceparent) = &self.traceparent {
            headers.set(header::TRACEPARENT, traceparent);
        }
        if let Some(tracestate) = &self.tracestate {
            headers.set(header::TRACESTATE, tracestate);
        }
    }

    /// It has answered with this status.
    pub fn answered(&mut self, status: u16) {
        self.is_over = true;
        if let Some(span) = &mut self.span {
            span.number("http.response.status_code", status.into());
        }
    }

    /// It has failed, by the code of what its caller would be told; or the caller had left.
    pub fn failed(&mut self, code: &'static str, has_left: bool) {
        self.is_over = true;
        if let Some(span) = &mut self.span {
            span.word("error.type", if has_left { LEFT } else { code });
            span.has_failed = !has_left;
        }
    }

    /// Its answer did not come to its end.
    pub fn broken(&mut self, broken: Option<Broken>) {
        match broken {
            Some(Broken::Left) => self.failed(LEFT, true),
            Some(Broken::Refused(reason)) => self.failed(reason.row().code, false),
            None => {}
        }
    }
}

impl Drop for Leg {
    fn drop(&mut self) {
        if let Some(mut span) = self.span.take() {
            span.end = platform::now();
            if !self.is_over {
                // Another origin was faster.
                span.word("error.type", "given_up");
            }
            put(*span);
        }
    }
}

/// The host of an origin's URL, and its port. It has been read: it has a host.
fn host_and_port(url: &str) -> (&str, u16) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let authority = rest.split('/').next().unwrap_or_default();
    let default = if scheme == "http" { 80 } else { 443 }; // not a status: ports
    match authority.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?))) {
        Some(parts) => parts,
        None => (authority, default),
    }
}

/// Adds a span to those that wait.
pub(super) fn put(span: Span) {
    QUEUE.with_borrow_mut(|queue| queue.put(span));
}

/// Whether whoever asks is to send, and when. See [`Queue::begin`].
pub fn begin() -> Option<Pace> {
    counted(|queue| queue.begin(platform::now()))
}

/// The same for an object. See [`Queue::begin_now`].
pub fn begin_now() -> Option<Pace> {
    counted(|queue| queue.begin_now(measures::is_idle(), platform::now()))
}

/// What is to be sent. See [`Queue::take`].
pub fn take(pace: Pace) -> Vec<Span> {
    QUEUE.with_borrow_mut(|queue| queue.take(pace, platform::now()))
}

/// It was, but for so many. See [`Queue::sent`].
pub fn sent(pace: Pace, lost: u64, goes_on: bool) -> bool {
    counted(|queue| queue.sent(pace, lost, goes_on, platform::now()))
}

/// Does this, and counts what was dropped since.
fn counted<T>(act: impl FnOnce(&mut Queue) -> T) -> T {
    let (done, dropped) = QUEUE.with_borrow_mut(|queue| (act(queue), queue.take_dropped()));
    measures::spans_dropped(dropped);
    done
}

isolate_local! {
    static QUEUE: RefCell<Queue> = RefCell::default();
}

/// What is told of what became of nothing, because nobody waited for it.
const LEFT: &str = "left";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_told_by_its_host_and_its_port() {
        for (url, told) in [
            ("https://origin.example", ("origin.example", 443)), // not a status: a port
            ("http://127.0.0.1:8081", ("127.0.0.1", 8081)),
            ("https://a.example/base", ("a.example", 443)), // not a status: a port
            ("http://[::1]", ("[::1]", 80)),
            ("http://[::1]:9", ("[::1]", 9)),
        ] {
            assert_eq!(host_and_port(url), told, "{url}");
        }
    }
}
