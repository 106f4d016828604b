//! Embeddings through both gates: the clients that people use, exact charges, and limits and scopes of their own.

mod rerank;

use super::ollama::base;
use harness::caller::MODEL;
use harness::caller::clients::{run_client, run_node_client};
use harness::wait::{SOON, until_true};
use harness::{Answer, RunningStack, Stack, tools};
use serde_json::{Value, json};
use sluice_protocol::refusal::Reason;

/// Vectors have this many numbers.
const WIDTH: usize = 8;
const TEXTS: [&str; 2] = ["rain", "Grüße, 世界"];

/// What the script makes of a text's bytes and its end token.
fn expected(text: &str, width: usize) -> Vec<f64> {
    let mut counts = [0f64; WIDTH];
    for token in text.bytes().map(usize::from).chain([256]) {
        counts[token % WIDTH] += 1.0;
    }
    let length = counts[..width].iter().map(|count| count * count).sum::<f64>().sqrt();
    counts[..width].iter().map(|count| count / length).collect()
}

/// All vectors of a list are those of these texts.
fn check(found: &Value, texts: &[&str], width: usize, which: &str) {
    let found: Vec<Vec<f64>> = serde_json::from_value(found.clone()).unwrap_or_else(|_| panic!("{which}: {found}"));
    assert_eq!(found.len(), texts.len(), "{which}");
    for (found, text) in found.iter().zip(texts) {
        let expected = expected(text, width);
        let near = found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(found.len() == width && near, "{which}: {text}: {found:?}, and not {expected:?}");
    }
}

fn tokens(texts: &[&str]) -> usize {
    texts.iter().map(|text| text.len() + 1).sum()
}

fn post(stack: &RunningStack, path: &str, key: &str, body: &Value) -> Answer {
    stack.edge.send(|http, edge| http.post(format!("{edge}{path}")).bearer_auth(key).json(body)).from_edge()
}

fn settled(stack: &RunningStack, id: sluice_protocol::id::KeyId) {
    until_true("settled", SOON, || stack.edge.view(id).live_leases == 0);
}

#[test]
fn python_s_clients_embed() {
    let stack = Stack::new().embeds(WIDTH).limit("100 per 1h").start();
    stack.script().allow_all();
    let key = stack.key();
    let came = run_client("embeddings/embeddings.py", &[&base(&stack), &key.key, MODEL]);
    for way in ["default", "floats", "ids", "langchain", "ollama", "ollama_langchain"] {
        check(&came[way], &TEXTS, WIDTH, way);
    }
    for way in ["short", "ollama_short"] {
        check(&came[way], &TEXTS[..1], 3, way);
    }
    for way in ["langchain_query", "ollama_older"] {
        check(&json!([came[way]]), &TEXTS[..1], WIDTH, way);
    }
    let all = tokens(&TEXTS);
    assert_eq!((&came["usage"], &came["ollama_count"]), (&json!([all, all]), &json!(all)));
    assert_eq!((&came["none"], &came["empty"]), (&json!([400, "dimensions"]), &json!([400, "input"])));
    assert_eq!(came["chat"], json!([400, "model"]));
    assert_eq!(came["ollama_chat"][0], 400, "{came}");
    // LangChain sends ids where it has a tokenizer.
    let came = run_client("embeddings/embeddings_ids.py", &[&base(&stack), &key.key, MODEL]);
    check(&came[0], &TEXTS, WIDTH, "ids");
    check(&json!([came[1]]), &TEXTS[..1], WIDTH, "ids");
}

/// What docs/clients.md shows, on an origin that is told nothing.
#[test]
fn the_snippets_of_the_page_embed() {
    let stack = Stack::new().built_in_origin().start();
    let (key, host) = (stack.key(), base(&stack));
    let page = tools::root().join("docs/clients.md");
    let arguments = [page.to_str().expect("a path of ours"), &host, &key.key, "tiny-embed"];
    assert_eq!(run_client("several/snippets.py", &arguments), json!(["How do I make pancakes?", "64", "2", "1"]));
    assert_eq!(run_node_client("several/snippets.mjs", &arguments), json!([64, 2]));
}

