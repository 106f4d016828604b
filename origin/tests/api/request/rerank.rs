//! `/v1/rerank` by a model that embeds: the order of its vectors, counted to the token, in one slot.

use crate::harness::{Edge, Harness, claims, parts, until};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use sluice_origin::config::Config;
use sluice_origin::models::choice::{ModelChoice, Models};
use sluice_origin::models::load::load;
use sluice_origin::models::scripted::{Fault, MODEL, Say, Script};
use sluice_origin::server::Origin;
use sluice_protocol::forward::grant::GrantClaims;

/// Vectors of a scripted model have this many numbers.
const WIDTH: usize = 8;

async fn scripted(config: Config) -> Harness {
    Harness::with_script(config, Script::embedding(16, WIDTH)).await
}

fn request(harness: &Harness, body: &Value) -> RequestBuilder {
    let request = harness.client.post(format!("{}/v1/rerank", harness.url));
    request.header("content-type", "application/json").body(body.to_string())
}

async fn ask(harness: &Harness, body: &Value) -> (u16, Value) {
    parts(request(harness, body).send().await.unwrap()).await
}

/// How near two texts are, by what the script makes of their bytes and their end token.
fn nearness(a: &str, b: &str) -> f64 {
    let counts = |text: &str| {
        let mut counts = [0f64; WIDTH];
        text.bytes().map(usize::from).chain([256]).for_each(|token| counts[token % WIDTH] += 1.0);
        counts
    };
    let (a, b) = (counts(a), counts(b));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    f64::midpoint(1.0, product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt())
}

#[tokio::test]
async fn documents_come_in_the_order_of_their_vectors() {
    let harness = scripted(Config { slots: 2, ..Config::local() }).await;
    harness.script.allow_all();
    let documents = ["rain", "a longer text", "x", "rain", "Grüße", "niar"];
    let told: Vec<Value> = documents.iter().map(|text| json!({"text": text})).collect();
    let query = "rain in spring";
    let tokens: usize = documents.iter().chain([&query]).map(|text| text.len() + 1).sum();
    for (documents_as, top) in [(json!(documents), 0), (json!(told), 3), (json!(documents), 99)] {
        let body = json!({"model": MODEL, "query": query, "documents": documents_as, "top_n": top, "return_documents": top == 3});
        let (status, told) = ask(&harness, &body).await;
        assert_eq!((status, &told["model"], &told["object"]), (200, &json!(MODEL), &json!("list")), "{told}");
        assert_eq!(told["usage"], json!({"prompt_tokens": tokens, "total_tokens": tokens}));
        let results = told["results"].as_array().unwrap();
        assert_eq!(results.len(), if top == 3 { 3 } else { documents.len() });
        let mut expected: Vec<usize> = (0..documents.len()).collect();
        expected.sort_by(|a, b| nearness(query, documents[*b]).total_cmp(&nearness(query, documents[*a])));
        let mut last = f64::INFINITY;
        for (result, at) in results.iter().zip(expected) {
            let score = result["relevance_score"].as_f64().unwrap();
            let found = documents[result["index"].as_u64().unwrap() as usize];
            // Texts of the same letters are alike, and rounding may tell them apart.
            assert!((nearness(query, found) - nearness(query, documents[at])).abs() < 1e-6, "{result}");
            assert!((score - nearness(query, found)).abs() < 1e-6 && score <= last, "{result}");
            assert_eq!(result.get("document"), (top == 3).then(|| json!({"text": found})).as_ref());
            last = score;
        }
    }
    // An instruction goes before the query alone, as such models were trained.
    let body = json!({"model": MODEL, "query": "q", "documents": ["d"], "instruction": "Find it"});
    let (_, told) = ask(&harness, &body).await;
    let score = told["results"][0]["relevance_score"].as_f64().unwrap();
    assert!((score - nearness("Instruct: Find it\nQuery:q", "d")).abs() < 1e-6, "{told}");
    assert_eq!(told["usage"]["prompt_tokens"], "Instruct: Find it\nQuery:q".len() + 1 + 2);
}

/// A caller that leaves, a model that fails and a grant that is too small leave nothing behind.
#[tokio::test]
async fn every_ending_gives_its_slot_back() {
    let edge = Edge::new("k1");
    let harness = scripted(Config { slots: 1, queue: 0, access: edge.access(), ..Config::local() }).await;
    harness.script.allow_all();
    let body = json!({"model": MODEL, "query": "q".repeat(9), "documents": vec!["d".repeat(9); 9]}).to_string();
    let send = |claims: &GrantClaims| {
        let request = harness.client.post(format!("{}/v1/rerank", harness.url));
        request
            .header("content-type", "application/json")
            .header("x-sluice-grant", edge.sign(claims))
            .body(body.clone())
    };
    for (tok, inp, code) in [(99, 0, "grant_too_small"), (0, 99, "not_allowed")] {
        let answer = send(&GrantClaims { tok, inp, ..claims(body.as_bytes()) }).send().await.unwrap();
        let counted = answer.headers().get("x-sluice-prompt-tokens").cloned();
        let (_, told) = parts(answer).await;
        // What another grant would change, the edge mends: its caller is not told of it.
        let param = if inp == 0 { Value::Null } else { json!("documents") };
        assert_eq!((&told["error"]["code"], &told["error"]["param"]), (&json!(code), &param), "{told}");
        assert_eq!(counted, (inp == 0).then(|| "100".parse().unwrap()));
    }
    let answer = send(&GrantClaims { tok: 100, inp: 100, ..claims(body.as_bytes()) }).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["x-sluice-usage"]), (200, &"100/0/0".parse().unwrap()));
    harness.script.say(Say::fail_after("", Fault::Row));
    let (status, told) = parts(send(&claims(body.as_bytes())).send().await.unwrap()).await;
    assert_eq!((status, &told["error"]["code"]), (500, &json!("internal_error")), "{told}");
    harness.until_places(1, 0).await;
    until("nothing is left in the model", || harness.script.occupied() == 0).await;
}

/// The built-in model that embeds: what is meant comes before what is not.
#[tokio::test]
async fn a_fresh_machine_has_a_model_for_it() {
    let models = Models {
        choices: vec![ModelChoice::Tiny, ModelChoice::TinyEmbed],
        embedding: Vec::new(),
        judging: Vec::new(),
        hub: None,
    };
    let origin = Origin::start(Config::local(), load(models, 2).unwrap()).await.unwrap();
    let ask = async |model: &str| {
        let body = json!({"model": model, "query": "How much is one plus one?", "documents": [
            "How do I say goodbye?", "What is the capital of France?", "What is one and one?", "What day follows Monday?",
        ]});
        let request = crate::harness::client().post(format!("{}/v1/rerank", origin.url()));
        parts(request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap()).await
    };
    let (status, told) = ask("tiny-embed").await;
    assert_eq!((status, &told["results"][0]["index"]), (200, &json!(2)), "{told}");
    let (status, told) = ask("tiny").await;
    let message = told["error"]["message"].as_str().unwrap();
    assert!(status == 400 && message.contains("`tiny-embed` does."), "{told}");
}
