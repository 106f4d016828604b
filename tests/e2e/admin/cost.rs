//! What an admin's calls cost: rows written at the Registry and at the account's Gate, as docs/cost.md says.

use harness::{PLAN, RunningStack, Stack, tools};
use serde_json::{Value, json};
use sluice_protocol::id::KeyId;
use std::collections::BTreeMap;

/// Rows that were written so far: at the Registry, and at this key's Gate.
fn written(stack: &RunningStack, gate: KeyId) -> [u64; 2] {
    let gate = stack.edge.admin("GET", &format!("/keys/{gate}"), None);
    let gate = if gate.status == 200 { gate.json()["storage"]["rows_written"].as_u64().unwrap_or(0) } else { 0 };
    [stack.edge.list().storage.rows_written, gate]
}

/// The lines `| what | 3 | 1 |` of the table in docs/cost.md.
fn told() -> BTreeMap<String, [u64; 2]> {
    let text = std::fs::read_to_string(tools::root().join("docs/cost.md")).expect("the repository has it");
    let (_, table) = text.split_once("| an admin's call |").expect("the table");
    let (table, _) = table.split_once("\n\n").expect("its end");
    let row = |line: &str| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [what, registry, gate] = cells[..] else { return None };
        Some((what.to_owned(), [registry.parse().ok()?, gate.parse().ok()?]))
    };
    table.lines().filter_map(row).collect()
}

#[test]
fn admins_calls_write_as_many_rows_as_is_said() {
    let stack = Stack::new().start();
    // Tables are made with the first of each.
    let (warm, key) = (stack.key(), stack.key());
    let denial = json!({"issuer": "sluice", "sub": warm.id.to_string()});
    let denied = |stack: &RunningStack| stack.edge.admin("POST", "/denials", Some(&denial)).json()["id"].clone();
    let first = denied(&stack);
    let table = |plan: &str| json!({"plans": {PLAN: {"limits": []}, plan: {"limits": []}}}).to_string();
    stack.edge.put_plans(Some("*"), &table("one")).ok();
    let path = |id: &str| format!("/keys/{id}");
    let (id, once) = (key.id.to_string(), [("idempotency-key", "a")]);
    stack.edge.admin_with(&once, "POST", &format!("{}/enable", path(&id)), None).ok();
    let many = json!({"keys": vec![json!({"plan": PLAN, "account": key.account}); 10]});
    let account = stack.edge.admin("POST", "/accounts", None).json()["account"].as_str().expect("an id").to_owned();
    let mut found = BTreeMap::new();
    let mut measure = |what: &str, call: &dyn Fn() -> u16| {
        let before = written(&stack, key.id);
        let status = call();
        assert!((200..300).contains(&status) || status == 401, "{what}: {status}");
        let after = written(&stack, key.id);
        found.insert(what.to_owned(), [0, 1].map(|place: usize| after[place].saturating_sub(before[place])));
    };
    let admin = |method: &str, path: &str, body: Option<&Value>| stack.edge.admin(method, path, body).status;
    let joining = json!({"plan": PLAN, "account": key.account});
    measure("`POST /keys`, into an account", &|| admin("POST", "/keys", Some(&joining)));
    measure("the same with an `Idempotency-Key`", &|| {
        stack.edge.admin_with(&[("idempotency-key", "b")], "POST", "/keys", Some(&joining)).status
    });
    measure("`POST /keys/bulk`, ten into an account", &|| admin("POST", "/keys/bulk", Some(&many)));
    measure("`PATCH /keys/ID`, `disable`, `enable`", &|| admin("PATCH", &path(&id), Some(&json!({"name": "n"}))));
    measure("`POST /keys/ID/rotate`", &|| admin("POST", &format!("{}/rotate", path(&id)), None));
    measure("`POST /accounts`", &|| admin("POST", "/accounts", None));
    measure("`DELETE /accounts/ID`, without keys", &|| admin("DELETE", &format!("/accounts/{account}"), None));
    measure("`PUT /plans`", &|| stack.edge.put_plans(Some("*"), &table("two")).status);
    measure("`POST /denials`", &|| {
        admin("POST", "/denials", Some(&json!({"issuer": "sluice", "sub": key.id.to_string()})))
    });
    measure("`DELETE /denials/ID`", &|| admin("DELETE", &format!("/denials/{}", first.as_str().expect("an id")), None));
    measure("a failed login that is noted", &|| stack.edge.admin_as("wrong", "GET", "/keys", None).status);
    measure("every `GET`", &|| {
        let paths = ["/keys", "/accounts", "/plans", "/denials", "/audit"];
        paths.into_iter().map(|path| admin("GET", path, None)).max().unwrap_or_default()
    });
    let other = stack.edge.issue(&joining);
    measure("`DELETE /keys/ID`", &|| admin("DELETE", &path(&other.id.to_string()), None));
    assert_eq!(found, told(), "what was found, and what docs/cost.md says");
}
