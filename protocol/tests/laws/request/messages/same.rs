//! One conversation as two protocols write it, made at random: it is one question.

use super::BOUNDS;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use sluice_protocol::request::bodies::chat::{ChatRequest, Names};
use sluice_protocol::request::bodies::question::Question;
use sluice_protocol::request::door::Door;
use sluice_protocol::request::read::question;

#[derive(Clone, Debug)]
enum Turn {
    User(Vec<String>),
    /// What it thought and said, and each call with what it gave; and what the user says behind the results, if anything.
    Assistant {
        thoughts: Vec<String>,
        texts: Vec<String>,
        calls: Vec<Called>,
        more: Option<Vec<String>>,
    },
    System(Vec<String>),
}

#[derive(Clone, Debug)]
struct Called {
    name: String,
    input: Map<String, Value>,
    result: Vec<String>,
    failed: bool,
}

#[derive(Clone, Debug)]
struct Tool {
    name: String,
    description: Option<String>,
    schema: Map<String, Value>,
    strict: bool,
}

#[derive(Clone, Debug)]
struct Talk {
    system: Vec<String>,
    turns: Vec<Turn>,
    tools: Vec<Tool>,
    /// Which tool has to be called: one of these, any, as it likes, or none at all.
    choice: (&'static str, prop::sample::Index),
    parallel: bool,
    thinks: Option<bool>,
    stop: Vec<String>,
    numbers: Map<String, Value>,
    schema: Option<Map<String, Value>>,
    user: Option<String>,
    stream: bool,
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z ]{1,12}", ".{1,6}", Just("<|im_end|>\n\"\\ 世界 \u{1F30D}".to_owned())]
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(text(), 1..3)
}

fn object() -> impl Strategy<Value = Map<String, Value>> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from)
    ];
    let value = leaf.prop_recursive(2, 6, 3, |inner| prop::collection::vec(inner, 0..3).prop_map(Value::from));
    prop::collection::btree_map(text(), value, 0..3).prop_map(|members| members.into_iter().collect())
}

fn called() -> impl Strategy<Value = Called> {
    let result = prop::collection::vec(text(), 0..3);
    ("[a-z_]{1,8}", object(), result, any::<bool>()).prop_map(|(name, input, result, failed)| Called {
        name,
        input,
        result,
        failed,
    })
}

fn turn() -> impl Strategy<Value = Turn> {
    let thoughts = prop::collection::vec(text(), 0..2);
    let said = prop::collection::vec(text(), 0..3);
    let calls = prop::collection::vec(called(), 0..3);
    prop_oneof![
        3 => texts().prop_map(Turn::User),
        3 => (thoughts, said, calls, prop::option::of(texts()))
            .prop_map(|(thoughts, texts, calls, more)| Turn::Assistant { thoughts, texts, calls, more }),
        1 => texts().prop_map(Turn::System),
    ]
}

fn tools() -> impl Strategy<Value = Vec<Tool>> {
    let tool = ("[A-Za-z0-9_-]{1,64}", prop::option::of(text()), object(), any::<bool>())
        .prop_map(|(name, description, schema, strict)| Tool { name, description, schema, strict });
    prop::collection::vec(tool, 0..4).prop_filter("one of a name", |tools| {
        tools.iter().enumerate().all(|(at, tool)| tools[..at].iter().all(|other| other.name != tool.name))
    })
}

prop_compose! {
    fn numbers()(
        max_tokens in 1..1_000u32,
        temperature in prop::option::of(0.0..=2.0),
        top_p in prop::option::of(0.01..=1.0),
        top_k in prop::option::of(-1..100i64),
    ) -> Map<String, Value> {
        let all = json!({"max_tokens": max_tokens, "temperature": temperature, "top_p": top_p, "top_k": top_k});
        all.as_object().unwrap().clone()
    }
}

prop_compose! {
    fn talk()(
        system in prop::collection::vec(text(), 0..3),
        turns in prop::collection::vec(turn(), 0..6),
        last in texts(),
        tools in tools(),
        choice in (select(vec!["auto", "any", "tool", "none"]), any::<prop::sample::Index>()),
        (parallel, stream) in any::<(bool, bool)>(),
        thinks in any::<Option<bool>>(),
        stop in prop::collection::vec("[a-z]{1,5}", 0..=4),
        numbers in numbers(),
        (schema, user) in (prop::option::of(object()), prop::option::of(text())),
    ) -> Talk {
        let turns = turns.into_iter().chain([Turn::User(last)]).collect();
        // Neither has a call that must be made of no tool.
        let choice = if tools.is_empty() { ("auto", choice.1) } else { choice };
        Talk { system, turns, tools, choice, parallel, thinks, stop, numbers, schema, user, stream }
    }
}

