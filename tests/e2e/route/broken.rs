//! Where no origin takes requests any more: what a plan makes of that, and that it is over when one is back.

use super::{NOWHERE, Named, stack};
use harness::caller::hello;
use harness::wait::{SOON, until_true};
use serde_json::json;
use sluice_protocol::wire::header;
use std::time::Duration;

#[test]
fn an_open_breaker_is_answered_as_the_plan_says() {
    let mut a = Named::start("a");
    let rungs = json!([{"do": "static_answer", "breaker": true, "text": "We are back soon."}]);
    let plans = json!({"plans": {"kind": {"limits": [], "degrade": {"rungs": rungs}}, "plain": {"limits": []}}});
    let origins = [("a", a.origin.address()), ("b", NOWHERE.into())];
    let stack = stack(&origins).plans(plans.to_string()).start();
    let [kind, plain] = ["kind", "plain"].map(|plan| stack.edge.issue_key(plan).key);
    let ask = |key: &str| stack.edge.chat(Some(key), &hello(4));
    assert_eq!(ask(&kind).ok().header(header::DEGRADED), None);
    a.kill();
    // Its breaker opens by what requests meet, and from then on no request of this plan fails.
    until_true("the breakers are open", SOON, || ask(&kind).header(header::DEGRADED) == Some("static-answer"));
    let answer = ask(&kind).ok();
    assert_eq!(answer.completion().choices[0].message.content.as_deref(), Some("We are back soon."), "{answer:?}");
    // Who has no such plan, and who takes no less, is told that nobody serves.
    assert!(ask(&plain).status >= 500);
    let strict =
        stack.edge.chat_as(&[("authorization", &format!("Bearer {kind}")), ("x-sluice-degrade", "none")], &hello(4));
    assert!(strict.status == 503 && strict.header(header::DEGRADED).is_none(), "{strict:?}");
    a.start_again();
    until_true("it serves again", Duration::from_secs(60), || {
        let answer = ask(&kind);
        answer.status == 200 && answer.header(header::DEGRADED).is_none()
    });
}
