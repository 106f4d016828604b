//! One list of several origins' models: each by the names that callers have for it, once, as the first origin that
//! has it tells of it.

use crate::forward::{self, Ticket};
use crate::hop::gate::unavailable;
use crate::route::Origins;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sluice_protocol::refusal::Refusal;

/// Asks all that take requests. One that does not answer is left out, unless nobody does.
pub(super) async fn of(origins: &Origins, ticket: &Ticket) -> Result<String, Refusal> {
    let asked = origins.that_list();
    let lists = asked.iter().map(|index| forward::get(&origins.all()[*index], ticket, "/v1/models"));
    let mut data: Vec<Value> = Vec::new();
    let (mut is_answered, mut refused) = (false, None);
    for (index, list) in asked.iter().zip(join_all(lists).await) {
        let mut list = match list.map(|list| serde_json::from_str::<Value>(&list)) {
            Ok(Ok(list)) => list,
            Ok(Err(error)) => {
                refused = Some(unavailable(&error.to_string()));
                continue;
            }
            Err(refusal) => {
                refused = Some(refusal);
                continue;
            }
        };
        is_answered = true;
        let entries = list["data"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let own = entries.iter().filter_map(|entry| entry["id"].as_str()).map(str::to_owned);
        origins.listed(*index, &own.collect::<Vec<_>>());
        for entry in entries {
            for name in origins.names_of(*index, entry["id"].as_str().unwrap_or_default()) {
                match data.iter_mut().find(|known| known["id"] == *name) {
                    // It is as new as the newest of them.
                    Some(known) if known["created"].as_u64() < entry["created"].as_u64() => {
                        known["created"] = entry["created"].clone();
                    }
                    Some(_) => {}
                    None => {
                        let mut entry = entry.clone();
                        entry["id"] = name.into();
                        data.push(entry);
                    }
                }
            }
        }
    }
    match refused {
        Some(refusal) if !is_answered => Err(refusal),
        _ => Ok(json!({"object": "list", "data": data}).to_string()),
    }
}
