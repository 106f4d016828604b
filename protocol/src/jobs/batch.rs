//! A batch: what it is, and what becomes of it.
//!
//! **validating -> in_progress -> finalizing -> completed**, as at OpenAI's; or `failed`, where its file is no
//! batch's or its maker is not let in any more, `expired`, and `cancelling` and `cancelled`. However it ends, each
//! line has a result by then, and the counts agree with the files.

use super::line::{BatchDoor, LineError};
use super::name::{BatchId, FileId};
use super::owner::Owner;
use super::packed::{JobsError, decode, encode};
use super::work::{Outcome, Why};
use crate::refusal::{Reason, Refusal};
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A batch as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// What was asked for.
    pub asked: NewBatch,
    /// How far it is.
    pub status: Status,
    /// How many lines it has, and how many are over.
    pub counts: Counts,
    /// What is wrong with its file.
    pub errors: Vec<LineError>,
    /// Why lines that wait are not going to be sent, if they are not.
    pub ends: Option<Why>,
    /// What is written of its files.
    pub written: Written,
    /// When it was made.
    pub created_at: Millis,
    /// When it runs out of time.
    pub expires_at: Millis,
    /// When its file was understood.
    pub in_progress_at: Option<Millis>,
    /// When its last line was over.
    pub finalizing_at: Option<Millis>,
    /// When somebody wanted it to end.
    pub cancelling_at: Option<Millis>,
    /// When it was over, however.
    pub ended_at: Option<Millis>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewBatch {
    /// Its id, which whoever asks has chosen: a message that comes twice makes one batch.
    pub id: BatchId,
    /// Who asks.
    pub owner: Owner,
    /// Where its lines go.
    pub door: BatchDoor,
    /// The file with its lines.
    pub input: FileId,
    /// What its maker wants to find again.
    pub metadata: BTreeMap<String, String>,
}

/// How far a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Its file is yet to be read.
    Validating,
    /// Its file is no batch's, or its maker is not let in any more.
    Failed,
    /// Its lines are answered.
    InProgress,
    /// Its files are written.
    Finalizing,
    /// Each line has its result.
    Completed,
    /// It ran out of time.
    Expired,
    /// It is to end; lines that were sent are waited for.
    Cancelling,
    /// It has ended.
    Cancelled,
}

/// How many lines there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All.
    pub total: u32,
    /// With an answer.
    pub completed: u32,
    /// Over without one.
    pub failed: u32,
}

/// How much of a batch's files is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The first line that is not.
    pub next_line: u32,
    /// Of the file of answers.
    pub output: Lengths,
    /// Of the file of the others.
    pub errors: Lengths,
}

/// How long a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lengths {
    /// Parts.
    pub parts: u32,
    /// Bytes.
    pub bytes: u64,
}

impl Batch {
    /// One whose file is yet to be read.
    pub fn new(asked: NewBatch, now: Millis) -> Self {
        Self {
            asked,
            status: Status::Validating,
            counts: Counts::default(),
            errors: Vec::new(),
            ends: None,
            written: Written::default(),
            created_at: now,
            expires_at: now.saturating_add(WINDOW_MS),
            in_progress_at: None,
            finalizing_at: None,
            cancelling_at: None,
            ended_at: None,
        }
    }

    /// Its file was read: so many lines, or what is wrong with it.
    pub fn validated(&mut self, lines: u32, errors: Vec<LineError>, now: Millis) {
        if self.status != Status::Validating {
            return;
        }
        if !errors.is_empty() || lines == 0 {
            self.errors = errors;
            (self.status, self.ended_at) = (Status::Failed, Some(now));
            return;
        }
        self.counts.total = lines;
        (self.status, self.in_progress_at) = (Status::InProgress, Some(now));
    }

    /// Somebody wants it to end. Refuses what is over, or has nothing left to send.
    pub fn cancel(&mut self, now: Millis) -> Result<(), Refusal> {
        match self.status {
            // Nothing was sent.
            Status::Validating => {
                self.cancelling_at = Some(now);
                (self.status, self.ended_at) = (Status::Cancelled, Some(now));
            }
            Status::InProgress => {
                self.ends.get_or_insert(Why::Cancelled);
                (self.status, self.cancelling_at) = (Status::Cancelling, Some(now));
            }
            Status::Cancelling => {}
            _ => return Err(cannot_cancel(self.status)),
        }
        Ok(())
    }

    /// Who made it is not let in any more: nothing more of it is sent.
    pub fn revoke(&mut self) {
        if self.may_send() {
            self.ends = Some(Why::Revoked);
        }
    }

    /// Looks at the clock.
    pub fn look(&mut self, now: Millis) {
        if self.may_send() && now >= self.expires_at {
            self.ends = Some(Why::Expired);
        }
    }

    /// Whether lines that wait are to be sent.
    pub fn may_send(&self) -> bool {
        self.status == Status::InProgress && self.ends.is_none()
    }

    /// A line is over, and was not before.
    pub fn line_is_over(&mut self, outcome: &Outcome, now: Millis) {
        if outcome.is_answer() {
            self.counts.completed += 1;
        } else {
            self.counts.failed += 1;
        }
        let is_last = self.counts.completed + self.counts.failed >= self.counts.total;
        if is_last && matches!(self.status, Status::InProgress | Status::Cancelling) {
            (self.status, self.finalizing_at) = (Status::Finalizing, Some(now));
        }
    }

    /// Its files are written.
    pub fn finalize(&mut self, now: Millis) {
        if self.status == Status::Finalizing {
            self.ended_at = Some(now);
            self.status = match self.ends {
                // What was wanted to end, or ran out of time, and had no line left for that, is complete.
                _ if self.counts.failed == 0 => Status::Completed,
                None | Some(Why::Lost | Why::Tries | Why::TooLong) => Status::Completed,
                Some(Why::Expired) => Status::Expired,
                Some(Why::Cancelled) => Status::Cancelled,
                Some(Why::Revoked) => Status::Failed,
            };
            if self.status == Status::Failed {
                let code = Why::Revoked.code();
                self.errors.push(LineError::new(code, Why::Revoked.message(), None, None));
            }
        }
    }

    /// Whether nothing more becomes of it.
    pub const fn is_over(&self) -> bool {
        matches!(self.status, Status::Failed | Status::Completed | Status::Expired | Status::Cancelled)
    }
}

/// What a caller is told of a batch that is not there: it never was, is somebody else's, or its time is over.
pub fn no_batch() -> Refusal {
    Refusal::new(Reason::BatchNotFound, "There is no such batch.")
}

/// What a caller is told who cancels a batch that is over, or has nothing left to send.
pub fn cannot_cancel(status: Status) -> Refusal {
    let message = format!("A batch that is `{}` cannot be cancelled.", status.name());
    Refusal::new(Reason::InvalidRequest, message)
}

impl Status {
    /// As OpenAI names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Validating => "validating",
            Self::Failed => "failed",
            Self::InProgress => "in_progress",
            Self::Finalizing => "finalizing",
            Self::Completed => "completed",
            Self::Expired => "expired",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Packs a row.
pub fn encode_batch(batch: &Batch) -> Vec<u8> {
    encode(batch)
}

/// Unpacks a row. Never panics, whatever the bytes.
pub fn decode_batch(bytes: &[u8]) -> Result<Batch, JobsError> {
    decode(bytes)
}

/// How long a batch may take: `24h`, the only one that there is.
pub const WINDOW_MS: Millis = 24 * 60 * 60 * 1000;
