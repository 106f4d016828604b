//! Time, randomness, and the log.

use super::calls;
use super::promise::Settled;
use crate::platform::{Fault, Signal};
use sluice_protocol::telemetry::Severity;
use sluice_protocol::time::Millis;
use std::cell::Cell;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use web_sys::WorkerGlobalScope;

/// The time. It stands still while no promise settles.
pub fn now() -> Millis {
    js_sys::Date::now() as Millis
}

/// Lets this many milliseconds pass.
pub async fn sleep(ms: u32) {
    // This promise never rejects.
    let _ = Settled::of(&calls::pause(ms)).await;
}

/// Fresh random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // In a Worker this is crypto.getRandomValues, which does not fail for so few bytes.
    getrandom::fill(&mut bytes).expect("the platform has randomness");
    bytes
}

/// Writes a line to the Worker's log.
pub fn log(severity: Severity, line: &str) {
    match severity {
        Severity::Info => worker::console_log!("{line}"),
        Severity::Warning => worker::console_warn!("{line}"),
        Severity::Error => worker::console_error!("{line}"),
    }
}

/// Rings at a time, and when a caller leaves. Nothing rings once it is dropped.
pub struct Bell {
    ring: Closure<dyn FnMut()>,
    timer: Cell<Option<i32>>,
    left: Option<Signal>,
}

impl Bell {
    /// Not set to a time yet.
    pub fn new(left: Option<&Signal>, ring: impl FnMut() + 'static) -> Result<Self, Fault> {
        let ring = Closure::new(ring);
        if let Some(left) = left {
            calls::on_abort(&left.0, &ring)?;
        }
        Ok(Self { ring, timer: Cell::new(None), left: left.cloned() })
    }

    /// Sets it to this many milliseconds from now, and to no other time.
    pub fn set(&self, wait: u32) {
        self.stop();
        let wait = i32::try_from(wait).unwrap_or(i32::MAX);
        let ring = self.ring.as_ref().unchecked_ref();
        // The platform has no reason to refuse a timer; without one the grant's own deadline still holds at the origin.
        self.timer.set(scope().set_timeout_with_callback_and_timeout_and_arguments_0(ring, wait).ok());
    }

    fn stop(&self) {
        if let Some(timer) = self.timer.take() {
            scope().clear_timeout_with_handle(timer);
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.stop();
        if let Some(left) = &self.left {
            // It was added, so it can be removed; the closure goes now.
            let _ = calls::off_abort(&left.0, &self.ring);
        }
    }
}

pub(super) fn scope() -> WorkerGlobalScope {
    js_sys::global().unchecked_into()
}
