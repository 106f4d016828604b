//! One conversation as a chat and as items of a response, made at random: it is one question.

use super::BOUNDS;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};
use sluice_protocol::request::bodies::chat::{ChatRequest, Names};
use sluice_protocol::request::bodies::question::Question;
use sluice_protocol::request::door::Door;
use sluice_protocol::request::read::question;

#[derive(Clone, Debug)]
pub(super) enum Turn {
    /// Of this role.
    Said(&'static str, Vec<String>),
    /// What it thought and said, and each call with what it gave.
    Assistant { thoughts: Vec<String>, texts: Vec<String>, calls: Vec<Called> },
}

#[derive(Clone, Debug)]
pub(super) struct Called {
    name: String,
    arguments: String,
    result: Vec<String>,
}

#[derive(Clone, Debug)]
struct Tool {
    name: String,
    description: Option<String>,
    schema: Option<Map<String, Value>>,
    strict: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Talk {
    instructions: Option<String>,
    pub(super) turns: Vec<Turn>,
    tools: Vec<Tool>,
    choice: (&'static str, Index),
    parallel: bool,
    effort: Option<&'static str>,
    numbers: Map<String, Value>,
    max_tokens: Option<u32>,
    top_logprobs: Option<u32>,
    schema: Option<Map<String, Value>>,
    members: Map<String, Value>,
    /// How items are written: with which members that say nothing, and in which of several forms.
    manner: Vec<bool>,
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z ]{1,12}", ".{1,6}", Just("<|im_end|>\n\"\\ 世界 \u{1F30D}".to_owned())]
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(text(), 1..3)
}

fn object() -> impl Strategy<Value = Map<String, Value>> {
    let leaf = prop_oneof![any::<bool>().prop_map(Value::from), any::<i64>().prop_map(Value::from)];
    let value = leaf.prop_recursive(2, 6, 3, |inner| prop::collection::vec(inner, 0..3).prop_map(Value::from));
    prop::collection::btree_map(text(), value, 0..3).prop_map(|members| members.into_iter().collect())
}

fn turn() -> impl Strategy<Value = Turn> {
    let arguments = prop_oneof![
        object().prop_map(|object| Value::from(object).to_string()),
        Just(String::new()),
        Just("{\"a\": ".to_owned()),
    ];
    let called = ("[a-z_]{1,8}", arguments, prop::collection::vec(text(), 0..3))
        .prop_map(|(name, arguments, result)| Called { name, arguments, result });
    let (thoughts, said) = (prop::collection::vec(text(), 0..2), prop::collection::vec(text(), 0..3));
    prop_oneof![
        3 => (select(vec!["user", "system", "developer"]), texts()).prop_map(|(role, texts)| Turn::Said(role, texts)),
        3 => (thoughts, said, prop::collection::vec(called, 0..3))
            .prop_map(|(thoughts, texts, calls)| Turn::Assistant { thoughts, texts, calls })
            // Nothing at all is no turn.
            .prop_filter("something", |turn| !matches!(
                turn,
                Turn::Assistant { thoughts, texts, calls } if thoughts.is_empty() && texts.is_empty() && calls.is_empty()
            )),
    ]
}

fn tools() -> impl Strategy<Value = Vec<Tool>> {
    let tool = ("[A-Za-z0-9_-]{1,64}", prop::option::of(text()), prop::option::of(object()), any::<bool>())
        .prop_map(|(name, description, schema, strict)| Tool { name, description, schema, strict });
    prop::collection::vec(tool, 0..4).prop_filter("one of a name", |tools| {
        tools.iter().enumerate().all(|(at, tool)| tools[..at].iter().all(|other| other.name != tool.name))
    })
}

prop_compose! {
    fn numbers()(
        temperature in prop::option::of(0.0..=2.0),
        top_p in prop::option::of(0.01..=1.0),
        top_k in prop::option::of(-1..100i64),
        seed in any::<Option<i64>>(),
        stop in prop::option::of("[a-z]{1,5}"),
    ) -> Map<String, Value> {
        let all = json!({"temperature": temperature, "top_p": top_p, "top_k": top_k, "seed": seed, "stop": stop});
        all.as_object().unwrap().clone()
    }
}

