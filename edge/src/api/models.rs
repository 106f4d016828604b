//! `GET /v1/models` and `GET /v1/models/{model}`: the origins' list, kept for a few seconds and asked for by a few requests
//! at once, so that a caller cannot reach the origin through it at will.

mod union;

use crate::auth::principal::Principal;
use crate::call::{Around, Call, Known};
use crate::forward::attempt::Attempt;
use crate::forward::spent::Spent;
use crate::forward::{self, Ticket};
use crate::hop::gate::unavailable;
use crate::limit;
use crate::platform::deadline::Deadline;
use crate::platform::respond::{self, HeaderList};
use crate::platform::{self, Response, Signal, isolate_local};
use crate::route::{Origins, in_force};
use serde_json::Value;
use sluice_protocol::auth::alias::Aliases;
use sluice_protocol::auth::pattern::{Pattern, all_mean};
use sluice_protocol::auth::permission::Scope;
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::limit::standing::ratelimit;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::model_name::{model_name, no_model};
use sluice_protocol::time::Millis;
use std::borrow::Cow;
use std::cell::RefCell;

/// Serves the list to whoever has a valid key. Nothing is counted.
pub async fn list(call: &Call<'_>) -> Result<Response, Refusal> {
    let Found { told, list, models, .. } = find(call).await?;
    let list = only(&list, &models).map_err(|error| unavailable(&error.to_string()))?;
    answer(call.id, told, respond::JSON, &list)
}

/// Serves one entry of that list. A model that the caller may not use is not there, like one that nobody has.
pub async fn one(call: &Call<'_>, model: &str) -> Result<Response, Refusal> {
    let found = find(call).await?;
    let name = model_name(model).map(|name| found.meant(&call.config.aliases, &name));
    let entry = found.entry(name.as_deref())?;
    answer(call.id, found.told, respond::JSON, &entry.to_string())
}

/// An answer with how the caller's limits stand.
pub fn answer(id: RequestId, told: Vec<(&'static str, String)>, kind: &str, body: &str) -> Result<Response, Refusal> {
    let mut headers = HeaderList::answer(id, kind);
    for (name, value) in told {
        headers.set(name, value);
    }
    respond::respond(200, &headers, body).map_err(|fault| unavailable(&fault.to_string()))
}

/// The origin's list, and what this caller is to be told of it.
pub struct Found {
    /// How its limits stand, in headers.
    pub told: Vec<(&'static str, String)>,
    list: String,
    /// A model must be on each of these lists: of its plan and its key, and of the token itself.
    models: Vec<Vec<Pattern>>,
    /// Other names for models, of its plan.
    aliases: Aliases,
}

impl Found {
    /// The model that a name means: by the caller's plan, or else by the deployment's aliases.
    pub fn meant(&self, deployment: &Aliases, name: &str) -> String {
        self.aliases.of(name).or_else(|| deployment.of(name)).unwrap_or(name).to_owned()
    }

    /// The entry of this name. A model that the caller may not use is not there, like one that nobody has.
    pub fn entry(&self, name: Option<&str>) -> Result<Value, Refusal> {
        let entries = self.entries()?;
        let names = || entries.iter().filter_map(|entry| entry["id"].as_str());
        let missing = || no_model(name.unwrap_or_default(), names()).with_headers(self.told.clone());
        let entry = entries.iter().find(|entry| name.is_some() && entry["id"].as_str() == name);
        entry.cloned().ok_or_else(missing)
    }

    /// The entries that the caller may use.
    pub fn entries(&self) -> Result<Vec<Value>, Refusal> {
        let mut all: Value = serde_json::from_str(&self.list).map_err(|error| unavailable(&error.to_string()))?;
        let mut entries = all["data"].as_array_mut().map(std::mem::take).unwrap_or_default();
        entries.retain(|model| all_mean(&self.models, model["id"].as_str().unwrap_or_default()));
        Ok(entries)
    }
}

/// The list, for whoever may look at it.
pub async fn find(call: &Call<'_>) -> Result<Found, Refusal> {
    let known = call.caller().await?;
    known.principal.check(Some(Scope::Models), None)?;
    find_for(call, &known, Scope::Models).await
}

/// The list, for a caller who may do this.
pub async fn find_for(call: &Call<'_>, known: &Known, scope: Scope) -> Result<Found, Refusal> {
    found(call.around(), &known.table, &known.principal, Some(scope), call.id).await
}

/// What a caller is told whom the origin refused. If it does not have the model, that is which of those that the caller may use
/// it most likely meant. None is named if the list cannot be had in [`TELL_MS`], or its caller leaves.
pub async fn told(around: Around<'_>, known: &Known, model: &str, refusal: Refusal, left: &Signal) -> Refusal {
    if refusal.reason != Reason::ModelNotFound {
        return refusal;
    }
    // A question of its own, by another id: a grant is good for one call, and an admission does not say which models may be
    // used.
    let found = found(around, &known.table, &known.principal, None, RequestId(platform::random()));
    let found = match Deadline::new(Some(left)) {
        Ok(deadline) => {
            deadline.set(TELL_MS);
            deadline.limit(found).await
        }
        Err(_) => None,
    };
    let entries = found.and_then(|found| found.ok()?.entries().ok()).unwrap_or_default();
    let message = no_model(model, entries.iter().filter_map(|entry| entry["id"].as_str())).message;
    Refusal { message, ..refusal }
}

/// Which revision of a model answers, as the origins' list tells it: when it was loaded, and what it is. `None` if the list
/// cannot be had, or does not have it. `ticket` is that of the request for which it is asked.
pub async fn revision(origins: &Origins, ticket: &Ticket, model: &str) -> Option<String> {
    let began = now();
    let known =
        REVISION.with_borrow(|known| known.as_ref().filter(|known| known.is_of(model)).map(|known| known.told.clone()));
    if known.is_some() {
        return known;
    }
    let list = loop {
        let question = forward::question(ticket, now() + REVISION_MS);
        match listed(origins, &question).await {
            Ok(list) => break list,
            // A few ask for all.
            Err(refusal) if refusal.reason == Reason::Overloaded && now().abs_diff(began) < REVISION_MS => {
                platform::sleep(LOOK_MS).await;
            }
            Err(_) => return None,
        }
    };
    let list: Value = serde_json::from_str(&list).ok()?;
    let entry = list["data"].as_array()?.iter().find(|entry| entry["id"].as_str() == Some(model))?;
    let told = entry.to_string();
    let at = LIST.with_borrow(|list| list.as_ref().map_or(0, |(at, _)| *at));
    REVISION.replace(Some(Revision { at, model: model.to_owned(), told: told.clone() }));
    Some(told)
}

/// What a list of then told of one model: the one that was asked for last.
struct Revision {
    at: Millis,
    model: String,
    told: String,
}

impl Revision {
    fn is_of(&self, model: &str) -> bool {
        self.model == model && now().abs_diff(self.at) < FRESH_MS
    }
}

async fn found(
    around: Around<'_>,
    table: &PlanTable,
    principal: &Principal,
    scope: Option<Scope>,
    id: RequestId,
) -> Result<Found, Refusal> {
    let admission = limit::identify(around.env, table, principal, scope).await?;
    let models = admission.models.iter().cloned().chain(principal.permissions.models.clone()).collect();
    let told = ratelimit::headers(&admission.standings, admission.now);
    let aliases = table.get(&admission.plan).map(|plan| plan.aliases.clone()).unwrap_or_default();
    let ticket = Ticket {
        attempt: Attempt::first(id),
        account: principal.account.clone(),
        subject: principal.subject(),
        admission,
        is_held: false,
        watch_capacity: false,
        idle: false,
        since: platform::now(),
        spent: Spent::default(),
    };
    let origins = in_force::current(around.env, &around.config.route, around.context).await;
    Ok(Found { told, list: listed(&origins, &ticket).await?, models, aliases })
}

/// The origins' list: as it was a few seconds ago, or as it is.
async fn listed(origins: &Origins, ticket: &Ticket) -> Result<String, Refusal> {
    if let Some(list) = fresh(now()) {
        return Ok(list);
    }
    let _asking = Asking::begin(now()).ok_or_else(busy)?;
    let list = match origins.all() {
        [only] if !origins.are_several() => forward::get(only, ticket, "/v1/models").await?,
        _ => union::of(origins, ticket).await?,
    };
    LIST.replace(Some((now(), list.clone())));
    Ok(list)
}

/// The list without what the caller may not use.
fn only<'l>(list: &'l str, models: &[Vec<Pattern>]) -> Result<Cow<'l, str>, serde_json::Error> {
    if models.is_empty() {
        return Ok(list.into());
    }
    let mut all: Value = serde_json::from_str(list)?;
    if let Some(data) = all.get_mut("data").and_then(|data| data.as_array_mut()) {
        data.retain(|model| all_mean(models, model["id"].as_str().unwrap_or_default()));
    }
    Ok(all.to_string().into())
}

