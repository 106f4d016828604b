//! The list of denials: an isolate keeps it for a few seconds and asks the Registry whether it has changed.

use crate::platform;
use crate::{limit, registry};
use sluice_protocol::Millis;
use sluice_protocol::admin::{RegistryAnswer, RegistryCall};
use sluice_protocol::refusal::Refusal;
use sluice_protocol::token::Denials;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use worker::{Context, Env};

/// The list: never older than [`STALE_MS`], unless the Registry cannot be asked.
pub async fn current(env: &Env, context: &Context) -> Result<Rc<Denials>, Refusal> {
    let now = platform::now();
    let Some((list, asked_at)) = CURRENT.with_borrow(Clone::clone) else { return refresh(env).await };
    match now.abs_diff(asked_at) {
        age if age < FRESH_MS => {}
        age if age < STALE_MS => {
            // One request asks for all. It may vanish with its task, so its turn ends by itself.
            if now.abs_diff(ASKING.get()) >= FRESH_MS {
                ASKING.set(now);
                let env = env.clone();
                context.wait_until(async move {
                    let _ = refresh(&env).await;
                });
            }
        }
        // An old list is better than refusing everybody.
        _ => return Ok(refresh(env).await.unwrap_or(list)),
    }
    Ok(list)
}

/// Asks the Registry now: what an admin has just changed holds in this isolate.
pub async fn refresh(env: &Env) -> Result<Rc<Denials>, Refusal> {
    let asked_at = platform::now();
    let kept = CURRENT.with_borrow(Clone::clone);
    let known = kept.as_ref().map(|(list, _)| list.version);
    let list = match (registry::ask(env, &RegistryCall::Denials { known }).await?, kept) {
        (RegistryAnswer::Denials { version, all }, _) => Rc::new(Denials::new(version, all)),
        (RegistryAnswer::Unchanged, Some((list, _))) => list,
        _ => return Err(limit::unavailable("the Registry gave another answer than a list of denials")),
    };
    CURRENT.with_borrow_mut(|current| match current {
        // Asked before, answered after: what was learnt meanwhile is newer.
        Some((newer, at)) if *at > asked_at => Ok(newer.clone()),
        _ => {
            *current = Some((list.clone(), asked_at));
            Ok(list)
        }
    })
}

thread_local! {
    static CURRENT: RefCell<Option<(Rc<Denials>, Millis)>> = const { RefCell::new(None) };
    static ASKING: Cell<Millis> = const { Cell::new(0) };
}

/// Until then nobody is asked.
const FRESH_MS: u64 = 2_000;
/// From then on a request waits for the answer: what is denied is refused everywhere within five seconds.
const STALE_MS: u64 = 4_500;
