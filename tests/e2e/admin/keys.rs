//! Keys, whole life: made, listed, looked at, changed, rotated, disabled, deleted; alone and many at once.

use harness::caller::hello;
use harness::{Answer, PLAN, RunningStack, Stack, secrets};
use serde_json::{Value, json};
use sluice_protocol::admin::{CreatedKey, KeyList};
use sluice_protocol::refusal::Reason;
use std::collections::BTreeSet;

fn path(key: &CreatedKey) -> String {
    format!("/keys/{}", key.id)
}

fn chat(stack: &RunningStack, key: &str) -> Answer {
    stack.edge.chat(Some(key), &hello(4))
}

fn list(stack: &RunningStack, query: &str) -> KeyList {
    serde_json::from_value(stack.edge.admin("GET", &format!("/keys?{query}"), None).ok().json()).expect("a list")
}

/// All pages of a list.
fn all(stack: &RunningStack, query: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut page = list(stack, query);
    loop {
        found.extend(page.data.iter().map(|entry| entry.id.to_string()));
        match page.next {
            Some(next) => page = list(stack, &format!("{query}&after={next}")),
            None => return found,
        }
    }
}

#[test]
fn a_key_is_made_with_all_that_can_be_said_of_it() {
    let stack = Stack::new().limit("5 per 1h").start();
    stack.script().allow_all();
    let account = stack.edge.admin("POST", "/accounts", Some(&json!({"name": "red"}))).json();
    let asked = json!({
        "name": "ann's ✓", "plan": PLAN, "account": account["account"], "overrides": {"window-0": 7, "own": 9},
        "limits": [{"name": "own", "kind": "window", "limit": 3, "window": "1h"}],
        "scopes": ["chat", "models"], "models": ["tiny", "big-*"], "addresses": ["203.0.113.0/24", "::1"],
        "expires_at": 253_402_300_799_999_u64, "metadata": {"team": "red", "ticket": "T-1"}
    });
    let key = stack.edge.issue(&asked);
    let answer = stack.edge.admin("GET", &path(&key), None).ok();
    assert_eq!(answer.header("etag"), Some("\"1\""));
    let view = answer.json();
    for member in ["name", "plan", "account", "overrides", "scopes", "models", "addresses", "expires_at", "metadata"] {
        assert_eq!(view[member], asked[member], "{member}");
    }
    assert_eq!((&view["disabled"], &view["version"], &view["old_until"]), (&json!(false), &json!(1), &json!([])));
    assert_eq!(view["limits"][0]["per"], "key", "{view}");
    assert!(!answer.text().contains(&key.key) && !answer.text().contains("hash"));
    let chat = || {
        stack.edge.chat_as(
            &[("authorization", &format!("Bearer {}", key.key)), ("cf-connecting-ip", "203.0.113.1")],
            &hello(4),
        )
    };
    assert_eq!((0..9).take_while(|_| chat().status == 200).count(), 7, "the override of the plan's limit");
    let used = stack.edge.view(key.id);
    assert_eq!((used.used.served, used.used_by_key.served), (7, 7));
}

#[test]
fn a_rotated_key_has_two_secrets_until_the_old_one_ends() {
    let mut stack = Stack::new().start();
    stack.script().allow_all();
    let key = stack.key();
    let rotate = |stack: &RunningStack, overlap: &str| {
        let body = json!({"overlap": overlap});
        let answer = stack.edge.admin("POST", &format!("{}/rotate", path(&key)), Some(&body)).ok().json();
        assert_eq!(answer["id"], key.id.to_string());
        answer["key"].as_str().expect("a secret").to_owned()
    };
    let second = rotate(&stack, "1h");
    chat(&stack, &key.key).ok();
    chat(&stack, &second).ok();
    stack.restart_edge();
    chat(&stack, &key.key).ok();
    // A shorter overlap ends all that came before; none at all ends them at once.
    let third = rotate(&stack, "700ms");
    chat(&stack, &second).ok();
    chat(&stack, &third).ok();
    harness::wait::until_true("the old ones end", harness::wait::SOON, || {
        [&key.key, &second].iter().all(|old| chat(&stack, old).status == 401)
    });
    chat(&stack, &second).refused(Reason::InvalidKey);
    let fourth = rotate(&stack, "0s");
    chat(&stack, &third).refused(Reason::InvalidKey);
    chat(&stack, &fourth).ok();
    let keys = [&key.key, &second, &third, &fourth];
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 4);
    assert_eq!(stack.edge.list().data.len(), 1, "it is one key all along");
    stack.check_logs(&keys.map(String::as_str));
    for bad in ["1", "-1s", "32d", "1w", "", "99999999999999999999d"] {
        let refused = stack.edge.admin("POST", &format!("{}/rotate", path(&key)), Some(&json!({"overlap": bad})));
        assert_eq!(refused.refused(Reason::InvalidRequest).json()["error"]["param"], "overlap", "{bad}");
    }
}

