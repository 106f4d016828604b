//! What the walk asks an account's Gate, and what a caller is told of its answers.

use crate::hop::group;
use crate::platform::Env;
use crate::platform::objects::Unanswered;
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::hop::gate_call::{Answer, Call};
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::refusal::{Reason, Refusal};

/// Asks an account's Gate one thing.
pub async fn ask(env: &Env, table: &PlanTable, account: &AccountName, call: Call) -> Result<Answer, Refusal> {
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
pub async fn last(env: &Env, table: &PlanTable, account: &AccountName, calls: Vec<Call>) -> Result<Answer, Unanswered> {
    let answer = group::ask(env, table.version(), account, calls).await?.pop();
    answer.ok_or_else(|| Unanswered::own("the Gate gave no answer"))
}
