//! What the edge and an account's jobs say to each other. A message is a version byte and postcard.

use super::background::NewResponse;
use super::batch::{Batch, NewBatch, Status};
use super::file::{Full, Purpose, Room, StoredFile};
use super::name::{BatchId, FileId};
use super::packed::{JobsError, decode, encode};
use crate::auth::pattern::Pattern;
use crate::id::{RequestId, ResponseId};
use crate::request::bodies::responses::Status as ResponseStatus;
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
    /// Something about a response in the background.
    Response(ResponseCall),
    /// Tell an admin of all that there is.
    Overview,
    /// End a batch, whoever made it.
    EndBatch {
        /// Which.
        batch: BatchId,
    },
}

/// All that an account has, without what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// How much.
    pub room: Room,
    /// The latest batches, the newest first.
    pub batches: Vec<Batch>,
}

/// What the edge wants of responses in the background. `models`: the lists of models that the caller may use; it may see
/// what is asked of those that are on each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResponseCall {
    /// Answer one.
    Start(Box<NewResponse>),
    /// Say how far one is.
    Get {
        /// Which.
        id: ResponseId,
        /// Who asks.
        models: Vec<Vec<Pattern>>,
    },
    /// End one.
    Cancel {
        /// Which.
        id: ResponseId,
        /// Who asks.
        models: Vec<Vec<Pattern>>,
    },
    /// End one, and forget it.
    Delete {
        /// Which.
        id: ResponseId,
        /// Who asks.
        models: Vec<Vec<Pattern>>,
        /// In which request: a message that comes again is answered as before.
        request: RequestId,
    },
}

impl ResponseCall {
    /// The one that it ends.
    pub const fn ends(&self) -> Option<ResponseId> {
        match self {
            Self::Cancel { id, .. } | Self::Delete { id, .. } => Some(*id),
            Self::Start(_) | Self::Get { .. } => None,
        }
    }
}

/// A response in the background that has no answer yet, or none at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnansweredResponse {
    /// How far it is.
    pub status: ResponseStatus,
    /// All of it as its caller is told it, in JSON.
    pub told: String,
    /// What was asked: a list of items, in JSON.
    pub input: String,
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
    /// A response in the background.
    Response(Box<UnansweredResponse>),
    /// The answer of a response is where responses are kept.
    Kept,
    /// All that there is.
    Overview(Box<Overview>),
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
