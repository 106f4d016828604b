//! A body, by the door that it came in by, as the question that it asks: a line for each door.

use crate::refusal::Refusal;
use crate::request::bodies::chat::{ChatBounds, ChatRequest};
use crate::request::bodies::completion::CompletionRequest;
use crate::request::bodies::embeddings::EmbeddingRequest;
use crate::request::bodies::images::ImageRequest;
use crate::request::bodies::messages;
use crate::request::bodies::ollama;
use crate::request::bodies::question::Question;
use crate::request::bodies::rerank::RerankRequest;
use crate::request::bodies::responses;
use crate::request::bodies::tokens::{DetokenizeRequest, TokenizeRequest};
use crate::request::door::Door;

/// Reads a body that came in by this door. Refuses with [`Reason::InvalidJson`], [`Reason::InvalidRequest`] or
/// [`Reason::UnsupportedParameter`], naming the member where there is one.
///
/// [`Reason::InvalidJson`]: crate::refusal::Reason::InvalidJson
/// [`Reason::InvalidRequest`]: crate::refusal::Reason::InvalidRequest
/// [`Reason::UnsupportedParameter`]: crate::refusal::Reason::UnsupportedParameter
pub fn question(door: Door, body: &[u8], bounds: ChatBounds) -> Result<Question, Refusal> {
    match door {
        Door::Chat => ChatRequest::parse(body, bounds).map(Question::from),
        Door::Completions => CompletionRequest::parse(body, bounds).map(Question::from),
        Door::OllamaChat => ollama::chat(body, bounds),
        Door::OllamaGenerate => ollama::generate(body, bounds),
        Door::Messages => messages::parse(body, bounds).map(Question::from),
        Door::CountTokens => messages::parse_count(body).map(|request| Question::Count(Box::new(request))),
        Door::Responses => responses::parse(body, bounds).map(Question::from),
        Door::Embeddings => EmbeddingRequest::parse(body).map(Question::from),
        Door::OllamaEmbed | Door::OllamaEmbeddings => ollama::embed::parse(door, body).map(Question::from),
        Door::Rerank => RerankRequest::parse(body).map(|request| Question::Rerank(Box::new(request))),
        Door::Images => ImageRequest::parse(body).map(|request| Question::Images(Box::new(request))),
        Door::Tokenize => TokenizeRequest::parse(body, bounds).map(|request| Question::Tokenize(Box::new(request))),
        Door::Detokenize => DetokenizeRequest::parse(body).map(Question::Detokenize),
    }
}
