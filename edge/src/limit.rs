//! limit and settle, as the walk sees them: admit, admit again with what the origin counted, settle.

pub mod calendar;
pub mod degrade;
pub mod plans;
pub mod remembered;
pub mod without_gate;

use crate::auth::principal::Principal;
use crate::hop::gate::{self, answer_refusal, last, unavailable};
use crate::platform::objects::{Cause, Unanswered};
use crate::platform::{self, Env};
use crate::telemetry::{self, Noted, measures};
use sluice_protocol::auth::alias::Aliases;
use sluice_protocol::auth::permission::Scope;
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::hop::gate_call::description::CallerDescription;
use sluice_protocol::hop::gate_call::{Admission, Answer, Ask, Asker, Call};
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::telemetry::Line;
use sluice_protocol::time::Millis;
use sluice_protocol::usage::report::{UsageQuery, UsageReport};

/// What let a request through.
pub enum Admitted {
    /// Its Gate: a lease is held and must be settled.
    ByGate(Box<Admission>),
    /// The plan's bucket in this isolate, because its Gate cannot be reached. Nothing is held.
    WithoutGate(Box<Admission>),
}

/// Authenticates the caller and holds a lease for the request, or says why not.
pub async fn admit(
    env: &Env,
    table: &PlanTable,
    principal: &Principal,
    ask: Ask,
    noted: &mut Noted,
) -> Result<Admitted, Refusal> {
    let asked_at = now();
    let mut calls: Vec<Call> = remembered::given(&principal.account).into_iter().collect();
    calls.push(Call::Admit(Box::new(ask.clone())));
    let answer = last(env, table, &principal.account, calls).await;
    decide(answer, table, principal, (&ask, noted), asked_at)
}

/// [`admit`] for a request whose prompt is longer than it was taken for: ends the first reservation and asks for the right
/// one, both in one call. The origin has counted the prompt, so the request counts even where its limits now refuse it.
pub async fn admit_again(
    env: &Env,
    table: &PlanTable,
    principal: &Principal,
    first: RequestId,
    (ask, noted): (Ask, &mut Noted),
) -> Result<Admitted, Refusal> {
    let asked_at = now();
    let call = Call::Readmit { first, ask: Box::new(ask.clone()) };
    let answer = last(env, table, &principal.account, vec![call]).await;
    decide(answer, table, principal, (&ask, noted), asked_at)
}

/// Authenticates the caller, for a route of this kind; counts nothing.
pub async fn identify(
    env: &Env,
    table: &PlanTable,
    principal: &Principal,
    scope: Option<Scope>,
) -> Result<Admission, Refusal> {
    let asked_at = now();
    let call = Call::Identify { caller: principal.caller.clone(), scope, address: principal.address };
    match gate::ask(env, table, &principal.account, call).await? {
        Answer::Identified(admission) => Ok(*admission),
        other => Err(told(table, principal, &other, asked_at)),
    }
}

/// The model that a request for an answer means: by the aliases of the caller's plan, or else of the deployment. Its Gate, which
/// knows the plan, is asked only where some plan has another model for that name. Refuses whom the Gate refuses.
pub async fn model_meant(
    env: &Env,
    table: &PlanTable,
    principal: &Principal,
    deployment: &Aliases,
    (scope, name): (Scope, &str),
) -> Result<Option<String>, Refusal> {
    if !table.has_alias(name) {
        return Ok(deployment.of(name).map(str::to_owned));
    }
    let plan = identify(env, table, principal, Some(scope)).await?.plan;
    Ok(table.meant(&plan, name, deployment).map(str::to_owned))
}

/// How the caller's limits stand; counts nothing.
pub async fn describe(env: &Env, table: &PlanTable, principal: &Principal) -> Result<CallerDescription, Refusal> {
    let asked_at = now();
    let call = Call::DescribeCaller { caller: principal.caller.clone(), address: principal.address };
    match gate::ask(env, table, &principal.account, call).await? {
        Answer::Caller(described) => Ok(*described),
        other => Err(told(table, principal, &other, asked_at)),
    }
}

/// What an account has used; for a caller who asks, what that one has. Counts nothing.
pub async fn usage(
    env: &Env,
    table: &PlanTable,
    account: &AccountName,
    caller: Option<&Principal>,
    query: UsageQuery,
) -> Result<UsageReport, Refusal> {
    let asked_at = now();
    let asker = caller.map(|caller| Box::new(Asker { caller: caller.caller.clone(), address: caller.address }));
    match gate::ask(env, table, account, Call::DescribeUsage { asker, query: Box::new(query) }).await? {
        Answer::Usage(report) => Ok(*report),
        other => Err(match caller {
            Some(caller) => told(table, caller, &other, asked_at),
            None => answer_refusal(&other),
        }),
    }
}

/// What a caller is told of an answer that is a no, which is remembered.
fn told(table: &PlanTable, principal: &Principal, answer: &Answer, asked_at: Millis) -> Refusal {
    remembered::remember(table, principal, answer, asked_at);
    answer_refusal(answer)
}

fn decide(
    answer: Result<Answer, Unanswered>,
    table: &PlanTable,
    principal: &Principal,
    (ask, noted): (&Ask, &mut Noted),
    asked_at: Millis,
) -> Result<Admitted, Refusal> {
    noted.gate_asked(asked_at, answer.as_ref().err().map(|_| Reason::GateUnavailable.row().code));
    if let Ok(answer) = &answer {
        noted.answered(ask, answer);
        measures::decided(answer, ask.batch, principal.account.name(), || principal.subject());
    }
    match answer {
        Ok(Answer::Admitted(admission)) => {
            for limit in &admission.shadowed {
                let (plan, would_have_refused) = (admission.plan.clone(), limit.clone());
                telemetry::write(&Line::Watched { request: ask.request.to_string(), plan, would_have_refused });
            }
            without_gate::remember(table, principal, &admission, now());
            Ok(Admitted::ByGate(admission))
        }
        // It is not remembered: it says nothing of another request, nor of this one in a moment.
        Ok(Answer::TooFull(plan)) => Err(degrade::too_full(table, &plan, ask)),
        Ok(other) => {
            without_gate::refused(principal, &other, now());
            Err(told(table, principal, &other, asked_at))
        }
        // What a caller can bring about by itself (too much to do for its Gate, or a failure of its Gate's) lets nothing through.
        Err(failed) if failed.cause != Cause::Unreachable => Err(unavailable(&failed.why)),
        Err(failed) => match without_gate::admit(table, principal, ask, now()) {
            Some(admitted) => admitted.map(|admission| {
                noted.without_gate(&admission);
                Admitted::WithoutGate(Box::new(admission))
            }),
            None => Err(unavailable(&failed.why)),
        },
    }
}

fn now() -> Millis {
    platform::now()
}
