//! One message to an object and its answer back.

pub mod gate;
pub mod group;
pub mod jobs;
pub mod kept;
pub mod registry;
pub mod responses;

use crate::platform::objects::{Cause, Unanswered};
use crate::platform::{Env, call_object, now};

/// Sends `message` to the object called `name` and returns what it answers.
///
/// Every message that may be repeated is safe to repeat (admit and settle are keyed by the request's id), so a hop on which
/// the object was not reached is tried once more. One that has too much to do, or that has failed over this very message, is
/// not asked again.
pub async fn call(env: &Env, kind: &'static str, name: &str, message: &[u8]) -> Result<Vec<u8>, Unanswered> {
    ask(env, kind, name, message, None).await
}

/// [`call`] for a request of the Worker's, which may not wait for ever. An object that has not answered within `ms`
/// milliseconds, both tries together, has too much to do. (An object that asks another sets no timer: a pending one keeps it
/// in memory.)
pub async fn call_within(
    env: &Env,
    kind: &'static str,
    name: &str,
    message: &[u8],
    ms: u32,
) -> Result<Vec<u8>, Unanswered> {
    ask(env, kind, name, message, Some(ms)).await
}

async fn ask(
    env: &Env,
    kind: &'static str,
    name: &str,
    message: &[u8],
    within: Option<u32>,
) -> Result<Vec<u8>, Unanswered> {
    let began = now();
    match call_object(env, kind, name, message, within).await {
        Err(Unanswered { cause: Cause::Unreachable | Cause::Reset, .. }) => {
            let spent = u32::try_from(now().saturating_sub(began)).unwrap_or(u32::MAX);
            call_object(env, kind, name, message, within.map(|ms| ms.saturating_sub(spent).max(1))).await
        }
        result => result,
    }
}
