//! Jobs on the walk: lines of batches, and responses in the background. One takes the same steps as a live request, from
//! auth on. It waits for a Gate that cannot be reached; and a line says that it is one, and takes idle time only.

use super::meant::meant;
use super::{Asked, walk};
use crate::auth::principal::Principal;
use crate::call::{Around, Known};
use crate::config::{Config, config_of};
use crate::forward::attempt::Attempt;
use crate::forward::spent::Spent;
use crate::forward::{self, Became, CANCEL_TIMEOUT_MS, Ticket};
use crate::hop::gate::unavailable;
use crate::hop::{meter, traces};
use crate::limit::{self, plans};
use crate::objects::jobs::{Carry, Errand, Said, Whom};
use crate::platform::{self, Body, Context, Env, Signal};
use crate::route::in_force;
use crate::settle::Settle;
use crate::telemetry::{self, Noted};
use futures_channel::oneshot;
use futures_util::future::join;
use sluice_protocol::auth::permission::Scope;
use sluice_protocol::auth::principal::{AccountName, Mark};
use sluice_protocol::hop::gate_call::{Admission, Ask, Bending, Caller};
use sluice_protocol::jobs::line::BatchDoor;
use sluice_protocol::jobs::owner::Owner;
use sluice_protocol::jobs::work::{Found, Try};
use sluice_protocol::limit::cache::CacheAsked;
use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::question::Question;
use sluice_protocol::request::endpoint::Endpoint;
use sluice_protocol::request::read;
use sluice_protocol::route::beginning::Beginning;
use sluice_protocol::route::door::Probe;
use sluice_protocol::telemetry::RequestEnd;
use sluice_protocol::telemetry::trace::span::Kind;
use sluice_protocol::time::Millis;
use std::rc::Rc;

/// Carries jobs.
pub struct Lines;

impl Carry for Lines {
    async fn admits(env: &Env, owner: &Owner, door: BatchDoor) -> Result<Millis, Refusal> {
        let config = config_of(env)?;
        let Known { table, principal } = known(env, &config, &Context::of_object(), owner).await?;
        let scope = scope(door);
        principal.check(Some(scope), None)?;
        let admission = limit::identify(env, &table, &principal, Some(scope)).await?;
        Ok(admission.deadline.saturating_sub(admission.now))
    }

    async fn carry<T>(errand: Errand<'_>, told: impl FnOnce(Said) -> T) -> Option<T> {
        let refused = |refusal| Said { request: errand.request, answer: Err(refusal) };
        let config = match config_of(errand.env) {
            Ok(config) => config,
            Err(refusal) => return Some(told(refused(refusal))),
        };
        let context = Context::of_object();
        let around = Around { env: errand.env, context: &context, config: &config };
        let mut noted = Noted::begin(config.traces.as_deref(), Kind::Internal, &|_| None);
        let asked = match understand(around, &errand, &noted).await {
            Ok(asked) => asked,
            Err(refusal) => return Some(told(refused(refusal))),
        };
        if let Err(fault) = (errand.note)(asked.origins.json()) {
            let refusal = Refusal::new(Reason::Internal, "The request could not be sent on.");
            return Some(told(refused(refusal.with_detail(fault.to_string()))));
        }
        let since = platform::now();
        let subject = || errand.owner.subject.clone();
        noted.ask(config.lines, &errand.owner.account, subject, &asked.ask);
        let (answer, answered) = oneshot::channel();
        let walking = async {
            let end: RequestEnd = walk(around, asked, answer, &mut noted).await;
            let (lines, request, path) = (config.lines, errand.request, errand.door.door().path());
            match (errand.whom, end) {
                // It is asked for again, as often as it takes: that is neither an end nor anybody's failure.
                (Whom::Nobody, RequestEnd::Refused { .. }) => {
                    noted.untold();
                    telemetry::over(lines, request, path, noted, end, since);
                }
                _ => telemetry::answered(lines, request, path, noted, end, since),
            }
        };
        let telling = async {
            let said = match answered.await {
                Ok(Ok(response)) => {
                    let body = Body::of_response(&response, MAX_ANSWER_BYTES).await.ok()?;
                    Said { request: errand.request, answer: Ok(String::from_utf8(body.bytes()).ok()?) }
                }
                Ok(Err(refusal)) => refused(refusal),
                Err(_) => return None,
            };
            Some(told(said))
        };
        let told = join(walking, telling).await.1;
        let env = errand.env.clone();
        // Nobody waits for it.
        context.wait_until(async move {
            traces::hand_over_now(config.traces.as_ref()).await;
            meter::hand_over_now(&env, || in_force::known(&config.route).seen(), config.measured()).await;
        });
        told
    }

