//! Pauses, randomness, and the log.

pub(super) mod calendar;

use super::wait::promise::Settled;
use sluice_protocol::telemetry::Severity;
use std::cell::RefCell;
use wasm_bindgen::JsCast;
use web_sys::WorkerGlobalScope;

/// Lets this many milliseconds pass.
pub async fn sleep(ms: u32) {
    // A timer fails nowhere.
    let _ = Settled::after(ms).await;
}

/// Fresh random bytes, each given once. Many are asked for at a time: a call of the platform's costs more than they do.
pub fn random<const N: usize>() -> [u8; N] {
    const { assert!(N <= POOL, "more than are asked for at a time") };
    RANDOM.with_borrow_mut(|random| {
        if random.left < N {
            // In a Worker this is crypto.getRandomValues, which does not fail for so few bytes.
            getrandom::fill(&mut random.bytes).expect("the platform has randomness");
            random.left = POOL;
        }
        random.left -= N;
        let mut bytes = [0; N];
        bytes.swap_with_slice(&mut random.bytes[random.left..][..N]);
        bytes
    })
}

thread_local! {
    static RANDOM: RefCell<Random> = const { RefCell::new(Random { bytes: [0; POOL], left: 0 }) };
}

/// Random bytes that nobody has been given yet, from the first on.
struct Random {
    bytes: [u8; POOL],
    left: usize,
}

/// How many random bytes are asked for at a time.
const POOL: usize = 512;

/// Writes a line to the Worker's log.
pub fn log(severity: Severity, line: &str) {
    match severity {
        Severity::Info => worker::console_log!("{line}"),
        Severity::Warning => worker::console_warn!("{line}"),
        Severity::Error => worker::console_error!("{line}"),
    }
}

pub(super) fn scope() -> WorkerGlobalScope {
    js_sys::global().unchecked_into()
}
