//! request, as a type: what a body asks for, by whichever door it came, checked against the model that is to answer.

mod tokens;

use crate::api::embed::EmbedRequest;
use crate::api::tell::Manner;
use crate::engine::grammar::Constraint;
use crate::grant::allowance::Asked;
use crate::models::{Deed, Does, Loaded, Models};
use crate::text::Prompt;
use crate::text::sections::Calls;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::chat::{ChatBounds, ChatRequest, Sampling};
use sluice_protocol::request::bodies::completion::{self, CompletionRequest};
use sluice_protocol::request::bodies::question::{Presence, Question};
use sluice_protocol::request::bodies::responses;
use sluice_protocol::request::door::Door;
use sluice_protocol::request::model_name::no_model;
use sluice_protocol::request::read;
use sluice_protocol::time::Millis;
use std::sync::Arc;
use tokens::{detokenized, tokenized};

/// What is to be generated, and how it is told.
pub(crate) struct GenerateRequest {
    /// The model that answers.
    pub(crate) loaded: Arc<Loaded>,
    /// In tokens, at least one.
    pub(crate) prompts: Vec<Prompt>,
    /// How many answers to each, and how long.
    pub(crate) asked: Asked,
    /// How tokens are chosen.
    pub(crate) sampling: Sampling,
    /// Whether tokens are told with their log probabilities, and with those of how many of the likeliest.
    pub(crate) logprobs: Option<u32>,
    /// Strings that end an answer.
    pub(crate) stop: Vec<String>,
    /// The calls that an answer may hold.
    pub(crate) calls: Calls,
    /// The form that answers must have.
    pub(crate) constraint: Option<Constraint>,
    /// Whether to stream.
    pub(crate) stream: bool,
    /// What it says of how answers are told.
    pub(crate) manner: Manner,
}

/// What a request wants.
pub(crate) enum Wanted {
    /// Answers.
    Answers(Box<GenerateRequest>),
    /// To know that its model is there, which it is.
    Presence(Presence),
    /// How many tokens its prompt has: so many.
    Count(u64),
    /// What a tokenizer knows: this, as JSON.
    Told(String),
    /// Vectors.
    Vectors(EmbedRequest),
}

/// What there is to choose from.
#[derive(Clone, Copy)]
pub(crate) struct Offer<'a> {
    /// The models; `None` while they are loaded.
    pub(crate) models: Option<&'a Models>,
    /// Whose request it is.
    pub(crate) account: &'a str,
    /// Whether the caller has no grant, and may know of all of them.
    pub(crate) is_open: bool,
}

impl Offer<'_> {
    /// As [`Models::who_does`].
    fn who_does(&self, deed: Deed) -> String {
        self.models.map(|models| models.who_does(deed, self.is_open)).unwrap_or_default()
    }
}

impl GenerateRequest {
    /// Reads a body. Refuses what its door refuses, another model's name, and tokens that the model does not have.
    /// Takes time in proportion to the body: not for an async thread. `now`: for templates that tell the date.
    pub(crate) fn read(
        door: Door,
        body: &[u8],
        bounds: ChatBounds,
        offer: Offer<'_>,
        now: Millis,
    ) -> Result<Wanted, Refusal> {
        // Its edge has put there what was kept. Without one, nobody has.
        if door == Door::Responses && offer.is_open {
            responses::Keeping::read(body).refuse()?;
        }
        match read::question(door, body, bounds)? {
            Question::Chat(request) => {
                let mut wanted = Self::chat(*request, offer, now)?;
                if door == Door::Responses {
                    wanted.manner.repeated = Some(Arc::new(responses::repeated(body)?));
                }
                Ok(Wanted::Answers(Box::new(wanted)))
            }
            Question::Text(request) => Self::text(*request, offer).map(Box::new).map(Wanted::Answers),
            Question::Presence(presence) => named(&presence.model, offer).map(|_| Wanted::Presence(presence)),
            Question::Tokenize(request) => {
                tokenized(&request, &*named(&request.model, offer)?, (offer.account, now)).map(Wanted::Told)
            }
            Question::Detokenize(request) => detokenized(&request, &*named(&request.model, offer)?).map(Wanted::Told),
            Question::Embeddings(request) => {
                let loaded = named(&request.model, offer)?;
                let Does::Embed(embeds) = loaded.does else {
                    let does = offer.who_does(Deed::Embed);
                    let why = format!("`{}` makes no embeddings. {does}", loaded.name);
                    return Err(Refusal::new(Reason::InvalidRequest, why).with_param("model"));
                };
                EmbedRequest::read(&request, loaded, embeds).map(Wanted::Vectors)
            }
            Question::Rerank(request) => {
                let loaded = named(&request.model, offer)?;
                if !loaded.does.serves(Deed::Judge) {
                    let does = offer.who_does(Deed::Judge);
                    let why = format!("`{}` answers, and puts no documents in order. {does}", loaded.name);
                    return Err(Refusal::new(Reason::InvalidRequest, why).with_param("model"));
                }
                EmbedRequest::of_documents(request, loaded).map(Wanted::Vectors)
            }
            // Pictures have a walk of their own, `api/images.rs`: nothing that reads or writes tokens draws.
            Question::Images(_) => Err(Refusal::new(Reason::InvalidRequest, "Pictures are drawn at their own door.")),
            Question::Count(request) => {
                let loaded = find(&request.model, &request.sampling, offer)?;
                Ok(Wanted::Count(loaded.text.prompt(&request, offer.account, now)?.tokens.len() as u64))
            }
        }
    }

