//! stream: what the model says arrives as it is said, whole characters always, and every end is told.

use harness::Stack;
use harness::answer::{Stream, check_stream_error};
use harness::caller::clients::{run_client, run_node_client};
use harness::caller::{MODEL, hello, hello_stream};
use harness::origin::raw::{Received, breaks_off_after};
use harness::wait::{SOON, until_true};
use serde_json::json;
use sluice_origin::models::scripted::{Fault, Say};
use sluice_protocol::refusal::Reason;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn every_token_arrives_before_the_next_is_made() {
    let stack = Stack::new().slots(1).start();
    let key = stack.key();
    let script = stack.script();
    script.say(Say::text("abc"));
    let mut connection = stack.open_chat(&key.key, &hello_stream(8));
    for said in ["a", "b", "c"] {
        script.allow(1);
        connection.read_text(&format!("\"content\":\"{said}\""));
    }
    assert_eq!(script.generated(), 3);
    script.allow(1);
    let answer = connection.answer().from_edge().ok();
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let stream = answer.stream().whole();
    assert_eq!(stream.text(), "abc");
    assert_eq!(stream.usage().map(|usage| usage.completion_tokens), Some(4), "the ending one included");
}

#[test]
fn characters_made_byte_by_byte_arrive_whole() {
    let stack = Stack::new().start();
    let key = stack.key();
    stack.script().allow_all();
    for text in ["🌍", "é", "日本語", "a👩‍👩‍👧‍👦b", "naïve café 🦀🦀"] {
        stack.script().say(Say::text(text));
        let answer = stack.edge.chat(Some(&key.key), &hello(64)).ok();
        assert_eq!(answer.completion().choices[0].message.content.as_deref(), Some(text));
        stack.script().say(Say::text(text));
        let stream = stack.edge.chat(Some(&key.key), &hello_stream(64)).ok().stream().whole();
        assert_eq!(stream.text(), text);
        let deltas = stream.chunks.iter().flat_map(|chunk| &chunk.choices).filter_map(|c| c.delta.content.as_deref());
        assert!(deltas.clone().all(|delta| !delta.contains('\u{fffd}')), "{:?}", deltas.collect::<Vec<_>>());
    }
    // An answer that ends inside a character says so, and is UTF-8 all the same.
    stack.script().say(Say::tokens(vec![0xf0, 0x9f]));
    let stream = stack.edge.chat(Some(&key.key), &hello_stream(64)).ok().stream().whole();
    assert!(stream.text().chars().all(|character| character == '\u{fffd}'), "{stream:?}");
}

#[test]
fn bytes_pass_as_they_come_wherever_they_are_cut() {
    const EVENTS: &str = "data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"tiny\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"é🌍\"},\"finish_reason\":null}]}\n\n: a comment\r\n\r\ndata: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"tiny\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":3,\"total_tokens\":8}}\n\ndata: [DONE]\n\n";
    for size in [1, 7, 4096] {
        let reply = move |_: &Received, socket: &mut TcpStream| {
            let _ = socket.set_nodelay(true);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\
                        transfer-encoding: chunked\r\n\r\n";
            let _ = socket.write_all(head.as_bytes());
            for piece in EVENTS.as_bytes().chunks(size) {
                let framed = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
                let _ = socket.write_all(&framed);
            }
            let _ = socket.write_all(b"0\r\n\r\n");
        };
        let stack = Stack::new().raw_origin(Arc::new(reply)).start();
        let key = stack.key();
        let answer = stack.edge.chat(Some(&key.key), &hello_stream(8)).ok();
        assert_eq!(answer.text(), EVENTS, "in pieces of {size}");
        until_true("settled", SOON, || stack.edge.view(key.id).used.completion_tokens == 3);
    }
}

#[test]
fn an_origin_that_breaks_off_is_told_inside_the_stream() {
    let stack = Stack::new()
        .limit("1 per 1h")
        .raw_origin(breaks_off_after(&[
            "data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"tiny\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"half\"},\"finish_reason\":null}]}\n\n",
        ]))
        .start();
    let key = stack.key();
    let stream = stack.edge.chat(Some(&key.key), &hello_stream(8)).ok().stream();
    assert_eq!(stream.text(), "half");
    assert!(!stream.done, "{stream:?}");
    assert_eq!(stream.errors.len(), 1, "{stream:?}");
    check_stream_error(&stream.errors[0], Reason::OriginFailed);
    // What was said was served: it stays counted.
    until_true("settled", SOON, || stack.edge.view(key.id).used.served == 1);
    stack.edge.chat(Some(&key.key), &hello_stream(8)).refused(Reason::RateLimited);
}

