//! docs/openapi.json (what callers use), docs/openapi-admin.json and the routes are of one piece: each route that they name is
//! there with exactly the methods that they name, each route of the code is named, and what is answered is of the shapes that
//! they describe.

pub(crate) mod schema;

use self::schema::{check, conforms};
use harness::caller::{MODEL, hello, hello_stream};
use harness::issuers::{KID, KeyServer, sign_report};
use harness::{Answer, PLAN, RunningStack, Stack, secrets, tools};
use serde_json::{Map, Value, json};
use sluice_origin::models::scripted::Say;
use sluice_protocol::refusal::Reason;
use sluice_protocol::request::door::Door;
use sluice_protocol::request::member::{Fate, Table};
use std::collections::{BTreeMap, BTreeSet};

const METHODS: [&str; 6] = ["get", "head", "post", "put", "patch", "delete"];
pub(crate) const PUBLIC: &str = "docs/openapi.json";
pub(crate) const ADMIN: &str = "docs/openapi-admin.json";

pub(crate) fn document(file: &str) -> Value {
    serde_json::from_str(&repository(file)).expect("a document")
}

fn repository(file: &str) -> String {
    std::fs::read_to_string(tools::root().join(file)).expect("the repository has it")
}

/// Each path with its methods in capitals.
pub(crate) fn described(document: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let methods = |path: &Map<String, Value>| {
        METHODS.into_iter().filter(|method| path.contains_key(*method)).map(str::to_uppercase).collect()
    };
    let paths = document["paths"].as_object().expect("paths");
    paths.iter().map(|(path, item)| (path.clone(), methods(item.as_object().expect("a path's methods")))).collect()
}

/// A path with what it takes in the place of its parameters.
pub(crate) fn filled(path: &str, key: &str, account: &str) -> String {
    path.replace("{key}", key).replace("{account}", account)
}

#[test]
fn each_route_has_the_methods_that_are_described_and_no_other() {
    let stack = Stack::new().start();
    let key = stack.key();
    // Each protocol has its own shape for it, which golden files hold.
    let allowed = |answer: Answer| -> BTreeSet<String> {
        assert_eq!(answer.status, Reason::MethodNotAllowed.row().status, "{answer:?}");
        answer.header("allow").expect("the methods").split(", ").map(str::to_owned).collect()
    };
    for (path, methods) in described(&document(ADMIN)) {
        let path = filled(&path, &key.id.to_string(), &key.account);
        assert_eq!(allowed(stack.edge.admin("OPTIONS", &path, None)), methods, "{path}");
    }
    for (path, methods) in described(&document(PUBLIC)) {
        let answer =
            stack.edge.send(|http, base| http.request(reqwest::Method::OPTIONS, format!("{base}{path}"))).from_edge();
        assert_eq!(allowed(answer), methods, "{path}");
    }
}

/// The table of routes in the code, read as text: `("POST", "/v1/completions") =>`.
#[test]
fn each_route_for_callers_is_described() {
    let described = described(&document(PUBLIC));
    let source = repository("edge/src/routes.rs");
    let mut seen = BTreeSet::new();
    for line in source.lines().map(str::trim) {
        let Some((method, rest)) = line.strip_prefix("(\"").and_then(|rest| rest.split_once("\", \"")) else {
            continue;
        };
        let Some((path, _)) = rest.split_once('"').filter(|(_, after)| after.contains("=>")) else { continue };
        seen.insert((method.to_owned(), path.to_owned()));
        if method == "GET" {
            // It is the same to the table.
            seen.insert(("HEAD".to_owned(), path.to_owned()));
        }
    }
    // The doors are in it by their list.
    seen.extend(Door::ALL.iter().map(|door| ("POST".to_owned(), door.path().to_owned())));
    let all = described.iter().flat_map(|(path, methods)| methods.iter().map(|method| (method.clone(), path.clone())));
    assert_eq!(seen, all.collect());
}

