//! Answers that are kept: what a request says of them, what is kept of one, and how a caller is told whether it is.
//!
//! An origin keeps nothing. It repeats what the request says, and the edge, which keeps the answer, makes `store` false
//! where it could not.

use crate::id::{RequestId, ResponseId};
use crate::refusal::{Reason, Refusal};
use crate::request::member::raw;
use std::ops::Range;

/// The longest `input`, and the longest answer, that are kept, in bytes. Both lie in one row with their names, and the
/// platform takes rows of 2 MB.
pub const MAX_KEPT_PART: usize = 960 << 10;

/// What a request says of answers that are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keeping {
    /// Whether its own answer is to be kept.
    pub store: bool,
    /// The answer that it goes on from, as it was written.
    pub previous: Option<String>,
    /// Whether its `input` may name items of kept answers.
    pub refers: bool,
    /// Whether nobody waits for its answer, which is asked for later.
    pub background: bool,
}

impl Keeping {
    /// Reads it. What is wrong in a body says nothing here: whoever reads all of it tells what it is.
    pub fn read(body: &[u8]) -> Self {
        let text = std::str::from_utf8(body).ok();
        let names = ["store", "previous_response_id", "input", "background"];
        let members = text.and_then(|text| raw::members(text, &names).ok());
        let Some([store, previous, input, background]) = members else { return Self::default() };
        Self {
            store: store == Some("true"),
            previous: previous.and_then(raw::text).map(Into::into),
            refers: input.is_some_and(|input| input.starts_with('[') && input.contains("item_reference")),
            background: background == Some("true"),
        }
    }

    /// Whether it asks for anything that is kept.
    pub const fn reads(&self) -> bool {
        self.previous.is_some() || self.refers
    }

    /// Refuses it by name where no answers are kept.
    pub fn refuse(&self) -> Result<(), Refusal> {
        let (name, what_now) = match self {
            Self { store: true, .. } => ("store", "Leave it out, and send the whole conversation as `input`"),
            Self { previous: Some(_), .. } => ("previous_response_id", "Send the whole conversation as `input`"),
            // What names items is refused where they are read, and so is `background`.
            _ => return Ok(()),
        };
        let message = format!("`{name}` is not served: no answers are kept here. {what_now}.");
        Err(Refusal::new(Reason::UnsupportedParameter, message).with_param(name))
    }
}

/// What a caller is told of a response that is not there: it never was, is another account's, was deleted, or its time is
/// over.
pub fn no_response() -> Refusal {
    Refusal::new(
        Reason::ResponseNotFound,
        "There is no such response. Those are kept that were asked for with `store: true`, for a while.",
    )
}

/// An answer that asks to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told<'a> {
    /// Its id.
    pub id: ResponseId,
    /// All of it, as its caller is told it.
    pub answer: &'a str,
}

impl<'a> Told<'a> {
    /// Reads an answer, as JSON; `None` for what is none, or does not ask to be kept.
    pub fn read(answer: &'a str) -> Option<Self> {
        let [id, store, output] = raw::members(answer, &["id", "store", "output"]).ok()?;
        let id = ResponseId::parse(&raw::text(id?)?)?;
        (store == Some("true") && output?.starts_with('[')).then_some(Self { id, answer })
    }
}

/// What an answer holds: its items, as a list in JSON.
pub fn output_of(answer: &str) -> Option<&str> {
    let [output] = raw::members(answer, &["output"]).ok()?;
    output
}

/// An answer that says that it is not kept; as it was if it did not say that it is.
pub fn not_kept(answer: &str) -> String {
    let mut store = None;
    let walked = raw::entries(answer, |name, json| {
        if name == "store" && json == "true" {
            store = Some(within(answer, json));
        }
        Ok::<(), ()>(())
    });
    match walked.ok().and(store) {
        Some(store) => [&answer[..store.start], "false", &answer[store.end..]].concat(),
        None => answer.to_owned(),
    }
}

/// Where a part stands in the text that it was taken out of.
pub(super) fn within(whole: &str, part: &str) -> Range<usize> {
    let from = part.as_ptr() as usize - whole.as_ptr() as usize;
    from..from + part.len()
}

/// The items of an `input` that was understood, as they are kept and listed: each has an id and a type, and content is a
/// list of parts. To the model they say the same. `request` is that of the answer.
pub fn kept_input(input: &str, request: RequestId) -> Option<String> {
    if input.starts_with('"') {
        return Some(format!("[{}]", kept_item(&asked(input), request, 0)?));
    }
    let (mut kept, mut place) = (String::from("["), 0);
    let walked = raw::items(input, |json| {
        let comma = if place == 0 { "" } else { "," };
        kept.push_str(comma);
        kept.push_str(&kept_item(json, request, place).ok_or(())?);
        place += 1;
        Ok::<(), ()>(())
    });
    walked.ok()?;
    kept.push(']');
    Some(kept)
}

/// The item that a bare text is, which is JSON.
pub(super) fn asked(text: &str) -> String {
    format!(r#"{{"type":"message","role":"user","content":{text}}}"#)
}

fn kept_item(json: &str, request: RequestId, place: usize) -> Option<String> {
    let [kind, id, status, role] = raw::members(json, &["type", "id", "status", "role"]).ok()?;
    let kind = kind.and_then(raw::text).unwrap_or("message".into());
    let begins = match &*kind {
        "message" => "msg",
        "function_call" => "fc",
        "function_call_output" => "fco",
        _ => "rs",
    };
    let id = id.filter(|id| id.starts_with('"') && *id != r#""""#);
    let id = id.map_or_else(|| format!("\"{begins}_{request}_i{place}\""), str::to_owned);
    let status = status.filter(|status| status.starts_with('"')).unwrap_or(r#""completed""#);
    let part = if role == Some(r#""assistant""#) { OUTPUT_TEXT } else { INPUT_TEXT };
    let mut kept = format!(r#"{{"id":{id},"type":"{kind}","status":{status}"#);
    let walked = raw::entries(json, |name, value| {
        let content;
        let value = match &*name {
            "id" | "type" | "status" => return Ok(()),
            "content" if kind == "message" && value.starts_with('"') => {
                content = part.replace("TEXT", value);
                content.as_str()
            }
            _ => value,
        };
        kept.push(',');
        kept.push_str(&serde_json::to_string(&name).map_err(drop)?);
        kept.push(':');
        kept.push_str(value);
        Ok::<(), ()>(())
    });
    walked.ok()?;
    kept.push('}');
    Some(kept)
}

const INPUT_TEXT: &str = r#"[{"type":"input_text","text":TEXT}]"#;
const OUTPUT_TEXT: &str = r#"[{"type":"output_text","text":TEXT,"annotations":[]}]"#;
