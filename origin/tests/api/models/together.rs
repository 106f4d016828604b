//! Several models in one origin: each answers as it does alone, and what they share is shared.

mod hub;

use crate::harness::{Harness, chat, client, json_of, parts, payloads, text_of, text_of_stream, until, until_then};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use sluice_origin::config::Config;
use sluice_origin::models::qwen::Qwen;
use sluice_origin::models::qwen::precision::Precision;
use sluice_origin::models::qwen::shape::Shape;
use sluice_origin::models::scripted::{Say, Script};
use sluice_origin::models::{Backend, endless};
use sluice_origin::server::{Origin, RunningOrigin};
use sluice_origin::text::Text;
use std::path::Path;
use std::time::Duration;

/// Two networks of different shapes with one tokenizer.
fn backend(name: &str, directory: &Path) -> Backend {
    let path = directory.join("tiny");
    endless::ensure(&path).unwrap();
    let mut config: Value = serde_json::from_slice(&std::fs::read(path.join("config.json")).unwrap()).unwrap();
    let model = match name {
        "first" => Qwen::load(&path, 8, None).unwrap(),
        _ => {
            config["num_hidden_layers"] = json!(3);
            config["max_position_embeddings"] = json!(1_000);
            let shape = Shape::parse(config.to_string().as_bytes()).unwrap();
            Qwen::random(shape, 8, Precision::Q8_0, 11).unwrap()
        }
    };
    Backend { name: name.into(), model: Box::new(model), text: Text::load(&path).unwrap() }
}

async fn serve(names: &[&str], directory: &Path) -> RunningOrigin {
    let backends: Vec<Backend> = names.iter().map(|name| backend(name, directory)).collect();
    Origin::start(Config::local(), backends).await.unwrap()
}

fn post(url: &str, body: &Value) -> RequestBuilder {
    let request = client().post(format!("{url}/v1/chat/completions")).header("content-type", "application/json");
    request.body(body.to_string())
}

fn question(model: &str, seed: u32, stream: bool) -> Value {
    let content = format!("question {seed}");
    json!({
        "model": model, "messages": [{"role": "user", "content": content}], "seed": seed, "max_tokens": 30, "stream": stream,
    })
}

