//! Bodies that are bent, large, deep or not what they say.

use super::{PATIENCE, Shape};
use crate::gates::Gates;
use crate::tally::Tally;
use crate::wire::{Wire, post};
use harness::caller::{MODEL, hello, raw};
use serde_json::json;
use std::net::SocketAddr;

pub(super) fn shapes(gates: &Gates) -> Vec<Shape> {
    let edge = gates.edge;
    let keys: Vec<_> = (0..4).map(|_| gates.caller.issue_key("hostile").key).collect();
    let [bent, large, slow, wrong] = [0, 1, 2, 3].map(|at| keys[at].clone());
    vec![
        Shape::new("bent bodies", 100, move |tally, time| {
            let mut body = hello(2).to_string().into_bytes();
            // A few bytes go wrong, each time others.
            let mut state = time.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            for _ in 0..1 + time % 5 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let place = (state >> 33) as usize % body.len();
                body[place] = (state >> 56) as u8;
            }
            ask(edge, &post("/v1/chat/completions", &bent, &[], &body), tally);
        }),
        Shape::new("bodies that cost to read", 2_000, move |tally, time| {
            let body = match time % 5 {
                0 => format!("{{\"model\":\"{MODEL}\",\"prompt\":[{}[0]]}}", "[0],".repeat(200_000)),
                1 => "[".repeat(900_000),
                2 => format!("{{\"model\":\"{MODEL}\",\"stop\":[{}\"x\"]}}", "\"a\",".repeat(200_000)),
                3 => format!("{{{}\"model\":\"{MODEL}\"}}", "\"seed\":1,".repeat(100_000)),
                _ => format!("{{\"model\":\"{MODEL}\",\"messages\":[{}{{}}]}}", "{},".repeat(250_000)),
            };
            let path = if time % 5 == 0 { "/v1/completions" } else { "/v1/chat/completions" };
            ask(edge, &post(path, &large, &[], body.as_bytes()), tally);
        }),
        Shape::new("bodies in chunks of a byte", 5_000, move |tally, _| {
            let framed = raw::chunked(hello(2).to_string().as_bytes(), 1);
            ask(edge, &post("/v1/chat/completions", &slow, &["Transfer-Encoding: chunked"], &framed), tally);
        }),
        Shape::new("members of wrong types", 200, move |tally, time| {
            let members = ["max_tokens", "stream", "stop", "user", "tools", "messages", "response_format", "seed", "n"];
            let values = [json!(null), json!("16"), json!([1]), json!({}), json!(1e300), json!(-1), json!(true)];
            let mut body = hello(2);
            body[members[time as usize % members.len()]] = values[time as usize / members.len() % values.len()].clone();
            // A null is as if it were not there, so some of them are served.
            ask(edge, &post("/v1/chat/completions", &wrong, &[], body.to_string().as_bytes()), tally);
        }),
    ]
}

/// Sends it and counts what comes.
pub(super) fn ask(address: SocketAddr, request: &[u8], tally: &Tally) {
    match Wire::send(address, request) {
        Some(mut wire) => tally.read(&wire.answer(PATIENCE)),
        None => tally.fault("no connection"),
    }
}
