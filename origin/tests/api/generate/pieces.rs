//! A call's arguments come in pieces where it is certain that they are some: at every door's stream what is told piece by
//! piece is what the whole answer says, also of a call that was cut off.

mod door;

use crate::harness::{Harness, chat_with, parts, until};
use crate::request::messages::send;
use door::{ALL, At};
use serde_json::{Value, json};
use sluice_origin::models::endless;
use sluice_origin::models::scripted::{Fault, Say};

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