#[test]
fn an_origin_that_breaks_off_inside_an_event_does_not_spoil_the_error() {
    let stack = Stack::new().raw_origin(breaks_off_after(&["data: {\"id\":\"x\",\"obj"])).start();
    let key = stack.key();
    let answer = stack.edge.chat(Some(&key.key), &hello_stream(8)).ok();
    // The half event and the error must not become one line that no client can read.
    let errors: Vec<_> = answer.text().split("\n\n").filter(|event| event.starts_with("data: {\"error\"")).collect();
    assert_eq!(errors.len(), 1, "{}", answer.text());
    assert!(!answer.text().contains("[DONE]"));
}

/// The number of the error is that of an event more.
#[test]
fn an_origin_that_breaks_off_is_told_inside_a_response() {
    let stack = Stack::new()
        .raw_origin(breaks_off_after(&[
            "event: response.created\nid: 5/0/0\ndata: {\"type\":\"response.created\",\"sequence_number\":0}\n\n",
            "event: keepalive\nid: 5/0/0\ndata: {\"type\":\"keepalive\",\"sequence_number\":1}\n\nevent: resp",
        ]))
        .start();
    let key = stack.key();
    let body = serde_json::json!({"model": "tiny", "input": "hi", "stream": true});
    let send = |http: &reqwest::blocking::Client, base: &str| {
        http.post(format!("{base}/v1/responses")).bearer_auth(&key.key).json(&body)
    };
    let answer = stack.edge.send(send).ok();
    let text = answer.text();
    let (before, data) = text.rsplit_once("event: error\ndata: ").expect("an error ends it");
    assert!(before.ends_with("\"sequence_number\":1}\n\n"), "{text}");
    let error: serde_json::Value = serde_json::from_str(data.trim_end()).expect("JSON");
    assert_eq!((&error["type"], &error["sequence_number"]), (&"error".into(), &2.into()), "{text}");
    assert_eq!(
        (&error["error"]["code"], &error["code"]),
        (&Reason::OriginFailed.row().code.into(), &error["error"]["code"])
    );
    until_true("settled", SOON, || stack.edge.view(key.id).used.prompt_tokens == 5);
}

#[test]
fn a_model_that_fails_is_told_inside_the_stream() {
    let stack = Stack::new().start();
    let key = stack.key();
    stack.script().allow_all();
    stack.script().say(Say::fail_after("abc", Fault::Row));
    let stream = stack.edge.chat(Some(&key.key), &hello_stream(8)).ok().stream();
    assert_eq!((stream.text().as_str(), stream.done), ("abc", false));
    check_stream_error(&stream.errors[0], Reason::Internal);
}

#[test]
fn a_client_that_leaves_stops_the_model_and_gives_slot_and_lease_back() {
    let stack = Stack::new().parallel(1).slots(1).queue(0).start();
    let key = stack.key();
    let script = stack.script();
    for round in 0..3 {
        script.hold();
        script.say(Say::endless("on and on "));
        let mut connection = stack.open_chat(&key.key, &hello_stream(3_000));
        script.allow(5);
        connection.read_text("\"content\":\"n\"");
        stack.edge.chat(Some(&key.key), &hello_stream(8)).refused(Reason::ParallelLimited);
        connection.leave();
        let before = script.generated();
        // One step at a time, so that the count says how long the model went on.
        let slot = until_true("the slot", SOON, || {
            script.allow(1);
            script.occupied() == 0
        });
        let lease = until_true("the lease", SOON, || stack.edge.view(key.id).live_leases == 0);
        let after = script.generated() - before;
        println!("round {round}: {after} tokens and {slot:?} later the model stopped, the lease came {lease:?} later");
        assert!(after < 500, "the model went on for {after} tokens");
        until_true("the origin is free", SOON, || stack.capacity().free == 1);
    }
    // What leaves does not come back: the counter stands.
    let stopped = script.generated();
    script.allow_all();
    stack.edge.chat(Some(&key.key), &hello(8)).ok();
    assert_eq!(script.generated(), stopped + 3, "only the new request's `ok` and its end");
}