/// What each of these questions is answered, all asked at once, every other as a stream.
async fn answers(url: &str, models: &[&str]) -> Vec<String> {
    let mut asked = Vec::new();
    for model in models {
        for seed in 0..3 {
            let (stream, request) = (seed == 1, post(url, &question(model, seed, seed == 1)));
            asked.push(tokio::spawn(async move {
                let response = request.send().await.unwrap();
                match stream {
                    true => text_of_stream(&payloads(response).await),
                    false => text_of(&parts(response).await.1).to_owned(),
                }
            }));
        }
    }
    let mut found = Vec::new();
    for answer in asked {
        found.push(answer.await.unwrap());
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_answers_as_it_does_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut alone = Vec::new();
    for name in ["first", "second"] {
        let origin = serve(&[name], directory.path()).await;
        alone.extend(answers(&origin.url(), &[name]).await);
    }
    assert_ne!(alone[..3], alone[3..], "the models differ");
    let both = serve(&["first", "second"], directory.path()).await;
    for _ in 0..3 {
        assert_eq!(answers(&both.url(), &["first", "second"]).await, alone);
    }
    let metrics = client().get(format!("{}/metrics", both.url())).send().await.unwrap().text().await.unwrap();
    for name in ["first", "second"] {
        let line = format!("sluice_e2e_request_latency_seconds_count{{model_name=\"{name}\"}} 9");
        assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn all_are_listed_in_order_and_no_other_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let origin = serve(&["second", "first"], directory.path()).await;
    let (_, list) = parts(client().get(format!("{}/v1/models", origin.url())).send().await.unwrap()).await;
    let found: Vec<(&str, u64)> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| (model["id"].as_str().unwrap(), model["context_length"].as_u64().unwrap()))
        .collect();
    assert_eq!(found, [("second", 1_000), ("first", 4_096)]);
    for name in ["third", "First", "first ", "scripted"] {
        let (status, body) = parts(post(&origin.url(), &question(name, 1, false)).send().await.unwrap()).await;
        assert_eq!((status, body["error"]["code"].as_str()), (404, Some("model_not_found")), "{name}");
    }
}

#[tokio::test]
async fn a_number_of_tokens_is_each_models() {
    let directory = tempfile::tempdir().unwrap();
    let backends = ["first", "second"].map(|name| backend(name, directory.path()));
    let config = Config { kv_tokens: Some(300), ..Config::local() };
    let origin = Origin::start(config, Vec::from(backends)).await.unwrap();
    let (_, list) = parts(client().get(format!("{}/v1/models", origin.url())).send().await.unwrap()).await;
    assert!((0..2).all(|index| list["data"][index]["context_length"] == 300), "{list}");
}

#[tokio::test]
async fn what_cannot_be_told_apart_is_not_served() {
    let origin = Origin::bind(Config::local()).await.unwrap();
    let scripts = [Script::new(1), Script::new(1)];
    assert!(origin.serve(Vec::new()).is_err());
    let twice = origin.serve(scripts.iter().map(Script::backend).collect::<Vec<_>>());
    assert!(twice.unwrap_err().to_string().contains("two models are named scripted"));
    assert_eq!(client().get(format!("{}/ready", origin.url())).send().await.unwrap().status(), 503);
}

/// An origin of two scripted models; the harness holds the first.
async fn scripted(config: Config) -> (Harness, Script) {
    let (first, second) = (Script::new(config.slots), Script::new(config.slots));
    let backends = vec![first.backend(), Backend { name: "other".into(), ..second.backend() }];
    let origin = Origin::start(config, backends).await.unwrap();
    (Harness { url: origin.url(), origin: Some(origin), script: first, client: client() }, second)
}

fn other() -> Value {
    let mut body = chat("hi");
    body["model"] = json!("other");
    body
}

#[tokio::test]
async fn one_that_hangs_makes_the_origin_unready_and_the_others_answer_on() {
    let config = Config { slots: 2, heartbeat_timeout: Duration::from_millis(300), ..Config::local() };
    for first_hangs in [true, false] {
        let (harness, second) = scripted(config.clone()).await;
        harness.until_status("/ready", 200).await;
        let (hangs, answers) = if first_hangs { (&harness.script, &second) } else { (&second, &harness.script) };
        let (asked, fine) = if first_hangs { (chat("hi"), other()) } else { (other(), chat("hi")) };
        answers.allow_all();
        let hung = harness.start(&asked);
        harness.until_status("/ready", 504).await;
        assert_eq!(harness.start(&fine).await.unwrap().0, 200);
        assert_eq!(harness.status("/v1/models").await, 200);
        hangs.allow_all();
        assert_eq!(hung.await.unwrap().0, 200);
        harness.until_status("/ready", 200).await;
    }
}

#[tokio::test]
async fn slots_are_all_models_together() {
    let (harness, second) = scripted(Config { slots: 2, queue: 1, ..Config::local() }).await;
    let running = [harness.start(&chat("a")), harness.start(&other())];
    harness.until_places(0, 0).await;
    let waiting = harness.start(&other());
    harness.until_places(0, 1).await;
    assert_eq!(harness.start(&chat("late")).await.unwrap().0, 503);
    // A slot that one model gives back is another's.
    harness.script.allow_all();
    harness.until_places(0, 0).await;
    until("the other model has both", || {
        second.allow(1);
        second.widest_step() == 2
    })
    .await;
    second.allow_all();
    for answer in running.into_iter().chain([waiting]) {
        assert_eq!(answer.await.unwrap().0, 200);
    }
}

#[tokio::test]
async fn draining_ends_the_answers_of_all() {
    let config = Config { slots: 2, drain_timeout: Duration::from_millis(100), ..Config::local() };
    let (mut harness, second) = scripted(config).await;
    let mut streams = Vec::new();
    for (script, mut body) in [(&harness.script, chat("hi")), (&second, other())] {
        script.say(Say::endless("x"));
        body["stream"] = json!(true);
        body["max_tokens"] = json!(4_000);
        let request = harness.post(&body);
        streams.push(tokio::spawn(async move { payloads(request.send().await.unwrap()).await }));
    }
    until("both answer", || {
        let scripts = [&harness.script, &second];
        scripts.iter().for_each(|script| {
            if script.is_blocked() && script.generated() < 3 {
                script.allow(1);
            }
        });
        // One that was not seen to go on may have been let on twice.
        scripts.iter().all(|script| script.generated() >= 3)
    })
    .await;
    // One step each, that they may see it: an engine ends between two.
    let drained = tokio::spawn(harness.origin.take().unwrap().drain());
    let end = until_then("both are over", async || {
        [&harness.script, &second].iter().for_each(|script| {
            if script.is_blocked() {
                script.allow(1)
            }
        });
        drained.is_finished()
    });
    end.await;
    for stream in streams {
        let all = stream.await.unwrap();
        assert_eq!(json_of(all.last().unwrap())["error"]["code"], "draining", "{all:?}");
    }
}
