//! `tool_choice`, `parallel_tool_calls` and `function.strict`, with a model that wants something else; whole and streamed.

use crate::generate::sections::{Read, ask, changed};
use crate::harness::{BOUND, Harness, chat_with, parts};
use serde_json::{Value, json};
use sluice_origin::config::Config;
use sluice_origin::models::endless;
use sluice_origin::models::scripted::{Say, Script};

/// `f` takes an integer; `g` takes nothing.
fn asking(members: &Value) -> Value {
    let parameters = json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"],
        "additionalProperties": false});
    let tools = json!([
        {"type": "function", "function": {"name": "f", "parameters": parameters, "strict": true}},
        {"type": "function", "function": {"name": "g"}},
    ]);
    let mut asked = json!({"tools": tools, "temperature": 0, "enable_thinking": false});
    asked.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    asked
}

fn calls(read: &Read) -> Vec<(&str, &str)> {
    read.calls.iter().map(|(name, arguments)| (name.as_str(), arguments.as_str())).collect()
}

/// The marks of a call as tokens, and what is between them: there the model would rather end.
fn call(body: &str) -> Vec<Vec<(u32, f32)>> {
    let [open, close] = [vec![(OPEN, 90.0)], vec![(endless::IM_END, 100.0), (CLOSE, 90.0)]];
    let bytes = body.bytes().map(|byte| vec![(endless::IM_END, 100.0), (byte.into(), 90.0)]);
    [open].into_iter().chain(bytes).chain([close]).collect()
}

const OPEN: u32 = 270;
const CLOSE: u32 = 271;
const F: &str = r#"{"name": "f", "arguments": {"a": 5}}"#;
const G: &str = r#"{"name": "g", "arguments": {}}"#;

#[tokio::test]
async fn who_must_call_calls() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let named = json!({"type": "function", "function": {"name": "g"}});
    let twice = [call(F), call(G)].concat();
    let f = ("f", r#"{"a": 5}"#);
    for (say, members, expected) in [
        (Say::logits(call(F)), json!({"tool_choice": "required"}), vec![f]),
        (Say::logits(twice.clone()), json!({"tool_choice": "required"}), vec![f, ("g", "{}")]),
        (Say::logits(twice.clone()), json!({"tool_choice": "required", "parallel_tool_calls": false}), vec![f]),
        (Say::logits(twice), json!({"tool_choice": named}), vec![("g", "{}")]),
        // What cannot come is passed over, and what must come comes: here every byte of it.
        (Say::text("No, I will not."), json!({"tool_choice": named}), vec![("g", "{}")]),
        (
            Say::logits(call(r#"{"name": "g", "arguments": {"a": 5}}"#)),
            json!({"tool_choice": named}),
            vec![("g", "{}")],
        ),
    ] {
        let mut read = ask(&harness, &say, &asking(&members)).await;
        // What is not wanted may come with blanks that nobody asked for.
        read.calls.iter_mut().filter(|(name, _)| name == "g").for_each(|(_, text)| text.retain(|c| !c.is_whitespace()));
        assert_eq!((calls(&read), read.content.as_str(), read.end.as_str()), (expected, "", "tool_calls"), "{members}");
    }
    // The model's own way to write it: newlines around calls and inside of them are no content.
    let lines = |body: &str| [vec![vec![(10, 90.0)]], call(&format!("\n{body}\n"))].concat();
    let read =
        ask(&harness, &Say::logits([lines(F), lines(G)].concat()), &asking(&json!({"tool_choice": "required"}))).await;
    assert_eq!((calls(&read), read.content.as_str()), (vec![f, ("g", "{}")], ""));
    harness.until_places(1, 0).await;
}

#[tokio::test]
async fn a_call_that_must_be_made_may_be_cut_off_and_comes_with_every_answer() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let cut = asking(&json!({"tool_choice": "required", "max_tokens": 6}));
    let read = ask(&harness, &Say::logits(call(F)), &cut).await;
    assert_eq!((calls(&read), read.content.as_str(), read.end.as_str()), (vec![], "", "length"));
    for say in [call(F), call(G)] {
        harness.script.say(Say::logits(say));
    }
    let body = chat_with("hi", &asking(&json!({"tool_choice": "required", "n": 2})));
    let (_, completion) = parts(harness.post(&body).send().await.unwrap()).await;
    let names: Vec<&Value> = completion["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|choice| {
            assert_eq!(choice["finish_reason"], "tool_calls");
            &choice["message"]["tool_calls"][0]["function"]["name"]
        })
        .collect();
    assert_eq!(names, ["f", "g"]);
}

