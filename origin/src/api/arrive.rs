//! request, as it comes in: a place in its line, its grant used up, and the body that the grant is for.

use crate::api::body::{check_head, read};
use crate::api::call::Call;
use crate::engine::job_state::JobState;
use crate::queue::{Lane, Place, Rank};
use crate::settle::live::LiveRequest;
use axum::body::Body;
use bytes::Bytes;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::door::Door;
use std::sync::Arc;

/// A request that has come in.
pub(crate) struct Arrived {
    /// In its line; it may have its slot already.
    pub(crate) place: Place,
    /// Says that it is over when it is dropped.
    pub(crate) live: LiveRequest,
    /// Where its progress is written, and whether to stop is read.
    pub(crate) state: Arc<JobState>,
    /// Whole, and the one that was granted.
    pub(crate) body: Bytes,
}

/// Takes a request in. Refuses one for which its line has no place, one whose grant was used, and a body that is too large, too
/// slow or another one.
pub(crate) async fn arrive(door: Door, call: &Call<'_>, body: &mut Body, lane: Lane) -> Result<Arrived, Refusal> {
    let Call { shared, parts, caller, trace, .. } = *call;
    check_head(door.path(), &parts.headers, shared.config.max_body)?;
    // A place before the first byte of the body: whoever is refused has cost nothing.
    let rank = caller.claims.as_ref().map_or(Rank::Live(0), Rank::of);
    let place = shared.queue.ask(lane, caller.account(), rank, caller.deadline)?;
    // Only who has a place uses its grant up: a caller that was refused may come back with it.
    caller.claim(shared)?;
    let (live, state) = shared.live.enter(caller.id, caller.account())?;
    trace.runs_as(&state);
    let body = read(body, &shared.config).await?;
    caller.check_body(&body)?;
    Ok(Arrived { place, live, state, body })
}
