//! Reranking: how well each of some documents fits a query, by Jina's door, which vLLM, llama.cpp and SGLang have too.
//!
//! A score lies between 0 and 1 and the best comes first. What it is, the model decides: one that embeds tells how near two
//! vectors are, one that judges how likely it says `yes`.

use crate::refusal::Refusal;
use crate::request::bodies::chat::both;
use crate::request::bodies::embeddings::EmbeddingUsage;
use crate::request::door::Door;
use crate::request::member::{Body, Given, invalid, raw};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The most documents of a request.
pub const MAX_DOCUMENTS: u32 = 1_024;

/// A request for the order of some documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RerankRequest {
    /// The model's name, not empty.
    pub model: String,
    /// What is looked for, not empty.
    pub query: String,
    /// Where it is looked for: 1 to [`MAX_DOCUMENTS`], none empty.
    pub documents: Vec<String>,
    /// How many of them are told, the best first; absent means all.
    pub top_n: Option<usize>,
    /// Whether they are told with their texts.
    pub return_documents: bool,
    /// How well a document is to fit, in the words of whoever asks, for a model that judges. Absent means the model's own words.
    pub instruction: Option<String>,
    /// The end user that the caller names, for limits that count by it.
    pub user: Option<String>,
}

impl RerankRequest {
    /// Parses a body; refuses as [`ChatRequest::parse`](crate::request::bodies::chat::ChatRequest::parse) does.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let body = Body::read(body, Door::Rerank)?;
        let words = |name| Ok::<_, Refusal>(body.text(name)?.filter(|text| !text.is_empty()).map(Cow::into_owned));
        Ok(Self {
            model: both::model(&body)?,
            query: words("query")?.ok_or_else(|| invalid("query", "`query` must be a text that is not empty."))?,
            documents: documents(&body)?,
            top_n: top_n(&body)?,
            return_documents: body.boolean("return_documents")?.unwrap_or(false),
            instruction: words("instruction")?,
            user: words("user")?,
        })
    }

    /// A guess at the length of query and documents in tokens, made without a tokenizer. A model that judges reads the query
    /// with each of them, and what it reads is counted where it is.
    pub fn guess_prompt_tokens(&self) -> u32 {
        let texts = self.documents.iter().chain([&self.query]);
        u32::try_from(texts.map(|text| text.len().div_ceil(4) + 1).sum::<usize>()).unwrap_or(u32::MAX)
    }
}

const MUST: &str = "a list of texts, or of objects whose `text` is one; none empty";

fn documents(body: &Body<'_>) -> Result<Vec<String>, Refusal> {
    let given = body.get("documents").ok_or_else(|| invalid("documents", format!("`documents` must be {MUST}.")))?;
    let mut documents = Vec::new();
    // One after the other, so that what is refused has cost no memory.
    given.items(MUST, |json| {
        if documents.len() == MAX_DOCUMENTS as usize {
            let message = format!("`documents` takes at most {MAX_DOCUMENTS}. Send several requests.");
            return Err(invalid("documents", message));
        }
        documents.push(document(given, json)?);
        Ok(())
    })?;
    if documents.is_empty() { Err(given.must(MUST)) } else { Ok(documents) }
}

fn document(given: Given<'_>, json: &str) -> Result<String, Refusal> {
    let text = match json.starts_with('{') {
        false => raw::text(json),
        true => {
            let [text] = raw::members(json, &["text"]).map_err(|_| given.must(MUST))?;
            text.and_then(raw::text)
        }
    };
    text.filter(|text| !text.is_empty()).map(Cow::into_owned).ok_or_else(|| given.must(MUST))
}

fn top_n(body: &Body<'_>) -> Result<Option<usize>, Refusal> {
    const MUST: &str = "a whole number, 0 for all";
    let Some(given) = body.get("top_n") else { return Ok(None) };
    let most = usize::try_from(given.whole(MUST)?).map_err(|_| given.must(MUST))?;
    Ok(Some(most).filter(|most| *most > 0))
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reranked {
    /// Always `list`.
    pub object: Cow<'static, str>,
    /// The model that judged.
    pub model: String,
    /// The documents, the best first; of two that fit alike, the one that was sent first.
    pub results: Vec<RankedDocument>,
    /// What was used.
    pub usage: EmbeddingUsage,
}

/// One of the documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedDocument {
    /// Which it was in the request, from 0.
    pub index: u32,
    /// How well it fits: 0 to 1.
    pub relevance_score: f64,
    /// Itself, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub document: Option<DocumentText>,
}

/// A document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentText {
    /// Its text.
    pub text: String,
}

impl Reranked {
    /// The answer to a request, by the score of each of its documents; `tokens`: how many were read.
    pub fn new(model: String, request: RerankRequest, scores: &[f64], tokens: u64) -> Self {
        let RerankRequest { documents, top_n, return_documents, .. } = request;
        let ranked = (0..).zip(documents).zip(scores).map(|((index, text), score)| RankedDocument {
            index,
            relevance_score: *score,
            document: return_documents.then_some(DocumentText { text }),
        });
        let mut results: Vec<_> = ranked.collect();
        // It keeps the order of those that are alike.
        results.sort_by(|a, b| b.relevance_score.total_cmp(&a.relevance_score));
        results.truncate(top_n.unwrap_or(usize::MAX));
        let usage = EmbeddingUsage { prompt_tokens: tokens, total_tokens: tokens };
        Self { object: "list".into(), model, results, usage }
    }
}

/// How near two vectors of length 1 are, from 0 (opposite) to 1 (alike): half of one and their cosine.
pub fn nearness(a: &[f32], b: &[f32]) -> f64 {
    let cosine: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    f64::midpoint(1.0, cosine).clamp(0.0, 1.0)
}

/// How likely a model says the second of two words, by what it gives each of them (logits). `None` where one is no number.
pub fn likelihood_of_yes([no, yes]: [f32; 2]) -> Option<f64> {
    // A softmax over the two of them.
    let likelihood = 1.0 / (1.0 + (f64::from(no) - f64::from(yes)).exp());
    likelihood.is_finite().then_some(likelihood)
}
