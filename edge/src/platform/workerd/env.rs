//! What a deployment is given, and tasks that outlive their request.

use super::wait::turn::turn;
use crate::platform::Fault;
use std::future::Future;
use worker::RateLimiter;

/// Settings, secrets and other bindings.
#[derive(Clone)]
pub struct Env(pub(super) worker::Env);

/// Counts by address, approximately and at one place of Cloudflare's.
pub struct Limiter(RateLimiter);

/// Keeps tasks of one request alive.
pub struct Context(Option<worker::Context>);

impl Env {
    /// The platform's.
    pub const fn new(env: worker::Env) -> Self {
        Self(env)
    }

    /// The value of a setting or a secret, if it is set: both are plain strings.
    pub fn var(&self, name: &str) -> Option<String> {
        self.0.var(name).ok().map(|value| value.to_string())
    }

    /// The limiter of this name, if there is one.
    pub fn limiter(&self, name: &str) -> Option<Limiter> {
        self.0.rate_limiter(name).ok().map(Limiter)
    }
}

impl Limiter {
    /// Counts one more of this key; whether it still passes.
    pub async fn passes(&self, key: String) -> Result<bool, Fault> {
        let counted = self.0.limit(key).await;
        turn();
        Ok(counted?.success)
    }
}

impl Context {
    /// The platform's.
    pub const fn new(context: worker::Context) -> Self {
        Self(Some(context))
    }

    /// An object's own: the platform keeps an object in memory as long as anything of it waits.
    pub const fn of_object() -> Self {
        Self(None)
    }

    /// Runs a task to its end, whether or not the request is over before.
    pub fn wait_until(&self, task: impl Future<Output = ()> + 'static) {
        match &self.0 {
            Some(context) => context.wait_until(task),
            None => wasm_bindgen_futures::spawn_local(task),
        }
    }
}
