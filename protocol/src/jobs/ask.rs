//! What callers ask of jobs: the body that makes a batch, and which part of a list is wanted.

use super::call::Page;
use super::file::{Purpose, no_file};
use super::line::BatchDoor;
use super::name::FileId;
use super::tell::WINDOW;
use crate::refusal::{Reason, Refusal};
use crate::wire::json;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The body of `POST /v1/batches`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateBatch {
    /// The file with its lines.
    pub input: FileId,
    /// Where its lines go.
    pub door: BatchDoor,
    /// What its maker wants to find again.
    pub metadata: BTreeMap<String, String>,
}

impl CreateBatch {
    /// Reads it. What is not served is refused by name.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let object = json::object(body).ok_or_else(|| {
            Refusal::new(Reason::InvalidJson, "The body must be a JSON object without a member that is there twice.")
        })?;
        if let Some(name) = object.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            let message = format!("`{name}` is not served here. Leave it out.");
            return Err(Refusal::new(Reason::UnsupportedParameter, message).with_param(name.clone()));
        }
        let text = |name: &'static str| {
            let text = object.get(name).and_then(Value::as_str);
            text.ok_or_else(|| invalid(name, format!("`{name}` must be there, as text.")))
        };
        let input = FileId::parse(text("input_file_id")?).ok_or_else(|| no_file().with_param("input_file_id"))?;
        let served: Vec<_> = BatchDoor::ALL.iter().map(|door| door.door().path()).collect();
        let door = BatchDoor::of(text("endpoint")?)
            .ok_or_else(|| invalid("endpoint", format!("`endpoint` must be one of {}.", served.join(", "))))?;
        if text("completion_window")? != WINDOW {
            return Err(invalid("completion_window", format!("`completion_window` must be `{WINDOW}`.")));
        }
        Ok(Self { input, door, metadata: metadata(&object)? })
    }
}

fn metadata(object: &Map<String, Value>) -> Result<BTreeMap<String, String>, Refusal> {
    let wrong = || {
        let message =
            "`metadata` must be an object of at most 16 texts of at most 512 bytes, with names of at most 64.";
        invalid("metadata", message.to_owned())
    };
    let pairs = match object.get("metadata") {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(pairs)) if pairs.len() <= 16 => pairs,
        Some(_) => return Err(wrong()),
    };
    let pair = |(name, value): (&String, &Value)| {
        let value = value.as_str().filter(|value| value.len() <= MAX_METADATA && name.len() <= 64)?;
        Some((name.clone(), value.to_owned()))
    };
    pairs.iter().map(pair).collect::<Option<_>>().ok_or_else(wrong)
}

/// Which part of a list is wanted, and of which files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListQuery<Id> {
    /// Which part.
    pub page: Page<Id>,
    /// For what, if not all.
    pub purpose: Option<Purpose>,
}

impl<Id> ListQuery<Id> {
    /// Reads a URL's query. `after` is a name that `parse` reads. Names that OpenAI does not have are passed over.
    pub fn parse(query: &str, parse: impl Fn(&str) -> Option<Id>) -> Result<Self, Refusal> {
        let mut wanted = Self { page: Page { limit: DEFAULT_LIMIT, after: None, ascending: false }, purpose: None };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let page = &mut wanted.page;
            match name {
                "limit" => {
                    // Those of OpenAI's who list files ask for ten thousand.
                    let limit = value.parse::<u32>().ok().filter(|limit| (1..=10_000).contains(limit));
                    let limit = limit.ok_or_else(|| invalid("limit", "`limit` must be 1 to 10000.".to_owned()))?;
                    page.limit = limit.min(MAX_LIMIT);
                }
                "after" => {
                    let after = parse(value).ok_or_else(|| invalid("after", "`after` is no id.".to_owned()))?;
                    page.after = Some(after);
                }
                "order" if value == "asc" || value == "desc" => page.ascending = value == "asc",
                "order" => return Err(invalid("order", "`order` must be `asc` or `desc`.".to_owned())),
                "purpose" => {
                    let purpose = Purpose::parse(value);
                    let message = || invalid("purpose", "`purpose` must be `batch` or `batch_output`.".to_owned());
                    wanted.purpose = Some(purpose.ok_or_else(message)?);
                }
                _ => {}
            }
        }
        Ok(wanted)
    }
}

fn invalid(name: &'static str, message: String) -> Refusal {
    Refusal::new(Reason::InvalidRequest, message).with_param(name)
}

/// The longest text of a batch's metadata, in bytes, as OpenAI has it.
const MAX_METADATA: usize = 1 << 9;
const MEMBERS: [&str; 4] = ["input_file_id", "endpoint", "completion_window", "metadata"];
const DEFAULT_LIMIT: u32 = 20;
/// The longest page.
const MAX_LIMIT: u32 = 100;
