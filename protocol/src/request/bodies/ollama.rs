//! Ollama's API: its two doors for answers, read into what OpenAI's are read into.
//!
//! Its members say what those of a chat say, by other names; so a body is read as a chat's, and what differs is
//! here. Empty texts, empty lists and nulls are not there: its clients send them where nobody said anything.

pub mod embed;
pub mod models;

use crate::refusal::{Reason, Refusal};
use crate::request::bodies::chat::message::{self, Manner};
use crate::request::bodies::chat::{
    ChatBounds, ChatMessage, ChatRequest, JsonSchema, Names, ResponseFormat, Speaker, both,
};
use crate::request::bodies::completion::{CompletionRequest, Prompt};
use crate::request::bodies::question::{Presence, Question};
use crate::request::door::Door;
use crate::request::member::{Body, raw};

/// What members are called here, and in a chat.
const NAMES: &[(&str, &str)] = &[
    ("logprobs", "logprobs"),
    ("max_output_tokens", "max_completion_tokens"),
    ("options.frequency_penalty", "frequency_penalty"),
    ("options.min_p", "min_p"),
    ("options.num_predict", "max_tokens"),
    ("options.presence_penalty", "presence_penalty"),
    ("options.repeat_penalty", "repetition_penalty"),
    ("options.seed", "seed"),
    ("options.stop", "stop"),
    ("options.temperature", "temperature"),
    ("options.top_k", "top_k"),
    ("options.top_p", "top_p"),
    ("think", "think"),
    ("tools", "tools"),
    ("top_logprobs", "top_logprobs"),
];

/// The version of Ollama's API that is spoken here: clients ask for it, and some for a certain one at least.
pub const VERSION: &str = "0.12.11";

/// What is said on `/`: clients ask for it to see whether somebody is there.
pub const RUNNING: &str = "Ollama is running";

/// The model's name in full: Ollama's clients know no name without a tag.
pub fn full_name(model: &str) -> String {
    if model.rsplit('/').next().unwrap_or(model).contains(':') { model.to_owned() } else { format!("{model}{LATEST}") }
}

/// The name that a caller means: `NAME:latest` is `NAME`.
pub fn short_name(model: &str) -> &str {
    model.strip_suffix(LATEST).unwrap_or(model)
}

const LATEST: &str = ":latest";

/// Reads a body of `/api/chat`.
pub(in crate::request) fn chat(body: &[u8], bounds: ChatBounds) -> Result<Question, Refusal> {
    let body = Body::read(body, Door::OllamaChat)?;
    let messages = message::read(&body, Manner::Ollama)?;
    let request = request(&body, messages, bounds)?;
    Ok(match request.messages.is_empty() {
        true => presence(&body, request),
        false => request.into(),
    })
}

/// Reads a body of `/api/generate`.
pub(in crate::request) fn generate(body: &[u8], bounds: ChatBounds) -> Result<Question, Refusal> {
    let body = Body::read(body, Door::OllamaGenerate)?;
    let text = |name| body.text(name).map(|text| text.filter(|text| !text.is_empty()));
    let (system, prompt) = (text("system")?, text("prompt")?);
    let is_raw = body.boolean("raw")?.unwrap_or(false);
    let says = |speaker, content: &str| ChatMessage { speaker, content: content.to_owned(), name: None };
    let messages = system.as_deref().map(|text| says(Speaker::System, text)).into_iter();
    let messages = messages.chain(prompt.as_deref().map(|text| says(Speaker::User, text)));
    let mut request = request(&body, messages.collect(), bounds)?;
    request.names.prompt = "prompt";
    match prompt {
        None => Ok(presence(&body, request)),
        Some(_) if !is_raw => Ok(request.into()),
        Some(prompt) => {
            // What a template would make of a request has no place in a prompt that is its caller's alone.
            let templated = [
                ("system", system.is_some()),
                ("format", request.format != ResponseFormat::Text),
                ("think", request.enable_thinking == Some(true)),
            ];
            match templated.into_iter().find(|(_, is_said)| *is_said) {
                Some((name, _)) => Err(not_raw(name)),
                None => Ok(raw_prompt(request, prompt.into_owned()).into()),
            }
        }
    }
}

/// What both doors read in one way.
fn request(body: &Body<'_>, messages: Vec<ChatMessage>, bounds: ChatBounds) -> Result<ChatRequest, Refusal> {
    let model = both::model(body)?;
    let read = ChatRequest::new(short_name(&model).to_owned(), messages, &body.as_of(Door::Chat, NAMES, asks), bounds)?;
    Ok(ChatRequest {
        // Ollama's own default.
        stream: body.boolean("stream")?.unwrap_or(true),
        format: format(body)?,
        names: Names { max_tokens: "options.num_predict", format: FORMAT, ..Names::CHAT },
        ..read
    })
}

/// Whether a member asks for something.
fn asks(name: &'static str, json: &str) -> bool {
    let list = json.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if json == r#""""# || list.is_some_and(|inner| inner.trim().is_empty()) {
        return false;
    }
    match name {
        // As many as there is room for, or a default.
        "options.num_predict" | "max_output_tokens" => raw::whole(json).is_none_or(|count| count > 0),
        // Any.
        "options.seed" => json != "-1",
        _ => true,
    }
}

const FORMAT: &str = "format";

fn format(body: &Body<'_>) -> Result<ResponseFormat, Refusal> {
    let Some(given) = body.get(FORMAT) else { return Ok(ResponseFormat::Text) };
    match raw::text(given.json).as_deref() {
        Some("") => Ok(ResponseFormat::Text),
        Some("json") => Ok(ResponseFormat::JsonObject),
        None if given.json.starts_with('{') => {
            JsonSchema::new(FORMAT, FORMAT, given.json, true).map(ResponseFormat::JsonSchema)
        }
        _ => Err(given.must("`json`, or a schema, which is an object")),
    }
}

fn not_raw(name: &'static str) -> Refusal {
    let why = format!(
        "`{name}` is not served together with `raw`, whose prompt is all that the model is given. Leave it out."
    );
    Refusal::new(Reason::UnsupportedParameter, why).with_param(name)
}

fn raw_prompt(request: ChatRequest, prompt: String) -> CompletionRequest {
    CompletionRequest {
        model: request.model,
        prompts: vec![Prompt::Text(prompt)],
        max_tokens: request.max_tokens,
        max_tokens_given: request.max_tokens_given,
        answers: request.answers,
        echo: false,
        stream: request.stream,
        include_usage: request.include_usage,
        sampling: request.sampling,
        logprobs: request.logprobs,
        stop: request.stop,
        user: request.user,
        names: request.names,
    }
}

fn presence(body: &Body<'_>, request: ChatRequest) -> Question {
    let unload = body.get("keep_alive").is_some_and(|given| is_no_time(given.json));
    Question::Presence(Presence { model: request.model, unload, stream: request.stream })
}

/// Whether a duration is none: seconds as a number, or a text of Go's such as `0s`.
fn is_no_time(json: &str) -> bool {
    match raw::text(json) {
        Some(text) => {
            text.contains('0') && text.chars().all(|part| matches!(part, '0' | '.' | 'a'..='z' | 'µ' | '+' | '-'))
        }
        None => raw::number(json) == Some(0.0),
    }
}
