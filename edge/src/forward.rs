//! forward: ticket -> signed grant + origin request with a deadline.

pub mod attempt;
pub mod ending;
pub mod pressure;
mod question;
pub mod spent;
mod wait;

pub use question::{Became, CANCEL_TIMEOUT_MS, again, became, cancel, get, probe, question};
pub use wait::Watch;

use crate::forward::attempt::Attempt;
use crate::forward::ending::Ending;
use crate::forward::pressure::Pressure;
use crate::forward::spent::Spent;
use crate::platform::deadline::Deadline;
use crate::platform::head::Head;
use crate::platform::respond::{self, HeaderList};
use crate::platform::sign::Signer;
use crate::platform::{self, Body, Response, Signal};
use crate::telemetry::traces::{Leg, Onward};
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::dialect::Dialect;
use sluice_protocol::forward::grant::{GrantClaims, body_hash};
use sluice_protocol::forward::report;
use sluice_protocol::hop::gate_call::Admission;
use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::refusal::{ErrorBody, Reason, Refusal};
use sluice_protocol::request::door::Door;
use sluice_protocol::request::drawing::Drawing;
use sluice_protocol::route::met::Met;
use sluice_protocol::time::Millis;
use sluice_protocol::wire::header;
use std::rc::Rc;
use wait::Waited;

/// Where requests are sent on, and how.
pub struct Origin {
    /// Its name among several, which is the audience of its grants.
    pub name: Option<String>,
    /// Without a slash at its end.
    pub url: String,
    /// The name of the binding that is the way to it, if there is one.
    pub binding: String,
    /// How long it may be silent before it answers, in milliseconds.
    pub timeout_ms: u32,
    /// How long it may be silent inside a stream, in milliseconds.
    pub idle_ms: u32,
    /// For grants: the newest key.
    pub signer: Rc<Signer>,
    /// Whether a head of a stream is waited for no longer than its first token should take.
    pub is_hedged: bool,
    /// How full it is.
    pub pressure: Pressure,
}

impl Origin {
    /// The only one, there, which is spoken to as this one is.
    pub fn only_at(&self, url: String) -> Self {
        let Self { timeout_ms, idle_ms, ref signer, .. } = *self;
        let (binding, signer) = (ONLY_BINDING.to_owned(), signer.clone());
        Self { name: None, url, binding, timeout_ms, idle_ms, signer, is_hedged: false, pressure: Pressure::default() }
    }
}

/// An admitted request: what must be settled.
pub struct Ticket {
    /// Which request, and which of its reservations.
    pub attempt: Attempt,
    /// Whose.
    pub account: AccountName,
    /// The key, or the account of those who have none.
    pub subject: String,
    /// What its Gate said.
    pub admission: Admission,
    /// Whether its Gate holds a lease for it.
    pub is_held: bool,
    /// Whether some limit tightens as the origin fills.
    pub watch_capacity: bool,
    /// Whether it takes idle time only.
    pub idle: bool,
    /// When it was made, which is before the origin could see the request.
    pub since: Millis,
    /// What origins before this one have computed for it.
    pub spent: Spent,
}

/// What the origin answers.
pub struct Reply {
    /// For its body.
    pub response: Response,
    /// What stands before the body.
    pub head: Head,
    /// Its span, which lasts as long as this.
    pub leg: Leg,
}

/// A request that the origin did not serve.
pub struct Failed {
    /// What the caller is told.
    pub refusal: Refusal,
    /// How its ticket is settled.
    pub ending: Ending,
    /// How many tokens its prompt has, if that is why.
    pub counted: Option<u32>,
    /// What it says of the origin.
    pub met: Met,
}

impl Failed {
    /// A request that met this.
    pub const fn new(refusal: Refusal, ending: Ending, met: Met) -> Self {
        Self { refusal, ending, counted: None, met }
    }
}

/// A request for an answer, as it is sent on.
#[derive(Clone, Copy)]
pub struct Outgoing<'a> {
    /// By which door it came.
    pub door: Door,
    /// Its body.
    pub body: &'a Body,
    /// Whether its answer comes in pieces.
    pub stream: bool,
    /// Which pictures it asks for, if it asks for any.
    pub drawing: Option<Drawing>,
    /// By what the origin knows a repetition of it.
    pub key: Option<&'a str>,
    /// Aborted when the caller leaves.
    pub left: &'a Signal,
    /// Who looks whether it waits in vain.
    pub watch: Option<&'a dyn Watch>,
    /// What the origin is told of its trace.
    pub trace: &'a Onward,
}

impl Outgoing<'_> {
    /// Whether it may be sent to a second origin where the first is slow to begin. Nobody draws a picture twice.
    pub const fn may_be_hedged(&self) -> bool {
        self.stream && self.drawing.is_none()
    }
}

