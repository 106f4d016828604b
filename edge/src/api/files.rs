//! `/v1/files`: files with the lines of batches, and with what came of them. They are for whoever made them.

use super::jobs::{Maker, answer, maker, other, served};
use crate::call::{Answered, Call};
use crate::hop::jobs::{self, unavailable};
use crate::platform::respond::HeaderList;
use crate::platform::{Body, Response, random};
use crate::request;
use crate::request::path::path_and_query;
use sluice_protocol::jobs::ask::ListQuery;
use sluice_protocol::jobs::call::{JobsAnswer, JobsCall};
use sluice_protocol::jobs::file::upload::{FORM_BYTES, Upload};
use sluice_protocol::jobs::file::{PART_BYTES, Purpose, StoredFile, no_file};
use sluice_protocol::jobs::name::FileId;
use sluice_protocol::jobs::tell;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::wire::header;

/// Takes a file, part by part: no message is longer than a row of the object's.
pub async fn upload(call: &Call<'_>) -> Result<Response, Refusal> {
    let maker = maker(call).await?;
    let most = served(call)?.file_bytes;
    let body = request::body(call.incoming, call.config.bodies, most.saturating_add(FORM_BYTES)).await?.bytes();
    let kind = call.incoming.rest().get(header::CONTENT_TYPE).unwrap_or_default();
    let Upload { name, content } = Upload::parse(kind, &body)?;
    let content = &body[content];
    if content.len() as u64 > most {
        return Err(request::too_large(most));
    }
    let id = FileId(random());
    let parts = content.chunks(PART_BYTES);
    let file = StoredFile {
        id,
        subject: maker.subject(),
        name,
        purpose: Purpose::Batch,
        bytes: content.len() as u64,
        parts: u32::try_from(parts.len()).unwrap_or(u32::MAX),
        // The object knows when.
        created_at: 0,
        expires_at: 0,
    };
    done(ask(call, &maker, &JobsCall::BeginFile(file)).await?)?;
    for (part, data) in (0..).zip(parts) {
        done(ask(call, &maker, &JobsCall::PutPart { file: id, part, data: data.to_vec() }).await?)?;
    }
    match ask(call, &maker, &JobsCall::EndFile { file: id }).await? {
        JobsAnswer::File(file) => answer(call, &tell::file(&file)),
        JobsAnswer::Missing => Err(unavailable("not all parts of a file have come")),
        unexpected => Err(other(&unexpected)),
    }
}

/// Lists them.
pub async fn list(call: &Call<'_>) -> Result<Response, Refusal> {
    let maker = maker(call).await?;
    let ListQuery { page, purpose } = ListQuery::parse(path_and_query(call.incoming.head.url()).1, FileId::parse)?;
    match ask(call, &maker, &JobsCall::ListFiles { subject: maker.subject(), purpose, page }).await? {
        JobsAnswer::Files(listed) => answer(call, &tell::list(&listed, tell::file)),
        unexpected => Err(other(&unexpected)),
    }
}

/// Describes one.
pub async fn one(call: &Call<'_>, id: &str) -> Result<Response, Refusal> {
    let maker = maker(call).await?;
    answer(call, &tell::file(&find(call, &maker, id).await?))
}

/// Deletes one. A batch that has read it goes on.
pub async fn delete(call: &Call<'_>, id: &str) -> Result<Response, Refusal> {
    let maker = maker(call).await?;
    let file = FileId::parse(id).ok_or_else(no_file)?;
    match ask(call, &maker, &JobsCall::DeleteFile { file, subject: maker.subject() }).await? {
        JobsAnswer::Done => answer(call, &tell::deleted(id)),
        JobsAnswer::Missing => Err(no_file()),
        unexpected => Err(other(&unexpected)),
    }
}

/// Gives what is in one. Its parts go from message to answer one by one, and are together on the platform's side alone.
pub async fn content(call: &Call<'_>, id: &str) -> Answered {
    let maker = maker(call).await?;
    let file = find(call, &maker, id).await?;
    let mut parts = Vec::new();
    for part in 0..file.parts {
        match ask(call, &maker, &JobsCall::ReadPart { file: file.id, part, subject: maker.subject() }).await? {
            JobsAnswer::Part(data) => parts.push(Body::of_bytes(&data)),
            JobsAnswer::Missing => return Err(no_file()),
            unexpected => return Err(other(&unexpected)),
        }
    }
    let headers = HeaderList::answer(call.id, OCTETS);
    Ok(Response::of_parts(200, &headers.to_json(), &parts))
}

async fn find(call: &Call<'_>, maker: &Maker, id: &str) -> Result<StoredFile, Refusal> {
    let file = FileId::parse(id).ok_or_else(no_file)?;
    match ask(call, maker, &JobsCall::GetFile { file, subject: maker.subject() }).await? {
        JobsAnswer::File(file) => Ok(file),
        JobsAnswer::Missing => Err(no_file()),
        unexpected => Err(other(&unexpected)),
    }
}

async fn ask(call: &Call<'_>, maker: &Maker, asked: &JobsCall) -> Result<JobsAnswer, Refusal> {
    jobs::ask(call.env, &maker.known.principal.account, asked).await
}

fn done(answer: JobsAnswer) -> Result<(), Refusal> {
    match answer {
        JobsAnswer::Done => Ok(()),
        unexpected => Err(other(&unexpected)),
    }
}

/// What a file's content is told to be: its bytes, as they came.
const OCTETS: &str = "application/octet-stream";