/// It thinks first, and calls then.
#[tokio::test]
async fn thoughts_come_before_a_call_that_must_be_made() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let [think, thought] = [280, 281].map(|token| vec![vec![(token, 100.0)]]);
    let newlines = vec![vec![(10, 90.0)]; 2];
    let said = [think, vec![vec![(65, 100.0)]], thought, newlines, call(F)].concat();
    let mut asked = asking(&json!({"tool_choice": "required"}));
    asked.as_object_mut().unwrap().remove("enable_thinking");
    let read = ask(&harness, &Say::logits(said), &asked).await;
    assert_eq!(
        (read.reasoning.as_deref(), calls(&read), read.content.as_str()),
        (Some("A"), vec![("f", r#"{"a": 5}"#)], "")
    );
}

/// Where nothing must be called, what is called follows its schema all the same: the mark opens a call and nothing else, and is
/// not spelt out to open none.
#[tokio::test]
async fn strict_tools_are_held_to_their_schemas_where_they_may_be_called() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let read = ask(&harness, &Say::text("No <tool> is\nneeded."), &asking(&json!({}))).await;
    assert_eq!((calls(&read), read.content.as_str(), read.end.as_str()), (vec![], "No <tool> is\nneeded.", "stop"));
    let said = [vec![vec![(u32::from(b'I'), 90.0)]], call(r#"{"name": "f", "arguments": {"a": 5, "b": 6}}"#)].concat();
    let read = ask(&harness, &Say::logits(said), &asking(&json!({"max_tokens": 60}))).await;
    assert_eq!(read.content, "I");
    let [(name, arguments)] = calls(&read)[..] else { panic!("{read:?}") };
    let arguments: Value = serde_json::from_str(arguments).unwrap();
    assert!(name == "f" && arguments["a"].is_i64() && arguments.as_object().unwrap().len() == 1, "{arguments}");
    let read = ask(&harness, &Say::text("<tool_call>{}</tool_call>"), &asking(&json!({"max_tokens": 30}))).await;
    assert!(!read.content.contains("<tool_call>") && read.content.starts_with("<tool_call"), "{read:?}");
}

/// Once a call is open, a tool that was offered is called, whatever name the model would write; what is around calls is free, and
/// thoughts open none.
#[tokio::test]
async fn a_free_call_is_of_a_tool_that_was_offered() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let tools = json!([
        {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {"a": {"type": "null"}}}}},
        {"type": "function", "function": {"name": "get_weather_now"}},
    ]);
    let asked = |members: &Value| {
        let mut asked = json!({"tools": tools, "temperature": 0, "enable_thinking": false, "max_tokens": 200});
        asked.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        asked
    };
    let said = |text: &str| text.bytes().map(|byte| vec![(byte.into(), 90.0)]).collect::<Vec<_>>();
    let none = json!({});
    // A name that was offered comes as it is, with whatever object; so does text, on both sides, and another call.
    let time = call(r#"{"name": "get_time", "arguments": {"b": [1, {"c": "</tool_call>"}]}}"#);
    let weather = call("\n{\"name\": \"get_weather_now\", \"arguments\": {}}\n");
    let both = [said("One "), time, said(" two "), weather, said(" three")].concat();
    let read = ask(&harness, &Say::logits(both.clone()), &asked(&none)).await;
    let expected = vec![("get_time", r#"{"b": [1, {"c": "</tool_call>"}]}"#), ("get_weather_now", "{}")];
    assert_eq!((calls(&read), read.content.as_str()), (expected.clone(), "One  two  three"));
    let one = json!({"parallel_tool_calls": false});
    let read = ask(&harness, &Say::logits(both), &asked(&one)).await;
    assert_eq!((calls(&read), read.content.as_str()), (expected[..1].to_vec(), "One "));
    // One that was not offered becomes one that was, from its first letter on that fits none.
    for (body, expected) in [
        (r#"{"name": "get_tide", "arguments": {"city": "Paris"}}"#, ("get_time", r#"{"city": "Paris"}"#)),
        (r#"{"name":"set_mime","arguments":{}}"#, ("get_time", "{}")),
        (r#"{"name": "get_weather_now"}"#, ("get_weather_now", "{}")),
    ] {
        let read = ask(&harness, &Say::logits([said("So: "), call(body)].concat()), &asked(&none)).await;
        assert_eq!((calls(&read), read.content.as_str(), read.end.as_str()), (vec![expected], "So: ", "tool_calls"));
    }
    // What would be no call begins one.
    for body in ["Never mind.", r#"{"arguments": {}, "name": "get_time"}"#, r#"["get_time"]"#] {
        let read = ask(&harness, &Say::logits(call(body)), &asked(&none)).await;
        assert!(read.content.is_empty() && (read.end == "length" || calls(&read).len() == 1), "{body}: {read:?}");
    }
    // In thoughts the mark is a thought.
    let mark = |token| vec![vec![(token, 100.0)]];
    let thinks = [mark(280), mark(OPEN), said("hm"), mark(281), said("Done.")].concat();
    let read = ask(&harness, &Say::logits(thinks), &asked(&json!({"enable_thinking": true}))).await;
    assert_eq!((calls(&read), read.content.as_str()), (vec![], "Done."));
    assert!(read.reasoning.as_deref().is_some_and(|thoughts| thoughts.contains("hm")), "{read:?}");
    // Without tools it is text.
    let hm = Say::logits([mark(OPEN), said("hm")].concat());
    let read = ask(&harness, &hm, &json!({"temperature": 0, "enable_thinking": false})).await;
    assert_eq!((calls(&read), read.content.as_str()), (vec![], "<tool_call>hm"));
    harness.until_places(1, 0).await;
}

/// A model that has no tokens for the marks spells them, and is held to the same.
#[tokio::test]
async fn marks_that_are_no_tokens_are_spelt() {
    let harness = changed(|path| {
        let file = path.join("tokenizer.json");
        let tokenizer = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, tokenizer.replace("tool_call>", "toolcall>")).unwrap();
    })
    .await;
    let spelt = |body: &str| format!("<tool_call>{body}</tool_call>");
    let f = ("f", r#"{"a": 5}"#);
    for (members, say, content, expected) in [
        (json!({"tool_choice": "required"}), Say::text(&(spelt(F) + "\n" + &spelt(G))), "", vec![f, ("g", "{}")]),
        (json!({"tool_choice": "required"}), Say::text("Never."), "", vec![]),
        (json!({}), Say::text("Well <tool> <b>"), "Well <tool> <b>", vec![]),
        (json!({}), Say::text(&format!("Well{}", spelt(F))), "Well", vec![f]),
        (json!({}), Say::text(&format!("a{}b{}c", spelt(F), spelt(G))), "abc", vec![f, ("g", "{}")]),
        (json!({"parallel_tool_calls": false}), Say::text(&format!("Well{}", spelt(F))), "Well", vec![f]),
    ] {
        let read = ask(&harness, &say, &asking(&members)).await;
        if expected.is_empty() && content.is_empty() {
            assert!(!read.calls.is_empty() || read.end == "length", "{read:?}");
            continue;
        }
        assert_eq!((read.content.as_str(), calls(&read)), (content, expected), "{members}");
    }
}

#[tokio::test]
async fn a_form_or_calls_and_never_both() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let form = json!({"response_format": {"type": "json_object"}});
    let read = ask(&harness, &Say::text(r#"{"b": "<tool_call>"}"#), &asking(&form)).await;
    assert_eq!((calls(&read), read.content.as_str(), read.end.as_str()), (vec![], r#"{"b": "<tool_call>"}"#, "stop"));
    let read = ask(&harness, &Say::logits(call(F)), &asking(&form)).await;
    assert_eq!(
        (calls(&read), read.content.as_str(), read.end.as_str()),
        (vec![("f", r#"{"a": 5}"#)], "", "tool_calls")
    );
    // Where no tool may be called there is the form alone.
    let mut none = asking(&form);
    none["tool_choice"] = "none".into();
    let read = ask(&harness, &Say::logits([call("{}"), vec![vec![(u32::from(b'}'), 90.0)]]].concat()), &none).await;
    assert!(read.calls.is_empty() && read.content.trim_start().starts_with('{'), "{read:?}");
}

/// A schema that must be followed and cannot be is refused, where it stands; one that need not be binds nothing.
#[tokio::test]
async fn schemas_that_cannot_be_followed_are_refused_only_where_they_must_be() {
    let harness = Harness::open(1, 0).await;
    let asked = |strict: bool, parameters: &Value, choice: &str| {
        let good = json!({"type": "function", "function": {"name": "g", "parameters": {"type": "object", "properties": {}},
            "strict": true}});
        let tool = json!({"type": "function", "function": {"name": "f", "parameters": parameters, "strict": strict}});
        chat_with(
            "x",
            &json!({"tools": [good, tool], "tool_choice": choice, "temperature": 0, "enable_thinking": false}),
        )
    };
    let wild = [
        (json!({"properties": {"a": {"not": {"type": "null"}}}}), "not"),
        (json!({"type": "array"}), "nothing fits it"),
        (json!({"$ref": "#/$defs/none"}), "not found"),
        (json!({"x-guidance": {}}), "x-guidance"),
        (json!({"properties": {"a": false}, "required": ["a"]}), "nothing fits it"),
    ];
    for (parameters, told) in &wild {
        for choice in ["auto", "required"] {
            let (status, body) = parts(harness.post(&asked(true, parameters, choice)).send().await.unwrap()).await;
            let message = body["error"]["message"].as_str().unwrap();
            assert_eq!((status, &body["error"]["param"]), (400, &json!("tools")), "{parameters} {choice}: {message}");
            assert!(
                message.starts_with("tools[1]: the schema of `function.parameters`") && message.contains(told),
                "{message}"
            );
        }
    }
    harness.until_places(1, 0).await;
    assert_eq!(harness.script.steps(), 0);
    harness.script.allow_all();
    for (parameters, _) in &wild {
        harness.script.say(Say::logits(call(r#"{"name": "f", "arguments": {"b": [1]}}"#)));
        let (status, body) = parts(harness.post(&asked(false, parameters, "required")).send().await.unwrap()).await;
        let function = &body["choices"][0]["message"]["tool_calls"][0]["function"];
        assert_eq!((status, &function["arguments"]), (200, &json!(r#"{"b": [1]}"#)), "{parameters}: {body}");
    }
    // References are of the schema that they stand in.
    let refers = json!({"properties": {"a": {"$ref": "#/$defs/n"}}, "required": ["a"], "$defs": {"n": {"const": 7}},
        "additionalProperties": false});
    harness.script.say(Say::logits(call(r#"{"name": "f", "arguments": {"a": 5}}"#)));
    let (status, body) = parts(harness.post(&asked(true, &refers, "required")).send().await.unwrap()).await;
    let function = &body["choices"][0]["message"]["tool_calls"][0]["function"];
    let arguments: Value = serde_json::from_str(function["arguments"].as_str().unwrap()).unwrap();
    assert_eq!((status, arguments), (200, json!({"a": 7})), "{body}");
}

/// As many tools as there may be, with schemas that take long where they are refused: an answer comes, and soon.
#[tokio::test]
async fn many_tools_are_compiled_in_bounded_time() {
    let script = Script::with_context(1, 1_000_000);
    let harness = Harness::with_script(Config { slots: 1, queue: 0, ..Config::local() }, script).await;
    harness.script.allow_all();
    let option = |name: String| json!({"type": "object", "properties": {name: {"type": "null"}}});
    let choice = |number: u32| json!({"anyOf": [option(format!("a{number}")), option(format!("b{number}"))]});
    let exploding = json!({"allOf": (0..16).map(choice).collect::<Vec<_>>()});
    let plain = json!({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}});
    for (parameters, strict, status) in [(&plain, true, 200), (&exploding, false, 200), (&exploding, true, 400)] {
        let tools: Vec<Value> = (0..128)
            .map(|number| {
                json!({"type": "function", "function": {"name": format!("f{number}"), "parameters": parameters,
                "strict": strict}})
            })
            .collect();
        harness.script.say(Say::logits(call(r#"{"name": "f9", "arguments": {"city": "x"}}"#)));
        let asked = json!({"tools": tools, "tool_choice": "required", "temperature": 0, "enable_thinking": false});
        let begun = std::time::Instant::now();
        let (found, body) = parts(harness.post(&chat_with("x", &asked)).send().await.unwrap()).await;
        assert_eq!(found, status, "{body}");
        // Each by itself to the end would be minutes.
        assert!(begun.elapsed() < BOUND, "{strict}: {:?}", begun.elapsed());
    }
}
