//! What an answer holds besides content, whole and streamed: thinking, and calls of tools.

use crate::harness::{Harness, chat_with, counts, json_of, parts, payloads};
use serde_json::{Value, json};
use sluice_origin::config::Config;
use sluice_origin::models::scripted::{Say, Script};
use sluice_origin::models::{Backend, endless};
use sluice_origin::text::Text;

/// What a caller reads of an answer, however it came: content, thinking, calls as name and arguments, and why it ended.
#[derive(Debug, PartialEq)]
pub(crate) struct Read {
    pub(crate) content: String,
    pub(crate) reasoning: Option<String>,
    pub(crate) calls: Vec<(String, String)>,
    pub(crate) end: String,
    usage: Value,
}

/// Asks twice, whole and streamed; both have to say the same.
pub(crate) async fn ask(harness: &Harness, say: &Say, members: &Value) -> Read {
    harness.script.say(say.clone());
    let (status, completion) = parts(harness.post(&chat_with("hi", members)).send().await.unwrap()).await;
    assert_eq!(status, 200, "{completion}");
    let whole = whole(&completion);
    harness.script.say(say.clone());
    let mut body = chat_with("hi", members);
    body["stream"] = true.into();
    let events = payloads(harness.post(&body).send().await.unwrap()).await;
    assert_eq!(streamed(&events), whole, "{events:?}");
    whole
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn whole(completion: &Value) -> Read {
    let choice = &completion["choices"][0];
    let message = &choice["message"];
    assert_eq!(message["role"], "assistant");
    let calls = message.get("tool_calls").map(|calls| calls.as_array().unwrap().clone()).unwrap_or_default();
    // Nothing but calls has no content; nothing at all is empty.
    assert_eq!(message["content"].is_null(), !calls.is_empty() && message["content"].as_str().is_none(), "{message}");
    assert!(message.get("tool_calls").is_none() || !calls.is_empty(), "{message}");
    let mut ids = std::collections::HashSet::new();
    Read {
        content: message["content"].as_str().unwrap_or("").to_owned(),
        reasoning: message.get("reasoning_content").map(text),
        calls: calls
            .iter()
            .map(|call| {
                assert_eq!(call["type"], "function");
                let id = text(&call["id"]);
                assert!(id.starts_with("call_") && id.len() == 29 && ids.insert(id), "{call}");
                (text(&call["function"]["name"]), text(&call["function"]["arguments"]))
            })
            .collect(),
        end: text(&choice["finish_reason"]),
        usage: counts(completion),
    }
}

/// Puts pieces together as OpenAI's clients do: what is text is appended, calls by their index.
fn streamed(events: &[String]) -> Read {
    let [chunks @ .., done] = events else { panic!("no events") };
    assert_eq!(done, "[DONE]");
    let chunks: Vec<Value> = chunks.iter().map(|event| json_of(event)).collect();
    let (mut content, mut reasoning, mut calls) = (String::new(), None::<String>, Vec::<(String, String)>::new());
    for delta in chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]) {
        content += delta["content"].as_str().unwrap_or("");
        if let Some(piece) = delta["reasoning_content"].as_str() {
            reasoning.get_or_insert_default().push_str(piece);
        }
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            if index == calls.len() {
                assert!(call["id"].as_str().unwrap().starts_with("call_") && call["type"] == "function", "{call}");
                calls.push((text(&call["function"]["name"]), String::new()));
            }
            calls[index].1 += call["function"]["arguments"].as_str().unwrap();
        }
    }
    let last = chunks.last().unwrap();
    let end = text(&last["choices"][0]["finish_reason"]);
    Read { content, reasoning, calls, end, usage: counts(last) }
}

impl Read {
    fn thought(&self) -> &str {
        self.reasoning.as_deref().unwrap_or("")
    }

    fn reasoning_tokens(&self) -> &Value {
        &self.usage["completion_tokens_details"]["reasoning_tokens"]
    }
}

