//! What a deployment is given, and tasks that outlive their request.

use super::course;
use super::course::tasks::Home;
use crate::platform::Fault;
use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;

/// Settings and secrets.
#[derive(Clone)]
pub struct Env(pub(super) Rc<BTreeMap<String, String>>);

/// There is none: the binding is optional, and a world has none.
pub enum Limiter {}

/// Keeps tasks of one request alive.
pub struct Context(pub(super) Home);

impl Env {
    /// The value of a setting or a secret, if it is set.
    pub fn var(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    /// The limiter of this name, if there is one.
    pub const fn limiter(&self, _name: &str) -> Option<Limiter> {
        None
    }
}

impl Limiter {
    /// Counts one more of this key; whether it still passes.
    pub async fn passes(&self, _key: String) -> Result<bool, Fault> {
        match *self {}
    }
}

impl Context {
    /// That of the object that runs.
    pub fn of_object() -> Self {
        Self(course::home())
    }

    /// Runs a task to its end, whether or not the request is over before. It ends with its isolate.
    pub fn wait_until(&self, task: impl Future<Output = ()> + 'static) {
        course::spawn(self.0, task);
    }
}
