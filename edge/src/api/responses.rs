//! `/v1/responses/{id}`: a response that is kept or is answered in the background, what was asked for it, and its end.
//! Nothing is counted here: one in the background is counted as any request is, when it is answered.

use super::jobs::{other, owner};
use super::models;
use crate::answers::stored::{Deferred, Stored};
use crate::call::{Call, Known};
use crate::hop::jobs;
use crate::hop::responses::{self, unavailable};
use crate::limit;
use crate::platform::{Response, respond};
use crate::request::path::path_and_query;
use sluice_protocol::auth::pattern::Pattern;
use sluice_protocol::auth::permission::Scope;
use sluice_protocol::hop::responses_call::{KeptResponse, ResponsesAnswer, ResponsesCall};
use sluice_protocol::id::ResponseId;
use sluice_protocol::jobs::background::not_in_background;
use sluice_protocol::jobs::call::{JobsAnswer, JobsCall, ResponseCall, UnansweredResponse};
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::responses::{ItemPage, Status, no_response, whole_only};

/// Begins one in the background, which is told at once: it waits. Whoever asks is known to its Gate before.
pub async fn start(call: &Call<'_>, known: &Known, deferred: Deferred) -> Result<Response, Refusal> {
    let Known { table, principal } = known;
    limit::identify(call.env, table, principal, Some(Scope::Chat)).await?;
    let new = deferred.request(ResponseId(call.id), owner(principal)?, call.since)?;
    let asked = JobsCall::Response(ResponseCall::Start(Box::new(new)));
    match jobs::ask(call.env, &principal.account, &asked).await? {
        JobsAnswer::Response(found) => answer(call, &found.told),
        unexpected => Err(other(&unexpected)),
    }
}

/// Serves one as its caller was told it, or as far as it is.
pub async fn one(call: &Call<'_>, id: &str) -> Result<Response, Refusal> {
    let asker = Asker::of(call, id).await?;
    whole_only(query(call))?;
    match asker.find().await? {
        Found::Kept(kept) => answer(call, &kept.answer),
        Found::Unanswered(found) => answer(call, &found.told),
    }
}

/// Serves a page of what was asked for one.
pub async fn input_items(call: &Call<'_>, id: &str) -> Result<Response, Refusal> {
    let asker = Asker::of(call, id).await?;
    let page = ItemPage::parse(query(call))?;
    let input = match asker.find().await? {
        Found::Kept(kept) => kept.input,
        Found::Unanswered(found) => found.input,
    };
    answer(call, &page.of(&input)?)
}

/// Ends one in the background. One that is over stays as it is, and so does one that has its answer.
pub async fn cancel(call: &Call<'_>, id: &str) -> Result<Response, Refusal> {
    let asker = Asker::of(call, id).await?;
    let cancelled = asker.ask_jobs(|id, models| ResponseCall::Cancel { id, models }).await?;
    match cancelled {
        // It was answered by then, and may have been told so.
        Some(JobsAnswer::Response(found)) if found.status == Status::InProgress => match asker.kept().await? {
            Some(kept) => answer(call, &kept.answer),
            None => answer(call, &found.told),
        },
        Some(JobsAnswer::Response(found)) => answer(call, &found.told),
        Some(JobsAnswer::Kept) => answer(call, &asker.kept().await?.ok_or_else(no_response)?.answer),
        _ => Err(asker.kept().await?.map_or_else(no_response, |_| not_in_background())),
    }
}

/// Deletes one, and ends it if it is not over. What goes on from it stays, and cannot be gone on with.
pub async fn delete(call: &Call<'_>, id: &str) -> Result<Response, Refusal> {
    let asker = Asker::of(call, id).await?;
    let deleted = format!(r#"{{"id":"{}","object":"response","deleted":true}}"#, asker.id);
    let request = call.id;
    // First: an answer that comes meanwhile is not to be kept behind it.
    let ended = asker.ask_jobs(|id, models| ResponseCall::Delete { id, models, request }).await?;
    if matches!(ended, Some(JobsAnswer::Done)) {
        return answer(call, &deleted);
    }
    let asked = ResponsesCall::Delete { id: asker.id, models: asker.models.clone(), request };
    match responses::answer(call.env, &asker.known.principal.account, &asked).await? {
        ResponsesAnswer::Deleted => answer(call, &deleted),
        ResponsesAnswer::Missing => Err(no_response()),
        _ => Err(unavailable("the responses gave another answer than whether one is deleted")),
    }
}

/// Whoever asks for a response.
struct Asker<'a> {
    call: &'a Call<'a>,
    known: Known,
    /// The lists of models of which it may see answers.
    models: Vec<Vec<Pattern>>,
    /// For which.
    id: ResponseId,
}

/// A response that is there for whoever asks.
enum Found {
    /// It has an answer.
    Kept(KeptResponse),
    /// It has none yet, or none at all.
    Unanswered(Box<UnansweredResponse>),
}

impl<'a> Asker<'a> {
    /// Whoever asks, whom its Gate has let in; and the id, if there can be such a response.
    async fn of(call: &'a Call<'a>, id: &str) -> Result<Self, Refusal> {
        let known = call.caller().await?;
        let models = Stored::of(call.env, call.config, &known.table, &known.principal).models().await?;
        let id = ResponseId::parse(id).filter(|_| call.config.responses_kept_ms > 0).ok_or_else(no_response)?;
        Ok(Self { call, known, models, id })
    }

    async fn find(&self) -> Result<Found, Refusal> {
        // It may be kept between the two questions.
        for _ in 0..2 {
            if let Some(kept) = self.kept().await? {
                return Ok(Found::Kept(kept));
            }
            match self.ask_jobs(|id, models| ResponseCall::Get { id, models }).await? {
                Some(JobsAnswer::Response(found)) => return Ok(Found::Unanswered(found)),
                Some(JobsAnswer::Kept) => {}
                _ => break,
            }
        }
        Err(no_response())
    }

    async fn kept(&self) -> Result<Option<KeptResponse>, Refusal> {
        let asked = ResponsesCall::Get { id: self.id, models: self.models.clone() };
        match responses::answer(self.call.env, &self.known.principal.account, &asked).await? {
            ResponsesAnswer::Response(kept) => Ok(Some(kept)),
            ResponsesAnswer::Missing => Ok(None),
            _ => Err(unavailable("the responses gave another answer than one of them")),
        }
    }

    /// What the account's jobs say, if it has any.
    async fn ask_jobs(
        &self,
        asked: impl FnOnce(ResponseId, Vec<Vec<Pattern>>) -> ResponseCall,
    ) -> Result<Option<JobsAnswer>, Refusal> {
        if self.call.config.jobs.kept_ms == 0 {
            return Ok(None);
        }
        let asked = JobsCall::Response(asked(self.id, self.models.clone()));
        jobs::ask(self.call.env, &self.known.principal.account, &asked).await.map(Some)
    }
}

fn query<'a>(call: &'a Call<'_>) -> &'a str {
    path_and_query(call.incoming.head.url()).1
}

fn answer(call: &Call<'_>, body: &str) -> Result<Response, Refusal> {
    models::answer(call.id, Vec::new(), respond::JSON, body)
}
