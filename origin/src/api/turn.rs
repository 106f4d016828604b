//! queue, as a handler sees it: the wait for a slot.

use crate::engine::job_state::JobState;
use crate::queue::{Permit, Place};
use crate::settle::live::cancelled;
use sluice_protocol::refusal::Refusal;
use std::sync::Arc;

/// Waits for the slot, unless the request is cancelled before.
pub(crate) async fn turn(place: Place, state: Arc<JobState>) -> Result<Permit, Refusal> {
    tokio::select! {
        biased;
        () = state.cancelled() => Err(cancelled()),
        permit = place.ready() => permit,
    }
}
