//! OpenAI's protocols: chats and text completions, in events that end with `[DONE]`.

pub(crate) mod chat;
pub(crate) mod text;

use sluice_protocol::forward::report::{UsageMark, brief};
use sluice_protocol::wire::sse;

/// An event, with what has been used so far.
fn event(payload: &str, mark: UsageMark) -> String {
    sse::event_with_id(&brief(mark.used), payload)
}

/// What ends a stream: its last payloads, and the mark of the end.
fn last(payloads: &[String]) -> String {
    let events = payloads.iter().map(|payload| sse::event(payload));
    events.chain([sse::event(sse::DONE)]).collect()
}

/// Where in the queue a request is.
fn queued(ahead: usize) -> String {
    sse::comment(&format!("queued, {ahead} ahead"))
}

/// That it is worked on, before any event. Behind one that has an id a comment will not do: openai-python takes it for an event
/// without data, and fails over that.
fn working() -> String {
    sse::comment("working")
}
