//! What a door calls what it takes.

/// The names of members that a refusal may tell after the body has been read: what is wrong shows only then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// What becomes the prompt.
    pub prompt: &'static str,
    /// How long an answer may be.
    pub max_tokens: &'static str,
    /// What form it must have.
    pub format: &'static str,
}

impl Names {
    /// Those of OpenAI's chats.
    pub const CHAT: Self = Self { prompt: "messages", max_tokens: "max_tokens", format: "response_format" };
    /// Those of OpenAI's text completions.
    pub const TEXT: Self = Self { prompt: "prompt", ..Self::CHAT };
}
