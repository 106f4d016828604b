//! Administration: `/admin/v1/keys`.

use crate::config::Config;
use crate::{auth, limit, random, registry, request, respond};
use sluice_protocol::admin::{CreateKey, CreatedKey, DeletedKey, KeyEntry, KeyView, RegistryAnswer, RegistryCall};
use sluice_protocol::gate_call::{Answer, Call, KeyRecord};
use sluice_protocol::id::{AccountId, KeyId, RequestId};
use sluice_protocol::key::ApiKey;
use sluice_protocol::refusal::{Reason, Refusal};
use wasm_bindgen::JsValue;
use web_sys::{Request, Response};
use worker::Env;

/// Routes one admin request. `path` begins with `/admin/v1/`; `query` is what follows the question mark.
pub async fn serve(
    incoming: &Request,
    path: &str,
    query: &str,
    env: &Env,
    config: &Config,
    id: RequestId,
) -> Result<Result<Response, JsValue>, Refusal> {
    let method = incoming.method();
    let key = path.strip_prefix("/admin/v1/keys/");
    // Who asks comes before what is asked: nobody learns our routes without a token.
    let admin = auth::admin(&incoming.headers(), config)?;
    // Never the path itself: somebody will paste a key where its id belongs.
    let path_in_log = match key {
        None => path.to_owned(),
        Some(text) => {
            KeyId::parse(text).map_or_else(|| "/admin/v1/keys/?".into(), |key| format!("/admin/v1/keys/{key}"))
        }
    };
    worker::console_log!(
        "{{\"request\":\"{id}\",\"admin\":{:?},\"method\":\"{method}\",\"path\":{path_in_log:?}}}",
        admin.name
    );
    match (method.as_str(), path, key) {
        ("POST", "/admin/v1/keys", _) => create(incoming, env, config).await.map(|made| respond::json(201, &made, id)),
        ("GET", "/admin/v1/keys", _) => list(query, env).await.map(|page| respond::json(200, &page, id)),
        (_, "/admin/v1/keys", _) => Err(refuse_method("GET, POST")),
        ("GET", _, Some(key)) => view(key, env).await.map(|view| respond::json(200, &view, id)),
        ("DELETE", _, Some(key)) => delete(key, env).await.map(|deleted| respond::json(200, &deleted, id)),
        (_, _, Some(_)) => Err(refuse_method("GET, DELETE")),
        _ => Err(Refusal::new(Reason::NotFound, "There is no such admin route.")),
    }
}

/// What a wrong method is told.
pub fn refuse_method(allow: &'static str) -> Refusal {
    Refusal::new(Reason::MethodNotAllowed, format!("This path takes {allow}.")).with_allow(allow)
}

/// Makes a key. The Registry learns of it first: if the second write fails, a listed key exists that nobody holds, and not
/// a live key that nobody can find.
async fn create(incoming: &Request, env: &Env, config: &Config) -> Result<CreatedKey, Refusal> {
    let body = request::body(incoming, MAX_BODY).await?;
    if !body.is_empty() {
        request::require_json(incoming)?;
    }
    let asked = CreateKey::parse(&body, &config.plans)?;
    let account = match asked.account {
        Some(account) => account,
        None => AccountId(random()),
    };
    let minted = ApiKey::mint(&config.peppers, account, random());
    let created = CreatedKey::new(&minted, &asked, worker::Date::now().as_millis());
    let entry = KeyEntry {
        id: created.id,
        account: created.account.clone(),
        name: created.name.clone(),
        plan: created.plan.clone(),
        created_at: created.created_at,
    };
    let record = KeyRecord {
        key: minted.id.key,
        secret_hash: minted.secret_hash(),
        name: created.name.clone(),
        plan: created.plan.clone(),
        created_at: created.created_at,
    };
    registry::ask(env, &RegistryCall::Put(entry)).await?;
    limit::ask(env, account, Call::PutKey(record)).await?;
    Ok(created)
}

async fn list(query: &str, env: &Env) -> Result<sluice_protocol::admin::KeyList, Refusal> {
    let after = match query.split('&').find_map(|pair| pair.strip_prefix("after=")) {
        None => None,
        Some(text) => Some(KeyId::parse(text).ok_or_else(|| {
            Refusal::new(Reason::InvalidRequest, "`after` is the `next` of the page before.").with_param("after")
        })?),
    };
    match registry::ask(env, &RegistryCall::List(after)).await? {
        RegistryAnswer::Page(page) => Ok(page),
        RegistryAnswer::Done(_) => Err(limit::unavailable("the Registry gave another answer than a page")),
    }
}

async fn view(key: &str, env: &Env) -> Result<KeyView, Refusal> {
    let id = parse_id(key)?;
    match limit::ask(env, id.account, Call::DescribeKey { key: id.key }).await? {
        Answer::Key(Some(found)) => Ok(KeyView {
            key: KeyEntry {
                id,
                account: id.account.to_string(),
                name: found.name,
                plan: found.plan,
                created_at: found.created_at,
            },
            live_leases: found.live_leases,
            used: found.used,
            storage: found.storage,
        }),
        Answer::Key(None) => Err(no_such_key()),
        other => Err(limit::unavailable(&format!("the Gate answered {other:?}"))),
    }
}

/// Ends a key. Its Gate first: from then on the key is refused, whatever happens to the index.
async fn delete(key: &str, env: &Env) -> Result<DeletedKey, Refusal> {
    let id = parse_id(key)?;
    let known = limit::ask(env, id.account, Call::DeleteKey { key: id.key }).await? == Answer::Done(true);
    limit::forget_refusals(id.account);
    let listed = registry::ask(env, &RegistryCall::Remove(id)).await? == RegistryAnswer::Done(true);
    if known || listed { Ok(DeletedKey { id, deleted: true }) } else { Err(no_such_key()) }
}

fn parse_id(text: &str) -> Result<KeyId, Refusal> {
    KeyId::parse(text).ok_or_else(no_such_key)
}

fn no_such_key() -> Refusal {
    Refusal::new(Reason::KeyNotFound, "There is no key of this id. GET /admin/v1/keys lists them.")
}

/// Admin bodies are small.
const MAX_BODY: u64 = 64 * 1024;
