//! Pictures through both gates: what HTTP adds to drawing, whether told waits hold, and how texts fare beside pictures. The
//! network is made up and small, so figures are ratios; each pair is taken in turns.

use crate::figures::{interval, median};
use crate::options::Options;
use harness::caller::{Caller, MODEL};
use harness::origin::DRAWS;
use harness::{RunningStack, Stack};
use serde_json::{Value, json};
use sluice_origin::models::qwen::precision::Precision;
use sluice_origin::models::z_image::checkpoint::made_up::MadeUp;
use sluice_origin::models::z_image::picture::Made;
use sluice_origin::models::z_image::{Order, ZImage};
use std::io::{BufRead, BufReader, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const PROMPT: &str = "a red square";
/// A picture that takes about as long as the real model takes on a GPU.
const SIZE: &str = "256x256";
const STEPS: usize = 16;
/// Requests that wait when told times are compared with what came.
const WAITING: usize = 8;
/// First tokens in a round, alone and beside pictures.
const TEXTS: usize = 20;
/// How long pictures may go on once a text is there, in milliseconds: one block of them (`engine/turns.rs`).
const SLICE_MS: f64 = 8.0;

/// A line for each of the three, and their figures.
pub(crate) fn run(options: &Options) -> Value {
    let stack = Stack::new().drawing_origin().limit("1000 per 1s").start();
    let key = stack.key().key;
    let (added, took) = http(options, &stack, &key);
    let waits = waits(options, &stack, &key);
    let (alone, beside) = texts(options, &stack, &key);
    let line = |name: &str, ratios: &[f64]| {
        let (low, high) = interval(ratios.iter().copied());
        let middle = median(ratios.iter().copied());
        println!("{name} {middle:.3} ({low:.3}-{high:.3})");
        json!({"median": middle, "low": low, "high": high})
    };
    println!("\npictures of {SIZE} in {STEPS} steps, {took:.0} ms each, by a small network of made-up weights");
    let http = line("through both gates, of drawing it in one process:", &added);
    let waits = line(&format!("until a request begins behind up to {WAITING}, of what it was told:"), &waits);
    let ratios: Vec<f64> = alone.iter().zip(&beside).map(|(alone, beside)| (beside - SLICE_MS) / alone).collect();
    let texts = line("first token beside pictures, less one slice, of alone:", &ratios);
    let (alone, beside) = (median(alone.iter().copied()), median(beside.iter().copied()));
    println!("first token: {alone:.1} ms alone, {beside:.1} ms beside pictures");
    json!({"picture_ms": took, "http": http, "waits": waits, "texts": texts, "alone_ms": alone, "beside_ms": beside})
}

/// What a picture takes through both gates, beside what it takes in this process: ratios, and the median of the first.
fn http(options: &Options, stack: &RunningStack, key: &str) -> (Vec<f64>, f64) {
    let directory = tempfile::tempdir().expect("the machine has a directory for temporary files");
    MadeUp::smallest().write(directory.path(), 1).expect("a directory for a model");
    let mut model = ZImage::load(directory.path(), Precision::Bf16).expect("what was just written");
    let size = model.bounds().parse(SIZE).expect("a size that it draws");
    let order = Order { prompt: PROMPT.into(), size, steps: STEPS, seed: 7 };
    let (mut ratios, mut took) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds * 4 {
        let through = timed(|| drop(read(send(stack, key, &picture(&json!({}))))));
        let here = timed(|| {
            let picture = model.draw(&order).expect("it draws");
            let made = Made { model: DRAWS, seed: 7, steps: STEPS, prompt: None };
            picture.png(&made).expect("a file");
        });
        ratios.push(through / here);
        took.push(through);
    }
    (ratios, median(took.into_iter()))
}

/// When each of several begins that came together, beside what it was told: told in whole seconds, so only those that wait
/// for ten are compared.
fn waits(options: &Options, stack: &RunningStack, key: &str) -> Vec<f64> {
    let mut ratios = Vec::new();
    for _ in 0..options.rounds {
        let streams = thread::scope(|scope| {
            let begun: Vec<_> = (0..WAITING)
                .map(|_| scope.spawn(|| begin(send(stack, key, &picture(&json!({"stream": true, "n": 2}))))))
                .collect();
            begun.into_iter().map(|one| one.join().expect("it is drawn")).collect::<Vec<_>>()
        });
        ratios.extend(streams.into_iter().flatten());
    }
    ratios
}

/// How long a stream waited, of what it was told first; nothing where it was told of less than ten seconds. Reads it to its
/// end: who leaves makes the wait of the others shorter than they were told.
fn begin(response: reqwest::blocking::Response) -> Option<f64> {
    let (mut told, mut waited) = (None, None);
    for line in BufReader::new(response).lines().map(|line| line.expect("a stream comes to its end")) {
        if let Some(seconds) = line.strip_prefix(": queued").and_then(|line| line.split("about ").nth(1)) {
            let seconds: f64 = seconds.trim_end_matches(" s").parse().expect("whole seconds");
            told.get_or_insert((seconds, Instant::now()));
        }
        if line.starts_with(": step ") || line.starts_with(": drawing") {
            // Told seconds are rounded up.
            waited = waited.or(told.map(|(seconds, since)| (seconds, since.elapsed().as_secs_f64() / (seconds - 0.5))));
        }
    }
    waited.filter(|(seconds, _)| *seconds >= 10.0).map(|(_, ratio)| ratio)
}

/// First tokens alone, and as many beside pictures that are drawn all the time: medians of rounds.
fn texts(options: &Options, stack: &RunningStack, key: &str) -> (Vec<f64>, Vec<f64>) {
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        alone.push(median((0..TEXTS).map(|_| first_token(stack, key))));
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let painter = scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    drop(read(send(stack, key, &picture(&json!({})))));
                }
            });
            while !draws(stack) {
                thread::sleep(Duration::from_millis(1));
            }
            beside.push(median((0..TEXTS).map(|_| first_token(stack, key))));
            over.store(true, Ordering::Relaxed);
            painter.join().expect("it draws to the end");
        });
    }
    (alone, beside)
}