/// A fresh start answers and embeds; who asks the wrong one is told.
#[test]
fn a_fresh_start_answers_and_embeds() {
    let alias = json!({"text-embedding-3-small": "tiny-embed"});
    let stack = Stack::new().built_in_origin().setting("MODEL_ALIASES", alias.to_string()).start();
    let key = stack.key();
    let listed = stack.edge.get("/v1/models", Some(&key.key)).from_edge().json();
    let named = |entry: &Value| (entry["id"].clone(), entry["capabilities"][0] == "embedding");
    let listed: Vec<_> = listed["data"].as_array().unwrap().iter().map(named).collect();
    assert_eq!(listed, [(json!("tiny"), false), (json!("tiny-embed"), true)]);
    for model in ["tiny-embed", "text-embedding-3-small"] {
        let body = json!({"model": model, "input": TEXTS, "dimensions": 32});
        let told = post(&stack, "/v1/embeddings", &key.key, &body).ok().json();
        assert_eq!((&told["model"], told["data"].as_array().map(Vec::len)), (&json!("tiny-embed"), Some(2)), "{told}");
        assert_eq!(told["data"][1]["embedding"].as_array().map(Vec::len), Some(32), "{told}");
    }
    let chat = json!({"model": "tiny-embed", "messages": [{"role": "user", "content": "Hello"}]});
    for (path, body) in [
        ("/v1/chat/completions", chat),
        ("/v1/embeddings", json!({"model": MODEL, "input": "rain"})),
        ("/api/embed", json!({"model": MODEL, "input": "rain"})),
    ] {
        assert_eq!(post(&stack, path, &key.key, &body).status, 400, "{path}");
    }
    let chat = json!({"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]});
    post(&stack, "/v1/chat/completions", &key.key, &chat).ok();
}

#[test]
fn node_s_clients_embed() {
    let stack = Stack::new().embeds(WIDTH).limit("100 per 1h").start();
    stack.script().allow_all();
    let key = stack.key();
    let came = run_node_client("embeddings/embeddings.mjs", &[&base(&stack), &key.key, MODEL]);
    for way in ["whole", "floats", "many"] {
        check(&came[way], &TEXTS, WIDTH, way);
    }
    check(&came["one"], &TEXTS[..1], WIDTH, "one");
    let all = tokens(&TEXTS);
    assert_eq!(came["usage"], json!({"prompt_tokens": all, "total_tokens": all}));
    assert_eq!((&came["one_tokens"], &came["refused"]), (&json!(tokens(&TEXTS[..1])), &json!([400, "input"])));
}

/// What is charged are the tokens of the texts, to the last one, by each door; a guess that was too small is made good.
#[test]
fn the_tokens_of_the_texts_are_charged() {
    let plans = json!({"plans": {"tokens": {"limits": [
        {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 2_000, "window": "1h"}
    ]}}});
    let stack = Stack::new().embeds(WIDTH).plans(plans.to_string()).start();
    stack.script().allow_all();
    let key = stack.edge.issue_key("tokens");
    let many: Vec<String> = (0..20).map(|number| format!("{}{number:03}", "x".repeat(number))).collect();
    let count = |texts: &[String]| texts.iter().map(|text| text.len() as u64 + 1).sum::<u64>();
    let mut used = 0;
    for (path, body, tokens) in [
        ("/v1/embeddings", json!({"model": MODEL, "input": "rain"}), 5),
        // A byte is a token, and four were guessed to be one.
        ("/v1/embeddings", json!({"model": MODEL, "input": many, "encoding_format": "base64"}), count(&many)),
        ("/v1/embeddings", json!({"model": MODEL, "input": [[1, 2, 3], [4, 256]]}), 6),
        ("/api/embed", json!({"model": MODEL, "input": TEXTS}), tokens(&TEXTS) as u64),
        ("/api/embeddings", json!({"model": MODEL, "prompt": "rain"}), 5),
        ("/v1/rerank", json!({"model": MODEL, "query": "rain", "documents": many}), 5 + count(&many)),
    ] {
        let answer = post(&stack, path, &key.key, &body).ok();
        settled(&stack, key.id);
        used += tokens;
        let view = stack.edge.view(key.id).used;
        assert_eq!((view.prompt_tokens, view.completion_tokens), (used, 0), "{path}: {answer:?}");
    }
    // More than is left: refused at once, and nothing is charged.
    let long = json!({"model": MODEL, "input": "x".repeat(1_900)});
    post(&stack, "/v1/embeddings", &key.key, &long).refused(Reason::RateLimited);
    settled(&stack, key.id);
    assert_eq!(stack.edge.view(key.id).used.prompt_tokens, used);
}

/// A limit names them by their endpoint, and a key needs their scope.
#[test]
fn limits_and_scopes_know_embeddings() {
    let plans = json!({"plans": {"few": {"limits": [
        {"name": "vectors", "kind": "window", "limit": 1, "window": "1h", "when": {"endpoint": "embeddings"}},
        {"name": "chats", "kind": "window", "limit": 5, "window": "1h", "when": {"endpoint": ["chat", "completions"]}},
    ]}}});
    let stack = Stack::new().embeds(WIDTH).plans(plans.to_string()).start();
    stack.script().allow_all();
    let key = stack.edge.issue_key("few");
    let body = json!({"model": MODEL, "input": "rain"});
    post(&stack, "/v1/embeddings", &key.key, &body).ok();
    post(&stack, "/v1/embeddings", &key.key, &body).refused(Reason::RateLimited);
    // The other limit has not moved, and this one does not hold it.
    post(&stack, "/tokenize", &key.key, &json!({"model": MODEL, "prompt": "rain"})).ok();
    let with = |scopes: &[&str]| stack.edge.issue(&json!({"plan": "few", "scopes": scopes})).key;
    post(&stack, "/v1/embeddings", &with(&["embeddings"]), &body).ok();
    for (path, body) in [
        ("/v1/embeddings", body.clone()),
        ("/api/embed", body),
        ("/api/embeddings", json!({"model": MODEL, "prompt": "rain"})),
        ("/v1/rerank", json!({"model": MODEL, "query": "rain", "documents": ["sun"]})),
    ] {
        let refused = post(&stack, path, &with(&["chat", "completions", "models"]), &body);
        assert_eq!(refused.status, Reason::NotAllowed.row().status, "{path}: {refused:?}");
        assert!(refused.text().contains("`embeddings`"), "{path}: {refused:?}");
    }
}
