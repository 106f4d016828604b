//! What the second gate does when far more come than fit, and whether memory stays flat when very many have come and gone.
//!
//! `cargo xtask bench origin` runs it on a model that never ends by itself; by hand: `cargo bench -p sluice-origin --bench overload`. One JSON line
//! per figure. The clients are in the same process and share its cores. `-- --requests 56000` counts memory over as many requests.

use serde_json::json;
use sluice_origin::config::Config;
use sluice_origin::engine::threads;
use sluice_origin::models::qwen::Qwen;
use sluice_origin::models::{Backend, endless};
use sluice_origin::server::{Origin, RunningOrigin};
use sluice_origin::text::Text;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SLOTS: usize = 4;
const QUEUE: usize = 4;
const TOKENS: usize = 64;

fn main() {
    threads::settle();
    let requests = requests(std::env::args().skip(1));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime of two threads").block_on(async {
        let directory = std::env::temp_dir().join(format!("sluice-overload-{}", std::process::id()));
        endless::ensure(&directory).expect("a directory for a model");
        let full = SLOTS + QUEUE;
        let mut baseline = load(&directory, full, ROUND).await;
        let mut over = load(&directory, 10 * full, ROUND).await;
        for (name, load) in [("full", &mut baseline), ("10x", &mut over)] {
            report(&format!("{name}, served"), "1/s", load.first.len() as f64 / ROUND.as_secs_f64());
            report(&format!("{name}, first token, median"), "ms", at(&mut load.first, 0.5));
            report(&format!("{name}, first token, p99"), "ms", at(&mut load.first, 0.99));
        }
        report("10x, refused", "1/s", over.refused.len() as f64 / ROUND.as_secs_f64());
        report("10x, refusal, median", "ms", at(&mut over.refused, 0.5));
        report("10x, refusal, p99", "ms", at(&mut over.refused, 0.99));
        churn(&directory, requests).await;
        // Of this program's own making.
        std::fs::remove_dir_all(&directory).expect("the model's directory is ours");
    });
}

/// How long each load lasts.
const ROUND: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Load {
    /// Times to the first token of those that were admitted, in ms.
    first: Vec<f64>,
    /// How long refusals took, in ms.
    refused: Vec<f64>,
}

async fn origin(directory: &std::path::Path) -> RunningOrigin {
    let model = Qwen::load(directory, 2 * SLOTS, None).expect("the model that was just written");
    let text = Text::load(directory).expect("the model that was just written");
    let backend = Backend { name: "m".into(), model: Box::new(model), text };
    let config = Config { slots: SLOTS, queue: QUEUE, ..Config::local() };
    Origin::start(config, backend).await.expect("a free port")
}

/// So many clients at once, each with one streamed answer after another; who is refused comes back when it was told to.
async fn load(directory: &std::path::Path, clients: usize, lasts: Duration) -> Load {
    let origin = origin(directory).await;
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..clients)
        .map(|number| {
            let (url, over) = (format!("{}/v1/chat/completions", origin.url()), Arc::clone(&over));
            tokio::spawn(async move {
                let client = reqwest::Client::new();
                let mut load = Load::default();
                for turn in 0.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let start = Instant::now();
                    let mut response = ask(&client, &url, &format!("{number} {turn}")).await;
                    let wait = response.headers().get("retry-after-ms").cloned();
                    if response.status().is_success() {
                        load.first.extend(first_token(&mut response, start).await);
                    } else {
                        load.refused.push(start.elapsed().as_secs_f64() * 1_000.0);
                        let wait = wait.and_then(|wait| wait.to_str().ok()?.parse().ok()).unwrap_or(100);
                        tokio::time::sleep(Duration::from_millis(wait)).await;
                    }
                }
                load
            })
        })
        .collect();
    tokio::time::sleep(lasts).await;
    over.store(true, Ordering::Relaxed);
    let mut all = Load::default();
    for client in clients {
        let mut load = client.await.expect("no client fails");
        all.first.append(&mut load.first);
        all.refused.append(&mut load.refused);
    }
    all
}

async fn ask(client: &reqwest::Client, url: &str, content: &str) -> reqwest::Response {
    let body = json!({
        "model": "m", "stream": true, "max_tokens": TOKENS, "seed": 1,
        "messages": [{"role": "user", "content": content}],
    });
    let request = client.post(url).header("content-type", "application/json").body(body.to_string());
    request.send().await.expect("the origin answers")
}

/// Reads an answer to its end; when its first token came, in ms, if it had one.
async fn first_token(response: &mut reqwest::Response, start: Instant) -> Option<f64> {
    let (mut first, mut events) = (None, 0);
    while let Some(chunk) = response.chunk().await.expect("the origin streams") {
        events += chunk.windows(6).filter(|window| *window == b"data: ").count();
        // The first event is the role.
        if events > 1 && first.is_none() {
            first = Some(start.elapsed().as_secs_f64() * 1_000.0);
        }
    }
    first
}

/// How many requests come and go: ten thousand, or what follows `--requests`. cargo adds words of its own.
fn requests(mut words: impl Iterator<Item = String>) -> usize {
    match words.find(|word| word == "--requests") {
        None => 10_000,
        Some(_) => words.next().and_then(|count| count.parse().ok()).expect("--requests needs a number"),
    }
}

/// So many requests, a third of which leave in the middle: memory after each tenth of them.
async fn churn(directory: &std::path::Path, requests: usize) {
    let origin = origin(directory).await;
    let next = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let held = Arc::new(std::sync::Mutex::new(Vec::new()));
    let start = Instant::now();
    let clients: Vec<_> = (0..SLOTS + QUEUE)
        .map(|_| {
            let (url, next, held) =
                (format!("{}/v1/chat/completions", origin.url()), Arc::clone(&next), Arc::clone(&held));
            tokio::spawn(async move {
                let client = reqwest::Client::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= requests {
                        return;
                    }
                    if number > 0 && number.is_multiple_of((requests / 10).max(1)) {
                        held.lock().expect("nobody panics with it").push((number, resident()));
                        eprintln!("churn: {number} of {requests} requests");
                    }
                    let content = "word ".repeat(number % 40);
                    let mut response = ask(&client, &url, &content).await;
                    if number.is_multiple_of(3) {
                        // Leaves after the first bytes.
                        let _ = response.chunk().await;
                    } else {
                        first_token(&mut response, start).await;
                    }
                }
            })
        })
        .collect();
    for client in clients {
        client.await.expect("no client fails");
    }
    report("churn, requests", "1/s", requests as f64 / start.elapsed().as_secs_f64());
    let mut held = held.lock().expect("nobody panics with it").clone();
    held.push((requests, resident()));
    for (number, bytes) in held {
        report(&format!("churn, memory after {number}"), "bytes", bytes);
    }
}

fn at(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len() as f64 * share).ceil() as usize;
    values.get(place.max(1) - 1).copied().unwrap_or(f64::NAN)
}

fn report(name: &str, unit: &str, value: f64) {
    println!("{}", json!({"figure": name, "unit": unit, "value": value}));
}

/// Bytes of memory that this process holds.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()).unwrap_or(0.0) * 1024.0
}
