//! Events of a stream. Each has a name, which is its `type`, and a number, which is one more than that before it.

use super::answer::{Answer, OutputItem, Part};
use crate::request::bodies::chat::TokenLogprob;
use serde::Serialize;

/// One event of a stream.
#[derive(Clone, Debug, Serialize)]
pub struct Event<'a> {
    /// One of [`kind`].
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Which event of the stream, from 0.
    pub sequence_number: u64,
    /// What it tells.
    #[serde(flatten)]
    pub what: What<'a>,
}

/// The names of events.
pub mod kind {
    /// The first one: the answer, with nothing in it yet.
    pub const CREATED: &str = "response.created";
    /// It waits for its turn.
    pub const QUEUED: &str = "response.queued";
    /// It has its turn.
    pub const IN_PROGRESS: &str = "response.in_progress";
    /// An item begins, with nothing in it yet.
    pub const ITEM_ADDED: &str = "response.output_item.added";
    /// An item is whole.
    pub const ITEM_DONE: &str = "response.output_item.done";
    /// A part of an item begins.
    pub const PART_ADDED: &str = "response.content_part.added";
    /// A part of an item is whole.
    pub const PART_DONE: &str = "response.content_part.done";
    /// More of a text.
    pub const TEXT_DELTA: &str = "response.output_text.delta";
    /// All of a text.
    pub const TEXT_DONE: &str = "response.output_text.done";
    /// More of the thoughts.
    pub const THOUGHT_DELTA: &str = "response.reasoning_text.delta";
    /// All of them.
    pub const THOUGHT_DONE: &str = "response.reasoning_text.done";
    /// A summary of thoughts begins.
    pub const SUMMARY_ADDED: &str = "response.reasoning_summary_part.added";
    /// It is whole.
    pub const SUMMARY_DONE: &str = "response.reasoning_summary_part.done";
    /// More of its text.
    pub const SUMMARY_TEXT_DELTA: &str = "response.reasoning_summary_text.delta";
    /// All of its text.
    pub const SUMMARY_TEXT_DONE: &str = "response.reasoning_summary_text.done";
    /// More of what is called with.
    pub const ARGUMENTS_DELTA: &str = "response.function_call_arguments.delta";
    /// All of it.
    pub const ARGUMENTS_DONE: &str = "response.function_call_arguments.done";
    /// That the stream lives.
    pub const KEEPALIVE: &str = "keepalive";
    /// The last one: the answer is whole.
    pub const COMPLETED: &str = "response.completed";
    /// The last one: the answer was cut off.
    pub const INCOMPLETE: &str = "response.incomplete";
}

/// What an event tells.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum What<'a> {
    /// The answer as it is by then.
    Answer {
        /// The answer.
        response: Box<Answer<'a>>,
    },
    /// An item as it is by then.
    Item {
        /// Which, from 0.
        output_index: usize,
        /// The item.
        item: &'a OutputItem,
    },
    /// A part of an item as it is by then.
    Part {
        /// The item's id.
        item_id: &'a str,
        /// Which item.
        output_index: usize,
        /// Which of its parts: the only one.
        content_index: usize,
        /// The part.
        part: &'a Part,
    },
    /// The same of a summary.
    Summary {
        /// The item's id.
        item_id: &'a str,
        /// Which item.
        output_index: usize,
        /// Which of its parts: the only one.
        summary_index: usize,
        /// The part.
        part: &'a Part,
    },
    /// More of a text.
    TextDelta {
        /// The item's id.
        item_id: &'a str,
        /// Which item.
        output_index: usize,
        /// Which of its parts: the only one.
        content_index: usize,
        /// What is new.
        delta: &'a str,
        /// How likely its tokens were.
        logprobs: &'a [TokenLogprob],
    },
    /// All of a text.
    Text {
        /// The item's id.
        item_id: &'a str,
        /// Which item.
        output_index: usize,
        /// Which of its parts: the only one.
        content_index: usize,
        /// The text.
        text: &'a str,
        /// How likely its tokens were.
        logprobs: &'a [TokenLogprob],
    },
    /// More of the thoughts.
    ThoughtDelta {
        /// The item's id.
        item_id: &'a str,
        /// Which item.
        output_index: usize,
        /// Which of its parts: the only one.
        content_index: usize,
        /// What is new.
        delta: &'a str,
    },
    /// All of them.
    Thought {
        /// The item's id.
        item_id: &'a str,
        /// Which item.
        output_index: usize,
        /// Which of its parts: the only one.
        content_index: usize,
        /// The thoughts.
        text: &'a str,
    },
    /// More of a summary's text.
    SummaryDelta {
        /// The item's id.
        item_id: &'a str,
        /// Which item.
        output_index: usize,
        /// Which of its parts: the only one.
        summary_index: usize,
        /// What is new.
        delta: &'a str,
    },
    /// All of it.
    SummaryText {
        /// The item's id.
        item_id: &'a str,
        /// Which item.
        output_index: usize,
        /// Which of its parts: the only one.
        summary_index: usize,
        /// The text.
        text: &'a str,
    },
    /// More of what is called with.
    ArgumentsDelta {
        /// The item's id.
        item_id: &'a str,
        /// Which item.
        output_index: usize,
        /// What is new.
        delta: &'a str,
    },
    /// All of it.
    Arguments {
        /// The item's id.
        item_id: &'a str,
        /// Which item.
        output_index: usize,
        /// The function.
        name: &'a str,
        /// What it is called with.
        arguments: &'a str,
    },
    /// Nothing.
    Alive {},
}
