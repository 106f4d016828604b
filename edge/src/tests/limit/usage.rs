//! usage: what is told of it is what the origin computed, by whatever it is told apart, through hours and days that end
//! while requests run, and whatever becomes of messages and of Gates.

mod days;

use crate::platform;
use crate::platform::rows::Rows;
use crate::platform::scripted::{Faults, Place};
use crate::tests::for_seeds;
use crate::tests::stage::{ADDRESS, Stage, json_of};
use serde_json::{Value, json};
use sluice_protocol::usage::row::{Span, span_of};

const HOUR_MS: u64 = 3_600_000;

/// Two requests an hour for each end user, at a cent for 1,000 tokens of a prompt, and four for as many of an answer.
fn plans(limit: u64) -> Value {
    let limits = json!([{"name": "hourly", "kind": "window", "limit": limit, "window": "1h", "per": "user"}]);
    json!({
        "plans": {"open": {"lease": "30s", "limits": limits}},
        "anonymous": "open",
        "costs": [{"currency": "USD", "prompt": "0.01", "completion": "0.04", "per": "1K"}],
    })
}

/// A request of one of some end users.
fn ask(stage: &Stage, user: &str) -> Option<u16> {
    ask_at(stage, stage.place(), user)
}

fn ask_at(stage: &Stage, place: Place, user: &str) -> Option<u16> {
    let body = json!({"model": "tiny", "max_tokens": 8, "user": user, "messages": [{"role": "user", "content": "x"}]});
    let headers = [("cf-connecting-ip", ADDRESS)];
    let caller = stage.send(place, "POST", "/v1/chat/completions", &headers, body.to_string());
    stage.finish(&caller);
    caller.status()
}

/// What an admin is told, page by page.
fn usage(stage: &Stage, query: &str) -> Vec<Value> {
    let (mut lines, mut after) = (Vec::new(), String::new());
    for _ in 0..50 {
        let asked = stage.admin(stage.places[0], "GET", &format!("/usage?{query}{after}"), None, "");
        stage.finish(&asked);
        let told = json_of(&asked);
        assert_eq!(asked.status(), Some(200), "{told}");
        lines.extend(told["data"].as_array().expect("a list").clone());
        match told["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return lines,
        }
    }
    panic!("pages without an end");
}

fn sum(lines: &[Value], member: &str) -> u64 {
    lines.iter().map(|line| line[member].as_u64().unwrap_or_else(|| panic!("{member} in {line}"))).sum()
}

/// Billionths of the decimals.
fn money(lines: &[Value]) -> u64 {
    let nano = |text: &str| {
        let (whole, part) = text.split_once('.').expect("a decimal");
        whole.parse::<u64>().expect("digits") * 1_000_000_000 + format!("{part:0<9}").parse::<u64>().expect("digits")
    };
    lines.iter().map(|line| nano(line["money"].as_str().expect("a text"))).sum()
}

fn computed(stage: &Stage) -> [u64; 3] {
    let work = stage.origin.work();
    let all = |of: fn(u64, u64) -> u64| -> u64 {
        work.values().map(|work| of(work.used.prompt_tokens, work.used.completion_tokens)).sum()
    };
    [all(|prompt, _| prompt), all(|_, answer| answer), all(|prompt, answer| 10_000 * prompt + 40_000 * answer)]
}

fn all_of(by: &str) -> String {
    format!("account=ip:{ADDRESS}&by={by}&from={}", platform::now() - 40 * 24 * HOUR_MS)
}

/// Rows of usage that a Gate has.
fn spans(stage: &Stage) -> Vec<Span> {
    stage.world.stored("GATE", &format!("ip:{ADDRESS}"), |storage| {
        let rows = Rows::new(storage, "usage").all().expect("rows are read");
        rows.into_iter().map(|(id, _)| span_of(id)).collect()
    })
}

