//! What an answer repeats of its request: settings, tools, labels. Clients read them from there.

use super::settings::{Include, include, logprobs, reasoning};
use crate::refusal::Refusal;
use crate::request::member::{Body, raw};
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What an answer repeats of its request, and how it tells what the model thinks.
#[derive(Clone, Debug)]
pub struct Repeated {
    /// Whether thoughts are told as their summary.
    pub as_summary: bool,
    /// Whether thoughts are told once more as a client sends them back that keeps nothing else of them.
    pub sealed: bool,
    /// Whether tokens are told with their log probabilities.
    pub logprobs: bool,
    /// What is written into the answer.
    pub members: Members,
}

/// Members of an answer that are those of its request. What is not said of `store` is `false`.
#[derive(Clone, Debug, Serialize)]
pub struct Members {
    instructions: Option<String>,
    max_output_tokens: Option<i64>,
    metadata: Box<RawValue>,
    parallel_tool_calls: bool,
    previous_response_id: Option<String>,
    prompt_cache_key: Option<String>,
    reasoning: Reasoning,
    safety_identifier: Option<String>,
    /// Whether the edge keeps it. An origin keeps nothing.
    store: bool,
    temperature: f64,
    text: Text,
    tool_choice: Box<RawValue>,
    tools: Box<RawValue>,
    top_logprobs: u32,
    top_p: f64,
    user: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Reasoning {
    effort: Option<String>,
    summary: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Text {
    format: Box<RawValue>,
    verbosity: &'static str,
}

impl Repeated {
    pub(super) fn read(body: &Body<'_>) -> Result<Self, Refusal> {
        let text = |name| body.get(name).and_then(|given| raw::text(given.json)).map(Cow::into_owned);
        let json = |name, nothing: &str| compact(body.get(name).map_or(nothing, |given| given.json));
        let number = |name, nothing: f64| body.get(name).and_then(|given| raw::number(given.json)).unwrap_or(nothing);
        let format = body.get("text").map(|given| given.object(&["format"])).transpose()?;
        let format = format.and_then(|[format]| format).map_or(r#"{"type":"text"}"#, |format| format.json);
        let (reasoning, logprobs) = (reasoning(body)?, logprobs(body)?);
        let Include { sealed, .. } = include(body)?;
        Ok(Self {
            as_summary: reasoning.summary.is_some(),
            sealed,
            logprobs: logprobs.is_some(),
            members: Members {
                instructions: text("instructions"),
                max_output_tokens: body.get("max_output_tokens").and_then(|given| raw::whole(given.json)),
                metadata: json("metadata", "{}"),
                parallel_tool_calls: body.boolean("parallel_tool_calls")?.unwrap_or(true),
                previous_response_id: text("previous_response_id"),
                prompt_cache_key: text("prompt_cache_key"),
                reasoning: Reasoning { effort: reasoning.effort, summary: reasoning.summary },
                safety_identifier: text("safety_identifier"),
                store: body.boolean("store")?.unwrap_or(false),
                temperature: number("temperature", 1.0),
                text: Text { format: compact(format), verbosity: "medium" },
                tool_choice: json("tool_choice", r#""auto""#),
                tools: json("tools", "[]"),
                top_logprobs: logprobs.unwrap_or(0),
                top_p: number("top_p", 1.0),
                user: text("user"),
            },
        })
    }
}

/// JSON as it was written, without the white space between its parts: an event of a stream is one line.
fn compact(json: &str) -> Box<RawValue> {
    let (mut in_text, mut escaped) = (false, false);
    let kept = json.chars().filter(|letter| match (in_text, letter) {
        (true, _) if escaped => {
            escaped = false;
            true
        }
        (true, '\\') => {
            escaped = true;
            true
        }
        (_, '"') => {
            in_text = !in_text;
            true
        }
        (false, ' ' | '\t' | '\n' | '\r') => false,
        _ => true,
    });
    RawValue::from_string(kept.collect()).expect("JSON stays JSON without the white space between its parts")
}
