//! Messages and rows as bytes: a version byte and postcard.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version of messages and rows.
pub const VERSION: u8 = 1;

/// Why bytes are not a message or a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message or a row of jobs, of version {VERSION}")]
pub struct JobsError;

pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_extend(value, vec![VERSION]).expect("writing to a Vec does not fail")
}

/// All of the bytes, or nothing. Never panics, whatever they are.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JobsError> {
    let Some((&VERSION, packed)) = bytes.split_first() else { return Err(JobsError) };
    match postcard::take_from_bytes(packed) {
        Ok((value, [])) => Ok(value),
        _ => Err(JobsError),
    }
}
