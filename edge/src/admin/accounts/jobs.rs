//! `/admin/v1/jobs/{account}`: an account's jobs, and the end of a batch of its. What is in them is shown to nobody.

use crate::admin::accounts;
use crate::admin::call::{AdminCall, MAX_BODY};
use crate::call::Answered;
use crate::hop::gate::unavailable;
use crate::hop::jobs;
use crate::platform::respond;
use sluice_protocol::admin::audit::AuditAction;
use sluice_protocol::admin::jobs::{BatchView, JobsView, batch_to_end};
use sluice_protocol::admin::{RegistryAnswer, RegistryCall};
use sluice_protocol::jobs::batch::{cannot_cancel, no_batch};
use sluice_protocol::jobs::call::{JobsAnswer, JobsCall, Overview};
use sluice_protocol::refusal::Refusal;

/// How many there are, and how far its batches are.
pub(in crate::admin) async fn view(call: &AdminCall<'_>, account: &str) -> Answered {
    let account = accounts::parse(account)?;
    let overview = match jobs::ask(call.env, &account, &JobsCall::Overview).await? {
        JobsAnswer::Overview(overview) => *overview,
        // Nothing is kept anywhere.
        JobsAnswer::Off => Overview::default(),
        _ => return Err(not_asked()),
    };
    Ok(respond::json(200, &JobsView::new(account.name(), &overview), call.id))
}

/// Ends a batch, whoever made it: lines that were sent are waited for. The log tells that it was wanted, before it is.
pub(in crate::admin) async fn cancel(call: &AdminCall<'_>, account: &str) -> Answered {
    let account = accounts::parse(account)?;
    let batch = batch_to_end(&call.body(MAX_BODY).await?)?;
    let note = call.note(AuditAction::BatchCancel, &account).with("batch", batch.to_string());
    match call.record(note, RegistryCall::OnlyNote).await? {
        RegistryAnswer::Done(_) => {}
        _ => return Err(unavailable("the Registry gave another answer than to a note")),
    }
    match jobs::ask(call.env, &account, &JobsCall::EndBatch { batch }).await? {
        JobsAnswer::Batch(batch) => Ok(respond::json(200, &BatchView::new(&batch), call.id)),
        JobsAnswer::Missing | JobsAnswer::Off => Err(no_batch()),
        JobsAnswer::NotCancelled(status) => Err(cannot_cancel(status)),
        _ => Err(not_asked()),
    }
}

fn not_asked() -> Refusal {
    jobs::unavailable("the jobs answered another call than the one they were asked")
}
