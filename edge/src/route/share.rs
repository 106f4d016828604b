//! What isolates tell each other of origins, through the Registry. Each tells and asks every two seconds while it has
//! requests. One that is new asks before its first request, so that it need not find out again who is down.

use super::{Origins, now};
use crate::hop::kept::{self, Kept};
use crate::hop::registry;
use crate::platform::{Context, Env, isolate_local};
use sluice_protocol::admin::{RegistryAnswer, RegistryCall};
use sluice_protocol::refusal::Refusal;
use std::cell::RefCell;
use std::rc::Rc;

isolate_local! {
    /// Whether anything was heard, and when.
    static HEARD: RefCell<Kept<()>> = Kept::nothing();
}

/// Asks, if this isolate has heard nothing yet. Where the Registry cannot be asked, it goes on by itself.
pub(super) async fn learn_first(origins: &Rc<Origins>, env: &Env, context: &Context) {
    if HEARD.with_borrow(|heard| heard.value().is_none()) {
        kept::current(&HEARD, context, || exchange(origins.clone(), env.clone())).await;
    }
}

/// Tells and asks, if it is time. Nobody waits for it.
pub(super) fn renew(origins: &Rc<Origins>, env: &Env, context: &Context) {
    kept::renew(&HEARD, context, || exchange(origins.clone(), env.clone()));
}

/// Tells what is known of these origins, and asks what others know.
pub(super) async fn exchange(origins: Rc<Origins>, env: Env) -> Result<(), Refusal> {
    let Some(board) = &origins.board else { return Ok(()) };
    let asked_at = now();
    let told = board.borrow_mut().take_news();
    let answer = registry::ask(&env, &RegistryCall::Origins { told: told.clone() }).await;
    match &answer {
        Ok(RegistryAnswer::Origins(facts)) => board.borrow_mut().learn(facts, now()),
        // An older Registry, or none that can be asked: what was to be told is told the next time.
        Ok(_) | Err(_) => board.borrow_mut().keep_news(told),
    }
    HEARD.with_borrow_mut(|heard| heard.put((), asked_at));
    answer.map(drop)
}
