//! Clients that leave or do not read, at every stage: the slot comes back within one step.

use crate::harness::{Harness, chat, chat_with, until};
use serde_json::{Value, json};
use sluice_origin::config::Config;
use sluice_origin::models::scripted::Say;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

#[tokio::test]
async fn while_queued() {
    let harness = Harness::open(1, 1).await;
    let first = harness.start(&chat("first"));
    harness.until_places(0, 0).await;
    let leaver = harness.start(&chat("leaver"));
    harness.until_places(0, 1).await;
    leaver.abort();
    harness.until_places(0, 0).await;
    harness.script.allow_all();
    assert_eq!(first.await.unwrap().0, 200);
    assert_eq!(harness.script.prompts().len(), 1, "who left was not served");
}

#[tokio::test]
async fn while_the_body_is_on_its_way() {
    let harness = Harness::open(1, 0).await;
    let mut stream = TcpStream::connect(harness.origin.as_ref().unwrap().address()).await.unwrap();
    stream.write_all(head(1000).as_bytes()).await.unwrap();
    harness.until_places(0, 0).await;
    drop(stream);
    harness.until_places(1, 0).await;
}

#[tokio::test]
async fn while_its_prompt_is_read() {
    for stream in [false, true] {
        let harness = Harness::open(1, 0).await;
        let prompt = "x".repeat(3000);
        let leaver = harness.start(&chat_with(&prompt, &json!({"stream": stream})));
        harness.script.allow(1);
        until("the second chunk is due", || harness.script.steps() == 1 && harness.script.is_blocked()).await;
        leaver.abort();
        harness.until_places(1, 0).await;
        // The chunk that was being read is the last.
        harness.script.allow(1);
        until("the engine's slot is free", || harness.script.occupied() == 0).await;
        assert_eq!(harness.script.prompted(), 512, "stream: {stream}");
        assert_eq!(harness.script.generated(), 0);
        next_is_served(&harness).await;
    }
}

#[tokio::test]
async fn while_it_is_answered() {
    for stream in [false, true] {
        let harness = Harness::open(1, 0).await;
        harness.script.say(Say::endless("x"));
        let leaver = harness.start(&chat_with("hi", &json!({"stream": stream})));
        harness.script.allow(3);
        until("the fourth token is due", || harness.script.generated() == 3 && harness.script.is_blocked()).await;
        leaver.abort();
        harness.until_places(1, 0).await;
        harness.script.allow(1);
        until("the engine's slot is free", || harness.script.occupied() == 0).await;
        assert_eq!(harness.script.generated(), 4, "stream: {stream}");
        next_is_served(&harness).await;
    }
}

/// How a client's connection comes to its end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// FIN, and what comes is not read.
    Closed,
    /// FIN, and the client would still read: no client of a model does, so it is taken for one that leaves.
    HalfClosed,
    /// RST.
    Reset,
}

impl Way {
    const ALL: [Self; 3] = [Self::Closed, Self::HalfClosed, Self::Reset];

    /// Leaves; what is returned is to be kept until it has been noticed.
    async fn leave(self, mut stream: TcpStream) -> Option<TcpStream> {
        match self {
            Self::Closed => None,
            Self::HalfClosed => {
                stream.shutdown().await.unwrap();
                Some(stream)
            }
            Self::Reset => {
                reset(&stream);
                None
            }
        }
    }
}

/// Makes the drop of this connection a reset.
fn reset(stream: &TcpStream) {
    stream.set_zero_linger().unwrap();
}

/// Sends a request by hand.
async fn by_hand(harness: &Harness, content: &str, stream: bool) -> TcpStream {
    let body = chat_with(content, &json!({"stream": stream})).to_string();
    let mut connection = TcpStream::connect(harness.origin.as_ref().unwrap().address()).await.unwrap();
    connection.write_all(format!("{}{body}", head(body.len())).as_bytes()).await.unwrap();
    connection
}

/// Whatever its edge's connection does: with a slot and without one, whole and streamed, the request is over within a step.
#[tokio::test]
async fn in_every_way_and_at_every_stage() {
    for way in Way::ALL {
        for stream in [false, true] {
            let harness = Harness::open(1, 1).await;
            harness.script.say(Say::endless("x"));
            let runs = by_hand(&harness, "runs", stream).await;
            harness.script.allow(3);
            until("it is answered", || harness.script.generated() == 3 && harness.script.is_blocked()).await;
            let waits = by_hand(&harness, "waits", stream).await;
            harness.until_places(0, 1).await;
            let kept = way.leave(waits).await;
            harness.until_places(0, 0).await;
            let kept = (kept, way.leave(runs).await);
            harness.until_places(1, 0).await;
            harness.script.allow(1);
            until("the engine's slot is free", || harness.script.occupied() == 0).await;
            assert_eq!(harness.script.generated(), 4, "{way:?}, stream: {stream}");
            drop(kept);
            next_is_served(&harness).await;
            assert_eq!(harness.script.prompts().len(), 2, "who waited was never served: {way:?}, stream: {stream}");
        }
    }
}

