//! `DELETE /v1/requests/{id}`.

use crate::api::body::{DISCARD_BYTES, discard};
use crate::api::call::caller;
use crate::api::respond::{json, refuse};
use crate::state::Shared;
use axum::extract::{Request, State};
use axum::response::Response;
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::{Reason, Refusal};
use std::sync::Arc;

/// Ends a request by its id, and tells what it used. Works while the origin drains, too: those who leave then are settled.
pub(crate) async fn cancel(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    discard(&parts.headers, body, DISCARD_BYTES);
    let outcome = async {
        let caller = caller(&shared, &parts.headers)?;
        caller.claim(&shared)?;
        caller.check_body(&[])?;
        let id = parts.uri.path().rsplit('/').next().and_then(RequestId::parse);
        let report = match id {
            Some(id) => shared.live.cancel(id, caller.account()).await,
            None => None,
        };
        report.ok_or_else(|| Refusal::new(Reason::NotFound, "There is no such request of this account."))
    };
    outcome.await.map_or_else(|refusal| refuse(&refusal), |report| json(&report))
}
