//! A response that is answered in the background: what it is, and what becomes of it.
//!
//! **queued -> in_progress -> completed or incomplete**, as at OpenAI's; or `failed`, or `cancelled`. It is one request
//! and is carried as a line of a batch is ([`super::work`]), but for somebody who waits. It is told to be completed once
//! its answer lies where responses are kept, so that whatever says so can be gone on with. What was told to be
//! cancelled or deleted stays so, whatever else comes.

mod told;

use super::owner::Owner;
use super::packed::{JobsError, decode, encode};
use super::work::{Outcome, Stage, Try, Why, Work};
use crate::id::{RequestId, ResponseId};
use crate::refusal::Refusal;
use crate::request::bodies::responses::{MAX_KEPT_PART, Status, Told};
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use serde_json::json;
use told::{changed, expired, failed, refused};

pub use told::{check_store, check_stream, foreground, lost, no_answer_yet, not_in_background, queued};

/// One that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewResponse {
    /// What is kept of it.
    pub asked: ResponseAsked,
    /// What is sent on, with all of its conversation: see [`foreground`].
    pub body: String,
}

/// What is kept of one besides what is sent on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseAsked {
    /// Its id, which whoever asks has chosen: a message that comes twice makes one.
    pub id: ResponseId,
    /// In whose name it is asked for.
    pub owner: Owner,
    /// The model, by its own name.
    pub model: String,
    /// The response that it goes on from.
    pub previous: Option<ResponseId>,
    /// What was asked: a list of items, in JSON.
    pub input: String,
    /// All of it as its caller is told it while it waits: see [`queued`].
    pub told: String,
}

/// One as it is kept, beside its [`Work`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Background {
    /// What was asked for.
    pub asked: ResponseAsked,
    /// When it was made.
    pub created_at: Millis,
    /// When it runs out of time.
    pub expires_at: Millis,
    /// Whether its answer was sent to where responses are kept, so that it may lie there.
    pub is_keeping: bool,
    /// Whether its answer lies there for certain.
    pub is_kept: bool,
    /// What somebody wants to become of it.
    pub wish: Option<Wish>,
    /// How it ended, if it is over.
    pub end: Option<End>,
}

/// What somebody wants to become of one that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wish {
    /// That it ends.
    Cancel,
    /// That it ends and is forgotten; in which request.
    Delete(RequestId),
}

/// How one ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// With an answer, which lies where responses are kept.
    Kept,
    /// Without one.
    Failed {
        /// A word for programs.
        code: String,
        /// What happened.
        message: String,
    },
    /// Somebody cancelled it.
    Cancelled,
    /// Somebody deleted it, in this request.
    Deleted(RequestId),
}

/// What is to be done next with one that nobody carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it is over.
    Nothing,
    /// Find out what became of this try.
    FindOut(Try),
    /// Send it.
    Send,
    /// Keep its answer where responses are kept.
    Keep,
    /// Delete its answer there, for this request.
    Forget(RequestId),
    /// Write down that it ended so.
    End(End),
}

/// What a caller who may see it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing: it is deleted.
    Nothing,
    /// That its answer is where responses are kept.
    Kept,
    /// That it is so far.
    So(Status),
}

/// What became of a wish to delete it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It is deleted, now or by the same request before.
    Done,
    /// Its answer is to be deleted where responses are kept.
    Kept,
    /// There was nothing.
    Nothing,
}

impl Background {
    /// One that waits.
    pub const fn new(asked: ResponseAsked, now: Millis) -> Self {
        let expires_at = now.saturating_add(WINDOW_MS);
        Self { asked, created_at: now, expires_at, is_keeping: false, is_kept: false, wish: None, end: None }
    }

    /// What is to be done with it, if nobody does anything now.
    pub fn next(&self, work: &Work, now: Millis) -> Next {
        if self.end.is_some() {
            return Next::Nothing;
        }
        let wished = self.wish.map(Wish::end);
        match (&work.stage, self.wish) {
            (Stage::Sent(tried) | Stage::Told(tried, _), _) => Next::FindOut(*tried),
            (Stage::Waiting, None) if now < self.expires_at => Next::Send,
            (Stage::Waiting, _) => Next::End(wished.unwrap_or_else(expired)),
            (Stage::Over(Outcome::Answered { .. }), Some(wish)) if !self.is_keeping => Next::End(wish.end()),
            // Also where it is to be deleted: what was sent there may come late, and must find it deleted.
            (Stage::Over(Outcome::Answered { .. }), _) if !self.is_kept => Next::Keep,
            (Stage::Over(Outcome::Answered { .. }), Some(Wish::Delete(by))) => Next::Forget(by),
            (Stage::Over(Outcome::Answered { .. }), _) => Next::End(End::Kept),
            (Stage::Over(Outcome::Refused { body, .. }), _) => Next::End(wished.unwrap_or_else(|| refused(body))),
            (Stage::Over(Outcome::Unanswered(why)), _) => Next::End(wished.unwrap_or_else(|| failed(*why))),
        }
    }

    /// How long it waits at least where there is no room for it, in milliseconds: an eighth of the time that it has waited,
    /// so that one that waits for long does not ask all day.
    pub fn pause(&self, now: Millis) -> Millis {
        (now.saturating_sub(self.created_at) / 8).min(MAX_PAUSE_MS)
    }