    async fn find_out(env: &Env, owner: &Owner, tried: Try, noted: Vec<String>) -> Found {
        let (Ok(config), Some(account)) = (config_of(env), owner.account()) else { return Found::Unknown };
        let table = plans::for_caller(env, &config.plans, &Context::of_object()).await;
        let settle = Settle { env, table: &table, account: &account, beside: None };
        let first = Attempt::first(tried.request);
        let origins = in_force::current(env, &config.route, &Context::of_object()).await;
        // What was taken out has what it had.
        let gone: Vec<_> = noted.iter().flat_map(|json| origins.gone(json, &config.route)).collect();
        let mut outcomes = Vec::new();
        let mut is_whole = false;
        for attempt in [first, first.again()] {
            let mut spent = Spent::default();
            for origin in origins.all().iter().chain(&gone) {
                let ticket = question_of(owner, &account, attempt, tried.since);
                match forward::became(origin, &ticket, CANCEL_TIMEOUT_MS).await {
                    Became::Ended(used, was_whole) => {
                        is_whole |= was_whole;
                        spent.add(Outcome::Served(Some(used)));
                    }
                    Became::Unseen => {}
                    // Its time is over: wherever it was, it has ended there.
                    Became::Unknown if platform::now() >= tried.until => {}
                    Became::Unknown => return Found::Unknown,
                }
            }
            outcomes.push((attempt, spent.with(Outcome::NotServed)));
        }
        for (attempt, outcome) in outcomes {
            settle.found(attempt, outcome).await;
        }
        if is_whole { Found::Whole } else { Found::NotWhole }
    }

    async fn is_ready(env: &Env) -> bool {
        let Ok(config) = config_of(env) else { return false };
        for origin in in_force::current(env, &config.route, &Context::of_object()).await.all() {
            if forward::probe(origin, PROBE_MS).await == Probe::Ready {
                return true;
            }
        }
        false
    }

    fn pressure(env: &Env) -> u8 {
        config_of(env).map_or(0, |config| in_force::known(&config.route).signal().pressure)
    }
}

/// auth, for whoever has made a job: what its Gate is asked is what it was then, and its plan is that of now.
async fn known(env: &Env, config: &Config, context: &Context, owner: &Owner) -> Result<Known, Refusal> {
    let table = plans::for_caller(env, &config.plans, context).await;
    let principal = principal(owner, &table)?;
    Ok(Known { table, principal })
}

fn principal(owner: &Owner, table: &Rc<PlanTable>) -> Result<Principal, Refusal> {
    let gone = || Refusal::new(Reason::MissingKey, "Callers without a key are not let in any more.");
    let caller = match &owner.caller {
        Caller::Known { .. } if table.is_unknown() => return Err(unavailable("the plans cannot be asked for")),
        Caller::Known { subject, .. } => {
            Caller::Known { subject: *subject, plan: table.anonymous.clone().ok_or_else(gone)? }
        }
        with_key => with_key.clone(),
    };
    let account = owner.account().ok_or_else(gone)?;
    Ok(Principal { account, caller, key: owner.key, address: owner.address, permissions: owner.permissions.clone() })
}

