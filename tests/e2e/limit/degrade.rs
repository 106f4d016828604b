//! Degrading on the real runtime: each level from the origin's word to the caller's answer, streams that real clients
//! read, and a clamp.

use harness::caller::Whole;
use harness::caller::clients::run_client;
use harness::caller::{MODEL, hello, hello_stream};
use harness::origin::raw::json as raw_json;
use harness::{Answer, Stack};
use serde_json::{Value, json};
use sluice_protocol::refusal::Reason;
use sluice_protocol::wire::header;

const ANSWER: &str = r#"{"id":"x","object":"chat.completion","created":1,"model":"tiny","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":2,"total_tokens":13}}"#;

/// A plan with the first of these rungs, all of them at half of the origins' places.
fn plan(rungs: usize) -> Value {
    let all = [
        json!({"do": "no_stream", "pressure": 50}),
        json!({"do": "no_thinking", "pressure": 50}),
        json!({"do": "max_tokens", "pressure": 50, "most": 3}),
        json!({"do": "smaller_model", "pressure": 50, "models": {MODEL: "small"}}),
        json!({"do": "static_answer", "pressure": 50, "text": "Later, please."}),
    ];
    json!({"limits": [], "degrade": {"hold": "1h", "rungs": all[..rungs]}})
}

#[test]
fn each_level_is_seen_end_to_end() {
    let plans: serde_json::Map<String, Value> = (1..=5).map(|level| (format!("level-{level}"), plan(level))).collect();
    let half_full = raw_json("200 OK", "x-sluice-capacity: slots=4, free=0, queued=0, queue=4\r\n", ANSWER);
    let stack = Stack::new().raw_origin(half_full).plans(json!({"plans": plans}).to_string()).start();
    let keys: Vec<_> = (1..=5).map(|level| stack.edge.issue_key(&format!("level-{level}"))).collect();
    // The first answer says how full it is.
    let ask = |level: usize, stream: bool| -> Answer {
        let body = if stream { hello_stream(9) } else { hello(9) };
        stack.edge.chat(Some(&keys[level - 1].key), &body).ok()
    };
    assert_eq!(ask(1, false).header(header::DEGRADED), None);
    let told = |level| ask(level, true).header(header::DEGRADED).map(str::to_owned).unwrap_or_default();
    assert_eq!(told(1), "no-stream");
    assert_eq!(told(2), "no-stream, no-thinking");
    assert_eq!(told(3), "no-stream, no-thinking, max-tokens=3");
    assert_eq!(told(4), "no-stream, no-thinking, max-tokens=3, model");
    assert_eq!(told(5), "static-answer");
    let received = stack.received();
    let bodies: Vec<Value> = received.iter().map(|one| serde_json::from_slice(&one.body).expect("JSON")).collect();
    assert_eq!(bodies.len(), 5, "the static answer asked nobody");
    for (at, body) in bodies.iter().enumerate().skip(1) {
        assert_eq!((&body["stream"], body["enable_thinking"] == false), (&json!(false), at >= 2), "{body}");
        assert_eq!(body["model"], if at >= 4 { "small" } else { MODEL });
    }
    // In what the client expects, and beside what was used.
    let streamed = ask(1, true).stream().whole();
    assert_eq!((streamed.text(), streamed.usage().map(|usage| usage.total_tokens)), ("hi".to_owned(), Some(13)));
    assert_eq!(ask(5, true).stream().whole().text(), "Later, please.");
    assert_eq!(ask(3, false).json()["usage"]["degraded"], json!(["no-thinking", "max-tokens=3"]));
    // Who takes no less is told how long that lasts.
    let headers = |key: &str| [("authorization".to_owned(), format!("Bearer {key}"))];
    let strict = |level: usize, body: &Value| {
        let [(name, value)] = headers(&keys[level - 1].key);
        stack.edge.chat_as(&[(&name, &value), ("x-sluice-degrade", "none")], body)
    };
    let refused = strict(1, &hello_stream(9));
    assert_eq!(refused.status, Reason::Overloaded.row().status);
    assert!(refused.retry_after_ms().is_some_and(|wait| (3_590_000..=3_600_000).contains(&wait)), "{refused:?}");
    strict(1, &hello(9)).ok();
    strict(5, &hello(9)).refused(Reason::Overloaded);
}

/// A client that asked for a stream reads one, at every door, though the origin was asked for a whole answer.
#[test]
fn real_clients_read_the_stream_of_a_whole_answer() {
    let rungs = json!([{"do": "no_stream", "pressure": 1}]);
    let stack = Stack::new().slots(1).queue(1).plan("degrade", json!({"hold": "1h", "rungs": rungs})).start();
    let key = stack.key();
    // A stream says at its beginning that its slot is in use. It has no token before that, or the slot might be free again.
    let mut first = stack.open_chat(&key.key, &hello_stream(4));
    first.read_text("200 OK");
    stack.script().allow_all();
    first.read_text("[DONE]");
    let degraded = stack.edge.chat(Some(&key.key), &hello_stream(4)).ok();
    assert_eq!(degraded.header(header::DEGRADED), Some("no-stream"), "{degraded:?}");
    assert!(degraded.stream().whole().usage().is_some());
    let base = stack.edge.base_url();
    let came = run_client("several/at_once.py", &[base.trim_end_matches("/v1"), &key.key, MODEL]);
    for way in ["chat", "completion", "response", "message", "ollama", "generate"] {
        assert_eq!(came[way], "ok", "{way}: {came}");
    }
}

#[test]
fn what_a_limit_of_tokens_would_refuse_has_what_fits() {
    let tokens = json!({"name": "tokens", "kind": "window", "unit": "tokens", "limit": 200, "window": "1d"});
    let stack = Stack::new().with(tokens).plan("clamp", 5).start();
    stack.script().allow_all();
    let key = stack.key();
    let answer = stack.edge.chat(Some(&key.key), &hello(3_000)).ok();
    let told = answer.header(header::DEGRADED).expect("it is told").to_owned();
    let most: u64 = told.strip_prefix("clamp=").expect("a clamp").parse().expect("a number");
    assert!((5..200).contains(&most), "{told}");
    assert_eq!(answer.json()["usage"]["degraded"], json!([told]));
    let used = answer.completion().usage.usage.total_tokens;
    harness::wait::until_true("it is settled", harness::wait::SOON, || stack.edge.view(key.id).live_leases == 0);
    assert_eq!(u64::from(stack.edge.own(&key.key).limits[0].used.whole()), used, "charged is what was used");
    let authorization = format!("Bearer {}", key.key);
    let strict = [("authorization", authorization.as_str()), ("x-sluice-degrade", "none")];
    stack.edge.chat_as(&strict, &hello(3_000)).refused(Reason::NeverFits);
}
