//! Bodies come in time and within their bounds, or are refused; and nobody holds them longer than they are needed.

use crate::settle::leaving::{CHUNKED, broken_off, doors, lines};
use harness::caller::raw::{RawConnection, chunked, request};
use harness::caller::{hello, hello_stream};
use harness::origin::raw::{Received, Reply};
use harness::wait::{SOON, until, until_true};
use harness::{Stack, secrets};
use sluice_protocol::refusal::Reason;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn a_body_that_does_not_come_is_refused_in_time() {
    let stack = Stack::new()
        .setting("LEAK_REPORTS", "https://127.0.0.1:1/keys")
        .setting("TOKEN_KEYS", secrets::token_keys())
        .setting("BODY_TIMEOUT_MS", "400")
        .start();
    let key = stack.key();
    for (path, token) in doors(&key.key) {
        let long = if path.starts_with("/v1/chat") { 40_000 } else { 16_000 };
        for (sent, declared) in [(10, Some(4_000)), (10_000, Some(long)), (5, None), (12_000, None)] {
            let begun = Instant::now();
            let answer = RawConnection::send(stack.edge_address(), &broken_off(path, &token, sent, declared)).answer();
            let refused = answer.refused(Reason::InvalidRequest);
            assert!(refused.text().contains("did not arrive in time"), "{path}: {}", refused.text());
            let took = begun.elapsed();
            assert!((Duration::from_millis(390)..SOON).contains(&took), "{path}: {took:?}");
        }
    }
}

#[test]
fn bodies_that_stall_make_room_for_those_that_come() {
    let stack = Stack::new().setting("BODY_TIMEOUT_MS", "60000").start();
    stack.script().allow_all();
    let key = stack.key();
    let mut stalled: Vec<_> = (0..40)
        .map(|_| {
            RawConnection::send(stack.edge_address(), &broken_off("/v1/chat/completions", &key.key, 1_000_000, None))
        })
        .collect();
    // Those that are new are told to come again, until what stalls has stalled for long enough.
    let mut body = hello(4);
    body["messages"][0]["content"] = "x".repeat(500_000).into();
    let (_, waited) = until("a long body passes", SOON, || {
        let answer = stack.edge.chat(Some(&key.key), &body);
        match answer.status {
            503 => {
                let refused = answer.refused(Reason::Overloaded);
                assert_eq!(refused.retry_after_ms(), Some(1_000));
                None
            }
            _ => Some(answer),
        }
    });
    println!("a long body passed after {waited:?}");
    // Short ones always had room. Who had stalled is told when it goes on.
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    stalled.iter_mut().for_each(|connection| connection.push(&chunked(&[b' '; 40_000], 40_000)));
    until_true("one that stalled is told", SOON, || {
        stalled.iter_mut().any(|connection| connection.has(b"HTTP/1.1 503"))
    });
}

#[test]
fn a_body_that_comes_byte_by_byte_is_read_in_pieces() {
    let stack = Stack::new().observed().start();
    stack.script().allow_all();
    let key = stack.key();
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    let mut body = hello(4);
    body["messages"][0]["content"] = "x".repeat(100_000).into();
    let headers = lines(&key.key, &[CHUNKED]);
    let sent = request("POST", "/v1/chat/completions", &headers, &chunked(body.to_string().as_bytes(), 1));
    let before = stack.seen_inside().waits;
    let answer = RawConnection::send(stack.edge_address(), &sent).answer();
    assert!(answer.status < 500, "{}", answer.text());
    let waits = stack.seen_inside().waits - before;
    assert!(waits < 20, "a hundred thousand chunks were {waits} promises");
}

/// A stream that has begun and goes on: until the edge closes it.
fn goes_on() -> Reply {
    Arc::new(|_: &Received, socket: &mut TcpStream| {
        let event = "data: {\"id\":\"x\"}\n\n";
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let _ = socket.write_all(format!("{head}{:x}\r\n{event}\r\n", event.len()).as_bytes());
        let _ = socket.read(&mut [0; 1]);
    })
}

#[test]
fn streams_that_are_open_do_not_hold_their_bodies() {
    let stack = Stack::new().raw_origin(goes_on()).observed().start();
    let key = stack.key();
    let mut body = hello_stream(8);
    body["messages"][0]["content"] = "x".repeat(900_000).into();
    let open = |count: usize| -> Vec<RawConnection> {
        (0..count)
            .map(|_| {
                let mut connection = stack.open_chat(&key.key, &body);
                connection.read_text("\"id\":\"x\"");
                connection
            })
            .collect()
    };
    let _first = open(2);
    let before = stack.seen_inside();
    let _others = open(20);
    let after = stack.seen_inside();
    println!("{before:?}, and with 20 more streams {after:?}");
    assert!(after.memory - before.memory < 2 << 20, "{before:?}, and then {after:?}");
}

/// An answer of this kind that does not end before so many bytes, whose length nobody has said.
fn endless(bytes: usize) -> Reply {
    Arc::new(move |_: &Received, socket: &mut TcpStream| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{\"object\":\"";
        let _ = socket.write_all(head.as_bytes());
        let part = vec![b'x'; 1 << 20];
        // It fails as soon as the edge has enough of it.
        let _ = (0..bytes >> 20).try_for_each(|_| socket.write_all(&part));
    })
}

#[test]
fn what_an_origin_answers_is_bounded() {
    let stack = Stack::new().raw_origin(endless(48 << 20)).observed().start();
    let key = stack.key();
    let before = stack.seen_inside();
    stack.edge.chat(Some(&key.key), &hello(8)).refused(Reason::OriginFailed);
    stack.edge.get("/v1/models", Some(&key.key)).refused(Reason::OriginFailed);
    let after = stack.seen_inside();
    assert!(after.memory - before.memory < 2 << 20, "{before:?}, and then {after:?}");
}
