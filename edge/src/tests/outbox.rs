//! Commands of admins: written down, carried, done once and in order, whatever ends when.

use super::for_seeds;
use super::stage::{Stage, json_of, plan};
use crate::platform::rows::{Rows, Value};
use crate::platform::scripted::{Caller, Closed, Faults};
use serde_json::json;
use sluice_protocol::admin::audit::{AuditAction, Entry, Head, verify};
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::id::KeyId;
use std::collections::{BTreeMap, BTreeSet};

fn stage(seed: u64) -> Stage {
    Stage::new(seed, &plan(&json!([]), &json!("refuse")))
}

const STORM: Faults = Faults {
    delay_ms: 30,
    lost: 50,
    answer_lost: 50,
    repeated: 50,
    silent: 0,
    overloaded: 10,
    unreachable: 0,
    reply_lost: 0,
    isolate_ends: 2,
    object_ends: 20,
    write_lost: 20,
};

/// Sends an admin's request again and again, under one name, until it is told what became of it.
fn insist(stage: &Stage, method: &str, path: &str, name: &str, body: &str) -> Caller {
    for _ in 0..200 {
        let caller = stage.admin(stage.place(), method, path, Some(name), body);
        stage.finish(&caller);
        let is_told = caller.closed() == Some(Closed::Whole) && caller.status() != Some(503);
        if is_told {
            return caller;
        }
        stage.world.run_for(500);
    }
    panic!("{method} {path} is never told an outcome");
}

/// All keys that the Registry lists, by id, with their names.
fn listed(stage: &Stage) -> BTreeMap<String, String> {
    let caller = stage.admin(stage.places[0], "GET", "/keys?limit=100", None, "");
    stage.finish(&caller);
    let list = json_of(&caller);
    let entry = |entry: &serde_json::Value| {
        let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        (text("id"), text("name"))
    };
    list["data"].as_array().expect("a list").iter().map(entry).collect()
}

/// All keys that Gates keep, by id, with their names: the truth.
fn kept(stage: &Stage) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for account in stage.world.objects("GATE") {
        for record in &stage.account(&account).kept.keys {
            let id = AccountName::parse(&account).and_then(|name| name.key_account());
            let id = KeyId { account: id.expect("keys are of accounts that have keys"), key: record.key };
            all.insert(id.to_string(), record.name.clone());
        }
    }
    all
}

/// The audit log, whose chain is whole.
fn audit(stage: &Stage) -> Vec<Entry> {
    let rows = read(stage, "audit", "SELECT entry FROM audit ORDER BY number");
    let entries: Vec<Entry> = rows.iter().map(|row| serde_json::from_str(row).expect("an entry")).collect();
    verify(Head::default(), &entries).expect("the chain is whole");
    entries
}

fn read(stage: &Stage, table: &'static str, sql: &str) -> Vec<String> {
    stage.world.stored("REGISTRY", "registry", |storage| {
        let rows = Rows::new(storage, table);
        if !rows.exists().expect("the tables are read") {
            return Vec::new();
        }
        let text = |row: Vec<Value>| match row.into_iter().next() {
            Some(Value::Text(text)) => text,
            other => panic!("{other:?}"),
        };
        rows.exec(sql, Vec::new()).expect("a table is read").into_iter().map(text).collect()
    })
}

