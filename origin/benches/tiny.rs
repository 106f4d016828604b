//! How quick the built-in model is for one client over HTTP: loading, the first token, tokens per second; and how many bytes
//! it adds to the program.
//!
//! By hand: `cargo bench -p sluice-origin --bench tiny`. One JSON line per figure, as `cargo xtask bench origin` reads them.

use serde_json::{Value, json};
use sluice_origin::config::Config;
use sluice_origin::engine::threads;
use sluice_origin::models::{Backend, tiny};
use sluice_origin::server::Origin;
use sluice_origin::text::Text;
use std::time::Instant;

/// Its longest answers: lists of months and days, and of limits.
const QUESTIONS: [&str; 4] =
    ["List the months.", "List the days of the week.", "What are the limits of the vip plan?", "What is Sluice?"];
const ROUNDS: usize = 25;

fn main() {
    threads::settle();
    let mut loads: Vec<f64> = (0..9)
        .map(|_| {
            let start = Instant::now();
            let (network, text) = (tiny::network(4), Text::tiny());
            assert!(network.is_ok() && text.is_ok(), "the built-in model is whole");
            start.elapsed().as_secs_f64() * 1_000.0
        })
        .collect();
    report("tiny, load", "ms", at(&mut loads, 0.5));
    report("tiny, bytes in the program", "bytes", tiny::bytes() as f64);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime of two threads").block_on(one_client());
}

async fn one_client() {
    let model = Box::new(tiny::network(4).expect("the built-in model is whole"));
    let text = Text::tiny().expect("the built-in model is whole");
    let backend = Backend { name: "tiny".into(), model, text };
    let origin = Origin::start(Config { slots: 4, ..Config::local() }, backend).await.expect("a free port");
    let url = format!("{}/v1/chat/completions", origin.url());
    let client = reqwest::Client::new();
    let (mut first, mut rates) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (mut tokens, mut seconds) = (0, 0.0);
        for question in QUESTIONS {
            let body = json!({
                "model": "tiny", "stream": true, "stream_options": {"include_usage": true}, "temperature": 0,
                "messages": [{"role": "user", "content": question}],
            });
            let start = Instant::now();
            let request = client.post(&url).header("content-type", "application/json").body(body.to_string());
            let mut response = request.send().await.expect("the origin answers");
            let (mut whole, mut token) = (String::new(), None);
            while let Some(chunk) = response.chunk().await.expect("the origin streams") {
                whole.push_str(&String::from_utf8_lossy(&chunk));
                // The first event is the role, with an empty content.
                if token.is_none() && whole.matches("\"content\":").count() > 1 {
                    token = Some(start.elapsed().as_secs_f64() * 1_000.0);
                }
            }
            seconds += start.elapsed().as_secs_f64();
            let usage =
                whole.lines().filter_map(|line| line.strip_prefix("data: {")).next_back().expect("a usage comes last");
            let usage: Value = serde_json::from_str(&format!("{{{usage}")).expect("an event is JSON");
            tokens += usage["usage"]["completion_tokens"].as_u64().expect("tokens are counted");
            if round > 0 {
                first.push(token.expect("an answer has tokens"));
            }
        }
        // The first round touches memory for the first time.
        if round > 0 {
            rates.push(tokens as f64 / seconds);
        }
    }
    report("tiny, first token, median", "ms", at(&mut first, 0.5));
    report("tiny, first token, p99", "ms", at(&mut first, 0.99));
    report("tiny, one client", "tok/s", at(&mut rates, 0.5));
}

fn report(name: &str, unit: &str, value: f64) {
    println!("{}", json!({"figure": name, "unit": unit, "value": value}));
}

fn at(all: &mut [f64], share: f64) -> f64 {
    all.sort_by(f64::total_cmp);
    all[((all.len() as f64 * share).ceil() as usize).clamp(1, all.len()) - 1]
}
