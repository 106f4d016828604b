//! One line of a batch's file: a request with a name.

use crate::refusal::{Reason, Refusal};
use crate::request::bodies::chat::ChatBounds;
use crate::request::bodies::question::Question;
use crate::request::bodies::responses::Keeping;
use crate::request::door::Door;
use crate::request::member::raw;
use crate::request::read;
use serde::{Deserialize, Serialize};

/// Where a batch's lines go. All lines of one batch go to the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BatchDoor {
    /// `/v1/chat/completions`
    Chat,
    /// `/v1/completions`
    Completions,
    /// `/v1/embeddings`
    Embeddings,
    /// `/v1/responses`
    Responses,
}

/// A line that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The name that its maker gave it.
    pub custom_id: String,
    /// What is asked, as it was written.
    pub body: String,
}

/// What is wrong with a line, or with a whole file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineError {
    /// A word for programs.
    pub code: String,
    /// What is wrong, and what to do.
    pub message: String,
    /// Which member.
    pub param: Option<String>,
    /// Which line, from 1; none where it is the whole file.
    pub line: Option<u32>,
}

impl BatchDoor {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Chat, Self::Completions, Self::Embeddings, Self::Responses];

    /// By which door its lines come in.
    pub const fn door(self) -> Door {
        match self {
            Self::Chat => Door::Chat,
            Self::Completions => Door::Completions,
            Self::Embeddings => Door::Embeddings,
            Self::Responses => Door::Responses,
        }
    }

    /// The door with this path.
    pub fn of(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.door().path() == path)
    }
}

impl LineError {
    /// Something that is wrong with a line.
    pub fn new(code: &str, message: impl Into<String>, param: Option<&str>, line: Option<u32>) -> Self {
        Self { code: code.to_owned(), message: message.into(), param: param.map(str::to_owned), line }
    }
}

impl Line {
    /// Reads the line of this number for a batch that goes to this door. What a live request would be refused for is
    /// refused here, and so is what a batch cannot do: a stream, and answers that are kept elsewhere.
    pub fn parse(text: &str, number: u32, door: BatchDoor, bounds: ChatBounds) -> Result<Self, LineError> {
        let wrong = |code, message: String, param: Option<&str>| LineError::new(code, message, param, Some(number));
        let members = raw::members(text, &["custom_id", "method", "url", "body"]);
        let [custom_id, method, url, body] = members.map_err(|twice| match twice {
            Some(name) => wrong("duplicate_member", format!("`{name}` is there twice."), Some(name)),
            None => wrong("invalid_json_line", "The line is not a JSON object.".into(), None),
        })?;
        let custom_id = custom_id.and_then(raw::text).filter(|id| (1..=MAX_CUSTOM_ID).contains(&id.len()));
        let custom_id = custom_id.ok_or_else(|| {
            let message = format!("`custom_id` must be text of 1 to {MAX_CUSTOM_ID} bytes.");
            wrong("missing_required_parameter", message, Some("custom_id"))
        })?;
        if method.and_then(raw::text).as_deref() != Some("POST") {
            return Err(wrong("invalid_method", "`method` must be `POST`.".into(), Some("method")));
        }
        let path = door.door().path();
        if url.and_then(raw::text).as_deref() != Some(path) {
            return Err(wrong("mismatched_url", format!("`url` must be the batch's endpoint, {path}."), Some("url")));
        }
        let body = body
            .filter(|body| body.starts_with('{'))
            .ok_or_else(|| wrong("missing_required_parameter", "`body` must be an object.".into(), Some("body")))?;
        check(body, door, bounds).map_err(|refusal| {
            let param = refusal.param.as_ref().map_or_else(|| "body".to_owned(), |param| format!("body.{param}"));
            wrong(refusal.reason.row().code, refusal.message.to_string(), Some(&param))
        })?;
        Ok(Self { custom_id: custom_id.into_owned(), body: body.to_owned() })
    }
}

fn check(body: &str, door: BatchDoor, bounds: ChatBounds) -> Result<Question, Refusal> {
    if door == BatchDoor::Responses {
        let keeping = Keeping::read(body.as_bytes());
        keeping.refuse()?;
        if keeping.refers {
            return Err(unsupported("input", "a line of a batch cannot name items of kept answers"));
        }
    }
    let question = read::question(door.door(), body.as_bytes(), bounds)?;
    if question.stream() {
        return Err(unsupported("stream", "a line of a batch is answered whole. Leave it out"));
    }
    Ok(question)
}

fn unsupported(name: &'static str, why: &str) -> Refusal {
    Refusal::new(Reason::UnsupportedParameter, format!("`{name}` is not served here: {why}.")).with_param(name)
}

/// The longest `custom_id`, in bytes.
pub const MAX_CUSTOM_ID: usize = 1 << 9;
