//! The built-in model that embeds: what lies nearest to a text that it was not trained on means the same
//! (`origin/tiny-embed/held-out.json`, which `tiny-embed held` prints), and it is served beside the one that answers.

use crate::harness::{client, parts};
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_origin::config::Config;
use sluice_origin::models::choice::{ModelChoice, Models};
use sluice_origin::models::load::load;
use sluice_origin::server::{Origin, RunningOrigin};
use std::path::Path;

#[derive(Deserialize)]
struct Known {
    text: String,
    meaning: usize,
    topic: String,
}

#[derive(Deserialize)]
struct Held {
    candidates: Vec<Known>,
    queries: Vec<Known>,
}

async fn origin(choices: Vec<ModelChoice>) -> RunningOrigin {
    let backends = load(Models { choices, embedding: Vec::new(), judging: Vec::new(), hub: None }, 8).unwrap();
    Origin::start(Config::local(), backends).await.unwrap()
}

async fn ask(origin: &RunningOrigin, path: &str, body: Value) -> (u16, Value) {
    let request = client().post(format!("{}{path}", origin.url())).header("content-type", "application/json");
    parts(request.body(body.to_string()).send().await.unwrap()).await
}

async fn vectors(origin: &RunningOrigin, known: &[Known], dimensions: usize) -> Vec<Vec<f32>> {
    let texts: Vec<&str> = known.iter().map(|known| known.text.as_str()).collect();
    let body = json!({"model": "tiny-embed", "input": texts, "dimensions": dimensions});
    let (status, told) = ask(origin, "/v1/embeddings", body).await;
    assert_eq!(status, 200, "{told}");
    let data = told["data"].as_array().unwrap().iter();
    data.map(|one| serde_json::from_value(one["embedding"].clone()).unwrap()).collect()
}

#[tokio::test]
async fn what_lies_nearest_means_the_same() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tiny-embed/held-out.json");
    let held: Held = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert!(held.candidates.len() >= 200 && held.queries.len() >= 300, "{}", held.queries.len());
    let origin = origin(vec![ModelChoice::TinyEmbed]).await;
    for (dimensions, same_meaning, same_topic) in [(256, 0.90, 0.95), (128, 0.90, 0.95), (64, 0.85, 0.95)] {
        let (candidates, queries) =
            (vectors(&origin, &held.candidates, dimensions).await, vectors(&origin, &held.queries, dimensions).await);
        let (mut meaning, mut topic) = (0, 0);
        for (query, known) in queries.iter().zip(&held.queries) {
            let cosine = |other: &Vec<f32>| query.iter().zip(other).map(|(a, b)| a * b).sum::<f32>();
            let near = |one: &usize, other: &usize| cosine(&candidates[*one]).total_cmp(&cosine(&candidates[*other]));
            let nearest = &held.candidates[(0..candidates.len()).max_by(near).unwrap()];
            meaning += usize::from(nearest.meaning == known.meaning);
            topic += usize::from(nearest.topic == known.topic);
        }
        let share = |count: usize| count as f64 / queries.len() as f64;
        let (meaning, topic) = (share(meaning), share(topic));
        assert!(meaning >= same_meaning && topic >= same_topic, "{dimensions}: {meaning:.3} {topic:.3}");
    }
}

#[tokio::test]
async fn each_names_the_other_for_what_it_does_not_do() {
    let both = origin(vec![ModelChoice::Tiny, ModelChoice::TinyEmbed]).await;
    let chat =
        |model: &str| json!({"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8});
    let texts = |model: &str| json!({"model": model, "input": "Hello"});
    for (path, body, other) in [
        ("/v1/chat/completions", chat("tiny-embed"), "`tiny` does"),
        ("/v1/embeddings", texts("tiny"), "`tiny-embed` does"),
        ("/api/embed", texts("tiny"), "`tiny-embed` does"),
    ] {
        let (status, told) = ask(&both, path, body).await;
        assert!(status == 400 && told.to_string().contains(other), "{path}: {status} {told}");
    }
    assert_eq!(ask(&both, "/v1/chat/completions", chat("tiny")).await.0, 200);
    let (status, told) = ask(&both, "/v1/embeddings", texts("tiny-embed")).await;
    assert_eq!((status, told["data"][0]["embedding"].as_array().map(Vec::len)), (200, Some(256)), "{told}");
    let alone = origin(vec![ModelChoice::Tiny]).await;
    let (status, told) = ask(&alone, "/v1/embeddings", texts("tiny")).await;
    assert!(status == 400 && told.to_string().contains("GET /v1/models tells"), "{told}");
}

#[test]
fn it_is_written_out_as_it_is_served() {
    let directory = tempfile::tempdir().unwrap();
    sluice_origin::models::tiny_embed::TINY_EMBED.write(directory.path()).unwrap();
    let local = ModelChoice::Local { name: "e".into(), path: directory.path().into(), precision: None };
    // No setting says that it embeds: its files do.
    let found =
        load(Models { choices: vec![local], embedding: Vec::new(), judging: Vec::new(), hub: None }, 2).unwrap();
    assert_eq!(found.texts[0].model.vectors(), Some(256));
}
