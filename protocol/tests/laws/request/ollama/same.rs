//! The same question, at Ollama's doors and at OpenAI's, is one.

use super::ask;
use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_protocol::request::bodies::chat::{ChatRequest, JsonSchema, Names, ResponseFormat};
use sluice_protocol::request::bodies::question::Question;
use sluice_protocol::request::door::Door;

/// A question without what only refusals and the shape of an answer read.
fn bare(question: Question) -> Question {
    let same = |request: ChatRequest| ChatRequest {
        names: Names::CHAT,
        thinking_param: "",
        stream: false,
        format: match request.format {
            ResponseFormat::JsonSchema(schema) => {
                ResponseFormat::JsonSchema(JsonSchema { name: String::new(), strict: true, ..schema })
            }
            other => other,
        },
        ..request
    };
    match question {
        Question::Chat(request) => same(*request).into(),
        Question::Text(mut request) => {
            (request.names, request.stream) = (Names::TEXT, false);
            Question::Text(request)
        }
        other => other,
    }
}

/// One message as both doors have it.
fn message() -> impl Strategy<Value = (Value, Value)> {
    let text = "[a-z \\u{e9}<|\"\\\\]{0,24}";
    let arguments = proptest::collection::btree_map("[a-z]{1,4}", any::<i32>(), 0..3);
    let said = (prop_oneof![Just("system"), Just("user")], text).prop_map(|(role, text)| {
        let message = json!({"role": role, "content": text});
        (message.clone(), message)
    });
    let answered = (text, proptest::option::of(text), proptest::collection::vec(("[a-z_]{1,6}", arguments), 0..3))
        .prop_map(|(text, thinking, calls)| {
            let (mut chat, mut ollama) = (
                json!({"role": "assistant", "content": text, "reasoning_content": thinking}),
                json!({"role": "assistant", "content": text, "thinking": thinking, "images": []}),
            );
            let numbered = || calls.iter().enumerate();
            chat["tool_calls"] = numbered()
                .map(|(at, (name, arguments))| {
                    let arguments = json!(arguments).to_string();
                    json!({"id": format!("call_{at}"), "type": "function", "function": {"name": name, "arguments": arguments}})
                })
                .collect();
            ollama["tool_calls"] = numbered()
                .map(|(at, (name, arguments))| {
                    json!({"id": format!("call_{at}"), "function": {"index": at, "name": name, "arguments": arguments}})
                })
                .collect();
            (chat, ollama)
        });
    let told = (text, "[a-z_]{1,6}").prop_map(|(text, name)| {
        (
            json!({"role": "tool", "content": text, "tool_call_id": "call_0", "name": name}),
            json!({"role": "tool", "content": text, "tool_call_id": "call_0", "tool_name": name}),
        )
    });
    prop_oneof![said, answered, told]
}

/// A member as both doors have it: what it is called at each, and its value at each.
fn option() -> impl Strategy<Value = (&'static str, Value, &'static str, Value)> {
    let same = |chat, ollama, value: Value| (chat, value.clone(), ollama, value);
    prop_oneof![
        (0u32..=20).prop_map(move |n| same("temperature", "options.temperature", json!(f64::from(n) / 10.0))),
        (1u32..=10).prop_map(move |n| same("top_p", "options.top_p", json!(f64::from(n) / 10.0))),
        (0u32..=10).prop_map(move |n| same("min_p", "options.min_p", json!(f64::from(n) / 10.0))),
        (-1i64..100).prop_map(move |n| same("top_k", "options.top_k", json!(n))),
        (1u32..=1_000).prop_map(move |n| same("max_tokens", "options.num_predict", json!(n))),
        (1u32..=100).prop_map(move |n| same(
            "repetition_penalty",
            "options.repeat_penalty",
            json!(f64::from(n) / 10.0)
        )),
        (-20i32..=20).prop_map(move |n| same(
            "presence_penalty",
            "options.presence_penalty",
            json!(f64::from(n) / 10.0)
        )),
        (-20i32..=20).prop_map(move |n| same(
            "frequency_penalty",
            "options.frequency_penalty",
            json!(f64::from(n) / 10.0)
        )),
        (0i64..1_000).prop_map(move |n| same("seed", "options.seed", json!(n))),
        proptest::collection::vec("[a-z]{1,4}", 0..4).prop_map(move |stop| same("stop", "options.stop", json!(stop))),
        any::<bool>().prop_map(move |think| same("think", "think", json!(think))),
        any::<bool>().prop_map(move |stream| same("stream", "stream", json!(stream))),
        Just(("response_format", json!({"type": "json_object"}), "format", json!("json"))),
        "[a-z]{1,6}".prop_map(|name| {
            let schema = json!({"type": "object", "properties": {name: {"type": "integer"}}});
            let wrapped = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
            ("response_format", wrapped, "format", schema)
        }),
        "[a-z]{1,6}".prop_map(move |name| {
            let tool = json!({"type": "function", "function": {"name": name, "parameters": {"type": "object"}}});
            same("tools", "tools", json!([tool]))
        }),
    ]
}

