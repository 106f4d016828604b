//! The members of Anthropic's doors, by name: `src/anthropic/types/message_create_params.py`,
//! `message_count_tokens_params.py` and `beta/message_create_params.py` of anthropic-python.

use super::owners::H;
use crate::request::door::Door;
use crate::request::member::{Fate, Member, Table};

/// Served at both doors.
const fn served(name: &'static str) -> Member {
    Member::new(name, H, [Fate::Served; 2])
}

/// About the answer: a prompt is counted without it.
const fn answer(name: &'static str) -> Member {
    Member::new(name, H, [Fate::Served, Fate::Passes])
}

const fn passes(name: &'static str) -> Member {
    Member::new(name, H, [Fate::Passes; 2])
}

/// Served nowhere; taken if it is one of these.
const fn refused(name: &'static str, nothing: &'static [&'static str]) -> Member {
    Member::new(name, H, [Fate::Refused(nothing); 2])
}

/// Messages, and the count of their tokens.
pub(super) const TABLE: Table = Table { doors: &[Door::Messages, Door::CountTokens], members: MEMBERS, within: None };

/// All of them, in the order of their names.
const MEMBERS: &[Member] = &[
    passes("betas").note("a client's argument that it sends as a header, of any value"),
    refused("billing_policy", &[]),
    passes("cache_control").note("prompts are remembered without it; so it is in blocks and tools"),
    refused("compaction", &[]),
    refused("container", &[]),
    served("context_management")
        .note("`clear_thinking` alone, which a model's template decides; other edits are refused"),
    passes("diagnostics").note("tells of an answer, and makes no other"),
    refused("fallback_credit_token", &[]),
    refused("fallbacks", &["[]"]),
    refused("inference_geo", &[r#""global""#]),
    answer("max_tokens").note("must be there; what is more than the context's rest is that"),
    refused("mcp_servers", &["[]"]),
    served("messages"),
    answer("metadata").note("`user_id`: the end user, for limits that count by it"),
    served("model"),
    served("output_config").note("`format`; `effort` `medium` or `high`; other efforts and `task_budget` are refused"),
    served("output_format").note("as `output_config.format`, which goes before it"),
    refused("service_tier", &[r#""auto""#, r#""standard_only""#]).note("an operator's plans say who goes first"),
    refused("speed", &[r#""standard""#]),
    answer("stop_sequences").note("at most 16"),
    answer("stream"),
    served("system"),
    answer("temperature"),
    served("thinking").note("`enabled`, `adaptive`, `disabled`, which is the default; `budget_tokens` binds nothing"),
    refused("thread", &[]),
    served("tool_choice"),
    served("tools").note("of the type `custom`; Anthropic's own are refused by name"),
    answer("top_k"),
    answer("top_p"),
    passes("user_profile_id").note("labels, which change no answer"),
    passes("workspace_id").note("labels, which change no answer"),
];
