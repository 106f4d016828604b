//! What files and batches have in common: who may have any, and how they are told.

use super::models;
use crate::auth::principal::Principal;
use crate::call::{Call, Known};
use crate::config::JobSettings;
use crate::hop::jobs::unavailable;
use crate::limit;
use crate::platform::{Response, respond};
use serde_json::Value;
use sluice_protocol::hop::gate_call::Caller;
use sluice_protocol::jobs::call::JobsAnswer;
use sluice_protocol::jobs::owner::Owner;
use sluice_protocol::refusal::{Reason, Refusal};

/// Whoever asks, whom its Gate has let in.
pub(super) struct Maker {
    /// Who, and by which plans.
    pub(super) known: Known,
}

/// Whoever asks. Nothing is counted, and its Gate says whether it is let in.
pub(super) async fn maker(call: &Call<'_>) -> Result<Maker, Refusal> {
    let known = call.caller().await?;
    known.principal.check(None, None)?;
    limit::identify(call.env, &known.table, &known.principal, None).await?;
    Ok(Maker { known })
}

/// What jobs are set to. Refuses where there are none.
pub(super) fn served(call: &Call<'_>) -> Result<JobSettings, Refusal> {
    if call.config.jobs.kept_ms == 0 { Err(off()) } else { Ok(call.config.jobs) }
}

impl Maker {
    /// Whose what it makes is.
    pub(super) fn subject(&self) -> String {
        self.known.principal.subject()
    }

    /// In whose name lines are asked for: see [`owner`].
    pub(super) fn owner(&self) -> Result<Owner, Refusal> {
        owner(&self.known.principal)
    }
}

/// In whose name something is asked for later. Refuses who has a token: that ends, and nobody could say later whether
/// it would still be taken (docs/jobs.md says more).
pub(super) fn owner(principal: &Principal) -> Result<Owner, Refusal> {
    let is_short = matches!(principal.caller, Caller::Short { .. });
    if is_short || principal.account.name().starts_with("jwt:") {
        let message = "What is answered later is asked for with a key: a token may end before.";
        return Err(Refusal::new(Reason::NotAllowed, message));
    }
    Ok(Owner {
        account: principal.account.name().to_owned(),
        caller: principal.caller.clone(),
        key: principal.key,
        address: principal.address,
        permissions: principal.permissions.clone(),
        subject: principal.subject(),
    })
}

/// An answer in JSON.
pub(super) fn answer(call: &Call<'_>, value: &Value) -> Result<Response, Refusal> {
    models::answer(call.id, Vec::new(), respond::JSON, &value.to_string())
}

/// What a caller is told of an answer that is none to its question.
pub(super) fn other(answer: &JobsAnswer) -> Refusal {
    match answer {
        JobsAnswer::Full(full) => full.refusal(),
        JobsAnswer::Off => off(),
        _ => unavailable("the jobs answered another call than the one they were asked"),
    }
}

fn off() -> Refusal {
    Refusal::new(Reason::NotFound, "Files, batches and responses in the background are not served here.")
}