/// request -> auth: what the Gate is to be asked for a line.
async fn understand(around: Around<'_>, errand: &Errand<'_>, noted: &Noted) -> Result<Asked, Refusal> {
    let Around { env, context, config } = around;
    let known = known(env, config, context, errand.owner).await?;
    let Known { table, principal } = &known;
    let door = errand.door.door();
    let body = Body::of_bytes(errand.body.as_bytes());
    let question = read::question(door, errand.body.as_bytes(), config.chat)?;
    let (model, body) = meant(around, table, principal, &question, body).await?;
    principal.check(Some(question.endpoint().into()), Some(&model))?;
    let origins = in_force::current(env, &config.route, context).await;
    let ask = ask(&question, errand, principal, (model, body.size(), origins.signal().pressure));
    let left = match errand.whom {
        Whom::Somebody(left) => left.clone(),
        Whom::Nobody => Signal::of_nobody().map_err(|fault| {
            Refusal::new(Reason::Internal, "The line could not be sent on.").with_detail(fault.to_string())
        })?,
    };
    let is_chat = ask.endpoint != Endpoint::Embeddings;
    let beginning = (origins.are_several() && is_chat).then(|| Beginning::of_body(&body.bytes())).flatten();
    Ok(Asked {
        door,
        known,
        ask,
        body,
        stream: false,
        is_job: true,
        keep: None,
        cache: CacheAsked::None,
        is_repeatable: false,
        left,
        origins,
        beginning,
        region: None,
        trace: noted.onward(None, &|_| None),
        key: None,
    })
}

fn ask(
    question: &Question,
    errand: &Errand<'_>,
    principal: &Principal,
    (model, body_bytes, pressure): (String, u32, u8),
) -> Ask {
    Ask {
        caller: principal.caller.clone(),
        request: errand.request,
        endpoint: question.endpoint(),
        batch: matches!(errand.whom, Whom::Nobody),
        session: None,
        user: question.user().map(Mark::of),
        body_bytes,
        prompt_tokens: question.guess_prompt_tokens(),
        prompt_is_counted: false,
        max_tokens: question.most_tokens(),
        thinking: question.thinks(),
        drawing: question.drawing(),
        // It can wait, and is answered as it was asked.
        bending: Bending::default(),
        pressure,
        address: principal.address,
        model,
    }
}

/// What an origin is asked with about a try. It names nothing but the request and whose it is.
fn question_of(owner: &Owner, account: &AccountName, attempt: Attempt, since: Millis) -> Ticket {
    let admission = Admission {
        plan: QUESTION.to_owned(),
        priority: 0,
        deadline: platform::now() + Millis::from(CANCEL_TIMEOUT_MS),
        tokens: 0,
        max_tokens: 0,
        max_prompt_tokens: 0,
        standings: Vec::new(),
        shadowed: Vec::new(),
        degraded: None,
        bounds: None,
        models: Vec::new(),
        now: platform::now(),
        is_to_be_listed: false,
    };
    Ticket {
        attempt,
        account: account.clone(),
        subject: owner.subject.clone(),
        admission,
        is_held: false,
        watch_capacity: false,
        idle: false,
        since,
        spent: Spent::default(),
    }
}

const fn scope(door: BatchDoor) -> Scope {
    match door {
        BatchDoor::Chat | BatchDoor::Responses => Scope::Chat,
        BatchDoor::Completions => Scope::Completions,
        BatchDoor::Embeddings => Scope::Embeddings,
    }
}

/// What a question's grant has in the place of a plan.
const QUESTION: &str = "batch";
/// How long an origin may take to say whether it is ready, in milliseconds.
const PROBE_MS: u32 = 2_000;
/// The longest answer that is read, in bytes; what is kept of it is less.
const MAX_ANSWER_BYTES: u64 = 32 << 20;
