//! The members of vLLM's doors between text and tokens, by name.
//!
//! After `vllm/entrypoints/serve/tokenize/protocol.py`; what SGLang and llama.cpp have at the same two paths; and what
//! a chat has, so that its body can be sent to be counted as it is.

use super::owners::{A, L, O, S, T, V, X};
use crate::request::door::Door;
use crate::request::member::{Fate, Member, Table};

pub(super) const TABLE: Table = Table { doors: &[Door::Tokenize, Door::Detokenize], members: MEMBERS, within: None };

const ALL: u16 = O | V | L | S | A | T;

/// Served where a text becomes tokens; the other door takes it if it is one of these.
const fn text(name: &'static str, of: u16, nothing: &'static [&'static str]) -> Member {
    Member::new(name, of, [Fate::Served, Fate::Refused(nothing)])
}

/// Of a chat: it goes with `messages`.
const fn chat(name: &'static str, of: u16, nothing: &'static [&'static str]) -> Member {
    text(name, of, nothing).note("goes with `messages`")
}

/// Of a chat's answer: no prompt depends on it.
const fn answer(name: &'static str, of: u16) -> Member {
    Member::new(name, of, [Fate::Passes; 2]).note("about a chat's answer")
}

/// Served nowhere; taken if it is one of these.
const fn refused(name: &'static str, of: u16, nothing: &'static [&'static str]) -> Member {
    Member::new(name, of, [Fate::Refused(nothing); 2])
}

const MEMBERS: &[Member] = &[
    chat("add_generation_prompt", V, &["true"]),
    refused("add_special", L, &["false"]).instead("add_special_tokens"),
    text("add_special_tokens", V | S, &["true", "false"])
        .note("a model that embeds adds its end token to a `prompt` unless it is false; others add none"),
    refused("chat_template", V, &[r#""""#]),
    chat("chat_template_kwargs", V, &["{}"]),
    refused("content", L, &[]).instead("prompt"),
    refused("continue_final_message", V, &["false"]),
    chat("enable_thinking", S | X, &[]),
    answer("frequency_penalty", ALL),
    answer("logit_bias", O | V | L | S | T),
    answer("logprobs", O | V | L | S | A | T),
    answer("max_completion_tokens", O | V | L | S | T),
    answer("max_tokens", ALL),
    refused("media_io_kwargs", V, &["{}"]),
    text("messages", V, &["[]"]).note("or a `prompt`"),
    answer("min_p", V | L | S | A),
    refused("mm_processor_kwargs", V, &["{}"]),
    Member::new("model", V | S, [Fate::Served; 2]),
    answer("n", O | V | L | S | T),
    answer("parallel_tool_calls", O | V | L | S),
    refused("parse_special", L, &["true"]),
    answer("presence_penalty", ALL),
    text("prompt", V | S, &[]).note("or `messages`"),
    chat("reasoning", S | A | X, &["{}"]),
    chat("reasoning_effort", O | V | L | S | A, &[r#""""#]),
    answer("repetition_penalty", V | S | T),
    answer("response_format", ALL),
    text("return_token_strs", V, &["false"]).note("tokens as the vocabulary spells them"),
    answer("safety_identifier", O),
    answer("seed", ALL),
    refused("skip_special_tokens", S, &["false"]).note("control tokens are told as text"),
    answer("stop", ALL),
    answer("stream", ALL),
    answer("stream_options", O | V | L | S | A | T),
    answer("temperature", ALL),
    chat("think", A, &[]),
    Member::new("tokens", V | S | L, [Fate::Refused(&[]), Fate::Served]).note("at most 262,144"),
    chat("tool_choice", O | V | L | S | T, &[r#""auto""#, r#""none""#]),
    chat("tools", O | V | L | S | A | T, &["[]"]),
    answer("top_k", V | L | S | A),
    answer("top_logprobs", O | V | L | S | A | T),
    answer("top_p", ALL),
    answer("user", O | V | S),
    refused("with_pieces", L, &["false"]).instead("return_token_strs"),
];
