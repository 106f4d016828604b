//! The members of the door for reranking, by name.
//!
//! After the API references of Jina and of Cohere (versions 1 and 2), `vllm/entrypoints/pooling/score/protocol.py`,
//! llama.cpp's `tools/server/README.md`, and SGLang's `V1RerankReqInput`.

use super::owners::{L, S, V, X};
use crate::request::door::Door;
use crate::request::member::{Fate, Member, Table};

pub(super) const TABLE: Table = Table { doors: &[Door::Rerank], members: MEMBERS, within: None };

const fn served(name: &'static str, of: u16) -> Member {
    Member::new(name, of, [Fate::Served; 2])
}

const fn passes(name: &'static str, of: u16) -> Member {
    Member::new(name, of, [Fate::Passes; 2])
}

/// Served nowhere; taken if it is one of these.
const fn refused(name: &'static str, of: u16, nothing: &'static [&'static str]) -> Member {
    Member::new(name, of, [Fate::Refused(nothing); 2])
}

const TOO_LONG: &str = "a text that is too long is refused";

const MEMBERS: &[Member] = &[
    refused("activation", V, &["true"]).note("scores are from 0 to 1"),
    refused("chat_template", V, &[r#""""#]),
    refused("chat_template_kwargs", V, &["{}"]),
    served("documents", V | L | S | X).note("texts, or objects with a `text`: at most 1,024"),
    refused("instruct", S, &[r#""""#]).instead("instruction"),
    served("instruction", V | X).note("for a model that judges"),
    refused("max_chunks_per_doc", X, &[]).note(TOO_LONG),
    refused("max_tokens_per_doc", V | X, &["0"]).note(TOO_LONG),
    refused("max_tokens_per_query", V, &["0"]).note(TOO_LONG),
    refused("mm_processor_kwargs", V, &["{}"]),
    served("model", V | L | X),
    refused("priority", V | X, &["0"]).note("an operator's plans say who goes first"),
    served("query", V | L | S | X),
    refused("rank_fields", X, &["[]"]).note("only `text` is looked at"),
    refused("raw_scores", L, &["false"]).note("scores are from 0 to 1"),
    passes("request_id", V).note("each request has one of ours"),
    served("return_documents", S | X).note("false where it is left out"),
    refused("return_text", L, &["false"]).instead("return_documents"),
    passes("rid", S).note("each request has one of ours"),
    refused("softmax", V, &["true"]).note("scores are from 0 to 1"),
    refused("texts", L, &["[]"]).instead("documents"),
    refused("top_k", X, &[]).instead("top_n"),
    served("top_n", V | L | S | X).note("0 for all"),
    refused("truncate", X, &["false"]).note(TOO_LONG),
    refused("truncate_prompt_tokens", V, &[]).note(TOO_LONG),
    refused("truncation", X, &["false"]).note(TOO_LONG),
    passes("truncation_side", V).needs("truncate_prompt_tokens"),
    refused("use_activation", V, &["true"]).note("scores are from 0 to 1"),
    served("user", V).note("the end user, for limits that count by it"),
];
