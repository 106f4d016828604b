//! However a request ends: what was computed for it counts, its lease comes back, and its caller is told.

use harness::answer::check_stream_error;
use harness::caller::Whole;
use harness::caller::{Caller, hello, hello_stream};
use harness::origin::raw::{Received, Reply};
use harness::secrets::PROMPT;
use harness::wait::{SOON, until_true};
use harness::{RunningStack, Stack};
use serde_json::{Value, json};
use sluice_origin::models::scripted::{Fault, Say};
use sluice_protocol::admin::CreatedKey;
use sluice_protocol::forward::report::RequestReport;
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::Reason;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What the prompt of [`hello`] comes to: its bytes and the template around them.
const HELLO: u32 = PROMPT.len() as u32 + 19;

fn tokens(limit: u32) -> Value {
    json!({"name": "w", "kind": "window", "unit": "tokens", "limit": limit, "window": "1h"})
}

/// What the window holds, once all is settled.
fn used(stack: &RunningStack, key: &CreatedKey) -> i64 {
    let patience = Duration::from_secs(20);
    until_true("all is settled", patience, || stack.edge.own(&key.key).live_leases == 0);
    stack.edge.own(&key.key).limits[0].used.whole().into()
}

/// Tokens that the origin's engine has computed, by its own measures.
fn computed(stack: &RunningStack) -> i64 {
    let origin = Caller::new(stack.origin_address());
    let text = origin.send(|http, base| http.get(format!("{base}/metrics"))).text().to_owned();
    let of = |name: &str| -> i64 {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
        line.rsplit(' ').next().and_then(|count| count.parse().ok()).expect("a count")
    };
    of("sluice_prompt_tokens_total") + of("sluice_generation_tokens_total")
}

fn body(stream: bool, max_tokens: u32, members: &Value) -> Value {
    let mut body = if stream { hello_stream(max_tokens) } else { hello(max_tokens) };
    for (name, value) in members.as_object().expect("members") {
        body[name] = value.clone();
    }
    body
}

/// One window, and every way for an answer to end: after each the window holds what the engine computed, to the token.
#[test]
fn whatever_ends_an_answer_its_window_holds_what_was_computed() {
    let stack = Stack::new().with(tokens(100_000)).slots(1).queue(1).queue_timeout_ms(300).start();
    let (key, script) = (stack.key(), stack.script());
    let form = json!({"temperature": 0, "enable_thinking": false, "response_format": {"type": "json_schema",
        "json_schema": {"name": "form", "strict": true,
            "schema": {"type": "string", "pattern": "^(.{0,1000}x){0,1000}$"}}}});
    let none = json!({});
    let complex = || Say::text(&format!("\"{}", "xyz".repeat(900)));
    let mut table: Vec<(&str, Say, u32, Value)> = vec![
        ("the model ends", Say::text("fine"), 50, none.clone()),
        ("max_tokens", Say::endless("abc"), 7, none.clone()),
        ("a stop string", Say::endless("abc"), 50, json!({"stop": ["ca"]})),
        ("several answers, the last of which fails", Say::text("fine"), 50, json!({"n": 2})),
        ("a dead end", complex(), 3_000, form),
    ];
    for fault in [Fault::NaN, Fault::Row, Fault::Step, Fault::Panic] {
        table.push(("the model fails", Say::fail_after("ab", fault), 50, none.clone()));
        table.push(("the model fails at once", Say::fail_after("", fault), 50, none.clone()));
    }
    script.allow_all();
    // What the engine computed and the window does not hold.
    let mut prompts = 0;
    for (what, say, max_tokens, members) in table {
        for stream in [false, true] {
            script.say(say.clone());
            if members.get("n").is_some() {
                script.say(Say::fail_after("ab", Fault::Row));
                // Each prompt counts once; the script remembers none, and computes it for each answer.
                prompts += i64::from(HELLO);
            }
            stack.edge.chat(Some(&key.key), &body(stream, max_tokens, &members));
            let over = used(&stack, &key) + prompts - computed(&stack);
            // A prompt whose step fails is half computed: it counts, and the engine does not say that it did it.
            let most = if what.ends_with("at once") { i64::from(HELLO) } else { 0 };
            assert!((0..=most).contains(&over), "{over}: {what}, stream: {stream}");
            prompts -= over;
        }
    }
    // Who leaves, with a slot or waiting for one.
    for stream in [false, true] {
        script.hold();
        script.say(Say::endless("x"));
        let runs = stack.open_chat(&key.key, &body(stream, 2_000, &none));
        script.allow(3);
        until_true("it is answered", SOON, || script.is_blocked() && script.generated() > 2);
        let waits = stack.open_chat(&key.key, &body(stream, 2_000, &none));
        until_true("the other waits", SOON, || stack.capacity().queued == 1);
        waits.vanish();
        until_true("it does not wait any more", SOON, || stack.capacity().queued == 0);
        runs.vanish();
        until_true("the model has stopped", SOON, || {
            script.allow(1);
            script.occupied() == 0
        });
        assert_eq!(used(&stack, &key) + prompts, computed(&stack), "left, stream: {stream}");
        // Nobody overtakes: the queue's time is over, with a status or in the stream.
        script.say(Say::endless("x"));
        let runs = stack.open_chat(&key.key, &body(false, 2_000, &none));
        // A slot is the script's from its first step on: what ends before that would look like what has ended.
        script.allow(1);
        until_true("it runs", SOON, || script.occupied() == 1);
        stack.edge.chat(Some(&key.key), &body(stream, 40, &none)).refused(Reason::QueueTimeout);
        stack.edge.view(key.id);
        runs.vanish();
        until_true("the model has stopped", SOON, || {
            script.allow(1);
            script.occupied() == 0
        });
        assert_eq!(used(&stack, &key) + prompts, computed(&stack), "no slot in time, stream: {stream}");
    }
}