#[test]
fn both_sides_end_up_the_same_whatever_ends_when() {
    for_seeds(1_000, |seed| {
        let stage = stage(seed);
        stage.world.set_faults(STORM);
        let mut expected = BTreeMap::new();
        for number in 0..stage.world.below(3) + 1 {
            let created =
                insist(&stage, "POST", "/keys", &format!("create-{number}"), r#"{"plan": "open", "name": "new"}"#);
            assert_eq!(created.status(), Some(201), "{}", created.body());
            let id = json_of(&created)["id"].as_str().expect("an id").to_owned();
            expected.insert(id.clone(), "new".to_owned());
            if stage.world.below(2) == 0 {
                let body = r#"{"name": "changed"}"#;
                let changed = insist(&stage, "PATCH", &format!("/keys/{id}"), "", body);
                assert_eq!(changed.status(), Some(200), "{}", changed.body());
                expected.insert(id.clone(), "changed".to_owned());
            }
            if stage.world.below(4) == 0 {
                let gone = insist(&stage, "DELETE", &format!("/keys/{id}"), "", "");
                // A repetition finds nothing more.
                assert!(matches!(gone.status(), Some(200 | 404)), "{}", gone.body());
                expected.remove(&id);
            }
        }
        stage.calm();
        assert_eq!(kept(&stage), expected, "what Gates keep");
        assert_eq!(listed(&stage), expected, "what the Registry lists");
        assert_eq!(read(&stage, "outbox", "SELECT account FROM outbox"), Vec::<String>::new(), "nothing waits");
        let entries = audit(&stage);
        let what = |entry: &Entry| {
            (
                entry.request.clone(),
                format!("{:?}", entry.action),
                entry.target.clone(),
                entry.details.contains_key("refused"),
            )
        };
        let told: BTreeSet<_> = entries.iter().map(what).collect();
        assert_eq!(told.len(), entries.len(), "a message that came twice is told of once");
        let created: Vec<_> = entries.iter().filter(|entry| entry.action == AuditAction::KeyCreate).collect();
        let targets: BTreeSet<_> = created.iter().map(|entry| entry.target.clone()).collect();
        assert_eq!(created.len(), targets.len(), "each key is made once");
        assert!(expected.keys().all(|id| targets.contains(id)), "no key is made that the log does not tell of");
    });
}

#[test]
fn commands_of_one_account_are_done_in_order() {
    for_seeds(300, |seed| {
        let stage = stage(seed);
        let created = insist(&stage, "POST", "/keys", "create", r#"{"plan": "open", "name": "0"}"#);
        let id = json_of(&created)["id"].as_str().expect("an id").to_owned();
        // Each ends before its answer can come: it stays written down, and the next one is behind it.
        stage.world.set_faults(Faults { delay_ms: 30, object_ends: 30, answer_lost: 200, repeated: 200, ..STORM });
        let mut last = String::new();
        for number in 1..=6 {
            let body = format!(r#"{{"name": "{number}"}}"#);
            let changed = stage.admin(stage.place(), "PATCH", &format!("/keys/{id}"), None, &body);
            stage.finish(&changed);
            // Whether it is written down is certain only if its answer says so.
            if changed.closed() == Some(Closed::Whole) && changed.status() == Some(200) {
                last = number.to_string();
            } else {
                stage.calm();
                stage.world.set_faults(STORM);
                last = kept(&stage)[&id].clone();
            }
        }
        stage.calm();
        assert_eq!(kept(&stage)[&id], last);
        assert_eq!(listed(&stage)[&id], last);
    });
}

#[test]
fn a_command_that_its_gate_fails_over_is_given_up_and_in_nobodys_way() {
    for_seeds(50, |seed| {
        let stage = stage(seed);
        stage.world.set_faults(Faults { delay_ms: 10, ..Faults::default() });
        let ids: Vec<_> = ["a", "b"]
            .map(|name| json_of(&insist(&stage, "POST", "/keys", name, r#"{"plan": "open", "name": "0"}"#)))
            .iter()
            .map(|created| created["id"].as_str().expect("an id").to_owned())
            .collect();
        let account = |id: &str| {
            let id = KeyId::parse(id).expect("a key's id");
            AccountName::of_key(id.account).name().to_owned()
        };
        stage.world.set_room("GATE", &account(&ids[0]), Some(0));
        let change = |id: &str| {
            let caller = stage.admin(stage.place(), "PATCH", &format!("/keys/{id}"), None, r#"{"name": "1"}"#);
            stage.finish(&caller);
            caller.status()
        };
        assert_eq!(change(&ids[0]), Some(503), "it is written down, and its disk is full");
        assert_eq!(change(&ids[1]), Some(200), "another account's goes on");
        stage.world.run_for(60 * 60 * 1_000);
        assert_eq!(read(&stage, "outbox", "SELECT account FROM outbox"), Vec::<String>::new());
        let given_up =
            audit(&stage).iter().filter(|entry| entry.details.get("refused") == Some(&"given_up".to_owned())).count();
        assert_eq!(given_up, 1);
        stage.world.set_room("GATE", &account(&ids[0]), None);
        assert_eq!(change(&ids[0]), Some(200), "what comes after it is done");
        assert_eq!(kept(&stage), listed(&stage));
    });
}

#[test]
fn a_request_with_a_name_is_done_once_however_often_it_is_sent_at_once() {
    for_seeds(300, |seed| {
        let stage = stage(seed);
        stage.world.set_faults(Faults { delay_ms: 30, repeated: 200, ..Faults::default() });
        let body = r#"{"plan": "open", "name": "one"}"#;
        let sent: Vec<_> = (0..4).map(|_| stage.admin(stage.place(), "POST", "/keys", Some("same"), body)).collect();
        sent.iter().for_each(|caller| stage.finish(caller));
        let keys: BTreeSet<_> = sent
            .iter()
            .filter(|caller| caller.status() == Some(201))
            .map(|caller| json_of(caller)["key"].as_str().expect("a key").to_owned())
            .collect();
        assert!(keys.len() <= 1, "two secrets for one request");
        stage.calm();
        assert_eq!((kept(&stage).len(), listed(&stage).len()), (1, 1));
    });
}
