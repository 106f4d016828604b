//! Whatever ends a request, it is told what was computed for it: nothing that an engine computes goes without an account.
//!
//! The other side is the engine's own count, from `/metrics`: it knows nothing of requests.

use crate::harness::{Edge, Harness, chat_with, claims, json_of, now_s, payloads, until, until_then};
use reqwest::Response;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use sluice_origin::config::Config;
use sluice_origin::models::scripted::{Fault, Say};
use sluice_protocol::forward::grant::GrantClaims;
use sluice_protocol::forward::report::{RequestReport, read_brief};
use sluice_protocol::request::bodies::chat::Usage;
use std::time::Duration;

/// What a test does while the request runs.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// It ends by itself.
    Nothing,
    /// Its deadline comes while steps go on.
    Wait,
    /// It is cancelled by its id.
    Cancel,
    /// The origin stops.
    Drain,
    /// The caller's connection is closed.
    Leave,
}

struct Case {
    name: &'static str,
    say: Say,
    members: Value,
    act: Act,
    /// How it is told: the code of its refusal; `None` where it is complete, or nobody is there to be told.
    code: Option<&'static str>,
}

fn cases() -> Vec<Case> {
    let form = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {
        "type": "string", "pattern": "^(.{0,1000}x){0,1000}$"}}}, "temperature": 0, "enable_thinking": false});
    let case = |name, say, members, act, code| Case { name, say, members, act, code };
    let plain = || json!({});
    let endless = || Say::endless("x");
    vec![
        case("the model ends", Say::text("well"), plain(), Act::Nothing, None),
        case("a stop string", Say::text("one two three"), json!({"stop": "two"}), Act::Nothing, None),
        case("as long as it may be", endless(), json!({"max_tokens": 9}), Act::Nothing, None),
        case("several answers", Say::text("first"), json!({"n": 3}), Act::Nothing, None),
        case(
            "a form's dead end",
            Say::text(&format!("\"{}", "xyz".repeat(900))),
            form,
            Act::Nothing,
            Some("invalid_request"),
        ),
        case("a step that fails", Say::fail_after("abc", Fault::Step), plain(), Act::Nothing, Some("internal_error")),
        case("a row that fails", Say::fail_after("abc", Fault::Row), plain(), Act::Nothing, Some("internal_error")),
        case("no numbers", Say::fail_after("abc", Fault::NaN), plain(), Act::Nothing, Some("internal_error")),
        case("a panic", Say::fail_after("abc", Fault::Panic), plain(), Act::Nothing, Some("internal_error")),
        case("a deadline", endless(), plain(), Act::Wait, Some("deadline_exceeded")),
        case("a cancel", endless(), plain(), Act::Cancel, Some("request_cancelled")),
        case("a drain", endless(), plain(), Act::Drain, Some("draining")),
        case("its caller leaves", endless(), plain(), Act::Leave, None),
    ]
}

#[tokio::test]
async fn every_ending_tells_at_least_what_was_computed() {
    for stream in [false, true] {
        for case in cases() {
            check(&case, stream).await;
        }
    }
}

async fn check(case: &Case, stream: bool) {
    let what = format!("{}, stream: {stream}", case.name);
    let edge = Edge::new("k1");
    let config = Config {
        slots: 1,
        queue: 0,
        access: edge.access(),
        drain_timeout: Duration::from_millis(50),
        ..Config::local()
    };
    let mut harness = Harness::with(config).await;
    harness.script.say(case.say.clone());
    let mut members = case.members.clone();
    members["stream"] = stream.into();
    if members.get("max_tokens").is_none() {
        members["max_tokens"] = 3_000.into();
    }
    let body = chat_with("hi", &members).to_string().into_bytes();
    let exp = if matches!(case.act, Act::Wait) { now_s() + 2 } else { now_s() + 60 };
    let claims = GrantClaims { exp, ..claims(&body) };
    let request = harness.post_bytes(body).header("x-sluice-grant", edge.sign(&claims));
    let running = tokio::spawn(async move { told(request.send().await.unwrap(), stream).await });
    if matches!(case.act, Act::Nothing) {
        harness.script.allow_all();
    } else {
        harness.script.allow(5);
        until(&what, || harness.script.generated() >= 5 && harness.script.is_blocked()).await;
    }
    match case.act {
        Act::Nothing => {}
        Act::Wait => {
            until_then(&what, async || {
                harness.script.allow(1);
                running.is_finished()
            })
            .await;
        }
        Act::Cancel => {
            let asked = tokio::spawn(ask(&harness, &edge, &claims));
            until(&what, || {
                harness.script.allow(1);
                asked.is_finished()
            })
            .await;
        }
        Act::Drain => {
            let origin = harness.origin.take().expect("it runs until now");
            let stopping = tokio::spawn(async move { origin.drain().await });
            until(&what, || {
                harness.script.allow(1);
                running.is_finished()
            })
            .await;
            stopping.abort();
        }
        Act::Leave => running.abort(),
    }
    let computed = match case.act {
        // Its doors are closed: the script's own count, which is never less.
        Act::Drain => Usage::new(harness.script.prompted(), harness.script.generated()),
        Act::Leave => {
            let asked = tokio::spawn(ask(&harness, &edge, &claims));
            until(&what, || {
                harness.script.allow(1);
                asked.is_finished()
            })
            .await;
            let report: RequestReport = serde_json::from_value(asked.await.unwrap()).unwrap();
            let computed = counted(&harness).await;
            covers(&what, report.final_usage(0).unwrap().usage, computed);
            return;
        }
        _ => {
            running_is_over(&harness).await;
            let computed = counted(&harness).await;
            // A prompt counts once however many answers it has: an engine copies it from one to the next, and only a script,
            // which has no memory to copy, computes it anew.
            let answers = members["n"].as_u64().unwrap_or(1);
            assert_eq!(computed.prompt_tokens % answers, 0, "{what}");
            Usage::new(computed.prompt_tokens / answers, computed.completion_tokens)
        }
    };
    let told = running.await.unwrap();
    assert_eq!(told.code.as_deref(), case.code, "{what}");
    let usage = match told.usage {
        Some(usage) => usage,
        None => {
            let report: RequestReport = serde_json::from_value(ask(&harness, &edge, &claims).await).unwrap();
            report.final_usage(0).unwrap_or_else(|| panic!("{what}: nobody tells")).usage
        }
    };
    covers(&what, usage, computed);
    if let Some(so_far) = told.so_far {
        assert!(so_far.completion_tokens <= usage.completion_tokens, "{what}: {so_far:?}");
        assert!(so_far.completion_tokens + 3 >= usage.completion_tokens || case.code.is_none(), "{what}: {so_far:?}");
    }
}