#[test]
fn what_a_deadline_or_a_drain_cuts_counts_what_was_computed() {
    for drains in [false, true] {
        for stream in [false, true] {
            let mut stack = Stack::new().with(tokens(100_000)).slots(1).lease("5s").drain_timeout_ms(50).start();
            let key = stack.key();
            let script = stack.script().clone();
            script.say(Say::endless("x"));
            let asked = body(stream, 3_000, &json!({}));
            let connection = stack.open_chat(&key.key, &asked);
            script.allow(5);
            until_true("five tokens", SOON, || script.is_blocked() && script.generated() == 5);
            let drained = drains.then(|| stack.drain_origin());
            // The engine ends it before a step: one has begun.
            let steps = script.clone();
            let over = Arc::new(AtomicBool::new(false));
            let is_over = Arc::clone(&over);
            let stepping = std::thread::spawn(move || {
                until_true("it is over", 2 * SOON, || {
                    if steps.is_blocked() {
                        steps.allow(1);
                    }
                    is_over.load(Ordering::Relaxed)
                });
            });
            let answer = connection.answer().from_edge();
            let reason = if drains { Reason::Draining } else { Reason::DeadlineExceeded };
            if stream {
                let stream = answer.ok().stream();
                assert!(!stream.done, "{stream:?}");
                check_stream_error(&stream.errors[0], reason);
            } else {
                answer.refused(reason);
            }
            over.store(true, Ordering::Relaxed);
            stepping.join().expect("it only steps");
            drained.into_iter().for_each(|drained| drained.join().expect("it drains"));
            let (used, computed) = (used(&stack, &key), (script.prompted() + script.generated()).cast_signed());
            // A step that was under way at the end is the model's and not the answer's.
            assert!(computed.abs_diff(used) <= 1, "{used} of {computed}; drains: {drains}, stream: {stream}");
        }
    }
}

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// An event, with what had been used by then: tokens of the prompt, of the answer, and how many of those were thinking.
fn event(used: &str, text: &str) -> String {
    let id = if used.is_empty() { String::new() } else { format!("id: {used}\n") };
    format!(
        "{id}data: {{\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"tiny\",\"choices\":[{{\"index\":0,\
         \"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n"
    )
}

