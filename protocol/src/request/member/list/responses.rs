//! The members of OpenAI's responses, by name: `src/openai/types/responses/response_create_params.py` of openai-python,
//! `vllm/entrypoints/openai/responses/protocol.py` of vLLM, and `ResponsesRequest` in
//! `python/sglang/srt/entrypoints/openai/protocol.py` of SGLang. Those that callers bring along from chats are here with
//! what serves them.

use super::owners::{O, S, V};
use crate::request::door::Door;
use crate::request::member::{Fate, Member, Table};

const fn served(name: &'static str, of: u16) -> Member {
    Member::new(name, of, [Fate::Served; 2])
}

const fn passes(name: &'static str, of: u16) -> Member {
    Member::new(name, of, [Fate::Passes; 2])
}

/// Not served; taken if it is one of these.
const fn refused(name: &'static str, of: u16, nothing: &'static [&'static str]) -> Member {
    Member::new(name, of, [Fate::Refused(nothing); 2])
}

/// Responses.
pub(super) const TABLE: Table = Table { doors: &[Door::Responses], members: MEMBERS, within: None };

/// All of them, in the order of their names.
const MEMBERS: &[Member] = &[
    refused("access_programs", O, &["{}", r#"{"cyber":"standard"}"#]),
    refused("background", O, &["false"])
        .note("but at an edge where responses and jobs are kept, with `store: true`: see docs/jobs.md"),
    passes("background_options", O).needs("background"),
    refused("cache_salt", V | S, &[r#""""#]).note("accounts share no cache; one account's users do"),
    refused("chat_template_kwargs", S, &["{}"]).instead("reasoning"),
    refused("context_management", O, &["[]"]).note("a prompt that does not fit is refused"),
    refused("conversation", O, &[]).instead("input"),
    refused("enable_response_messages", V, &["false"]),
    refused("extra_key", S, &[r#""""#]).note("as `cache_salt`"),
    served("frequency_penalty", S),
    refused("ignore_eos", V, &["false"]),
    passes("image", O).note("matters to media, which are refused"),
    served("include", O).note(
        "`message.output_text.logprobs`, `reasoning.encrypted_content`; of hosted tools and media is nothing to tell",
    ),
    refused("include_stop_str_in_output", V, &["false"]),
    served("input", O | V).note("a text or items"),
    served("instructions", O | V),
    served("logit_bias", V),
    refused("max_completion_tokens", O, &[]).instead("max_output_tokens"),
    served("max_output_tokens", O | V),
    refused("max_tokens", O, &[]).instead("max_output_tokens"),
    passes("max_tool_calls", O).note("counts calls of hosted tools, which are refused"),
    refused("messages", O, &["[]"]).instead("input"),
    served("metadata", O | V).note("labels, which the answer repeats"),
    served("min_p", S),
    passes("mm_processor_kwargs", V).note("matters to media, which are refused"),
    served("model", O | V),
    refused("moderation", O, &[]),
    refused("n", O, &["1"]),
    passes("ngram_corpus_id", S).note("makes an answer quicker and not another"),
    served("parallel_tool_calls", O | V),
    served("presence_penalty", S),
    refused("previous_input_messages", V, &["[]"]).instead("input"),
    refused("previous_response", V, &[]).instead("input"),
    served("previous_response_id", O | V).note("of an answer that is kept; an origin without an edge refuses it"),
    refused("priority", V | S, &["0"]).note("an operator's plans say who goes first"),
    refused("prompt", O | V, &[]).instead("input"),
    passes("prompt_cache_key", O).note("makes a prompt quicker and not another"),
    passes("prompt_cache_options", O).note("as `prompt_cache_key`"),
    passes("prompt_cache_retention", O).note("as `prompt_cache_key`"),
    served("reasoning", O | V)
        .note("`effort` `none`, `medium` or `high`; `summary` `auto` or `detailed`, which is all that was thought"),
    refused("reasoning_effort", O, &[r#""""#]).instead("reasoning"),
    served("repetition_penalty", V | S),
    refused("request_id", V | S, &[]).note("ids of answers are ours: `x-request-id` tells them"),
    refused("response_format", O, &[r#"{"type":"text"}"#]).instead("text"),
    served("safety_identifier", O).note("the end user where there is no `user`"),
    served("seed", V),
    refused("service_tier", O | V, &[r#""auto""#, r#""default""#]).note("an operator's plans say who goes first"),
    passes("session_id", S).note("says what belongs together, and changes no answer"),
    refused("skip_special_tokens", V, &["true"]),
    served("stop", V | S).note("as in a chat"),
    served("store", O | V)
        .note("`false` where nothing is said; an origin without an edge keeps no answer, and refuses it"),
    served("stream", O | V),
    served("stream_options", O).note("`include_obfuscation` is refused where it is true; usage is told anyway"),
    refused("structured_outputs", V, &["{}"]).instead("text"),
    served("temperature", O | V),
    served("text", O | V).note("`format`: `text`, `json_object`, `json_schema`; `verbosity` `medium`"),
    served("tool_choice", O | V)
        .note("`auto`, `none`, `required`, a function, `allowed_tools`; hosted tools are refused"),
    served("tools", O | V).note("of the type `function`; hosted tools are refused by name"),
    served("top_k", V | S),
    served("top_logprobs", O | V),
    served("top_p", O | V),
    refused("truncation", O | V, &[r#""disabled""#]).note("a prompt that does not fit is refused"),
    served("user", O | V).note("the end user, for limits that count by it"),
    refused("vllm_xargs", V, &["{}"]),
];
