//! Administration: `/admin/v1/`.

pub mod access;
mod accounts;
mod audit;
mod commands;
mod denials;
pub mod keys;
mod table;

use crate::config::Config;
use crate::request::Incoming;
use crate::{plans, registry, request};
use access::Admin;
use sluice_protocol::access::AdminScope;
use sluice_protocol::admin::{RegistryAnswer, RegistryCall, no_query, version_of_etag};
use sluice_protocol::audit::{Action, Note};
use sluice_protocol::header;
use sluice_protocol::id::RequestId;
use sluice_protocol::plan::PlanTable;
use sluice_protocol::refusal::{Reason, Refusal};
use std::fmt::Display;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use web_sys::Response;
use worker::{Context, Env};

/// One admin request whose sender is known to be one.
pub struct AdminCall<'a> {
    /// The request.
    pub incoming: &'a Incoming,
    /// Its path.
    pub path: &'a str,
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
    /// Who sent it.
    pub admin: Admin,
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
    let admin = access::admin(incoming, env, context, config).await?;
    let method = incoming.head.method();
    let route = path.strip_prefix("/admin/v1/").unwrap_or_default();
    let (kind, rest) = route.split_once('/').map_or((route, None), |(kind, rest)| (kind, Some(rest)));
    // The last part is a verb if it is one; an account's name may have a slash in it.
    let (name, verb) = match rest.and_then(|rest| rest.rsplit_once('/')) {
        Some((name, verb)) if VERBS.contains(&verb) => (Some(name), Some(verb)),
        _ => (rest, None),
    };
    // Never the path itself: somebody will paste a key where its id belongs.
    let shown = name.map_or_else(String::new, |name| format!("/{}", keys::shown(kind, name)));
    let shown_verb = verb.map_or_else(String::new, |verb| format!("/{verb}"));
    let path_in_log = format!("/admin/v1/{}{shown}{shown_verb}", if ROUTES.contains(&kind) { kind } else { "?" });
    worker::console_log!(
        "{{\"request\":\"{id}\",\"admin\":{:?},\"method\":\"{method}\",\"path\":{path_in_log:?}}}",
        admin.actor
    );
    if !admin.scopes.allow(kind, method) {
        let needed = AdminScope::needed(kind, method).name();
        return Err(Refusal::new(Reason::NotAllowed, format!("This admin does not have the scope `{needed}`.")));
    }
    // Whoever replaces the plans needs none: those in force may be what is wrong.
    let plans = match (kind, method) {
        ("plans", "PUT") => config.plans.clone(),
        _ => plans::current(env, config, context).await?,
    };
    let call = AdminCall { incoming, path, query, env, config, plans, id, admin };
    let allow = methods(kind, name, verb).ok_or_else(no_route)?;
    if allow.split(", ").all(|served| served != method) {
        return Err(refuse_method(allow));
    }
    // Three lists read a query; whoever sends one elsewhere means something that is not done.
    if !matches!((kind, name, method), ("keys" | "accounts" | "audit", None, "GET")) {
        no_query(query)?;
    }
    match (kind, name, verb, method) {
        ("keys", None, None, "POST") => keys::create(&call).await,
        ("keys", None, None, "GET") => keys::list(&call).await,
        ("keys", Some("bulk"), None, "POST") => keys::create_many(&call).await,
        ("keys", Some(key), None, "GET") => keys::view(&call, key).await,
        ("keys", Some(key), None, "PATCH") => keys::change(&call, key).await,
        ("keys", Some(key), None, "DELETE") => keys::delete(&call, key).await,
        ("keys", Some(key), Some("rotate"), "POST") => keys::rotate(&call, key).await,
        ("keys", Some(key), Some(verb), "POST") => keys::set_disabled(&call, key, verb == "disable").await,
        ("accounts", None, None, "POST") => accounts::create(&call).await,
        ("accounts", None, None, "GET") => accounts::list(&call).await,
        ("accounts", Some(account), None, "GET") => accounts::view(&call, account).await,
        ("accounts", Some(account), None, "PATCH") => accounts::change(&call, account).await,
        ("accounts", Some(account), None, "DELETE") => accounts::delete(&call, account).await,
        ("accounts", Some(account), Some(verb @ ("disable" | "enable")), "POST") => {
            accounts::set_disabled(&call, account, verb == "disable").await
        }
        ("plans", None, None, "GET") => table::view(&call).await,
        ("plans", None, None, "PUT") => table::put(&call).await,
        ("denials", None, None, "POST") => denials::create(&call).await,
        ("denials", None, None, "GET") => denials::list(&call).await,
        ("denials", Some(id), None, "DELETE") => denials::delete(&call, id).await,
        ("audit", None, None, "GET") => audit::list(&call).await,
        ("failed-logins", None, None, "GET") => audit::failed_logins(&call).await,
        _ => Err(no_route()),
    }
}