/// A request that was let in with a secret that is rotated away meanwhile is served to its end.
#[test]
fn a_secret_that_is_rotated_away_in_flight_serves_its_request() {
    let stack = Stack::new().parallel(2).start();
    let key = stack.key();
    let mut open = stack.open_chat(&key.key, &harness::caller::hello_stream(8));
    stack.script().allow(2);
    open.read_text("data:");
    stack.edge.admin("POST", &format!("{}/rotate", path(&key)), Some(&json!({"overlap": "0s"}))).ok();
    chat(&stack, &key.key).refused(Reason::InvalidKey);
    stack.script().allow_all();
    open.read_text("[DONE]");
    harness::wait::until_true("it is settled", harness::wait::SOON, || stack.edge.view(key.id).live_leases == 0);
    assert_eq!(stack.edge.view(key.id).used_by_key.served, 1);
}

#[test]
fn disabling_and_deleting_hold_for_the_next_request_everywhere() {
    let stack = Stack::new().with_twin().start();
    stack.script().allow_all();
    let twin = stack.twin();
    let (key, other) = (stack.key(), stack.key());
    let post = |verb: &str| stack.edge.admin("POST", &format!("{}/{verb}", path(&key)), None).ok();
    let both = |key: &CreatedKey| [&stack.edge, &twin].map(|edge| edge.chat(Some(&key.key), &hello(4)).status);
    assert_eq!(both(&key), [200, 200]);
    assert_eq!(post("disable").json()["disabled"], true);
    assert_eq!(both(&key), [403, 403]);
    assert_eq!(list(&stack, "disabled=true").data.len(), 1);
    assert_eq!(post("enable").header("etag"), Some("\"3\""));
    assert_eq!(stack.edge.chat(Some(&key.key), &hello(4)).status, 200);
    // Elsewhere the refusal may be remembered for a second.
    harness::wait::until_true("it passes elsewhere", harness::wait::SOON, || both(&key) == [200, 200]);
    stack.edge.revoke(key.id);
    assert_eq!(both(&key), [401, 401]);
    assert_eq!(both(&other), [200, 200]);
    for (method, tail) in [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/rotate"), ("POST", "/disable")] {
        let body = (method == "PATCH").then(|| json!({"name": "x"}));
        stack.edge.admin(method, &format!("{}{tail}", path(&key)), body.as_ref()).refused(Reason::KeyNotFound);
    }
    let some = json!({"reason": "x"});
    stack.edge.admin("POST", &format!("{}/disable", path(&other)), Some(&some)).refused(Reason::InvalidRequest);
    stack.edge.admin("PUT", &format!("{}/disable", path(&other)), None).refused(Reason::MethodNotAllowed);
}

#[test]
fn of_two_admins_who_change_one_key_one_is_told() {
    let stack = Stack::new().start();
    let key = stack.key();
    let change = |etag: &str, name: &str| {
        stack.edge.admin_with(&[("if-match", etag)], "PATCH", &path(&key), Some(&json!({ "name": name })))
    };
    let etag = stack.edge.admin("GET", &path(&key), None).ok().header("etag").expect("a version").to_owned();
    let first = change(&etag, "first").ok();
    assert_eq!(first.header("etag"), Some("\"2\""));
    change(&etag, "second").refused(Reason::PreconditionFailed);
    for bad in ["1", "\"01\"", "\"x\"", "\"4294967296\"", "\"2", "2\"", "\"2\", \"3\""] {
        let answer = change(bad, "third");
        assert_eq!(answer.status, Reason::PreconditionFailed.row().status, "{bad:?}: {}", answer.text());
    }
    assert_eq!(stack.edge.view(key.id).key.name, "first");
    change("W/\"2\"", "fourth").ok();
    change("*", "fifth").ok();
    for (method, tail) in [("DELETE", ""), ("POST", "/rotate"), ("POST", "/disable")] {
        let refused = stack.edge.admin_with(&[("if-match", "\"9\"")], method, &format!("{}{tail}", path(&key)), None);
        refused.refused(Reason::PreconditionFailed);
    }
    // At once: of those who saw the same version exactly one is served.
    let answers: Vec<_> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..6).map(|_| scope.spawn(|| change("\"4\"", "race").status)).collect();
        asking.into_iter().map(|asked| asked.join().expect("an answer")).collect()
    });
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert_eq!(stack.edge.view(key.id).version, 5);
}