#[test]
fn whatever_it_is_told_apart_by_it_is_what_was_computed() {
    for_seeds(25, |seed| {
        let stage = Stage::new(seed, &plans(2));
        let (mut served, mut refused) = (0, 0);
        for _ in 0..40 {
            let user = ["ann", "bob", "cem"][stage.world.below(3) as usize];
            match ask(&stage, user) {
                Some(200) => served += 1,
                Some(429) => refused += 1,
                other => panic!("{other:?}"),
            }
            stage.world.run_for(stage.world.below(40) * 60_000);
        }
        // What each isolate has refused by itself goes with its next ask.
        for (place, user) in stage.places.iter().zip(["dan", "eva"]) {
            assert_eq!(ask_at(&stage, *place, user), Some(200));
            served += 1;
        }
        stage.calm();
        let [prompt, answer, nano] = computed(&stage);
        assert!(spans(&stage).len() > 3, "hours have ended");
        for by in ["model", "user", "endpoint", "key", "day", "day,user", "account", "user,model,day,key"] {
            let lines = usage(&stage, &all_of(by));
            assert_eq!((sum(&lines, "served"), sum(&lines, "failed"), sum(&lines, "lapsed")), (served, 0, 0), "{by}");
            assert_eq!([sum(&lines, "prompt_tokens"), sum(&lines, "completion_tokens")], [prompt, answer], "{by}");
            assert_eq!(money(&lines), nano, "{by}");
            let told: u64 = lines.iter().filter_map(|line| line["refused"]["hourly"].as_u64()).sum();
            assert_eq!(told, refused, "{by}");
        }
        let hours =
            usage(&stage, &format!("account=ip:{ADDRESS}&by=hour&from={}", platform::now() - 30 * 24 * HOUR_MS));
        assert_eq!(sum(&hours, "served"), served);
        assert!(hours.iter().all(|line| sum(std::slice::from_ref(line), "served") <= 6), "two for each of three");
    });
}

/// An isolate remembers a refusal and gives it again by itself. Its Gate is told of those with what is sent next.
#[test]
fn what_an_isolate_refuses_by_itself_is_told_too() {
    for_seeds(25, |seed| {
        let mut plans = plans(3);
        plans["plans"]["open"]["limits"][0]["per"] = "account".into();
        let stage = Stage::new(seed, &plans);
        let (mut refused, asked) = (0, stage.world.delivered("GATE"));
        for _ in 0..40 {
            refused += u64::from(ask(&stage, "ann") == Some(429));
            stage.world.run_for(stage.world.below(300));
        }
        assert!(stage.world.delivered("GATE") - asked < 40, "some were given without a Gate");
        stage.world.run_for(HOUR_MS);
        stage.places.iter().for_each(|place| assert_eq!(ask_at(&stage, *place, "ann"), Some(200)));
        let lines = usage(&stage, &all_of("key"));
        let told: u64 = lines.iter().filter_map(|line| line["refused"]["hourly"].as_u64()).sum();
        assert_eq!(told, refused);
        assert_eq!(refused, 37);
    });
}

/// With messages that are lost, late and repeated: no refusal is told twice.
#[test]
fn no_refusal_is_told_twice_whatever_becomes_of_messages() {
    for_seeds(200, |seed| {
        let mut plans = plans(3);
        plans["plans"]["open"]["limits"][0]["per"] = "account".into();
        let stage = Stage::new(seed, &plans);
        stage.world.set_faults(Faults {
            delay_ms: 30,
            lost: 50,
            answer_lost: 100,
            repeated: 200,
            overloaded: 20,
            ..Faults::default()
        });
        let mut told_no = 0;
        for _ in 0..30 {
            told_no += u64::from(ask(&stage, "ann") != Some(200));
            stage.world.run_for(stage.world.below(400));
        }
        stage.calm();
        let lines = usage(&stage, &all_of("key"));
        let told: u64 = lines.iter().filter_map(|line| line["refused"]["hourly"].as_u64()).sum();
        assert!(told <= told_no, "{told} of {told_no}");
    });
}

#[test]
fn nothing_is_lost_or_told_twice_whatever_becomes_of_messages_and_gates() {
    for_seeds(200, |seed| {
        let stage = Stage::new(seed, &plans(1_000));
        stage.world.set_faults(Faults {
            delay_ms: 30,
            lost: 50,
            answer_lost: 50,
            repeated: 100,
            object_ends: 60,
            write_lost: 30,
            ..Faults::default()
        });
        for _ in 0..12 {
            ask(&stage, ["ann", "bob"][stage.world.below(2) as usize]);
            stage.world.run_for(stage.world.below(50) * 60_000);
        }
        stage.calm();
        let lines = usage(&stage, &all_of("user"));
        let account = stage.account(&format!("ip:{ADDRESS}"));
        let totals = account.state.totals();
        assert_eq!(sum(&lines, "served"), totals.served);
        assert_eq!(sum(&lines, "prompt_tokens"), totals.prompt_tokens);
        assert_eq!(sum(&lines, "completion_tokens"), totals.completion_tokens);
        let [prompt, ..] = computed(&stage);
        assert!(sum(&lines, "prompt_tokens") <= prompt, "nothing that was not computed");
    });
}