/// Streams three events of five tokens, of a prompt of eleven, and says nothing any more; to questions neither.
fn falls_silent(closed: &Arc<AtomicBool>) -> Reply {
    let closed = Arc::clone(closed);
    Arc::new(move |received: &Received, socket: &mut TcpStream| {
        if received.line.starts_with("POST") {
            let said = event("11/1/0", "a");
            let more = event("11/3/0", "b") + &event("11/5/0", "c");
            let _ = socket.write_all(format!("{HEAD}{}{}", chunk(&said), chunk(&more)).as_bytes());
        }
        let is_closed =
            !matches!(socket.read(&mut [0; 1]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
        closed.fetch_or(is_closed && received.line.starts_with("POST"), Ordering::Relaxed);
    })
}

#[test]
fn a_stream_whose_origin_falls_silent_ends_with_an_error_and_counts_what_was_relayed() {
    let closed = Arc::new(AtomicBool::new(false));
    for (lease, idle, reason) in [("60s", 800, Reason::OriginSilent), ("5s", 60_000, Reason::DeadlineExceeded)] {
        let stack = Stack::new().with(tokens(10_000)).lease(lease).origin_idle_ms(idle);
        let stack = stack.raw_origin(falls_silent(&closed)).start();
        let key = stack.key();
        let begun = Instant::now();
        let answer = stack.edge.chat(Some(&key.key), &hello_stream(500)).ok();
        let took = begun.elapsed();
        let stream = answer.stream();
        assert_eq!((stream.text().as_str(), stream.done), ("abc", false));
        assert_eq!(stream.errors.len(), 1, "{stream:?}");
        check_stream_error(&stream.errors[0], reason);
        assert!(took >= Duration::from_millis(600) && took < Duration::from_secs(7), "{took:?}");
        // The origin is asked, and does not answer; that takes longer than the lease.
        until_true("settled", 2 * SOON, || stack.edge.view(key.id).used.served == 1);
        assert_eq!(used(&stack, &key), 11 + 5);
        until_true("the origin's connection is closed", SOON, || closed.swap(false, Ordering::Relaxed));
    }
}

#[test]
fn an_origin_that_says_that_it_lives_is_not_silent_and_neither_is_one_whose_reader_does_not_read() {
    let beats = |_: &Received, socket: &mut TcpStream| {
        let _ = socket.write_all(HEAD.as_bytes());
        for _ in 0..8 {
            let _ = socket.write_all(chunk(": working\n\n").as_bytes());
            std::thread::sleep(Duration::from_millis(250));
        }
        let _ = socket.write_all(chunk(&event("11/1/0", "late")).as_bytes());
        let _ = socket.write_all(format!("{}0\r\n\r\n", chunk("data: [DONE]\n\n")).as_bytes());
    };
    let stack = Stack::new().origin_idle_ms(1_000).raw_origin(Arc::new(beats)).start();
    let key = stack.key();
    assert_eq!(stack.edge.chat(Some(&key.key), &hello_stream(8)).ok().stream().whole().text(), "late");
}

#[test]
fn an_origin_that_is_stopped_inside_a_stream_does_not_keep_its_caller() {
    let stack = Stack::new().with(tokens(100_000)).origin_idle_ms(4_000).real_origin().start();
    let key = stack.key();
    let mut connection = stack.open_chat(&key.key, &hello_stream(4_000));
    connection.read_text("\"content\":");
    stack.signal_origin("STOP");
    let stopped = Instant::now();
    let stream = connection.answer().from_edge().ok().stream();
    assert!(stopped.elapsed() < Duration::from_secs(12), "{:?}", stopped.elapsed());
    assert!(!stream.done && stream.errors.len() == 1, "{stream:?}");
    check_stream_error(&stream.errors[0], Reason::OriginSilent);
    let counted = used(&stack, &key);
    assert!(counted >= stream.chunks.len() as i64 - 1 && counted < 4_000, "{counted}");
    stack.signal_origin("CONT");
}

/// The origin has not seen it, and says so, and for how long it would remember it: nothing is charged but the request.
#[test]
fn who_leaves_before_the_origin_has_seen_the_request_is_charged_nothing() {
    let reply = |received: &Received, socket: &mut TcpStream| {
        if received.line.starts_with("DELETE") {
            let id = received.line.split(['/', ' ']).find_map(RequestId::parse).expect("it names the request");
            let report = serde_json::to_string(&RequestReport::unseen(id, 60_000)).expect("our own type");
            let head = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n", report.len());
            let _ = socket.write_all(format!("HTTP/1.1 200 OK\r\n{head}{report}").as_bytes());
        }
        let _ = socket.read(&mut [0; 1]);
    };
    let stack = Stack::new().with(tokens(10_000)).raw_origin(Arc::new(reply)).start();
    let key = stack.key();
    let connection = stack.open_chat(&key.key, &hello(500));
    until_true("it is sent", SOON, || stack.received().len() == 1);
    connection.vanish();
    until_true("the origin is asked", SOON, || stack.received().len() == 2);
    assert_eq!(used(&stack, &key), 0);
    assert_eq!(stack.edge.view(key.id).used.served, 1);
}

#[test]
fn an_origin_that_crashes_counts_what_it_had_relayed() {
    // One of an older version tells nothing: then all that was reserved stays counted.
    for (ids, counted) in [(["11/1/0", "11/2/0"], Some(11 + 2)), (["", ""], None)] {
        let crashes = move |received: &Received, socket: &mut TcpStream| {
            if received.line.starts_with("POST") {
                let said = event(ids[0], "a") + &event(ids[1], "b");
                let _ = socket.write_all(format!("{HEAD}{}", chunk(&said)).as_bytes());
            }
        };
        let stack = Stack::new().with(tokens(10_000)).raw_origin(Arc::new(crashes)).start();
        let key = stack.key();
        let stream = stack.edge.chat(Some(&key.key), &hello_stream(500)).ok().stream();
        assert_eq!((stream.text().as_str(), stream.errors.len()), ("ab", 1));
        let used = used(&stack, &key);
        assert!(counted.map_or(used > 500, |counted| used == counted), "{used}, ids: {ids:?}");
    }
}
