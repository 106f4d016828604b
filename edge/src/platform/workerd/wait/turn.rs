//! The time, once for each turn: what the platform calls, until it waits.

use sluice_protocol::time::Millis;
use std::cell::Cell;

/// The time. It stands still while no promise settles.
pub fn now() -> Millis {
    if let Some(now) = NOW.get() {
        return now;
    }
    let now = js_sys::Date::now() as Millis;
    NOW.set(Some(now));
    now
}

/// The platform has called us: time may have passed. A request asks for the time dozens of times, so it is asked for once
/// in a turn.
pub fn turn() {
    NOW.set(None);
}

thread_local! {
    static NOW: Cell<Option<Millis>> = const { Cell::new(None) };
}
