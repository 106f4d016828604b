//! What `cargo xtask secrets` makes is what both gates start with: handed over as it prints, used, and replaced.

use harness::caller::hello;
use harness::{PLAN, RunningStack, Stack, tools};
use serde_json::json;
use sluice_protocol::admin::CreatedKey;
use sluice_protocol::refusal::Reason;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The secrets of a deployment, handed over as a person would: each command that is printed, one after the other.
struct Handed {
    /// `wrangler secret put NAME < FILE`.
    settings: Vec<(&'static str, String)>,
    /// `sluice-origin serve --grant-key KEYS`.
    grant_keys: Option<String>,
    /// `$(cat FILE)`.
    admin: Option<String>,
}

fn secrets(directory: &Path, more: &[&str]) -> Handed {
    let mut tool = Command::new("cargo");
    tool.args(["xtask", "secrets", "--dir"]).arg(directory).args(more).current_dir(tools::root());
    let output = tool.output().expect("cargo is there: it runs this test");
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let file = |path: &str| fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}: {said}"));
    let mut handed = Handed { settings: Vec::new(), grant_keys: None, admin: None };
    for line in said.lines() {
        if let Some((name, path)) = line.strip_prefix("wrangler secret put ").and_then(|rest| rest.split_once(" < ")) {
            let name = ["KEY_PEPPERS", "GRANT_KEYS", "TOKEN_KEYS", "ADMIN_TOKENS"].into_iter().find(|one| *one == name);
            handed.settings.push((name.expect("a setting of the edge's"), file(path)));
        } else if let Some(rest) = line.strip_prefix("sluice-origin serve --grant-key ") {
            handed.grant_keys = rest.split(' ').next().map(str::to_owned);
        } else if let Some((_, rest)) = line.split_once("$(cat ") {
            handed.admin = Some(file(rest.trim_end_matches(')')));
        }
    }
    for (_, value) in &handed.settings {
        assert!(!said.contains(value.as_str()), "no secret is printed: {said}");
    }
    handed
}

fn make_key(stack: &RunningStack, admin: &str) -> CreatedKey {
    let answer = stack.edge.admin_as(admin, "POST", "/keys", Some(&json!({"plan": PLAN})));
    assert_eq!(answer.status, 201, "{}", answer.text());
    serde_json::from_value(answer.json()).expect("a key")
}

/// Through both gates: the origin is the real program, and believes what this edge signs.
fn passes(stack: &RunningStack, credential: &str) {
    assert_eq!(stack.edge.chat(Some(credential), &hello(2)).ok().json()["object"], "chat.completion");
}

fn short(stack: &RunningStack, key: &str) -> String {
    let answer = stack.edge.send(|http, base| http.post(format!("{base}/v1/auth/token")).bearer_auth(key)).ok();
    answer.json()["access_token"].as_str().expect("a token").to_owned()
}

#[test]
fn a_deployment_starts_with_the_secrets_that_are_made_for_it_and_replaces_them() {
    let directory = tempfile::TempDir::with_prefix("sluice-secrets-").expect("a directory for temporary files");
    let made = secrets(directory.path(), &[]);
    let names: Vec<_> = made.settings.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["GRANT_KEYS", "KEY_PEPPERS", "TOKEN_KEYS", "ADMIN_TOKENS"]);
    let (grants, admin) = (made.grant_keys.expect("for the origin"), made.admin.expect("the token itself"));
    let stack = Stack::new().tiny_origin().origin_grant_keys(&grants);
    let mut stack = made.settings.into_iter().fold(stack, |stack, (name, value)| stack.setting(name, value)).start();
    let key = make_key(&stack, &admin);
    passes(&stack, &key.key);
    let token = short(&stack, &key.key);
    passes(&stack, &token);
    stack.edge.admin("GET", "/keys", None).refused(Reason::InvalidAdminToken);

    // Replaced in the order of docs/keys.md: what was made before is good until it is retired.
    let put = |stack: &mut RunningStack, more: &[&str]| {
        let handed = secrets(directory.path(), more);
        let [(name, value)] = <[_; 1]>::try_from(handed.settings).expect("one thing at a time");
        stack.restart_edge_with(name, value);
        (name, handed.admin)
    };
    for (change, what) in
        [("--announce", "peppers"), ("--rotate", "peppers"), ("--announce", "tokens"), ("--rotate", "tokens")]
    {
        put(&mut stack, &[change, what]);
        passes(&stack, &key.key);
        passes(&stack, &token);
        passes(&stack, &make_key(&stack, &admin).key);
    }
    let (newer, newest) = (make_key(&stack, &admin), short(&stack, &key.key));
    put(&mut stack, &["--retire", "tokens"]);
    stack.edge.get("/v1/key", Some(&token)).refused(Reason::InvalidKey);
    passes(&stack, &newest);
    put(&mut stack, &["--retire", "peppers"]);
    stack.edge.get("/v1/key", Some(&key.key)).refused(Reason::InvalidKey);
    passes(&stack, &newer.key);
    let (_, other) = put(&mut stack, &["--rotate", "admin"]);
    stack.edge.admin_as(&admin, "GET", "/keys", None).refused(Reason::InvalidAdminToken);
    stack.edge.admin_as(&other.expect("the new token"), "GET", "/keys", None).ok();
}