/// An hour costs one row more, and a request none.
#[test]
fn usage_is_written_in_the_row_that_is_written_anyway() {
    let stage = Stage::new(4, &plans(1_000));
    let name = format!("ip:{ADDRESS}");
    let written = || {
        let path = format!("/accounts/{name}");
        let asked = stage.admin(stage.places[0], "GET", &path, None, "");
        stage.finish(&asked);
        json_of(&asked)["storage"]["rows_written"].as_u64().expect("a number")
    };
    let mut before = written();
    for hour in 0..5 {
        for _ in 0..10 {
            assert_eq!(ask(&stage, "ann"), Some(200));
            stage.world.run_for(1_000);
        }
        let now = written();
        assert_eq!(now - before, 20 + u64::from(hour > 0), "two for each request, and one for the hour before");
        before = now;
        stage.world.run_for(HOUR_MS);
    }
}

fn key(stage: &Stage, body: &str) -> Value {
    let made = stage.admin(stage.places[0], "POST", "/keys", None, body);
    stage.finish(&made);
    assert_eq!(made.status(), Some(201), "{}", made.body());
    json_of(&made)
}

fn with_key(stage: &Stage, key: &Value, method: &str, path: &str, body: &str) -> (Option<u16>, String) {
    let authorization = format!("Bearer {}", key["key"].as_str().expect("a secret"));
    let caller = stage.send(stage.places[0], method, path, &[("authorization", &authorization)], body.to_owned());
    stage.finish(&caller);
    (caller.status(), caller.body())
}

const QUESTION: &str = r#"{"model":"tiny","max_tokens":8,"messages":[{"role":"user","content":"x"}]}"#;

