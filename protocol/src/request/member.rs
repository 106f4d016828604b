//! Every member of a request that somebody documents, and what happens to it here.
//!
//! A member that changes an answer is served, or refused by its name where it asks for something: a caller that asks
//! for a form and gets prose has been lied to. Null, and values that ask for nothing, pass. So do members that change
//! no answer, and members that nobody documents: OpenAI's own clients send new ones with every release. A member that
//! only another door serves is refused at this one.
//!
//! # Where is the list from?
//!
//! Each family of doors has a [`Table`] in `list/`, which says where it is from. That of OpenAI's older doors has the
//! requests of chats and of text completions, as these
//! projects had them in the autumn of 2026:
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
use crate::request::door::Door;
pub(crate) use body::{Body, Given, invalid};
pub use list::TABLES;
use std::borrow::Cow;

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

/// The members of one family of doors.
#[derive(Debug)]
pub struct Table {
    /// At which doors they are read: at most two.
    pub doors: &'static [Door],
    /// By name. Those that stand within another one have its name and a dot before their own.
    pub members: &'static [Member],
    /// The member whose own members are listed too.
    pub within: Option<&'static str>,
}

/// A member that somebody documents.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Its name in the body.
    pub name: &'static str,
    /// Whose it is: some of [`OWNERS`], by the place of their bits.
    of: u16,
    /// At each door of its table, in their order.
    fates: [Fate; MOST_DOORS],
    instead: &'static str,
    note: &'static str,
    needs: &'static str,
}

/// How many doors a table may have.
const MOST_DOORS: usize = 2;

/// Whose documentation the list is made of.
pub const OWNERS: [&str; 9] =
    ["OpenAI", "vLLM", "llama.cpp", "SGLang", "Ollama", "TGI", "others", "Anthropic", "Sluice"];

impl Table {
    /// That of a door.
    pub fn of(door: Door) -> &'static Self {
        TABLES.iter().find(|table| table.doors.contains(&door)).expect("each door is in a table: a test looks")
    }

    /// What happens to a member of this table at one of its doors.
    pub fn fate(&self, member: &Member, door: Door) -> Fate {
        let at = self.doors.iter().position(|other| *other == door);
        at.map_or(Fate::Passes, |at| member.fates[at])
    }

    /// A door of this table, other than this one, that serves the member.
    fn server(&self, member: &Member, not: Door) -> Option<Door> {
        let mut others = self.doors.iter().copied().filter(|door| *door != not);
        others.find(|door| self.fate(member, *door) == Fate::Served)
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.members.binary_search_by(|member| member.name.cmp(name)).ok()
    }
}

impl Member {
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

    /// The refusal where it asks for something that the door does not serve, and `server` does, if any door.
    fn refuse(&self, door: Door, server: Option<Door>) -> Refusal {
        let others = server.map_or_else(|| of_other_tables(self.name, door), |server| vec![server]);
        let what_now = match (self.instead, serve_it(&others)) {
            ("", Some(serve_it)) => serve_it,
            ("", None) => "Leave it out".to_owned(),
            (instead, None) => format!("Use `{instead}`"),
            (instead, Some(serve_it)) => format!("Use `{instead}`; {serve_it}"),
        };
        unserved(self.name, door, &what_now)
    }

    const fn new(name: &'static str, of: u16, fates: [Fate; MOST_DOORS]) -> Self {
        Self { name, of, fates, instead: "", note: "", needs: "" }
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

/// The refusal of a member that a door does not serve, and what to do now.
fn unserved(name: impl Into<Cow<'static, str>>, door: Door, what_now: &str) -> Refusal {
    let name = name.into();
    let message = format!("`{name}` is not served by {}. {what_now}.", door.path());
    Refusal::new(Reason::UnsupportedParameter, message).with_param(name)
}

/// The refusal of a member that this door's table does not have, where the door serves it at another place, or another
/// door serves it.
fn of_another_place(name: &str, door: Door) -> Option<Refusal> {
    let here = Table::of(door);
    let inner = here.within.and_then(|within| name.strip_prefix(within)?.strip_prefix('.'));
    let bare = inner.unwrap_or(name);
    let place = match (here.within, inner) {
        (Some(within), None) => here.find(&format!("{within}.{bare}")),
        (_, Some(inner)) => here.find(inner),
        (None, None) => None,
    };
    let place = place.map(|at| &here.members[at]).filter(|member| here.fate(member, door) == Fate::Served);
    if let Some(member) = place {
        return Some(unserved(name.to_owned(), door, &format!("Use `{}`", member.name)));
    }
    let what_now = serve_it(&of_other_tables(bare, door))?;
    Some(unserved(name.to_owned(), door, &what_now))
}

/// Doors of other tables that serve a member of this name, one for each table. Nobody who wants a text is sent to where
/// pictures are drawn, unless no other door has the name.
fn of_other_tables(name: &str, door: Door) -> Vec<Door> {
    let others = TABLES.iter().filter(|table| !table.doors.contains(&door));
    let all = others.filter_map(|table| table.server(&table.members[table.find(name)?], door)).collect::<Vec<_>>();
    let of_texts: Vec<Door> = all.iter().copied().filter(|door| *door != Door::Images).collect();
    if of_texts.is_empty() { all } else { of_texts }
}

fn serve_it(doors: &[Door]) -> Option<String> {
    match doors {
        [] => None,
        [one] => Some(format!("{} serves it", one.path())),
        several => {
            let paths: Vec<&str> = several.iter().map(|door| door.path()).collect();
            Some(format!("{} serve it", paths.join(" and ")))
        }
    }
}
