//! Every member of a request that somebody documents, and what happens to it here.
//!
//! A member that changes an answer is served, or refused by its name where it asks for something: a caller that asks
//! for a form and gets prose has been lied to. Null, and values that ask for nothing, pass. So do members that change
//! no answer, and members that nobody documents: OpenAI's own clients send new ones with every release. A member that
//! only the other door serves is refused at this one.
//!
//! # Where is the list from?
//!
//! [`MEMBERS`] has the requests of chats and of text completions, as these projects had them in the autumn of 2026:
//!
//! - OpenAI: `src/openai/types/chat/completion_create_params.py` and `types/completion_create_params.py` of
//!   openai-python;
//! - vLLM: `vllm/entrypoints/openai/chat_completion/protocol.py` and `completion/protocol.py`, and `protocol.py` beside
//!   them
//!   as it was before they parted, for the members that begin with `guided_`;
//! - llama.cpp: `tools/server/README.md` and `tools/server/server-schema.cpp`;
//! - SGLang: `python/sglang/srt/entrypoints/openai/protocol.py`;
//! - Ollama: `openai/openai.go`, and `api/types.go` for what people carry over from its own API;
//! - TGI: `router/src/lib.rs` of text-generation-inference;
//! - a few that hosts of Qwen's models and OpenRouter document.
//!
//! docs/requests.md shows the same list; a test holds the two together.

mod body;
mod list;
pub(crate) mod raw;

use crate::refusal::{Reason, Refusal};
pub(crate) use body::{Body, Given, invalid};
pub use list::MEMBERS;

/// Where a request may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// `/v1/chat/completions`.
    Chat,
    /// `/v1/completions`.
    Completions,
}

/// What happens to a member at a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It does what its documentation says, or is refused with what is wrong with it.
    Served,
    /// It changes no answer: whatever it holds, it is passed over.
    Passes,
    /// It is refused, unless it is null or one of these, as JSON: they ask for nothing.
    Refused(&'static [&'static str]),
}

/// A member that somebody documents.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Its name in the body.
    pub name: &'static str,
    /// Whose it is: some of [`OWNERS`], by the place of their bits.
    of: u8,
    chat: Fate,
    completions: Fate,
    instead: &'static str,
    note: &'static str,
    needs: &'static str,
}

/// Whose documentation the list is made of.
pub const OWNERS: [&str; 7] = ["OpenAI", "vLLM", "llama.cpp", "SGLang", "Ollama", "TGI", "others"];

impl Door {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Chat, Self::Completions];

    /// Its path.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Chat => Self::Completions,
            Self::Completions => Self::Chat,
        }
    }
}

impl Member {
    /// What happens to it at a door.
    pub const fn fate(&self, door: Door) -> Fate {
        match door {
            Door::Chat => self.chat,
            Door::Completions => self.completions,
        }
    }

    /// Who documents it.
    pub fn owners(&self) -> impl Iterator<Item = &'static str> {
        let of = self.of;
        OWNERS.into_iter().enumerate().filter(move |(at, _)| of & (1 << at) != 0).map(|(_, owner)| owner)
    }

    /// What is to be said about it besides; empty for most.
    pub fn remark(&self) -> String {
        match (self.instead, self.needs) {
            ("", "") => self.note.to_owned(),
            ("", needs) => format!("does nothing without `{needs}`"),
            (instead, _) => format!("use `{instead}`"),
        }
    }

    /// The refusal where it asks for something that the door does not serve.
    fn refuse(&self, door: Door) -> Refusal {
        let name = self.name;
        let what_now = match (self.instead, self.fate(door.other())) {
            ("", Fate::Served) => format!("{} serves it", door.other().path()),
            ("", _) => "Leave it out".to_owned(),
            (instead, _) => format!("Use `{instead}`"),
        };
        let message = format!("`{name}` is not served by {}. {what_now}.", door.path());
        Refusal::new(Reason::UnsupportedParameter, message).with_param(name)
    }

    const fn new(name: &'static str, of: u8, [chat, completions]: [Fate; 2]) -> Self {
        Self { name, of, chat, completions, instead: "", note: "", needs: "" }
    }

    /// The member that serves what this one asks for.
    const fn instead(self, instead: &'static str) -> Self {
        Self { instead, ..self }
    }

    /// The member without which this one does nothing; that one is refused.
    const fn needs(self, needs: &'static str) -> Self {
        Self { needs, ..self }
    }

    const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }
}
