//! Calendars: which day, week or month it is in a time zone, by the platform's own tables.

use sluice_protocol::limit::calendar::{Cycle, Span};
use sluice_protocol::time::Millis;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(module = "/src/platform/workerd/js/calendar.js")]
extern "C" {
    /// When the period began that a time lies in, and when it ends; nothing for a zone that is not known.
    #[wasm_bindgen(js_name = period)]
    fn told(zone: &str, period: &str, at: f64) -> Vec<f64>;
}

/// The period of a cycle that a time lies in; `None` for a time zone that the platform does not know.
pub fn period(cycle: Cycle, at: Millis) -> Option<Span> {
    let told = told(cycle.zone.name(), cycle.period.name(), at as f64);
    let [began, ends] = <[f64; 2]>::try_from(told).ok()?;
    // Times are whole, and far below 2^53.
    Some(Span { began: began as Millis, ends: ends as Millis })
}
