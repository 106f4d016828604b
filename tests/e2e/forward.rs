//! forward: what reaches the origin, what comes back of it, and what an origin takes from anybody but its edge.

mod elsewhere;
mod failure;
mod versions;

use harness::caller::raw::{exchange, request};
use harness::caller::{Caller, bearer, hello, hello_stream};
use harness::origin::raw::{breaks_off_after, json, silent};
use harness::secrets::{self, PROMPT};
use harness::wait::{SOON, until_true};
use harness::{Answer, RunningStack, Stack};
use sluice_protocol::forward::grant::{GrantClaims, body_hash};
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::Reason;
use sluice_protocol::wire::header;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

const ANSWER: &str = r#"{"id":"x","object":"chat.completion","created":1,"model":"tiny","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":2,"total_tokens":13}}"#;

#[test]
fn nothing_of_the_callers_reaches_the_origin_but_the_body() {
    let stack = Stack::new().raw_origin(json("200 OK", "", ANSWER)).start();
    let key = stack.key();
    // Spaces, an unknown member and an escape: the origin hashes the very bytes.
    let body =
        format!(r#"{{ "model":"tiny", "later":[1, 2], "messages":[{{"role":"user","content":"{PROMPT}\u00e9"}}] }}"#);
    let headers = [
        bearer(&key.key),
        "Content-Type: application/json".into(),
        "x-sluice-grant: forged.forged.forged".into(),
        "X-Sluice-Grant: forged.again.forged".into(),
        "x-sluice-capacity: slots=1000000, free=1000000".into(),
        "x-sluice-priority: 255".into(),
        "x-request-id: req_0000000000000000000000".into(),
        "x-forwarded-for: 10.0.0.1".into(),
        "cookie: secret=1".into(),
        "accept-encoding: br".into(),
        "accept: text/html".into(),
    ];
    let bytes = request("POST", "/v1/chat/completions?stream=true", &headers, body.as_bytes());
    let answer = exchange(stack.edge_address(), &bytes).from_edge().ok();

    let received = stack.received();
    assert_eq!(received.len(), 1);
    let received = &received[0];
    assert_eq!(received.line, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(received.body, body.as_bytes());
    let mut names: Vec<_> = received.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    // The last two are how the platform frames a request; it may add to them what it accepts and who it is.
    let platform = ["accept-encoding", "connection", "user-agent", "cf-connecting-ip"];
    names.retain(|name| !platform.contains(name));
    assert_eq!(names, ["accept", "content-length", "content-type", "host", header::GRANT]);
    let sent = format!("{:?}", received.headers);
    for stranger in [&key.key, "forged", "secret=1", "10.0.0.1", "text/html", "255"] {
        assert!(!sent.contains(stranger), "{stranger}: {sent}");
    }

    let claims = claims_of(received.header(header::GRANT).expect("seen above"));
    assert_eq!(Some(claims.jti.as_str()), answer.header(header::REQUEST_ID));
    assert_ne!(claims.jti, "req_0000000000000000000000");
    assert_eq!(claims.sub, key.id.to_string());
    assert_eq!(claims.acc, key.account);
    assert_eq!((claims.plan.as_str(), claims.pri), (harness::PLAN, 1));
    assert_eq!(claims.bh, body_hash(body.as_bytes()));
    let left = claims.deadline_ms() - now_ms();
    assert!((590_000..=599_000).contains(&left), "a lease of ten minutes, less a margin: {left} ms");
}

#[test]
fn nothing_of_the_origins_reaches_the_caller_but_the_answer() {
    let headers = "set-cookie: a=b\r\nserver: secret/1.0\r\nx-powered-by: x\r\nx-sluice-capacity: slots=1, free=1\r\n\
                   x-request-id: req_0000000000000000000000\r\nlocation: /elsewhere\r\nretry-after: 5\r\n";
    let stack = Stack::new().raw_origin(json("200 OK", headers, ANSWER)).start();
    let key = stack.key();
    // Every header of every answer is checked against the list: see `Answer::from_edge`.
    let answer = stack.edge.chat(Some(&key.key), &hello(4)).ok();
    assert_eq!(answer.text(), ANSWER);
    assert_ne!(answer.header(header::REQUEST_ID), Some("req_0000000000000000000000"));
    assert_eq!(answer.header(header::RETRY_AFTER), None);
    until_true("settled", SOON, || stack.edge.view(key.id).used.completion_tokens == 2);
}

#[test]
fn what_an_origin_says_amiss_is_a_bad_gateway_and_not_counted() {
    let error = |code: &str| format!(r#"{{"error":{{"message":"m","type":"t","param":null,"code":"{code}"}}}}"#);
    let cases = [
        ("302 Found", "location: http://127.0.0.1:1/\r\n", String::new()),
        ("200 OK", "location: x\r\n", ANSWER.to_owned()),
        ("401 Unauthorized", "", error("invalid_grant")),
        ("401 Unauthorized", "", error("invalid_api_key")),
        ("404 Not Found", "", error("not_found")),
        ("500 Internal Server Error", "", "<html>oops</html>".to_owned()),
        ("429 Too Many Requests", "retry-after: 9\r\n", "{}".to_owned()),
    ];
    for (status, headers, body) in cases {
        let good = status == "200 OK";
        let stack = Stack::new().limit("1 per 1h").raw_origin(json(status, headers, body)).start();
        let key = stack.key();
        if good {
            stack.edge.chat(Some(&key.key), &hello(4)).ok();
            stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::RateLimited);
            continue;
        }
        for _ in 0..2 {
            let answer = stack.edge.chat(Some(&key.key), &hello(4));
            assert_eq!(answer.status, 502, "{status}: {}", answer.text());
            answer.refused(Reason::OriginFailed);
            until_true("settled", SOON, || stack.edge.view(key.id).live_leases == 0);
        }
    }
}

#[test]
fn a_refusal_of_the_origin_that_a_caller_can_act_on_passes() {
    let stack = Stack::new().limit("3 per 1h").start();
    let key = stack.key();
    let mut unknown = hello(4);
    unknown["model"] = "gpt-9".into();
    let refused = stack.edge.chat(Some(&key.key), &unknown).refused(Reason::ModelNotFound);
    assert_eq!(refused.json()["error"]["param"], "model");
    let refused = stack.edge.chat(Some(&key.key), &hello(40_000)).refused(Reason::InvalidRequest);
    assert_eq!(refused.json()["error"]["param"], "max_tokens");
    let refused = stack.edge.chat(Some(&key.key), &hello(8_000)).refused(Reason::ContextLengthExceeded);
    assert!(refused.json()["error"]["message"].as_str().is_some_and(|message| message.contains("8000")));
    // They were counted: what only the origin can refuse has cost it something.
    stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::RateLimited);
    stack.check_logs(&[&key.key]);
}

#[test]
fn an_origin_that_is_down_is_a_bad_gateway_and_not_counted() {
    let stack = Stack::new().limit("1 per 1h").no_origin().start();
    let key = stack.key();
    for _ in 0..3 {
        let refused = stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::OriginFailed);
        assert_eq!(refused.header("x-should-retry"), Some("true"));
        until_true("settled", SOON, || stack.edge.view(key.id).live_leases == 0);
    }
    assert_eq!(stack.edge.view(key.id).used.served, 0);
    stack.edge.get("/v1/models", Some(&key.key)).refused(Reason::OriginFailed);
    assert!(stack.edge_log().contains("cannot be reached"), "{}", stack.edge_log());
}