/// The members that are served are those that are described.
#[test]
fn each_member_of_a_request_is_described() {
    let document = document(PUBLIC);
    for (door, schema) in [
        (Door::Chat, "ChatRequest"),
        (Door::Completions, "CompletionRequest"),
        (Door::Messages, "AnthropicRequest"),
        (Door::CountTokens, "AnthropicCountRequest"),
        (Door::Responses, "ResponseRequest"),
        (Door::Embeddings, "EmbeddingRequest"),
        (Door::Rerank, "RerankRequest"),
        (Door::Images, "ImageRequest"),
        (Door::OllamaEmbed, "OllamaEmbedRequest"),
        (Door::OllamaEmbeddings, "OllamaEmbeddingsRequest"),
        (Door::Tokenize, "TokenizeRequest"),
        (Door::Detokenize, "DetokenizeRequest"),
    ] {
        let properties = document["components"]["schemas"][schema]["properties"].as_object().expect("members");
        let described: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
        let table = Table::of(door);
        let served = table.members.iter().filter(|member| table.fate(member, door) == Fate::Served);
        let served = served.map(|member| member.name);
        assert_eq!(described, served.collect(), "{schema}");
    }
    for (door, schema) in [(Door::OllamaChat, "OllamaChatRequest"), (Door::OllamaGenerate, "OllamaGenerateRequest")] {
        let properties = &document["components"]["schemas"][schema]["properties"];
        let names = |within: &Value| -> Vec<String> { within.as_object().expect("members").keys().cloned().collect() };
        let inner = names(&properties["options"]["anyOf"][0]["properties"]);
        let inner = inner.into_iter().map(|name| format!("options.{name}"));
        let described: BTreeSet<String> = names(properties).into_iter().chain(inner).collect();
        let table = Table::of(door);
        let served = table.members.iter().filter(|member| table.fate(member, door) == Fate::Served);
        assert_eq!(described, served.map(|member| member.name.to_owned()).collect(), "{schema}");
    }
}

/// Every shape that callers see is kept as a golden file; each is of its schema.
#[test]
fn what_is_golden_is_described() {
    let document = document(PUBLIC);
    for (file, schema, is_list) in [
        ("chat_completion", "ChatCompletion", false),
        ("chat_tool_calls", "ChatCompletion", false),
        ("chat_chunks", "ChatChunk", true),
        ("chat_logprobs", "ChatChunk", false),
        ("completion", "Completion", false),
        ("message", "AnthropicAnswer", false),
        ("message_counted", "AnthropicCount", false),
        ("response", "ResponseAnswer", false),
        ("response_cut", "ResponseAnswer", false),
        ("response_items", "ResponseItems", false),
        ("job_file", "File", false),
        ("job_file_deleted", "DeletedFile", false),
        ("job_file_list", "FileList", false),
        ("job_batch_list", "BatchList", false),
        ("models", "ModelList", false),
        ("embeddings", "Embeddings", false),
        ("embeddings_base64", "Embeddings", false),
        ("reranked", "Reranked", false),
        ("reranked_bare", "Reranked", false),
        ("images", "Images", false),
        ("image_events", "ImageEvent", true),
        ("ollama_embedded", "OllamaEmbedded", false),
        ("ollama_embedding", "OllamaEmbedding", false),
        ("tokenized", "Tokenized", false),
        ("tokenized_spelt", "Tokenized", false),
        ("detokenized", "Detokenized", false),
        ("own_key", "OwnKey", false),
        ("short_token", "TokenAnswer", false),
        ("leak_feedback", "LeakFeedback", false),
        ("error", "Error", false),
    ] {
        let golden: Value =
            serde_json::from_str(&repository(&format!("protocol/tests/golden/{file}.json"))).expect("JSON");
        let all = if is_list { golden.as_array().expect("several").clone() } else { vec![golden] };
        for one in &all {
            conforms(&document, &document["components"]["schemas"][schema], one, file);
        }
    }
}

