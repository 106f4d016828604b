//! The list of denials: an isolate keeps it for a few seconds and asks the Registry whether it has changed.

use crate::hop::gate::unavailable;
use crate::hop::kept::{self, Kept};
use crate::hop::registry;
use crate::platform::{self, Context, Env, isolate_local};
use crate::telemetry;
use sluice_protocol::admin::{RegistryAnswer, RegistryCall};
use sluice_protocol::auth::token::Denials;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::telemetry::Line;
use std::cell::RefCell;
use std::rc::Rc;

/// The list: what is denied is refused everywhere within five seconds, unless the Registry cannot be asked. An isolate that has
/// no list at all takes no tokens: it cannot know which of them are denied.
pub async fn current(env: &Env, context: &Context) -> Result<Rc<Denials>, Refusal> {
    let list = kept::current(&CURRENT, context, || {
        let env = env.clone();
        async move {
            refresh(&env).await.inspect_err(|refusal| {
                let detail = refusal.detail.clone().unwrap_or_default();
                telemetry::write(&Line::trouble("the list of denials cannot be asked for", detail));
            })
        }
    });
    list.await.ok_or_else(|| unavailable("the list of denials cannot be asked for"))
}

/// Asks the Registry now: what an admin has just changed holds in this isolate.
pub async fn refresh(env: &Env) -> Result<Rc<Denials>, Refusal> {
    let asked_at = platform::now();
    let kept = CURRENT.with_borrow(Kept::value);
    let known = kept.as_ref().map(|list| list.version);
    let list = match (registry::ask(env, &RegistryCall::Denials { known }).await?, kept) {
        (RegistryAnswer::Denials { version, all }, _) => Rc::new(Denials::new(version, all)),
        (RegistryAnswer::Unchanged, Some(list)) => list,
        _ => return Err(unavailable("the Registry gave another answer than a list of denials")),
    };
    Ok(CURRENT.with_borrow_mut(|current| current.put(list, asked_at)))
}

isolate_local! {
    static CURRENT: RefCell<Kept<Rc<Denials>>> = Kept::nothing();
}