#[test]
fn keys_are_made_many_at_once() {
    let stack = Stack::new().start();
    stack.script().allow_all();
    let account = stack.key().account;
    let keys: Vec<_> = (0..100)
        .map(|number| match number % 2 {
            0 => json!({"name": format!("bulk {number}"), "plan": PLAN}),
            _ => json!({"name": format!("bulk {number}"), "plan": PLAN, "account": account}),
        })
        .collect();
    let answer = stack.edge.admin("POST", "/keys/bulk", Some(&json!({"keys": keys})));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let made: Vec<CreatedKey> = serde_json::from_value(answer.json()["data"].clone()).expect("keys");
    assert_eq!(made.len(), 100);
    assert!(made.iter().enumerate().all(|(number, key)| key.name == format!("bulk {number}")));
    assert!(made.iter().skip(1).step_by(2).all(|key| key.account == account));
    for key in [&made[0], &made[1], &made[98], &made[99]] {
        chat(&stack, &key.key).ok();
    }
    assert_eq!(all(&stack, &format!("account={account}")).len(), 51);
    // What cannot be made is told in its place; the others are made.
    let unknown = "00000000000000aa";
    let some = json!({"keys": [{"plan": PLAN, "account": unknown}, {"plan": PLAN}]});
    let answer = stack.edge.admin("POST", "/keys/bulk", Some(&some));
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.json()["data"][0]["error"]["param"], "account");
    assert!(answer.json()["data"][1]["key"].is_string());
    let none = json!({"keys": [{"plan": PLAN, "account": unknown}]});
    stack.edge.admin("POST", "/keys/bulk", Some(&none)).refused(Reason::InvalidRequest);
    // One that is wrong refuses all, by its place.
    let wrong = json!({"keys": [{"plan": PLAN}, {"plan": "gold"}]});
    let refused = stack.edge.admin("POST", "/keys/bulk", Some(&wrong)).refused(Reason::InvalidRequest);
    assert_eq!(refused.json()["error"]["param"], "keys[1].plan");
    for empty in [json!({"keys": []}), json!({}), json!({"keys": vec![json!({"plan": PLAN}); 101]})] {
        stack.edge.admin("POST", "/keys/bulk", Some(&empty)).refused(Reason::InvalidRequest);
    }
    assert_eq!(all(&stack, "limit=7").len(), 102);
}

#[test]
fn lists_are_filtered_and_go_on_where_they_ended() {
    let plans = json!({"plans": {PLAN: {"limits": []}, "rare": {"limits": []}}});
    let stack = Stack::new().plans(plans.to_string()).start();
    let entry = |number: usize| {
        let plan = if number == 60 { "rare" } else { PLAN };
        let expires = number.is_multiple_of(10).then_some(4_000_000_000_000_u64 + number as u64);
        json!({"name": format!("{} key {number}", ["red", "blue"][number % 2]), "plan": plan, "expires_at": expires})
    };
    let keys: Vec<_> = (0..100).map(entry).collect();
    let answer = stack.edge.admin("POST", "/keys/bulk", Some(&json!({"keys": keys})));
    let made: Vec<CreatedKey> = serde_json::from_value(answer.json()["data"].clone()).expect("keys");
    let ids = |wanted: &dyn Fn(usize) -> bool| {
        let chosen = made.iter().enumerate().filter(|(number, _)| wanted(*number));
        let mut ids: Vec<_> = chosen.map(|(_, key)| key.id.to_string()).collect();
        ids.sort();
        ids
    };
    for limit in ["1", "9", "10", "100"] {
        let with = |query: &str| all(&stack, &format!("limit={limit}{query}"));
        assert_eq!(with("&plan=rare"), ids(&|number| number == 60));
        assert_eq!(with("&name=red%20key"), ids(&|number| number.is_multiple_of(2)));
        assert_eq!(with("&name=blue+key+1"), ids(&|number| number % 2 == 1 && format!("{number}").starts_with('1')));
        assert_eq!(with("&expires_before=4000000000050"), ids(&|number| number.is_multiple_of(10) && number < 50));
        assert_eq!(with("&disabled=true"), Vec::<String>::new());
        assert_eq!(with(&format!("&account={}", made[3].account)), ids(&|number| number == 3));
        assert_eq!(
            with(&format!("&plan={PLAN}&name=red&disabled=false")),
            ids(&|number| number.is_multiple_of(2) && number != 60)
        );
    }
    assert_eq!(all(&stack, ""), ids(&|_| true));
    // A plan that few have is found without a look at the others.
    let before = list(&stack, "").storage.rows_read;
    let read = list(&stack, "plan=rare").storage.rows_read - before;
    assert!(read <= 8, "{read} rows were read for one key");
    for (query, param) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("disabled=yes", "disabled"),
        ("after=1", "after"),
        ("account=12", "account"),
        ("plan=Gold!", "plan"),
        ("expires_before=-1", "expires_before"),
        ("limit=1&limit=2", "limit"),
        ("colour=red", "colour"),
        ("Colour%0a=red", "query"),
        (&format!("name={}", "n".repeat(3_000)), "query"),
    ] {
        let refused = stack.edge.admin("GET", &format!("/keys?{query}"), None).refused(Reason::InvalidRequest);
        assert_eq!(refused.json()["error"]["param"], param, "{query}");
    }
}

