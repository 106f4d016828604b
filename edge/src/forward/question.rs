//! What an origin is asked besides requests: what it has, what became of a request, and whether it is ready.

use super::{Call, MAX_REPORT_BYTES, Origin, Reply, Ticket, failed, fetch, read_text, refused};
use crate::forward::attempt::Attempt;
use crate::forward::spent::Spent;
use crate::platform::deadline::Deadline;
use crate::platform::{self, random, respond};
use sluice_protocol::forward::report::{RequestReport, RequestStatus};
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::chat::Used;
use sluice_protocol::route::door::Probe;
use sluice_protocol::time::Millis;
use sluice_protocol::wire::header;

/// Sends a request without a body on and returns the answer's text if the origin says yes.
pub async fn get(origin: &Origin, ticket: &Ticket, path: &str) -> Result<String, Refusal> {
    let (reply, deadline) = fetch(origin, ticket, Call::bare("GET", path)).await.map_err(|failed| failed.refusal)?;
    if !reply.is_ok() {
        return Err(refused(&reply, &deadline).await.refusal);
    }
    let text = deadline.limit(read_text(&reply.response, MAX_LIST_BYTES)).await;
    text.flatten().ok_or_else(|| failed("the origin's answer broke off, or is too long"))
}

/// Ends a request that broke off, if it still runs, and asks what it used; one that the origin has not seen is
/// refused there from now on. `None` if the origin cannot tell, or not within so many milliseconds.
pub async fn cancel(origin: &Origin, ticket: &Ticket, within: u32) -> Option<Used> {
    let deadline = Deadline::new(None).ok()?;
    deadline.set(within);
    let report = deadline.limit(cancelled(origin, ticket)).await.flatten()?;
    report.final_usage(platform::now().saturating_sub(ticket.since))
}

/// What became of a request at an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// It has ended, has used this, and was answered to its end or not.
    Ended(Used, bool),
    /// The origin knows nothing of it, and takes it no more.
    Unseen,
    /// Nobody can say yet.
    Unknown,
}

/// [`cancel`] for a request that may be at any of several origins, and whose answer may have been lost.
pub async fn became(origin: &Origin, ticket: &Ticket, within: u32) -> Became {
    let Ok(deadline) = Deadline::new(None) else { return Became::Unknown };
    deadline.set(within);
    match deadline.limit(cancelled(origin, ticket)).await.flatten() {
        Some(report) => match report.status {
            RequestStatus::Ended => Became::Ended(report.used(), report.complete == Some(true)),
            RequestStatus::Unseen => Became::Unseen,
            RequestStatus::Ending => Became::Unknown,
        },
        None => Became::Unknown,
    }
}

async fn cancelled(origin: &Origin, ticket: &Ticket) -> Option<RequestReport> {
    let path = format!("/v1/requests/{}", ticket.attempt.request());
    // The request's time may be over.
    let question = question(ticket, platform::now() + Millis::from(CANCEL_TIMEOUT_MS));
    let (reply, deadline) = fetch(origin, &question, Call::bare("DELETE", &path)).await.ok()?;
    let is_json = reply.head.get(header::CONTENT_TYPE).is_some_and(|kind| header::essence(kind) == respond::JSON);
    if !reply.is_ok() || !is_json {
        return None;
    }
    let text = deadline.limit(read_text(&reply.response, MAX_REPORT_BYTES)).await??;
    serde_json::from_str(&text).ok()
}

/// A question of its own about a ticket's request, or in its name: a grant is good for one call.
pub fn question(ticket: &Ticket, deadline: Millis) -> Ticket {
    let mut admission = ticket.admission.clone();
    admission.deadline = deadline;
    Ticket {
        attempt: Attempt::first(RequestId(random())),
        account: ticket.account.clone(),
        subject: ticket.subject.clone(),
        admission,
        is_held: false,
        watch_capacity: false,
        idle: false,
        since: ticket.since,
        spent: Spent::default(),
    }
}

/// A ticket of the same request, for who asks what became of it when its own is gone.
pub fn again(ticket: &Ticket, deadline: Millis) -> Ticket {
    Ticket { attempt: ticket.attempt, ..question(ticket, deadline) }
}

/// Asks an origin whether it would serve requests now. That takes no grant.
pub async fn probe(origin: &Origin, within: u32) -> Probe {
    let url = format!("{}/ready", origin.url);
    let sent = platform::fetch_from_origin(&origin.binding, &url, "GET", "{}", None);
    let (Ok(sent), Ok(deadline)) = (sent, Deadline::new(None)) else { return Probe::Dead };
    deadline.set(within);
    match deadline.limit(sent).await {
        Some(Ok(response)) => match Reply::new(response).is_ok() {
            true => Probe::Ready,
            false => Probe::NotReady,
        },
        Some(Err(_)) | None => Probe::Dead,
    }
}

/// The longest list of models.
const MAX_LIST_BYTES: u64 = 1 << 20;
/// How long an origin may take to end a request and tell what it used: longer than it waits for its engine.
pub const CANCEL_TIMEOUT_MS: u32 = 6_000;
