//! The members of Ollama's doors for embeddings, by name: `EmbedRequest` and `EmbeddingRequest` of `api/types.go`.

use super::owners::A;
use crate::request::door::Door;
use crate::request::member::{Fate, Member, Table};

pub(super) const TABLE: Table =
    Table { doors: &[Door::OllamaEmbed, Door::OllamaEmbeddings], members: MEMBERS, within: None };

const MEMBERS: &[Member] = &[
    Member::new("dimensions", A, [Fate::Served, Fate::Refused(&["0"])])
        .note("the beginning of the vector, brought to length 1"),
    Member::new("input", A, [Fate::Served, Fate::Refused(&[])]).instead("prompt"),
    Member::new("keep_alive", A, [Fate::Passes; 2]).note("models stay loaded"),
    Member::new("model", A, [Fate::Served; 2]).note("`NAME:latest` is `NAME`"),
    Member::new("options", A, [Fate::Passes; 2])
        .note("about answers and how they are computed; no vector depends on them"),
    Member::new("prompt", A, [Fate::Refused(&[r#""""#]), Fate::Served]).instead("input"),
    Member::new("truncate", A, [Fate::Served, Fate::Passes])
        .note("true unless it is false: a text is cut to the model's context"),
];
