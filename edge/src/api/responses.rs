//! `/v1/responses/{id}`: a response that is kept, what was asked for it, and its end. Nothing is counted.

use super::models;
use crate::answers::stored::Stored;
use crate::call::{Call, Known};
use crate::hop::responses::{self, unavailable};
use crate::platform::{Response, respond};
use crate::request::path::path_and_query;
use sluice_protocol::auth::pattern::Pattern;
use sluice_protocol::hop::responses_call::{KeptResponse, ResponsesAnswer, ResponsesCall};
use sluice_protocol::id::ResponseId;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::responses::{ItemPage, no_response, whole_only};

/// Serves one as its caller was told it.
pub async fn one(call: &Call<'_>, id: &str) -> Result<Response, Refusal> {
    let (known, models) = allowed(call).await?;
    whole_only(query(call))?;
    let kept = get(call, &known, id, models).await?;
    answer(call, &kept.answer)
}

/// Serves a page of what was asked for one.
pub async fn input_items(call: &Call<'_>, id: &str) -> Result<Response, Refusal> {
    let (known, models) = allowed(call).await?;
    let page = ItemPage::parse(query(call))?;
    let kept = get(call, &known, id, models).await?;
    answer(call, &page.of(&kept.input)?)
}

/// Deletes one. What goes on from it stays, and cannot be gone on with.
pub async fn delete(call: &Call<'_>, id: &str) -> Result<Response, Refusal> {
    let (known, models) = allowed(call).await?;
    let id = find(call, id)?;
    let asked = ResponsesCall::Delete { id, models, request: call.id };
    match responses::answer(call.env, &known.principal.account, &asked).await? {
        ResponsesAnswer::Deleted => answer(call, &format!(r#"{{"id":"{id}","object":"response","deleted":true}}"#)),
        ResponsesAnswer::Missing => Err(no_response()),
        _ => Err(unavailable("the responses gave another answer than whether one is deleted")),
    }
}

/// Whoever asks, and the models of which it may see answers.
async fn allowed(call: &Call<'_>) -> Result<(Known, Vec<Vec<Pattern>>), Refusal> {
    let known = call.caller().await?;
    let Known { table, principal } = &known;
    let (kept_ms, most) = (call.config.responses_kept_ms, call.config.bodies.max);
    let models = Stored { env: call.env, table, principal, kept_ms, most }.models().await?;
    Ok((known, models))
}

async fn get(call: &Call<'_>, known: &Known, id: &str, models: Vec<Vec<Pattern>>) -> Result<KeptResponse, Refusal> {
    let asked = ResponsesCall::Get { id: find(call, id)?, models };
    match responses::answer(call.env, &known.principal.account, &asked).await? {
        ResponsesAnswer::Response(kept) => Ok(kept),
        ResponsesAnswer::Missing => Err(no_response()),
        _ => Err(unavailable("the responses gave another answer than one of them")),
    }
}

/// The id, if there can be such a response.
fn find(call: &Call<'_>, id: &str) -> Result<ResponseId, Refusal> {
    let id = ResponseId::parse(id).filter(|_| call.config.responses_kept_ms > 0);
    id.ok_or_else(no_response)
}

fn query<'a>(call: &'a Call<'_>) -> &'a str {
    path_and_query(call.incoming.head.url()).1
}

fn answer(call: &Call<'_>, body: &str) -> Result<Response, Refusal> {
    models::answer(call.id, Vec::new(), respond::JSON, body)
}
