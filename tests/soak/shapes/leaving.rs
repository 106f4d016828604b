//! Callers who leave, at every stage, politely and with a reset.

use super::Shape;
use crate::gates::Gates;
use crate::tally::Tally;
use crate::wire::{Wire, post};
use harness::caller::{bearer, hello, hello_stream, raw};
use harness::secrets::PROMPT;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;

pub(super) fn shapes(gates: &Gates) -> Vec<Shape> {
    let edge = gates.edge;
    let key = |plan| gates.caller.issue_key(plan).key;
    let chat = |body: Value, key: &str| post("/v1/chat/completions", key, &[], body.to_string().as_bytes());
    let whole = chat(hello(300), &key("hostile"));
    let stream = chat(hello_stream(300), &key("hostile"));
    let polite = [chat(hello(300), &key("hostile")), chat(hello_stream(300), &key("hostile"))];
    let upload = key("hostile");
    let deleted = {
        let made = gates.caller.issue_key("hostile");
        gates.caller.revoke(made.id);
        made.key
    };
    let routes = ["/v1/key", "/v1/models", "/admin/v1/keys"];
    let own = key("hostile");
    vec![
        Shape::new("reset inside the head", 250, {
            let head = whole.clone();
            move |tally, time| cut(edge, &head[..20 + time as usize % 60], tally, 0)
        }),
        Shape::new("reset inside a body", 150, move |tally, time| {
            // Half a megabyte of it arrives, by its length or in chunks, with a good key or a deleted one.
            let key = if time.is_multiple_of(2) { &upload } else { &deleted };
            let body = vec![b' '; 512 * 1024];
            let request = if time % 4 < 2 {
                post("/v1/chat/completions", key, &["Content-Length: 1000000"], &body)
            } else {
                let framed = raw::chunked(&body, 16 * 1024);
                post("/v1/chat/completions", key, &["Transfer-Encoding: chunked"], &framed[..framed.len() - 5])
            };
            cut(edge, &request, tally, time % 40);
        }),
        Shape::new("reset while it waits", 150, move |tally, time| cut(edge, &whole, tally, time * 7 % 120)),
        Shape::new("reset inside a stream", 150, move |tally, time| {
            if let Some(mut wire) = Wire::send(edge, &stream) {
                wire.first_byte(Duration::from_millis(50 + time % 400));
                wire.reset();
                tally.met("gone");
            }
        }),
        Shape::new("leaves politely", 400, move |tally, time| {
            if let Some(mut wire) = Wire::send(edge, &polite[time as usize % 2]) {
                wire.first_byte(Duration::from_millis(time * 13 % 300));
                tally.met("gone");
            }
        }),
        Shape::new("reset behind a question", 200, move |tally, time| {
            let path = routes[time as usize % routes.len()];
            cut(edge, &raw::request("GET", path, &[bearer(&own)], b""), tally, time % 5);
        }),
        Shape::new("half of a request, then silence", 3_000, {
            let slow = post("/v1/chat/completions", &key("hostile"), &["Content-Length: 5000"], PROMPT.as_bytes());
            move |tally, _| {
                // Whoever says no more is told so, or let go, before its lease could end.
                if let Some(mut wire) = Wire::send(edge, &slow) {
                    match wire.answer(super::PATIENCE) {
                        crate::wire::Heard::Closed => tally.met("let go"),
                        read => tally.read(&read),
                    }
                }
            }
        }),
    ]
}

fn cut(address: SocketAddr, request: &[u8], tally: &Tally, after_ms: u64) {
    match Wire::send(address, request) {
        Some(wire) => {
            std::thread::sleep(Duration::from_millis(after_ms));
            wire.reset();
            tally.met("gone");
        }
        None => tally.fault("no connection"),
    }
}
