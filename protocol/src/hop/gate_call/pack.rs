//! How messages are packed: a version byte and postcard.

use super::{Answers, Envelope, VERSION};
use serde::Serialize;

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message of version {VERSION}")]
pub struct MessageError;

/// Packs a message.
pub fn encode_envelope(message: &Envelope) -> Vec<u8> {
    encode(message)
}

/// Unpacks a message. Never panics, whatever the bytes.
pub fn decode_envelope(bytes: &[u8]) -> Result<Envelope, MessageError> {
    decode(bytes)
}

/// Packs answers.
pub fn encode_answers(answers: &Answers) -> Vec<u8> {
    encode(answers)
}

/// Unpacks answers. Never panics, whatever the bytes.
pub fn decode_answers(bytes: &[u8]) -> Result<Answers, MessageError> {
    decode(bytes)
}

fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    encode_as(VERSION, value)
}

pub(super) fn encode_as<T: Serialize + ?Sized>(version: u8, value: &T) -> Vec<u8> {
    postcard::to_extend(value, vec![version]).expect("writing to a Vec does not fail")
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, MessageError> {
    match bytes.split_first() {
        Some((&VERSION, packed)) => whole(packed),
        _ => Err(MessageError),
    }
}

/// All of the bytes, or nothing.
pub(super) fn whole<T: serde::de::DeserializeOwned>(packed: &[u8]) -> Result<T, MessageError> {
    match postcard::take_from_bytes(packed) {
        Ok((value, [])) => Ok(value),
        _ => Err(MessageError),
    }
}
