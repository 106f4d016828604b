//! Files as they are kept.

pub mod upload;

use super::name::FileId;
use super::packed::{JobsError, decode, encode};
use crate::refusal::{Reason, Refusal};
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// A file, without what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// Its id.
    pub id: FileId,
    /// Whose it is: see [`super::owner::Owner::subject`].
    pub subject: String,
    /// The name that it was sent with.
    pub name: String,
    /// What it is for.
    pub purpose: Purpose,
    /// How many bytes it has.
    pub bytes: u64,
    /// How many parts it lies in.
    pub parts: u32,
    /// When it was made.
    pub created_at: Millis,
    /// When it is deleted by itself.
    pub expires_at: Millis,
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Lines of a batch.
    Batch,
    /// What came of them.
    BatchOutput,
}

/// How much an account has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// Files.
    pub files: u64,
    /// Bytes of files, and of lines and responses that wait or have results.
    pub bytes: u64,
    /// Batches that are not over.
    pub batches: u64,
    /// Responses in the background that are not over.
    pub responses: u64,
}

impl Room {
    /// Refuses a file of so many bytes where an account may have `most` bytes.
    pub fn check_file(&self, bytes: u64, most: u64) -> Result<(), Full> {
        if self.files >= MAX_FILES {
            return Err(Full::Files(MAX_FILES));
        }
        if self.bytes.saturating_add(bytes) > most { Err(Full::Bytes(most)) } else { Ok(()) }
    }

    /// Refuses one more response in the background, which has so many bytes.
    pub fn check_response(&self, bytes: u64, most: u64) -> Result<(), Full> {
        if self.responses >= MAX_RESPONSES {
            return Err(Full::Responses(MAX_RESPONSES));
        }
        if self.bytes.saturating_add(bytes) > most { Err(Full::Bytes(most)) } else { Ok(()) }
    }

    /// Refuses one more batch, whose lines lie beside its file.
    pub fn check_batch(&self, bytes: u64, most: u64) -> Result<(), Full> {
        if self.batches >= MAX_BATCHES {
            return Err(Full::Batches(MAX_BATCHES));
        }
        if self.bytes.saturating_add(bytes) > most { Err(Full::Bytes(most)) } else { Ok(()) }
    }
}

/// What there is no room for, and how much there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Full {
    /// So many files.
    Files(u64),
    /// So many bytes.
    Bytes(u64),
    /// So many batches that are not over.
    Batches(u64),
    /// So many responses in the background that are not over.
    Responses(u64),
}

impl Full {
    /// What a caller is told.
    pub fn refusal(self) -> Refusal {
        let message = match self {
            Self::Files(most) => format!("This account has {most} files, and no more. Delete some."),
            Self::Bytes(most) => {
                format!("With this, files and lines of this account would have more than {most} bytes. Delete some.")
            }
            Self::Batches(most) => format!("{most} batches of this account are not over. Wait, or cancel some."),
            Self::Responses(most) => {
                format!("{most} responses of this account in the background are not over. Wait, or cancel some.")
            }
        };
        Refusal::new(Reason::StorageFull, message)
    }
}

impl Purpose {
    /// As OpenAI names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::BatchOutput => "batch_output",
        }
    }

    /// Reads the name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Batch, Self::BatchOutput].into_iter().find(|purpose| purpose.name() == name)
    }
}

/// What a caller is told of a file that is not there: it never was, is somebody else's, was deleted, or its time is
/// over.
pub fn no_file() -> Refusal {
    Refusal::new(Reason::FileNotFound, "There is no such file.")
}

/// Packs a row.
pub fn encode_file(file: &StoredFile) -> Vec<u8> {
    encode(file)
}

/// Unpacks a row. Never panics, whatever the bytes.
pub fn decode_file(bytes: &[u8]) -> Result<StoredFile, JobsError> {
    decode(bytes)
}

/// How many bytes a part of a file has at most: a row of the platform's takes two megabytes.
pub const PART_BYTES: usize = 1 << 19;
/// How many files an account may have.
pub const MAX_FILES: u64 = 1_000;
/// How many batches of an account may be under way at once.
pub const MAX_BATCHES: u64 = 100;
/// How many responses of an account in the background may be under way at once.
pub const MAX_RESPONSES: u64 = 100;
