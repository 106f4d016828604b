//! A call's arguments come in pieces where it is certain that they are some: at every door's stream what is told piece by
//! piece is what the whole answer says, also of a call that was cut off.

use crate::harness::{Harness, chat_with, json_of, parts, payloads, until};
use crate::request::messages::{order as message_order, send};
use crate::request::responses::order as response_order;
use reqwest::Response;
use serde_json::{Value, json};
use sluice_origin::models::endless;
use sluice_origin::models::scripted::{Fault, MODEL, Say};

const OPEN: u32 = 270;
const CLOSE: u32 = 271;
/// What is called, with what, and as the model writes it: names of members that are escaped, characters of several tokens, and
/// texts that look like marks.
const CALLS: [[&str; 2]; 2] =
    [["write", r#"{"pa\"th": "a/\u00e9é🦀", "text": "</tool_call>{\"}", "n": {"deep": [1, 2, {}]}}"#], ["look", "{}"]];

fn said(text: &str) -> Vec<Vec<(u32, f32)>> {
    text.bytes().map(|byte| vec![(byte.into(), 90.0)]).collect()
}

/// What the model writes, as logits: it would rather end, wherever it may.
fn answer(text: &str, calls: &[[&str; 2]]) -> Vec<Vec<(u32, f32)>> {
    let mut steps = said(text);
    for [name, arguments] in calls {
        let body = format!("{{\"name\": \"{name}\", \"arguments\": {arguments}}}");
        let body = body.bytes().map(|byte| vec![(endless::IM_END, 100.0), (byte.into(), 90.0)]);
        steps.extend([vec![(OPEN, 90.0)]].into_iter().chain(body).chain([vec![(CLOSE, 90.0)]]));
    }
    steps
}

/// A door, and how its requests and answers look.
#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Chat,
    Messages,
    Responses,
    Ollama,
}

const ALL: [At; 4] = [At::Chat, At::Messages, At::Responses, At::Ollama];

/// What came: the text, the calls, and why it ended.
#[derive(Clone, Debug, Default, PartialEq)]
struct Read {
    text: String,
    calls: Vec<(String, String)>,
    end: String,
}

impl At {
    const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Messages => "/v1/messages",
            Self::Responses => "/v1/responses",
            Self::Ollama => "/api/chat",
        }
    }

    /// Both tools are offered; `forced`: one of them has to be called.
    fn body(self, forced: bool, max_tokens: usize, stream: bool) -> Value {
        let messages = json!([{"role": "user", "content": "hi"}]);
        let names = ["write", "look"];
        let tools =
            names.map(|name| json!({"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}));
        let mut body = match self {
            Self::Chat => json!({"messages": messages, "tools": tools, "max_tokens": max_tokens,
                "temperature": 0, "enable_thinking": false}),
            Self::Messages => {
                let tools = names.map(|name| json!({"name": name, "input_schema": {"type": "object"}}));
                json!({"messages": messages, "tools": tools, "max_tokens": max_tokens})
            }
            Self::Responses => {
                let tools = names.map(|name| {
                    json!({"type": "function", "name": name, "strict": false,
                    "parameters": {"type": "object"}})
                });
                json!({"input": "hi", "tools": tools, "max_output_tokens": max_tokens, "temperature": 0,
                    "store": false})
            }
            Self::Ollama => json!({"messages": messages, "tools": tools, "think": false,
                "options": {"num_predict": max_tokens, "temperature": 0}}),
        };
        (body["model"], body["stream"]) = (MODEL.into(), stream.into());
        if forced {
            body["tool_choice"] = if self == Self::Messages { json!({"type": "any"}) } else { json!("required") };
        }
        body
    }

    /// Whether calls can be forced there.
    fn forces(self) -> bool {
        self != Self::Ollama
    }

    fn whole(self, answer: &Value) -> Read {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut read = Read::default();
        match self {
            Self::Chat => {
                let choice = &answer["choices"][0];
                (read.text, read.end) = (text(&choice["message"]["content"]), text(&choice["finish_reason"]));
                for call in choice["message"]["tool_calls"].as_array().into_iter().flatten() {
                    read.calls.push((text(&call["function"]["name"]), text(&call["function"]["arguments"])));
                }
            }
            Self::Messages => {
                read.end = text(&answer["stop_reason"]);
                for block in answer["content"].as_array().unwrap() {
                    match block["type"].as_str().unwrap() {
                        "text" => read.text += block["text"].as_str().unwrap(),
                        _ => read.calls.push((text(&block["name"]), block["input"].to_string())),
                    }
                }
            }
            Self::Responses => {
                read.end = text(&answer["status"]);
                for item in answer["output"].as_array().unwrap() {
                    match item["type"].as_str().unwrap() {
                        "message" => read.text += item["content"][0]["text"].as_str().unwrap(),
                        _ => read.calls.push((text(&item["name"]), text(&item["arguments"]))),
                    }
                }
            }
            Self::Ollama => {
                (read.text, read.end) = (text(&answer["message"]["content"]), text(&answer["done_reason"]));
                for call in answer["message"]["tool_calls"].as_array().into_iter().flatten() {
                    read.calls.push((text(&call["function"]["name"]), call["function"]["arguments"].to_string()));
                }
            }
        }
        read
    }

    /// What a stream says, put together; and how many pieces of arguments it had.
    async fn streamed(self, response: Response) -> (Read, usize) {
        let mut read = Read::default();
        let mut pieces = 0;
        match self {
            Self::Chat => {
                for chunk in
                    payloads(response).await.iter().filter(|payload| *payload != "[DONE]").map(|it| json_of(it))
                {
                    let choice = &chunk["choices"][0];
                    read.text += choice["delta"]["content"].as_str().unwrap_or_default();
                    read.end += choice["finish_reason"].as_str().unwrap_or_default();
                    let calls = choice["delta"]["tool_calls"].as_array();
                    assert!(calls.is_none_or(|calls| !calls.is_empty()), "{chunk}");
                    for call in calls.into_iter().flatten() {
                        let function = &call["function"];
                        let index = call["index"].as_u64().unwrap() as usize;
                        let is_first = index == read.calls.len();
                        assert!(is_first || index + 1 == read.calls.len(), "one call after the other: {chunk}");
                        for member in [&call["id"], &call["type"], &function["name"]] {
                            assert_eq!(member.is_string(), is_first, "{chunk}");
                        }
                        if is_first {
                            read.calls.push((function["name"].as_str().unwrap().to_owned(), String::new()));
                        }
                        let more = function["arguments"].as_str().unwrap();
                        assert!(is_first || !more.is_empty(), "{chunk}");
                        pieces += usize::from(!more.is_empty());
                        read.calls.last_mut().unwrap().1 += more;
                    }
                }
            }
            Self::Messages => {
                let stream = response.text().await.unwrap();
                pieces = stream.matches("input_json_delta").count();
                let told = message_order::Told::of(&stream);
                read = self.whole(&told.message);
                // As the client's own parser makes of them.
                for (call, input) in read.calls.iter_mut().zip(told.inputs) {
                    call.1 = input;
                }
            }
            Self::Responses => {
                let stream = response.text().await.unwrap();
                pieces = stream.matches("event: response.function_call_arguments.delta").count();
                let told = response_order::Told::of(&stream);
                read = self.whole(&told.response);
                for item in told.response["output"].as_array().unwrap() {
                    let cut = item["status"] == "incomplete";
                    assert!(!cut || told.response["status"] == "incomplete", "{item}");
                }
            }
            Self::Ollama => {
                for line in response.text().await.unwrap().lines().map(json_of) {
                    let one = self.whole(&line);
                    read.text += &one.text;
                    read.end += &one.end;
                    read.calls.extend(one.calls);
                }
                pieces = read.calls.len();
            }
        }
        (read, pieces)
    }

    /// Asks twice: whole, and in pieces.
    async fn ask(self, harness: &Harness, say: &Say, forced: bool, max_tokens: usize) -> (Read, Read, usize) {
        harness.script.say(say.clone());
        let (status, answer) = parts(send(harness, self.path(), &self.body(forced, max_tokens, false)).await).await;
        assert_eq!(status, 200, "{answer}");
        harness.script.say(say.clone());
        let response = send(harness, self.path(), &self.body(forced, max_tokens, true)).await;
        let (streamed, pieces) = self.streamed(response).await;
        (self.whole(&answer), streamed, pieces)
    }
}

/// JSON that means the same, however it is spelt.
fn meant(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[tokio::test]
async fn pieces_make_the_whole_at_every_door() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    for (at, forced) in ALL.iter().flat_map(|at| [(*at, false), (*at, true)]) {
        if forced && !at.forces() {
            continue;
        }
        let text = if forced { "" } else { "I \u{e9}dit." };
        let (whole, streamed, pieces) = at.ask(&harness, &Say::logits(answer(text, &CALLS)), forced, 500).await;
        assert_eq!((whole.text.as_str(), streamed.text.as_str()), (text, text), "{at:?}");
        assert_eq!(whole.end, streamed.end, "{at:?}");
        for (found, [name, arguments]) in whole.calls.iter().chain(&streamed.calls).zip([CALLS, CALLS].concat()) {
            assert_eq!((found.0.as_str(), meant(&found.1)), (name, meant(arguments)), "{at:?}");
        }
        assert_eq!((whole.calls.len(), streamed.calls.len()), (2, 2), "{at:?}");
        if matches!(at, At::Chat | At::Responses) {
            // Byte for byte, and as the model wrote them.
            assert_eq!(streamed, whole, "{at:?}");
            assert_eq!(whole.calls[0].1, CALLS[0][1]);
        }
        if at == At::Messages {
            assert_eq!(streamed.calls[0].1, CALLS[0][1]);
        }
        // A piece for each token that ends a character; an object cannot come in pieces.
        let most: usize = CALLS.iter().map(|[_, arguments]| arguments.chars().count()).sum();
        assert_eq!(pieces, if at == At::Ollama { 2 } else { most }, "{at:?}");
    }
    harness.until_places(1, 0).await;
}

/// What of a stream has come is there while the model stands still in the middle of the call.
#[tokio::test]
async fn a_call_s_first_piece_comes_long_before_its_end() {
    let harness = Harness::open(1, 0).await;
    for (at, forced) in [(At::Chat, true), (At::Chat, false), (At::Messages, true), (At::Responses, false)] {
        let steps = answer("", &CALLS[..1]);
        let named = 1 + r#"{"name": "write""#.len() as u64;
        let begun = named + r#", "arguments": {"p"#.len() as u64;
        harness.script.say(Say::logits(steps.clone()));
        let mut stream = send(&harness, at.path(), &at.body(forced, 500, true)).await;
        let mut seen = String::new();
        let (before, mut taken) = (harness.script.generated(), harness.script.steps());
        for (tokens, shows) in [(named, r#""write""#), (begun, "{")] {
            // Some steps read the prompt and give no token.
            until("so many tokens are there, and no more", || {
                if harness.script.generated() - before == tokens {
                    return harness.script.is_blocked();
                }
                if harness.script.is_blocked() && harness.script.steps() == taken {
                    taken += 1;
                    harness.script.allow(1);
                }
                false
            })
            .await;
            let arguments = |seen: &str| match at {
                At::Chat => seen.matches(r#""function":{"arguments":""#).count(),
                At::Messages => seen.matches("input_json_delta").count(),
                _ => seen.matches("event: response.function_call_arguments.delta\n").count(),
            };
            let expected = if tokens == begun { r#"{"p"#.len() } else { 0 };
            while !seen.contains(shows) || arguments(&seen) < expected {
                seen += std::str::from_utf8(&stream.chunk().await.unwrap().expect("the stream goes on")).unwrap();
            }
            assert_eq!(arguments(&seen), expected, "{at:?}: {seen}");
            assert!(!seen.contains("tool_call>"), "{seen}");
        }
        assert_eq!(harness.script.generated() - before, begun, "the call has just begun");
        assert!(begun * 2 < steps.len() as u64, "and is far from its end");
        harness.script.allow_all();
        let _ = stream.text().await.unwrap();
        harness.until_places(1, 0).await;
        harness.script.hold();
    }
}

/// As OpenAI tells it: the call as far as it came. Nothing of what stands around it is ever text.
#[tokio::test]
async fn a_call_that_is_cut_off_is_told_as_far_as_it_came() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let [name, arguments] = CALLS[0];
    let (head, between) = (format!("{{\"name\": \"{name}\""), ", \"arguments\": ");
    let total = 1 + head.len() + between.len() + arguments.len() + 2;
    for at in ALL {
        for forced in [false, true].into_iter().filter(|forced| !forced || at.forces()) {
            // Every place in what stands around, and some in the arguments.
            for tokens in
                (1..total).filter(|at| *at < 1 + head.len() + between.len() + 3 || at % 7 == 0 || at + 4 > total)
            {
                let (whole, streamed, _) =
                    at.ask(&harness, &Say::logits(answer("", &CALLS[..1])), forced, tokens).await;
                assert_eq!((whole.text.as_str(), streamed.text.as_str()), ("", ""), "{at:?} {tokens}");
                let end = match at {
                    At::Chat | At::Ollama => "length",
                    At::Messages => "max_tokens",
                    At::Responses => "incomplete",
                };
                assert_eq!((whole.end.as_str(), streamed.end.as_str()), (end, end), "{at:?} {tokens}");
                let came = tokens.saturating_sub(1 + head.len() + between.len()).min(arguments.len());
                let is_whole = came == arguments.len();
                // A character that is cut in two is not told.
                let came = (0..=came).rev().find(|end| arguments.is_char_boundary(*end)).unwrap();
                let is_named = tokens > head.len();
                let expected = match at {
                    At::Ollama if !is_whole => vec![],
                    _ if !is_named => vec![],
                    _ => vec![(name.to_owned(), arguments[..came].to_owned())],
                };
                assert_eq!(
                    (whole.calls.len(), streamed.calls.len()),
                    (expected.len(), expected.len()),
                    "{at:?} {tokens}"
                );
                let [(_, told)] = &expected[..] else { continue };
                match at {
                    At::Chat | At::Responses => assert_eq!((&whole.calls, &streamed.calls), (&expected, &expected)),
                    // Pieces as they came; an object of what is whole.
                    At::Messages => {
                        assert_eq!(streamed.calls, expected);
                        let (part, all) = (meant(&whole.calls[0].1), meant(arguments));
                        let (part, all) = (part.as_object().unwrap(), all.as_object().unwrap());
                        assert!(
                            part.iter().all(|(member, value)| all.contains_key(member)
                                && (all[member] == *value || value.is_object() && member == "n")),
                            "{part:?}"
                        );
                        assert!(!told.contains("🦀\"") || part.contains_key("pa\"th"), "{told} {part:?}");
                    }
                    At::Ollama => assert_eq!(meant(&streamed.calls[0].1), meant(arguments)),
                }
            }
        }
    }
}

/// Pieces have come, and then the error that ends a stream.
#[tokio::test]
async fn a_call_that_breaks_off_ends_with_the_error() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let [name, arguments] = CALLS[0];
    let begun = &arguments[..arguments.len() - 8];
    let written = format!("{{\"name\": \"{name}\", \"arguments\": {begun}");
    for (at, error) in [
        (At::Chat, "{\"error\":"),
        (At::Messages, "event: error\n"),
        (At::Responses, "event: error\n"),
        (At::Ollama, "{\"error\":"),
    ] {
        let tokens = [vec![OPEN], written.bytes().map(u32::from).collect()].concat();
        harness.script.say(Say::fail_after_tokens(tokens, Fault::Row));
        let text = send(&harness, at.path(), &at.body(false, 500, true)).await.text().await.unwrap();
        assert!(text.contains(error) && !text.contains("tool_call>\""), "{text}");
        assert_eq!(text.contains("write"), at != At::Ollama, "{text}");
        for end in
            ["[DONE]", "message_stop", "response.completed", "finish_reason\":\"", "arguments.done", "\"done\":true"]
        {
            assert!(!text.contains(end), "{end}: {text}");
        }
        if at == At::Messages {
            let id = text.split_once("\"request_id\":\"").expect("whose answer it was").1;
            assert!(
                id.starts_with("req_") && text.contains(&format!("msg_{}", &id[..id.find('"').unwrap()])),
                "{text}"
            );
        }
    }
    harness.until_places(1, 0).await;
}

/// A model whose marks are no tokens spells them: where calls are bound they come in pieces all the same.
#[tokio::test]
async fn marks_that_are_spelt_bind_as_well() {
    let harness = crate::generate::sections::changed(|path| {
        let file = path.join("tokenizer.json");
        let tokenizer = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, tokenizer.replace("tool_call>", "toolcall>")).unwrap();
    })
    .await;
    let [name, arguments] = CALLS[0];
    let call = format!("<tool_call>{{\"name\": \"{name}\", \"arguments\": {arguments}}}</tool_call>");
    for (forced, text) in [(true, ""), (false, "Well. ")] {
        let say = Say::text(&format!("{text}{call}"));
        let (whole, streamed, pieces) = At::Chat.ask(&harness, &say, forced, 500).await;
        assert_eq!(streamed, whole);
        assert_eq!((whole.text.as_str(), &whole.calls[0].1[..]), (text, arguments));
        assert_eq!(pieces, arguments.chars().count());
        let cut = text.len() + call.len() / 2;
        let (whole, streamed, _) = At::Chat.ask(&harness, &say, forced, cut).await;
        assert_eq!(streamed, whole);
        assert_eq!((whole.text.as_str(), whole.end.as_str()), (text, "length"));
        assert!(!whole.calls[0].1.is_empty() && arguments.starts_with(&whole.calls[0].1), "{whole:?}");
    }
    // A form may spell what looks like one: then it is the form.
    let mut body = chat_with("hi", &At::Chat.body(false, 500, false));
    body["response_format"] = json!({"type": "json_object"});
    harness.script.say(Say::text(r#"{"b": "<tool_call>{\"name\": \"look\""}"#));
    let (_, answer) = parts(harness.post(&body).send().await.unwrap()).await;
    assert_eq!(At::Chat.whole(&answer).text, r#"{"b": "<tool_call>{\"name\": \"look\""}"#, "{answer}");
}
