//! OpenAI's responses: items of thoughts, text and calls, each whole before the next begins, in events that have names and
//! numbers. Where nothing else is to be said there is a `keepalive`: its client for Python takes a comment behind an `id`
//! for an event.

mod calls;
mod items;

use crate::api::respond::to_json;
use crate::api::tell::{Gathered, Head, Piece, Tell};
use crate::generate::said::{CallPiece, Said};
use calls::OpenCall;
use items::{Items, Open};
use sluice_protocol::forward::report::{UsageMark, brief};
use sluice_protocol::request::bodies::chat::{FinishReason, TokenLogprob, UsageReport};
use sluice_protocol::request::bodies::responses::{
    Answer, Event, Incomplete, ItemStatus, OutputItem, Repeated, Status, What, kind,
};
use sluice_protocol::wire::sse;
use std::sync::Arc;

/// Tells responses.
pub(crate) struct Responses {
    head: Head,
    repeated: Arc<Repeated>,
    /// How many events have been told.
    count: u64,
    items: Items,
    /// What is whole.
    output: Vec<OutputItem>,
    /// The item that is not whole yet, if it is no call.
    open: Option<Open>,
    /// If it is one.
    call: Option<OpenCall>,
}

impl Tell for Responses {
    fn begin(&mut self, _: u32, _: u64, mark: UsageMark) -> String {
        let created = self.created(Status::InProgress, mark);
        [created, self.lifecycle(kind::IN_PROGRESS, Status::InProgress, None, mark)].concat()
    }

    fn delta(&mut self, Piece { said, mut logprobs, .. }: Piece, mark: UsageMark) -> String {
        let mut told = String::new();
        for piece in said {
            match piece {
                Said::Thought(thought) => {
                    if !matches!(self.open, Some(Open::Thought { .. })) {
                        told += &self.close(ItemStatus::Completed, mark);
                        told += &self.open(self.items.thought(self.output.len()), mark);
                    }
                    told += &self.go_on(&thought, Vec::new(), mark);
                }
                Said::Text(text) => {
                    if !matches!(self.open, Some(Open::Text { .. })) {
                        told += &self.close(ItemStatus::Completed, mark);
                        told += &self.open(self.items.text(self.output.len()), mark);
                    }
                    told += &self.go_on(&text, std::mem::take(&mut logprobs), mark);
                }
                Said::Call(piece) => told += &self.call(piece, mark),
            }
        }
        told
    }

    fn end(&mut self, _: u32, reason: FinishReason, usage: Option<UsageReport>, mark: UsageMark) -> String {
        let (kind, status, item) = match reason {
            FinishReason::Length => (kind::INCOMPLETE, Status::Incomplete, ItemStatus::Incomplete),
            FinishReason::Stop | FinishReason::ToolCalls => (kind::COMPLETED, Status::Completed, ItemStatus::Completed),
        };
        let closed = self.close(item, UsageMark::so_far(mark.used));
        [closed, self.lifecycle(kind, status, usage, mark)].concat()
    }

    fn queued(&mut self, ahead: usize, mark: UsageMark) -> String {
        // Clients pass over the comment; whoever looks at the stream reads it.
        let comment = format!(": queued, {ahead} ahead\n");
        let told = match self.count {
            0 => {
                let created = self.created(Status::Queued, mark);
                [created, self.lifecycle(kind::QUEUED, Status::Queued, None, mark)].concat()
            }
            _ => self.working(mark),
        };
        [comment, told].concat()
    }

    fn working(&mut self, mark: UsageMark) -> String {
        event(&mut self.count, kind::KEEPALIVE, What::Alive {}, mark)
    }

    fn events(&self) -> u64 {
        self.count
    }

    fn whole(&mut self, answers: Vec<Gathered>, usage: UsageReport) -> String {
        let answer = answers.into_iter().next();
        let is_cut = answer.as_ref().is_some_and(|answer| answer.reason == FinishReason::Length);
        self.output = answer.map_or_else(Vec::new, |answer| self.items.all(answer, is_cut));
        let status = if is_cut { Status::Incomplete } else { Status::Completed };
        to_json(&self.answer(status, Some(usage)))
    }
}

impl Responses {
    pub(crate) fn new(head: Head) -> Self {
        let repeated = head.manner.repeated.clone();
        let repeated = repeated.expect("what reads requests at this door reads what their answers repeat");
        let items = Items { request: head.request, as_summary: repeated.as_summary, sealed: repeated.sealed };
        Self { head, repeated, count: 0, items, output: Vec::new(), open: None, call: None }
    }