fn draws(stack: &RunningStack) -> bool {
    let origin = Caller::new(stack.origin_address());
    let text = origin.send(|http, base| http.get(format!("{base}/metrics"))).text().to_owned();
    text.lines().any(|line| line == "sluice_image_requests_running 1")
}

/// How long a short chat takes to its first token.
fn first_token(stack: &RunningStack, key: &str) -> f64 {
    let body = json!({
        "model": MODEL, "stream": true, "max_tokens": 4, "messages": [{"role": "user", "content": "Hello!"}],
    });
    let start = Instant::now();
    let response = post(stack, key, "chat/completions", &body);
    let mut ms = None;
    for line in BufReader::new(response).lines().map(|line| line.expect("a stream comes to its end")) {
        if ms.is_none() && line.contains("\"content\":\"") && !line.contains("\"content\":\"\"") {
            ms = Some(start.elapsed().as_secs_f64() * 1_000.0);
        }
    }
    ms.expect("an answer begins")
}

fn picture(members: &Value) -> Value {
    let mut body = json!({"model": DRAWS, "prompt": PROMPT, "size": SIZE, "num_inference_steps": STEPS, "seed": 7});
    for (name, value) in members.as_object().expect("members") {
        body[name] = value.clone();
    }
    body
}

fn send(stack: &RunningStack, key: &str, body: &Value) -> reqwest::blocking::Response {
    post(stack, key, "images/generations", body)
}

fn post(stack: &RunningStack, key: &str, route: &str, body: &Value) -> reqwest::blocking::Response {
    let url = format!("{}/{route}", stack.edge.base_url());
    let http = reqwest::blocking::Client::builder().no_proxy().timeout(None).build().expect("options without a fault");
    let request = http.post(url).bearer_auth(key).header("content-type", "application/json").body(body.to_string());
    let response = request.send().expect("the edge answers");
    assert_eq!(response.status().as_u16(), 200, "{}", response.text().unwrap_or_default());
    response
}

fn read(mut response: reqwest::blocking::Response) -> Vec<u8> {
    let mut all = Vec::new();
    response.read_to_end(&mut all).expect("an answer comes to its end");
    all
}

fn timed(act: impl FnOnce()) -> f64 {
    let start = Instant::now();
    act();
    start.elapsed().as_secs_f64() * 1_000.0
}
