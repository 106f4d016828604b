//! request: whatever is sent is answered with a typed refusal, before anything is counted.

mod bodies;
mod completions;
mod contract;
mod cors;
pub(crate) mod described;
mod early;
mod elsewhere;
mod head;
mod models;
mod patience;

use harness::caller::raw::{self, exchange, request};
use harness::caller::{bearer, hello};
use harness::secrets::PROMPT;
use harness::{RunningStack, Stack};
use serde_json::json;
use sluice_protocol::refusal::Reason;

const JSON: &str = "Content-Type: application/json";

/// Sends a chat request with these header lines and body, and a valid key.
fn post(stack: &RunningStack, key: &str, headers: &[&str], body: &[u8]) -> harness::Answer {
    let mut lines = vec![bearer(key)];
    lines.extend(headers.iter().map(|line| (*line).to_owned()));
    exchange(stack.edge_address(), &request("POST", "/v1/chat/completions", &lines, body)).from_edge()
}

#[test]
fn every_bad_body_has_its_refusal_and_burns_no_quota() {
    let stack = Stack::new().limit("1 per 1h").start();
    stack.script().allow_all();
    let key = stack.key();
    let messages = format!(r#""model":"tiny","messages":[{{"role":"user","content":"{PROMPT}"}}]"#);
    let with = |more: &str| format!("{{{messages},{more}}}");
    let cases: Vec<(&str, String, Reason, Option<&str>)> = vec![
        ("nothing", String::new(), Reason::InvalidJson, None),
        ("not JSON", format!("hello {PROMPT}"), Reason::InvalidJson, None),
        ("cut off", format!("{{{messages}"), Reason::InvalidJson, None),
        ("more after the end", format!("{{{messages}}} {{}}"), Reason::InvalidJson, None),
        ("a number too large for a float", with(r#""max_tokens":1e999"#), Reason::InvalidRequest, Some("max_tokens")),
        ("deeper than any request", format!("{{\"x\":{}", "[".repeat(5_000)), Reason::InvalidJson, None),
        ("a list", "[]".into(), Reason::InvalidRequest, None),
        ("a member twice", with(r#""model":"other""#), Reason::InvalidRequest, Some("model")),
        ("no model", r#"{"messages":[{"role":"user","content":"x"}]}"#.into(), Reason::InvalidRequest, Some("model")),
        ("an empty model", r#"{"model":"","messages":[]}"#.into(), Reason::InvalidRequest, Some("model")),
        ("no messages", r#"{"model":"tiny"}"#.into(), Reason::InvalidRequest, Some("messages")),
        ("empty messages", r#"{"model":"tiny","messages":[]}"#.into(), Reason::InvalidRequest, Some("messages")),
        (
            "a message without content",
            r#"{"model":"tiny","messages":[{"role":"user"}]}"#.into(),
            Reason::InvalidRequest,
            Some("messages"),
        ),
        (
            "an unknown role",
            r#"{"model":"tiny","messages":[{"role":"king","content":"x"}]}"#.into(),
            Reason::InvalidRequest,
            Some("messages"),
        ),
        (
            "a picture",
            r#"{"model":"tiny","messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]}"#.into(),
            Reason::UnsupportedParameter,
            Some("messages"),
        ),
        ("negative max_tokens", with(r#""max_tokens":-1"#), Reason::InvalidRequest, Some("max_tokens")),
        ("zero max_tokens", with(r#""max_tokens":0"#), Reason::InvalidRequest, Some("max_tokens")),
        ("fractional max_tokens", with(r#""max_tokens":1.5"#), Reason::InvalidRequest, Some("max_tokens")),
        ("huge max_tokens", with(r#""max_tokens":1000001"#), Reason::InvalidRequest, Some("max_tokens")),
        ("max_tokens beyond 64 bits", with(r#""max_tokens":1e30"#), Reason::InvalidRequest, Some("max_tokens")),
        ("max_tokens as text", with(r#""max_tokens":"5""#), Reason::InvalidRequest, Some("max_tokens")),
        (
            "negative max_completion_tokens",
            with(r#""max_completion_tokens":-5"#),
            Reason::InvalidRequest,
            Some("max_completion_tokens"),
        ),
        ("temperature above 2", with(r#""temperature":2.1"#), Reason::InvalidRequest, Some("temperature")),
        ("top_p of 0", with(r#""top_p":0"#), Reason::InvalidRequest, Some("top_p")),
        ("an empty stop", with(r#""stop":[""]"#), Reason::InvalidRequest, Some("stop")),
        ("five stops", with(r#""stop":["a","b","c","d","e"]"#), Reason::InvalidRequest, Some("stop")),
        ("nine answers", with(r#""n":9"#), Reason::InvalidRequest, Some("n")),
        ("a tool without a function", with(r#""tools":[{"type":"function"}]"#), Reason::InvalidRequest, Some("tools")),
        ("a tool of another type", with(r#""tools":[{"type":"custom"}]"#), Reason::UnsupportedParameter, Some("tools")),
        ("a call of nothing", with(r#""tool_choice":"required""#), Reason::InvalidRequest, Some("tool_choice")),
        (
            "a choice among some",
            with(r#""tool_choice":{"type":"allowed_tools"}"#),
            Reason::UnsupportedParameter,
            Some("tool_choice"),
        ),
        ("text as a number", with(r#""user":5"#), Reason::InvalidRequest, Some("user")),
        ("messages as text", r#"{"model":"tiny","messages":"hi"}"#.into(), Reason::InvalidRequest, Some("messages")),
        (
            "a choice of words",
            with(r#""guided_choice":["red","green"]"#),
            Reason::UnsupportedParameter,
            Some("guided_choice"),
        ),
        ("functions", with(r#""functions":[{}]"#), Reason::UnsupportedParameter, Some("functions")),
        ("top_logprobs alone", with(r#""top_logprobs":3"#), Reason::InvalidRequest, Some("top_logprobs")),
        ("a penalty above 2", with(r#""presence_penalty":2.5"#), Reason::InvalidRequest, Some("presence_penalty")),
        ("a bias for no token", with(r#""logit_bias":{"a":5}"#), Reason::InvalidRequest, Some("logit_bias")),
        (
            "a form without its schema",
            with(r#""response_format":{"type":"json_schema"}"#),
            Reason::InvalidRequest,
            Some("response_format"),
        ),
    ];
    let before = stack.edge.view(key.id).storage;
    for (name, body, reason, param) in &cases {
        let answer = post(&stack, &key.key, &[JSON], body.as_bytes());
        assert_eq!(answer.status, reason.row().status, "{name}: {}", answer.text());
        let answer = answer.refused(*reason);
        assert_eq!(answer.json()["error"]["param"].as_str(), *param, "{name}: {}", answer.text());
    }
    for (name, body) in [("a lone byte", &b"\xff"[..]), ("inside a string", b"{\"model\":\"\xc3\x28\"}")] {
        let answer = post(&stack, &key.key, &[JSON], body);
        assert_eq!(answer.status, 400, "not UTF-8, {name}: {}", answer.text());
        answer.refused(Reason::InvalidJson);
    }
    check_only_looked(&stack, &key, before);
    // The only request of this hour is still there.
    stack.edge.chat(Some(&key.key), &hello(8)).ok();
    stack.edge.chat(Some(&key.key), &hello(8)).refused(Reason::RateLimited);
    stack.check_logs(&[&key.key]);
}

/// Since `before`, this key's Gate was asked by the admin alone.
fn check_only_looked(
    stack: &RunningStack,
    key: &sluice_protocol::admin::CreatedKey,
    before: sluice_protocol::hop::gate_call::description::StorageCounters,
) {
    let after = stack.edge.view(key.id).storage;
    assert_eq!(after.calls, before.calls + 1);
    assert_eq!((after.rows_read, after.rows_written), (before.rows_read, before.rows_written));
}

#[test]
fn a_body_is_json_of_a_bounded_size() {
    let stack = Stack::new().limit("1 per 1h").max_body(2_000).start();
    stack.script().allow_all();
    let key = stack.key();
    let good = hello(8).to_string().into_bytes();
    let before = stack.edge.view(key.id).storage;
    for kind in ["text/plain", "application/jsonp", "multipart/form-data", "", "application/json, text/plain"] {
        let answer = post(&stack, &key.key, &[&format!("Content-Type: {kind}")], &good);
        assert_eq!(answer.status, 415, "{kind}: {}", answer.text());
        answer.refused(Reason::UnsupportedMediaType);
    }
    post(&stack, &key.key, &[], &good).refused(Reason::UnsupportedMediaType);

    let mut large = hello(8);
    large["messages"][0]["content"] = "x".repeat(2_000).into();
    let large = large.to_string().into_bytes();
    post(&stack, &key.key, &[JSON], &large).refused(Reason::BodyTooLarge);
    // A declared length is believed without a byte of it.
    let mut liar = raw::RawConnection::send(
        stack.edge_address(),
        &request(
            "POST",
            "/v1/chat/completions",
            &[bearer(&key.key), JSON.into(), "Content-Length: 99999999".into()],
            b"",
        ),
    );
    liar.read_text("body_too_large");
    liar.answer().from_edge().refused(Reason::BodyTooLarge);
    // One that is not declared is counted.
    let chunked = ["Transfer-Encoding: chunked", JSON];
    post(&stack, &key.key, &chunked, &raw::chunked(&large, 100)).refused(Reason::BodyTooLarge);
    check_only_looked(&stack, &key, before);
    // In chunks or whole, what fits is served; parameters of the content type and letters' case do not matter.
    let chunked = ["Transfer-Encoding: chunked", "Content-Type: Application/JSON; charset=utf-8"];
    post(&stack, &key.key, &chunked, &raw::chunked(&good, 7)).ok();
}

/// A body that is packed is refused before a byte of it is read, and the refusal says what is taken (RFC 9110, 15.5.16).
#[test]
fn a_packed_body_is_refused_by_the_name_of_its_header() {
    let stack = Stack::new().limit("3 per 1h").setting("TOKEN_KEYS", harness::secrets::token_keys()).start();
    stack.script().allow_all();
    let key = stack.key();
    let good = hello(8).to_string().into_bytes();
    let before = stack.edge.view(key.id).storage;
    // The beginning of a gzip: what it holds is nobody's business.
    let packed = [&b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"[..], &[0; 100]].concat();
    for encoding in
        ["gzip", "GZIP", "deflate", "br", "zstd", "gzip, gzip", "identity, gzip", "none", "x".repeat(9_000).as_str()]
    {
        for body in [&packed, &good] {
            let answer = post(&stack, &key.key, &[JSON, &format!("Content-Encoding: {encoding}")], body);
            let answer = answer.refused(Reason::UnsupportedMediaType);
            assert_eq!(answer.header("accept-encoding"), Some("identity"), "{encoding}");
            assert!(answer.text().contains("content-encoding"), "{}", answer.text());
        }
    }
    post(&stack, &key.key, &[JSON, "Content-Encoding: identity", "Content-Encoding: gzip"], &good)
        .refused(Reason::UnsupportedMediaType);
    // Every route that reads a body.
    let gzip = "Content-Encoding: gzip".to_owned();
    let at = |path: &str, credential: &str| {
        let lines = [bearer(credential), JSON.to_owned(), gzip.clone()];
        exchange(stack.edge_address(), &request("POST", path, &lines, &packed)).from_edge()
    };
    for (path, credential) in [
        ("/v1/completions", &*key.key),
        ("/v1/auth/token", &key.key),
        ("/admin/v1/keys", harness::secrets::ADMIN_TOKEN),
    ] {
        at(path, credential).refused(Reason::UnsupportedMediaType);
    }
    check_only_looked(&stack, &key, before);
    for encoding in ["identity", "Identity", ""] {
        post(&stack, &key.key, &[JSON, &format!("Content-Encoding: {encoding}")], &good).ok();
    }
}

#[test]
fn the_cap_is_exact_and_is_one_megabyte_by_default() {
    let stack = Stack::new().start();
    stack.script().allow_all();
    let key = stack.key();
    let padded = |length: usize| {
        let mut body = hello(8).to_string();
        body.push_str(&" ".repeat(length - body.len()));
        body.into_bytes()
    };
    post(&stack, &key.key, &[JSON], &padded(1 << 20)).ok();
    post(&stack, &key.key, &[JSON], &padded((1 << 20) + 1)).refused(Reason::BodyTooLarge);
}

#[test]
fn paths_and_methods_are_refused_by_name() {
    let stack = Stack::new().start();
    let cases = [
        ("GET", "/v1/chat/completions", Reason::MethodNotAllowed, Some("POST")),
        ("PUT", "/v1/chat/completions", Reason::MethodNotAllowed, Some("POST")),
        ("DELETE", "/v1/chat/completions?x=y", Reason::MethodNotAllowed, Some("POST")),
        ("POST", "/v1/models", Reason::MethodNotAllowed, Some("GET, HEAD")),
        ("OPTIONS", "/v1/models/tiny", Reason::MethodNotAllowed, Some("GET, HEAD")),
        ("POST", "/healthz", Reason::MethodNotAllowed, Some("GET, HEAD")),
        ("POST", "/", Reason::MethodNotAllowed, Some("GET, HEAD")),
        ("GET", "/index.html", Reason::NotFound, None),
        ("GET", "/v1", Reason::NotFound, None),
        ("POST", "/v1/chat/completions/", Reason::NotFound, None),
        ("POST", "/v1/chat/completions/../../admin/v1/keys", Reason::NotFound, None),
        ("POST", "/V1/chat/completions", Reason::NotFound, None),
        ("POST", "//v1/chat/completions", Reason::NotFound, None),
        ("GET", "/admin", Reason::NotFound, None),
        ("GET", "/capacity", Reason::NotFound, None),
        ("POST", "/metrics", Reason::MethodNotAllowed, Some("GET, HEAD")),
    ];
    for (method, path, reason, allow) in cases {
        let answer = exchange(stack.edge_address(), &request(method, path, &[], b"")).from_edge();
        assert_eq!(answer.status, reason.row().status, "{method} {path}: {}", answer.text());
        assert_eq!(answer.refused(reason).header("allow"), allow, "{method} {path}");
    }
}

#[test]
fn two_framings_of_one_body_never_make_two_requests() {
    let stack = Stack::new().limit("5 per 1h").start();
    let key = stack.key();
    let inner =
        request("POST", "/v1/chat/completions", &[bearer(&key.key), JSON.into()], hello(1).to_string().as_bytes());
    let both = [bearer(&key.key), JSON.into(), "Content-Length: 5".into(), "Transfer-Encoding: chunked".into()];
    let mut bytes = request("POST", "/v1/chat/completions", &both, b"0\r\n\r\n");
    bytes.extend_from_slice(&inner);
    let answer = exchange(stack.edge_address(), &bytes);
    assert!((400..500).contains(&answer.status), "{answer:?}");
    assert_eq!(stack.edge.view(key.id).live_leases, 0);
    assert_eq!(stack.script().steps(), 0);
}

#[test]
fn health_says_no_more_than_that() {
    let stack = Stack::new().start();
    let answer = stack.edge.get("/healthz", None).ok();
    assert_eq!(answer.json(), json!({"status": "ok"}));
    let head = stack.edge.send(|http, base| http.head(format!("{base}/healthz"))).from_edge().ok();
    assert!(head.body.is_empty());
}
