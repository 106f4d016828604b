//! What is done for several origins while there are requests: probes of those that are shut, lists of the models of
//! those that have not said which they have, and what other isolates found out. Each is done by one request, for all.

use super::{Journey, Origins, now, share};
use crate::forward::{self, Ticket};
use crate::telemetry;
use serde_json::Value;
use sluice_protocol::route::door::REST_MS;
use sluice_protocol::telemetry::Line;
use std::rc::Rc;

/// Begins what is due. Nobody waits for it.
pub(super) fn look_after(origins: &Rc<Origins>, journey: &Journey<'_>, ticket: &Ticket) {
    let Some(board) = &origins.board else { return };
    let (probes, lists) = {
        let mut board = board.borrow_mut();
        (board.due_probes(now()), board.due_lists(now()))
    };
    for index in probes {
        journey.context.wait_until(probe_for(origins.clone(), index));
    }
    for index in lists {
        let question = forward::question(ticket, now() + LIST_MS);
        journey.context.wait_until(list(origins.clone(), index, question));
    }
    share::renew(origins, journey.env, journey.context);
}

/// Probes an origin, and notes what comes of it.
pub(super) async fn probe_for(origins: Rc<Origins>, index: usize) {
    let Some(board) = &origins.board else { return };
    let origin = &origins.all[index];
    let within = u32::try_from(REST_MS).unwrap_or(u32::MAX);
    let probe = forward::probe(origin, within).await;
    let mut board = board.borrow_mut();
    let was_shut = board.is_shut(index);
    board.probed(index, probe, now());
    let what = match (was_shut, board.is_shut(index)) {
        (false, true) => "takes no requests",
        (true, false) => "takes requests again",
        _ => return,
    };
    let name = origin.name.as_deref().unwrap_or_default();
    telemetry::write(&Line::trouble(format!("the origin {name} {what}"), format!("it is probed: {probe:?}")));
}

async fn list(origins: Rc<Origins>, index: usize, question: Ticket) {
    // One that does not tell is asked again in a while, and its requests go by what they meet.
    if let Ok(list) = forward::get(&origins.all[index], &question, "/v1/models").await {
        origins.listed(index, &ids(&list));
    }
}

/// The names in a list of models.
fn ids(list: &str) -> Vec<String> {
    let list: Value = serde_json::from_str(list).unwrap_or_default();
    let entries = list["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    entries.iter().filter_map(|entry| entry["id"].as_str()).map(str::to_owned).collect()
}

/// How long a list may take, in milliseconds.
const LIST_MS: u64 = 5_000;
