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
mod cors;
mod path;
mod platform;
mod promise;
mod respond;
mod task;
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
mod kept;
mod limit;
mod plans;
mod recent;
mod spare;
mod storage;
// forward
mod deadline;
mod ending;
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
use cors::Page;
use path::{methods, path_and_query, route_of};
use request::Incoming;
use sluice_protocol::id::RequestId;
use sluice_protocol::plan::Endpoint;
use sluice_protocol::refusal::{Reason, Refusal};
use std::cell::RefCell;
use std::rc::Rc;
use task::Answer;
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

/// request: gives it an id, routes it, and turns a refusal into an answer. A browser's question whether a page may call is
/// answered before anything else, and each answer says whose pages may read it.
#[event(fetch)]
async fn main(incoming: Request, env: Env, context: Context) -> Result<Response, worker::Error> {
    let id = RequestId(random());
    let incoming = Incoming::new(incoming);
    let page = config_of(&env).ok().and_then(|config| Page::of(&incoming, config));
    if let Some(answer) = page.as_ref().and_then(|page| page.preflight(&incoming, id)) {
        return Ok(answer?);
    }
    let context = Rc::new(context);
    let request = |answer| serve(incoming, env, context.clone(), id, answer);
    let response = match task::run(&context, request).await {
        Ok(response) => response,
        Err(refusal) => respond::refuse(&refusal, id)?,
    };
    if let Some(page) = page {
        page.tell(&response)?;
    }
    Ok(response)
}

/// Serves one request to its end, which may come after its answer.
async fn serve(incoming: Incoming, env: Env, context: Rc<Context>, id: RequestId, answer: Answer) {
    let walk = match (incoming.head.method(), path_and_query(incoming.head.url()).0) {
        ("POST", "/v1/chat/completions") => Some(Endpoint::Chat),
        ("POST", "/v1/completions") => Some(Endpoint::Completions),
        _ => None,
    };
    let answered = match (walk, config_of(&env)) {
        (Some(endpoint), Ok(config)) => {
            return chat::serve(&incoming, &env, &context, &config, id, endpoint, answer).await;
        }
        (Some(_), Err(refusal)) => Err(refusal),
        (None, _) => route(&incoming, &env, &context, id).await,
    };
    let not_built = |error| {
        Refusal::new(Reason::Internal, "The answer could not be built. Try again.").with_detail(format!("{error:?}"))
    };
    // It is for nobody if the caller has left.
    drop(answer.send(answered.and_then(|answer: Result<Response, JsValue>| answer.map_err(not_built))));
}

/// The route table, without the walk. The outer error is a refusal; the inner one is the platform's, while an answer was built.
async fn route(
    incoming: &Incoming,
    env: &Env,
    context: &Context,
    id: RequestId,
) -> Result<Result<Response, JsValue>, Refusal> {
    let (path, query) = path_and_query(incoming.head.url());
    let (route, model) = route_of(path);
    let method = incoming.head.method();
    if (method, route) == ("GET", "/healthz") {
        return Ok(respond::json(200, &Health { status: "ok" }, id));
    }
    if let Some(allow) = methods(route).filter(|allow| !allow.split(", ").any(|allowed| allowed == method)) {
        return Err(admin::refuse_method(allow));
    }
    let config = config_of(env)?;
    match (method, route) {
        ("GET", "/v1/key") => own_key::serve(incoming, env, context, &config, id).await,
        ("GET", "/v1/models") => models::list(incoming, env, context, &config, id).await.map(Ok),
        ("GET", "/v1/models/{model}") => models::one(incoming, env, context, &config, id, model).await.map(Ok),
        ("POST", "/v1/auth/token") => short::issue(incoming, env, context, &config, id).await,
        ("GET", "/.well-known/jwks.json") => short::document(&config, id),
        ("POST", "/leaks/github") => leaks::serve(incoming, env, context, &config, id).await,
        _ if path.starts_with("/admin/v1/") => admin::serve(incoming, (path, query), env, context, &config, id).await,
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

/// Fresh random bytes.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // In a Worker this is crypto.getRandomValues, which does not fail for so few bytes.
    getrandom::fill(&mut bytes).expect("the platform has randomness");
    bytes
}
