//! The published descriptions, tried by somebody else's program: schemathesis sends what they allow and what they do not, and looks
//! whether every answer is of their shapes. No answer may be a failure of ours.

use crate::generate::batches;
use crate::request::described::{ADMIN, PUBLIC, document};
use harness::caller::MODEL;
use harness::issuers::KeyServer;
use harness::origin::DRAWS;
use harness::{PLAN, RunningStack, Stack, secrets, tools};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::process::Command;

/// Requests for each operation, besides those that the description's own bounds suggest.
const EXAMPLES: &str = "40";
/// The same requests in every run.
const SEED: &str = "20261122";
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
                      unsupported_method,allow_header_conformance,ignored_auth,use_after_free,ensure_resource_availability";

fn stack(scanner: &KeyServer) -> RunningStack {
    let stack = Stack::new()
        .setting("TOKEN_KEYS", secrets::token_keys())
        .setting("LEAK_REPORTS", scanner.url())
        .max_body(64 * 1024)
        .start();
    stack.script().allow_all();
    stack
}

/// The description with names that exist here in the place of patterns, in what is sent, so that requests get somewhere.
fn with_names(file: &str, names: &[(&str, Value)]) -> Value {
    let mut document = document(file);
    let mut replaced = vec![0; names.len()];
    let mut bodies = BTreeSet::new();
    for item in document["paths"].as_object_mut().expect("paths").values_mut() {
        replace(&mut item["parameters"], "", names, &mut replaced);
        for operation in item.as_object_mut().expect("methods").values_mut().filter(|one| one.is_object()) {
            replace(&mut operation["parameters"], "", names, &mut replaced);
            let body = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
            bodies.extend(body.as_str().and_then(|path| path.rsplit('/').next()).map(str::to_owned));
            // Nothing that was only looked for stays.
            operation.as_object_mut().expect("an operation").retain(|_, member| !member.is_null());
        }
        item.as_object_mut().expect("methods").retain(|_, member| !member.is_null());
    }
    replace(&mut document["components"]["parameters"], "", names, &mut replaced);
    for body in bodies {
        replace(&mut document["components"]["schemas"][body], "", names, &mut replaced);
    }
    document["components"].as_object_mut().expect("components").retain(|_, member| !member.is_null());
    assert!(replaced.iter().all(|count| *count > 0), "{file}: {replaced:?} of {names:?}");
    document
}

