//! Many users, many keys that are none, and pages that ask first.

use super::Shape;
use super::bodies::ask;
use crate::gates::Gates;
use crate::wire::post;
use harness::caller::{bearer, hello, raw};

pub(super) fn shapes(gates: &Gates) -> Vec<Shape> {
    let edge = gates.edge;
    let crowd = gates.caller.issue_key("crowd").key;
    let spent = gates.caller.issue_key("spent").key;
    let gone = {
        let made = gates.caller.issue_key("hostile");
        gates.caller.revoke(made.id);
        made.key
    };
    vec![
        Shape::new("a thousand users", 40, move |tally, time| {
            let mut body = hello(1);
            // A burst of users who never come back, and between them forty who do.
            let user = if time % 3 == 0 { time % 40 } else { 100 + time % 1_200 };
            body["user"] = format!("user-{user}").into();
            ask(edge, &post("/v1/chat/completions", &crowd, &[], body.to_string().as_bytes()), tally);
        }),
        Shape::new("a key that is deleted", 25, {
            let request = post("/v1/chat/completions", &gone, &[], hello(1).to_string().as_bytes());
            move |tally, _| ask(edge, &request, tally)
        }),
        Shape::new("a key that is spent", 25, {
            let request = post("/v1/chat/completions", &spent, &[], hello(1).to_string().as_bytes());
            move |tally, _| ask(edge, &request, tally)
        }),
        Shape::new("keys that are none", 25, {
            let request = post("/v1/chat/completions", "sk-none", &[], hello(1).to_string().as_bytes());
            move |tally, _| ask(edge, &request, tally)
        }),
        Shape::new("wrong admin tokens", 500, {
            let request = raw::request("GET", "/admin/v1/keys", &[bearer("not-the-token")], b"");
            move |tally, _| ask(edge, &request, tally)
        }),
        Shape::new("preflights", 50, move |tally, time| {
            let origin = ["https://app.example", "https://evil.example", "null"][time as usize % 3];
            let headers = [
                format!("Origin: {origin}"),
                "Access-Control-Request-Method: POST".into(),
                format!("Access-Control-Request-Headers: {}", "x-a,".repeat(1 + time as usize % 200)),
            ];
            ask(edge, &raw::request("OPTIONS", "/v1/chat/completions", &headers, b""), tally);
        }),
    ]
}
