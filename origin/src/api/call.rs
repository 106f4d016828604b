//! One call: who sent it, and what the routes with grants have in common.

use crate::api::body::discard;
use crate::api::respond::{Granted, refuse_in, stamp, tell_usage};
use crate::grant;
use crate::models::{Loaded, Models};
use crate::settle::traces::told::Head;
use crate::settle::traces::trace::Trace;
use crate::state::Shared;
use crate::system::{now_millis, random_bytes};
use axum::body::Body;
use axum::http::header::{HeaderMap, HeaderValue};
use axum::http::request::Parts;
use axum::response::Response;
use sluice_protocol::forward::grant::GrantClaims;
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::door::Door;
use sluice_protocol::wire::header;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{Instrument, Span, info_span};

/// A caller, as its grant names it; or anybody, on an open origin.
pub(crate) struct Caller {
    /// Which request.
    pub(crate) id: RequestId,
    /// What its grant says; nothing on an open origin.
    pub(crate) claims: Option<GrantClaims>,
    /// When its head had come.
    pub(crate) arrived: Instant,
    /// Until when it may take.
    pub(crate) deadline: Option<Instant>,
}

/// One call on its way: what a step needs to know.
pub(crate) struct Call<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) models: &'a Models,
    pub(crate) parts: &'a Parts,
    pub(crate) caller: &'a Caller,
    /// What is told of it, if it came to a door.
    pub(crate) trace: &'a Trace,
}

impl<'a> Call<'a> {
    /// The model of this name, if it is served.
    pub(crate) fn model(&self, name: &str) -> Result<&'a Arc<Loaded>, Refusal> {
        self.models.wanted(name, self.caller.is_open())
    }
}

/// What the routes with grants have in common: the origin serves, the caller is known, a refusal leaves no body behind, and
/// what comes to a door is told as a trace. Nobody is believed a `traceparent` before a grant.
pub(crate) async fn walk<F>(
    shared: &Arc<Shared>,
    parts: &Parts,
    mut body: Body,
    door: Option<Door>,
    step: F,
) -> Response
where
    F: AsyncFnOnce(Call<'_>, &mut Body) -> Result<Response, Refusal>,
{
    let span = info_span!("request", id = tracing::field::Empty);
    let mut id = None;
    let mut trace = Trace::off();
    let outcome = async {
        let models = shared.serving()?;
        let caller = caller(shared, &parts.headers)?;
        id = Some(caller.id);
        Span::current().record("id", tracing::field::display(caller.id));
        if let (Some(door), Some(traces)) = (door, &shared.traces) {
            let head = Head { id: caller.id, route: door.path(), arrived: caller.arrived };
            trace = traces.begin(&head, &parts.headers);
        }
        step(Call { shared, models, parts, caller: &caller, trace: &trace }, &mut body).await
    }
    .instrument(span.clone())
    .await;
    let mut response = outcome.unwrap_or_else(|refusal| {
        trace.refused(&refusal);
        discard(&parts.headers, body, shared.config.max_body);
        let dialect = shared.dialect(parts.uri.path());
        let mut response = span.in_scope(|| refuse_in(dialect, &refusal, id));
        // Of a request whose engine has not let go yet the edge asks.
        if let Some(usage) = id.and_then(|id| shared.live.final_usage(id)) {
            tell_usage(&mut response, usage);
        }
        response
    });
    trace.head(response.status().as_u16());
    if let Some(id) = id {
        stamp(&mut response, id, shared.capacity());
        if shared.verifier.is_some() {
            response.extensions_mut().insert(Granted);
        }
    }
    response
}

/// Who calls, by its grant.
pub(crate) fn caller(shared: &Shared, headers: &HeaderMap) -> Result<Caller, Refusal> {
    let _span = info_span!("grant").entered();
    let arrived = Instant::now();
    let Some(verifier) = &shared.verifier else {
        return Ok(Caller { id: RequestId(random_bytes()), claims: None, arrived, deadline: None });
    };
    let now = now_millis();
    let grant = headers.get(header::GRANT).map(HeaderValue::as_bytes);
    let (claims, id) = verifier.verify(grant, now)?;
    let deadline = arrived + Duration::from_millis(claims.deadline_ms().saturating_sub(now));
    Ok(Caller { id, claims: Some(claims), arrived, deadline: Some(deadline) })
}

impl Caller {
    /// Uses the grant up.
    pub(crate) fn claim(&self, shared: &Shared) -> Result<(), Refusal> {
        match (&shared.verifier, &self.claims) {
            (Some(verifier), Some(claims)) => verifier.claim(self.id, claims.deadline_ms(), now_millis()),
            _ => Ok(()),
        }
    }

    /// Whether nobody vouches for it: everything here is there for everybody.
    pub(crate) const fn is_open(&self) -> bool {
        self.claims.is_none()
    }

    /// Whose it is; on an open origin everybody is one.
    pub(crate) fn account(&self) -> &str {
        self.claims.as_ref().map_or("", |claims| &claims.acc)
    }

    /// Refuses a body that is not the one that the grant is for.
    pub(crate) fn check_body(&self, body: &[u8]) -> Result<(), Refusal> {
        self.claims.as_ref().map_or(Ok(()), |claims| grant::check_body(claims, body))
    }
}
