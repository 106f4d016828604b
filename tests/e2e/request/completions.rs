//! Text completions, several answers of one request, and streams that wait, through both gates.

use harness::caller::Whole;
use harness::caller::clients::run_client;
use harness::caller::{MODEL, hello, hello_stream};
use harness::wait::{SOON, until_true};
use harness::{Answer, RunningStack, Stack};
use serde_json::{Value, json};
use sluice_origin::models::scripted::Say;
use sluice_protocol::refusal::Reason;

fn tokens_window(limit: u32) -> Value {
    json!({"name": "tokens", "kind": "window", "unit": "tokens", "limit": limit, "window": "1h"})
}

fn complete(stack: &RunningStack, key: &str, body: &Value) -> Answer {
    stack.edge.send(|client, url| {
        let request = client.post(format!("{url}/v1/completions")).bearer_auth(key);
        request.header("content-type", "application/json").body(body.to_string())
    })
}

#[test]
fn openais_python_client_completes_and_has_several_answers() {
    let stack = Stack::new().start();
    let key = stack.key();
    let script = stack.script();
    let chats = ["one", "two", "three", "one", "two", "three"];
    let prompts = ["a", "b", "c", "d", "a", "b", "c", "d"];
    for said in ["upon a time", "upon", "ab"].into_iter().chain(chats).chain(prompts) {
        script.say(Say::text(said));
    }
    script.allow_all();
    let found = run_client("chat/openai_completions.py", &[&stack.edge.base_url(), &key.key, MODEL]);
    let expected = json!({
        "whole": ["text_completion", "onceupon a time", "stop"], "used": "upon a time".len() + 1, "stream": "upon",
        "tokens": ["a", "b"], "offsets": [0, 1],
        "several": ["one", "two", "three"], "streamed": ["one", "two", "three"],
        "prompts": ["oncea", "onceb", "twicec", "twiced"], "prompts_used": [9, 8], "texts": ["a", "b", "c", "d"],
    });
    assert_eq!(found, expected);
}

#[test]
fn a_completion_is_counted_like_a_chat() {
    let stack = Stack::new().with(tokens_window(200)).start();
    let key = stack.key();
    let script = stack.script();
    script.say(Say::text("upon"));
    script.allow_all();
    let answer = complete(&stack, &key.key, &json!({"model": MODEL, "prompt": "once", "max_tokens": 100})).ok();
    assert_eq!(answer.json()["choices"][0]["text"], "upon");
    until_true("settled", SOON, || stack.edge.own(&key.key).limits[0].used == 4 + 5);
    complete(&stack, &key.key, &json!({"model": MODEL, "prompt": "once", "max_tokens": 200}))
        .refused(Reason::NeverFits);
    complete(&stack, &key.key, &json!({"model": MODEL, "prompt": ""})).refused(Reason::InvalidRequest);
}

/// Three answers of 100 tokens do not fit where one does: what is reserved is what may be used.
#[test]
fn several_answers_are_reserved_together() {
    let stack = Stack::new().with(tokens_window(300)).start();
    let key = stack.key();
    let script = stack.script();
    script.allow_all();
    let mut body = hello(100);
    body["n"] = 3.into();
    stack.edge.chat(Some(&key.key), &body).refused(Reason::NeverFits);
    body["n"] = 2.into();
    for said in ["a", "bb"] {
        script.say(Say::text(said));
    }
    let completion = stack.edge.chat(Some(&key.key), &body).ok().completion();
    assert_eq!(completion.choices.len(), 2);
    let used = u32::try_from(completion.usage.usage.total_tokens).expect("a few");
    until_true("settled", SOON, || stack.edge.own(&key.key).limits[0].used.whole() == used);
}

/// Prompts of one request are counted, reserved and given back together.
#[test]
fn several_prompts_are_reserved_and_counted_together() {
    let stack = Stack::new().with(tokens_window(300)).start();
    let key = stack.key();
    let script = stack.script();
    script.allow_all();
    let prompts =
        |count: usize, n: u32| json!({"model": MODEL, "prompt": vec!["once"; count], "n": n, "max_tokens": 50});
    complete(&stack, &key.key, &prompts(3, 2)).refused(Reason::NeverFits);
    complete(&stack, &key.key, &prompts(17, 1)).refused(Reason::InvalidRequest);
    for said in ["a", "bb", "ccc", "dddd"] {
        script.say(Say::text(said));
    }
    let answer = complete(&stack, &key.key, &prompts(2, 2)).ok();
    assert_eq!(answer.json()["choices"][3]["text"], "dddd");
    // Each prompt once, and every answer with the token that ends it.
    until_true("settled", SOON, || stack.edge.own(&key.key).limits[0].used == 2 * 4 + 10 + 4);
}

/// What a stream is told while it waits passes the edge; and one that we could not serve is not counted.
#[test]
fn who_waits_is_told_and_who_waited_in_vain_is_given_everything_back() {
    let stack = Stack::new().limit("2 per 1h").slots(1).queue(1).queue_timeout_ms(5_000).start();
    let (key, other) = (stack.key(), stack.key());
    let script = stack.script();
    script.say(Say::endless("x"));
    let mut running = stack.open_chat(&other.key, &hello_stream(3_000));
    script.allow(2);
    running.read_text("\"content\":\"x\"");
    let mut waiting = stack.open_chat(&key.key, &hello_stream(8));
    waiting.read_text(": queued, 0 ahead");
    waiting.read_text("\"code\":\"queue_timeout\"");
    until_true("given back", SOON, || {
        let own = stack.edge.own(&key.key);
        own.live_leases == 0 && own.limits[0].used == 0
    });
    running.leave();
}
