//! docs/openapi.json and the admin's routes are of one piece: each route that it names is there with exactly the methods that
//! it names, each route of the code is named, and what is answered is of the shapes that it describes.

use harness::{Answer, PLAN, RunningStack, Stack, tools};
use serde_json::{Map, Value, json};
use sluice_protocol::refusal::Reason;
use std::collections::{BTreeMap, BTreeSet};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn document() -> Value {
    let text = std::fs::read_to_string(tools::root().join("docs/openapi.json")).expect("the repository has it");
    serde_json::from_str(&text).expect("a document")
}

/// Each path with its methods in capitals.
fn described(document: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let methods = |path: &Map<String, Value>| {
        METHODS.into_iter().filter(|method| path.contains_key(*method)).map(str::to_uppercase).collect()
    };
    let paths = document["paths"].as_object().expect("paths");
    paths.iter().map(|(path, item)| (path.clone(), methods(item.as_object().expect("a path's methods")))).collect()
}

/// A path with what it takes in the place of its parameters.
fn filled(path: &str, key: &str, account: &str) -> String {
    path.replace("{key}", key).replace("{account}", account)
}

#[test]
fn each_route_has_the_methods_that_are_described_and_no_other() {
    let stack = Stack::new().start();
    let key = stack.key();
    for (path, methods) in described(&document()) {
        let path = filled(&path, &key.id.to_string(), &key.account);
        let refused = stack.edge.admin("OPTIONS", &path, None).refused(Reason::MethodNotAllowed);
        let allowed: BTreeSet<_> =
            refused.header("allow").expect("the methods").split(", ").map(str::to_owned).collect();
        assert_eq!(allowed, methods, "{path}");
    }
}

/// The table of routes in the code, read as text: `("keys", Some(key), Some("rotate"), "POST") =>`.
#[test]
fn each_route_of_the_code_is_described() {
    let source = std::fs::read_to_string(tools::root().join("edge/src/admin.rs")).expect("the repository has it");
    let described = described(&document());
    let mut seen = 0;
    for line in source.lines().map(str::trim).filter(|line| line.starts_with("(\"") && line.contains("=>")) {
        let words: Vec<_> = line[1..line.find("=>").expect("filtered")].split(", ").collect();
        let [kind, name, verb, method] = words[..] else { continue };
        let method = method.trim_end_matches(") ").trim_matches('"');
        if !METHODS.contains(&method.to_lowercase().as_str()) {
            continue;
        }
        let kind = kind.trim_matches('"');
        let name = match name {
            "None" => String::new(),
            "Some(\"bulk\")" => "/bulk".into(),
            _ => format!("/{{{}}}", kind.trim_end_matches('s')),
        };
        let verbs: &[&str] = match verb {
            "None" => &[""],
            "Some(\"rotate\")" => &["/rotate"],
            _ => &["/disable", "/enable"],
        };
        for verb in verbs {
            let path = format!("/{kind}{name}{verb}");
            assert!(described.get(&path).is_some_and(|methods| methods.contains(method)), "{method} {path}: {line}");
            seen += 1;
        }
    }
    let all: usize = described.values().map(BTreeSet::len).sum();
    assert_eq!(seen, all);
}

/// Checks an answer against the schema of its operation: required members are there, no other ones, and of the types.
fn check(document: &Value, path: &str, method: &str, answer: &Answer) {
    let response = &document["paths"][path][method]["responses"][answer.status.to_string()];
    assert!(response.is_object(), "{method} {path}: {} is not described: {}", answer.status, answer.text());
    let response = resolve(document, response);
    conforms(document, &response["content"]["application/json"]["schema"], &answer.json(), &format!("{method} {path}"));
}

fn resolve<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            document.pointer(reference.trim_start_matches('#')).expect("a reference that leads somewhere")
        }
        None => value,
    }
}

