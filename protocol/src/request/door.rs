//! The doors: where a request for an answer may come in, and which protocol is spoken there.
//!
//! A new one is a line here, a line in [`crate::request::read`], its table of members in `member/list/`, and a room of
//! its own at both gates: what reads its bodies into a [`Question`](crate::request::bodies::question::Question), and at
//! the origin what tells the answer.

/// A path that takes requests for answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// OpenAI's chats.
    Chat,
    /// OpenAI's text completions.
    Completions,
    /// Ollama's chats.
    OllamaChat,
    /// Ollama's answers to one prompt.
    OllamaGenerate,
    /// Anthropic's messages.
    Messages,
    /// Anthropic's question how long the prompt of a message is.
    CountTokens,
    /// OpenAI's responses.
    Responses,
    /// OpenAI's embeddings.
    Embeddings,
    /// Ollama's embeddings.
    OllamaEmbed,
    /// Ollama's older way to ask for one of them.
    OllamaEmbeddings,
    /// Jina's order of documents by a query.
    Rerank,
    /// OpenAI's pictures.
    Images,
    /// vLLM's question which tokens a text is.
    Tokenize,
    /// vLLM's question which text some tokens are.
    Detokenize,
}

impl Door {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Chat,
        Self::Completions,
        Self::OllamaChat,
        Self::OllamaGenerate,
        Self::Messages,
        Self::CountTokens,
        Self::Responses,
        Self::Embeddings,
        Self::OllamaEmbed,
        Self::OllamaEmbeddings,
        Self::Rerank,
        Self::Images,
        Self::Tokenize,
        Self::Detokenize,
    ];

    /// Its path, at both gates.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
            Self::OllamaChat => "/api/chat",
            Self::OllamaGenerate => "/api/generate",
            Self::Messages => "/v1/messages",
            Self::CountTokens => "/v1/messages/count_tokens",
            Self::Responses => "/v1/responses",
            Self::Embeddings => "/v1/embeddings",
            Self::OllamaEmbed => "/api/embed",
            Self::OllamaEmbeddings => "/api/embeddings",
            Self::Rerank => "/v1/rerank",
            Self::Images => "/v1/images/generations",
            Self::Tokenize => "/tokenize",
            Self::Detokenize => "/detokenize",
        }
    }

    /// The one with this path.
    pub fn of(path: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|door| door.path() == path)
    }
}