/// Sends a request to generate on. Returns the origin's answer if it is one to relay; otherwise what the caller is told and how
/// the ticket is settled.
///
/// The answer's body ends with the lease at the latest: the deadline that is returned holds its timer.
pub async fn generate(origin: &Origin, ticket: &Ticket, outgoing: Outgoing<'_>) -> Result<(Reply, Deadline), Failed> {
    let Outgoing { door, body, stream, drawing, key, left, watch, trace } = outgoing;
    let accept = if stream { header::essence(Dialect::of(door.path()).stream()) } else { respond::JSON };
    let is_hedged = outgoing.may_be_hedged() && origin.is_hedged;
    let path = door.path();
    let mut leg = trace.leg(origin.name.as_deref(), &origin.url, path);
    let call = Call {
        body: Some(body),
        accept,
        is_hedged,
        drawing,
        key,
        left: Some(left),
        watch,
        leg: Some(&leg),
        ..Call::bare("POST", path)
    };
    let failed_with = |leg: &mut Leg, failed: &Failed| leg.failed(failed.refusal.reason.row().code, left.is_aborted());
    let sent = fetch(origin, ticket, call).await;
    let (mut reply, deadline) = sent.inspect_err(|failed| failed_with(&mut leg, failed))?;
    leg.answered(reply.head.status());
    if !reply.is_ok() {
        let failed = refused(&reply, &deadline).await;
        failed_with(&mut leg, &failed);
        return Err(failed);
    }
    reply.leg = leg;
    // What was silent for less than its lease has the rest of it.
    if origin.timeout_ms < lease_left(ticket) {
        deadline.set(lease_left(ticket));
    }
    Ok((reply, deadline))
}

/// What is sent to an origin, beside its grant.
struct Call<'a> {
    method: &'a str,
    path: &'a str,
    body: Option<&'a Body>,
    accept: &'a str,
    /// Whether its head is to say that its first token is there.
    is_hedged: bool,
    /// Which pictures it may draw.
    drawing: Option<Drawing>,
    /// By what a repetition is known.
    key: Option<&'a str>,
    left: Option<&'a Signal>,
    watch: Option<&'a dyn Watch>,
    /// What it is told of a trace.
    leg: Option<&'a Leg>,
}

impl<'a> Call<'a> {
    const fn bare(method: &'a str, path: &'a str) -> Self {
        Self {
            method,
            path,
            body: None,
            accept: respond::JSON,
            is_hedged: false,
            drawing: None,
            key: None,
            left: None,
            watch: None,
            leg: None,
        }
    }
}

async fn fetch(
    origin: &Origin,
    ticket: &Ticket,
    Call { method, path, body, accept, is_hedged, drawing, key, left, watch, leg }: Call<'_>,
) -> Result<(Reply, Deadline), Failed> {
    let internal = |error: String| {
        let refusal = Refusal::new(Reason::Internal, "The request could not be sent on.").with_detail(error);
        Failed::new(refusal, Ending::Certain(Outcome::NotServed), Met::Nothing)
    };
    let hash = body_hash(&body.map(Body::bytes).unwrap_or_default());
    let grant = grant(origin, ticket, hash, drawing).await.map_err(internal)?;
    let deadline = Deadline::new(left).map_err(|fault| internal(fault.to_string()))?;
    // Silence ends with the lease at the latest: nobody waits whose place is somebody else's.
    let silence = if body.is_some() { origin.timeout_ms } else { origin.timeout_ms.min(GET_TIMEOUT_MS) };
    let silence = silence.min(lease_left(ticket));
    deadline.set(silence);
    // The only headers that an origin sees: of the caller's, nothing but its place in a trace is passed on, and by what a
    // repetition is known.
    let mut headers = HeaderList::new();
    headers.set(header::GRANT, grant);
    headers.set("accept", accept);
    if body.is_some() {
        headers.set(header::CONTENT_TYPE, respond::JSON);
    }
    if is_hedged {
        headers.set(header::HEAD, header::FIRST_TOKEN);
    }
    if let Some(key) = key {
        headers.set(header::IDEMPOTENCY_KEY, key);
    }
    if let Some(leg) = leg {
        leg.tell(&mut headers);
    }
    let url = format!("{}{path}", origin.url);
    let sent = platform::fetch_from_origin(&origin.binding, &url, method, &headers.to_json(), body)
        .map_err(|fault| internal(fault.to_string()))?;
    match wait::for_head(&deadline, silence, watch, sent).await {
        Waited::Answered(response) => {
            let reply = Reply::new(response);
            match watch {
                Some(watch) => watch.saw(&reply.head),
                None if ticket.watch_capacity => origin.pressure.see(&reply.head),
                None => {}
            }
            Ok((reply, deadline))
        }
        Waited::Failed(fault) => {
            let refusal = failed(&format!("the origin cannot be reached: {fault}"));
            // It may have reached it all the same, and been worked on.
            Err(Failed::new(refusal, Ending::Ask(Outcome::NotServed), Met::Unreached))
        }
        Waited::InVain => {
            let refusal = failed("the origin took it and answers nobody");
            Err(Failed::new(refusal, Ending::Ask(Outcome::NotServed), Met::Silent))
        }
        Waited::Left => {
            let refusal = Refusal::new(Reason::OriginFailed, "The caller left.");
            Err(Failed::new(refusal, Ending::Ask(Outcome::Served(None)), Met::Nothing))
        }
        Waited::Silent => {
            let refusal = Refusal::new(Reason::OriginSilent, "The model server did not answer in time.")
                .with_detail(format!("silent for {silence} ms, or till the end of its lease"));
            // It may have worked all that time.
            Err(Failed::new(refusal, Ending::Ask(Outcome::Served(None)), Met::Silent))
        }
    }
}