fn conforms(document: &Value, schema: &Value, value: &Value, at: &str) {
    let schema = resolve(document, schema);
    if let Some(options) = schema["anyOf"].as_array() {
        let fits = |option: &&Value| {
            let option = resolve(document, option);
            let mut required = option["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            is_of(option["type"].as_str(), value) && required.all(|name| value.get(name).is_some())
        };
        let option = options.iter().find(fits).unwrap_or_else(|| panic!("{at}: {value} is none of {schema}"));
        return conforms(document, option, value, at);
    }
    assert!(is_of(schema["type"].as_str(), value), "{at}: {value} is not {schema}");
    if let Some(names) = schema["enum"].as_array() {
        assert!(names.contains(value), "{at}: {value}");
    }
    for item in value.as_array().into_iter().flatten() {
        conforms(document, &schema["items"], item, at);
    }
    let Some(members) = value.as_object() else { return };
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(members.contains_key(name.as_str().expect("a name")), "{at}: {name} is missing in {value}");
    }
    for (name, member) in members {
        let within = format!("{at}.{name}");
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(schema), _) | (None, Some(schema @ Value::Object(_))) => conforms(document, schema, member, &within),
            // A member that says nothing of what is in it.
            (None, None) if schema["properties"].is_null() => {}
            _ => panic!("{within} is not described"),
        }
    }
}

fn is_of(kind: Option<&str>, value: &Value) -> bool {
    match kind {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => true,
    }
}

#[test]
fn what_is_answered_is_what_is_described() {
    let stack = Stack::new().limit("5 per 1h").start();
    let document = document();
    let send = |stack: &RunningStack, method: &str, path: &str, key: &str, account: &str, body: Option<Value>| {
        let answer = stack.edge.admin(&method.to_uppercase(), &filled(path, key, account), body.as_ref());
        check(&document, path, method, &answer);
        answer
    };
    let bounds = json!({
        "plan": PLAN, "name": "n", "scopes": ["chat"], "models": ["m"], "addresses": ["::1"], "metadata": {"a": "b"},
        "overrides": {"window-0": 3}, "expires_at": 4_000_000_000_000_u64,
        "limits": [{"name": "own", "kind": "window", "limit": 1, "window": "1h"}],
    });
    let account =
        send(&stack, "post", "/accounts", "", "", Some(json!({"name": "a", "owner": "o", "plan": PLAN}))).json();
    let account = account["account"].as_str().expect("an id").to_owned();
    let made = send(&stack, "post", "/keys", "", "", Some(bounds.clone())).json();
    let (key, own) = (made["id"].as_str().expect("an id"), made["account"].as_str().expect("an id"));
    let some = json!({"keys": [bounds, {"plan": PLAN, "account": "00000000000000aa"}]});
    send(&stack, "post", "/keys/bulk", "", "", Some(some));
    for (method, path, body) in [
        ("get", "/keys", None),
        ("get", "/keys/{key}", None),
        ("patch", "/keys/{key}", Some(json!({"models": null}))),
        ("post", "/keys/{key}/rotate", None),
        ("get", "/keys/{key}", None),
        ("post", "/keys/{key}/disable", None),
        ("post", "/keys/{key}/enable", Some(json!({}))),
        ("get", "/accounts", None),
        ("get", "/accounts/{account}", None),
        ("patch", "/accounts/{account}", Some(json!({"plan": null}))),
        ("post", "/accounts/{account}/disable", None),
        ("post", "/accounts/{account}/enable", None),
        ("get", "/plans", None),
        ("get", "/denials", None),
        ("get", "/audit", None),
        ("put", "/plans", Some(json!({"plans": {}}))),
        ("post", "/keys", Some(json!({"plan": "gold"}))),
        ("patch", "/keys/{key}", Some(json!({"colour": 1}))),
        ("delete", "/keys/{key}", None),
        ("get", "/keys/{key}", None),
    ] {
        send(&stack, method, path, key, own, body);
    }
    send(&stack, "delete", "/accounts/{account}", "", &account, None);
    send(&stack, "delete", "/accounts/{account}", "", &account, None).refused(Reason::KeyNotFound);
}
