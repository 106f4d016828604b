//! How a whole origin is: what becomes of all that reaches it.

use super::{Origin, refuse};
use crate::platform::scripted::{Asked, Reply};
use crate::platform::sleep;
use serde_json::json;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::wire::header;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// How an origin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// As it should be.
    Well,
    /// Nobody is there: connections are refused, and what ran there is lost.
    Dead,
    /// It stands still: it takes connections and does nothing, until it moves again.
    Still,
    /// It takes nothing new, and finishes what it has.
    Drains,
    /// It fails, in words that are none of an origin's.
    Fails,
    /// It has no room.
    Full,
}

impl Mood {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Well, Self::Dead, Self::Still, Self::Drains, Self::Fails, Self::Full];
}

impl Origin {
    /// What its mood answers; nothing if it serves.
    pub(super) async fn by_mood(&self, asked: &Asked, is_probe: bool) -> Option<Option<Reply>> {
        if self.until_it_moves().await && asked.is_gone() {
            return Some(None);
        }
        let json = [(header::CONTENT_TYPE, "application/json")];
        match (self.mood.get(), is_probe) {
            (Mood::Dead | Mood::Still, _) => Some(None),
            // What it has is still told of.
            (Mood::Drains | Mood::Full, _) if asked.method == "DELETE" => None,
            (Mood::Drains, _) => Some(Some(refuse(&Refusal::new(Reason::Draining, "It stops."), None))),
            (_, true) => Some(Some(Reply::whole(200, &json, &json!({"status": "ready"}).to_string()))),
            (Mood::Fails, false) => Some(Some(Reply::whole(Reason::OriginFailed.row().status, &[], "<html>"))),
            (Mood::Full, false) if asked.method == "POST" => Some(Some(refuse(
                &Refusal::new(Reason::Overloaded, "There is no room."),
                Some((header::USAGE, "0/0/0")),
            ))),
            (Mood::Well | Mood::Full, false) => None,
        }
    }

    /// Waits until it moves again; whether it had to.
    pub(super) async fn until_it_moves(&self) -> bool {
        let mut was_still = false;
        while self.mood.get() == Mood::Still {
            was_still = true;
            sleep(20).await;
        }
        was_still
    }
}

thread_local! {
    /// Which origin has computed last for each request.
    static COMPUTES: RefCell<BTreeMap<String, String>> = const { RefCell::new(BTreeMap::new()) };
}

/// An origin computes for a request. Whoever was left for another one does so no more.
pub(super) fn computes(origin: &Origin, request: &str) {
    let Some(name) = origin.name.as_ref().filter(|_| !origin.is_hedged.get()) else { return };
    COMPUTES.with_borrow_mut(|all| {
        let before = all.insert(request.to_owned(), name.clone());
        let left = format!("{request} at {name}");
        assert!(!all.contains_key(&left), "{left}: it had gone elsewhere");
        if let Some(before) = before.filter(|before| before != name) {
            all.insert(format!("{request} at {before}"), String::new());
        }
    });
}