/// How long the ticket's lease still lasts, in milliseconds.
pub fn lease_left(ticket: &Ticket) -> u32 {
    let left = ticket.admission.deadline.saturating_sub(platform::now());
    u32::try_from(left).unwrap_or(u32::MAX)
}

impl Reply {
    fn new(response: Response) -> Self {
        let head = response.head();
        Self { response, head, leg: Leg::default() }
    }

    fn is_ok(&self) -> bool {
        (200..300).contains(&self.head.status())
    }
}

/// The signed grant. It ends before the lease does, in whole seconds.
async fn grant(origin: &Origin, ticket: &Ticket, bh: String, img: Option<Drawing>) -> Result<String, String> {
    let claims = GrantClaims {
        jti: ticket.attempt.request().to_string(),
        sub: ticket.subject.clone(),
        acc: ticket.account.to_string(),
        plan: ticket.admission.plan.clone(),
        pri: ticket.admission.priority,
        tok: ticket.spent.left_of(ticket.admission.tokens),
        max: ticket.admission.max_tokens,
        inp: ticket.admission.max_prompt_tokens,
        exp: ticket.admission.deadline.saturating_sub(GRANT_MARGIN_MS) / 1000,
        bh,
        aud: origin.name.clone(),
        idle: ticket.idle,
        img,
    };
    origin.signer.sign(&claims).await
}

/// What to make of an answer of the origin that is not a success. Its own refusals pass, if they are ones that a caller
/// can do something about; everything else means that the two gates do not fit each other.
async fn refused(Reply { response, head, .. }: &Reply, deadline: &Deadline) -> Failed {
    let text = deadline.limit(read_text(response, MAX_REPORT_BYTES)).await.flatten().unwrap_or_default();
    let body = serde_json::from_str::<ErrorBody>(&text).ok();
    let reason = body.as_ref().and_then(|body| Reason::from_code(body.error.code.as_deref()?));
    let (Some(body), Some(reason)) = (body, reason) else {
        let refusal = failed(&format!("the origin answered {}", head.status()));
        return Failed::new(refusal, Ending::Ask(Outcome::NotServed), Met::Broken);
    };
    let wait = head.get(header::RETRY_AFTER_MS).and_then(|text| text.parse().ok());
    let met = Met::of_refusal(reason, wait);
    if !reason.passes_edge() {
        let refusal = failed(&format!("the origin refused: {}", body.error.message));
        let counted = head.get(header::PROMPT_TOKENS).and_then(|count| count.parse().ok());
        let counted = counted.filter(|_| reason == Reason::GrantTooSmall);
        // It did not take the request.
        return Failed { refusal, ending: Ending::Certain(Outcome::NotServed), counted, met };
    }
    let mut refusal = Refusal::new(reason, body.error.message);
    if let Some(param) = body.error.param {
        refusal = refusal.with_param(param);
    }
    if let Some(wait) = wait {
        refusal = refusal.with_retry_after_ms(wait);
    }
    let told = head.get(header::USAGE).and_then(report::read_brief);
    Failed::new(refusal, Ending::of_refusal(reason, told), met)
}

async fn read_text(response: &Response, max: u64) -> Option<String> {
    let body = Body::of_response(response, max).await.ok()?;
    String::from_utf8(body.bytes()).ok()
}

/// What a caller is told of an origin that broke.
pub fn failed(detail: &str) -> Refusal {
    Refusal::new(Reason::OriginFailed, "The model server failed. Try again.").with_detail(detail)
}

/// The name of the binding that is the way to the only origin, if there is one.
pub const ONLY_BINDING: &str = "ORIGIN";
/// The longest refusal of an origin that is read, and the longest report of what a request used, in bytes.
const MAX_REPORT_BYTES: u64 = 64 << 10;
/// How long the origin may be silent about itself: that needs no model.
const GET_TIMEOUT_MS: u32 = 10_000;
/// How long before its lease a grant ends, at least: the origin stops, and its last bytes still pass.
const GRANT_MARGIN_MS: u64 = 1_000;
