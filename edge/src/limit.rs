//! limit and settle, as the walk sees them: admit, admit again with what the origin counted, settle.

use crate::auth::Principal;
use crate::denial;
use crate::group::{self, Due};
use crate::hop::{Failed, Fault};
use crate::platform;
use crate::spare;
use sluice_protocol::Millis;
use sluice_protocol::gate::Outcome;
use sluice_protocol::gate_call::{Admission, Answer, Ask, Call, CallerDescription};
use sluice_protocol::id::RequestId;
use sluice_protocol::permission::Scope;
use sluice_protocol::plan::{PlanTable, Unit};
use sluice_protocol::principal::Account;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::standing::{Standing, StandingKind};
use worker::Env;

/// What let a request through.
pub enum Let {
    /// Its Gate: a lease is held and must be settled.
    ByGate(Box<Admission>),
    /// The plan's bucket in this isolate, because its Gate cannot be reached. Nothing is held.
    BySpare(Box<Admission>),
}

/// Authenticates the caller and holds a lease for the request, or says why not.
pub async fn admit(env: &Env, table: &PlanTable, principal: &Principal, ask: Ask) -> Result<Let, Refusal> {
    let asked_at = now();
    let answer = last(env, table, &principal.account, vec![Call::Admit(Box::new(ask.clone()))]).await;
    decide(answer, table, principal, &ask, asked_at)
}

/// [`admit`] for a request whose prompt is longer than it was taken for: ends the first reservation and asks for the right
/// one, both in one call. The origin has counted the prompt, so the request counts even where its limits now refuse it.
pub async fn admit_again(
    env: &Env,
    table: &PlanTable,
    principal: &Principal,
    first: RequestId,
    ask: Ask,
) -> Result<Let, Refusal> {
    let asked_at = now();
    let call = Call::Readmit { first, ask: Box::new(ask.clone()) };
    let answer = last(env, table, &principal.account, vec![call]).await;
    decide(answer, table, principal, &ask, asked_at)
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
    match one(env, table, &principal.account, call).await? {
        Answer::Identified(admission) => Ok(*admission),
        other => Err(remembered(table, principal, &other, asked_at)),
    }
}

/// How the caller's limits stand; counts nothing.
pub async fn describe(env: &Env, table: &PlanTable, principal: &Principal) -> Result<CallerDescription, Refusal> {
    let asked_at = now();
    let call = Call::DescribeCaller { caller: principal.caller.clone(), address: principal.address };
    match one(env, table, &principal.account, call).await? {
        Answer::Caller(described) => Ok(*described),
        other => Err(remembered(table, principal, &other, asked_at)),
    }
}

/// Ends a request's lease. If its Gate cannot be reached, the lease ends by itself at its deadline.
pub async fn settle(env: &Env, table: &PlanTable, account: &Account, request: RequestId, outcome: Outcome, due: Due) {
    if let Err(error) = group::settle(env, table.version(), account, Call::Settle { request, outcome }, due).await {
        worker::console_warn!("{request} is not settled: {}", error.why);
    }
    if outcome == Outcome::NotServed {
        // What was counted has been given back: what refused a moment ago may pass now.
        denial::forget(account);
    }
}

/// When what an admitted request gives back may be missed by the account's requests elsewhere: soon, unless half of each
/// limit that it gives back to is left. What was served stays counted in a limit of requests.
pub fn due(outcome: Outcome, admission: &Admission) -> Due {
    let gets_back = |limit: &&Standing| limit.kind == StandingKind::Parallel || limit.unit != Unit::Requests;
    let has_plenty = |limit: &Standing| limit.remaining() >= limit.quota / 2 && limit.remaining() > 0;
    match outcome {
        Outcome::Served(_) if admission.standings.iter().filter(gets_back).all(has_plenty) => Due::Later,
        _ => Due::Soon,
    }
}

/// Asks an account's Gate one thing.
pub async fn one(env: &Env, table: &PlanTable, account: &Account, call: Call) -> Result<Answer, Refusal> {
    last(env, table, account, vec![call]).await.map_err(|failed| unavailable(&failed.why))
}

/// What a caller is told when its Gate cannot be asked: nothing passes uncounted.
pub fn unavailable(detail: &str) -> Refusal {
    Refusal::new(Reason::GateUnavailable, "Your limits cannot be checked just now. Try again.").with_detail(detail)
}

/// What a caller is told of an answer that is a no.
pub fn answer_refusal(answer: &Answer) -> Refusal {
    answer.refusal().unwrap_or_else(|| unavailable("the Gate answered another call than the one it was asked"))
}

/// Asks an account's Gate several things, and gives the answer to the last. What this isolate has yet to settle there is settled
/// before.
async fn last(env: &Env, table: &PlanTable, account: &Account, calls: Vec<Call>) -> Result<Answer, Failed> {
    let answer = group::ask(env, table.version(), account, calls).await?.pop();
    answer.ok_or_else(|| Failed::own("the Gate gave no answer"))
}

/// What a caller is told of an answer that is a no, which is remembered.
fn remembered(table: &PlanTable, principal: &Principal, answer: &Answer, asked_at: Millis) -> Refusal {
    denial::remember(table, principal, answer, asked_at);
    answer_refusal(answer)
}

fn decide(
    answer: Result<Answer, Failed>,
    table: &PlanTable,
    principal: &Principal,
    ask: &Ask,
    asked_at: Millis,
) -> Result<Let, Refusal> {
    match answer {
        Ok(Answer::Admitted(admission)) => {
            for limit in &admission.shadowed {
                let (request, plan) = (ask.request, &admission.plan);
                worker::console_log!(
                    "{{\"request\":\"{request}\",\"plan\":\"{plan}\",\"would_have_refused\":\"{limit}\"}}"
                );
            }
            spare::remember(table, principal, &admission, now());
            Ok(Let::ByGate(admission))
        }
        Ok(other) => {
            spare::refused(principal, &other, now());
            Err(remembered(table, principal, &other, asked_at))
        }
        // What a caller can bring about by itself (too much to do for its Gate, or a failure of its Gate's) lets nothing through.
        Err(failed) if failed.fault != Fault::Unreachable => Err(unavailable(&failed.why)),
        Err(failed) => match spare::admit(table, principal, ask, now()) {
            Some(admitted) => admitted.map(|admission| Let::BySpare(Box::new(admission))),
            None => Err(unavailable(&failed.why)),
        },
    }
}

fn now() -> Millis {
    platform::now()
}
