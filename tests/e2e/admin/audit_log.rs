//! The audit log: what admins do is written down with what they do, in a chain, and nothing secret is in it.

use harness::caller::raw::{exchange, request};
use harness::caller::{bearer, hello};
use harness::wait::{SOON, until_true};
use harness::{Answer, PLAN, RunningStack, Stack, secrets, tools};
use serde_json::{Value, json};
use sluice_protocol::admin::audit::{AuditAction, AuditPage, Entry, Head, verify};
use sluice_protocol::admin::failed_logins::{FailedLogins, MAX_ALL, MAX_FAILURES, MAX_NOTED, SPAN_MS};
use sluice_protocol::admin::{CreatedKey, KeyList};
use sluice_protocol::refusal::Reason;
use std::process::Command;

/// All pages.
fn log(stack: &RunningStack) -> Vec<Entry> {
    let mut all = Vec::new();
    let mut after = 0;
    loop {
        let page = stack.edge.admin("GET", &format!("/audit?after={after}"), None).ok().json();
        let page: AuditPage = serde_json::from_value(page).expect("a page of the log");
        all.extend(page.data);
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    verify(Head::default(), &all).expect("a chain");
    all
}

fn told(entries: &[Entry]) -> Vec<(AuditAction, &str)> {
    entries.iter().map(|entry| (entry.action, entry.target.as_str())).collect()
}

#[test]
fn every_kind_of_change_has_its_entry() {
    let stack = Stack::new().start();
    let key = stack.key();
    let made = stack.edge.admin("POST", "/accounts", Some(&json!({"name": "red"}))).json();
    let red = made["account"].as_str().expect("an id").to_owned();
    let id = key.id.to_string();
    let changes = [
        ("POST", format!("/keys/{id}/rotate"), Some(json!({"overlap": "0s"})), AuditAction::KeyRotate),
        ("POST", format!("/keys/{id}/disable"), None, AuditAction::KeyChange),
        ("POST", format!("/keys/{id}/enable"), None, AuditAction::KeyChange),
        ("POST", format!("/accounts/{red}/disable"), None, AuditAction::AccountChange),
        ("POST", format!("/accounts/{red}/enable"), None, AuditAction::AccountChange),
        ("POST", "/keys/bulk".into(), Some(json!({"keys": [{"plan": PLAN, "account": red}]})), AuditAction::KeyCreate),
        ("POST", "/denials".into(), Some(json!({"issuer": "sluice", "jti": "j"})), AuditAction::DenialCreate),
        ("DELETE", format!("/accounts/{red}"), None, AuditAction::AccountDelete),
    ];
    let before = log(&stack).len();
    for (method, path, body, _) in &changes {
        let answer = stack.edge.admin(method, path, body.as_ref());
        assert!(matches!(answer.status, 200 | 201), "{method} {path}: {}", answer.text());
    }
    let entries = log(&stack);
    let actions: Vec<_> = entries[before..].iter().map(|entry| entry.action).collect();
    assert_eq!(actions, changes.map(|(_, _, _, action)| action));
    assert!(log(&stack).iter().any(|entry| entry.action == AuditAction::AccountCreate));
}

/// A request with this token from this address.
fn from(stack: &RunningStack, address: &str, token: &str) -> Answer {
    let headers = [bearer(token), format!("cf-connecting-ip: {address}")];
    exchange(stack.edge_address(), &request("GET", "/admin/v1/keys", &headers, b"")).from_edge()
}

#[test]
fn what_an_admin_does_is_written_down_with_it() {
    let mut stack = Stack::new().start();
    let key = stack.key();
    let id = key.id.to_string();
    let path = format!("/keys/{id}");
    stack.edge.admin("PATCH", &path, Some(&json!({"disabled": true, "name": "hidden-name"}))).ok();
    let changed =
        stack.edge.admin("PATCH", &format!("/accounts/{}", key.account), Some(&json!({"disabled": true}))).ok();
    let table = json!({"plans": {PLAN: {"limits": []}, "other": {"limits": []}}}).to_string();
    stack.edge.put_plans(Some("*"), &table).ok();
    stack.edge.revoke(key.id);
    let entries = log(&stack);
    let version =
        stack.edge.admin("GET", "/plans", None).ok().header("etag").expect("a version").trim_matches('"').to_owned();
    let expected = [
        (AuditAction::KeyCreate, id.as_str()),
        (AuditAction::KeyChange, &id),
        (AuditAction::AccountChange, &key.account),
        (AuditAction::PlansPut, &version),
        (AuditAction::KeyDelete, &id),
    ];
    assert_eq!(told(&entries), expected);
    assert!(entries.iter().all(|entry| entry.actor == "token:e2e"), "{entries:?}");
    assert_eq!(entries[1].details["disabled"], "true");
    assert_eq!(entries[2].request, changed.request_id().expect("an id").to_string());
    // Nothing that is for people, and nothing secret.
    let text = serde_json::to_string(&entries).expect("JSON");
    for hidden in [&key.key[4..], "hidden-name", secrets::ADMIN_TOKEN] {
        assert!(!text.contains(hidden), "{hidden} is in {text}");
    }
    // What was ordered and not done is told with the reason; what was not even ordered, and looking, is not there.
    stack.edge.admin("DELETE", &path, None).refused(Reason::KeyNotFound);
    let ordered = log(&stack);
    assert_eq!(ordered[..entries.len()], entries[..]);
    assert_eq!(told(&ordered[entries.len()..]), [(AuditAction::KeyDelete, id.as_str()); 2]);
    assert_eq!(ordered.last().and_then(|entry| entry.details.get("refused")).map(String::as_str), Some("not_there"));
    let entries = ordered;
    stack.edge.put_plans(Some("\"0011223344556677\""), &table).refused(Reason::PreconditionFailed);
    stack.edge.admin("POST", "/keys", Some(&json!({"plan": "gold"}))).refused(Reason::InvalidRequest);
    assert_eq!(log(&stack), entries);
    // It outlives the process, and goes on where it was.
    stack.restart_edge();
    stack.key();
    let after = log(&stack);
    assert_eq!(after[..entries.len()], entries[..]);
    assert_eq!(told(&after[entries.len()..]).len(), 1);
    for (method, body) in [("POST", Some(&json!({}))), ("DELETE", None), ("PATCH", Some(&json!({})))] {
        stack.edge.admin(method, "/audit", body).refused(Reason::MethodNotAllowed);
    }
    for bad in ["x", "-1", "1.5", "", "99999999999999999999999"] {
        stack.edge.admin("GET", &format!("/audit?after={bad}"), None).refused(Reason::InvalidRequest);
    }
    stack.check_logs(&[&key.key]);
}

#[test]
fn an_export_is_checked_by_the_tool_and_a_changed_one_is_found() {
    let stack = Stack::new().start();
    let keys: Vec<_> = (0..103).map(|_| stack.key()).collect();
    let first = stack.edge.admin("GET", "/audit", None).ok();
    let second = stack.edge.admin("GET", "/audit?after=100", None).ok();
    assert_eq!((first.json()["next"].clone(), second.json().get("next")), (json!(100), None));
    let directory = tempfile::TempDir::with_prefix("sluice-audit-log-").expect("a directory for temporary files");
    let check_with = |command: &str, text: &str, more: &[&str]| {
        let file = directory.path().join("export.json");
        std::fs::write(&file, text).expect("the directory is writable");
        let mut tool = Command::new("cargo");
        tool.args(["xtask", command, "verify"]).arg(&file).args(more).current_dir(tools::root());
        let output = tool.output().expect("cargo is there: it runs this test");
        (
            output.status.success(),
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
        )
    };
    let check = |text: &str, more: &[&str]| check_with("audit", text, more);
    let whole = format!("{}\n{}", first.text(), second.text());
    let last = second.json()["data"][2]["hash"].as_str().expect("a hash").to_owned();
    let (good, said) = check(&whole, &["--head", &last]);
    assert!(good && said.contains("103 entries, 1 to 103"), "{said}");
    let (good, said) = check(&whole.replace(&keys[50].id.to_string(), &keys[51].id.to_string()), &[]);
    assert!(!good && said.contains("entry 51 has been changed"), "{said}");
    // The name that it had before.
    for command in ["audit", "audit-log"] {
        let (good, said) = check_with(command, first.text(), &["--head", &last]);
        assert!(!good && said.contains("what follows it is missing"), "{said}");
    }
}

#[test]
fn each_admin_does_what_its_scopes_allow_and_is_written_down_by_name() {
    let stack = Stack::new().setting("ADMIN_TOKENS", secrets::scoped_admin_tokens()).start();
    let ask =
        |token: &str, method: &str, path: &str, body: Option<&Value>| stack.edge.admin_as(token, method, path, body);
    let table = json!({"plans": {PLAN: {"limits": []}}});
    let new = json!({"plan": PLAN});
    for (name, allowed) in [("read", "rrr--"), ("keys", "r--k-"), ("plans", "-r--p")] {
        let token = secrets::scoped_token(name);
        let answers = [
            ask(&token, "GET", "/keys", None),
            ask(&token, "GET", "/plans", None),
            ask(&token, "GET", "/audit", None),
            ask(&token, "POST", "/keys", Some(&new)),
            ask(&token, "PUT", "/plans", Some(&table)),
        ];
        for (answer, letter) in answers.into_iter().zip(allowed.chars()) {
            match (letter, answer.status) {
                ('-', _) => drop(answer.refused(Reason::NotAllowed)),
                // Whoever may, is told what is missing.
                ('p', _) => drop(answer.refused(Reason::PreconditionRequired)),
                (_, status) => assert!(status < 300, "{name}: {}", answer.text()),
            }
        }
    }
    let entries: Vec<Entry> =
        serde_json::from_value(ask(&secrets::scoped_token("read"), "GET", "/audit", None).ok().json()["data"].clone())
            .expect("entries");
    assert_eq!(entries.iter().map(|entry| entry.actor.as_str()).collect::<Vec<_>>(), ["token:keys"]);
    let all: Vec<_> = ["read", "keys", "plans"].map(secrets::scoped_token).into();
    stack.check_logs(&all.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn failed_logins_are_limited_by_address_and_written_down() {
    let stack = Stack::new().setting("ADMIN_TOKENS", secrets::short_admin_tokens()).with_twin().start();
    let key = stack.key();
    for number in 0..MAX_FAILURES {
        // Also what looks like a key, and what is one: it is no admin's.
        let wrong = if number == 0 { key.key.clone() } else { format!("wrong-{number}") };
        from(&stack, "203.0.113.9", &wrong).refused(Reason::InvalidAdminToken);
    }
    let wait = from(&stack, "203.0.113.9", "wrong").refused(Reason::Flooding).retry_after_ms().expect("a wait");
    assert!((1..=SPAN_MS).contains(&wait), "{wait}");
    // Not even the right token is heard from there, if it is one that can be guessed; elsewhere it is.
    from(&stack, "203.0.113.9", secrets::SHORT_ADMIN_TOKEN).refused(Reason::Flooding);
    from(&stack, "203.0.113.10", secrets::SHORT_ADMIN_TOKEN).ok();
    // One that nobody guesses is heard whatever is sent from its address, or in its name.
    from(&stack, "203.0.113.9", secrets::ADMIN_TOKEN).ok();
    // Another isolate learns it with the first failure there.
    let headers = [bearer("wrong"), "cf-connecting-ip: 203.0.113.9".to_owned()];
    let at_twin = || exchange(stack.twin_address(), &request("GET", "/admin/v1/keys", &headers, b"")).from_edge();
    at_twin().refused(Reason::InvalidAdminToken);
    at_twin().refused(Reason::Flooding);
    // Without credentials nobody fails.
    let nobody = exchange(stack.edge_address(), &request("GET", "/admin/v1/keys", &[], b"")).from_edge();
    nobody.refused(Reason::InvalidAdminToken);

    let list = stack.edge.admin("GET", "/failed-logins", None).ok();
    let failed: FailedLogins = serde_json::from_value(list.json()).expect("failed logins");
    let [row] = failed.data.as_slice() else { panic!("one row for one address: {failed:?}") };
    assert_eq!((row.address.as_str(), row.count), ("203.0.113.9", u64::from(MAX_FAILURES) + 1));
    assert!(row.first <= row.last && row.not_noted_before == 0, "{row:?}");
    assert!(
        !list.text().contains("wrong") && !list.text().contains(&key.key),
        "what was sent is kept: {}",
        list.text()
    );
    // The log tells of what admins did, and of nothing that anybody can do.
    assert_eq!(told(&log(&stack)), [(AuditAction::KeyCreate, key.id.to_string().as_str())]);
    stack.check_logs(&[&key.key]);
}

#[test]
fn a_flood_of_failed_logins_fills_neither_the_log_nor_the_registry() {
    let stack = Stack::new().setting("ADMIN_TOKENS", secrets::short_admin_tokens()).start();
    let before = stack.edge.list().storage;
    let entries = log(&stack);
    for number in 0..MAX_ALL + 50 {
        let answer = from(&stack, &format!("198.51.{}.{}", number / 200, number % 200), "wrong");
        answer.refused(if number < MAX_ALL { Reason::InvalidAdminToken } else { Reason::Flooding });
    }
    // Whoever sets the address that is told has no end of them: all are slowed together.
    from(&stack, "192.0.2.1", secrets::SHORT_ADMIN_TOKEN).refused(Reason::Flooding);
    let long = |method, path, body| stack.edge.admin_as(secrets::ADMIN_TOKEN, method, path, body);
    let after: KeyList = serde_json::from_value(long("GET", "/keys", None).ok().json()).expect("a list");
    // One for the log before, one for this list.
    assert_eq!(after.storage.calls - before.calls, u64::from(MAX_NOTED) + 2, "the rest was only counted");
    let failed: FailedLogins = serde_json::from_value(long("GET", "/failed-logins", None).ok().json()).expect("rows");
    assert_eq!(failed.data.len(), MAX_NOTED as usize);
    let page: AuditPage = serde_json::from_value(long("GET", "/audit", None).ok().json()).expect("a page");
    assert_eq!(page.data, entries);
    // Nobody is shut out.
    let key = long("POST", "/keys", Some(&json!({"plan": PLAN}))).json();
    stack.script().allow_all();
    stack.edge.chat(key["key"].as_str(), &hello(4)).ok();
}

#[test]
fn where_nobody_tells_addresses_wrong_tokens_are_slowed_and_right_ones_are_heard() {
    let stack = Stack::new().setting("ADMIN_TOKENS", secrets::short_admin_tokens()).start();
    let ask = |token: &str| stack.edge.admin_as(token, "GET", "/keys", None);
    let answers: Vec<_> = (0..50).map(|_| ask("wrong")).collect();
    let slowed = answers.iter().filter(|answer| answer.json()["error"]["code"] == Reason::Flooding.row().code).count();
    assert_eq!(slowed, 50 - MAX_FAILURES as usize);
    ask(secrets::SHORT_ADMIN_TOKEN).refused(Reason::Flooding);
    ask(secrets::ADMIN_TOKEN).ok();
}

#[test]
fn the_log_is_read_backwards_and_by_action_and_account() {
    let stack = Stack::new().start();
    let keys = [0; 3].map(|_| stack.key());
    let path = |key: &CreatedKey| format!("/keys/{}", key.id);
    stack.edge.admin("POST", &format!("{}/rotate", path(&keys[1])), Some(&json!({"overlap": "7m"}))).ok();
    stack.edge.admin("PATCH", &format!("/accounts/{}", keys[1].account), Some(&json!({"disabled": true}))).ok();
    let bulk = json!({"keys": [{"plan": PLAN, "name": "hidden", "scopes": ["chat"]}, {"plan": PLAN}]});
    assert!(stack.edge.admin("POST", "/keys/bulk", Some(&bulk)).status < 300); // not a status: a bound
    let all = log(&stack);
    let ask = |query: &str| -> AuditPage {
        let page = stack.edge.admin("GET", &format!("/audit?{query}"), None).ok().json();
        serde_json::from_value(page).expect("a page of the log")
    };
    let numbers = |page: &AuditPage| page.data.iter().map(|entry| entry.number).collect::<Vec<_>>();
    assert_eq!(numbers(&ask("before=end")), [7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(numbers(&ask("before=3")), [2, 1]);
    assert_eq!(numbers(&ask("before=1")), [0; 0]);
    assert_eq!(numbers(&ask("action=key.create&after=2")), [3, 6, 7]);
    assert_eq!(numbers(&ask(&format!("account={}", keys[1].account))), [2, 4, 5]);
    assert_eq!(numbers(&ask(&format!("account={}&action=key.rotate&before=end", keys[1].account))), [4]);
    assert!(ask("action=admin.login_failed").data.is_empty());
    // What was asked for is told, of each key of a bulk, too.
    assert_eq!(all[3].details["overlap"], "7m");
    assert_eq!(all[5].details["members"], "name,plan,scopes");
    assert_eq!((all[5].details["scopes"].as_str(), all[6].details["members"].as_str()), ("[\"chat\"]", "plan"));
    let [first, .., last] = all.as_slice() else { panic!("seven entries") };
    assert_eq!((first.number, last.number), (1, 7));
}

#[test]
fn what_cannot_be_written_down_is_not_done() {
    let mut stack = Stack::new().start();
    let key = stack.key();
    let before = stack.edge.admin("GET", "/plans", None).ok();
    // The next entry cannot be written: nobody knows what it follows.
    stack.restart_edge_with_registry("UPDATE audit SET entry = 'x'");
    stack.edge.admin("POST", "/keys", Some(&json!({"plan": PLAN}))).refused(Reason::GateUnavailable);
    let table = json!({"plans": {PLAN: {"limits": []}, "other": {"limits": []}}}).to_string();
    stack.edge.put_plans(Some("*"), &table).refused(Reason::GateUnavailable);
    let listed: Vec<_> = stack.edge.list().data.into_iter().map(|entry| entry.id).collect();
    assert_eq!(listed, [key.id], "the key was taken back");
    assert_eq!(stack.edge.admin("GET", "/plans", None).ok().text(), before.text(), "and so was the table");
}

#[test]
fn what_is_written_twice_is_written_once() {
    use harness::edge::between::{Fate, To};
    use sluice_protocol::admin::RegistryCall;
    use std::sync::atomic::{AtomicU32, Ordering};
    let stack = Stack::new().with_between().start();
    let lost = std::sync::Arc::new(AtomicU32::new(0));
    let count = lost.clone();
    stack.between().decide(move |message| {
        let is_noted =
            message.to == To::Registry && matches!(message.registry_call(), Some(RegistryCall::Execute { .. }));
        if is_noted && count.fetch_add(1, Ordering::SeqCst) == 0 { Fate::LoseAnswer } else { Fate::Pass }
    });
    let key = stack.key();
    assert!(lost.load(Ordering::SeqCst) >= 2, "the message was sent again");
    assert_eq!(told(&log(&stack)), [(AuditAction::KeyCreate, key.id.to_string().as_str())]);
    until_true("logged outside of the object, too", SOON, || stack.edge_log().contains("{\"audit\":1,\"hash\":"));
}
