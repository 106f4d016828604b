//! What a client puts together of a stream is the answer that it was made of, and the events are those of golden streams.

use super::*;
use serde_json::json;

fn streamed(door: Door, answer: &Value, usage_apart: bool) -> String {
    let stream = restream(door, answer.to_string().as_bytes(), usage_apart).expect("an answer of this door");
    String::from_utf8(stream).expect("a text")
}

fn events(stream: &str) -> Vec<Value> {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != sse::DONE).map(|data| serde_json::from_str(data).expect("JSON")).collect()
}

#[test]
fn the_pieces_of_a_chat_are_the_chat() {
    let call = json!({"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let answer = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 7, "model": "m",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hi\nthere", "reasoning_content": "Hm."},
             "logprobs": {"content": []}, "finish_reason": "stop"},
            {"index": 1, "message": {"role": "assistant", "content": null, "tool_calls": [call]}, "finish_reason": "tool_calls"},
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "degraded": ["no-stream"]},
    });
    for usage_apart in [false, true] {
        let stream = streamed(Door::Chat, &answer, usage_apart);
        assert!(stream.ends_with("data: [DONE]\n\n"));
        let events = events(&stream);
        let told: Vec<_> = events.iter().filter(|event| event["usage"].is_object()).collect();
        assert_eq!((told.len(), &told[0]["usage"]), (1, &answer["usage"]));
        assert_eq!(told[0]["choices"].as_array().map(Vec::is_empty), Some(usage_apart));
        assert!(events.iter().all(|event| event["object"] == "chat.completion.chunk" && event["id"] == "chatcmpl-1"));
        for choice in answer["choices"].as_array().unwrap() {
            let own = |event: &&Value| event["choices"][0]["index"] == choice["index"];
            let text = |name: &str| -> String {
                let deltas = events.iter().filter(own).map(|event| &event["choices"][0]["delta"]);
                deltas.filter_map(|delta| delta[name].as_str()).collect()
            };
            let message = &choice["message"];
            assert_eq!(text("content"), message["content"].as_str().unwrap_or_default());
            assert_eq!(text("reasoning_content"), message["reasoning_content"].as_str().unwrap_or_default());
            let last = events.iter().rfind(own).expect("it has events");
            assert_eq!(last["choices"][0]["finish_reason"], choice["finish_reason"]);
        }
        let calls = events.iter().find_map(|event| event["choices"][0]["delta"].get("tool_calls")).unwrap();
        assert_eq!((&calls[0]["index"], &calls[0]["function"]), (&json!(0), &call["function"]));
    }
}

#[test]
fn completions_and_lines_say_all_once() {
    let answer = json!({
        "id": "cmpl-1", "object": "text_completion", "created": 7, "model": "m",
        "choices": [{"index": 0, "text": "a", "logprobs": null, "finish_reason": "stop"},
                    {"index": 1, "text": "b", "logprobs": null, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    });
    let told = events(&streamed(Door::Completions, &answer, false));
    assert_eq!(told.iter().map(|event| event["choices"][0].clone()).collect::<Value>(), answer["choices"]);
    assert_eq!((told[0].get("usage"), &told[1]["usage"]), (None, &answer["usage"]));
    let chat = json!({
        "model": "m", "created_at": "2026", "message": {"role": "assistant", "content": "x\u{2028}", "thinking": "y"},
        "done": true, "done_reason": "stop", "eval_count": 3,
    });
    let prompt = json!({"model": "m", "created_at": "2026", "response": "x", "done": true, "eval_count": 3});
    for (door, answer, at) in
        [(Door::OllamaChat, chat, "/message/content"), (Door::OllamaGenerate, prompt, "/response")]
    {
        let stream = streamed(door, &answer, false);
        let lines: Vec<Value> = stream.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let text = |line: &Value| line.pointer(at).and_then(Value::as_str).map(str::to_owned);
        assert_eq!(text(&lines[0]), text(&answer));
        assert_eq!((text(&lines[1]).as_deref(), lines.len()), (Some(""), 2));
        assert_eq!((&lines[0]["done"], &lines[1]["done"]), (&json!(false), &json!(true)));
        assert_eq!(lines[1]["eval_count"], answer["eval_count"]);
    }
}

#[test]
fn the_golden_answers_are_told_in_events_of_golden_streams() {
    let names = |event: &Value| event.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    for (door, whole, stream) in [
        (
            Door::Messages,
            include_str!("../../../tests/golden/message.json"),
            include_str!("../../../tests/golden/message_events.json"),
        ),
        (
            Door::Responses,
            include_str!("../../../tests/golden/response.json"),
            include_str!("../../../tests/golden/response_events.json"),
        ),
    ] {
        let answer: Value = serde_json::from_str(whole).expect("JSON");
        let golden: Vec<Value> = serde_json::from_str(stream).expect("JSON");
        let told = events(&streamed(door, &answer, false));
        for event in &told {
            let golden = golden.iter().find(|golden| golden["type"] == event["type"]);
            assert_eq!(golden.map(names), Some(names(event)), "{event}");
        }
        let ends = |events: &[Value]| [&events[0]["type"], &events[events.len() - 1]["type"]].map(Value::to_string);
        assert_eq!(ends(&told), ends(&golden));
    }
    let whole: Value = serde_json::from_str(include_str!("../../../tests/golden/response.json")).expect("JSON");
    let told = events(&streamed(Door::Responses, &whole, false));
    assert_eq!(told.last().expect("events")["response"], whole);
    let numbers: Vec<_> = told.iter().filter_map(|event| event["sequence_number"].as_u64()).collect();
    assert_eq!(numbers, (0..told.len() as u64).collect::<Vec<_>>());
}

#[test]
fn what_is_no_answer_is_no_stream() {
    for (door, text) in [
        (Door::Chat, "{}"),
        (Door::Chat, "no JSON"),
        (Door::Chat, "[]"),
        (Door::Messages, "{}"),
        (Door::Responses, "{\"output\":3}"),
        (Door::Embeddings, "{}"),
    ] {
        assert_eq!(restream(door, text.as_bytes(), false), None, "{text}");
    }
    assert!(usage_apart(br#"{"stream_options":{"include_usage":true}}"#));
    for no in ["{}", "", r#"{"stream_options":null}"#, r#"{"stream_options":{"include_usage":false}}"#] {
        assert!(!usage_apart(no.as_bytes()));
    }
}