/// The table of routes in the code, read as text: `("keys", Some(key), Some("rotate"), "POST") =>`.
#[test]
fn each_admin_route_is_described() {
    let source = repository("edge/src/admin.rs");
    let described = described(&document(ADMIN));
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
            "Some(\"stream\")" => "/stream".into(),
            "Some(\"test\")" => "/test".into(),
            "Some(\"replay\")" => "/replay".into(),
            // Of an account's batches.
            _ if kind == "jobs" => "/{account}".into(),
            _ => format!("/{{{}}}", kind.trim_end_matches('s')),
        };
        let verbs: &[&str] = match verb {
            "None" => &[""],
            "Some(\"rotate\")" => &["/rotate"],
            "Some(\"cancel\")" => &["/cancel"],
            "Some(\"credits\")" => &["/credits"],
            _ => &["/disable", "/enable"],
        };
        for verb in verbs {
            let path = format!("/{kind}{name}{verb}");
            assert!(described.get(&path).is_some_and(|methods| methods.contains(method)), "{method} {path}: {line}");
            seen += 1;
        }
    }
    let is_route = |method: &&String| method.as_str() != "HEAD";
    let all: usize = described.values().map(|methods| methods.iter().filter(is_route).count()).sum();
    assert_eq!(seen, all);
}