type Options = Vec<(&'static str, Value, &'static str, Value)>;

/// The bodies of both doors, each with these members of its own and the options.
fn bodies(chat: Value, ollama: Value, options: &Options) -> (Value, Value) {
    let (mut chat, mut ollama) = (chat, ollama);
    for (name, value, other, other_value) in options {
        chat[*name] = value.clone();
        match other.strip_prefix("options.") {
            Some(inner) => ollama["options"][inner] = other_value.clone(),
            None => ollama[*other] = other_value.clone(),
        }
    }
    (chat, ollama)
}

proptest! {
    #[test]
    fn the_same_question_by_two_doors_is_one(
        messages in proptest::collection::vec(message(), 1..6),
        options in proptest::collection::vec(option(), 0..6),
        latest in any::<bool>(),
    ) {
        let (chat, ollama): (Vec<Value>, Vec<Value>) = messages.into_iter().unzip();
        let model = if latest { "owner/m:latest" } else { "owner/m" };
        let (chat, ollama) = bodies(
            json!({"model": "owner/m", "messages": chat}),
            // What clients send where nobody said anything.
            json!({"model": model, "messages": ollama, "tools": [], "format": "", "keep_alive": "5m",
                   "options": {"num_ctx": 4096, "mirostat": null, "stop": []}}),
            &options,
        );
        let (chat, ollama) = (ask(Door::Chat, &chat).unwrap(), ask(Door::OllamaChat, &ollama).unwrap());
        let said = options.iter().any(|(name, ..)| *name == "stream");
        prop_assert_eq!(ollama.stream(), if said { chat.stream() } else { true });
        // What limits are about.
        prop_assert_eq!(chat.endpoint(), ollama.endpoint());
        prop_assert_eq!(chat.guess_prompt_tokens(), ollama.guess_prompt_tokens());
        prop_assert_eq!((chat.most_tokens(), chat.thinks()), (ollama.most_tokens(), ollama.thinks()));
        prop_assert_eq!(chat.model(), ollama.model());
        prop_assert_eq!(bare(chat), bare(ollama));
    }

    #[test]
    fn a_prompt_is_a_chat_or_a_text_completion(
        prompt in "[a-z <|]{1,24}",
        system in "[a-z]{0,8}",
        options in proptest::collection::vec(option(), 0..5),
    ) {
        let options: Options = options.into_iter().filter(|(name, ..)| *name != "tools").collect();
        let said = |role: &str, content: &str| json!({"role": role, "content": content});
        let system_said = (!system.is_empty()).then(|| said("system", &system));
        let messages: Vec<Value> = system_said.into_iter().chain([said("user", &prompt)]).collect();
        let generate = json!({"model": "m", "prompt": prompt, "system": system, "suffix": "", "context": [], "images": null});
        let (chat, ollama) = bodies(json!({"model": "m", "messages": messages}), generate, &options);
        let (chat, ollama) = (ask(Door::Chat, &chat).unwrap(), ask(Door::OllamaGenerate, &ollama).unwrap());
        prop_assert_eq!(bare(chat), bare(ollama));

        let options: Options =
            options.into_iter().filter(|(name, ..)| !matches!(*name, "think" | "response_format")).collect();
        let raw = json!({"model": "m", "prompt": prompt, "raw": true});
        let (text, ollama) = bodies(json!({"model": "m", "prompt": prompt}), raw, &options);
        let (text, ollama) = (ask(Door::Completions, &text).unwrap(), ask(Door::OllamaGenerate, &ollama).unwrap());
        prop_assert_eq!(text.endpoint(), ollama.endpoint());
        prop_assert_eq!(bare(text), bare(ollama));
    }

    /// Whatever comes, it is a question or a refusal that can be told.
    #[test]
    fn any_options_are_taken_or_refused_by_name(name in "[a-z_]{1,12}", value in any::<i64>()) {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "options": {&name: value}});
        if let Err(refusal) = ask(Door::OllamaChat, &body) {
            prop_assert!(refusal.message.contains(&name), "{}", refusal.message);
        }
    }
}
