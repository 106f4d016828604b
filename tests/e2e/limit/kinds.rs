//! Every kind of limit and everything that narrows one: buckets, classes, models, keys, sessions, users, hours, and how full
//! the origin is.

use harness::caller::Whole;
use harness::caller::{hello, hello_stream};
use harness::wait::{SOON, until, until_true};
use harness::{Answer, Stack};
use serde_json::{Value, json};
use sluice_origin::models::scripted::Say;
use sluice_protocol::refusal::Reason;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn window(name: &str, limit: u32) -> Value {
    json!({"name": name, "kind": "window", "limit": limit, "window": "1h"})
}

/// A JSON object with these members more.
fn and(value: Value, more: &Value) -> Value {
    let mut value = value;
    let more = more.as_object().expect("an object").clone();
    value.as_object_mut().expect("an object").extend(more);
    value
}

#[test]
fn a_bucket_holds_a_burst_and_is_refilled_as_told() {
    let bucket = |every: &str| json!({"name": "b", "kind": "bucket", "capacity": 5, "refill": 1, "every": every});
    let plan = |every: &str| json!({"limits": [bucket(every)]});
    let plans = json!({"plans": {"slow": plan("1h"), "quick": plan("300ms")}});
    let stack = Stack::new().plans(plans.to_string()).start();
    stack.script().allow_all();
    let slow = stack.edge.issue_key("slow");
    let statuses: Vec<_> = std::thread::scope(|scope| {
        let send = || stack.edge.chat(Some(&slow.key), &hello(4)).status;
        let threads: Vec<_> = (0..20).map(|_| scope.spawn(send)).collect();
        threads.into_iter().map(|thread| thread.join().expect("the request's thread does not panic")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 5, "{statuses:?}");
    let refused = stack.edge.chat(Some(&slow.key), &hello(4)).refused(Reason::RateLimited);
    assert!(refused.retry_after_ms().is_some_and(|wait| wait > 3_500_000 && wait <= 3_600_000));
    assert_eq!(refused.header("ratelimit-policy"), Some(r#""b";q=5;w=18000"#));

    let quick = stack.edge.issue_key("quick");
    for _ in 0..3 {
        let (wait, _) = until("a refusal", SOON, || {
            let answer = stack.edge.chat(Some(&quick.key), &hello(4));
            (answer.status != 200).then(|| answer.refused(Reason::RateLimited).retry_after_ms())
        });
        let wait = wait.expect("a bucket says when");
        assert!((1..=300).contains(&wait), "one is refilled every 300 ms: {wait}");
        std::thread::sleep(Duration::from_millis(wait));
        stack.edge.chat(Some(&quick.key), &hello(4)).ok();
    }
}

#[test]
fn classes_have_limits_of_their_own() {
    let class = |name: &str, limit| and(window(name, limit), &json!({"when": {"class": name}}));
    let classes = json!({
        "light": {"body_bytes": 500, "max_tokens": 16},
        "heavy": {"body_bytes": 2_000, "max_tokens": 64},
    });
    let stack = Stack::new()
        .with(class("light", 6))
        .with(class("medium", 4))
        .with(class("heavy", 1))
        .table("classes", classes)
        .start();
    stack.script().allow_all();
    let key = stack.key();
    let long = |bytes: usize| {
        let mut body = hello(4);
        body["messages"][0]["content"] = "x".repeat(bytes).into();
        body
    };
    let send = |body: &Value| stack.edge.chat(Some(&key.key), body);
    let refused = |body: &Value, class: &str| {
        let answer = send(body).refused(Reason::RateLimited);
        assert!(answer.text().contains(&format!("`{class}`")), "{}", answer.text());
    };
    // The heaviest first: a class that is used up refuses nobody else's.
    send(&hello(65)).ok();
    for heavy in [hello(65), long(2_100)] {
        refused(&heavy, "heavy");
    }
    for medium in [hello(17), hello(64), long(500), long(1_500)] {
        let answer = send(&medium).ok();
        assert!(answer.header("ratelimit-policy").is_some_and(|policy| policy == r#""medium";q=4;w=3600"#));
    }
    for medium in [hello(17), long(500)] {
        refused(&medium, "medium");
    }
    for _ in 0..6 {
        send(&hello(16)).ok();
    }
    refused(&hello(1), "light");
    refused(&hello(65), "heavy");
}

#[test]
fn a_limit_may_be_about_some_models_only() {
    let stack = Stack::new().with(and(window("others", 1), &json!({"when": {"model": "other-*"}}))).start();
    stack.script().allow_all();
    let key = stack.key().key;
    let model = |name: &str| and(hello(4), &json!({"model": name}));
    // The origin has no such model; that was the caller's mistake and counts.
    stack.edge.chat(Some(&key), &model("other-1")).refused(Reason::ModelNotFound);
    stack.edge.chat(Some(&key), &model("other-2")).refused(Reason::RateLimited);
    for _ in 0..3 {
        assert_eq!(stack.edge.chat(Some(&key), &hello(4)).ok().header("ratelimit-policy"), None);
    }
}

#[test]
fn each_key_model_session_and_user_has_its_own_count() {
    let per = |per: &str| json!({"limits": [and(window("own", 1), &json!({"per": per}))]});
    let names = ["key", "model", "session", "user"];
    let plans: serde_json::Map<_, _> = names.iter().map(|name| ((*name).to_owned(), per(name))).collect();
    let stack = Stack::new().plans(json!({"plans": plans}).to_string()).start();
    stack.script().allow_all();

    let key = stack.edge.issue_key("key");
    let other = stack.edge.issue(&json!({"plan": "key", "account": key.account}));
    for key in [&key, &other] {
        stack.edge.chat(Some(&key.key), &hello(4)).ok();
        stack.edge.chat(Some(&key.key), &hello(4)).refused(Reason::RateLimited);
    }

    let key = stack.edge.issue_key("model").key;
    stack.edge.chat(Some(&key), &hello(4)).ok();
    stack.edge.chat(Some(&key), &hello(4)).refused(Reason::RateLimited);
    stack.edge.chat(Some(&key), &and(hello(4), &json!({"model": "other"}))).refused(Reason::ModelNotFound);
    stack.edge.chat(Some(&key), &and(hello(4), &json!({"model": "other"}))).refused(Reason::RateLimited);

    let session = stack.edge.issue_key("session").key;
    let bearer = format!("Bearer {session}");
    let user = stack.edge.issue_key("user").key;
    type Send<'s> = Box<dyn Fn(&str) -> Answer + 's>;
    let by_session: Send<'_> =
        Box::new(|name| stack.edge.chat_as(&[("authorization", &bearer), ("x-session-id", name)], &hello(4)));
    let by_user: Send<'_> = Box::new(|name| stack.edge.chat(Some(&user), &and(hello(4), &json!({"user": name}))));
    for (send, key) in [(by_session, &session), (by_user, &user)] {
        for name in ["ann", "bob", "ann and bob"] {
            send(name).ok();
            send(name).refused(Reason::RateLimited);
        }
        // Those that name none share a count.
        stack.edge.chat(Some(key), &hello(4)).ok();
        stack.edge.chat(Some(key), &hello(4)).refused(Reason::RateLimited);
        // What is shown is the fullest count.
        assert_eq!(stack.edge.own(key).limits[0].used, 1);
    }
}

#[test]
fn so_many_at_once_in_each_session() {
    let stack = Stack::new().with(json!({"name": "p", "kind": "parallel", "limit": 1, "per": "session"})).start();
    let key = stack.key();
    let headers = |session: &str| vec![harness::caller::bearer(&key.key), format!("x-session-id: {session}")];
    let open = |session: &str| {
        let mut headers = headers(session);
        headers.push("Content-Type: application/json".into());
        let body = hello(4).to_string();
        let request = harness::caller::raw::request("POST", "/v1/chat/completions", &headers, body.as_bytes());
        harness::caller::raw::RawConnection::send(stack.edge_address(), &request)
    };
    let first = open("one");
    until_true("it runs", SOON, || stack.edge.own(&key.key).live_leases == 1);
    open("one").answer().from_edge().refused(Reason::ParallelLimited);
    let second = open("two");
    until_true("both run", SOON, || stack.edge.own(&key.key).live_leases == 2);
    stack.script().allow_all();
    first.answer().from_edge().ok();
    second.answer().from_edge().ok();
    until_true("both have ended", SOON, || stack.edge.own(&key.key).live_leases == 0);
    open("one").answer().from_edge().ok();
}

#[test]
fn a_watched_limit_refuses_nobody_and_counts_whom_it_would_have() {
    let watched = and(window("watched", 2), &json!({"shadow": true}));
    let stack = Stack::new().with(watched).with(window("real", 10)).start();
    stack.script().allow_all();
    let key = stack.key().key;
    for number in 1..=5 {
        let answer = stack.edge.chat(Some(&key), &hello(4)).ok();
        assert_eq!(answer.header("ratelimit-policy"), Some(r#""real";q=10;w=3600"#));
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some((10 - number).to_string().as_str()));
    }
    let own = stack.edge.own(&key);
    assert_eq!((own.limits[0].used.whole(), own.limits[0].would_have_refused), (5, Some(3)));
    assert_eq!((own.limits[1].used.whole(), own.limits[1].would_have_refused), (5, None));
    assert_eq!(own.next_request_in_ms, Some(0));
    let logged = || stack.edge_log().matches(r#""would_have_refused":"watched""#).count();
    until_true("it is logged", SOON, || logged() == 3);
}

#[test]
fn a_schedule_closes_and_widens() {
    let now = || u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis()).unwrap();
    let minute = now() / 60_000;
    let time = |minute: u64| format!("{:02}:{:02}", minute % 1440 / 60, minute % 60);
    let now_percent =
        |percent: u32| json!({"rules": [{"from": time(minute - 1), "to": time(minute + 180), "percent": percent}]});
    let plan = |percent| json!({"limits": [and(window("hours", 1), &json!({"schedule": now_percent(percent)}))]});
    let plans = json!({"plans": {"closed": plan(0), "wide": plan(300)}});
    let stack = Stack::new().plans(plans.to_string()).start();
    stack.script().allow_all();
    let closed = stack.edge.issue_key("closed").key;
    // At its Gate, and from the isolate's memory, whose wait may be longer by what the first answer took.
    let before = now();
    for _ in 0..2 {
        let refused = stack.edge.chat(Some(&closed), &hello(4)).refused(Reason::RateLimited);
        assert!(refused.text().contains("closed at this hour"), "{}", refused.text());
        let opens = (minute + 180) * 60_000;
        let wait = refused.retry_after_ms().expect("a schedule says when");
        assert!((opens - now()..=opens - before).contains(&wait), "{wait} of {}", opens - before);
    }
    let wide = stack.edge.issue_key("wide").key;
    for _ in 0..3 {
        stack.edge.chat(Some(&wide), &hello(4)).ok();
    }
    stack.edge.chat(Some(&wide), &hello(4)).refused(Reason::RateLimited);
}

#[test]
fn a_limit_tightens_as_the_origin_fills() {
    let pressed = and(window("pressed", 4), &json!({"pressure": {"from": 0, "percent": 25}}));
    let plans = json!({"plans": {"free": {"limits": []}, "pressed": {"limits": [pressed]}}});
    let stack = Stack::new().plans(plans.to_string()).slots(2).queue(0).start();
    let (free, pressed) = (stack.edge.issue_key("free"), stack.edge.issue_key("pressed").key);
    let script = stack.script();
    script.allow_all();
    stack.edge.chat(Some(&pressed), &hello(4)).ok();
    until_true("the slot is free", SOON, || stack.capacity().free == 2);
    script.hold();
    for _ in 0..2 {
        script.say(Say::endless("x"));
    }
    let held: Vec<_> = (0..2).map(|_| stack.open_chat(&free.key, &hello_stream(64))).collect();
    until_true("the origin is full", SOON, || stack.capacity().free == 0);
    // What the origin says of itself is believed for a second: on a slow machine it is asked again.
    let (refused, _) = until("a limit that feels it", SOON, || {
        stack.edge.chat(Some(&free.key), &hello(4)).refused(Reason::Overloaded);
        let answer = stack.edge.chat(Some(&pressed), &hello(4));
        (answer.status == 429).then_some(answer)
    });
    let refused = refused.refused(Reason::RateLimited);
    assert_eq!(refused.retry_after_ms(), None, "nobody knows when the origin is less full");
    assert_eq!(refused.header("x-ratelimit-limit-requests"), Some("1"), "a quarter of 4");
    script.allow_all();
    for stream in held {
        stream.answer().from_edge().ok();
    }
    let pass = || (stack.edge.chat(Some(&pressed), &hello(4)).status == 200).then_some(());
    until("the limit as it is", SOON, pass);
    assert_eq!(stack.edge.own(&pressed).limits[0].limit, 4);
}
