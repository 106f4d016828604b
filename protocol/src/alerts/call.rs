//! What the edge asks the one object that watches, and what that answers: a version byte and postcard.

use super::watch::{Sent, WatchError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What the object is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlertsCall {
    /// Look, for a while: something has been counted.
    Look,
    /// Tell what is watched.
    View,
    /// Send a test, at once.
    Test {
        /// To which webhook, by its name.
        webhook: String,
    },
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlertsAnswer {
    /// It looks.
    Looking,
    /// What is watched: the JSON of [`super::watch::AlertsView`].
    View(String),
    /// What became of the test.
    Tested(Sent),
    /// There is no webhook of this name.
    NoSuchWebhook,
}

/// Packs what is asked.
pub fn encode_call(call: &AlertsCall) -> Vec<u8> {
    encode(call)
}

/// Unpacks it. Never panics, whatever the bytes.
///
/// # Errors
/// If it is of another version, or nothing of the kind.
pub fn decode_call(bytes: &[u8]) -> Result<AlertsCall, WatchError> {
    decode(bytes)
}

/// Packs an answer.
pub fn encode_answer(answer: &AlertsAnswer) -> Vec<u8> {
    encode(answer)
}

/// Unpacks it. Never panics, whatever the bytes.
///
/// # Errors
/// As [`decode_call`].
pub fn decode_answer(bytes: &[u8]) -> Result<AlertsAnswer, WatchError> {
    decode(bytes)
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_extend(value, vec![VERSION]).expect("writing to a Vec does not fail")
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WatchError> {
    let packed = bytes.strip_prefix(&[VERSION]).ok_or(WatchError)?;
    match postcard::take_from_bytes(packed) {
        Ok((value, [])) => Ok(value),
        _ => Err(WatchError),
    }
}

const VERSION: u8 = 1;
