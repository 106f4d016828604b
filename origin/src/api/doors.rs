//! The doors, and what tells answers at each: one line for each, and a room for each protocol.

pub(crate) mod messages;
pub(crate) mod ollama;
mod openai;
mod responses;

use crate::api::tell::{Head, Tell};
use messages::Messages;
use ollama::answer::{Answer, Shape};
use responses::Responses;
use sluice_protocol::request::door::Door;

/// What tells the answers to a request that came in by this door.
pub(crate) fn teller(door: Door, head: Head) -> Box<dyn Tell> {
    match door {
        Door::Chat => Box::new(openai::chat::Chat::new(head)),
        // Nothing is answered there: what they tell is no part of a stream.
        Door::Embeddings | Door::Rerank | Door::Images | Door::Tokenize | Door::Detokenize => {
            Box::new(openai::chat::Chat::new(head))
        }
        Door::OllamaEmbed | Door::OllamaEmbeddings => Box::new(Answer::new(head, Shape::Response)),
        // Of a count there is nothing to tell but the number.
        Door::Messages | Door::CountTokens => Box::new(Messages::new(head)),
        Door::Responses => Box::new(Responses::new(head)),
        Door::Completions => Box::new(openai::text::Text::new(head)),
        Door::OllamaChat => Box::new(Answer::new(head, Shape::Message)),
        Door::OllamaGenerate => Box::new(Answer::new(head, Shape::Response)),
    }
}
