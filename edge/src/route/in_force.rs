//! Which origins there are: those of the settings, or those that an admin has put in their place. An isolate asks the
//! Registry every two seconds while it has requests, and what is put holds everywhere within five. An isolate that has
//! never been told, and cannot ask, goes by the settings.

use super::{Origins, now, share};
use crate::hop::gate::unavailable;
use crate::hop::kept::{self, Kept};
use crate::hop::registry;
use crate::platform::{Context, Env, isolate_local};
use crate::telemetry;
use sluice_protocol::admin::{RegistryAnswer, RegistryCall};
use sluice_protocol::refusal::Refusal;
use sluice_protocol::route::list::{OriginList, Source};
use sluice_protocol::telemetry::Line;
use std::cell::RefCell;
use std::rc::Rc;

isolate_local! {
    /// What was put, if anything was, as far as this isolate has asked.
    static PUT: RefCell<Kept<Option<Rc<Origins>>>> = Kept::nothing();
}

/// Asks, if it is time: whoever needs the answer a little later need not wait for it then.
pub fn look_ahead(env: &Env, of_settings: &Rc<Origins>, context: &Context) {
    kept::renew(&PUT, context, || ask(env.clone(), of_settings.clone()));
}

/// The origins in force. A request that has begun keeps those that it was given.
pub async fn current(env: &Env, of_settings: &Rc<Origins>, context: &Context) -> Rc<Origins> {
    let put = kept::current(&PUT, context, || ask(env.clone(), of_settings.clone())).await;
    put.flatten().unwrap_or_else(|| of_settings.clone())
}

/// The origins in force, as far as this isolate knows without asking.
pub fn known(of_settings: &Rc<Origins>) -> Rc<Origins> {
    PUT.with_borrow(Kept::value).flatten().unwrap_or_else(|| of_settings.clone())
}

/// Asks now: what an admin has just put is in force in this isolate.
pub async fn refresh(env: &Env, of_settings: &Rc<Origins>) -> Result<Rc<Origins>, Refusal> {
    ask(env.clone(), of_settings.clone()).await.map(|put| put.unwrap_or_else(|| of_settings.clone()))
}

async fn ask(env: Env, of_settings: Rc<Origins>) -> Result<Option<Rc<Origins>>, Refusal> {
    let asked_at = now();
    let kept = PUT.with_borrow(Kept::value).flatten();
    let known = kept.as_ref().map(|origins| origins.version());
    let found = match registry::ask(&env, &RegistryCall::OriginList { known }).await {
        Ok(RegistryAnswer::Unchanged) => Ok(kept),
        Ok(RegistryAnswer::OriginList(None)) => Ok(None),
        Ok(RegistryAnswer::OriginList(Some(json))) => match OriginList::parse(&json) {
            Ok(list) => {
                let origins =
                    Rc::new(Origins::of_list(&list, &of_settings.all()[0], Source::Admin, of_settings.hedges));
                // Others may know already who of them is down. Whether they can be asked or not, these are the origins.
                let _ = share::exchange(origins.clone(), env.clone()).await;
                Ok(Some(origins))
            }
            // The Registry keeps what was checked: a newer version of ours wrote it.
            Err(mistakes) => Err(mistakes.join("; ")),
        },
        Ok(_) => Err("the Registry gave another answer than to a list of origins".to_owned()),
        Err(refusal) => Err(refusal.detail.unwrap_or_default()),
    };
    let found = found.map_err(|why| {
        telemetry::write(&Line::trouble("the list of origins cannot be asked for", why.clone()));
        unavailable(&why)
    })?;
    Ok(PUT.with_borrow_mut(|put| put.put(found, asked_at)))
}
