//! One model of the list, by its name.

use harness::caller::raw::{exchange, request};
use harness::caller::{MODEL, bearer, hello};
use harness::origin::raw::Reply;
use harness::wait::{SOON, until_true};
use harness::{PLAN, RunningStack, Stack, secrets};
use serde_json::{Value, json};
use sluice_protocol::refusal::Reason;
use std::io::Write;
use std::sync::Arc;

fn one(stack: &RunningStack, key: &str, name: &str) -> harness::Answer {
    stack.edge.get(&format!("/v1/models/{name}"), Some(key))
}

#[test]
fn one_model_is_its_entry_of_the_list() {
    let stack = Stack::new().limit("1 per 1h").start();
    stack.script().allow_all();
    let key = stack.key();
    let list = stack.edge.get("/v1/models", Some(&key.key)).ok();
    let before = stack.edge.view(key.id).storage;
    let found = one(&stack, &key.key, MODEL).ok();
    assert_eq!(found.json(), list.json()["data"][0]);
    for name in ["ratelimit-policy", "x-ratelimit-remaining-requests", "content-type"] {
        assert_eq!(found.header(name), list.header(name), "{name}");
    }
    // One question for its Gate, as the list has; nothing is written and nothing is counted.
    let after = stack.edge.view(key.id).storage;
    assert_eq!((after.calls, after.rows_written), (before.calls + 2, before.rows_written));
    stack.edge.chat(Some(&key.key), &hello(4)).ok();
    one(&stack, &key.key, MODEL).ok();
    // Encoded where it need not be, and with a query that nobody looks at.
    for same in ["%74iny", "tin%79", "tiny?x=y", "tiny?", "./tiny", "x/../tiny", "x/%2e%2e/tiny"] {
        one(&stack, &key.key, same).ok();
    }
}

#[test]
fn a_name_that_is_none_is_not_found_whatever_it_looks_like() {
    let stack = Stack::new().start();
    let key = stack.key();
    let long = "x".repeat(10_000);
    for name in [
        "other",
        "TINY",
        "tiny/",
        "tiny%20",
        "tiny%00",
        "%00",
        "%",
        "%zz",
        "%ff",
        "%2e%2e%2fadmin",
        "%2Fv1%2Fmodels",
        "tiny%2F%2Ftiny",
        "a//b",
        "%252e",
        "t%C3%ADny",
        "*",
        "%2A",
        "{model}",
        &long,
    ] {
        let answer =
            exchange(stack.edge_address(), &request("GET", &format!("/v1/models/{name}"), &[bearer(&key.key)], b""));
        let answer = answer.from_edge().refused(Reason::ModelNotFound);
        assert_eq!(answer.json()["error"]["param"], "model", "{name}");
    }
    // Who asks comes before what is asked.
    stack.edge.get("/v1/models/other", None).refused(Reason::MissingKey);
    stack.edge.get("/v1/models/other", Some("EMPTY")).refused(Reason::InvalidKey);
    for path in ["/v1/models/", "/v1/modelsx"] {
        stack.edge.get(path, Some(&key.key)).refused(Reason::NotFound);
    }
    // Whether dots are steps is the platform's to say: workerd passes them on, Cloudflare's front resolves them.
    for path in ["/v1/models/%2e%2e/none", "/v1/models/..%2fadmin/../..", "/v1/models/../admin/v1/none"] {
        let answer = exchange(stack.edge_address(), &request("GET", path, &[bearer(&key.key)], b"")).from_edge();
        assert_eq!(answer.status, Reason::NotFound.row().status, "{path}: {}", answer.text());
    }
}

#[test]
fn the_nearest_model_is_named_to_whoever_may_use_it() {
    let stack = Stack::new().start();
    let told = |key: &str, name: &str| {
        let mut body = hello(4);
        body["model"] = name.into();
        let chat = stack.edge.chat(Some(key), &body);
        let shown = one(&stack, key, name);
        let messages =
            [chat, shown].map(|answer| answer.refused(Reason::ModelNotFound).json()["error"]["message"].clone());
        assert_eq!(messages[0], messages[1], "{name}");
        messages[0].as_str().expect("a message").to_owned()
    };
    let key = stack.key();
    for near in ["tinny", "TINY", "sluice-tiny"] {
        let message = told(&key.key, near);
        assert!(message.contains(&format!("Did you mean `{MODEL}`?")), "{near}: {message}");
    }
    assert!(!told(&key.key, "gpt-4o").contains("Did you mean"));
    // A key that may use others is not told of this one, neither by the edge nor, through it, by the origin.
    let narrow = stack.edge.issue(&json!({"plan": PLAN, "models": ["tinn*"]}));
    let message = told(&narrow.key, "tinny");
    assert!(!message.contains(MODEL), "{message}");
    until_true("settled", SOON, || stack.edge.view(key.id).live_leases == 0);
}