/// A thousand resets: in the head, in the body, while a form compiles, in the queue before and behind a stream's head, while
/// its prompt is read, and while it is answered. Places, slots and connections are all back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_resets_leave_nothing_behind() {
    let harness = Harness::open(2, 8).await;
    harness.script.allow_all();
    let form = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema":
        {"type": "string", "pattern": "^(a|aa|aaa){1,200}b$"}}}, "max_tokens": 50});
    for round in 0..1_000 {
        let address = harness.origin.as_ref().unwrap().address();
        let mut connection = TcpStream::connect(address).await.unwrap();
        let long = "x".repeat(3_000);
        let body = match round % 5 {
            2 => chat_with("x", &form),
            3 => chat_with(&long, &json!({"stream": true, "max_tokens": 500})),
            _ => chat_with("x", &json!({"stream": round % 2 == 0, "max_tokens": 500})),
        };
        let body = body.to_string();
        let head = head(body.len());
        let sent = match round % 5 {
            0 => head[..head.len() / 2].to_owned(),
            1 => format!("{head}{}", &body[..body.len() / 2]),
            _ => format!("{head}{body}"),
        };
        connection.write_all(sent.as_bytes()).await.unwrap();
        if round % 3 == 0 {
            // It comes a little further, however far that is.
            harness.capacity().await;
        }
        reset(&connection);
    }
    harness.until_places(2, 0).await;
    until("every slot is free", || harness.script.occupied() == 0).await;
    for _ in 0..4 {
        next_is_served(&harness).await;
    }
    harness.until_places(2, 0).await;
}

/// The permit comes back at once, the engine's slot one step later: the next one starts in between and waits for it.
#[tokio::test]
async fn and_the_next_comes_before_the_engine_has_noticed() {
    let harness = Harness::open(1, 0).await;
    harness.script.say(Say::endless("x"));
    let leaver = harness.start(&chat("leaver"));
    until("the first step began", || harness.script.is_blocked()).await;
    leaver.abort();
    harness.until_places(1, 0).await;
    let next = harness.start(&chat("next"));
    harness.until_places(0, 0).await;
    harness.script.allow_all();
    assert_eq!(crate::harness::text_of(&next.await.unwrap().1), "ok");
}

#[tokio::test]
async fn who_does_not_read_holds_up_nobody_else() {
    let harness = Harness::open(2, 0).await;
    harness.script.say(Say::endless("x"));
    let slow = deaf(&harness, &json!({"stream": true, "max_tokens": 4000})).await;
    // The answer to the one who does not read stops when the buffers on the way are full, or when it is complete.
    harness.script.allow_all();
    until("the slow one started", || harness.script.generated() > 0).await;
    for _ in 0..20 {
        next_is_served(&harness).await;
    }
    assert_eq!(harness.status("/ready").await, 200);
    drop(slow);
    harness.until_places(2, 0).await;
}

/// Nine million tokens are asked for and nobody reads: the reader is parked, and then given up. Until then no more is
/// made than fits on the way, which does not depend on what was asked for.
#[tokio::test]
async fn who_does_not_read_at_all_loses_the_slot_and_takes_little_memory() {
    for answers in [1, 2] {
        let config = Config { slots: 1, queue: 0, stall_timeout: Duration::from_millis(100), ..Config::local() };
        let script = sluice_origin::models::scripted::Script::with_context(1, 10_000_000);
        let config = Config {
            bounds: sluice_protocol::request::bodies::chat::ChatBounds {
                default_max_tokens: 100,
                max_max_tokens: 9_000_000,
            },
            ..config
        };
        let harness = Harness::with_script(config, script).await;
        harness.script.say(Say::endless("x"));
        let mut slow = deaf(&harness, &json!({"stream": true, "max_tokens": 9_000_000 / answers, "n": answers})).await;
        harness.script.allow_all();
        until("the slow one started", || harness.script.generated() > 0).await;
        harness.until_places(1, 0).await;
        let generated = usize::try_from(harness.script.generated()).unwrap();
        next_is_served(&harness).await;
        // Whoever reads on after all finds the error at the end of what was on its way.
        let mut rest = Vec::new();
        slow.read_to_end(&mut rest).await.unwrap();
        let end = String::from_utf8_lossy(&rest[rest.len() - 400..]).into_owned();
        assert!(end.contains("\"error\"") && !end.contains("[DONE]"), "{end}");
        // All that was made is in there, but for what lay in the engine's channel when it was given up: nothing waited
        // anywhere else.
        let told = String::from_utf8_lossy(&rest).matches("\"content\":\"x\"").count();
        assert!((told..=told + IN_CHANNELS).contains(&generated), "{generated} made, {told} told, answers: {answers}");
        assert!(rest.len() <= most_on_the_way(), "{} bytes were on the way, answers: {answers}", rest.len());
        assert!(generated < 9_000_000 / 50, "{generated} tokens, answers: {answers}");
    }
}

/// Tokens between the engine and a stream, and events between a stream of several answers and its connection: 16 each, and
/// one of each that is being handed over.
const IN_CHANNELS: usize = 2 * (16 + 1);

/// Bytes between an origin and a client of [`deaf`]: what hyper gathers before it asks for no more (8 KiB and a hundred
/// pages, and the event that exceeds it), what the kernel lets a socket hold to be sent, what the client's takes, and
/// what is in channels, in events of less than a KiB.
fn most_on_the_way() -> usize {
    let kernel = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_wmem").ok();
    let kernel = kernel.and_then(|text| text.split_whitespace().nth(2)?.parse().ok()).unwrap_or(4 << 20);
    (8 << 10) + 100 * 4096 + 1024 + kernel + 2 * 4096 + IN_CHANNELS * 1024
}

async fn next_is_served(harness: &Harness) {
    harness.script.allow_all();
    let response = harness.post(&chat("next")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let body: Value = response.json().await.unwrap();
    assert_eq!(crate::harness::text_of(&body), "ok");
}

/// A client with small buffers that sends a request and reads nothing.
async fn deaf(harness: &Harness, members: &Value) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(harness.origin.as_ref().unwrap().address()).await.unwrap();
    let body = chat_with("slow", members).to_string();
    let head = head(body.len()).replace("host: x", "host: x\r\nconnection: close");
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    stream
}

fn head(length: usize) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}
