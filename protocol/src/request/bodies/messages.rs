//! Anthropic's Messages API, as far as Sluice serves it: requests become the same question as a chat, and answers are told
//! in Anthropic's shape.
//!
//! A conversation is read into the messages of a chat: `system` is its first, the results of calls are messages of their
//! own, texts of one message are joined, and so are its thoughts. So the model is shown the same, whichever door was
//! taken. What is not served is refused by name and never silently ignored; [`crate::request::member`] says what is what.

mod answer;
mod blocks;
mod conversation;
mod input;
mod settings;
mod tools;

use crate::refusal::Refusal;
use crate::request::bodies::chat::{ChatBounds, ChatRequest, Names, both, sampling};
use crate::request::door::Door;
use crate::request::member::Body;
pub use answer::{
    AnswerBlock, BlockDelta, BlockStart, Counted, Ended, Event, Message, MessageUsage, OutputDetails, StopReason,
};
pub use settings::MAX_STOP_SEQUENCES;

/// Parses the body of a request for an answer. Refuses as [`ChatRequest::parse`] does.
pub fn parse(body: &[u8], bounds: ChatBounds) -> Result<ChatRequest, Refusal> {
    let body = Body::read(body, Door::Messages)?;
    Ok(ChatRequest {
        max_tokens: settings::max_tokens(&body, bounds)?,
        max_tokens_given: true,
        stream: body.boolean("stream")?.unwrap_or(false),
        sampling: sampling::nucleus(&body)?,
        stop: settings::stop_sequences(&body)?,
        user: settings::end_user(&body)?,
        ..conversation(&body)?
    })
}

/// Parses the body of a question how many tokens a request's prompt has. It says nothing of the answer, or it is passed
/// over.
pub fn parse_count(body: &[u8]) -> Result<ChatRequest, Refusal> {
    conversation(&Body::read(body, Door::CountTokens)?)
}

/// What both doors read: all that a prompt is made of, and what is bound with it.
fn conversation(body: &Body<'_>) -> Result<ChatRequest, Refusal> {
    let model = both::model(body)?;
    let messages = conversation::read(body)?;
    let tools::Offer { tools, choice, parallel } = tools::read(body)?;
    let (enable_thinking, thinking_param) = settings::thinking(body)?;
    settings::context_management(body)?;
    Ok(ChatRequest {
        model,
        messages,
        tools,
        tool_choice: choice,
        parallel_tool_calls: parallel,
        max_tokens: 1,
        max_tokens_given: false,
        answers: 1,
        stream: false,
        include_usage: false,
        sampling: sampling::Sampling::default(),
        logprobs: None,
        stop: Vec::new(),
        format: settings::format(body)?,
        user: None,
        enable_thinking,
        thinking_param,
        template_arguments: Vec::new(),
        names: Names::MESSAGES,
    })
}
