//! What an answer is told as: its shape, and what all of its parts have in common.

/// In which of OpenAI's shapes an answer is told.
#[derive(Clone)]
pub(crate) enum Form {
    /// As a chat's.
    Chat,
    /// As a text completion.
    Text {
        /// What answers begin with: their prompts, if that was asked for.
        echo: Option<Vec<String>>,
        /// How many answers there are to each prompt; at least 1.
        answers: u32,
    },
}

impl Form {
    /// What the answer of this index begins with.
    pub(crate) fn beginning(&self, index: u32) -> Option<&str> {
        match self {
            Self::Chat => None,
            Self::Text { echo, answers } => echo.as_ref()?.get((index / answers) as usize).map(String::as_str),
        }
    }
}

/// What all events of a stream have in common.
pub(crate) struct Head {
    /// The answer's id.
    pub(crate) id: String,
    /// Seconds since the epoch.
    pub(crate) created: u64,
    /// The model that answers.
    pub(crate) model: String,
    /// How it is told.
    pub(crate) form: Form,
}
