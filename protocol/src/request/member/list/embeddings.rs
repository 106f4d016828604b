//! The members of OpenAI's door for embeddings, by name.
//!
//! After `types/embedding_create_params.py` of openai-python, `vllm/entrypoints/pooling/base/protocol.py`, llama.cpp's
//! `tools/server/README.md`, SGLang's `EmbeddingRequest`, and what hosts of other models document.

use super::owners::{A, L, O, S, V, X};
use crate::request::door::Door;
use crate::request::member::{Fate, Member, Table};

pub(super) const TABLE: Table = Table { doors: &[Door::Embeddings], members: MEMBERS, within: None };

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

const IN_TEXT: &str = "write the model's own instruction into the text";

const MEMBERS: &[Member] = &[
    refused("add_generation_prompt", V, &["false"]),
    refused("add_special_tokens", V, &["true"]).note("the model's end token is always there, once"),
    refused("chat_template", V, &[r#""""#]),
    refused("chat_template_kwargs", V, &["{}"]),
    refused("content", L, &[]).instead("input"),
    refused("continue_final_message", V, &["false"]),
    served("dimensions", O | V | S | A).note("the beginning of the vector, brought to length 1"),
    refused("embd_normalize", L, &["2"]).note("vectors have length 1"),
    refused("embed_dtype", V, &[r#""float32""#]),
    refused("embedding_type", X, &[r#""float""#]).instead("encoding_format"),
    served("encoding_format", O | V | L | S | A).note("`float` or `base64`"),
    refused("endianness", V, &[r#""native""#, r#""little""#]),
    served("input", O | V | L | S | A).note("a text, token ids, or a list of either: at most 2,048"),
    refused("input_type", X, &[r#""""#]).note(IN_TEXT),
    refused("instruction", X, &[r#""""#]).note(IN_TEXT),
    refused("late_chunking", X, &["false"]),
    refused("media_io_kwargs", V, &["{}"]),
    refused("messages", V, &["[]"]).instead("input"),
    refused("mm_processor_kwargs", V, &["{}"]),
    served("model", O | V | L | S | A),
    refused("normalize", V | X, &["true"]).note("vectors have length 1"),
    refused("normalized", X, &["true"]).note("vectors have length 1"),
    refused("padding", V, &[r#""do_not_pad""#]),
    refused("priority", V | S, &["0"]).note("an operator's plans say who goes first"),
    refused("prompt_name", X, &[r#""""#]).note(IN_TEXT),
    passes("request_id", V).note("each request has one of ours"),
    passes("rid", S).note("each request has one of ours"),
    refused("task", V | X, &[r#""""#, r#""embed""#]).note(IN_TEXT),
    refused("truncate", X, &["false", r#""NONE""#]).note("a text that is too long is refused; `/api/embed` cuts it"),
    refused("truncate_prompt_tokens", V, &[]).note("a text that is too long is refused; `/api/embed` cuts it"),
    passes("truncation_side", V).needs("truncate_prompt_tokens"),
    refused("use_activation", V, &["true"]),
    served("user", O | V | L | S | A).note("the end user, for limits that count by it"),
];