    /// A result of this try. What is to end by then has none. False for a try that is not the one that was sent.
    pub fn tell(&self, work: &mut Work, request: RequestId, outcome: Outcome) -> bool {
        let outcome = match (self.wish, outcome) {
            (None, Outcome::Answered { request, body }) => self.finished(request, &body),
            (None, other) => other,
            (Some(_), _) => Outcome::Unanswered(Why::Cancelled),
        };
        work.tell(request, outcome)
    }

    /// It was refused, for a reason that no wait changes. One that is over, or to be ended, stays as it is.
    pub fn refuse(&mut self, work: &Work, refusal: &Refusal) {
        if self.end.is_none() && self.wish.is_none() && work.stage == Stage::Waiting {
            let code = refusal.reason.row().code.to_owned();
            self.end = Some(End::Failed { code, message: refusal.message.to_string() });
        }
    }

    /// Somebody wants it to end. One that has an answer, or is over, stays as it is. True if its try is to be ended.
    pub fn cancel(&mut self, work: &Work) -> bool {
        if self.end.is_some() || self.wish.is_some() {
            return false;
        }
        match work.stage {
            Stage::Waiting => self.end = Some(End::Cancelled),
            Stage::Sent(_) => self.wish = Some(Wish::Cancel),
            Stage::Told(..) | Stage::Over(_) => {}
        }
        self.wish.is_some()
    }

    /// This request wants it to be forgotten.
    pub fn delete(&mut self, work: Option<&Work>, by: RequestId) -> Deletion {
        match (&self.end, &self.wish) {
            (Some(End::Kept), _) => return Deletion::Kept,
            (Some(End::Deleted(before)), _) | (None, Some(Wish::Delete(before))) => {
                return if *before == by { Deletion::Done } else { Deletion::Nothing };
            }
            (Some(End::Failed { .. } | End::Cancelled), _) => self.end = Some(End::Deleted(by)),
            (None, _) if work.is_none_or(|work| work.stage == Stage::Waiting) => self.end = Some(End::Deleted(by)),
            (None, _) => self.wish = Some(Wish::Delete(by)),
        }
        Deletion::Done
    }

    /// Whether it is to be deleted, and may still be found where responses are kept.
    pub const fn is_being_deleted(&self) -> bool {
        self.is_keeping && self.end.is_none() && matches!(self.wish, Some(Wish::Delete(_)))
    }

    /// What is seen of it.
    pub fn seen(&self, work: Option<&Work>) -> Seen {
        match (&self.end, self.wish) {
            (Some(End::Deleted(_)), _) | (_, Some(Wish::Delete(_))) => Seen::Nothing,
            (Some(End::Kept), _) => Seen::Kept,
            (Some(End::Failed { .. }), _) => Seen::So(Status::Failed),
            (Some(End::Cancelled), _) | (None, Some(Wish::Cancel)) => Seen::So(Status::Cancelled),
            (None, None) => match work {
                Some(Work { stage: Stage::Waiting, tries: 0, .. }) => Seen::So(Status::Queued),
                _ => Seen::So(Status::InProgress),
            },
        }
    }

    /// All of it, as its caller is told that it is so far.
    pub fn told(&self, status: Status) -> String {
        let error = match &self.end {
            Some(End::Failed { code, message }) => json!({"code": code, "message": message}).to_string(),
            _ => "null".to_owned(),
        };
        let status = format!("\"{}\"", status.name());
        changed(&self.asked.told, &[("status", &status), ("error", &error)])
    }

    /// Its answer under the id that its caller knows, and its items under theirs: the origin has named them by the try.
    fn finished(&self, request: RequestId, answer: &str) -> Outcome {
        // Whoever answered does not say that it is to be kept: it cannot be gone on with.
        let Some(Told { id, .. }) = Told::read(answer) else { return Outcome::Unanswered(Why::Lost) };
        // An id is random: nothing else in there can have it.
        let renamed = answer.replace(&id.0.to_string(), &self.asked.id.0.to_string());
        let created_at = (self.created_at / 1000).to_string();
        let body = changed(&renamed, &[("background", "true"), ("created_at", &created_at)]);
        if body.len() > MAX_KEPT_PART {
            return Outcome::Unanswered(Why::TooLong);
        }
        Outcome::Answered { request, body }
    }
}

impl Wish {
    const fn end(self) -> End {
        match self {
            Self::Cancel => End::Cancelled,
            Self::Delete(by) => End::Deleted(by),
        }
    }
}

/// Packs a row.
pub fn encode_background(response: &Background) -> Vec<u8> {
    encode(response)
}

/// Unpacks a row. Never panics, whatever the bytes.
pub fn decode_background(bytes: &[u8]) -> Result<Background, JobsError> {
    decode(bytes)
}

/// How long one may wait, in milliseconds: as long as a batch.
pub const WINDOW_MS: Millis = super::batch::WINDOW_MS;
/// The longest pause where nobody says a longer one, in milliseconds.
const MAX_PAUSE_MS: Millis = 30_000;
/// The longest body that is sent on later, in bytes: it lies in a row.
pub const MAX_BODY_BYTES: usize = super::validate::MAX_LINE_BYTES;
