//! What jobs are carried by: the walk, which the rooms above hand in, as this one lies below them.

use crate::platform::Env;
use sluice_protocol::id::RequestId;
use sluice_protocol::jobs::line::BatchDoor;
use sluice_protocol::jobs::owner::Owner;
use sluice_protocol::jobs::work::{Found, Try};
use sluice_protocol::refusal::Refusal;
use sluice_protocol::time::Millis;
use std::future::Future;

/// A line, as it is carried.
pub struct Errand<'a> {
    /// The environment.
    pub env: &'a Env,
    /// Who asks.
    pub owner: &'a Owner,
    /// By which door.
    pub door: BatchDoor,
    /// Under which id.
    pub request: RequestId,
    /// What is asked.
    pub body: &'a str,
}

/// What came of a line: all of its answer, or why there is none; and of which request.
pub struct Said {
    /// The request, whose id may be another than the line was sent under.
    pub request: RequestId,
    /// The answer in JSON.
    pub answer: Result<String, Refusal>,
}

/// Whoever carries lines through the walk of live requests.
pub trait Carry: 'static {
    /// Whether this caller is let in to ask for such answers, and how long a request of its may take, in milliseconds.
    fn admits(env: &Env, owner: &Owner, door: BatchDoor) -> impl Future<Output = Result<Millis, Refusal>>;

    /// Carries one line: like a live request, but that it takes idle time only. `told` is called as soon as there is an
    /// answer; what it gives comes back once the request is settled. `None`: nobody knows what became of it.
    fn carry<T>(errand: Errand<'_>, told: impl FnOnce(Said) -> T) -> impl Future<Output = Option<T>>;

    /// Ends a try for which nobody waits any more, wherever it may run, and settles it.
    fn find_out(env: &Env, owner: &Owner, tried: Try) -> impl Future<Output = Found>;

    /// Whether any origin takes requests now.
    fn is_ready(env: &Env) -> impl Future<Output = bool>;

    /// How many percent of the origins' places are in use, as far as anybody knows.
    fn pressure(env: &Env) -> u8;
}
