//! What a door calls what it takes, and how it takes it.

/// The names of members that a refusal may tell after the body has been read: what is wrong shows only then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// What becomes the prompt.
    pub prompt: &'static str,
    /// How long an answer may be.
    pub max_tokens: &'static str,
    /// What form it must have.
    pub format: &'static str,
    /// Whether an answer that may be longer than the context has room for gets what is left of it, instead of a refusal.
    pub fits: bool,
}

impl Names {
    /// Those of OpenAI's chats.
    pub const CHAT: Self =
        Self { prompt: "messages", max_tokens: "max_tokens", format: "response_format", fits: false };
    /// Those of OpenAI's text completions.
    pub const TEXT: Self = Self { prompt: "prompt", ..Self::CHAT };
    /// Those of Anthropic's messages. Every request has to name `max_tokens`, so one that is too large asks for nothing
    /// but room.
    pub const MESSAGES: Self = Self { format: "output_config", fits: true, ..Self::CHAT };
    /// Those of OpenAI's responses.
    pub const RESPONSES: Self = Self { prompt: "input", max_tokens: "max_output_tokens", format: "text", fits: false };
}
