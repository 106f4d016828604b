//! Administration: `/admin/v1/`.

mod accounts;
mod keys;
mod table;

use crate::config::Config;
use crate::request::Incoming;
use crate::{auth, plans, request};
use sluice_protocol::id::RequestId;
use sluice_protocol::plan::PlanTable;
use sluice_protocol::refusal::{Reason, Refusal};
use std::rc::Rc;
use wasm_bindgen::JsValue;
use web_sys::Response;
use worker::{Context, Env};

/// One admin request whose sender is known to be one.
pub struct AdminCall<'a> {
    /// The request.
    pub incoming: &'a Incoming,
    /// What follows the question mark.
    pub query: &'a str,
    /// The environment.
    pub env: &'a Env,
    /// The settings.
    pub config: &'a Config,
    /// The plans that this isolate has.
    pub plans: Rc<PlanTable>,
    /// Its id.
    pub id: RequestId,
}

/// An answer, or what the platform says against it.
type Answered = Result<Result<Response, JsValue>, Refusal>;

/// Routes one admin request. `path` begins with `/admin/v1/`; `query` is what follows the question mark.
pub async fn serve(
    incoming: &Incoming,
    (path, query): (&str, &str),
    env: &Env,
    context: &Context,
    config: &Config,
    id: RequestId,
) -> Answered {
    // Who asks comes before what is asked: nobody learns our routes without a token.
    let admin = auth::admin(&incoming.head, config)?;
    let method = incoming.head.method();
    let route = path.strip_prefix("/admin/v1/").unwrap_or_default();
    let (kind, name) = route.split_once('/').map_or((route, None), |(kind, name)| (kind, Some(name)));
    // Never the path itself: somebody will paste a key where its id belongs.
    let shown = name.map_or_else(String::new, |name| format!("/{}", keys::shown(kind, name)));
    let path_in_log = format!("/admin/v1/{}{shown}", if ROUTES.contains(&kind) { kind } else { "?" });
    worker::console_log!(
        "{{\"request\":\"{id}\",\"admin\":{:?},\"method\":\"{method}\",\"path\":{path_in_log:?}}}",
        admin.name
    );
    // Whoever replaces the plans needs none: those in force may be what is wrong.
    let plans = match (kind, method) {
        ("plans", "PUT") => config.plans.clone(),
        _ => plans::current(env, config, context).await?,
    };
    let call = AdminCall { incoming, query, env, config, plans, id };
    match (kind, name, method) {
        ("keys", None, "POST") => keys::create(&call).await,
        ("keys", None, "GET") => keys::list(&call).await,
        ("keys", None, _) => Err(refuse_method("GET, POST")),
        ("keys", Some(key), "GET") => keys::view(&call, key).await,
        ("keys", Some(key), "PATCH") => keys::change(&call, key).await,
        ("keys", Some(key), "DELETE") => keys::delete(&call, key).await,
        ("keys", Some(_), _) => Err(refuse_method("GET, PATCH, DELETE")),
        ("accounts", Some(account), "GET") => accounts::view(&call, account).await,
        ("accounts", Some(account), "PATCH") => accounts::change(&call, account).await,
        ("accounts", Some(_), _) => Err(refuse_method("GET, PATCH")),
        ("plans", None, "GET") => table::view(&call).await,
        ("plans", None, "PUT") => table::put(&call).await,
        ("plans", None, _) => Err(refuse_method("GET, PUT")),
        _ => Err(Refusal::new(Reason::NotFound, "There is no such admin route.")),
    }
}

/// What a wrong method is told.
pub fn refuse_method(allow: &'static str) -> Refusal {
    Refusal::new(Reason::MethodNotAllowed, format!("This path takes {allow}.")).with_allow(allow)
}

impl AdminCall<'_> {
    /// The body, if there is one: JSON of at most `max` bytes.
    async fn body(&self, max: u64) -> Result<Vec<u8>, Refusal> {
        let body = request::body(self.incoming, max).await?;
        if !body.is_empty() {
            request::require_json(&self.incoming.head)?;
        }
        Ok(body)
    }
}

const ROUTES: [&str; 3] = ["keys", "accounts", "plans"];
/// Admin bodies are small.
const MAX_BODY: u64 = 64 * 1024;
