//! What the edge asks an account's kept responses.

use crate::hop;
use crate::platform::Env;
use crate::platform::objects::Unanswered;
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::hop::responses_call::{ResponsesAnswer, ResponsesCall, decode_answer, encode_call};
use sluice_protocol::refusal::{Reason, Refusal};

/// Asks them one thing. They have too much to do if they have not answered within `ms` milliseconds.
pub async fn ask(
    env: &Env,
    account: &AccountName,
    call: &ResponsesCall,
    ms: u32,
) -> Result<ResponsesAnswer, Unanswered> {
    let answer = hop::call_within(env, "RESPONSES", account.name(), &encode_call(call), ms).await?;
    decode_answer(&answer).map_err(|error| Unanswered::own(error.to_string()))
}

/// [`ask`] for a caller who waits for the answer.
pub async fn answer(env: &Env, account: &AccountName, call: &ResponsesCall) -> Result<ResponsesAnswer, Refusal> {
    ask(env, account, call, ASK_MS).await.map_err(|failed| unavailable(&failed.why))
}

/// What a caller is told whose responses cannot be asked for.
pub fn unavailable(detail: &str) -> Refusal {
    Refusal::new(Reason::GateUnavailable, "The responses that are kept cannot be asked for just now. Try again.")
        .with_detail(detail)
}

/// How long they may take to answer, in milliseconds: they look up some rows.
const ASK_MS: u32 = 10_000;
