//! What all isolates see, added up while it happens: what `GET /admin/v1/live` and `GET /metrics` tell.
//!
//! An isolate counts what it sees ([`counter`]) and hands it on every few seconds ([`report`]). A Meter adds up what
//! isolates hand it ([`meter`]): an hour by five seconds, a day by minutes, and sums that only grow. There are
//! [`METERS`] of them, so that none has too much to do; whoever wants to know asks all, and adds up ([`live`],
//! [`prometheus`]). What is told apart has a bound ([`tally`]), whatever callers write.
//!
//! Beside what it counts an isolate hands on the requests themselves, as far as other plans would need them. A Meter keeps
//! them for a day ([`kept`]), and whoever asks what other plans make of them asks all Meters ([`gathered`]).

pub mod call;
pub mod counter;
pub mod gathered;
pub mod kept;
pub mod live;
pub mod meter;
pub mod prometheus;
pub mod report;
pub mod request;
pub mod series;
pub mod slots;
pub mod tally;

use crate::time::Millis;

/// How many Meters there are. An isolate keeps to one of them.
pub const METERS: u64 = 4;
/// How long an isolate counts before it hands on what it has, in milliseconds.
pub const HAND_OVER_MS: Millis = 2_500;
/// What an isolate could not hand on for so long it gives up, in milliseconds. A Meter knows for twice as long what has come,
/// so that nothing counts twice.
pub const GIVEN_UP_MS: Millis = 12 * 3_600_000;
/// The shorter of the two spans that are counted apart, in milliseconds.
pub const SHORT_MS: Millis = 5_000;
/// The longer one.
pub const LONG_MS: Millis = 60_000;
/// How long the shorter ones are kept.
pub const SHORT_KEPT_MS: Millis = 3_600_000;
/// How long the longer ones are kept.
pub const LONG_KEPT_MS: Millis = 24 * 3_600_000;

/// The name of the Meter that an isolate of this number keeps to.
pub fn meter_of(isolate: u64) -> String {
    meter_name(isolate % METERS)
}

/// The names of all Meters.
pub fn meter_names() -> impl Iterator<Item = String> {
    (0..METERS).map(meter_name)
}

fn meter_name(number: u64) -> String {
    format!("meter-{number}")
}
