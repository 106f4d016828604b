//! Pictures in events, as OpenAI's clients read them.

use super::{alone, drawing, file, granted, picture, read_png, request, smallest};
use crate::harness::{Edge, Harness};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use sluice_origin::config::Config;

/// What came: comments, and events by their names and ids.
struct Streamed {
    comments: Vec<String>,
    events: Vec<(String, Option<String>, Value)>,
}

async fn streamed(request: RequestBuilder) -> Streamed {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let text = response.text().await.unwrap();
    let mut streamed = Streamed { comments: Vec::new(), events: Vec::new() };
    for block in text.split("\n\n").filter(|block| !block.is_empty()) {
        let member = |name: &str| {
            let found = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            found.map(str::to_owned)
        };
        match block.strip_prefix(": ") {
            Some(comment) => streamed.comments.push(comment.to_owned()),
            None => {
                let data = serde_json::from_str(&member("data").unwrap()).unwrap();
                streamed.events.push((member("event").unwrap(), member("id"), data));
            }
        }
    }
    streamed
}

async fn of(harness: &Harness, members: &Value) -> Streamed {
    let mut body = picture(members);
    body["stream"] = json!(true);
    streamed(request(harness, &body)).await
}

#[tokio::test]
async fn steps_previews_and_pictures_come_in_their_order() {
    let harness = drawing(Config::local()).await;
    let Streamed { comments, events } =
        of(&harness, &json!({"partial_images": 2, "num_inference_steps": 6, "n": 2})).await;
    let steps: Vec<&String> = comments.iter().filter(|comment| comment.starts_with("step ")).collect();
    let expected: Vec<String> =
        (1..=2).flat_map(|which| (1..=6).map(move |step| format!("step {step} of 6, picture {which} of 2"))).collect();
    assert_eq!(steps, expected.iter().collect::<Vec<_>>());
    let names: Vec<&str> = events.iter().map(|(name, ..)| name.as_str()).collect();
    let (partial, completed) = ("image_generation.partial_image", "image_generation.completed");
    assert_eq!(names, [partial, partial, completed, partial, partial, completed]);
    let mut model = smallest();
    for (name, id, told) in &events {
        assert_eq!(told["type"], *name);
        for (member, value) in
            [("size", "64x64"), ("quality", "high"), ("background", "opaque"), ("output_format", "png")]
        {
            assert_eq!(told[member], value, "{member}");
        }
        assert!(told["created_at"].is_u64());
        let (pixels, _) = read_png(&file(told));
        assert_eq!(pixels.len(), 3 * 64 * 64);
        assert_eq!(told.get("usage").is_some(), name == completed);
        assert_eq!(told.get("partial_image_index").is_some(), name == partial);
        // What all of them used is told once: behind an event with an id comments would break clients.
        assert_eq!(id.is_some(), std::ptr::eq(told, &events[5].2));
    }
    for (at, seed) in [(2, 7), (5, 8)] {
        assert_eq!(read_png(&file(&events[at].2)).0, alone(&mut model, seed, 6), "seed {seed}");
    }
    let indices: Vec<&Value> = [0, 1, 3, 4].iter().map(|at| &events[*at].2["partial_image_index"]).collect();
    assert_eq!(indices, [0, 1, 0, 1]);
    assert_eq!(events[5].2["usage"]["input_tokens"], 0, "the prompt counts once");
    assert!(events[2].2["usage"]["input_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn a_stream_that_is_asked_for_again_is_told_at_once() {
    let edge = Edge::new("k1");
    let harness = drawing(Config { access: edge.access(), ..Config::local() }).await;
    let body = picture(&json!({"stream": true, "n": 2}));
    let send = || granted(&harness, &edge, &body, |_| {}).header("idempotency-key", "one");
    let first = streamed(send()).await;
    let again = streamed(send()).await;
    assert!(again.comments.is_empty());
    let files = |streamed: &Streamed| -> Vec<Value> {
        streamed.events.iter().map(|(_, _, told)| told["b64_json"].clone()).collect()
    };
    assert_eq!(files(&again), files(&first));
    let id = |streamed: &Streamed| streamed.events.last().unwrap().1.clone().unwrap();
    assert_eq!(id(&again), "0/0/0 complete");
    assert_ne!(id(&first), id(&again));
}

/// How many steps the origin has computed.
async fn computed(harness: &Harness) -> u64 {
    let text = harness.get("/metrics").send().await.unwrap().text().await.unwrap();
    let name = "sluice_origin_image_steps_total{model_name=\"z-image\"} ";
    text.lines().find_map(|line| line.strip_prefix(name)).map_or(0, |steps| steps.parse().unwrap())
}

#[tokio::test]
async fn one_that_is_cancelled_tells_the_steps_that_were_computed() {
    let harness = drawing(Config::local()).await;
    let body = picture(&json!({"stream": true, "size": "256x256", "num_inference_steps": 50, "n": 10}));
    let mut response = request(&harness, &body).send().await.unwrap();
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let mut told = String::new();
    while !told.contains("step 2 of 50") {
        told.push_str(&String::from_utf8_lossy(&response.chunk().await.unwrap().unwrap()));
    }
    let url = format!("{}/v1/requests/{id}", harness.url);
    let report: Value = harness.client.delete(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!((&report["status"], &report["complete"]), (&json!("ended"), &json!(false)), "{report}");
    let steps = computed(&harness).await;
    let drawn = &report["drawn"];
    assert_eq!((&drawn["steps"], &drawn["pixel_steps"]), (&json!(steps), &json!(steps * 256 * 256)), "{report}");
    assert!((2..500).contains(&steps), "{steps}");
    while let Some(chunk) = response.chunk().await.unwrap() {
        told.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert!(told.contains("request_cancelled"), "the stream says why it ended");
    // It is over: nothing is computed any more.
    assert_eq!(computed(&harness).await, steps);
}