/// An origin with a model whose name has a slash in it.
fn with_slash() -> Reply {
    Arc::new(|_, socket| {
        let entry =
            |id: &str| json!({"id": id, "object": "model", "created": 1, "owned_by": "sluice", "context_length": 9});
        let body = json!({"object": "list", "data": [entry("Owner/Name"), entry("plain")]}).to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        // The edge may have left.
        let _ = socket.write_all(format!("{head}{body}").as_bytes());
    })
}

#[test]
fn a_name_with_a_slash_is_found_in_both_spellings_and_only_by_who_may_use_it() {
    let stack = Stack::new().raw_origin(with_slash()).setting("TOKEN_KEYS", secrets::token_keys()).start();
    let key = stack.key().key;
    for name in ["Owner/Name", "Owner%2FName", "Owner%2fName", "%4Fwner/Name"] {
        assert_eq!(one(&stack, &key, name).ok().json()["id"], "Owner/Name", "{name}");
    }
    for name in ["Owner%252FName", "Owner//Name", "Owner", "Name", "owner/name"] {
        one(&stack, &key, name).refused(Reason::ModelNotFound);
    }
    let narrow = stack.edge.issue(&json!({"plan": PLAN, "models": ["plain"]})).key;
    one(&stack, &narrow, "plain").ok();
    let hidden = one(&stack, &narrow, "Owner/Name").refused(Reason::ModelNotFound);
    let absent = one(&stack, &narrow, "nobody").refused(Reason::ModelNotFound);
    assert_eq!(hidden.text(), absent.text(), "nobody learns what others have");
    // A token's own list, and its scopes.
    let token = |asked: Value| {
        let asked = |http: &reqwest::blocking::Client, base: &str| {
            http.post(format!("{base}/v1/auth/token")).bearer_auth(&key).json(&asked)
        };
        stack.edge.send(asked).ok().json()["access_token"].as_str().expect("a token").to_owned()
    };
    let owners = token(json!({"scopes": ["models"], "models": ["Owner/*"]}));
    one(&stack, &owners, "Owner%2FName").ok();
    one(&stack, &owners, "plain").refused(Reason::ModelNotFound);
    one(&stack, &token(json!({"scopes": ["chat"]})), "plain").refused(Reason::NotAllowed);
}

/// The same name means another model on another plan, and all that decides and answers agrees on which.
#[test]
fn a_plan_has_names_of_its_own_for_models() {
    let window =
        |model: &str| json!({"name": "own", "kind": "window", "limit": 1, "window": "1h", "when": {"model": model}});
    let plans = json!({"plans": {
        "one": {"limits": [window(MODEL)], "models": [MODEL], "aliases": {"gpt-4o-mini": MODEL}},
        "other": {"limits": [], "aliases": {"gpt-4o-mini": "another"}},
        "plain": {"limits": []},
    }});
    let aliases = json!({"gpt-*": MODEL}).to_string();
    let stack = Stack::new().plans(plans.to_string()).setting("MODEL_ALIASES", aliases).start();
    stack.script().allow_all();
    let [one, other, plain] = ["one", "other", "plain"].map(|plan| stack.edge.issue_key(plan));
    let ask = |key: &str, model: &str| {
        let mut body = hello(4);
        body["model"] = json!(model);
        stack.edge.chat(Some(key), &body)
    };
    assert_eq!(ask(&one.key, "gpt-4o-mini").ok().json()["model"], MODEL);
    // The limit saw the model that answers, by whatever name it is asked for.
    for name in ["gpt-4o-mini", MODEL, "gpt-4"] {
        ask(&one.key, name).refused(Reason::RateLimited);
    }
    ask(&other.key, "gpt-4o-mini").refused(Reason::ModelNotFound);
    for name in ["gpt-4", MODEL] {
        ask(&other.key, name).ok();
    }
    ask(&plain.key, "gpt-4o-mini").ok();
    for (key, found) in [(&one, true), (&other, false), (&plain, true)] {
        let answer = stack.edge.get("/v1/models/gpt-4o-mini", Some(&key.key)).from_edge();
        assert_eq!(answer.status == 200, found, "{answer:?}");
        assert!(!found || answer.json()["id"] == MODEL);
        let shown = stack.edge.send(|http, base| {
            http.post(format!("{base}/api/show")).bearer_auth(&key.key).json(&json!({"model": "gpt-4o-mini"}))
        });
        assert_eq!(shown.status == 200, found, "{shown:?}");
    }
    // Whom its Gate does not know learns nothing of it, and who may not use the model is told so.
    stack.edge.revoke(plain.id);
    ask(&plain.key, "gpt-4o-mini").refused(Reason::InvalidKey);
    let bound = stack.edge.issue(&json!({"plan": "one", "models": ["another"]}));
    ask(&bound.key, "gpt-4o-mini").refused(Reason::NotAllowed);
}