#[tokio::test]
async fn thinking_has_a_place_of_its_own() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let think = "<think>\nHm, é.\n</think>";
    let answer = ask(&harness, &Say::text(&format!("{think}\n\nYes.")), &json!({})).await;
    assert_eq!((answer.thought(), answer.content.as_str(), answer.end.as_str()), ("Hm, é.", "Yes.", "stop"));
    // One token for each byte, up to the closing mark; the whole answer has six more, and its end.
    assert_eq!(*answer.reasoning_tokens(), json!(think.len()));
    assert_eq!(answer.usage["completion_tokens"], think.len() + 2 + 4 + 1);
    // As the model's own tokens: <think> is 280, </think> 281.
    let answer = ask(&harness, &Say::tokens(vec![280, 65, 281, 66]), &json!({})).await;
    assert_eq!((answer.thought(), answer.content.as_str()), ("A", "B"));
    assert_eq!(*answer.reasoning_tokens(), 3);
    // Cut off inside.
    let answer = ask(&harness, &Say::text("<think>Hm.\n\n"), &json!({"max_tokens": 11})).await;
    assert_eq!((answer.thought(), answer.content.as_str(), answer.end.as_str()), ("Hm.", "", "length"));
    assert_eq!(*answer.reasoning_tokens(), 11);
    // What is not thought of is not there.
    for say in ["Yes.", "<think>\n\n</think>\n\nYes."] {
        let answer = ask(&harness, &Say::text(say), &json!({"enable_thinking": false})).await;
        assert_eq!((answer.reasoning, answer.content.as_str()), (None, "Yes."));
    }
}

/// A caller that stops at a word does not want an answer that ends where the model thinks of it.
#[tokio::test]
async fn stop_strings_stop_content_and_not_thinking() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let say = Say::text("<think>a STOP b</think>c STOP d");
    let answer = ask(&harness, &say, &json!({"stop": "STOP"})).await;
    assert_eq!((answer.thought(), answer.content.as_str(), answer.end.as_str()), ("a STOP b", "c ", "stop"));
    // The model stopped there too.
    assert_eq!(answer.usage["completion_tokens"], "<think>a STOP b</think>c STOP".len());
}

#[tokio::test]
async fn every_token_is_told_wherever_it_went() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let said = "<think>\nHm.\n</think>\n\nYes.";
    for stream in [false, true] {
        harness.script.say(Say::text(said));
        let body = chat_with("hi", &json!({"logprobs": true, "stream": stream}));
        let response = harness.post(&body).send().await.unwrap();
        let choices: Vec<Value> = match stream {
            true => {
                payloads(response).await.iter().filter(|event| *event != "[DONE]").map(|event| json_of(event)).collect()
            }
            false => vec![parts(response).await.1],
        };
        let told: String = choices
            .iter()
            .flat_map(|event| event["choices"][0]["logprobs"]["content"].as_array().into_iter().flatten())
            .map(|token| token["token"].as_str().unwrap())
            .collect();
        assert_eq!(told, said, "{stream}");
    }
}

const CALL: &str = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1.50}}\n</tool_call>";

fn tools(members: &Value) -> Value {
    let function = |name: &str| json!({"type": "function", "function": {"name": name}});
    let mut body = json!({"tools": [function("f"), function("g")]});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    body
}

fn calls(found: &[(&str, &str)]) -> Vec<(String, String)> {
    found.iter().map(|(name, arguments)| ((*name).to_owned(), (*arguments).to_owned())).collect()
}

#[tokio::test]
async fn calls_of_tools_are_told_apart() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let f = ("f", "{\"a\": 1.50}");
    for (said, content, found, end) in [
        (CALL.to_owned(), "", vec![f], "tool_calls"),
        (
            format!("I ask.\n{CALL}\n<tool_call>{{\"name\": \"g\"}}</tool_call>"),
            "I ask.",
            vec![f, ("g", "{}")],
            "tool_calls",
        ),
        (format!("{CALL}\n{}", CALL.replace('f', "h")), CALL.replace('f', "h").as_str(), vec![f], "tool_calls"),
        ("No.".to_owned(), "No.", vec![], "stop"),
    ] {
        let answer = ask(&harness, &Say::text(&said), &tools(&json!({}))).await;
        assert_eq!(
            (answer.content.trim(), &answer.calls, answer.end.as_str()),
            (content, &calls(&found), end),
            "{said}"
        );
    }
    // As thinking ends, so begins the call; a mark is a token of its own.
    let mut tokens = vec![280, 65, 281, 270];
    tokens.extend("{\"name\":\"f\"}".bytes().map(u32::from));
    tokens.push(271);
    let answer = ask(&harness, &Say::tokens(tokens), &tools(&json!({}))).await;
    assert_eq!((answer.thought(), answer.content.as_str(), answer.calls.clone()), ("A", "", calls(&[("f", "{}")])));
    // Nothing may be called.
    for members in [json!({}), tools(&json!({"tool_choice": "none"}))] {
        let answer = ask(&harness, &Say::text(CALL), &members).await;
        assert_eq!((answer.content.as_str(), answer.end.as_str()), (CALL, "stop"), "{members}");
    }
}