/// Schemas of members and of parameters of these names become a choice.
fn replace(value: &mut Value, at: &str, names: &[(&str, Value)], replaced: &mut [usize]) {
    let found = names.iter().position(|(name, _)| *name == at);
    match value {
        Value::Object(members) => {
            let parameter = members.get("in").and(members.get("name")).and_then(Value::as_str).map(str::to_owned);
            for (name, member) in members.iter_mut() {
                let at = if name == "schema" { parameter.as_deref().unwrap_or_default() } else { name };
                replace(member, at, names, replaced);
            }
            let is_schema = members.contains_key("type") || members.contains_key("anyOf");
            if let Some(place) = found.filter(|_| is_schema) {
                *members = Map::from_iter([("enum".to_owned(), names[place].1.clone())]);
                replaced[place] += 1;
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|one| replace(one, "", names, replaced)),
        _ => {}
    }
}

/// Tries one description to the end; what was found is what this fails with. `never` are operations of which none can succeed here.
fn try_out(document: &Value, url: &str, credential: &str, checks: &str, never: &[&str]) {
    let directory = tempfile::TempDir::with_prefix("sluice-contract-").expect("a directory for temporary files");
    std::fs::write(directory.path().join("openapi.json"), document.to_string()).expect("a new directory is writable");
    let output = Command::new(tools::python_tool("schemathesis"))
        .args(["run", "openapi.json", "--url", url, "--seed", SEED, "--max-examples", EXAMPLES, "--checks", checks])
        .args([
            "--phases",
            "examples,coverage,fuzzing,stateful",
            "--continue-on-failure",
            "--no-color",
            "--warnings",
            "off",
        ])
        .args(["--request-timeout", "30", "--suppress-health-check", "all"])
        .args(["--report", "json", "--report-json-path", "report.json"])
        .args(["--header", &format!("Authorization: Bearer {credential}")])
        // What it remembers of a run, and a configuration that it would look for.
        .current_dir(directory.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("the program starts");
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{said}\n{errors}", output.status);
    let report = std::fs::read_to_string(directory.path().join("report.json")).expect("it writes a report");
    let report: Value = serde_json::from_str(&report).expect("a report is JSON");
    let count = |name: &str| report["test_cases"][name].as_u64().expect("a count");
    println!("{url}: {} requests of {} operations", count("generated"), report["operations"]["tested"]);
    assert_eq!((count("with_failures"), count("errored")), (0, 0), "{report}");
    assert_eq!(report["operations"]["tested"], report["operations"]["total"], "{report}");
    // A description under which nothing ever succeeds would have shown nothing.
    let rates = report["valid_rates"].as_object().expect("how many were accepted, by operation");
    assert!(2 * rates.len() as u64 > report["operations"]["total"].as_u64().expect("a count"), "{report}");
    for (operation, phases) in rates {
        let of = |phase: &str| phases[phase]["accepted"].as_u64().unwrap_or_default();
        let accepted = of("coverage") + of("fuzzing");
        assert_eq!(accepted == 0, never.contains(&operation.as_str()), "{operation}: {phases}");
    }
}

#[test]
fn callers_are_answered_as_the_description_says() {
    let scanner = KeyServer::start_scanner();
    let stack = stack(&scanner);
    let key = stack.key();
    // Enough of them that some are there when others have been deleted.
    let kept: Value = (0..64)
        .map(|_| {
            let asked = json!({"model": MODEL, "input": "p", "max_output_tokens": 1, "store": true});
            let post = |http: &reqwest::blocking::Client, base: &str| {
                http.post(format!("{base}/v1/responses")).bearer_auth(&key.key).json(&asked)
            };
            stack.edge.send(post).from_edge().ok().json()["id"].clone()
        })
        .collect();
    // Batches that are not over before this is.
    let long = batches::lines(2_000);
    let files: Vec<String> = (0..32).map(|_| batches::upload(&stack, &key.key, &long)).collect();
    let made: Vec<String> = files.iter().map(|file| batches::batch_of(&stack, &key.key, file)).collect();
    // One that nobody deletes by its name.
    let input = batches::upload(&stack, &key.key, &batches::lines(1));
    let names = [
        ("model", json!([MODEL])),
        ("response", kept.clone()),
        ("previous_response_id", kept),
        ("file", json!(files)),
        ("input_file_id", json!([input])),
        ("batch", json!(made)),
    ];
    let document = with_names(PUBLIC, &names);
    // No response that is kept here was asked for in the background. A report needs a signature that nobody makes up,
    // `tiny` embeds nothing and draws nothing, and a form that is made up has no file in it.
    let never = [
        "POST /leaks/github",
        "POST /v1/embeddings",
        "POST /v1/images/generations",
        "POST /v1/rerank",
        "POST /v1/responses/{response}/cancel",
        "POST /api/embed",
        "POST /api/embeddings",
        "POST /v1/files",
        // An admin's.
        "GET /metrics",
        "HEAD /metrics",
    ];
    try_out(&document, &format!("http://{}", stack.edge_address()), &key.key, CHECKS, &never);
    stack.edge.own(&key.key);
}

/// Where a model draws, too.
#[test]
fn pictures_are_answered_as_the_description_says() {
    const PATH: &str = "/v1/images/generations";
    let stack = Stack::new().drawing_origin().max_body(64 * 1024).start();
    let key = stack.key();
    // As small as they may be: what is tried is what is said of them.
    let names = [("model", json!([DRAWS])), ("size", json!(["64x64", "64x128"])), ("n", json!([1, 2]))];
    let mut document = with_names(PUBLIC, &[]);
    document["paths"].as_object_mut().expect("paths").retain(|path, _| path == PATH);
    let mut replaced = vec![0; names.len()];
    replace(&mut document["components"]["schemas"]["ImageRequest"], "", &names, &mut replaced);
    assert!(replaced.iter().all(|count| *count > 0), "{replaced:?}");
    try_out(&document, &format!("http://{}", stack.edge_address()), &key.key, CHECKS, &[]);
    stack.edge.own(&key.key);
}

#[test]
fn admins_are_answered_as_the_description_says() {
    let scanner = KeyServer::start_scanner();
    let stack = stack(&scanner);
    let ids = |kind: &str, member: &str| -> Value {
        (0..32).map(|_| stack.edge.admin("POST", kind, Some(&json!({"plan": PLAN}))).json()[member].clone()).collect()
    };
    let denial = || {
        let asked = json!({"issuer": "sluice", "sub": "key_000000000000000000000000"});
        stack.edge.admin("POST", "/denials", Some(&asked)).json()["id"].clone()
    };
    let names = [
        ("plan", json!([PLAN])),
        ("key", ids("/keys", "id")),
        ("account", ids("/accounts", "account")),
        ("cache", ids("/accounts", "account")),
        ("denial", json!([denial()])),
        ("issuer", json!(["sluice"])),
        // What is of the right form and means nothing here is refused, so nearly all that is made up would be.
        ("plans", json!([{PLAN: {"limits": []}}])),
        ("overrides", json!([{}])),
        ("limits", json!([[], [{"name": "own", "kind": "window", "limit": 5, "window": "1h"}]])),
        ("addresses", json!([[], ["203.0.113.0/24", "2001:db8::/32"]])),
        ("expires_at", json!([null, 4_000_000_000_000_u64])),
        ("If-Match", json!(["*"])),
    ];
    let url = format!("http://{}/admin/v1", stack.edge_address());
    // Whoever fails as often as this is soon not told any more that it fails; that every route asks for a token, `admin.rs` checks.
    let checks = CHECKS.replace("ignored_auth,", "");
    let mut document = with_names(ADMIN, &names);
    // Names of requests that are made up are soon the same, and one that is done once tells of what was deleted since.
    let denials = document["paths"]["/denials"]["post"].as_object_mut().expect("it is described");
    denials.remove("parameters").expect("it may be done once");
    // It goes on for ten minutes.
    document["paths"].as_object_mut().expect("paths").remove("/live/stream").expect("it is described");
    // No list that is made up has addresses of origins in it, none of these accounts has a batch or credits, and nobody is
    // told of alerts.
    let never =
        ["PUT /origins", "POST /jobs/{account}/cancel", "POST /accounts/{account}/credits", "POST /alerts/test"];
    try_out(&document, &url, secrets::ADMIN_TOKEN, &checks, &never);
    stack.check_logs(&[]);
}