#[test]
fn an_origin_that_is_silent_is_a_gateway_timeout() {
    let stack = Stack::new().limit("1 per 1h").origin_timeout_ms(300).raw_origin(silent()).start();
    let key = stack.key();
    let start = Instant::now();
    stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::OriginSilent);
    assert!(start.elapsed() >= std::time::Duration::from_millis(300));
    until_true("settled", SOON, || stack.edge.view(key.id).live_leases == 0);
    // It may have worked all that time.
    stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::RateLimited);
}

#[test]
fn an_answer_that_breaks_off_before_its_end_is_a_bad_gateway() {
    let half = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"id\":";
    let reply = std::sync::Arc::new(move |_: &harness::origin::raw::Received, socket: &mut std::net::TcpStream| {
        let _ = std::io::Write::write_all(socket, half.as_bytes());
    });
    let stack = Stack::new().raw_origin(reply).start();
    let key = stack.key();
    stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::OriginFailed);
    until_true("settled", SOON, || stack.edge.view(key.id).live_leases == 0);
    // An origin that hangs up at once has not even said that much.
    let stack = Stack::new().raw_origin(breaks_off_after(&[])).start();
    let key = stack.key();
    assert_eq!(stack.edge.chat(Some(&key.key), &hello(4)).ok().stream().errors.len(), 1);
}

#[test]
fn gates_that_do_not_belong_together_refuse_each_other_without_blaming_the_caller() {
    let stack = Stack::new().limit("1 per 1h").setting("GRANT_KEYS", secrets::other_grant_keys()).start();
    let key = stack.key();
    for _ in 0..2 {
        stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::OriginFailed);
        until_true("settled", SOON, || stack.edge.view(key.id).live_leases == 0);
    }
    stack.edge.get("/v1/models", Some(&key.key)).refused(Reason::OriginFailed);
    assert!(stack.edge_log().contains("grant"), "the log says why: {}", stack.edge_log());
}

#[test]
fn models_are_listed_for_whoever_has_a_key_and_cost_nothing() {
    let stack = Stack::new().limit("1 per 1h").start();
    stack.script().allow_all();
    let key = stack.key();
    for _ in 0..3 {
        let list = stack.edge.get("/v1/models", Some(&key.key)).ok().json();
        assert_eq!(list["object"], "list");
        assert_eq!(list["data"][0]["id"], harness::caller::MODEL);
    }
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    let view = stack.edge.view(key.id);
    assert_eq!(view.live_leases, 0);
}