    fn answer(&self, status: Status, usage: Option<UsageReport>) -> Answer<'_> {
        Answer {
            id: format!("resp_{}", self.head.request),
            object: "response",
            created_at: self.head.at / 1000,
            status,
            background: false,
            error: None,
            incomplete_details: (status == Status::Incomplete).then_some(Incomplete::LENGTH),
            max_tool_calls: None,
            model: &self.head.model,
            output: &self.output,
            service_tier: "default",
            truncation: "disabled",
            usage: usage.map(Into::into),
            repeated: &self.repeated.members,
        }
    }

    /// That which begins a stream; nothing where that was told before.
    fn created(&mut self, status: Status, mark: UsageMark) -> String {
        match self.count {
            0 => self.lifecycle(kind::CREATED, status, None, mark),
            _ => String::new(),
        }
    }

    fn lifecycle(&mut self, kind: &'static str, status: Status, usage: Option<UsageReport>, mark: UsageMark) -> String {
        let mut count = self.count;
        let told = event(&mut count, kind, What::Answer { response: Box::new(self.answer(status, usage)) }, mark);
        self.count = count;
        told
    }

    fn open(&mut self, open: Open, mark: UsageMark) -> String {
        let output_index = self.output.len();
        let (item, part) = (open.empty(), open.part(String::new()));
        let added = event(&mut self.count, kind::ITEM_ADDED, What::Item { output_index, item: &item }, mark);
        let (kind, what) = open.about_part(output_index, &part, items::Moment::Added);
        let part = event(&mut self.count, kind, what, mark);
        self.open = Some(open);
        [added, part].concat()
    }

    fn go_on(&mut self, delta: &str, logprobs: Vec<TokenLogprob>, mark: UsageMark) -> String {
        let Some(open) = &mut self.open else { return String::new() };
        let (kind, what) = open.delta(self.output.len(), delta, &logprobs);
        let told = event(&mut self.count, kind, what, mark);
        open.add(delta, logprobs);
        told
    }

    /// Ends the open item, if one is. A call that was not whole before is not whole.
    fn close(&mut self, status: ItemStatus, mark: UsageMark) -> String {
        if self.call.is_some() {
            return self.close_call(ItemStatus::Incomplete, mark);
        }
        let Some(open) = self.open.take() else { return String::new() };
        let output_index = self.output.len();
        let (kind, what) = open.text_done(output_index);
        let text = event(&mut self.count, kind, what, mark);
        let part = open.part(open.said().to_owned());
        let (kind, what) = open.about_part(output_index, &part, items::Moment::Done);
        let part = event(&mut self.count, kind, what, mark);
        let item = open.whole(status);
        let done = event(&mut self.count, kind::ITEM_DONE, What::Item { output_index, item: &item }, mark);
        self.output.push(item);
        [text, part, done].concat()
    }

    fn call(&mut self, CallPiece { begun, more, is_whole, .. }: CallPiece, mark: UsageMark) -> String {
        let mut told = String::new();
        let mut arguments = more;
        if let Some(mut call) = begun {
            told += &self.close(ItemStatus::Completed, mark);
            arguments = std::mem::take(&mut call.function.arguments);
            let call = OpenCall::new(self.items.id("fc", self.output.len()), *call);
            let (output_index, item) = (self.output.len(), call.empty());
            told += &event(&mut self.count, kind::ITEM_ADDED, What::Item { output_index, item: &item }, mark);
            self.call = Some(call);
        }
        if let Some(call) = &mut self.call
            && !arguments.is_empty()
        {
            let (kind, what) = call.delta(self.output.len(), &arguments);
            told += &event(&mut self.count, kind, what, mark);
            call.add(&arguments);
        }
        if is_whole {
            told += &self.close_call(ItemStatus::Completed, mark);
        }
        told
    }

    /// Ends the open call, if one is.
    fn close_call(&mut self, status: ItemStatus, mark: UsageMark) -> String {
        let Some(call) = self.call.take() else { return String::new() };
        let output_index = self.output.len();
        let (kind, what) = call.done(output_index);
        let done = event(&mut self.count, kind, what, mark);
        let item = call.ended(status);
        let ended = event(&mut self.count, kind::ITEM_DONE, What::Item { output_index, item: &item }, mark);
        self.output.push(item);
        [done, ended].concat()
    }
}

fn event(count: &mut u64, kind: &'static str, what: What<'_>, mark: UsageMark) -> String {
    let id = if mark.is_final { mark.to_string() } else { brief(mark.used) };
    let told = sse::named_event(kind, Some(&id), &to_json(&Event { kind, sequence_number: *count, what }));
    *count += 1;
    told
}
