//! The members of Ollama's doors, by name; those of `options` with what stands before them.
//!
//! After `api/types.go` and `docs/api.md` of Ollama as they were in the autumn of 2026, and options of its older versions
//! that clients still send.

use super::owners::{A, O, X};
use crate::request::door::Door;
use crate::request::member::{Fate, Member, Table};

pub(super) const TABLE: Table =
    Table { doors: &[Door::OllamaChat, Door::OllamaGenerate], members: MEMBERS, within: Some("options") };

const fn served(name: &'static str, of: u16) -> Member {
    Member::new(name, of, [Fate::Served; 2])
}

/// Served by `/api/chat`; `/api/generate` takes it if it is one of these.
const fn chat(name: &'static str, of: u16, nothing: &'static [&'static str]) -> Member {
    Member::new(name, of, [Fate::Served, Fate::Refused(nothing)])
}

/// Served by `/api/generate`; `/api/chat` takes it if it is one of these.
const fn generate(name: &'static str, of: u16, nothing: &'static [&'static str]) -> Member {
    Member::new(name, of, [Fate::Refused(nothing), Fate::Served])
}

const fn passes(name: &'static str, of: u16) -> Member {
    Member::new(name, of, [Fate::Passes; 2])
}

/// Served nowhere; taken if it is one of these.
const fn refused(name: &'static str, of: u16, nothing: &'static [&'static str]) -> Member {
    Member::new(name, of, [Fate::Refused(nothing); 2])
}

const HOW_COMPUTED: &str = "how an answer is computed, and not which";
const NO_IMAGES: &str = "no images are made here";

const MEMBERS: &[Member] = &[
    refused("_debug_render_only", A, &["false"]),
    refused("context", A, &["[]"]).note("`/api/chat` takes what was said before, as messages"),
    refused("enable_thinking", X, &[]).instead("think"),
    served("format", A).note("`json`, or a schema"),
    refused("height", A, &["0"]).note(NO_IMAGES),
    refused("images", A, &["[]"]),
    passes("keep_alive", A).note("models stay loaded; with an empty prompt 0 is answered as `unload`"),
    served("logprobs", A),
    served("max_output_tokens", X).note("as `options.num_predict`, before it"),
    refused("max_tokens", O, &[]).instead("options.num_predict"),
    chat("messages", A, &["[]"]),
    served("model", A).note("`NAME:latest` is `NAME`"),
    served("options", A),
    passes("options.draft_num_predict", A).note(HOW_COMPUTED),
    refused("options.embedding_only", A, &["false"]),
    passes("options.f16_kv", A).note(HOW_COMPUTED),
    served("options.frequency_penalty", A),
    passes("options.logits_all", A).note(HOW_COMPUTED),
    passes("options.low_vram", A).note(HOW_COMPUTED),
    passes("options.main_gpu", A).note(HOW_COMPUTED),
    refused("options.max_tokens", X, &[]).instead("options.num_predict"),
    served("options.min_p", A),
    refused("options.mirostat", A, &["0"]),
    passes("options.mirostat_eta", A).needs("options.mirostat"),
    passes("options.mirostat_tau", A).needs("options.mirostat"),
    passes("options.num_batch", A).note(HOW_COMPUTED),
    passes("options.num_ctx", A).note("a model's context is its own; a prompt that does not fit it is refused"),
    passes("options.num_gpu", A).note(HOW_COMPUTED),
    passes("options.num_keep", A).note("no prompt is shortened"),
    served("options.num_predict", A).note("0 and below: as if it were not there"),
    passes("options.num_thread", A).note(HOW_COMPUTED),
    passes("options.numa", A).note(HOW_COMPUTED),
    refused("options.penalize_newline", A, &["true"]),
    served("options.presence_penalty", A),
    refused("options.repeat_last_n", A, &["-1", "64"]).note("the penalty counts prompt and answer, all of them"),
    served("options.repeat_penalty", A).note("0.1 to 10"),
    refused("options.repetition_penalty", X, &["1"]).instead("options.repeat_penalty"),
    refused("options.rope_frequency_base", A, &["0"]),
    refused("options.rope_frequency_scale", A, &["0"]),
    served("options.seed", A).note("-1: as if it were not there"),
    served("options.stop", A).note("a text, or up to four"),
    served("options.temperature", A),
    refused("options.tfs_z", A, &["1"]),
    served("options.top_k", A),
    served("options.top_p", A),
    refused("options.typical_p", A, &["1"]),
    passes("options.use_mlock", A).note(HOW_COMPUTED),
    passes("options.use_mmap", A).note(HOW_COMPUTED),
    refused("options.vocab_only", A, &["false"]),
    generate("prompt", A, &[r#""""#]).instead("messages"),
    generate("raw", A, &["false"]),
    refused("response_format", O, &[r#"{"type":"text"}"#]).instead("format"),
    passes("shift", A).note("a prompt that does not fit is refused"),
    refused("steps", A, &["0"]).note(NO_IMAGES),
    served("stream", A).note("true unless it is false"),
    refused("suffix", A, &[r#""""#]).note("write the model's own marks into a `prompt` that is `raw`"),
    generate("system", A, &[r#""""#]).instead("messages"),
    refused("template", A, &[r#""""#]).note("the model's own; a prompt of your own making is `raw`"),
    served("think", A).note("true, false, `none`, `medium` or `high`"),
    chat("tools", A, &["[]"]),
    served("top_logprobs", A),
    passes("truncate", A).note("a prompt that does not fit is refused"),
    refused("width", A, &["0"]).note(NO_IMAGES),
];