/// A caller is told of itself alone, and an admin of all accounts that are listed, a page after the other.
#[test]
fn a_caller_sees_its_own_and_an_admin_everything() {
    let stage = Stage::new(5, &plans(1_000));
    let first = key(&stage, r#"{"name":"first","plan":"open"}"#);
    let body = json!({"name": "second", "plan": "open", "account": first["account"]}).to_string();
    let second = key(&stage, &body);
    let others: Vec<Value> = (0..60).map(|_| key(&stage, r#"{"name":"other","plan":"open"}"#)).collect();
    for (one, times) in [(&first, 1), (&second, 2), (&others[0], 3), (&others[59], 1)] {
        for _ in 0..times {
            assert_eq!(with_key(&stage, one, "POST", "/v1/chat/completions", QUESTION).0, Some(200));
        }
    }
    stage.world.run_for(10_000);
    let own = |one: &Value, query: &str| with_key(&stage, one, "GET", &format!("/v1/usage{query}"), "");
    for (one, served) in [(&first, 1), (&second, 2), (&others[0], 3), (&others[1], 0)] {
        let told: Value = serde_json::from_str(&own(one, "?by=model").1).expect("JSON");
        let lines = told["data"].as_array().expect("a list");
        assert_eq!((sum(lines, "served"), told["currency"].as_str()), (served, Some("USD")), "{told}");
    }
    let hour = platform::now() / HOUR_MS;
    for (query, status) in [
        ("?account=x", 400),
        ("?by=key", 400),
        ("?by=account", 400),
        ("?from=2300-01-01", 400),
        ("?by=hour,user&format=csv", 200),
        (&format!("?after={}~{hour}-{}", others[0]["account"].as_str().expect("a name"), hour + 1), 200),
    ] {
        let (told, text) = own(&first, query);
        assert_eq!(told, Some(status), "{query}: {text}");
        assert!(!text.contains("others"), "{text}");
    }
    // All accounts, over several pages; and one key of an account.
    let lines = usage(&stage, "by=key");
    assert_eq!((lines.len(), sum(&lines, "served")), (4, 7));
    let one = usage(&stage, &format!("by=account&key={}", second["id"].as_str().expect("an id")));
    assert_eq!((one.len(), sum(&one, "served")), (1, 2));
    // Whose key has ended asks for nothing, and an admin still sees what it has used, by its id.
    let id = second["id"].as_str().expect("an id");
    let gone = stage.admin(stage.places[0], "DELETE", &format!("/keys/{id}"), None, "");
    stage.finish(&gone);
    assert_eq!(own(&second, "").0, Some(401));
    assert!(usage(&stage, "by=key").iter().any(|line| line["key"] == id && line["served"] == 2));
}

/// One account whose rows cannot be read is in the way of no other, and is named.
#[test]
fn an_account_that_cannot_be_read_is_named() {
    let stage = Stage::new(11, &plans(1_000));
    let two = [0, 1].map(|_| key(&stage, r#"{"name":"one","plan":"open"}"#));
    for one in &two {
        assert_eq!(with_key(&stage, one, "POST", "/v1/chat/completions", QUESTION).0, Some(200));
    }
    stage.world.run_for(HOUR_MS);
    assert_eq!(with_key(&stage, &two[0], "POST", "/v1/chat/completions", QUESTION).0, Some(200));
    let account = two[0]["account"].as_str().expect("a name");
    stage.world.stored("GATE", &format!("acct:{account}"), |storage| {
        let rows = Rows::new(storage, "usage");
        let (id, _) = rows.all().expect("rows are read").pop().expect("an hour has ended");
        rows.put(id, &[9]).expect("it is written");
    });
    let asked = stage.admin(stage.places[0], "GET", "/usage?by=model", None, "");
    stage.finish(&asked);
    let told = json_of(&asked);
    assert_eq!(told["unread"], json!([account]));
    assert_eq!(sum(told["data"].as_array().expect("a list"), "served"), 1);
    let sheet = stage.admin(stage.places[0], "GET", "/usage?format=csv", None, "");
    stage.finish(&sheet);
    assert_eq!(sheet.status(), Some(503));
}

#[test]
fn what_cannot_be_read_is_a_refusal_and_not_a_zero() {
    let stage = Stage::new(6, &plans(1_000));
    assert_eq!(ask(&stage, "ann"), Some(200));
    stage.world.run_for(HOUR_MS);
    assert_eq!(ask(&stage, "ann"), Some(200));
    stage.world.stored("GATE", &format!("ip:{ADDRESS}"), |storage| {
        let rows = Rows::new(storage, "usage");
        let (id, _) = rows.all().expect("rows are read").pop().expect("an hour has ended");
        rows.put(id, &[9, 9, 9]).expect("it is written");
    });
    let asked = stage.admin(stage.places[0], "GET", &format!("/usage?{}", all_of("model")), None, "");
    stage.finish(&asked);
    assert_eq!(asked.status(), Some(503), "{}", asked.body());
    assert_eq!(ask(&stage, "ann"), Some(200), "nobody is held up by it");
}

/// Nothing counts who asks for its usage, so it is not asked for without an end; and whom its Gate refuses, an isolate does.
#[test]
fn whoever_asks_again_and_again_holds_nobody_up() {
    let stage = Stage::new(10, &plans(1_000));
    let made = key(&stage, r#"{"name":"first","plan":"open"}"#);
    let own = || with_key(&stage, &made, "GET", "/v1/usage", "").0;
    let told: Vec<_> = (0..80).map(|_| own()).collect();
    let passed = told.iter().filter(|status| **status == Some(200)).count();
    assert!(told.iter().all(|status| matches!(status, Some(200 | 429))) && (30..=60).contains(&passed), "{passed}");
    stage.world.run_for(10_000);
    assert_eq!(own(), Some(200));
    let path = format!("/keys/{}/disable", made["id"].as_str().expect("an id"));
    stage.finish(&stage.admin(stage.places[0], "POST", &path, None, ""));
    stage.world.run_for(10);
    let before = stage.world.delivered("GATE");
    (0..10).for_each(|_| assert_eq!(own(), Some(403)));
    assert!(stage.world.delivered("GATE") <= before + 2, "{}", stage.world.delivered("GATE") - before);
}
