//! What the edge asks the Registry.

use crate::hop;
use crate::platform::objects::Unanswered;
use crate::platform::{Context, Env};
use crate::telemetry;
use sluice_protocol::admin::{RegistryAnswer, RegistryCall};
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::telemetry::Line;

/// Asks the Registry one thing, for a request of the Worker's.
pub async fn ask(env: &Env, call: &RegistryCall) -> Result<RegistryAnswer, Refusal> {
    read(hop::call_within(env, "REGISTRY", "registry", &message(call), ASK_MS).await)
}

/// [`ask`] for an object, which sets no timer.
pub async fn ask_from_object(env: &Env, call: &RegistryCall) -> Result<RegistryAnswer, Refusal> {
    read(hop::call(env, "REGISTRY", "registry", &message(call)).await)
}

/// Has the account of a token's subject listed, in a task of its own. If that fails, a request of the next day does it.
pub fn list_subject(env: &Env, context: &Context, account: &AccountName) {
    let (env, account) = (env.clone(), account.to_string());
    context.wait_until(async move {
        if let Err(refusal) = ask(&env, &RegistryCall::ListSubject { account }).await {
            let why = refusal.detail.unwrap_or_default();
            telemetry::write(&Line::trouble("a subject is not listed yet", why));
        }
    });
}

fn message(call: &RegistryCall) -> Vec<u8> {
    serde_json::to_vec(call).expect("our own types have string keys and no failing serialisers")
}

fn read(answer: Result<Vec<u8>, Unanswered>) -> Result<RegistryAnswer, Refusal> {
    let unavailable = |detail: String| {
        Refusal::new(Reason::GateUnavailable, "The registry cannot be asked just now. Try again.").with_detail(detail)
    };
    let answer = answer.map_err(|failed| unavailable(failed.why))?;
    serde_json::from_slice(&answer).map_err(|error| unavailable(error.to_string()))
}

/// How long the Registry may take to answer, in milliseconds: an admin's call waits there until its Gates have been told.
const ASK_MS: u32 = 30_000;
