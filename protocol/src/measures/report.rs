//! What isolates tell Meters, and how it is packed: a version byte and postcard.

use super::tally::Tally;
use crate::replay::lines::Lines;
use crate::time::Millis;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What an isolate has counted since it handed on what was before. It is sent again, the same, until it is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which isolate: a number by chance.
    pub isolate: u64,
    /// Which of its reports, from 1.
    pub number: u64,
    /// What was counted.
    pub tally: Tally,
    /// The requests that were decided.
    pub lines: Lines,
    /// How long they are to be kept, in milliseconds; 0 if none is, and what there is goes.
    pub kept_ms: Millis,
    /// How it is now.
    pub state: IsolateState,
}

/// How an isolate is: what is not counted but looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsolateState {
    /// Requests that were admitted and have not ended.
    pub in_flight: u32,
    /// The origins, as this isolate sees them.
    pub origins: Vec<OriginSeen>,
}

/// An origin, as an isolate sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginSeen {
    /// Its name; empty where there is one alone, which has none.
    pub name: String,
    /// Whether it takes requests, as far as this isolate knows.
    pub takes_requests: bool,
    /// What it said last of how full it is, if that is less than a minute ago.
    pub said: Option<OriginSaid>,
}

/// How full an origin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginSaid {
    /// When it said so.
    pub at: Millis,
    /// How many percent of its places are in use.
    pub percent: u8,
    /// How long a request waits there, in milliseconds.
    pub wait_ms: Millis,
}

/// Of which time a Meter is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Span {
    /// Of none: its sums alone.
    Sums,
    /// Of what has come since this time, by five seconds; of an hour at most.
    Short(Millis),
    /// Of what has come since this time, by minutes; of a day at most.
    Long(Millis),
}

/// The version of these messages and of a Meter's rows. The two sides may differ for a moment during a deploy: another version
/// is refused, and the isolate keeps what it has.
pub const VERSION: u8 = 2;

/// Why bytes are none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not of a Meter's version {VERSION}")]
pub struct MeterError;

/// Packs a message, an answer or a row.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    postcard::to_extend(value, vec![VERSION]).expect("writing to a Vec does not fail")
}

/// Unpacks one. Never panics, whatever the bytes.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, MeterError> {
    match bytes.split_first() {
        Some((&VERSION, packed)) => match postcard::take_from_bytes(packed) {
            Ok((value, [])) => Ok(value),
            _ => Err(MeterError),
        },
        _ => Err(MeterError),
    }
}
