//! What jobs are carried by: the walk, which the rooms above hand in, as this one lies below them.

use crate::platform::{Env, Result, Signal};
use sluice_protocol::dialect::Dialect;
use sluice_protocol::id::RequestId;
use sluice_protocol::jobs::line::BatchDoor;
use sluice_protocol::jobs::owner::Owner;
use sluice_protocol::jobs::work::{After, Found, Outcome, Try, after};
use sluice_protocol::refusal::Refusal;
use sluice_protocol::time::Millis;
use std::future::Future;

/// A line or a response, as it is carried.
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
    /// For whom.
    pub whom: Whom<'a>,
    /// Writes down which origins it may be sent to, before it is.
    pub note: &'a dyn Fn(&str) -> Result<()>,
}

/// For whom an errand is.
#[derive(Clone, Copy)]
pub enum Whom<'a> {
    /// Nobody waits: it is a line of a batch, counts as one, and takes idle time only.
    Nobody,
    /// Somebody asks for it now and then, until this is aborted.
    Somebody(&'a Signal),
}

/// What came of an errand: all of its answer, or why there is none; and of which request.
pub struct Said {
    /// The request, whose id may be another than the errand was sent under.
    pub request: RequestId,
    /// The answer in JSON.
    pub answer: Result<String, Refusal>,
}

/// What an errand came to, and what is to be done once it is settled.
pub(super) enum Then {
    /// It has a result, which is written.
    Over,
    /// It waits again, for so long at least; `true` if it failed.
    Wait(Millis, bool),
    /// Its maker is not let in any more.
    Stop(Refusal),
}

/// What came of an errand by this path: its result, if it has one.
pub(super) fn judge(said: Said, path: &str) -> (Option<Outcome>, Then) {
    let request = said.request;
    match said.answer {
        Ok(body) => (Some(Outcome::Answered { request, body }), Then::Over),
        Err(refusal) => match after(&refusal) {
            After::Over => {
                let body = Dialect::of(path).body(&refusal, Some(request));
                (Some(Outcome::Refused { request, status: refusal.status(), body }), Then::Over)
            }
            After::Later(wait) => (None, Then::Wait(wait, false)),
            After::Again => (None, Then::Wait(0, true)),
            After::Stop => (None, Then::Stop(refusal)),
        },
    }
}

/// Whoever carries lines and responses through the walk of live requests.
pub trait Carry: 'static {
    /// Whether this caller is let in to ask for such answers, and how long a request of its may take, in milliseconds.
    fn admits(env: &Env, owner: &Owner, door: BatchDoor) -> impl Future<Output = Result<Millis, Refusal>>;

    /// Carries one: like a live request, but that it waits for its Gate, and that a line takes idle time only. `told` is
    /// called as soon as there is an answer; what it gives comes back once the request is settled. `None`: nobody knows
    /// what became of it.
    fn carry<T>(errand: Errand<'_>, told: impl FnOnce(Said) -> T) -> impl Future<Output = Option<T>>;

    /// Ends a try for which nobody waits any more, wherever it may run, and settles it. `noted`: which origins there were
    /// when something was sent, besides those that there are now.
    fn find_out(env: &Env, owner: &Owner, tried: Try, noted: Vec<String>) -> impl Future<Output = Found>;

    /// Whether any origin takes requests now.
    fn is_ready(env: &Env) -> impl Future<Output = bool>;

    /// How many percent of the origins' places are in use, as far as anybody knows.
    fn pressure(env: &Env) -> u8;
}
