//! What is asked of a model, whichever door it came by: the one request that limits are about and that the origin answers.
//!
//! Both gates read a body by its door ([`crate::request::read`]) and go on with this. The same question by two doors is one and the same value, but
//! for [`Names`](crate::request::bodies::chat::Names), which only refusals read.

use crate::request::bodies::chat::{ChatRequest, Sampling};
use crate::request::bodies::completion::CompletionRequest;
use crate::request::bodies::embeddings::EmbeddingRequest;
use crate::request::bodies::images::ImageRequest;
use crate::request::bodies::rerank::RerankRequest;
use crate::request::bodies::tokens::{DetokenizeRequest, TokenizeRequest};
use crate::request::drawing::Drawing;
use crate::request::endpoint::Endpoint;

/// What is asked of a model.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Messages, which the model's template makes into a prompt.
    Chat(Box<ChatRequest>),
    /// Prompts as they are.
    Text(Box<CompletionRequest>),
    /// How many tokens the prompt of such messages has. Nothing is generated, and nothing is charged but the request.
    Count(Box<ChatRequest>),
    /// Nothing: whether the model is there.
    Presence(Presence),
    /// Which tokens something becomes. As with a count, nothing is charged but the request.
    Tokenize(Box<TokenizeRequest>),
    /// Which text some tokens are; charged like that.
    Detokenize(DetokenizeRequest),
    /// The vectors of some texts.
    Embeddings(Box<EmbeddingRequest>),
    /// The order of some documents.
    Rerank(Box<RerankRequest>),
    /// Pictures.
    Images(Box<ImageRequest>),
}

/// A question that asks for nothing but whether its model is there. Ollama loads one for it, and unloads it where it is to
/// be kept alive for no time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// The model's name.
    pub model: String,
    /// Whether its caller has done with it.
    pub unload: bool,
    /// Whether the answer is to come as a stream.
    pub stream: bool,
}

impl Question {
    /// What it is to plans and scopes.
    pub fn endpoint(&self) -> Endpoint {
        match self {
            Self::Chat(_) | Self::Count(_) => Endpoint::Chat,
            Self::Text(_) | Self::Detokenize(_) => Endpoint::Completions,
            Self::Presence(_) => Endpoint::Chat,
            Self::Tokenize(request) if request.is_chat() => Endpoint::Chat,
            Self::Tokenize(_) => Endpoint::Completions,
            // It asks the same models, and answers as little.
            Self::Embeddings(_) | Self::Rerank(_) => Endpoint::Embeddings,
            Self::Images(_) => Endpoint::Images,
        }
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        match self {
            Self::Chat(request) | Self::Count(request) => &request.model,
            Self::Text(request) => &request.model,
            Self::Presence(presence) => &presence.model,
            Self::Tokenize(request) => &request.model,
            Self::Detokenize(request) => &request.model,
            Self::Embeddings(request) => &request.model,
            Self::Rerank(request) => &request.model,
            Self::Images(request) => &request.model,
        }
    }

    /// The end user, if the caller names one.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Chat(request) | Self::Count(request) => request.user.as_deref(),
            Self::Text(request) => request.user.as_deref(),
            Self::Embeddings(request) => request.user.as_deref(),
            Self::Rerank(request) => request.user.as_deref(),
            Self::Images(request) => request.user.as_deref(),
            Self::Presence(_) | Self::Tokenize(_) | Self::Detokenize(_) => None,
        }
    }

    /// Whether the answer is to come in pieces.
    pub const fn stream(&self) -> bool {
        match self {
            Self::Chat(request) | Self::Count(request) => request.stream,
            Self::Text(request) => request.stream,
            Self::Presence(presence) => presence.stream,
            Self::Images(request) => request.stream,
            Self::Tokenize(_) | Self::Detokenize(_) | Self::Embeddings(_) | Self::Rerank(_) => false,
        }
    }

    /// Whether the same question has the same answer: its tokens are not chosen by chance, or by a seed. One with tools is
    /// none: what a tool is called for depends on when.
    pub fn is_repeatable(&self) -> bool {
        let is_certain = |sampling: &Sampling| sampling.temperature == 0.0 || sampling.seed.is_some();
        match self {
            Self::Chat(request) => request.tools.is_empty() && is_certain(&request.sampling),
            Self::Text(request) => is_certain(&request.sampling),
            Self::Embeddings(_) | Self::Rerank(_) => true,
            // A seed's picture is the same again, but megabytes long: no cache is to keep it.
            Self::Images(_) => false,
            Self::Presence(_) | Self::Count(_) | Self::Tokenize(_) | Self::Detokenize(_) => false,
        }
    }

    /// How many tokens its prompts have: a guess.
    pub fn guess_prompt_tokens(&self) -> u32 {
        match self {
            Self::Chat(request) => request.guess_prompt_tokens(),
            Self::Text(request) => request.guess_prompt_tokens(),
            Self::Embeddings(request) => request.guess_prompt_tokens(),
            Self::Rerank(request) => request.guess_prompt_tokens(),
            Self::Images(request) => request.guess_prompt_tokens(),
            Self::Presence(_) | Self::Count(_) | Self::Tokenize(_) | Self::Detokenize(_) => 0,
        }
    }

    /// How many tokens all answers together may take, where a gate cannot find that out by itself.
    pub fn most_tokens(&self) -> Option<u32> {
        match self {
            Self::Chat(request) => request.most_tokens(),
            Self::Text(request) => request.most_tokens(),
            // A picture is no tokens: what it costs to draw, its `Work` says.
            Self::Embeddings(_) | Self::Rerank(_) | Self::Images(_) => Some(0),
            Self::Presence(_) | Self::Count(_) | Self::Tokenize(_) | Self::Detokenize(_) => Some(0),
        }
    }

    /// Which pictures are to be drawn.
    pub fn drawing(&self) -> Drawing {
        match self {
            Self::Images(request) => request.drawing(),
            _ => Drawing::default(),
        }
    }

    /// Whether its answer may begin with thoughts. A text completion is all of it the caller's text: nobody looks for
    /// thinking in it, nor charges it as such.
    pub fn thinks(&self) -> bool {
        match self {
            Self::Chat(request) => request.thinks(),
            _ => false,
        }
    }
}

impl From<ChatRequest> for Question {
    fn from(request: ChatRequest) -> Self {
        Self::Chat(Box::new(request))
    }
}

impl From<CompletionRequest> for Question {
    fn from(request: CompletionRequest) -> Self {
        Self::Text(Box::new(request))
    }
}

impl From<EmbeddingRequest> for Question {
    fn from(request: EmbeddingRequest) -> Self {
        Self::Embeddings(Box::new(request))
    }
}