fn parts(texts: &[String]) -> Value {
    texts.iter().map(|text| json!({"type": "text", "text": text})).collect()
}

/// One text or a list of one part, which say the same.
fn content(texts: &[String]) -> Value {
    match texts {
        [one] => json!(one),
        several => parts(several),
    }
}

impl Talk {
    fn of_chat(&self) -> String {
        let mut messages = Vec::new();
        let mut say = |role: &str, texts: &[String]| messages.push(json!({"role": role, "content": content(texts)}));
        if !self.system.is_empty() {
            say("system", &self.system);
        }
        let mut count = 0;
        for turn in &self.turns {
            match turn {
                Turn::User(texts) => messages.push(json!({"role": "user", "content": content(texts)})),
                Turn::System(texts) => messages.push(json!({"role": "system", "content": content(texts)})),
                Turn::Assistant { thoughts, texts, calls, more } => {
                    let first = count;
                    count += calls.len();
                    let called: Vec<Value> = (first..)
                        .zip(calls)
                        .map(|(id, call)| {
                            let function =
                                json!({"name": call.name, "arguments": Value::from(call.input.clone()).to_string()});
                            json!({"id": format!("t{id}"), "type": "function", "function": function})
                        })
                        .collect();
                    let mut message = json!({"role": "assistant", "content": texts.concat(), "tool_calls": called});
                    if !thoughts.is_empty() {
                        message["reasoning_content"] = json!(thoughts.concat());
                    }
                    messages.push(message);
                    // Results come in another order than calls.
                    for (id, call) in (first..).zip(calls).collect::<Vec<_>>().into_iter().rev() {
                        let failed = if call.failed { "Error: " } else { "" };
                        let content = format!("{failed}{}", call.result.concat());
                        messages.push(json!({"role": "tool", "tool_call_id": format!("t{id}"), "content": content}));
                    }
                    let more = more.iter().filter(|_| !calls.is_empty());
                    messages.extend(more.map(|texts| json!({"role": "user", "content": content(texts)})));
                }
            }
        }
        let tools: Vec<String> = self.tools.iter().map(Tool::of_chat).collect();
        let mut body = self.numbers.clone();
        body.extend(
            json!({"model": "m", "messages": messages, "stream": self.stream, "user": self.user})
                .as_object()
                .unwrap()
                .clone(),
        );
        body.insert("stop".into(), json!(self.stop));
        body.insert("parallel_tool_calls".into(), json!(self.parallel));
        body.insert("enable_thinking".into(), json!(self.thinks.unwrap_or(false)));
        body.insert(
            "tool_choice".into(),
            match self.choice {
                ("any", _) => json!("required"),
                ("tool", at) => json!({"type": "function", "function": {"name": at.get(&self.tools).name}}),
                (other, _) => json!(other),
            },
        );
        if let Some(schema) = &self.schema {
            let form = json!({"name": "output", "schema": schema, "strict": true});
            body.insert("response_format".into(), json!({"type": "json_schema", "json_schema": form}));
        }
        with_tools(body, &tools)
    }

