//! What the edge and an account's jobs say to each other. A message is a version byte and postcard.

use super::batch::{Batch, NewBatch, Status};
use super::file::{Full, Purpose, StoredFile};
use super::name::{BatchId, FileId};
use super::packed::{JobsError, decode, encode};
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// What the edge wants. `subject`: who asks; others' jobs are not there for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobsCall {
    /// Make room for a file, whose parts come next.
    BeginFile(StoredFile),
    /// Keep a part of a file that has begun.
    PutPart {
        /// Of which.
        file: FileId,
        /// Which, from 0.
        part: u32,
        /// It.
        data: Vec<u8>,
    },
    /// All of a file has come.
    EndFile {
        /// Which.
        file: FileId,
    },
    /// Describe a file.
    GetFile {
        /// Which.
        file: FileId,
        /// Who asks.
        subject: String,
    },
    /// List files.
    ListFiles {
        /// Who asks.
        subject: String,
        /// For what alone, if not all.
        purpose: Option<Purpose>,
        /// Which of them.
        page: Page<FileId>,
    },
    /// Give a part of a file.
    ReadPart {
        /// Of which.
        file: FileId,
        /// Which, from 0.
        part: u32,
        /// Who asks.
        subject: String,
    },
    /// Forget a file.
    DeleteFile {
        /// Which.
        file: FileId,
        /// Who asks.
        subject: String,
    },
    /// Make a batch.
    CreateBatch(Box<NewBatch>),
    /// Describe a batch.
    GetBatch {
        /// Which.
        batch: BatchId,
        /// Who asks.
        subject: String,
    },
    /// List batches.
    ListBatches {
        /// Who asks.
        subject: String,
        /// Which of them.
        page: Page<BatchId>,
    },
    /// End a batch.
    CancelBatch {
        /// Which.
        batch: BatchId,
        /// Who asks.
        subject: String,
    },
    /// Forget all: the account has ended.
    Clear,
}

/// A page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<Id> {
    /// How many at most.
    pub limit: u32,
    /// After which one.
    pub after: Option<Id>,
    /// The oldest first.
    pub ascending: bool,
}

/// Entries of a list, and whether there are more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed<T> {
    /// They.
    pub data: Vec<T>,
    /// Whether more follow.
    pub has_more: bool,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { data: Vec::new(), has_more: false }
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobsAnswer {
    /// It is done.
    Done,
    /// There is no such file or batch for who asks.
    Missing,
    /// There is no room.
    Full(Full),
    /// A file.
    File(StoredFile),
    /// Files.
    Files(Listed<StoredFile>),
    /// A part of a file.
    Part(Vec<u8>),
    /// A batch.
    Batch(Box<Batch>),
    /// Batches.
    Batches(Listed<Batch>),
    /// A batch of this status cannot be cancelled.
    NotCancelled(Status),
    /// Nothing is kept here, by the settings.
    Off,
}

/// Packs a call.
pub fn encode_call(call: &JobsCall) -> Vec<u8> {
    encode(call)
}

/// Unpacks a call. Never panics, whatever the bytes.
pub fn decode_call(bytes: &[u8]) -> Result<JobsCall, JobsError> {
    decode(bytes)
}

/// Packs an answer.
pub fn encode_answer(answer: &JobsAnswer) -> Vec<u8> {
    encode(answer)
}

/// Unpacks an answer. Never panics, whatever the bytes.
pub fn decode_answer(bytes: &[u8]) -> Result<JobsAnswer, JobsError> {
    decode(bytes)
}

/// How long a file may take to come whole, in milliseconds: what has not by then is forgotten.
pub const COMING_MS: Millis = 10 * 60 * 1000;
