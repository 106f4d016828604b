//! What a model computes, by its names in plans and scopes; by which doors it is asked for, [`crate::request::door`] says.

use serde::{Deserialize, Serialize};

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Endpoint {
    /// A chat: messages, which the model's template makes into a prompt.
    #[default]
    Chat,
    /// A text completion: prompts as they are.
    Completions,
    /// Embeddings: the vectors of texts.
    Embeddings,
    /// Pictures of what a text says.
    Images,
}