fn covers(what: &str, told: Usage, computed: Usage) {
    let holds = told.prompt_tokens >= computed.prompt_tokens && told.completion_tokens >= computed.completion_tokens;
    assert!(holds, "{what}: told {told:?}, computed {computed:?}");
    assert!(told.completion_tokens <= computed.completion_tokens + 1, "{what}: told {told:?}, computed {computed:?}");
}

/// What the caller's side of the edge reads in an answer.
struct Told {
    code: Option<String>,
    usage: Option<Usage>,
    /// What the last event but one said had been used.
    so_far: Option<Usage>,
}

async fn told(response: Response, stream: bool) -> Told {
    let read = |value: &HeaderValue| read_brief(value.to_str().unwrap()).unwrap().usage;
    let of_header = response.headers().get("x-sluice-usage").map(read);
    let of_body = |json: &Value| serde_json::from_value::<Usage>(json["usage"].clone()).ok();
    let code = |json: &Value| json["error"]["code"].as_str().map(str::to_owned);
    if stream && response.status() == 200 {
        let (ids, all) = ids_and_payloads(response).await;
        let last = all.iter().rev().find(|payload| *payload != "[DONE]").map(|payload| json_of(payload)).unwrap();
        return Told { code: code(&last), usage: of_body(&last), so_far: ids.last().copied() };
    }
    let json: Value = response.json().await.unwrap();
    Told { code: code(&json), usage: of_header.or(of_body(&json)), so_far: None }
}

async fn ids_and_payloads(response: Response) -> (Vec<Usage>, Vec<String>) {
    let text = response.text().await.unwrap();
    let ids =
        text.lines().filter_map(|line| line.strip_prefix("id: ")).map(|id| read_brief(id).unwrap().usage).collect();
    let payloads = text.lines().filter_map(|line| line.strip_prefix("data: ")).map(str::to_owned).collect();
    (ids, payloads)
}

/// Ends the request as an edge does, and gives the report.
fn ask(harness: &Harness, edge: &Edge, claims: &GrantClaims) -> impl Future<Output = Value> + Send + 'static {
    let grant = edge.sign(&crate::harness::claims(b""));
    let url = format!("{}/v1/requests/{}", harness.url, claims.jti);
    let request = harness.client.delete(url).header("x-sluice-grant", grant);
    async move { request.send().await.unwrap().json().await.unwrap() }
}

async fn running_is_over(harness: &Harness) {
    harness.script.allow_all();
    harness.until_places(1, 0).await;
}

/// What the engine counts by itself.
async fn counted(harness: &Harness) -> Usage {
    let text = harness.get("/metrics").send().await.unwrap().text().await.unwrap();
    let count = |name: &str| {
        let line = text.lines().find(|line| line.contains(name) && !line.starts_with('#')).unwrap();
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    Usage::new(count("prompt_tokens_total"), count("generation_tokens_total"))
}

#[tokio::test]
async fn a_stream_in_the_queue_that_is_refused_has_used_nothing() {
    let edge = Edge::new("k1");
    let config = Config {
        slots: 1,
        queue: 1,
        access: edge.access(),
        queue_timeout: Duration::from_millis(2_500),
        ..Config::local()
    };
    let harness = Harness::with(config).await;
    harness.script.say(Say::endless("x"));
    let send = |claims: &GrantClaims, body: Vec<u8>| {
        harness.post_bytes(body).header("x-sluice-grant", edge.sign(claims)).send()
    };
    let body = chat_with("hi", &json!({"stream": true})).to_string().into_bytes();
    let first = claims(&body);
    let running = send(&first, body.clone()).await.unwrap();
    let second = claims(&body);
    let all = payloads(send(&second, body).await.unwrap()).await;
    let last = json_of(all.last().unwrap());
    assert_eq!(
        (&last["error"]["code"], &last["usage"]["total_tokens"]),
        (&json!("queue_timeout"), &json!(0)),
        "{last}"
    );
    drop(running);
    harness.script.allow_all();
}