#[test]
fn what_is_answered_is_what_is_described() {
    let stack = Stack::new().limit("5 per 1h").start();
    let document = document(ADMIN);
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
        ("get", "/failed-logins", None),
        ("get", "/live", None),
        ("get", "/alerts", None),
        ("post", "/alerts/test", Some(json!({"webhook": "nobody"}))),
        ("put", "/plans", Some(json!({"plans": {}}))),
        ("post", "/plans/replay", Some(json!({"plans": {PLAN: {"limits": []}}}))),
        ("post", "/plans/replay", Some(json!({"plans": {}}))),
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

#[test]
fn what_callers_are_answered_is_what_is_described() {
    let scanner = KeyServer::start_scanner();
    let stack = Stack::new()
        .limit("9 per 1h")
        .setting("TOKEN_KEYS", secrets::token_keys())
        .setting("LEAK_REPORTS", scanner.url())
        .start();
    stack.script().allow_all();
    let document = document(PUBLIC);
    let key = stack.key();
    let send = |method: &str, path: &str, credential: Option<&str>, headers: &[(&str, &str)], body: Option<&Value>| {
        let answer = stack.edge.send(|http, base| {
            let method = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method's name");
            let request = http.request(method, format!("{base}{}", path.replace("{model}", MODEL)));
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let request = credential.into_iter().fold(request, reqwest::blocking::RequestBuilder::bearer_auth);
            body.into_iter().fold(request, reqwest::blocking::RequestBuilder::json)
        });
        check(&document, path, method, &answer);
        answer.status
    };
    let known = Some(key.key.as_str());
    let mut full = hello(8);
    full["logprobs"] = true.into();
    full["top_logprobs"] = 2.into();
    let (unknown, text) =
        (json!({"model": "other"}), json!({"model": MODEL, "prompt": "p", "max_tokens": 4, "logprobs": 1}));
    for said in ["plain", "with numbers"] {
        stack.script().say(Say::text(said));
    }
    assert_eq!(send("post", "/v1/chat/completions", known, &[], Some(&hello(8))), 200);
    assert_eq!(send("post", "/v1/chat/completions", known, &[("x-session-id", "s")], Some(&full)), 200);
    assert_eq!(send("post", "/v1/completions", known, &[], Some(&text)), 200);
    for (body, status) in [(unknown, 400), (json!({"model": "other", "messages": hello(1)["messages"]}), 404)] {
        assert_eq!(send("post", "/v1/chat/completions", known, &[], Some(&body)), status);
    }
    assert_eq!(send("post", "/v1/chat/completions", None, &[], Some(&hello(8))), 401);
    assert_eq!(send("get", "/v1/models", known, &[], None), 200);
    assert_eq!(send("get", "/v1/models/{model}", known, &[], None), 200);
    assert_eq!(send("get", "/v1/models/{model}", None, &[], None), 401);
    assert_eq!(send("get", "/v1/key", known, &[], None), 200);
    assert_eq!(send("get", "/v1/key", Some("slc_"), &[], None), 401);
    assert_eq!(send("get", "/v1/responses/{response}", known, &[], None), 404);
    assert_eq!(send("get", "/v1/responses/{response}/input_items", known, &[], None), 404);
    assert_eq!(send("delete", "/v1/responses/{response}", known, &[], None), 404);
    assert_eq!(send("get", "/v1/responses/{response}", None, &[], None), 401);
    for (method, path) in [
        ("get", "/v1/files/{file}"),
        ("get", "/v1/files/{file}/content"),
        ("delete", "/v1/files/{file}"),
        ("get", "/v1/batches/{batch}"),
        ("post", "/v1/batches/{batch}/cancel"),
    ] {
        assert_eq!(send(method, path, known, &[], None), 404, "{method} {path}");
        assert_eq!(send(method, path, None, &[], None), 401, "{method} {path}");
    }
    assert_eq!(send("get", "/v1/files", known, &[], None), 200);
    assert_eq!(send("get", "/v1/batches", known, &[], None), 200);
    assert_eq!(send("post", "/v1/files", known, &[], Some(&json!({}))), 415);
    assert_eq!(send("post", "/v1/batches", known, &[], Some(&json!({"input": 1}))), 422);
    assert_eq!(send("post", "/v1/auth/token", known, &[], Some(&json!({"scopes": ["chat"]}))), 200);
    assert_eq!(send("post", "/v1/auth/token", known, &[], Some(&json!({"ttl_s": 0}))), 400);
    assert_eq!(send("get", "/.well-known/jwks.json", None, &[], None), 200);
    assert_eq!(send("get", "/healthz", None, &[], None), 200);
    let prompt = json!({"model": MODEL, "prompt": "p", "stream": false, "options": {"num_predict": 4}});
    let asked = json!({"model": MODEL, "messages": hello(1)["messages"], "stream": false});
    assert_eq!(send("post", "/api/chat", known, &[], Some(&asked)), 200);
    assert_eq!(send("post", "/api/generate", known, &[], Some(&prompt)), 200);
    assert_eq!(send("post", "/api/generate", known, &[], Some(&json!({"model": MODEL, "stream": false}))), 200);
    assert_eq!(send("post", "/api/chat", None, &[], Some(&asked)), 401);
    assert_eq!(send("post", "/api/chat", known, &[], Some(&json!({"model": MODEL, "n": 2}))), 422);
    assert_eq!(send("post", "/api/show", known, &[], Some(&json!({"model": MODEL}))), 200);
    assert_eq!(send("post", "/api/show", known, &[], Some(&json!({"model": "other"}))), 404);
    assert_eq!(send("get", "/api/tags", known, &[], None), 200);
    assert_eq!(send("get", "/api/ps", known, &[], None), 200);
    assert_eq!(send("get", "/api/version", None, &[], None), 200);
    let report = json!([{"token": key.key, "type": "sluice_api_key", "url": "https://a.example", "source": "content"}]);
    let signature = sign_report(report.to_string().as_bytes());
    let headers = [("github-public-key-identifier", KID), ("github-public-key-signature", signature.as_str())];
    assert_eq!(send("post", "/leaks/github", None, &headers, Some(&report)), 200);
    assert_eq!(send("post", "/leaks/github", None, &[], Some(&report)), 401);
    // It has leaked.
    assert_eq!(send("get", "/v1/key", known, &[], None), 403);
    // A stream's events are of the schema that its description names.
    let fresh = stack.key();
    let streamed = stack.edge.chat(Some(&fresh.key), &hello_stream(4)).ok();
    let text = streamed.text().to_owned();
    let events = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|event| *event != "[DONE]");
    let mut count = 0;
    for event in events {
        let event: Value = serde_json::from_str(event).expect("JSON");
        conforms(&document, &document["components"]["schemas"]["ChatChunk"], &event, "a chunk");
        count += 1;
    }
    assert!(count > 1, "{text}");
}