prop_compose! {
    pub(super) fn talk()(
        instructions in prop::option::of(text()),
        turns in prop::collection::vec(turn(), 1..6),
        tools in tools(),
        choice in (select(vec!["auto", "required", "function", "none"]), any::<Index>()),
        parallel in any::<bool>(),
        effort in prop::option::of(select(vec!["none", "medium", "high"])),
        numbers in numbers(),
        (max_tokens, top_logprobs) in (prop::option::of(1..1_000u32), prop::option::of(0..5u32)),
        schema in prop::option::of(object()),
        (stream, user) in (any::<bool>(), prop::option::of(text())),
        manner in prop::collection::vec(any::<bool>(), 64),
    ) -> Talk {
        // Neither has a call that must be made of no tool.
        let choice = if tools.is_empty() { ("auto", choice.1) } else { choice };
        let members = json!({"model": "m", "stream": stream, "user": user}).as_object().unwrap().clone();
        Talk {
            instructions, turns, tools, choice, parallel, effort, numbers, max_tokens, top_logprobs, schema, members, manner,
        }
    }
}

/// Decides how the next item is written.
struct Manner<'a>(std::iter::Cycle<std::slice::Iter<'a, bool>>);

impl Manner<'_> {
    fn next(&mut self) -> bool {
        *self.0.next().unwrap()
    }

    /// One text or a list of one part, which say the same.
    fn content(&mut self, kind: &str, texts: &[String]) -> Value {
        match texts {
            [one] if self.next() => json!(one),
            [] if self.next() => json!(""),
            several => several.iter().map(|text| json!({"type": kind, "text": text})).collect(),
        }
    }

    /// With what clients send along that says nothing.
    fn item(&mut self, mut item: Value) -> Value {
        if self.next() {
            item["id"] = json!("i");
            item["status"] = json!("completed");
            item["phase"] = Value::Null;
        }
        item
    }
}