isolate_local! {
    static LIST: RefCell<Option<(Millis, String)>> = const { RefCell::new(None) };
    static REVISION: RefCell<Option<Revision>> = const { RefCell::new(None) };
    static ASKING: RefCell<Vec<Millis>> = const { RefCell::new(Vec::new()) };
}

/// One request for the list on its way to the origin; an isolate has a few of them at most.
struct Asking(Millis);

impl Asking {
    /// The platform may drop a request without running our code again, so what began long ago no longer counts.
    fn begin(now: Millis) -> Option<Self> {
        ASKING.with_borrow_mut(|asking| {
            asking.retain(|since| now.abs_diff(*since) < ASKING_MS);
            (asking.len() < MAX_ASKING).then(|| {
                asking.push(now);
                Self(now)
            })
        })
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        ASKING.with_borrow_mut(|asking| {
            if let Some(index) = asking.iter().position(|since| *since == self.0) {
                asking.swap_remove(index);
            }
        });
    }
}

fn busy() -> Refusal {
    Refusal::new(Reason::Overloaded, "The list of models is being fetched. Try again.").with_retry_after_ms(BUSY_MS)
}

fn fresh(now: Millis) -> Option<String> {
    LIST.with_borrow(|list| list.as_ref().filter(|(at, _)| now.abs_diff(*at) < FRESH_MS).map(|(_, list)| list.clone()))
}

fn now() -> Millis {
    platform::now()
}

/// How long the list is kept, in milliseconds.
const FRESH_MS: u64 = 5_000;
/// How many requests may ask the origin for it at once.
const MAX_ASKING: usize = 4;
/// After how long such a request is over, whatever became of it, in milliseconds.
const ASKING_MS: u64 = 11_000;
/// How long a caller waits at most to be told which model it may have meant, in milliseconds: a refusal is worth little late.
const TELL_MS: u32 = 1_000;
/// How long a request waits at most to be told which revision of its model there is, in milliseconds.
const REVISION_MS: Millis = 3_000;
/// How often it is looked whether the list is there that others ask for, in milliseconds.
const LOOK_MS: u32 = 5;
/// After how long the others may try again, in milliseconds.
const BUSY_MS: u64 = 500; // not a status: milliseconds
