//! `/v1/batches`: requests of a file that are answered when there is time. They are for whoever made them.

use super::jobs::{answer, maker, other, served};
use crate::call::Call;
use crate::hop::jobs;
use crate::platform::{Response, random};
use crate::request;
use crate::request::path::path_and_query;
use sluice_protocol::jobs::ask::{CreateBatch, ListQuery};
use sluice_protocol::jobs::batch::{NewBatch, cannot_cancel, no_batch};
use sluice_protocol::jobs::call::{JobsAnswer, JobsCall};
use sluice_protocol::jobs::file::no_file;
use sluice_protocol::jobs::name::BatchId;
use sluice_protocol::jobs::tell;
use sluice_protocol::refusal::Refusal;

/// Makes one. Its file is read later, and what is wrong with it is told in its `errors`.
pub async fn create(call: &Call<'_>) -> Result<Response, Refusal> {
    let maker = maker(call).await?;
    served(call)?;
    request::require_json(call.incoming)?;
    let body = request::body(call.incoming, call.config.bodies, MAX_BODY.min(call.config.bodies.max)).await?;
    let CreateBatch { input, door, metadata } = CreateBatch::parse(&body.bytes())?;
    let owner = maker.owner()?;
    let asked = NewBatch { id: BatchId(random()), owner, door, input, metadata };
    match jobs::ask(call.env, &maker.known.principal.account, &JobsCall::CreateBatch(Box::new(asked))).await? {
        JobsAnswer::Batch(batch) => answer(call, &tell::batch(&batch)),
        JobsAnswer::Missing => Err(no_file().with_param("input_file_id")),
        unexpected => Err(other(&unexpected)),
    }
}

/// Lists them.
pub async fn list(call: &Call<'_>) -> Result<Response, Refusal> {
    let maker = maker(call).await?;
    let ListQuery { page, .. } = ListQuery::parse(path_and_query(call.incoming.head.url()).1, BatchId::parse)?;
    let asked = JobsCall::ListBatches { subject: maker.subject(), page };
    match jobs::ask(call.env, &maker.known.principal.account, &asked).await? {
        JobsAnswer::Batches(listed) => answer(call, &tell::list(&listed, tell::batch)),
        unexpected => Err(other(&unexpected)),
    }
}

/// Describes one.
pub async fn one(call: &Call<'_>, id: &str) -> Result<Response, Refusal> {
    let maker = maker(call).await?;
    let batch = BatchId::parse(id).ok_or_else(no_batch)?;
    let asked = JobsCall::GetBatch { batch, subject: maker.subject() };
    told(call, jobs::ask(call.env, &maker.known.principal.account, &asked).await?)
}

/// Ends one: what was sent is waited for.
pub async fn cancel(call: &Call<'_>, id: &str) -> Result<Response, Refusal> {
    let maker = maker(call).await?;
    let batch = BatchId::parse(id).ok_or_else(no_batch)?;
    let asked = JobsCall::CancelBatch { batch, subject: maker.subject() };
    told(call, jobs::ask(call.env, &maker.known.principal.account, &asked).await?)
}

fn told(call: &Call<'_>, answered: JobsAnswer) -> Result<Response, Refusal> {
    match answered {
        JobsAnswer::Batch(batch) => answer(call, &tell::batch(&batch)),
        JobsAnswer::Missing => Err(no_batch()),
        JobsAnswer::NotCancelled(status) => Err(cannot_cancel(status)),
        unexpected => Err(other(&unexpected)),
    }
}

/// The longest body that makes a batch, in bytes.
const MAX_BODY: u64 = 64 << 10;
