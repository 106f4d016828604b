//! vLLM's `/tokenize` and `/detokenize`: which tokens a text or a conversation becomes, and which text tokens are.
//!
//! A prompt becomes what a text completion of it becomes, and messages what a chat with the same members becomes: so
//! control tokens in a prompt are themselves, and in a message they are text. What a chat says of its answer is passed
//! over, so that its body can be sent as it is.

use crate::refusal::Refusal;
use crate::request::bodies::chat::message::{self, Manner};
use crate::request::bodies::chat::{ChatBounds, ChatRequest, both};
use crate::request::door::Door;
use crate::request::member::{Body, invalid};
use serde::{Deserialize, Serialize};

/// The most tokens that one request may name, or have told.
pub const MAX_TOKENS: usize = 262_144;

/// A question which tokens something becomes.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenizeRequest {
    /// The model's name, not empty.
    pub model: String,
    /// What is to become tokens.
    pub source: Source,
    /// Whether the answer also has each token as the vocabulary spells it.
    pub token_strs: bool,
}

/// What is to become tokens.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A text, possibly empty.
    Prompt {
        /// The text.
        text: String,
        /// Whether a model that embeds adds its end token, as it does before it embeds the text.
        add_special_tokens: bool,
    },
    /// Messages, which the model's template makes into a prompt.
    Messages {
        /// A chat whose answer nobody asks for.
        chat: Box<ChatRequest>,
        /// Whether the prompt ends where an answer begins, as that of a chat does.
        add_generation_prompt: bool,
    },
}

/// A question which text some tokens are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetokenizeRequest {
    /// The model's name, not empty.
    pub model: String,
    /// At most [`MAX_TOKENS`].
    pub tokens: Vec<u32>,
}

/// What members are called here and in a chat.
const NAMES: &[(&str, &str)] = &[
    ("chat_template_kwargs", "chat_template_kwargs"),
    ("enable_thinking", "enable_thinking"),
    ("reasoning", "reasoning"),
    ("reasoning_effort", "reasoning_effort"),
    ("think", "think"),
    ("tool_choice", "tool_choice"),
    ("tools", "tools"),
];

impl TokenizeRequest {
    /// Parses a body; refuses as [`ChatRequest::parse`] does.
    pub fn parse(body: &[u8], bounds: ChatBounds) -> Result<Self, Refusal> {
        let body = Body::read(body, Door::Tokenize)?;
        let special = body.boolean("add_special_tokens")?;
        let token_strs = body.boolean("return_token_strs")?.unwrap_or(false);
        let model = both::model(&body)?;
        let source = match (body.get("messages"), body.text("prompt")?) {
            (Some(_), Some(_)) => {
                return Err(invalid("messages", "`messages` and `prompt` are there both: leave one of them out."));
            }
            (None, None) => return Err(invalid("prompt", "`prompt` must be a text, unless there are `messages`.")),
            (None, Some(text)) => {
                alone(&body)?;
                Source::Prompt { text: text.into_owned(), add_special_tokens: special.unwrap_or(true) }
            }
            (Some(_), None) => Source::messages(&body, model.clone(), bounds)?,
        };
        Ok(Self { model, source, token_strs })
    }

    /// A guess at how many tokens are told, made without a tokenizer.
    pub fn is_chat(&self) -> bool {
        matches!(self.source, Source::Messages { .. })
    }
}

impl Source {
    fn messages(body: &Body<'_>, model: String, bounds: ChatBounds) -> Result<Self, Refusal> {
        let messages = message::read(body, Manner::OpenAi)?;
        if messages.is_empty() {
            return Err(invalid("messages", "`messages` must hold at least one message."));
        }
        let chat = ChatRequest::new(model, messages, &body.as_of(Door::Chat, NAMES, |_, _| true), bounds)?;
        let add_generation_prompt = body.boolean("add_generation_prompt")?.unwrap_or(true);
        Ok(Self::Messages { chat: Box::new(chat), add_generation_prompt })
    }
}

/// Refuses beside a prompt what only messages have.
fn alone(body: &Body<'_>) -> Result<(), Refusal> {
    let of_messages = NAMES.iter().map(|(here, _)| *here).chain(["add_generation_prompt"]);
    match of_messages.into_iter().find(|name| body.get(name).is_some()) {
        None => Ok(()),
        Some(name) => {
            Err(invalid(name, format!("`{name}` goes with `messages`: a `prompt` is all that the model is given.")))
        }
    }
}

impl DetokenizeRequest {
    /// Parses a body; refuses as [`TokenizeRequest::parse`] does.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        const MUST: &str = "a list of token ids";
        let body = Body::read(body, Door::Detokenize)?;
        let model = both::model(&body)?;
        let given = body.get("tokens").ok_or_else(|| invalid("tokens", format!("`tokens` must be {MUST}.")))?;
        let mut tokens = Vec::new();
        // One after the other, so that what is refused has cost no memory.
        given.items(MUST, |json| {
            if tokens.len() == MAX_TOKENS {
                return Err(invalid("tokens", format!("`tokens` takes at most {MAX_TOKENS}.")));
            }
            tokens.push(json.parse().map_err(|_| given.must(MUST))?);
            Ok(())
        })?;
        Ok(Self { model, tokens })
    }
}

/// The answer of `/tokenize`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokenized {
    /// How many tokens.
    pub count: u64,
    /// The most tokens that prompt and answer may have.
    pub max_model_len: u64,
    /// Their ids.
    pub tokens: Vec<u32>,
    /// Each as the vocabulary spells it, which is not always text; null unless asked for.
    pub token_strs: Option<Vec<String>>,
}

/// The answer of `/detokenize`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detokenized {
    /// The text.
    pub prompt: String,
}
