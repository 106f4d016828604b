//! The flood shield: Cloudflare's Rate Limiting binding, by address, before anything else is looked at.
//!
//! It is approximate and local to one place of Cloudflare's, and only meant to keep a flood from costing anything. Without
//! the binding `FLOOD_SHIELD` there is no shield, and nothing to set.

use crate::platform::head::Head;
use crate::platform::{Env, Limiter, isolate_local};
use crate::telemetry;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::telemetry::Line;
use std::cell::RefCell;

/// Refuses an address that floods. A shield that fails lets through: the exact limits come after it.
pub async fn pass(env: &Env, head: &Head) -> Result<(), Refusal> {
    if !is_bound(env) {
        return Ok(());
    }
    let (Some(shield), Some(address)) = (env.limiter(BINDING), head.get(sluice_protocol::wire::header::CONNECTING_IP))
    else {
        return Ok(());
    };
    pass_shield(&shield, address.to_owned()).await
}

async fn pass_shield(shield: &Limiter, address: String) -> Result<(), Refusal> {
    match shield.passes(address).await {
        Ok(false) => {
            // The binding does not say until when.
            Err(Refusal::new(Reason::Flooding, "Too many requests from this address. Try again in a minute."))
        }
        Ok(true) => Ok(()),
        Err(fault) => {
            telemetry::write(&Line::trouble("the flood shield fails", fault.to_string()));
            Ok(())
        }
    }
}

/// Whether there is a shield: an isolate's bindings do not change.
fn is_bound(env: &Env) -> bool {
    isolate_local! {
        static BOUND: RefCell<Option<bool>> = const { RefCell::new(None) };
    }
    BOUND.with_borrow_mut(|bound| *bound.get_or_insert_with(|| env.limiter(BINDING).is_some()))
}

const BINDING: &str = "FLOOD_SHIELD";
