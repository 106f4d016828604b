//! generate: whole answers, from a scripted model, the real one, and to the clients that people use.

mod agent;
mod anthropic;
mod background;
pub(crate) mod batches;
mod embeddings;
mod images;
mod many;
mod ollama;
mod open_webui;
mod pieces;
mod responses;
mod sections;
mod stored;
mod tiny;
mod tokens;

use harness::Stack;
use harness::caller::clients::run_client;
use harness::caller::{MODEL, hello, hello_stream};
use harness::wait::{SOON, until_true};
use serde_json::{Value, json};
use sluice_origin::models::scripted::{Fault, Say};
use sluice_protocol::refusal::Reason;
use sluice_protocol::request::bodies::chat::{FinishReason, Role};
use std::time::{Duration, Instant};

#[test]
fn the_real_model_answers_through_both_gates() {
    let stack = Stack::new().limit("20 per 1h").parallel(2).slots(2).real_origin().start();
    let key = stack.key();
    let list = stack.edge.get("/v1/models", Some(&key.key)).ok().json();
    assert_eq!(list["data"][0]["id"], MODEL);

    let mut body = hello(12);
    body["seed"] = 7.into();
    let answer = stack.edge.chat(Some(&key.key), &body).ok();
    let whole = answer.completion();
    let id = answer.request_id().expect("every answer has one");
    assert_eq!(whole.id, format!("chatcmpl-{id}"), "both gates call the request by one name");
    assert_eq!((whole.object.as_ref(), whole.model.as_str()), ("chat.completion", MODEL));
    assert_eq!(whole.choices.len(), 1);
    assert_eq!(whole.choices[0].message.role, Role::Assistant);
    assert_eq!(whole.choices[0].finish_reason, Some(FinishReason::Length));
    let said = whole.choices[0].message.content.as_deref().expect("an answer without calls has text");
    assert!(!said.is_empty());
    assert_eq!(whole.usage.usage.completion_tokens, 12);
    assert!(whole.usage.usage.prompt_tokens > 10);
    assert_eq!(whole.usage.usage.total_tokens, whole.usage.usage.prompt_tokens + 12);

    // The same seed, streamed: the same text and the same usage.
    body["stream"] = true.into();
    let answer = stack.edge.chat(Some(&key.key), &body).ok();
    let streamed = answer.stream().whole();
    assert_eq!(streamed.text(), said);
    assert_eq!(streamed.usage(), Some(whole.usage.usage));
    let id = answer.request_id().expect("every answer has one");
    assert!(streamed.chunks.iter().all(|chunk| chunk.id == format!("chatcmpl-{id}")));

    until_true("settled", SOON, || stack.edge.view(key.id).used.served == 2);
    let used = stack.edge.view(key.id).used;
    assert_eq!(used.prompt_tokens, 2 * whole.usage.usage.prompt_tokens);
    assert_eq!(used.completion_tokens, 24);

    // Somebody leaves in the middle of a long one, and something is refused: none of it leaves a trace of what was said.
    let mut leaving = stack.open_chat(&key.key, &hello_stream(3_000));
    leaving.read_text("\"content\":\"");
    leaving.leave();
    until_true("the slot", SOON, || stack.capacity().free == 2);
    until_true("the lease", SOON, || stack.edge.view(key.id).live_leases == 0);
    let mut unknown = hello(4);
    unknown["model"] = "other".into();
    stack.edge.chat(Some(&key.key), &unknown).refused(Reason::ModelNotFound);
    stack.edge.chat(Some(&key.key), &hello(2_000_000)).refused(Reason::InvalidRequest);
    assert!(stack.origin_log().is_some_and(|log| log.contains(&id.to_string())), "the origin logs what it serves");
    stack.check_logs(&[&key.key, said]);
}

#[test]
fn openais_python_client_chats() {
    let stack = Stack::new().start();
    let key = stack.key();
    for _ in 0..4 {
        stack.script().say(Say::text("Grüße, 世界 🌍!"));
    }
    stack.script().allow_all();
    let came = run_client("chat/openai_chat.py", &[&stack.edge.base_url(), &key.key, MODEL]);
    assert_eq!(came["models"], json!([MODEL]));
    let tokens = "Grüße, 世界 🌍!".len() + 1;
    for way in ["whole", "stream", "stream_with_usage"] {
        assert_eq!(came[way]["text"], "Grüße, 世界 🌍!", "{way}: {came}");
        assert_eq!(came[way]["finish"], "stop", "{way}: {came}");
        assert_eq!(came[way]["completion"], tokens, "{way}: {came}");
        assert_eq!(came[way]["prompt"], came["whole"]["prompt"], "{way}: {came}");
    }
    assert_eq!(came["usage_has_an_event_of_its_own"], true);
    for id in ["request_id", "raw_request_id"] {
        assert!(came[id].as_str().is_some_and(|id| id.starts_with("req_")), "{came}");
    }
    assert_ne!(came["request_id"], came["raw_request_id"]);
}

