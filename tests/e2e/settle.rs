//! settle: what was used is what is written down, once for each request.

mod endings;
pub(crate) mod leaving;
mod tokens;
mod usage;

use harness::Stack;
use harness::caller::{hello, hello_stream};
use harness::wait::{SOON, until_true};
use sluice_origin::models::scripted::Say;
use sluice_protocol::request::bodies::chat::Usage;

#[test]
fn the_admin_sees_exactly_what_the_answers_reported() {
    let stack = Stack::new().start();
    let key = stack.key();
    let script = stack.script();
    script.allow_all();
    let mut reported: Vec<Usage> = Vec::new();
    for (number, text) in ["one", "two 🌍", "a longer answer than the others", ""].into_iter().enumerate() {
        script.say(Say::text(text));
        reported.push(stack.edge.chat(Some(&key.key), &hello(64)).ok().completion().usage.usage);
        script.say(Say::text(text));
        let mut body = hello_stream(64);
        body["messages"][0]["content"] = "x".repeat(10 * number).into();
        reported.extend(stack.edge.chat(Some(&key.key), &body).ok().stream().whole().usage());
        script.say(Say::text(text));
        body["stream_options"] = serde_json::json!({"include_usage": true});
        reported.extend(stack.edge.chat(Some(&key.key), &body).ok().stream().whole().usage());
    }
    assert_eq!(reported.len(), 12);
    until_true("all is settled", SOON, || stack.edge.view(key.id).used.served == 12);
    let view = stack.edge.view(key.id);
    assert_eq!(view.used.prompt_tokens, reported.iter().map(|usage| usage.prompt_tokens).sum::<u64>());
    assert_eq!(view.used.completion_tokens, reported.iter().map(|usage| usage.completion_tokens).sum::<u64>());
    assert_eq!(view.live_leases, 0);
}

#[test]
fn usage_is_the_accounts_and_outlives_a_restart() {
    let mut stack = Stack::new().start();
    stack.script().allow_all();
    let first = stack.key();
    let second = stack.edge.issue(&serde_json::json!({"plan": harness::PLAN, "account": first.account}));
    let stranger = stack.key();
    for key in [&first, &second] {
        stack.edge.chat(Some(&key.key), &hello(8)).ok();
    }
    until_true("both are settled", SOON, || stack.edge.view(first.id).used.served == 2);
    let used = stack.edge.view(first.id).used;
    assert_eq!(stack.edge.view(second.id).used, used);
    assert_eq!(stack.edge.view(stranger.id).used.served, 0);
    stack.restart_edge();
    assert_eq!(stack.edge.view(first.id).used, used);
}

#[test]
fn who_leaves_a_stream_has_been_served() {
    let stack = Stack::new().limit("2 per 1h").slots(1).start();
    let key = stack.key();
    let script = stack.script();
    script.say(Say::endless("x"));
    let mut connection = stack.open_chat(&key.key, &hello_stream(3_000));
    script.allow(2);
    connection.read_text("\"content\":\"x\"");
    connection.leave();
    until_true("it is settled", SOON, || {
        script.allow(1);
        stack.edge.view(key.id).used.served == 1
    });
    script.allow_all();
    stack.edge.chat(Some(&key.key), &hello(8)).ok();
    stack.edge.chat(Some(&key.key), &hello(8)).refused(sluice_protocol::refusal::Reason::RateLimited);
}