impl Talk {
    fn of_chat(&self) -> String {
        let mut messages = Vec::new();
        messages.extend(self.instructions.iter().map(|text| json!({"role": "system", "content": text})));
        let mut count = 0;
        for turn in &self.turns {
            match turn {
                Turn::Said(role, texts) => messages.push(json!({"role": role, "content": texts.concat()})),
                Turn::Assistant { thoughts, texts, calls } => {
                    let first = count;
                    count += calls.len();
                    let function = |call: &Called| json!({"name": call.name, "arguments": call.arguments});
                    let called: Vec<Value> = (first..)
                        .zip(calls)
                        .map(|(id, call)| json!({"id": format!("t{id}"), "type": "function", "function": function(call)}))
                        .collect();
                    let mut message = json!({"role": "assistant", "content": texts.concat(), "tool_calls": called});
                    if !thoughts.is_empty() {
                        message["reasoning_content"] = json!(thoughts.concat());
                    }
                    messages.push(message);
                    for (id, call) in (first..).zip(calls).collect::<Vec<_>>().into_iter().rev() {
                        let content = call.result.concat();
                        messages.push(json!({"role": "tool", "tool_call_id": format!("t{id}"), "content": content}));
                    }
                }
            }
        }
        let mut body = self.numbers.clone();
        body.extend(self.members.clone());
        body.insert("messages".into(), messages.into());
        body.insert("max_tokens".into(), json!(self.max_tokens));
        body.insert("parallel_tool_calls".into(), json!(self.parallel));
        body.insert("reasoning_effort".into(), json!(self.effort));
        body.insert("logprobs".into(), json!(self.top_logprobs.is_some()));
        body.insert("top_logprobs".into(), json!(self.top_logprobs));
        body.insert(
            "tool_choice".into(),
            match self.choice {
                ("function", at) => json!({"type": "function", "function": {"name": at.get(&self.tools).name}}),
                (other, _) => json!(other),
            },
        );
        if let Some(schema) = &self.schema {
            let form = json!({"name": "output", "schema": schema, "strict": true});
            body.insert("response_format".into(), json!({"type": "json_schema", "json_schema": form}));
        }
        let tools = self.tools.iter().map(|tool| format!(r#"{{"type":"function","function":{{{}}}}}"#, tool.members()));
        with_tools(body, &tools.collect::<Vec<_>>())
    }

    pub(super) fn of_responses(&self) -> String {
        let mut manner = Manner(self.manner.iter().cycle());
        let mut items = Vec::new();
        let mut count = 0;
        for turn in &self.turns {
            match turn {
                Turn::Said(role, texts) => {
                    let mut item = json!({"role": role, "content": manner.content("input_text", texts)});
                    if manner.next() {
                        item["type"] = json!("message");
                    }
                    items.push(manner.item(item));
                }
                Turn::Assistant { thoughts, texts, calls } => {
                    let first = count;
                    count += calls.len();
                    items.extend(thoughts.iter().map(|text| {
                        let content = json!([{"type": "reasoning_text", "text": text}]);
                        json!({"type": "reasoning", "id": "rs", "summary": [], "content": content})
                    }));
                    // What another server sealed.
                    items.push(json!({"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "gAAAA"}));
                    let said = manner.content("output_text", texts);
                    if !texts.is_empty() || manner.next() && !(thoughts.is_empty() && calls.is_empty()) {
                        items.push(manner.item(json!({"type": "message", "role": "assistant", "content": said})));
                    }
                    items.extend((first..).zip(calls).map(|(id, call)| {
                        let (name, arguments) = (&call.name, &call.arguments);
                        let call_id = format!("t{id}");
                        json!({"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments})
                    }));
                    // Results come in another order than calls.
                    for (id, call) in (first..).zip(calls).collect::<Vec<_>>().into_iter().rev() {
                        let output = manner.content("input_text", &call.result);
                        let call_id = format!("t{id}");
                        let item = json!({"type": "function_call_output", "call_id": call_id, "output": output});
                        items.push(manner.item(item));
                    }
                }
            }
        }
        let mut body = self.numbers.clone();
        body.extend(self.members.clone());
        body.insert("input".into(), items.into());
        body.insert("instructions".into(), json!(self.instructions));
        body.insert("max_output_tokens".into(), json!(self.max_tokens));
        body.insert("parallel_tool_calls".into(), json!(self.parallel));
        body.insert("reasoning".into(), json!({"effort": self.effort}));
        if self.top_logprobs.is_some() {
            body.insert("include".into(), json!(["message.output_text.logprobs", "web_search_call.results"]));
            body.insert("top_logprobs".into(), json!(self.top_logprobs));
        }
        body.insert(
            "tool_choice".into(),
            match self.choice {
                ("function", at) => json!({"type": "function", "name": at.get(&self.tools).name}),
                (other, _) => json!(other),
            },
        );
        if let Some(schema) = &self.schema {
            let format = json!({"type": "json_schema", "name": "output", "schema": schema, "strict": true});
            body.insert("text".into(), json!({"format": format, "verbosity": null}));
        }
        let tools = self.tools.iter().map(|tool| format!(r#"{{"type":"function",{}}}"#, tool.members()));
        with_tools(body, &tools.collect::<Vec<_>>())
    }
}

impl Tool {
    /// A template is shown a tool as it was written, so its members stay in their order.
    fn members(&self) -> String {
        let description =
            self.description.as_ref().map_or(String::new(), |text| format!(r#","description":{}"#, json!(text)));
        let schema = self.schema.clone().map(Value::from);
        let schema = schema.map_or(String::new(), |schema| format!(r#","parameters":{schema}"#));
        let strict = if self.strict { r#","strict":true"# } else { "" };
        format!(r#""name":"{}"{description}{schema}{strict}"#, self.name)
    }
}

fn with_tools(body: Map<String, Value>, tools: &[String]) -> String {
    let text = Value::from(body).to_string();
    format!(r#"{},"tools":[{}]}}"#, text.strip_suffix('}').unwrap(), tools.join(","))
}

fn asked(door: Door, body: &str) -> ChatRequest {
    match question(door, body.as_bytes(), BOUNDS) {
        Ok(Question::Chat(request)) => *request,
        other => panic!("{other:?}: {body}"),
    }
}

/// Whether two answers follow each other, neither with calls: as items they are told apart only where both say something.
pub(super) fn blurred(turns: &[Turn]) -> bool {
    turns.windows(2).any(|pair| match pair {
        [Turn::Assistant { texts, calls, .. }, Turn::Assistant { thoughts: next_thoughts, texts: next_texts, .. }] => {
            calls.is_empty() && (texts.is_empty() || (next_thoughts.is_empty() && next_texts.is_empty()))
        }
        _ => false,
    })
}

proptest! {
    /// But for what the doors call what they take, which refusals tell.
    #[test]
    fn the_same_conversation_is_the_same_question(talk in talk()) {
        prop_assume!(!blurred(&talk.turns));
        let chat = asked(Door::Chat, &talk.of_chat());
        let found = asked(Door::Responses, &talk.of_responses());
        let said = if talk.effort.is_some() { "reasoning" } else { "" };
        prop_assert_eq!((found.names, found.thinking_param), (Names::RESPONSES, said));
        prop_assert_eq!(&ChatRequest { names: chat.names, thinking_param: chat.thinking_param, ..found.clone() }, &chat);
        prop_assert_eq!((found.guess_prompt_tokens(), found.most_tokens()), (chat.guess_prompt_tokens(), chat.most_tokens()));
        prop_assert_eq!(found.thinks(), chat.thinks());
    }
}
