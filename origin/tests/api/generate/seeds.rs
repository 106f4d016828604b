//! The same seed and request give the same text, whatever else runs: also where the prompt, or a part of it, is remembered and
//! not computed again. With the built-in model, which is served in F32.

use crate::harness::{Edge, claims, client, parts};
use serde_json::{Value, json};
use sluice_origin::config::Config;
use sluice_origin::models::{Backend, tiny};
use sluice_origin::server::{Origin, RunningOrigin};
use sluice_origin::text::Text;
use sluice_protocol::wire::header;

const SLOTS: usize = 4;
const SEEDS: u64 = 12;

/// High temperatures, so that many draws are close.
fn requests() -> Vec<Value> {
    let mut all = Vec::new();
    for content in ["Say 🙂", "What is 3 + 4?", "List the months, the days of the week, and what else you know. 🙂🙂"]
    {
        for seed in 0..SEEDS {
            all.push(json!({
                "model": "tiny", "messages": [{"role": "user", "content": content}], "seed": seed, "temperature": 1.5,
                "max_tokens": 60, "enable_thinking": false,
            }));
        }
    }
    all
}

async fn ask(origin: &RunningOrigin, edge: &Edge, account: &str, body: &Value) -> (String, u64) {
    let bytes = body.to_string().into_bytes();
    let mut claims = claims(&bytes);
    claims.acc = account.into();
    let request = client().post(format!("{}/v1/chat/completions", origin.url()));
    let request = request.header("content-type", "application/json").header(header::GRANT, edge.sign(&claims));
    let (status, answer) = parts(request.body(bytes).send().await.unwrap()).await;
    assert_eq!(status, 200, "{answer}");
    let cached = answer["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
    (answer["choices"][0].to_string(), cached)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_company_nor_what_is_remembered_changes_a_seeded_text() {
    let edge = Edge::new("k1");
    let (model, text) = (tiny::network(2 * SLOTS).unwrap(), Text::tiny().unwrap());
    let backend = Backend { name: "tiny".into(), model: Box::new(model), text };
    let config = Config { slots: SLOTS, access: edge.access(), ..Config::local() };
    let origin = Origin::start(config, backend).await.unwrap();
    let (mut first, mut remembered) = (Vec::new(), 0);
    for (number, body) in requests().iter().enumerate() {
        let account = format!("a{number}");
        let (text, cached) = ask(&origin, &edge, &account, body).await;
        assert_eq!(cached, 0, "an account of its own");
        let (again, cached) = ask(&origin, &edge, &account, body).await;
        remembered += usize::from(cached > 0);
        assert_eq!(again, text, "{cached} tokens were remembered: {body}");
        first.push(text);
    }
    assert_eq!(remembered, first.len(), "every second time a part of the prompt is remembered");
    // All at once, as many as there are slots, of one account and so with each other's beginnings.
    let requests = requests();
    for (bodies, texts) in requests.chunks(SLOTS).zip(first.chunks(SLOTS)) {
        let asked = bodies.iter().map(|body| ask(&origin, &edge, "together", body));
        for ((found, _), (text, body)) in
            futures_util::future::join_all(asked).await.iter().zip(texts.iter().zip(bodies))
        {
            assert_eq!(found, text, "{body}");
        }
    }
}
