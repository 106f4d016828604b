//! Pictures through both gates: what HTTP adds to drawing, whether told waits hold, and how texts fare beside pictures. The
//! network is made up and small, so figures are ratios; each pair is taken in turns.

use crate::figures::{interval, median};
use crate::options::Options;
use harness::caller::{Caller, MODEL};
use harness::origin::DRAWS;
use harness::wait::{Over, SOON, until_true};
use harness::{RunningStack, Stack};
use serde_json::{Value, json};
use sluice_origin::models::qwen::precision::Precision;
use sluice_origin::models::z_image::checkpoint::made_up::MadeUp;
use sluice_origin::models::z_image::picture::Made;
use sluice_origin::models::z_image::{Order, ZImage};
use std::io::{BufRead, BufReader, Read};
use std::thread;
use std::time::Instant;

const PROMPT: &str = "a red square";
/// A picture that takes about as long as the real model takes on a GPU.
const SIZE: &str = "256x256";
const STEPS: usize = 16;
/// One whose blocks take less than a slice, as the real model's do on a GPU.
const SMALL: &str = "128x128";
const SMALL_STEPS: usize = 50;
/// Requests that wait when told times are compared with what came.
const WAITING: usize = 8;
/// First tokens in a round, alone and beside pictures.
const TEXTS: usize = 20;
/// How long pictures may go on once a text is there, in milliseconds (`models/painter.rs`).
const SLICE_MS: f64 = 8.0;

/// A line for each of the three, and their figures.
pub(crate) fn run(options: &Options) -> Value {
    let stack = Stack::new().drawing_origin().limit("1000 per 1s").start();
    let key = stack.key().key;
    let Drawn { of_here, of_origin, took } = http(options, &stack, &key);
    let waits = waits(options, &stack, &key);
    let (alone, beside) = texts(options, &stack, &key);
    let line = |name: &str, ratios: &[f64]| {
        let (low, high) = interval(ratios.iter().copied());
        let middle = median(ratios.iter().copied());
        println!("{name} {middle:.3} ({low:.3}-{high:.3})");
        json!({"median": middle, "low": low, "high": high})
    };
    println!("\npictures of {SIZE} in {STEPS} steps, {took:.0} ms each, by a small network of made-up weights");
    let here = line("through both gates, of drawing it in one process:", &of_here);
    let http = line("through both gates, of what it takes at the origin:", &of_origin);
    let waits = line(&format!("until a request begins behind up to {WAITING}, of what it was told:"), &waits);
    let ratios: Vec<f64> = alone.iter().zip(&beside).map(|(alone, beside)| beside / (1.3 * alone + SLICE_MS)).collect();
    let texts = line("first token at the origin beside pictures, of 1.3 times alone and one slice:", &ratios);
    let (alone, beside) = (median(alone.iter().copied()), median(beside.iter().copied()));
    println!("first token: {alone:.1} ms alone, {beside:.1} ms beside pictures");
    json!({"picture_ms": took, "of_here": here, "of_origin": http, "waits": waits, "texts": texts, "alone_ms": alone, "beside_ms": beside})
}

/// What a picture takes through both gates.
struct Drawn {
    /// Of what it takes in this process.
    of_here: Vec<f64>,
    /// Of what it takes at the origin, from the request's head to its last picture.
    of_origin: Vec<f64>,
    /// In milliseconds: the median.
    took: f64,
}

fn http(options: &Options, stack: &RunningStack, key: &str) -> Drawn {
    let directory = tempfile::tempdir().expect("the machine has a directory for temporary files");
    MadeUp::smallest().write(directory.path(), 1).expect("a directory for a model");
    let mut model = ZImage::load(directory.path(), Precision::Bf16).expect("what was just written");
    let size = model.bounds().parse(SIZE).expect("a size that it draws");
    let order = Order { prompt: PROMPT.into(), size, steps: STEPS, seed: 7 };
    let (mut of_here, mut of_origin, mut took) = (Vec::new(), Vec::new(), Vec::new());
    let through = || timed(|| drop(read(send(stack, key, &picture(&json!({}))))));
    let mut here = || {
        timed(|| {
            let picture = model.draw(&order).expect("it draws");
            let made = Made { model: DRAWS, seed: 7, steps: STEPS, prompt: None };
            picture.png(&made).expect("a file");
        })
    };
    // Both have their memory then.
    through();
    here();
    for _ in 0..options.rounds * 4 {
        // Each is first and last once, so that neither always has what the other leaves.
        let before = at_origin(stack);
        let (first, second, third, fourth) = (through(), here(), here(), through());
        of_here.push((first + fourth) / (second + third));
        of_origin.push((first + fourth) / (at_origin(stack) - before));
        took.extend([first, fourth]);
    }
    Drawn { of_here, of_origin, took: median(took.into_iter()) }
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

/// First tokens alone, and as many beside pictures that are drawn all the time: one of each a round.
fn texts(options: &Options, stack: &RunningStack, key: &str) -> (Vec<f64>, Vec<f64>) {
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        alone.push(first_tokens(stack, key));
        let over = Over::default();
        thread::scope(|scope| {
            let painter = scope.spawn(|| {
                while !over.is_over() {
                    let small = json!({"size": SMALL, "num_inference_steps": SMALL_STEPS, "n": 2});
                    drop(read(send(stack, key, &picture(&small))));
                }
            });
            let end = over.at_the_end();
            until_true("a picture is drawn", SOON, || draws(stack));
            beside.push(first_tokens(stack, key));
            drop(end);
            painter.join().expect("it draws to the end");
        });
    }
    (alone, beside)
}

fn draws(stack: &RunningStack) -> bool {
    measure(stack, "sluice_image_requests_running ") == 1.0
}

/// How long requests for pictures took at the origin so far, in milliseconds.
fn at_origin(stack: &RunningStack) -> f64 {
    measure(stack, &format!("sluice_e2e_request_latency_seconds_sum{{model_name=\"{DRAWS}\"}} ")) * 1_000.0
}

fn measure(stack: &RunningStack, name: &str) -> f64 {
    let origin = Caller::new(stack.origin_address());
    let text = origin.send(|http, base| http.get(format!("{base}/metrics"))).text().to_owned();
    let value = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}"));
    value.parse().expect("a number")
}

/// How long short chats take to their first tokens, on average, by the origin's own count: on few cores the gates and this
/// program wait for the picture's threads, too, as they would not where they have a machine of their own.
fn first_tokens(stack: &RunningStack, key: &str) -> f64 {
    let body = json!({
        "model": MODEL, "stream": true, "max_tokens": 4, "messages": [{"role": "user", "content": "Hello!"}],
    });
    let name = format!("sluice_time_to_first_token_seconds_sum{{model_name=\"{MODEL}\"}} ");
    // The first of all is counted from nothing.
    drop(read(post(stack, key, "chat/completions", &body)));
    let before = measure(stack, &name);
    (0..TEXTS).for_each(|_| drop(read(post(stack, key, "chat/completions", &body))));
    (measure(stack, &name) - before) * 1_000.0 / TEXTS as f64
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
