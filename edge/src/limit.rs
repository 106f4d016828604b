//! limit and settle, as the walk sees them: admit, admit again with what the origin counted, settle.

use crate::auth::Principal;
use crate::denial::{self, Denial};
use crate::{group, spare};
use sluice_protocol::Millis;
use sluice_protocol::gate::Outcome;
use sluice_protocol::gate_call::{Admission, Answer, Ask, Call, CallerDescription};
use sluice_protocol::id::RequestId;
use sluice_protocol::plan::PlanTable;
use sluice_protocol::principal::Account;
use sluice_protocol::refusal::{Reason, Refusal};
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

/// Authenticates the caller; counts nothing.
pub async fn identify(env: &Env, table: &PlanTable, principal: &Principal) -> Result<Admission, Refusal> {
    let call = Call::Identify { caller: principal.caller.clone() };
    match one(env, table, &principal.account, call).await? {
        Answer::Identified(admission) => Ok(*admission),
        other => Err(answer_refusal(&other)),
    }
}

/// How the caller's limits stand; counts nothing.
pub async fn describe(env: &Env, table: &PlanTable, principal: &Principal) -> Result<CallerDescription, Refusal> {
    let call = Call::DescribeCaller { caller: principal.caller.clone() };
    match one(env, table, &principal.account, call).await? {
        Answer::Caller(described) => Ok(*described),
        other => Err(answer_refusal(&other)),
    }
}

/// Ends a request's lease. If its Gate cannot be reached, the lease ends by itself at its deadline.
pub async fn settle(env: &Env, table: &PlanTable, account: &Account, request: RequestId, outcome: Outcome) {
    if let Err(error) = group::settle(env, table.version(), account, Call::Settle { request, outcome }).await {
        worker::console_warn!("{request} is not settled: {error}");
    }
    if outcome == Outcome::NotServed {
        // What was counted has been given back: what refused a moment ago may pass now.
        denial::forget(account);
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
            spare::remember(table, principal, &admission.plan, now());
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
    worker::Date::now().as_millis()
}