#[test]
fn usage_comes_where_it_was_asked_for() {
    let stack = Stack::new().start();
    let key = stack.key();
    stack.script().allow_all();
    let stream = |body| stack.edge.chat(Some(&key.key), &body).ok().stream().whole();
    let plain: Stream = stream(hello_stream(8));
    let last = plain.chunks.last().expect("at least one");
    assert!(last.usage.is_some() && last.choices[0].finish_reason.is_some(), "{plain:?}");
    let mut body = hello_stream(8);
    body["stream_options"] = serde_json::json!({"include_usage": true});
    let asked = stream(body);
    let last = asked.chunks.last().expect("at least one");
    assert!(last.usage.is_some() && last.choices.is_empty(), "{asked:?}");
    assert_eq!(plain.usage(), asked.usage());
}

#[test]
fn a_stream_may_take_longer_than_the_origin_may_be_silent_before_it() {
    let stack = Stack::new().slots(1).origin_timeout_ms(1_000).start();
    let key = stack.key();
    let script = stack.script();
    script.say(Say::text("abc"));
    let mut connection = stack.open_chat(&key.key, &hello_stream(8));
    script.allow(1);
    connection.read_text("\"content\":\"a\"");
    // The time itself is what is tested.
    std::thread::sleep(Duration::from_millis(1_200));
    script.allow_all();
    let stream = connection.answer().from_edge().ok().stream().whole();
    assert_eq!(stream.text(), "abc");
}

/// While a model is slow, something is said so that nobody takes it for dead. A client makes nothing of it, before the first token
/// and between two.
#[test]
fn a_pause_inside_a_stream_is_no_event_for_openais_client() {
    let stack = Stack::new().start();
    let (key, script) = (stack.key(), stack.script().clone());
    (0..3).for_each(|_| script.say(Say::text("ab")));
    let steps = std::thread::spawn(move || {
        // A step of each stream, and all of its others, after what is said of a silence was said.
        for step in 1..=6 {
            until_true("it is at a step", 2 * SOON, || script.is_blocked());
            let since = Instant::now();
            until_true("a silence is long", SOON, || since.elapsed() > Duration::from_millis(2_300));
            let generated = script.generated();
            script.allow(if step % 2 == 1 { 1 } else { 2 });
            until_true("it goes on", SOON, || script.generated() > generated);
        }
    });
    let came = run_client("chat/openai_slow.py", &[&stack.edge.base_url(), &key.key, MODEL]);
    assert_eq!(came, json!(["ab", "ab", "ab"]));
    steps.join().expect("it only steps");
}

/// The same of Ollama's lines: one that says nothing is what Ollama itself sends, and an empty one would break its client for
/// Python. All clients at once, while they wait in the queue, before the first token and between two.
#[test]
fn a_pause_between_lines_is_nothing_to_ollamas_clients() {
    let stack = Stack::new().slots(2).start();
    let (key, script) = (stack.key(), stack.script().clone());
    let host = stack.edge.base_url().trim_end_matches("/v1").to_owned();
    for (node, count) in [(false, 5), (true, 2)] {
        (0..count).for_each(|_| script.say(Say::text("abcd")));
        script.hold();
        let steps = std::thread::spawn({
            let script = script.clone();
            move || {
                for _ in 0..4 {
                    until_true("it is at a step", 2 * SOON, || script.is_blocked());
                    let since = Instant::now();
                    until_true("a silence is long", SOON, || since.elapsed() > Duration::from_millis(2_300));
                    script.allow(1);
                }
                script.allow_all();
            }
        });
        let arguments = [host.as_str(), &key.key, MODEL];
        let came = if node {
            run_node_client("ollama/ollama_slow.mjs", &arguments)
        } else {
            run_client("ollama/ollama_slow.py", &arguments)
        };
        steps.join().expect("it only steps");
        let came = came.as_object().expect("what came of each");
        assert_eq!(came.len(), count);
        assert!(came.values().all(|said| *said == json!(["abcd", 1])), "{came:?}");
    }
}
