//! Administration: `/admin/v1/`.

mod accounts;
mod alerts;
mod audit;
mod call;
mod commands;
mod denials;
pub mod keys;
pub mod live;
mod login;
mod origins;
mod plans;
mod usage;

use crate::admin::call::AdminCall;
use crate::call::{Answered, Call};
use crate::limit::plans as in_force;
use crate::request::path::path_and_query;
use crate::request::refuse_method;
use crate::telemetry;
use sluice_protocol::admin::access::AdminScope;
use sluice_protocol::admin::no_query;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::telemetry::Line;

/// Routes one admin request. `path` begins with `/admin/v1/`; `query` is what follows the question mark.
pub async fn serve(request: &Call<'_>) -> Answered {
    let (path, query) = path_and_query(request.incoming.head.url());
    // Who asks comes before what is asked: nobody learns our routes without a token.
    let id = request.id;
    let admin = login::admin(request).await?;
    let method = request.incoming.head.method();
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
    let (actor, method_in_log) = (admin.actor.clone(), method.to_owned());
    telemetry::write(&Line::Admin { request: id.to_string(), admin: actor, method: method_in_log, path: path_in_log });
    if !admin.scopes.allow(kind, method) {
        let needed = AdminScope::needed(kind, method).name();
        return Err(Refusal::new(Reason::NotAllowed, format!("This admin does not have the scope `{needed}`.")));
    }
    // Whoever replaces the plans needs none: those in force may be what is wrong.
    let plans = match (kind, method) {
        ("plans", "PUT") => request.config.plans.clone(),
        _ => in_force::current(request.env, &request.config.plans, request.context).await?,
    };
    let call = AdminCall { request, path, query, plans, admin };
    let allow = methods(kind, name, verb).ok_or_else(no_route)?;
    if allow.split(", ").all(|served| served != method) {
        return Err(refuse_method(allow));
    }
    // Lists and what was used read a query; whoever sends one elsewhere means something that is not done.
    if !matches!(
        (kind, name, method),
        ("keys" | "accounts" | "audit" | "usage" | "live", None, "GET") | ("live", Some("stream"), "GET")
    ) {
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
        ("accounts", Some(account), Some("credits"), "POST") => accounts::add_credits(&call, account).await,
        ("plans", None, None, "GET") => plans::view(&call).await,
        ("plans", None, None, "PUT") => plans::put(&call).await,
        ("plans", Some("replay"), None, "POST") => plans::replay::replay(&call).await,
        ("origins", None, None, "GET") => origins::view(&call).await,
        ("origins", None, None, "PUT") => origins::put(&call).await,
        ("origins", None, None, "DELETE") => origins::take_back(&call).await,
        ("denials", None, None, "POST") => denials::create(&call).await,
        ("denials", None, None, "GET") => denials::list(&call).await,
        ("denials", Some(id), None, "DELETE") => denials::delete(&call, id).await,
        ("cache", None, None, "DELETE") => accounts::cache::purge(&call, None).await,
        ("cache", Some(account), None, "DELETE") => accounts::cache::purge(&call, Some(account)).await,
        ("jobs", Some(account), None, "GET") => accounts::jobs::view(&call, account).await,
        ("jobs", Some(account), Some("cancel"), "POST") => accounts::jobs::cancel(&call, account).await,
        ("usage", None, None, "GET") => usage::view(&call).await,
        ("live", None, None, "GET") => live::view(&call).await,
        ("live", Some("stream"), None, "GET") => live::stream(&call),
        ("alerts", None, None, "GET") => alerts::view(&call).await,
        ("alerts", Some("test"), None, "POST") => alerts::test(&call).await,
        ("audit", None, None, "GET") => audit::list(&call).await,
        ("failed-logins", None, None, "GET") => audit::failed_logins(&call).await,
        _ => Err(no_route()),
    }
}

/// What a path takes; `None` if there is no such path.
fn methods(kind: &str, name: Option<&str>, verb: Option<&str>) -> Option<&'static str> {
    Some(match (kind, name, verb) {
        ("keys" | "accounts" | "denials", None, None) => "GET, HEAD, POST",
        ("keys", Some("bulk"), None) | ("alerts", Some("test"), None) | ("plans", Some("replay"), None) => "POST",
        ("keys" | "accounts", Some(_), None) => "GET, HEAD, PATCH, DELETE",
        ("keys", Some(_), Some("rotate" | "disable" | "enable")) => "POST",
        ("accounts", Some(_), Some("disable" | "enable" | "credits")) | ("jobs", Some(_), Some("cancel")) => "POST",
        ("plans", None, None) => "GET, HEAD, PUT",
        ("origins", None, None) => "GET, HEAD, PUT, DELETE",
        ("denials", Some(_), None) | ("cache", _, None) => "DELETE",
        ("audit" | "failed-logins" | "usage" | "live" | "alerts", None, None) | ("jobs", Some(_), None) => "GET, HEAD",
        ("live", Some("stream"), None) => "GET, HEAD",
        _ => return None,
    })
}

fn no_route() -> Refusal {
    Refusal::new(Reason::NotFound, "There is no such admin route.")
}

const VERBS: [&str; 5] = ["rotate", "disable", "enable", "cancel", "credits"];
const ROUTES: [&str; 12] = [
    "keys",
    "accounts",
    "plans",
    "origins",
    "denials",
    "cache",
    "jobs",
    "usage",
    "live",
    "alerts",
    "audit",
    "failed-logins",
];
