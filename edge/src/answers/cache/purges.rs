//! What an admin has had forgotten: an isolate keeps the list for a few seconds and asks the Registry whether it has
//! changed. The platform's cache forgets only where it is told to, so what is forgotten is no longer asked for.

use crate::hop::gate::unavailable;
use crate::hop::kept::{self, Kept};
use crate::hop::registry;
use crate::platform::{self, Context, Env, isolate_local};
use sluice_protocol::admin::{RegistryAnswer, RegistryCall};
use sluice_protocol::id::Version;
use sluice_protocol::limit::cache::Purges;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::time::Millis;
use std::cell::RefCell;
use std::rc::Rc;

/// What was forgotten of an account, by a list that is a few seconds old at most. `None` if there is no such list: then nothing
/// is given again.
pub async fn of(env: &Env, context: &Context, account: &str) -> Option<Purges> {
    let list = kept::current(&CURRENT, context, || {
        let env = env.clone();
        async move { refresh(&env).await }
    });
    let list = list.await.filter(|list| platform::now().abs_diff(list.at) < OLDEST_MS)?;
    let of = |name: &str| list.all.iter().find(|(account, _)| account == name).map_or(0, |(_, at)| *at);
    Some(Purges { all: of(""), account: of(account) })
}

/// Asks the Registry now: what an admin has just had forgotten is not given again by this isolate.
pub async fn refresh(env: &Env) -> Result<Rc<List>, Refusal> {
    let asked_at = platform::now();
    let kept = CURRENT.with_borrow(Kept::value);
    let known = kept.as_ref().map(|list| list.version);
    let list = match (registry::ask(env, &RegistryCall::Forgotten { known }).await?, kept) {
        (RegistryAnswer::Forgotten { version, all }, _) => List { version, all: Rc::new(all), at: asked_at },
        (RegistryAnswer::Unchanged, Some(list)) => List { all: list.all.clone(), at: asked_at, ..*list },
        _ => return Err(unavailable("the Registry gave another answer than what was forgotten")),
    };
    Ok(CURRENT.with_borrow_mut(|current| current.put(Rc::new(list), asked_at)))
}

/// What was forgotten, and when: of accounts by their names, and of all by an empty one.
pub struct List {
    version: Version,
    all: Rc<Vec<(String, Millis)>>,
    /// When it was asked for.
    at: Millis,
}

isolate_local! {
    static CURRENT: RefCell<Kept<Rc<List>>> = Kept::nothing();
}

/// How old the list may be, in milliseconds: what is forgotten is forgotten everywhere within so long.
const OLDEST_MS: Millis = 5_000;
