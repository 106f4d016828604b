//! What the edge needs to know of a request to generate. Each protocol that callers speak is read into this.

use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::chat::{ChatBounds, ChatRequest};
use sluice_protocol::request::completion::CompletionRequest;
use sluice_protocol::request::endpoint::Endpoint;

/// What the gate needs to know of a request that is well formed.
pub struct RequestSummary {
    /// Which model.
    pub model: String,
    /// The end user, if the caller names one.
    pub user: Option<String>,
    /// Whether the answer is to come in pieces.
    pub stream: bool,
    /// How many tokens its prompt has: a guess.
    pub prompt_tokens: u32,
    /// How many the answer may have, if the caller says.
    pub max_tokens: Option<u32>,
    /// Whether the model may think.
    pub thinking: bool,
}

impl RequestSummary {
    /// Reads a body that was sent to this endpoint.
    pub fn read(endpoint: Endpoint, body: &[u8], bounds: ChatBounds) -> Result<Self, Refusal> {
        Ok(match endpoint {
            Endpoint::Chat => {
                let request = ChatRequest::parse(body, bounds)?;
                Self {
                    prompt_tokens: request.guess_prompt_tokens(),
                    max_tokens: request.most_tokens(),
                    // A template that nobody tells otherwise lets its model think.
                    thinking: request.enable_thinking.unwrap_or(true),
                    stream: request.stream,
                    model: request.model,
                    user: request.user,
                }
            }
            Endpoint::Completions => {
                let request = CompletionRequest::parse(body, bounds)?;
                Self {
                    prompt_tokens: request.guess_prompt_tokens(),
                    max_tokens: request.most_tokens(),
                    // All of it is the caller's text: nobody looks for thinking in it, nor charges it as such.
                    thinking: false,
                    stream: request.stream,
                    model: request.model,
                    user: request.user,
                }
            }
        })
    }
}
