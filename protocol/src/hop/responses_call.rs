//! What the edge and an account's kept responses say to each other, what lies in their rows, and how many there may be.
//!
//! A message, and a row, is a version byte and postcard. Both hold prompts: only what its caller asked to be kept.

mod bounds;

use crate::auth::pattern::Pattern;
use crate::id::{RequestId, ResponseId};
use crate::request::bodies::responses::{Referred, Turn};
use serde::{Deserialize, Serialize};

pub use bounds::{Conversation, MAX_BYTES, MAX_RESPONSES, leaving};

/// The version of messages and rows.
pub const VERSION: u8 = 1;

/// What the edge wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResponsesCall {
    /// Keep this one, unless it was kept, or deleted, before.
    Keep {
        /// Its id.
        id: ResponseId,
        /// It.
        kept: KeptResponse,
    },
    /// Give one.
    Get {
        /// Which.
        id: ResponseId,
        /// The lists of models that the caller may use: it may see what those have answered that are on each.
        models: Vec<Vec<Pattern>>,
    },
    /// Forget one.
    Delete {
        /// Which.
        id: ResponseId,
        /// As for [`Self::Get`].
        models: Vec<Vec<Pattern>>,
        /// Who wants it: a message that comes again is answered as before.
        request: RequestId,
    },
    /// Give what a request goes on from.
    Recall {
        /// The last answer of its conversation.
        previous: Option<ResponseId>,
        /// Answers whose items it names.
        named: Vec<ResponseId>,
        /// As for [`Self::Get`].
        models: Vec<Vec<Pattern>>,
        /// How many bytes all of it may have.
        most: u64,
    },
    /// Say how many there are.
    Count,
    /// Forget all: the account has ended.
    Clear,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResponsesAnswer {
    /// It is kept; or was, and is deleted.
    Kept,
    /// This one.
    Response(KeptResponse),
    /// There is none that the caller may see; or one of a conversation is missing.
    Missing,
    /// It is forgotten, or all are.
    Deleted,
    /// What a request goes on from.
    Recalled {
        /// The conversation, its first answer first.
        turns: Vec<Turn>,
        /// Those whose items are named, as far as there are any.
        named: Vec<Referred>,
    },
    /// All of it is longer than it may be.
    TooLong,
    /// So many are kept.
    Counted(KeptCount),
}

/// How many responses an account has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptCount {
    /// How many.
    pub count: u64,
    /// How large they are together, in bytes.
    pub bytes: u64,
}

/// A response as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptResponse {
    /// The model that answered, by its own name.
    pub model: String,
    /// The response that it goes on from.
    pub previous: Option<ResponseId>,
    /// What was asked: a list of items, in JSON.
    pub input: String,
    /// All of the answer, as its caller was told it.
    pub answer: String,
}

impl KeptResponse {
    /// How much of an account's room it takes, in bytes.
    pub fn size(&self) -> u64 {
        (self.model.len() + self.input.len() + self.answer.len()) as u64
    }
}

/// Why bytes are not a message or a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message or a row of version {VERSION}")]
pub struct ResponsesError;

/// Packs a call.
pub fn encode_call(call: &ResponsesCall) -> Vec<u8> {
    encode(call)
}

/// Unpacks a call. Never panics, whatever the bytes.
pub fn decode_call(bytes: &[u8]) -> Result<ResponsesCall, ResponsesError> {
    decode(bytes)
}

/// Packs an answer.
pub fn encode_answer(answer: &ResponsesAnswer) -> Vec<u8> {
    encode(answer)
}

/// Unpacks an answer. Never panics, whatever the bytes.
pub fn decode_answer(bytes: &[u8]) -> Result<ResponsesAnswer, ResponsesError> {
    decode(bytes)
}

/// Packs a row.
pub fn encode_row(kept: &KeptResponse) -> Vec<u8> {
    encode(kept)
}

/// Unpacks a row. Never panics, whatever the bytes.
pub fn decode_row(bytes: &[u8]) -> Result<KeptResponse, ResponsesError> {
    decode(bytes)
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_extend(value, vec![VERSION]).expect("writing to a Vec does not fail")
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, ResponsesError> {
    let Some((&VERSION, packed)) = bytes.split_first() else { return Err(ResponsesError) };
    match postcard::take_from_bytes(packed) {
        Ok((value, [])) => Ok(value),
        _ => Err(ResponsesError),
    }
}
