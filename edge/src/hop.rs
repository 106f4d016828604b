//! One message to an object and its answer back.

pub mod alerts;
pub mod gate;
pub mod group;
pub mod jobs;
pub mod kept;
pub mod meter;
pub mod registry;
pub mod responses;
pub mod traces;

use crate::platform::deadline::Deadline;
use crate::platform::objects::{Cause, Unanswered};
use crate::platform::{Env, call_object};

/// Sends `message` to the object called `name` and returns what it answers.
///
/// Every message that may be repeated is safe to repeat (admit and settle are keyed by the request's id), so a hop on which
/// the object was not reached is tried once more. One that has too much to do, or that has failed over this very message, is
/// not asked again.
pub async fn call(env: &Env, kind: &'static str, name: &str, message: &[u8]) -> Result<Vec<u8>, Unanswered> {
    match call_object(env, kind, name, message).await {
        Err(Unanswered { cause: Cause::Unreachable | Cause::Reset, .. }) => call_object(env, kind, name, message).await,
        result => result,
    }
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
    let deadline = Deadline::new(None).map_err(|fault| Unanswered::own(fault.to_string()))?;
    deadline.set(ms);
    let late = || Unanswered { cause: Cause::Overloaded, why: format!("{kind} {name}: no answer within {ms} ms") };
    deadline.limit(call(env, kind, name, message)).await.unwrap_or_else(|| Err(late()))
}

/// Who waits for an object, and so for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// A request of the Worker's.
    ForAWhile,
    /// An object, which sets no timer.
    AsLongAsItTakes,
}

/// [`call_within`] for a request of the Worker's, or [`call`] for an object.
pub async fn call_waiting(
    env: &Env,
    kind: &'static str,
    name: &str,
    message: &[u8],
    (waits, ms): (Waits, u32),
) -> Result<Vec<u8>, Unanswered> {
    match waits {
        Waits::ForAWhile => call_within(env, kind, name, message, ms).await,
        Waits::AsLongAsItTakes => call(env, kind, name, message).await,
    }
}
