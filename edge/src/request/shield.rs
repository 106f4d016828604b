//! The flood shield: Cloudflare's Rate Limiting binding, by address, before anything else is looked at.
//!
//! It is approximate and local to one place of Cloudflare's, and only meant to keep a flood from costing anything. Without
//! the binding `FLOOD_SHIELD` there is no shield, and nothing to set.

use crate::platform::Head;
use crate::telemetry;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::telemetry::Line;
use std::cell::RefCell;
use worker::{Env, RateLimiter};

/// Refuses an address that floods. A shield that fails lets through: the exact limits come after it.
pub async fn pass(env: &Env, head: &Head) -> Result<(), Refusal> {
    if !is_bound(env) {
        return Ok(());
    }
    let (Ok(shield), Some(address)) = (env.rate_limiter(BINDING), head.get(sluice_protocol::header::CONNECTING_IP))
    else {
        return Ok(());
    };
    pass_shield(&shield, address.to_owned()).await
}

async fn pass_shield(shield: &RateLimiter, address: String) -> Result<(), Refusal> {
    match shield.limit(address).await {
        Ok(outcome) if !outcome.success => {
            // The binding does not say until when.
            Err(Refusal::new(Reason::Flooding, "Too many requests from this address. Try again in a minute."))
        }
        Ok(_) => Ok(()),
        Err(error) => {
            telemetry::write(&Line::trouble("the flood shield fails", error.to_string()));
            Ok(())
        }
    }
}

/// Whether there is a shield: an isolate's bindings do not change.
fn is_bound(env: &Env) -> bool {
    thread_local! {
        static BOUND: RefCell<Option<bool>> = const { RefCell::new(None) };
    }
    BOUND.with_borrow_mut(|bound| *bound.get_or_insert_with(|| env.rate_limiter(BINDING).is_ok()))
}

const BINDING: &str = "FLOOD_SHIELD";