#[test]
fn openais_python_client_understands_the_refusals() {
    let stack = Stack::new().limit("1 per 1h").start();
    stack.script().allow_all();
    let key = stack.key();
    let came = run_client("chat/openai_errors.py", &[&stack.edge.base_url(), &key.key, MODEL]);
    let expected = [
        ("wrong_key", "AuthenticationError", Reason::InvalidKey, Value::Null),
        ("bad_request", "BadRequestError", Reason::InvalidRequest, "max_tokens".into()),
        ("unsupported", "UnprocessableEntityError", Reason::UnsupportedParameter, "functions".into()),
        ("unknown_model", "NotFoundError", Reason::ModelNotFound, "model".into()),
        ("over_limit", "RateLimitError", Reason::RateLimited, Value::Null),
        ("over_limit_streamed", "RateLimitError", Reason::RateLimited, Value::Null),
    ];
    for (name, exception, reason, param) in expected {
        let outcome = &came[name];
        assert_eq!(outcome["exception"], exception, "{name}: {came}");
        assert_eq!(outcome["code"], reason.row().code, "{name}: {came}");
        assert_eq!(outcome["type"], reason.row().kind, "{name}: {came}");
        assert_eq!(outcome["param"], param, "{name}: {came}");
        assert!(outcome["request_id"].as_str().is_some_and(|id| id.starts_with("req_")), "{name}: {came}");
        let wait = outcome["retry_after"].as_str().map(|text| text.parse::<u64>().expect("whole seconds"));
        assert_eq!(
            wait.is_some_and(|wait| (3_500..=3_600).contains(&wait)),
            reason == Reason::RateLimited,
            "{name}: {came}"
        );
    }
}

#[test]
fn a_client_that_leaves_before_its_whole_answer_stops_the_model() {
    let stack = Stack::new().parallel(1).slots(1).queue(0).start();
    let key = stack.key();
    let script = stack.script();
    script.say(Say::endless("x"));
    let waiting = stack.open_chat(&key.key, &hello(3_000));
    script.allow(3);
    until_true("it is being generated", SOON, || script.occupied() == 1);
    waiting.vanish();
    let before = script.generated();
    // One step at a time, so that the count says how long the model went on.
    let slot = until_true("the slot", SOON, || {
        script.allow(1);
        script.occupied() == 0
    });
    let lease = until_true("the lease", SOON, || stack.edge.view(key.id).live_leases == 0);
    let after = script.generated() - before;
    println!(
        "left a whole answer: {after} tokens and {slot:?} later the model stopped, the lease came {lease:?} later"
    );
    assert!(after < 500, "the model went on for {after} tokens");
    script.allow_all();
    stack.edge.chat(Some(&key.key), &hello(8)).ok();
}

#[test]
fn a_model_that_fails_is_an_error_and_the_next_request_is_served() {
    let stack = Stack::new().start();
    let key = stack.key();
    let script = stack.script();
    script.allow_all();
    for fault in [Fault::Row, Fault::Step, Fault::NaN, Fault::Panic] {
        script.say(Say::fail_after("abc", fault));
        let answer = stack.edge.chat(Some(&key.key), &hello(8)).refused(Reason::Internal);
        assert!(!answer.text().contains("scripted"), "why is for the log: {}", answer.text());
        stack.edge.chat(Some(&key.key), &hello(8)).ok();
    }
    until_true("settled", SOON, || stack.edge.view(key.id).live_leases == 0);
}

#[test]
fn the_origin_stops_before_the_lease_ends() {
    let stack = Stack::new().lease("6s").limit("1 per 1h").parallel(1).slots(1).start();
    let key = stack.key();
    // No step is ever allowed: the model hangs. The origin says so at the grant's end; the edge's own patience would say
    // that the origin is silent, at the lease's end.
    let start = Instant::now();
    stack.edge.chat(Some(&key.key), &hello(8)).refused(Reason::DeadlineExceeded);
    let took = start.elapsed();
    assert!(took > Duration::from_secs(3), "{took:?}");
    until_true("the lease", SOON, || stack.edge.view(key.id).live_leases == 0);
    // It had its time, so it counts.
    stack.edge.chat(Some(&key.key), &hello(8)).refused(Reason::RateLimited);
}