/// The origin alone, as somebody sees it who found its address.
pub(crate) fn at_origin(stack: &RunningStack, grant: Option<&str>, body: &str) -> Answer {
    let origin = Caller::new(stack.origin_address());
    origin.send(|http, base| {
        let request = http.post(format!("{base}/v1/chat/completions")).header("content-type", "application/json");
        let request = request.body(body.to_owned());
        match grant {
            Some(grant) => request.header(header::GRANT, grant),
            None => request,
        }
    })
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    u64::try_from(since.as_millis()).expect("milliseconds fit 64 bits")
}

pub(crate) fn claims(number: u8, body: &str) -> GrantClaims {
    GrantClaims {
        jti: RequestId([number; 16]).to_string(),
        sub: "key_x".into(),
        acc: "account".into(),
        plan: "plan".into(),
        pri: 1,
        tok: 0,
        max: 0,
        inp: 0,
        exp: now_ms() / 1000 + 60,
        bh: body_hash(body.as_bytes()),
        aud: None,
        idle: false,
        img: None,
    }
}

fn claims_of(grant: &str) -> GrantClaims {
    use base64::Engine;
    let payload = grant.split('.').nth(1).expect("a compact JWS");
    let json = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&json).expect("claims")
}

#[test]
fn an_origin_takes_nothing_but_its_edges_grants() {
    let stack = Stack::new().start();
    stack.script().allow_all();
    let body = hello(4).to_string();
    let good = claims(1, &body);
    let expired = GrantClaims { exp: now_ms() / 1000 - 1, ..good.clone() };
    let distant = GrantClaims { exp: now_ms() / 1000 + 3 * 3600, ..good.clone() };
    let nameless = GrantClaims { jti: "req_!".into(), ..good.clone() };
    let signed = secrets::sign(&good);
    let (head, signature) =
        (signed.split('.').next().expect("a head"), signed.rsplit('.').next().expect("a signature"));
    let altered = secrets::sign(&GrantClaims { tok: 1_000_000, ..good.clone() });
    let spliced = format!("{head}.{}.{signature}", altered.split('.').nth(1).expect("claims"));
    let cases: Vec<(&str, Option<String>)> = vec![
        ("missing", None),
        ("empty", Some(String::new())),
        ("not a token", Some("x.y.z".into())),
        ("expired", Some(secrets::sign(&expired))),
        ("too far away", Some(secrets::sign(&distant))),
        ("without a request's id", Some(secrets::sign(&nameless))),
        ("of another key", Some(secrets::sign_with_wrong_key(&good))),
        ("of another name", Some(secrets::sign_with_wrong_name(&good))),
        ("unsigned", Some(secrets::unsigned(&good))),
        ("signed with the public key", Some(secrets::sign_with_public_key(&good))),
        ("with other claims", Some(spliced)),
        ("without its signature", Some(signed[..signed.len() - signature.len()].to_owned())),
        ("for another body", Some(secrets::sign(&claims(2, "{}")))),
    ];
    for (name, grant) in cases {
        let answer = at_origin(&stack, grant.as_deref(), &body);
        assert_eq!(answer.status, 401, "{name}: {}", answer.text());
        answer.refused(Reason::InvalidGrant);
    }
    assert_eq!(stack.script().steps(), 0, "the model was never asked");
    at_origin(&stack, Some(&signed), &body).ok();
    at_origin(&stack, Some(&signed), &body).refused(Reason::InvalidGrant);
    // A captured grant of the edge's own is as worthless.
    let origin = Caller::new(stack.origin_address());
    origin.send(|http, base| http.get(format!("{base}/v1/models"))).refused(Reason::InvalidGrant);
}

#[test]
fn nobody_waits_for_a_silent_origin_beyond_the_lease() {
    let stack = Stack::new().lease("5s").raw_origin(silent()).start();
    let key = stack.key();
    stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::OriginSilent);
}

/// An origin that wants certificates, reached through the binding `ORIGIN`: with the edge's own it answers, whole and
/// streamed; without one it greets nobody, and the caller is told that the fault is not its own.
#[test]
fn an_origin_that_wants_certificates_is_reached_through_a_binding() {
    let stack = Stack::new().behind_tls(true).start();
    stack.script().allow_all();
    let key = stack.key();
    let answer = stack.edge.chat(Some(&key.key), &hello(4)).ok();
    assert_eq!(answer.json()["usage"]["completion_tokens"], 3);
    let streamed = stack.edge.chat(Some(&key.key), &hello_stream(4)).ok();
    assert!(streamed.text().ends_with("data: [DONE]\n\n"), "{}", streamed.text());

    let stack = Stack::new().behind_tls(false).start();
    let key = stack.key();
    stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::OriginFailed);
}