    /// How many answers to all prompts together.
    pub(crate) fn all_answers(&self) -> u32 {
        // Both are small: the door has seen to it.
        self.asked.answers.saturating_mul(u32::try_from(self.prompts.len()).unwrap_or(u32::MAX))
    }

    /// A prompt by its number, which is that of one of them, and how many tokens those before it have.
    pub(crate) fn prompt(&self, which: u32) -> (usize, &Prompt) {
        let which = (which as usize).min(self.prompts.len() - 1);
        (self.prompts[..which].iter().map(|prompt| prompt.tokens.len()).sum(), &self.prompts[which])
    }

    fn chat(request: ChatRequest, offer: Offer<'_>, now: Millis) -> Result<Self, Refusal> {
        let loaded = find(&request.model, &request.sampling, offer)?;
        let prompt = loaded.text.prompt(&request, offer.account, now)?;
        Ok(Self {
            constraint: loaded.grammars.constraint(&loaded.text, &request, &prompt.tokens)?,
            prompts: vec![prompt],
            asked: Asked::of_chat(&request),
            calls: Calls {
                functions: request.tools.iter().map(|tool| tool.name().to_owned()).collect(),
                several: request.parallel_tool_calls,
            },
            sampling: request.sampling,
            logprobs: request.logprobs,
            stop: request.stop,
            stream: request.stream,
            manner: Manner {
                include_usage: request.include_usage,
                logprobs: request.logprobs.is_some(),
                echo: None,
                answers: request.answers,
                repeated: None,
            },
            loaded,
        })
    }

    fn text(request: CompletionRequest, offer: Offer<'_>) -> Result<Self, Refusal> {
        let loaded = find(&request.model, &request.sampling, offer)?;
        let bare = |prompt| loaded.text.bare_prompt(prompt, loaded.vocab, "prompt");
        let prompts = request.prompts.iter().map(bare).collect::<Result<_, _>>()?;
        let spelt = |prompt: &completion::Prompt| match prompt {
            completion::Prompt::Text(text) => text.clone(),
            completion::Prompt::Tokens(tokens) => loaded.text.spell_all(tokens),
        };
        Ok(Self {
            asked: Asked::of_text(&request),
            calls: Calls::none(),
            constraint: None,
            sampling: request.sampling,
            logprobs: request.logprobs,
            stop: request.stop,
            stream: request.stream,
            manner: Manner {
                include_usage: request.include_usage,
                logprobs: request.logprobs.is_some(),
                echo: request.echo.then(|| request.prompts.iter().map(spelt).collect()),
                answers: request.answers,
                repeated: None,
            },
            prompts,
            loaded,
        })
    }
}

/// The model of this name.
fn named(model: &str, offer: Offer<'_>) -> Result<Arc<Loaded>, Refusal> {
    let found = offer.models.map(|models| models.wanted(model, offer.is_open).cloned());
    found.unwrap_or_else(|| Err(no_model(model, [])))
}

/// The same, if it answers and has the tokens that a bias names.
fn find(model: &str, sampling: &Sampling, offer: Offer<'_>) -> Result<Arc<Loaded>, Refusal> {
    let loaded = named(model, offer)?;
    let instead = match loaded.does {
        Does::Answer => None,
        Does::Embed(_) => Some("makes embeddings, and no answers: POST /v1/embeddings asks for them"),
        Does::Judge => Some("puts documents in order, and makes no answers: POST /v1/rerank asks for that"),
    };
    if let Some(instead) = instead {
        let why = format!("`{model}` {instead}. {}", offer.who_does(Deed::Answer));
        return Err(Refusal::new(Reason::InvalidRequest, why).with_param("model"));
    }
    match sampling.logit_bias.keys().find(|id| **id as usize >= loaded.vocab) {
        None => Ok(loaded),
        Some(id) => {
            let message = format!("`logit_bias` names the token {id}; this model has {}.", loaded.vocab);
            Err(Refusal::new(Reason::InvalidRequest, message).with_param("logit_bias"))
        }
    }
}
