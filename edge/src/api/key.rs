//! `GET /v1/key`: a caller's own limits and what is left of them. Nothing is counted.

use crate::config::Config;
use crate::request::Incoming;
use crate::respond;
use crate::{auth, limit};
use sluice_protocol::id::RequestId;
use sluice_protocol::own::OwnKey;
use sluice_protocol::refusal::Refusal;
use wasm_bindgen::JsValue;
use web_sys::Response;
use worker::{Context, Env};

/// Serves whoever has a valid key. The outer error is a refusal, the inner one the platform's.
pub async fn serve(
    incoming: &Incoming,
    env: &Env,
    context: &Context,
    config: &Config,
    id: RequestId,
) -> Result<Result<Response, JsValue>, Refusal> {
    let (table, principal) = auth::caller(&incoming.head, env, context, config).await?;
    let described = limit::describe(env, &table, &principal).await?;
    Ok(respond::json(200, &OwnKey::new(&principal.account, principal.key, described), id))
}