/// What a path takes; `None` if there is no such path.
fn methods(kind: &str, name: Option<&str>, verb: Option<&str>) -> Option<&'static str> {
    Some(match (kind, name, verb) {
        ("keys" | "accounts" | "denials", None, None) => "GET, HEAD, POST",
        ("keys", Some("bulk"), None) => "POST",
        ("keys" | "accounts", Some(_), None) => "GET, HEAD, PATCH, DELETE",
        ("keys", Some(_), Some(_)) | ("accounts", Some(_), Some("disable" | "enable")) => "POST",
        ("plans", None, None) => "GET, HEAD, PUT",
        ("denials", Some(_), None) => "DELETE",
        ("audit" | "failed-logins", None, None) => "GET, HEAD",
        _ => return None,
    })
}

fn no_route() -> Refusal {
    Refusal::new(Reason::NotFound, "There is no such admin route.")
}

/// What a wrong method is told.
pub fn refuse_method(allow: &'static str) -> Refusal {
    Refusal::new(Reason::MethodNotAllowed, format!("This path takes {allow}.")).with_allow(allow)
}

impl AdminCall<'_> {
    /// The body, if there is one: JSON of at most `max` bytes.
    async fn body(&self, max: u64) -> Result<Vec<u8>, Refusal> {
        let body = request::body(self.incoming, self.config, max).await?.bytes();
        if !body.is_empty() {
            request::require_json(&self.incoming.head)?;
        }
        Ok(body)
    }

    /// What the audit log is to say of this request.
    fn note(&self, action: Action, target: impl Display) -> Note {
        Note::new(&*self.admin.actor, action, target, self.id).from_address(self.admin.address)
    }

    /// Asks the Registry for a change that the audit log tells of: both are kept, or neither.
    async fn record(&self, note: Note, call: RegistryCall) -> Result<RegistryAnswer, Refusal> {
        registry::ask(self.env, &RegistryCall::Noted { note, call: Box::new(call) }).await
    }

    /// Refuses a body where none is read. `{}` says nothing, and some clients cannot send less.
    async fn no_body(&self) -> Result<Vec<u8>, Refusal> {
        match self.body(MAX_BODY).await? {
            body if body.is_empty() || body.trim_ascii() == b"{}" => Ok(body),
            _ => Err(Refusal::new(Reason::InvalidRequest, "This route reads no body. Send none, or `{}`.")),
        }
    }
}

/// The version of the key or account that the admin means to change.
fn expected(call: &AdminCall<'_>) -> Result<Option<u32>, Refusal> {
    version_of_etag(call.incoming.head.get(header::IF_MATCH))
}

const VERBS: [&str; 3] = ["rotate", "disable", "enable"];
const ROUTES: [&str; 6] = ["keys", "accounts", "plans", "denials", "audit", "failed-logins"];
/// Admin bodies are small.
const MAX_BODY: u64 = 64 * 1024;
/// A hundred of them, of a usual size.
const MAX_BULK_BODY: u64 = 256 * 1024;