    fn of_messages(&self) -> String {
        let mut messages = Vec::new();
        let mut count = 0;
        for turn in &self.turns {
            match turn {
                Turn::User(texts) => messages.push(json!({"role": "user", "content": content(texts)})),
                Turn::System(texts) => messages.push(json!({"role": "system", "content": content(texts)})),
                Turn::Assistant { thoughts, texts, calls, more } => {
                    let first = count;
                    count += calls.len();
                    let mut blocks: Vec<Value> = thoughts
                        .iter()
                        .map(|text| json!({"type": "thinking", "thinking": text, "signature": "s"}))
                        .collect();
                    blocks.push(json!({"type": "redacted_thinking", "data": "d"}));
                    blocks.extend(parts(texts).as_array().unwrap().clone());
                    blocks.extend((first..).zip(calls).map(|(id, call)| {
                        json!({"type": "tool_use", "id": format!("t{id}"), "name": call.name, "input": call.input})
                    }));
                    messages.push(json!({"role": "assistant", "content": blocks}));
                    let mut results: Vec<Value> = (first..).zip(calls).map(|(id, call)| {
                        let mut result = json!({"type": "tool_result", "tool_use_id": format!("t{id}"), "is_error": call.failed});
                        if !call.result.is_empty() {
                            result["content"] = content(&call.result);
                        }
                        result
                    }).collect();
                    results.reverse();
                    if !calls.is_empty() {
                        results.extend(more.iter().flat_map(|texts| parts(texts).as_array().unwrap().clone()));
                        messages.push(json!({"role": "user", "content": results}));
                    }
                }
            }
        }
        let tools: Vec<String> = self.tools.iter().map(Tool::of_messages).collect();
        let mut body = self.numbers.clone();
        body.extend(json!({"model": "m", "messages": messages, "stream": self.stream}).as_object().unwrap().clone());
        body.insert("metadata".into(), json!({"user_id": self.user}));
        body.insert("stop_sequences".into(), json!(self.stop));
        let mut choice = json!({"type": self.choice.0, "disable_parallel_tool_use": !self.parallel});
        if self.choice.0 == "tool" {
            choice["name"] = json!(self.choice.1.get(&self.tools).name);
        }
        body.insert("tool_choice".into(), choice);
        if !self.system.is_empty() {
            body.insert("system".into(), content(&self.system));
        }
        if let Some(thinks) = self.thinks {
            let kind = if thinks { "enabled" } else { "disabled" };
            body.insert("thinking".into(), json!({"type": kind, "budget_tokens": 1024}));
        }
        if let Some(schema) = &self.schema {
            body.insert("output_config".into(), json!({"format": {"type": "json_schema", "schema": schema}}));
        }
        with_tools(body, &tools)
    }
}

impl Tool {
    fn of_chat(&self) -> String {
        let strict = if self.strict { r#","strict":true"# } else { "" };
        let Self { name, schema, .. } = self;
        let (description, schema) = (self.described(), Value::from(schema.clone()));
        format!(r#"{{"type":"function","function":{{"name":"{name}",{description}"parameters":{schema}{strict}}}}}"#)
    }

    fn of_messages(&self) -> String {
        let Self { name, schema, strict, .. } = self;
        let (description, schema) = (self.described(), Value::from(schema.clone()));
        format!(r#"{{"strict":{strict},"input_schema":{schema},{description}"name":"{name}"}}"#)
    }

    fn described(&self) -> String {
        self.description.as_ref().map_or(String::new(), |text| format!(r#""description":{},"#, json!(text)))
    }
}

/// A template is shown a tool as it was written, so its members stay in their order.
fn with_tools(body: Map<String, Value>, tools: &[String]) -> String {
    let text = Value::from(body).to_string();
    format!(r#"{},"tools":[{}]}}"#, text.strip_suffix('}').unwrap(), tools.join(","))
}

fn asked(door: Door, body: &str) -> ChatRequest {
    match question(door, body.as_bytes(), BOUNDS) {
        Ok(Question::Chat(request) | Question::Count(request)) => *request,
        other => panic!("{other:?}: {body}"),
    }
}

proptest! {
    /// But for what the doors call what they take, which refusals tell.
    #[test]
    fn the_same_conversation_is_the_same_question(talk in talk()) {
        let chat = asked(Door::Chat, &talk.of_chat());
        let found = asked(Door::Messages, &talk.of_messages());
        let said = if talk.thinks.is_some() { "thinking" } else { "" };
        prop_assert_eq!((found.names, found.thinking_param), (Names::MESSAGES, said));
        prop_assert_eq!(&ChatRequest { names: chat.names, thinking_param: chat.thinking_param, ..found.clone() }, &chat);
        prop_assert_eq!((found.guess_prompt_tokens(), found.most_tokens()), (chat.guess_prompt_tokens(), chat.most_tokens()));
        // A count is of what the answer's prompt is made of.
        let counted = asked(Door::CountTokens, &talk.of_messages());
        prop_assert_eq!(
            (counted.messages, counted.tools, counted.tool_choice, counted.format, counted.enable_thinking),
            (found.messages, found.tools, found.tool_choice, found.format, found.enable_thinking)
        );
    }
}
