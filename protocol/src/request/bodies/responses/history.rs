//! A conversation that goes on from kept answers: what was asked and answered before is put in front of what is asked now, so
//! that the request is the one that sends all of it.

use super::kept::asked;
use crate::id::{RequestId, ResponseId};
use crate::refusal::{Reason, Refusal};
use crate::request::member::raw::{self, Stopped};
use serde::{Deserialize, Serialize};

/// One answer of a conversation, and what was asked for it: lists of items, in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// What was asked.
    pub input: String,
    /// What was answered.
    pub output: String,
}

/// A kept answer whose items are named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Referred {
    /// Its id.
    pub id: ResponseId,
    /// Its items.
    pub turn: Turn,
}

/// Of which answers a request names items, each once, as far as there can be any such answers.
pub fn referred(body: &[u8]) -> Vec<ResponseId> {
    let mut answers = Vec::new();
    if let Some(input) = input_of(body) {
        // What is wrong there, whoever reads all of it tells.
        let _ = raw::items(input, |item| {
            answers.extend(reference(item).and_then(|id| answer_of(&id)));
            Ok::<(), ()>(())
        });
    }
    answers.sort_unstable();
    answers.dedup();
    answers
}

/// A body whose `input` begins with these turns, and holds the items that it names. Everything else is as it was: also what
/// is wrong, for whoever reads all of it to tell. Refuses with [`Reason::ResponseNotFound`] where an item is named that is
/// in none of `named`.
pub fn with_history(body: &[u8], turns: &[Turn], named: &[Referred]) -> Result<Vec<u8>, Refusal> {
    let Some((body, input)) = std::str::from_utf8(body).ok().zip(input_of(body)) else { return Ok(body.to_vec()) };
    let mut items = Items(String::from("["));
    for turn in turns {
        items.add_all(&turn.input);
        items.add_all(&turn.output);
    }
    if input.starts_with('"') {
        items.add(&asked(input));
    } else {
        let mut place = 0;
        let walked = raw::items(input, |item| {
            match reference(item) {
                Some(id) => items.add(find(named, &id).ok_or_else(|| no_item(place))?),
                None => items.add(item),
            }
            place += 1;
            Ok(())
        });
        match walked {
            Ok(()) => {}
            Err(Stopped::By(refusal)) => return Err(refusal),
            Err(Stopped::Json(_)) => return Ok(body.as_bytes().to_vec()),
        }
    }
    let from = input.as_ptr() as usize - body.as_ptr() as usize;
    Ok([&body[..from], &items.0, "]", &body[from + input.len()..]].concat().into_bytes())
}

/// A list of items as it is written.
struct Items(String);

impl Items {
    fn add(&mut self, item: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(item);
    }

    /// All of a list that we have written.
    fn add_all(&mut self, list: &str) {
        let inner = list.strip_prefix('[').and_then(|list| list.strip_suffix(']')).map(str::trim);
        if let Some(inner) = inner.filter(|inner| !inner.is_empty()) {
            self.add(inner);
        }
    }
}

/// The `input` of a body, as it was written; `None` for one that has none.
pub fn input_of(body: &[u8]) -> Option<&str> {
    let [input] = raw::members(std::str::from_utf8(body).ok()?, &["input"]).ok()?;
    input
}

/// The id of an item that only names another one.
fn reference(item: &str) -> Option<String> {
    let [kind, id] = raw::members(item, &["type", "id"]).ok()?;
    (raw::text(kind?)? == "item_reference").then(|| id.and_then(raw::text).unwrap_or_default().into_owned())
}

/// The answer that an item of this id belongs to: `<kind>_<request>_<place>`.
fn answer_of(id: &str) -> Option<ResponseId> {
    let (_, rest) = id.split_once('_')?;
    let (request, _) = rest.rsplit_once('_')?;
    RequestId::parse(request).map(ResponseId)
}

fn find<'n>(named: &'n [Referred], id: &str) -> Option<&'n str> {
    let answer = answer_of(id)?;
    let Referred { turn, .. } = named.iter().find(|referred| referred.id == answer)?;
    let mut found = None;
    for list in [&turn.input, &turn.output] {
        // A list that we have written.
        let _ = raw::items(list, |item| {
            let [own] = raw::members(item, &["id"]).map_err(drop)?;
            if own.and_then(raw::text).is_some_and(|own| own == id) {
                found = Some(item);
            }
            Ok::<(), ()>(())
        });
    }
    found
}

fn no_item(place: usize) -> Refusal {
    let message =
        format!("input[{place}]: there is no item of this id in an answer that is kept. Send the item itself.");
    Refusal::new(Reason::ResponseNotFound, message).with_param("input")
}
