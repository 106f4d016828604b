//! The edge gate: a Cloudflare Worker.
//!
//! Read the modules in the order of the walk: **request -> auth -> limit -> forward -> (origin) -> stream -> settle**.
//! `chat.rs` is that walk on one page.
//!
//! # What does this crate not do?
//!
//! It decides nothing that `sluice-protocol` can decide, and it trusts nothing that a caller says of itself: the origin's
//! request and the caller's answer are both built from nothing, so a header that no line here adds does not pass.

// The crate's exports are its event and its objects; inside it, `pub` says what a module offers to the others.
#![allow(unreachable_pub)]

mod config;
mod platform;
mod promise;
mod respond;
// request
mod chat;
mod request;
// auth
mod auth;
mod denials;
mod issuers;
mod seen;
mod shield;
mod short;
mod token;
mod verify;
// limit, settle
mod denial;
mod gate;
mod group;
mod hop;
mod limit;
mod plans;
mod spare;
mod storage;
// forward
mod deadline;
mod forward;
mod models;
mod own_key;
mod sign;
// stream
mod relay;
// administration
mod admin;
mod audit;
mod denied;
mod leaks;
mod registry;

use config::{Config, Vars};
use request::Incoming;
use sluice_protocol::id::RequestId;
use sluice_protocol::plan::Endpoint;
use sluice_protocol::refusal::{Reason, Refusal};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use web_sys::{Request, Response};
use worker::{Context, Env, event};

/// Runs once for an isolate, before its first request.
///
/// `wasm-bindgen-futures` wakes a task through `queueMicrotask` where there is one, and else through a promise that is
/// resolved already. workerd makes a native function for each call of the former: a tenth of a request's whole cost.
#[event(start)]
fn start() {
    // It fails only if the platform should forbid it, and then tasks are woken as before.
    let _ = js_sys::Reflect::set(&js_sys::global(), &"queueMicrotask".into(), &JsValue::UNDEFINED);
}

/// request: gives it an id, routes it, and turns a refusal into an answer.
#[event(fetch)]
async fn main(incoming: Request, env: Env, context: Context) -> Result<Response, worker::Error> {
    let id = RequestId(random());
    let result = match route(incoming, env, context, id).await {
        Ok(result) => result,
        Err(refusal) => respond::refuse(&refusal, id),
    };
    Ok(result?)
}

/// The route table. The outer error is a refusal; the inner one is the platform's, while an answer was built.
async fn route(
    incoming: Request,
    env: Env,
    context: Context,
    id: RequestId,
) -> Result<Result<Response, JsValue>, Refusal> {
    let incoming = Incoming::new(incoming);
    let (path, query) = path_and_query(incoming.head.url());
    let method = incoming.head.method();
    if path == "/healthz" {
        return match method {
            "GET" | "HEAD" => Ok(respond::json(200, &Health { status: "ok" }, id)),
            _ => Err(admin::refuse_method("GET")),
        };
    }
    let config = config_of(&env)?;
    match (method, path) {
        ("POST", "/v1/chat/completions") => {
            chat::serve(&incoming, env, context, config, id, Endpoint::Chat).await.map(Ok)
        }
        ("POST", "/v1/completions") => {
            chat::serve(&incoming, env, context, config, id, Endpoint::Completions).await.map(Ok)
        }
        (_, "/v1/chat/completions" | "/v1/completions") => Err(admin::refuse_method("POST")),
        ("GET", "/v1/key") => own_key::serve(&incoming, &env, &context, &config, id).await,
        (_, "/v1/key") => Err(admin::refuse_method("GET")),
        ("GET", "/v1/models") => models::serve(&incoming, &env, &context, &config, id).await.map(Ok),
        (_, "/v1/models") => Err(admin::refuse_method("GET")),
        ("POST", "/v1/auth/token") => short::issue(&incoming, &env, &context, &config, id).await,
        (_, "/v1/auth/token") => Err(admin::refuse_method("POST")),
        ("GET", "/.well-known/jwks.json") => short::document(&config, id),
        (_, "/.well-known/jwks.json") => Err(admin::refuse_method("GET")),
        ("POST", "/leaks/github") => leaks::serve(&incoming, &env, &context, &config, id).await,
        (_, "/leaks/github") => Err(admin::refuse_method("POST")),
        (_, path) if path.starts_with("/admin/v1/") => {
            admin::serve(&incoming, (path, query), &env, &context, &config, id).await
        }
        _ => Err(Refusal::new(
            Reason::NotFound,
            "There is no such path. POST /v1/chat/completions and /v1/completions, GET /v1/models and GET /v1/key are served.",
        )),
    }
}

#[derive(serde::Serialize)]
struct Health {
    status: &'static str,
}

/// The settings, read once for an isolate: its environment does not change while it lives.
fn config_of(env: &Env) -> Result<Rc<Config>, Refusal> {
    thread_local! {
        static CONFIG: RefCell<Option<Rc<Config>>> = const { RefCell::new(None) };
    }
    CONFIG.with_borrow_mut(|cached| {
        if let Some(config) = cached {
            return Ok(config.clone());
        }
        let config = Config::read(&WorkerVars(env)).map_err(|mistakes| {
            let all: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
            Refusal::new(Reason::Misconfigured, "This deployment is not set up yet; its log says what is missing.")
                .with_detail(format!("settings: {}", all.join("; ")))
        })?;
        Ok(cached.insert(Rc::new(config)).clone())
    })
}

struct WorkerVars<'e>(&'e Env);

impl Vars for WorkerVars<'_> {
    fn get(&self, name: &str) -> Option<String> {
        // Secrets and variables are both plain strings in the environment.
        self.0.var(name).ok().map(|value| value.to_string())
    }
}

/// Splits a URL that the platform has already parsed: `https://host/path?query`.
fn path_and_query(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find('/').map_or("/", |slash| &rest[slash..]);
    path.split_once('?').unwrap_or((path, ""))
}

/// Fresh random bytes.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // In a Worker this is crypto.getRandomValues, which does not fail for so few bytes.
    getrandom::fill(&mut bytes).expect("the platform has randomness");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_split_where_the_platform_joined_them() {
        let cases = [
            ("https://a.example/v1/models?x=1", ("/v1/models", "x=1")),
            ("http://127.0.0.1:8787/", ("/", "")),
            ("http://h", ("/", "")),
            ("http://h/a?b?c", ("/a", "b?c")),
        ];
        for (url, parts) in cases {
            assert_eq!(path_and_query(url), parts, "{url}");
        }
    }
}
