//! `GET /v1/models`: the origin's list, kept for a few seconds, so that a caller cannot reach the origin through it at will.

use crate::config::Config;
use crate::forward::{self, Ticket};
use crate::respond::{self, HeaderList};
use crate::{auth, limit};
use sluice_protocol::Millis;
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::Refusal;
use std::cell::RefCell;
use web_sys::{Request, Response};
use worker::Env;

/// Serves the list to whoever has a valid key. Nothing is counted.
pub async fn serve(incoming: &Request, env: &Env, config: &Config, id: RequestId) -> Result<Response, Refusal> {
    let key = auth::key(&incoming.headers(), config)?;
    let admission = limit::identify(env, &key).await?;
    let now = worker::Date::now().as_millis();
    let list = match fresh(now) {
        Some(list) => list,
        None => {
            let list = forward::get(config, &Ticket { request: id, key: key.id, admission }, "/v1/models").await?;
            LIST.replace(Some((now, list.clone())));
            list
        }
    };
    respond::respond(200, &HeaderList::answer(id, respond::JSON), &list)
        .map_err(|error| limit::unavailable(&format!("{error:?}")))
}

thread_local! {
    static LIST: RefCell<Option<(Millis, String)>> = const { RefCell::new(None) };
}

fn fresh(now: Millis) -> Option<String> {
    LIST.with_borrow(|list| list.as_ref().filter(|(at, _)| now.abs_diff(*at) < FRESH_MS).map(|(_, list)| list.clone()))
}

/// How long the list is kept, in milliseconds.
const FRESH_MS: u64 = 5_000;
