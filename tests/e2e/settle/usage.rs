//! What was used, on workerd: as the answers reported it, by whatever it is told apart, through ends of the edge, and out of
//! a month of rows.

use harness::caller::{MODEL, hello, hello_stream};
use harness::issuers::{self, Issuer};
use harness::wait::{SOON, until_true};
use harness::{Answer, PLAN, RunningStack, Stack};
use serde_json::{Value, json};
use sluice_origin::models::scripted::Say;
use sluice_protocol::auth::principal::{AccountName, Mark};
use sluice_protocol::id::hex;
use sluice_protocol::refusal::Reason;
use sluice_protocol::request::bodies::chat::Usage;
use sluice_protocol::request::endpoint::Endpoint;
use sluice_protocol::usage::row::{encode, hour_id};
use sluice_protocol::usage::{Cell, HOUR_MS, Sum, User, Whose};
use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What an admin is told: all pages.
fn usage(stack: &RunningStack, query: &str) -> Vec<Value> {
    let (mut lines, mut after) = (Vec::new(), String::new());
    loop {
        let page = stack.edge.admin("GET", &format!("/usage?{query}{after}"), None).ok().json();
        lines.extend(page["data"].as_array().expect("a list").clone());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return lines,
        }
    }
}

fn sum(lines: &[Value], member: &str) -> u64 {
    lines.iter().map(|line| line[member].as_u64().unwrap_or_else(|| panic!("{member} in {line}"))).sum()
}

fn of_user(user: &str, mut body: Value) -> Value {
    body["user"] = user.into();
    body
}

#[test]
fn what_answers_reported_is_what_is_told_of_their_key_model_and_user() {
    let mut stack = Stack::new().limit("4 per 1h").slots(8).start();
    stack.script().allow_all();
    let first = stack.key();
    let second = stack.edge.issue(&json!({"plan": PLAN, "account": first.account, "overrides": {"window-0": 100}}));
    let stranger = stack.key();
    let mut reported: Vec<(&str, Usage)> = Vec::new();
    for user in ["ann", "bob"] {
        stack.script().say(Say::text("whole"));
        let whole = stack.edge.chat(Some(&first.key), &of_user(user, hello(64))).ok();
        reported.push((user, whole.completion().usage.usage));
        stack.script().say(Say::text("streamed"));
        let mut body = of_user(user, hello_stream(64));
        body["stream_options"] = json!({"include_usage": true});
        let stream = stack.edge.chat(Some(&first.key), &body).ok().stream().whole();
        reported.push((user, stream.usage().expect("it was asked for")));
    }
    stack.edge.chat(Some(&stranger.key), &hello(8)).ok();
    let mut refused = 0;
    for _ in 0..20 {
        stack.edge.chat(Some(&first.key), &hello(8)).refused(Reason::RateLimited);
        refused += 1;
    }
    until_true("all is settled", SOON, || stack.edge.view(first.id).used.served == 4);
    // Refusals are written with what is written next, here by the other key of the account.
    let other = stack.edge.chat(Some(&second.key), &hello(8));
    let (other_served, refused) = if other.status == 200 { (1, refused) } else { (0, refused + 1) };
    until_true("all is settled", SOON, || stack.edge.view(first.id).used.served == 4 + other_served);
    let check = |stack: &RunningStack| {
        let of_account = format!("account={}&", first.account);
        let by_user = usage(stack, &format!("{of_account}key={}&by=user", first.id));
        for user in ["ann", "bob"] {
            let mark = hex(&Mark::of(user).0);
            let line = by_user.iter().find(|line| line["user"] == mark.as_str()).expect("it has used something");
            let of_answers = reported.iter().filter(|(of, _)| *of == user).map(|(_, usage)| usage);
            let tokens = of_answers.fold((0, 0), |(prompt, answer), usage| {
                (prompt + usage.prompt_tokens, answer + usage.completion_tokens)
            });
            let told = (line["prompt_tokens"].as_u64(), line["completion_tokens"].as_u64());
            assert_eq!((told, line["served"].as_u64()), ((Some(tokens.0), Some(tokens.1)), Some(2)), "{line}");
        }
        for by in ["model", "endpoint", "key", "hour", "day,model"] {
            let lines = usage(stack, &format!("{of_account}by={by}"));
            assert_eq!(sum(&lines, "served"), 4 + other_served, "{by}");
            assert_eq!((sum(&lines, "failed"), sum(&lines, "lapsed")), (0, 0), "{by}");
        }
        let by_model = usage(stack, &format!("{of_account}by=model"));
        assert!(by_model.iter().any(|line| line["model"] == MODEL));
        // Everybody's: the stranger's account is told of, too.
        assert_eq!(sum(&usage(stack, "by=model"), "served"), 5 + other_served);
    };
    check(&stack);
    let told: u64 = usage(&stack, &format!("key={}", first.id))
        .iter()
        .flat_map(|line| {
            line["refused"].as_object().expect("an object").values().filter_map(Value::as_u64).collect::<Vec<_>>()
        })
        .sum();
    assert!(told > 0 && told <= refused, "{told} of {refused}");
    stack.restart_edge();
    check(&stack);

    let own = |key: &str, query: &str| stack.edge.get(&format!("/v1/usage{query}"), Some(key));
    let lines = own(&first.key, "?by=model").ok().json()["data"].as_array().expect("a list").clone();
    assert_eq!(sum(&lines, "served"), 4, "and nothing of the other key");
    let csv = own(&first.key, "?by=model&format=csv").ok();
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    let text = csv.text();
    let mut rows = text.lines();
    assert!(rows.next().expect("names").starts_with("account,model,served,failed,"), "{text}");
    assert!(rows.any(|row| row.starts_with(&format!("\"{}\",\"{MODEL}\",4,0,0,", first.account))), "{text}");
    own("slc_nobody", "").refused(Reason::InvalidKey);
    own(&first.key, "?by=key").refused(Reason::InvalidRequest);
}