#[tokio::test]
async fn a_call_that_is_cut_off_is_content() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let whole = CALL.rfind('}').unwrap() + 1;
    for tokens in [5, whole - 1, whole, CALL.len() - 1] {
        let answer = ask(&harness, &Say::text(CALL), &tools(&json!({"max_tokens": tokens}))).await;
        let found = if tokens < whole { ("length", &CALL[..tokens], 0) } else { ("length", "", 1) };
        assert_eq!((answer.end.as_str(), answer.content.as_str(), answer.calls.len()), found);
    }
}

#[tokio::test]
async fn one_call_is_the_end_where_one_is_allowed() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let answer = ask(&harness, &Say::endless(CALL), &tools(&json!({"parallel_tool_calls": false}))).await;
    assert_eq!((answer.calls.len(), answer.end.as_str(), answer.content.as_str()), (1, "tool_calls", ""));
    // The model stopped there too.
    assert_eq!(answer.usage["completion_tokens"], CALL.len());
    harness.until_places(1, 0).await;
}

/// A stop string is one where it is read, and a call's arguments are not.
#[tokio::test]
async fn stop_strings_do_not_stop_inside_of_calls() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let said = format!("one {CALL} two f three");
    let answer = ask(&harness, &Say::text(&said), &tools(&json!({"stop": ["f", "a"]}))).await;
    assert_eq!((answer.content.as_str(), answer.calls.len(), answer.end.as_str()), ("one  two ", 1, "tool_calls"));
}

/// An origin whose text side is the built-in one, changed.
pub(crate) async fn changed(change: impl FnOnce(&std::path::Path)) -> Harness {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model");
    endless::ensure(&path).unwrap();
    change(&path);
    let script = Script::new(1);
    script.allow_all();
    let backend = Backend { text: Text::load(&path).unwrap(), ..script.backend() };
    Harness::with_backend(Config { slots: 1, ..Config::local() }, script, backend).await
}

#[tokio::test]
async fn a_prompt_that_opens_the_thinking_leaves_the_answer_inside() {
    let harness = changed(|path| {
        let template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}\
                        <|im_start|>assistant\n<think>\n";
        std::fs::write(path.join("chat_template.jinja"), template).unwrap();
    })
    .await;
    let answer = ask(&harness, &Say::text("Hm.\n</think>\n\nYes."), &json!({})).await;
    assert_eq!((answer.thought(), answer.content.as_str()), ("Hm.", "Yes."));
    assert_eq!(*answer.reasoning_tokens(), "Hm.\n</think>".len());
    let answer = ask(&harness, &Say::endless("Hm. "), &json!({"max_tokens": 6})).await;
    assert_eq!((answer.thought(), answer.content.as_str(), answer.end.as_str()), ("Hm. Hm", "", "length"));
}

/// A model without the mark as a token may write it all the same: then it is text.
#[tokio::test]
async fn a_model_that_does_not_think_only_writes() {
    let harness = changed(|path| {
        let file = path.join("tokenizer.json");
        let tokenizer = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, tokenizer.replace("think>", "thought>")).unwrap();
    })
    .await;
    let said = "<think>\nHm.\n</think>\n\nYes.";
    let answer = ask(&harness, &Say::text(said), &json!({})).await;
    assert_eq!((answer.reasoning.as_deref(), answer.content.as_str()), (None, said));
    assert_eq!(*answer.reasoning_tokens(), 0);
}

/// A tokenizer that hides the marks hides them from its own decoder and not from ours.
#[tokio::test]
async fn marks_that_a_tokenizer_hides_are_read() {
    let harness = changed(|path| {
        let file = path.join("tokenizer.json");
        let mut tokenizer: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        for token in tokenizer["added_tokens"].as_array_mut().unwrap() {
            token["special"] = true.into();
        }
        std::fs::write(&file, tokenizer.to_string()).unwrap();
    })
    .await;
    let answer = ask(&harness, &Say::tokens(vec![280, 65, 281, 66, 272]), &json!({})).await;
    assert_eq!((answer.thought(), answer.content.as_str()), ("A", "B"));
}