/// Malformed, oversized, doubled, missing and hostile values: each is refused by name, and nothing is made.
#[test]
fn bad_values_are_refused_by_name() {
    let stack = Stack::new().start();
    let key = stack.key();
    let all = |member: &str, value: Value| (member.to_owned(), value);
    let many = |count: usize, text: &str| Value::from(vec![text; count]);
    let pairs = |count: usize, size: usize| {
        Value::from(
            (0..count).map(|n| (format!("m{n}"), Value::from("x".repeat(size)))).collect::<serde_json::Map<_, _>>(),
        )
    };
    let cases = [
        all("scopes", json!([])),
        all("scopes", json!(["Chat"])),
        all("scopes", json!(["chat "])),
        all("scopes", json!(["сhat"])),
        all("scopes", json!(["chat", "admin"])),
        all("scopes", json!(["*"])),
        all("models", json!([])),
        all("models", json!([""])),
        all("models", json!(["a*b"])),
        all("models", json!(["a\u{0}"])),
        all("models", many(33, "m")),
        all("models", json!(["m".repeat(129)])),
        all("addresses", json!(["203.0.113.0/33"])),
        all("addresses", json!(["2001:db8::/129"])),
        all("addresses", json!(["203.0.113.0/+8"])),
        all("addresses", json!(["203.0.113.0/08"])),
        all("addresses", json!(["0203.0.113.0"])),
        all("addresses", json!(["203.0.113"])),
        all("addresses", json!(["fe80::1%eth0"])),
        all("addresses", json!(["２03.0.113.1"])),
        all("addresses", json!(["localhost"])),
        all("addresses", many(65, "::1")),
        all("expires_at", json!(1)),
        all("expires_at", json!(253_402_300_800_000_u64)),
        all("metadata", json!({"": "x"})),
        all("metadata", json!({"a": "line\nbreak"})),
        all("metadata", pairs(17, 1)),
        all("metadata", pairs(2, 600)),
        all("name", json!("safe\u{202e}evil")),
        all("name", json!("zero\u{200b}width")),
        all("name", json!("\u{feff}bom")),
        all("name", json!("é".repeat(65))),
    ];
    for (member, value) in &cases {
        let body = json!({"plan": PLAN, member: value});
        let refused = stack.edge.admin("POST", "/keys", Some(&body)).refused(Reason::InvalidRequest);
        assert_eq!(refused.json()["error"]["param"].as_str(), Some(member.as_str()), "{body}");
        let body = json!({ member: value });
        let refused = stack.edge.admin("PATCH", &path(&key), Some(&body)).refused(Reason::InvalidRequest);
        assert_eq!(refused.json()["error"]["param"].as_str(), Some(member.as_str()), "{body}");
    }
    // Of a wrong type, or there twice, at whatever depth: the message says where.
    let raw = |method: &str, tail: &str, body: String| {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        stack.edge.send(|http, base| {
            let request = http.request(method, format!("{base}/admin/v1/keys{tail}"));
            request.bearer_auth(secrets::ADMIN_TOKEN).header("content-type", "application/json").body(body)
        })
    };
    let tail = format!("/{}", key.id);
    for body in [
        r#"{"scopes":"chat"}"#.to_owned(),
        r#"{"expires_at":"2030"}"#.into(),
        r#"{"expires_at":1e30}"#.into(),
        r#"{"expires_at":-5}"#.into(),
        r#"{"metadata":{"a":1}}"#.into(),
        r#"{"metadata":{"a":"x","a":"y"}}"#.into(),
        r#"{"overrides":{"window-0":1,"window-0":2}}"#.into(),
        r#"{"name":"a","name":"b"}"#.into(),
        r#"{"addresses":[["::1"]]}"#.into(),
        r#"{"__proto__":{}}"#.into(),
        r#"{"Name":"x"}"#.into(),
    ] {
        raw("PATCH", &tail, body.clone()).refused(Reason::InvalidRequest);
        raw("POST", "", body).refused(Reason::InvalidRequest);
    }
    for body in
        [format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000)), "{\"name\":\"\\ud800\"}".into(), "{}{}".into()]
    {
        raw("POST", "", body).refused(Reason::InvalidJson);
    }
    assert_eq!(stack.edge.list().data.len(), 1);
    assert_eq!(stack.edge.view(key.id).version, 1, "nothing was changed");
}