/// The account of a token's subject is listed once it has called, and an admin is told of it without asking by name.
#[test]
fn subjects_of_tokens_are_told_of() {
    let stack = Stack::new().setting("JWT_ISSUERS", issuers::setting(&[(Issuer::Corp, PLAN)])).start();
    stack.script().allow_all();
    for subject in ["ann", "bob", "ann"] {
        stack.edge.chat(Some(&Issuer::Corp.token(subject)), &hello(8)).ok();
    }
    let told = || -> BTreeMap<String, u64> {
        let lines = usage(&stack, "by=account");
        let one = |line: &Value| Some((line["account"].as_str()?.to_owned(), line["served"].as_u64()?));
        lines.iter().filter_map(one).collect()
    };
    let [ann, bob] = ["ann", "bob"].map(|subject| AccountName::of_token(Issuer::Corp.name(), subject).to_string());
    until_true("both are told of", SOON, || told() == [(ann.clone(), 2), (bob.clone(), 1)].into());
    let listed = stack.edge.admin("GET", "/accounts", None).ok().json();
    let entry = listed["data"].as_array().expect("a list").iter().find(|entry| entry["account"] == ann.as_str());
    let entry = entry.expect("it has called");
    assert_eq!((&entry["created_at"], &entry["disabled"]), (&Value::Null, &json!(false)), "nobody made it");
}

/// Requests that we failed, that the origin refused, and whose caller has left: each is told as what it was.
#[test]
fn endings_are_told_apart() {
    let mut stack = Stack::new().slots(1).start();
    let key = stack.key();
    let script = stack.script();
    script.say(Say::endless("x"));
    let mut connection = stack.open_chat(&key.key, &hello_stream(3_000));
    script.allow(2);
    connection.read_text("\"content\":\"x\"");
    connection.leave();
    until_true("who left is settled", SOON, || {
        script.allow(1);
        stack.edge.view(key.id).used.served == 1
    });
    let members = |stack: &RunningStack| {
        let lines = usage(stack, &format!("key={}", key.id));
        (sum(&lines, "served"), sum(&lines, "failed"), sum(&lines, "completion_tokens") > 0)
    };
    assert_eq!(members(&stack), (1, 0, true), "what was computed counts");
    let draining = stack.drain_origin();
    let failed = |answer: Answer| assert!(answer.status >= 500, "{answer:?}");
    failed(stack.edge.chat(Some(&key.key), &hello(8)));
    failed(stack.edge.chat(Some(&key.key), &hello(8)));
    until_true("what we failed is told", SOON, || members(&stack) == (1, 2, true));
    stack.restart_edge();
    assert_eq!(members(&stack), (1, 2, true));
    draining.join().expect("nothing runs there any more");
}

/// A month of an account that was busy in each hour, with some thirty lines in each, out of its own rows.
#[test]
fn a_month_is_added_up_at_once() {
    let mut stack = Stack::new().start();
    stack.script().allow_all();
    let key = stack.key();
    stack.edge.chat(Some(&key.key), &hello(8)).ok();
    until_true("it is settled", SOON, || stack.edge.view(key.id).used.served == 1);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_millis() as u64 / HOUR_MS;
    let cell = |user: u32| Cell {
        whose: Whose {
            key: Some(Mark::of_key(key.id.key)),
            model: Some(MODEL.into()),
            endpoint: Some(Endpoint::Chat),
            user: User::One(Mark::of(&user.to_string())),
        },
        sum: Sum { served: 2, prompt_tokens: 300, completion_tokens: 40, ..Sum::default() },
        refused: [("minute".into(), 1)].into(),
    };
    let cells: Vec<Cell> = (0..30).map(cell).collect();
    let row = hex(&encode(&cells));
    let hours = 30 * 24;
    let mut statements =
        String::from("CREATE TABLE IF NOT EXISTS usage (id INTEGER PRIMARY KEY, value BLOB NOT NULL);");
    for hour in now - hours..now {
        statements += &format!("INSERT INTO usage VALUES ({}, x'{row}');", hour_id(hour, 0));
    }
    stack.restart_edge_with_object("gate", &statements);
    let query = |by: &str| format!("key={}&by={by}&from={}", key.id, (now - hours) * HOUR_MS);
    usage(&stack, &query("key"));
    for (by, groups) in [("key", 1), ("day", 31), ("hour", 721), ("day,user", 931)] {
        let begun = Instant::now();
        let lines = usage(&stack, &query(by));
        println!("by {by}: {} lines in {} ms", lines.len(), begun.elapsed().as_millis());
        assert!(lines.len().abs_diff(groups) <= 31, "{by}: {}", lines.len());
        assert_eq!(sum(&lines, "served"), hours * 30 * 2 + 1, "{by}");
        assert_eq!(sum(&lines, "completion_tokens"), hours * 30 * 40 + stack.edge.view(key.id).used.completion_tokens);
    }
    // More groups than a page has.
    assert_eq!(
        sum(&usage(&stack, &query("hour,user")), "prompt_tokens") % 300,
        stack.edge.view(key.id).used.prompt_tokens % 300
    );
}
