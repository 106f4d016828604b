//! `GET /v1/responses/{id}/input_items`: what was asked, in pages.

use crate::refusal::{Reason, Refusal};
use crate::request::member::raw;
use crate::request::model_name::model_name;

/// Which items of an answer's input are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemPage {
    /// How many at most.
    limit: usize,
    /// Whether the first comes first.
    is_ascending: bool,
    /// Those behind the one of this id, in that order.
    after: Option<String>,
}

/// OpenAI's.
const LIMIT: usize = 20;
/// OpenAI's.
const MAX_LIMIT: usize = 100;

impl ItemPage {
    /// Reads a query. Names that OpenAI does not have are passed over, as everywhere at its doors.
    pub fn parse(query: &str) -> Result<Self, Refusal> {
        let mut page = Self { limit: LIMIT, is_ascending: false, after: None };
        for part in query.split('&') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            match name {
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                    page.limit = limit.ok_or_else(|| invalid("limit", "must be a whole number from 1 to 100"))?;
                }
                "order" => match value {
                    "asc" => page.is_ascending = true,
                    "desc" => page.is_ascending = false,
                    _ => return Err(invalid("order", "must be `asc` or `desc`")),
                },
                "after" => {
                    page.after = Some(model_name(value).ok_or_else(|| invalid("after", "must be the id of an item"))?);
                }
                "before" => return Err(invalid("before", "is not served. Use `after`, with the other `order`")),
                _ => {}
            }
        }
        Ok(page)
    }

    /// The page of these items, a list in JSON that we have written: OpenAI's shape. Refuses with
    /// [`Reason::InvalidRequest`] where none has the id that is asked for.
    pub fn of(&self, items: &str) -> Result<String, Refusal> {
        let mut all = Vec::new();
        // A list that we have written.
        let _ = raw::items(items, |item| {
            let [id] = raw::members(item, &["id"]).map_err(drop)?;
            all.push((id.unwrap_or("null"), item));
            Ok::<(), ()>(())
        });
        if !self.is_ascending {
            all.reverse();
        }
        let from = match &self.after {
            None => 0,
            Some(after) => {
                let is_it = |(id, _): &(&str, &str)| raw::text(id).is_some_and(|id| id == *after);
                let found = all.iter().position(is_it);
                found.ok_or_else(|| invalid("after", "must be the id of an item of this response"))? + 1
            }
        };
        let page = &all[from..all.len().min(from + self.limit)];
        let data: Vec<&str> = page.iter().map(|(_, item)| *item).collect();
        let [first, last] = [page.first(), page.last()].map(|item| item.map_or("null", |(id, _)| *id));
        let has_more = from + page.len() < all.len();
        let data = data.join(",");
        Ok(format!(r#"{{"object":"list","data":[{data}],"first_id":{first},"last_id":{last},"has_more":{has_more}}}"#))
    }
}

/// Refuses of a query what asks for an answer in another way than whole.
pub fn whole_only(query: &str) -> Result<(), Refusal> {
    let asks = query
        .split('&')
        .any(|part| part.split_once('=').is_some_and(|(name, value)| name == "stream" && value != "false"));
    match asks {
        true => Err(Refusal::new(
            Reason::UnsupportedParameter,
            "`stream` is not served here: what is kept is told whole. Leave it out.",
        )
        .with_param("stream")),
        false => Ok(()),
    }
}

fn invalid(name: &'static str, must: &str) -> Refusal {
    Refusal::new(Reason::InvalidRequest, format!("`{name}` {must}.")).with_param(name)
}
