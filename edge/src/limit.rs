//! limit and settle, as the walk sees them: admit, admit again with what the origin counted, settle.

use crate::auth::Principal;
use crate::denial::{self, Denial};
use crate::group::{self, Due};
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
    let answer = one(env, table, &principal.account, Call::Admit(Box::new(ask.clone()))).await;
    decide(answer, table, principal, &ask, asked_at)
}

/// [`admit`] for a request whose prompt is longer than it was taken for: gives the first reservation back and asks for the
/// right one, both in one message.
pub async fn admit_again(
    env: &Env,
    table: &PlanTable,
    principal: &Principal,
    first: RequestId,
    ask: Ask,
) -> Result<Let, Refusal> {
    let asked_at = now();
    let settle = Call::Settle { request: first, outcome: Outcome::NotServed };
    let calls = vec![settle, Call::Admit(Box::new(ask.clone()))];
    let answer = send(env, table, &principal.account, calls).await;
    let answer = answer.and_then(|mut answers| answers.pop().ok_or_else(|| unavailable("the Gate gave no answer")));
    decide(answer, table, principal, &ask, asked_at)
}

/// Authenticates the caller, for a route of this kind; counts nothing.
pub async fn identify(
    env: &Env,
    table: &PlanTable,
    principal: &Principal,
    scope: Option<Scope>,
) -> Result<Admission, Refusal> {
    let call = Call::Identify { caller: principal.caller.clone(), scope, address: principal.address };
    match one(env, table, &principal.account, call).await? {
        Answer::Identified(admission) => Ok(*admission),
        other => Err(answer_refusal(&other)),
    }
}

/// How the caller's limits stand; counts nothing.
pub async fn describe(env: &Env, table: &PlanTable, principal: &Principal) -> Result<CallerDescription, Refusal> {
    let call = Call::DescribeCaller { caller: principal.caller.clone(), address: principal.address };
    match one(env, table, &principal.account, call).await? {
        Answer::Caller(described) => Ok(*described),
        other => Err(answer_refusal(&other)),
    }
}

/// Ends a request's lease. If its Gate cannot be reached, the lease ends by itself at its deadline.
pub async fn settle(env: &Env, table: &PlanTable, account: &Account, request: RequestId, outcome: Outcome, due: Due) {
    if let Err(error) = group::settle(env, table.version(), account, Call::Settle { request, outcome }, due).await {
        worker::console_warn!("{request} is not settled: {error}");
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
    send(env, table, account, vec![call]).await?.pop().ok_or_else(|| unavailable("the Gate gave no answer"))
}

/// What a caller is told when its Gate cannot be asked: nothing passes uncounted.
pub fn unavailable(detail: &str) -> Refusal {
    Refusal::new(Reason::GateUnavailable, "Your limits cannot be checked just now. Try again.").with_detail(detail)
}

/// What a caller is told of an answer that is a no.
pub fn answer_refusal(answer: &Answer) -> Refusal {
    answer.refusal().unwrap_or_else(|| unavailable("the Gate answered another call than the one it was asked"))
}

/// What this isolate has yet to settle there is settled before.
async fn send(env: &Env, table: &PlanTable, account: &Account, calls: Vec<Call>) -> Result<Vec<Answer>, Refusal> {
    group::ask(env, table.version(), account, calls).await.map_err(|error| unavailable(&error))
}

fn decide(
    answer: Result<Answer, Refusal>,
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
        Ok(Answer::Limited { refused, standings, now: decided_at }) => {
            let refusal = Answer::Limited { refused: refused.clone(), standings: standings.clone(), now: decided_at };
            let denial = Denial { asked_at, answered_at: now(), decided_at, refused, standings };
            denial::remember(principal, denial);
            Err(answer_refusal(&refusal))
        }
        Ok(other) => {
            spare::forget(principal);
            Err(answer_refusal(&other))
        }
        Err(refusal) => match spare::admit(table, principal, ask, now()) {
            Some(admitted) => admitted.map(|admission| Let::BySpare(Box::new(admission))),
            None => Err(refusal),
        },
    }
}

fn now() -> Millis {
    platform::now()
}
