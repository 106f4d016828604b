//! What the edge asks the one object that looks for alerts.

use crate::hop::gate::unavailable;
use crate::hop::{self, Waits};
use crate::platform::{self, Env, isolate_local};
use crate::telemetry;
use sluice_protocol::alerts::call::{AlertsAnswer, AlertsCall, decode_answer, encode_call};
use sluice_protocol::refusal::Refusal;
use sluice_protocol::telemetry::Line;
use sluice_protocol::time::Millis;
use std::cell::Cell;

/// Asks it one thing, for a request of the Worker's.
pub async fn ask(env: &Env, call: &AlertsCall) -> Result<AlertsAnswer, Refusal> {
    ask_waiting(env, call, Waits::ForAWhile).await
}

async fn ask_waiting(env: &Env, call: &AlertsCall, waits: Waits) -> Result<AlertsAnswer, Refusal> {
    let answer = hop::call_waiting(env, "ALERTS", "alerts", &encode_call(call), (waits, ASK_MS)).await;
    let answer = answer.map_err(|failed| unavailable(&failed.why))?;
    decode_answer(&answer).map_err(|error| unavailable(&error.to_string()))
}

/// Has it look for what this isolate has counted, unless it was told a while ago.
pub async fn look(env: &Env, waits: Waits) {
    let now = platform::now();
    if now.abs_diff(TOLD_AT.get()) < EVERY_MS {
        return;
    }
    TOLD_AT.set(now);
    if let Err(refusal) = ask_waiting(env, &AlertsCall::Look, waits).await {
        TOLD_AT.set(0);
        telemetry::write(&Line::trouble("nobody looks for alerts", refusal.detail.unwrap_or_default()));
    }
}

isolate_local! {
    static TOLD_AT: Cell<Millis> = Cell::new(0);
}

/// How often an isolate with requests says so, in milliseconds: more often than the object falls asleep.
const EVERY_MS: Millis = 30_000;
/// How long it may take: a test is sent meanwhile.
const ASK_MS: u32 = 15_000;
