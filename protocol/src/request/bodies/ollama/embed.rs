//! Ollama's two doors for embeddings: `/api/embed`, and `/api/embeddings`, which it came from and takes one text.

use super::short_name;
use crate::refusal::Refusal;
use crate::request::bodies::chat::both;
use crate::request::bodies::embeddings::{EmbeddingRequest, Encoding, MAX_INPUTS, dimensions, too_many};
use crate::request::bodies::prompts::Prompt;
use crate::request::door::Door;
use crate::request::member::{Body, Given, invalid, raw};
use serde::{Deserialize, Serialize};

/// Parses a body of one of these doors; refuses as [`EmbeddingRequest::parse`] does.
pub(in crate::request) fn parse(door: Door, body: &[u8]) -> Result<EmbeddingRequest, Refusal> {
    let body = Body::read(body, door)?;
    let model = short_name(&both::model(&body)?).to_owned();
    let request = |param, inputs, dimensions, truncate| EmbeddingRequest {
        model,
        inputs,
        param,
        encoding: Encoding::Float,
        dimensions,
        truncate,
        user: None,
    };
    Ok(match door {
        Door::OllamaEmbeddings => request("prompt", vec![one(given(&body, "prompt", ONE)?, ONE)?], None, true),
        _ => {
            let truncate = body.boolean("truncate")?.unwrap_or(true);
            request("input", several(given(&body, "input", SEVERAL)?)?, dimensions(&body)?, truncate)
        }
    })
}

const ONE: &str = "a text that is not empty";
const SEVERAL: &str = "a text or a list of texts; none empty";

fn given<'a>(body: &Body<'a>, name: &'static str, must: &str) -> Result<Given<'a>, Refusal> {
    body.get(name).ok_or_else(|| invalid(name, format!("`{name}` must be {must}.")))
}

fn one(given: Given<'_>, must: &str) -> Result<Prompt, Refusal> {
    text(given, given.json, must)
}

fn several(given: Given<'_>) -> Result<Vec<Prompt>, Refusal> {
    if !given.json.starts_with('[') {
        return Ok(vec![one(given, SEVERAL)?]);
    }
    let mut inputs = Vec::new();
    given.items(SEVERAL, |json| {
        if inputs.len() == MAX_INPUTS as usize {
            return Err(too_many());
        }
        inputs.push(text(given, json, SEVERAL)?);
        Ok(())
    })?;
    if inputs.is_empty() { Err(given.must(SEVERAL)) } else { Ok(inputs) }
}

fn text(given: Given<'_>, json: &str, must: &str) -> Result<Prompt, Refusal> {
    let text = raw::text(json).filter(|text| !text.is_empty()).ok_or_else(|| given.must(must))?;
    Ok(Prompt::Text(text.into_owned()))
}

/// The answer of `/api/embed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Embedded {
    /// The model that made them.
    pub model: String,
    /// A vector for each text.
    pub embeddings: Vec<Vec<f32>>,
    /// How long it took, in nanoseconds.
    pub total_duration: u64,
    /// How long loading took: models stay loaded.
    pub load_duration: u64,
    /// Tokens of all texts, the end token of each included.
    pub prompt_eval_count: u64,
}

/// The answer of `/api/embeddings`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OneEmbedded {
    /// The text's vector.
    pub embedding: Vec<f32>,
}
