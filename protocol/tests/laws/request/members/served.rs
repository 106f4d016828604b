//! What is served, by door: with each such member a request is another one than without it.

use super::{body, each, fate, least, parse};
use sluice_protocol::request::bodies::question::Question;
use sluice_protocol::request::door::Door;
use sluice_protocol::request::member::{Fate, Table};

/// For each member that is served, values that make another request than its absence.
const SERVED_BY_OPENAI: [(&str, &str, &str); 32] = [
    ("chat_template_kwargs", r#"{"enable_thinking":false}"#, ""),
    ("echo", "", "true"),
    ("enable_thinking", "true", ""),
    ("frequency_penalty", "1", "1"),
    ("logit_bias", r#"{"5":5}"#, r#"{"5":5}"#),
    ("logprobs", "true", "0"),
    ("max_completion_tokens", "5", "5"),
    ("max_tokens", "5", "5"),
    ("messages", r#"[{"role":"user","content":"ho"}]"#, ""),
    ("min_p", "0.5", "0.5"),
    ("model", r#""other""#, r#""other""#),
    ("n", "2", "2"),
    ("parallel_tool_calls", "false", ""),
    ("presence_penalty", "1", "1"),
    ("prompt", "", "[[1],[2]]"),
    ("reasoning", r#"{"effort":"none"}"#, ""),
    ("reasoning_effort", r#""none""#, ""),
    ("repetition_penalty", "2", "2"),
    ("response_format", r#"{"type":"json_object"}"#, ""),
    ("safety_identifier", r#""s""#, r#""s""#),
    ("seed", "0", "0"),
    ("stop", r#""x""#, r#"["x"]"#),
    ("stream", "true", "true"),
    ("stream_options", r#"{"include_usage":true}"#, r#"{"include_usage":true}"#),
    ("temperature", "0", "0"),
    ("think", "false", ""),
    ("tools", r#"[{"type":"function","function":{"name":"f"}}]"#, ""),
    ("top_k", "1", "1"),
    ("top_p", "0.5", "0.5"),
    ("user", r#""u""#, r#""u""#),
    // Which alone ask for nothing.
    ("tool_choice", "-", ""),
    ("top_logprobs", "-", ""),
];

/// The same at Ollama's doors: chats and answers to one prompt.
const SERVED_BY_OLLAMA: [(&str, &str, &str); 23] = [
    ("format", r#""json""#, r#"{"type":"object"}"#),
    ("logprobs", "true", "true"),
    ("max_output_tokens", "5", "5"),
    ("messages", r#"[{"role":"user","content":"ho"}]"#, ""),
    ("model", r#""other""#, r#""other""#),
    ("options", r#"{"seed":5}"#, r#"{"seed":5}"#),
    ("options.frequency_penalty", "1", "1"),
    ("options.min_p", "0.5", "0.5"),
    ("options.num_predict", "5", "5"),
    ("options.presence_penalty", "1", "1"),
    ("options.repeat_penalty", "2", "2"),
    ("options.seed", "0", "0"),
    ("options.stop", r#""x""#, r#"["x"]"#),
    ("options.temperature", "0", "0"),
    ("options.top_k", "1", "1"),
    ("options.top_p", "0.5", "0.5"),
    ("prompt", "", r#""ho""#),
    ("raw", "", "true"),
    ("stream", "false", "false"),
    ("system", "", r#""be""#),
    ("think", "false", "true"),
    ("tools", r#"[{"type":"function","function":{"name":"f"}}]"#, ""),
    // Which alone asks for nothing.
    ("top_logprobs", "-", "-"),
];

/// The same at Anthropic's doors: answers, and counts of their prompts.
const SERVED_BY_ANTHROPIC: [(&str, &str, &str); 16] = [
    ("max_tokens", "5", ""),
    ("messages", r#"[{"role":"user","content":"ho"}]"#, r#"[{"role":"user","content":"ho"}]"#),
    ("metadata", r#"{"user_id":"u"}"#, ""),
    ("model", r#""other""#, r#""other""#),
    (
        "output_config",
        r#"{"format":{"type":"json_schema","schema":{}}}"#,
        r#"{"format":{"type":"json_schema","schema":{}}}"#,
    ),
    ("output_format", r#"{"type":"json_schema","schema":{}}"#, r#"{"type":"json_schema","schema":{}}"#),
    ("stop_sequences", r#"["x"]"#, ""),
    ("stream", "true", ""),
    ("system", r#""be""#, r#"[{"type":"text","text":"be"}]"#),
    ("temperature", "0", ""),
    ("thinking", r#"{"type":"enabled","budget_tokens":1024}"#, r#"{"type":"adaptive"}"#),
    ("tools", r#"[{"name":"f","input_schema":{}}]"#, r#"[{"name":"f","input_schema":{}}]"#),
    ("top_k", "1", ""),
    ("top_p", "0.5", ""),
    // Which alone ask for nothing.
    ("context_management", "-", "-"),
    ("tool_choice", "-", "-"),
];

/// The same at the door of OpenAI's responses.
const SERVED_BY_RESPONSES: [(&str, &str, &str); 28] = [
    ("frequency_penalty", "1", ""),
    ("include", r#"["message.output_text.logprobs"]"#, ""),
    ("input", r#"[{"role":"user","content":"ho"}]"#, ""),
    ("instructions", r#""be""#, ""),
    ("logit_bias", r#"{"5":5}"#, ""),
    ("max_output_tokens", "5", ""),
    ("min_p", "0.5", ""),
    ("model", r#""other""#, ""),
    ("parallel_tool_calls", "false", ""),
    ("presence_penalty", "1", ""),
    ("reasoning", r#"{"effort":"none"}"#, ""),
    ("repetition_penalty", "2", ""),
    ("safety_identifier", r#""s""#, ""),
    ("seed", "0", ""),
    ("stop", r#""x""#, ""),
    ("stream", "true", ""),
    ("temperature", "0", ""),
    ("text", r#"{"format":{"type":"json_object"}}"#, ""),
    ("tools", r#"[{"type":"function","name":"f"}]"#, ""),
    ("top_k", "1", ""),
    ("top_logprobs", "5", ""),
    ("top_p", "0.5", ""),
    ("user", r#""u""#, ""),
    // Which alone ask for nothing, or change only what is told.
    ("metadata", "-", ""),
    ("previous_response_id", "-", ""),
    ("store", "-", ""),
    ("stream_options", "-", ""),
    ("tool_choice", "-", ""),
];

/// The same where vectors are made: at OpenAI's door.
const SERVED_BY_EMBEDDINGS: [(&str, &str, &str); 5] = [
    ("dimensions", "5", ""),
    ("encoding_format", r#""base64""#, ""),
    ("input", r#"[[1],[2]]"#, ""),
    ("model", r#""other""#, ""),
    ("user", r#""u""#, ""),
];

/// And at Ollama's.
const SERVED_BY_EMBED: [(&str, &str, &str); 5] = [
    ("dimensions", "5", ""),
    ("input", r#"["ho"]"#, ""),
    ("model", r#""other""#, r#""other""#),
    ("prompt", "", r#""ho""#),
    ("truncate", "false", ""),
];

/// And where documents are put in order.
const SERVED_BY_RERANK: [(&str, &str, &str); 7] = [
    ("documents", r#"[{"text":"he"}]"#, ""),
    ("instruction", r#""i""#, ""),
    ("model", r#""other""#, ""),
    ("query", r#""other""#, ""),
    ("return_documents", "true", ""),
    ("top_n", "1", ""),
    ("user", r#""u""#, ""),
];

/// And where pictures are drawn.
const SERVED_BY_IMAGES: [(&str, &str, &str); 13] = [
    ("model", r#""other""#, ""),
    ("n", "10", ""),
    ("num_inference_steps", "8", ""),
    ("output_format", r#""webp""#, ""),
    ("prompt", r#""ho""#, ""),
    ("safety_identifier", r#""s""#, ""),
    ("seed", "0", ""),
    ("size", r#""512x1536""#, ""),
    ("stream", "true", ""),
    ("user", r#""u""#, ""),
    ("with_prompt", "true", ""),
    // Which alone ask for nothing.
    ("output_compression", "-", ""),
    ("partial_images", "-", ""),
];

/// The same between text and tokens.
const SERVED_BY_TOKENS: [(&str, &str, &str); 14] = [
    ("add_special_tokens", "false", ""),
    ("model", r#""other""#, r#""other""#),
    ("prompt", r#""ho""#, ""),
    ("return_token_strs", "true", ""),
    ("tokens", "", "[2]"),
    // Which go with messages.
    ("add_generation_prompt", "-", ""),
    ("chat_template_kwargs", "-", ""),
    ("enable_thinking", "-", ""),
    ("messages", "-", ""),
    ("reasoning", "-", ""),
    ("reasoning_effort", "-", ""),
    ("think", "-", ""),
    ("tool_choice", "-", ""),
    ("tools", "-", ""),
];

#[test]
fn what_is_served_makes_another_request() {
    for (member, door) in each() {
        let rows = match door {
            Door::Chat | Door::Completions => &SERVED_BY_OPENAI[..],
            Door::OllamaChat | Door::OllamaGenerate => &SERVED_BY_OLLAMA[..],
            Door::Messages | Door::CountTokens => &SERVED_BY_ANTHROPIC[..],
            Door::Responses => &SERVED_BY_RESPONSES[..],
            Door::Embeddings => &SERVED_BY_EMBEDDINGS[..],
            Door::OllamaEmbed | Door::OllamaEmbeddings => &SERVED_BY_EMBED[..],
            Door::Rerank => &SERVED_BY_RERANK[..],
            Door::Images => &SERVED_BY_IMAGES[..],
            Door::Tokenize | Door::Detokenize => &SERVED_BY_TOKENS[..],
        };
        let row = rows.iter().find(|(name, ..)| *name == member.name);
        let is_first = Table::of(door).doors[0] == door;
        let value = row.map_or("", |(_, first, second)| if is_first { first } else { second });
        assert_eq!(fate(member, door) == Fate::Served, !value.is_empty(), "{} at {door:?}", member.name);
        if !value.is_empty() && value != "-" {
            assert_ne!(parse(door, &body(door, member.name, value)).unwrap(), least(door), "{}: {value}", member.name);
        }
    }
    let tools = r#""tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required","logprobs":true,"top_logprobs":5"#;
    let full = body(Door::Chat, "unheard_of", &format!("1,{tools}"));
    let Question::Chat(request) = parse(Door::Chat, &full).unwrap() else { unreachable!() };
    assert_eq!((request.tools.len(), request.logprobs), (1, Some(5)));
}
