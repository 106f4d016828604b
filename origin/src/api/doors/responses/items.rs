//! Items of an answer, as they begin, go on and end.

use super::calls::OpenCall;
use crate::api::tell::{Gathered, GatheredCall};
use sluice_protocol::id::RequestId;
use sluice_protocol::request::bodies::chat::TokenLogprob;
use sluice_protocol::request::bodies::responses::{ItemStatus, OutputItem, Part, What, kind, sealed};

/// Makes items.
pub(super) struct Items {
    pub(super) request: RequestId,
    /// Whether thoughts are told as their summary.
    pub(super) as_summary: bool,
    /// Whether they are told once more, sealed.
    pub(super) sealed: bool,
}

/// An item that is told in pieces and is no call.
pub(super) enum Open {
    Thought { id: String, text: String, as_summary: bool, sealed: bool },
    Text { id: String, text: String, logprobs: Vec<TokenLogprob> },
}

/// Of a part.
#[derive(Clone, Copy)]
pub(super) enum Moment {
    Added,
    Done,
}

impl Items {
    /// The id of the item at this place.
    pub(super) fn id(&self, kind: &str, place: usize) -> String {
        format!("{kind}_{}_{place}", self.request)
    }

    pub(super) fn thought(&self, place: usize) -> Open {
        let id = self.id("rs", place);
        Open::Thought { id, text: String::new(), as_summary: self.as_summary, sealed: self.sealed }
    }

    pub(super) fn text(&self, place: usize) -> Open {
        Open::Text { id: self.id("msg", place), text: String::new(), logprobs: Vec::new() }
    }

    /// Those of a whole answer. Of one that was cut off, the last is not whole, unless it is a call that is.
    pub(super) fn all(&self, answer: Gathered, is_cut: bool) -> Vec<OutputItem> {
        let mut items = Vec::new();
        let has_more = !answer.content.is_empty() || !answer.calls.is_empty();
        let ended = |is_last: bool| if is_cut && is_last { ItemStatus::Incomplete } else { ItemStatus::Completed };
        if !answer.reasoning.is_empty() {
            let mut open = self.thought(0);
            open.add(&answer.reasoning, Vec::new());
            items.push(open.whole(ended(!has_more)));
        }
        if !answer.content.is_empty() {
            let mut open = self.text(items.len());
            open.add(&answer.content, answer.said);
            items.push(open.whole(ended(answer.calls.is_empty())));
        }
        for GatheredCall { call, is_whole } in answer.calls {
            let call = OpenCall::new(self.id("fc", items.len()), call);
            items.push(call.ended(if is_whole { ItemStatus::Completed } else { ItemStatus::Incomplete }));
        }
        items
    }
}

impl Open {
    fn id(&self) -> &str {
        match self {
            Self::Thought { id, .. } | Self::Text { id, .. } => id,
        }
    }

    /// What has come of it.
    pub(super) fn said(&self) -> &str {
        match self {
            Self::Thought { text, .. } | Self::Text { text, .. } => text,
        }
    }

    pub(super) fn add(&mut self, delta: &str, more: Vec<TokenLogprob>) {
        match self {
            Self::Thought { text, .. } => text.push_str(delta),
            Self::Text { text, logprobs, .. } => {
                text.push_str(delta);
                logprobs.extend(more);
            }
        }
    }

    /// Its only part, of this text; the likelihoods are those that have come.
    pub(super) fn part(&self, text: String) -> Part {
        match self {
            Self::Thought { as_summary: true, .. } => Part::SummaryText { text },
            Self::Thought { .. } => Part::ReasoningText { text },
            Self::Text { logprobs, .. } => Part::OutputText { annotations: [], logprobs: logprobs.clone(), text },
        }
    }

    /// As it begins: nothing is in it.
    pub(super) fn empty(&self) -> OutputItem {
        self.item(Vec::new(), ItemStatus::InProgress, None)
    }

    /// As it ends.
    pub(super) fn whole(self, status: ItemStatus) -> OutputItem {
        let sealed = match &self {
            Self::Thought { sealed: true, text, .. } => Some(sealed(text)),
            _ => None,
        };
        let part = self.part(self.said().to_owned());
        self.item(vec![part], status, sealed)
    }

    fn item(&self, parts: Vec<Part>, status: ItemStatus, encrypted_content: Option<String>) -> OutputItem {
        let id = self.id().to_owned();
        match self {
            Self::Thought { as_summary, .. } => {
                let (summary, content) = if *as_summary { (parts, Vec::new()) } else { (Vec::new(), parts) };
                OutputItem::Reasoning { id, summary, content, encrypted_content, status }
            }
            Self::Text { .. } => OutputItem::Message { id, status, role: "assistant", content: parts },
        }
    }

    /// That its part begins, or is whole.
    pub(super) fn about_part<'a>(
        &'a self,
        output_index: usize,
        part: &'a Part,
        moment: Moment,
    ) -> (&'static str, What<'a>) {
        let item_id = self.id();
        match (self, moment) {
            (Self::Thought { as_summary: true, .. }, _) => {
                let kind = match moment {
                    Moment::Added => kind::SUMMARY_ADDED,
                    Moment::Done => kind::SUMMARY_DONE,
                };
                (kind, What::Summary { item_id, output_index, summary_index: 0, part })
            }
            (_, Moment::Added) => (kind::PART_ADDED, What::Part { item_id, output_index, content_index: 0, part }),
            (_, Moment::Done) => (kind::PART_DONE, What::Part { item_id, output_index, content_index: 0, part }),
        }
    }

    /// More of its part.
    pub(super) fn delta<'a>(
        &'a self,
        output_index: usize,
        delta: &'a str,
        logprobs: &'a [TokenLogprob],
    ) -> (&'static str, What<'a>) {
        let item_id = self.id();
        match self {
            Self::Thought { as_summary: true, .. } => {
                (kind::SUMMARY_TEXT_DELTA, What::SummaryDelta { item_id, output_index, summary_index: 0, delta })
            }
            Self::Thought { .. } => {
                (kind::THOUGHT_DELTA, What::ThoughtDelta { item_id, output_index, content_index: 0, delta })
            }
            Self::Text { .. } => {
                (kind::TEXT_DELTA, What::TextDelta { item_id, output_index, content_index: 0, delta, logprobs })
            }
        }
    }

    /// All of the text of its part.
    pub(super) fn text_done(&self, output_index: usize) -> (&'static str, What<'_>) {
        let item_id = self.id();
        match self {
            Self::Thought { as_summary: true, text, .. } => {
                (kind::SUMMARY_TEXT_DONE, What::SummaryText { item_id, output_index, summary_index: 0, text })
            }
            Self::Thought { text, .. } => {
                (kind::THOUGHT_DONE, What::Thought { item_id, output_index, content_index: 0, text })
            }
            Self::Text { text, logprobs, .. } => {
                (kind::TEXT_DONE, What::Text { item_id, output_index, content_index: 0, text, logprobs })
            }
        }
    }
}
