//! OpenAI's Responses API, as far as Sluice serves it: requests become the same question as a chat, and answers are told
//! in its shape.
//!
//! `instructions` and the items of `input` are read into the messages of a chat: thoughts, words and calls of the
//! assistant that follow one another are one message, and what a call gave is a message of its own. So the model is shown
//! the same, whichever door was taken. What is not served is refused by name and never silently ignored;
//! [`crate::request::member`] says what is what.

mod answer;
mod event;
mod final_event;
mod history;
mod input;
mod items;
mod kept;
mod page;
mod repeat;
mod settings;
mod text;
mod tools;

use crate::refusal::Refusal;
use crate::request::bodies::chat::{ChatBounds, ChatRequest, Names, both, sampling};
use crate::request::door::Door;
use crate::request::member::Body;
pub use answer::{Answer, Error, Incomplete, ItemStatus, OutputItem, Part, ResponseUsage, Status, sealed};
pub use event::{Event, What, kind};
pub use final_event::FinalEvent;
pub use history::{Referred, Turn, input_of, referred, with_history};
pub use kept::{Keeping, MAX_KEPT_PART, Told, kept_input, no_response, not_kept, output_of};
pub use page::{ItemPage, whole_only};
pub use repeat::Repeated;

/// Parses the body of a request for an answer, with all of the conversation in its `input`: whoever keeps answers has put
/// those before it there ([`with_history`]), and whoever keeps none has refused what asks for them ([`Keeping`]). Refuses as [`ChatRequest::parse`] does.
pub fn parse(body: &[u8], bounds: ChatBounds) -> Result<ChatRequest, Refusal> {
    let body = Body::read(body, Door::Responses)?;
    let model = both::model(&body)?;
    let messages = input::read(&body)?;
    let tools::Offer { tools, choice, parallel } = tools::read(&body)?;
    let given = settings::max_output_tokens(&body, bounds)?;
    let reasoning = settings::reasoning(&body)?;
    settings::metadata(&body)?;
    settings::stream_options(&body)?;
    settings::kept(&body)?;
    Ok(ChatRequest {
        model,
        messages,
        tools,
        tool_choice: choice,
        parallel_tool_calls: parallel,
        max_tokens: given.unwrap_or(bounds.default_max_tokens),
        max_tokens_given: given.is_some(),
        answers: 1,
        stream: body.boolean("stream")?.unwrap_or(false),
        include_usage: false,
        sampling: sampling::read(&body)?,
        logprobs: settings::logprobs(&body)?,
        stop: both::stop(&body)?,
        format: text::read(&body)?,
        user: both::end_user(&body)?,
        enable_thinking: reasoning.enable,
        thinking_param: reasoning.enable.map_or("", |_| settings::REASONING),
        template_arguments: Vec::new(),
        names: Names::RESPONSES,
    })
}

/// Reads what an answer repeats of its request, of a body that [`parse`] has taken. Refuses what that refuses too.
pub fn repeated(body: &[u8]) -> Result<Repeated, Refusal> {
    Repeated::read(&Body::read(body, Door::Responses)?)
}
