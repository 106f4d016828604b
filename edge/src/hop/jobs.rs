//! What the edge asks an account's jobs.

use crate::hop;
use crate::platform::Env;
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::jobs::call::{JobsAnswer, JobsCall, decode_answer, encode_call};
use sluice_protocol::refusal::{Reason, Refusal};

/// Asks them one thing, for a caller who waits.
pub async fn ask(env: &Env, account: &AccountName, call: &JobsCall) -> Result<JobsAnswer, Refusal> {
    let answer = hop::call_within(env, "JOBS", account.name(), &encode_call(call), ASK_MS).await;
    let answer = answer.map_err(|failed| unavailable(&failed.why))?;
    decode_answer(&answer).map_err(|error| unavailable(&error.to_string()))
}

/// What a caller is told whose jobs cannot be asked for.
pub fn unavailable(detail: &str) -> Refusal {
    Refusal::new(Reason::GateUnavailable, "What is answered later cannot be asked for just now. Try again.")
        .with_detail(detail)
}

/// How long they may take to answer, in milliseconds: they look up some rows.
const ASK_MS: u32 = 15_000;
