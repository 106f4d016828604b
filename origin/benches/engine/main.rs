//! How fast the engine computes, alone: prefill, decode with 1, 4, 8 and 16 rows, and decode at 2,048 positions; how fast
//! this machine reads memory. With `--beside` also candle-transformers on the same file, as far as it goes (one sequence,
//! no batch), and the whole origin over HTTP, with 8 and 16 clients.
//!
//! `cargo xtask bench origin` runs it beside llama.cpp on the same GGUF. By hand:
//! `cargo bench -p sluice-origin --bench engine -- --gguf FILE [--write SHAPE,q8_0|q4k|q4_0] [--rounds N] [--beside]`. One JSON line per figure.

mod bandwidth;

use candle_core::quantized::{GgmlDType, gguf_file};
use candle_core::{Device, Tensor};
use candle_transformers::models::quantized_qwen3::ModelWeights;
use serde_json::json;
use sluice_origin::config::Config;
use sluice_origin::engine::model::{Logits, Model, Row};
use sluice_origin::engine::threads;
use sluice_origin::models::Backend;
use sluice_origin::models::qwen::Qwen;
use sluice_origin::models::qwen::shape::Shape;
use sluice_origin::models::qwen::shape::published::named;
use sluice_origin::models::qwen::weights::export;
use sluice_origin::server::{Origin, RunningOrigin};
use sluice_origin::text::Text;
use std::path::{Path, PathBuf};
use std::time::Instant;

const SLOTS: usize = 16;
/// Of an answer that is served.
const TOKENS: usize = 64;
/// Of a prompt that is served: what the stand-in tokenizer makes of it.
const PROMPT: usize = 21;

fn main() {
    threads::settle();
    let options = Options::read();
    if let Some((shape, dtype)) = &options.write {
        if !options.gguf.exists() {
            eprintln!("writing {} ...", options.gguf.display());
            export(shape, *dtype, 7, &options.gguf).expect("the disk has room for the model");
        }
        return;
    }
    let start = Instant::now();
    let mut model = Qwen::load(&options.gguf, SLOTS, None).expect("the file that --write made");
    report("load", "s", start.elapsed().as_secs_f64());
    report("weights", "bytes", model.weight_bytes() as f64);
    // The first pass touches memory for the first time.
    prefill(&mut model, 16);
    for tokens in [128, 1_024] {
        let seconds = median(options.rounds, || prefill(&mut model, tokens));
        report(&format!("prefill {tokens}"), "tok/s", tokens as f64 / seconds);
    }
    for rows in [1, 4, 8, 16] {
        let seconds = median(options.rounds, || decode(&mut model, rows, 16));
        report(&format!("decode {rows}"), "tok/s", rows as f64 / seconds);
    }
    let seconds = median(options.rounds, || decode(&mut model, 1, 2_048));
    report("decode 1 at 2048", "tok/s", 1.0 / seconds);
    report("memory", "bytes", resident());
    report("bandwidth", "bytes/s", bandwidth::measure());
    if !options.beside {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime of two threads");
    for clients in [8, 16] {
        let served = runtime.block_on(Served::start(&options.gguf, clients));
        let mut rates = (Vec::new(), Vec::new());
        let mut first = Vec::new();
        // In turns, so that both meet the machine as it is.
        for _ in 0..options.rounds.max(5) {
            rates.0.push((clients * TOKENS) as f64 / alone(&mut model, clients));
            let (rate, mut times) = runtime.block_on(served.round());
            rates.1.push(rate);
            first.append(&mut times);
        }
        report(&format!("alone {clients}"), "tok/s", at(&mut rates.0, 0.5));
        report(&format!("served {clients}"), "tok/s", at(&mut rates.1, 0.5));
        report(&format!("served {clients}, first token, median"), "ms", at(&mut first, 0.5));
        report(&format!("served {clients}, first token, p99"), "ms", at(&mut first, 0.99));
    }
    drop(model);
    candle(&options);
}

/// What candle-transformers makes of the same file: the model of its own that serves one sequence at a time.
fn candle(options: &Options) {
    let mut file = std::fs::File::open(&options.gguf).expect("the file that --write made");
    let content = gguf_file::Content::read(&mut file).expect("the file that --write made");
    let mut model = match ModelWeights::from_gguf(content, &mut file, &Device::Cpu) {
        Ok(model) => model,
        Err(error) => {
            eprintln!("candle-transformers does not read this file: {error}");
            return;
        }
    };
    let mut forward = |ids: &[u32], offset: usize| {
        let input = Tensor::new(ids, &Device::Cpu).and_then(|ids| ids.unsqueeze(0)).expect("a row of ids");
        model.forward(&input, offset).expect("the model computes");
    };
    let ids = |count: u32| (0..count).map(|id| id * 31 % 1_000).collect::<Vec<u32>>();
    forward(&ids(16), 0);
    for tokens in [128, 1_024] {
        let ids = ids(tokens);
        let seconds = median(options.rounds, || {
            let start = Instant::now();
            forward(&ids, 0);
            start.elapsed().as_secs_f64()
        });
        report(&format!("candle prefill {tokens}"), "tok/s", f64::from(tokens) / seconds);
    }
    forward(&ids(16), 0);
    let mut position = 16;
    let seconds = median(options.rounds.max(3), || {
        let start = Instant::now();
        for _ in 0..16 {
            forward(&[77], position);
            position += 1;
        }
        start.elapsed().as_secs_f64() / 16.0
    });
    report("candle decode 1", "tok/s", 1.0 / seconds);
}

/// Seconds for what [`Served::round`] asks of the engine, without anything around it: as many prompts as clients in one step,
/// then their answers side by side, each token the likeliest.
fn alone(model: &mut Qwen, clients: usize) -> f64 {
    let ids: Vec<u32> = (0..PROMPT as u32).map(|id| id * 31 % 1_000).collect();
    for slot in 0..clients {
        model.begin(slot, PROMPT + TOKENS).expect("there is memory for the sequences");
    }
    let mut logits = Logits::default();
    let start = Instant::now();
    let mut last: Vec<u32> = Vec::new();
    for number in 0..TOKENS {
        let position = if number == 0 { 0 } else { PROMPT + number - 1 };
        let tokens = |slot: usize| if number == 0 { &ids[..] } else { &last[slot..=slot] };
        let row = |slot| Row { slot, position, tokens: tokens(slot), sample: true };
        let rows: Vec<Row<'_>> = (0..clients).map(row).collect();
        logits.reset(clients, model.vocab_size());
        model.step(&rows, &mut logits).expect("the model computes");
        let best = |slot| {
            let row = logits.row(slot).expect("no row fails").expect("every row samples");
            let better = |best: (u32, f32), (id, logit): (u32, &f32)| if *logit > best.1 { (id, *logit) } else { best };
            (0..).zip(row).fold((0, f32::NEG_INFINITY), better).0
        };
        last = (0..clients).map(best).collect();
    }
    let seconds = start.elapsed().as_secs_f64();
    (0..clients).for_each(|slot| model.release(slot));
    seconds
}

/// The whole origin over HTTP.
struct Served {
    clients: usize,
    url: String,
    _origin: RunningOrigin,
}

impl Served {
    async fn start(gguf: &Path, clients: usize) -> Self {
        let model = Qwen::load(gguf, clients, None).expect("the file that --write made");
        let text = Text::stand_in(model.vocab_size()).expect("the stand-in tokenizer is whole");
        let backend = Backend { name: "m".into(), model: Box::new(model), text };
        let origin = Origin::start(Config { slots: clients, ..Config::local() }, backend).await.expect("a free port");
        let url = format!("{}/v1/chat/completions", origin.url());
        // The first pass touches memory for the first time; and the engine alone is given prompts of this length.
        let body = json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "99"}]});
        let request =
            reqwest::Client::new().post(&url).header("content-type", "application/json").body(body.to_string());
        let whole = request.send().await.expect("the origin answers").text().await.expect("the answer is whole");
        let whole: serde_json::Value = serde_json::from_str(&whole).expect("an answer is JSON");
        assert_eq!(whole["usage"]["prompt_tokens"], PROMPT, "the prompt's length");
        Self { clients, url, _origin: origin }
    }

    /// All clients, each with three streamed answers of 64 tokens, one after another: tokens per second, and after how many
    /// milliseconds each answer's first token came.
    async fn round(&self) -> (f64, Vec<f64>) {
        const ANSWERS: usize = 3;
        let start = Instant::now();
        let callers = (0..self.clients).map(|client| {
            let url = self.url.clone();
            tokio::spawn(async move {
                let mut first = Vec::new();
                for answer in 0..ANSWERS {
                    first.push(ask(&url, client * ANSWERS + answer).await);
                }
                first
            })
        });
        let mut first = Vec::new();
        for caller in callers.collect::<Vec<_>>() {
            first.extend(caller.await.expect("no caller fails"));
        }
        ((self.clients * ANSWERS * TOKENS) as f64 / start.elapsed().as_secs_f64(), first)
    }
}

/// Reads one streamed answer to its end; after how many milliseconds its first token came.
async fn ask(url: &str, number: usize) -> f64 {
    let body = json!({
        "model": "m", "stream": true, "max_tokens": TOKENS, "temperature": 0,
        "messages": [{"role": "user", "content": format!("{number:02}")}],
    });
    let start = Instant::now();
    let request = reqwest::Client::new().post(url).header("content-type", "application/json").body(body.to_string());
    let mut response = request.send().await.expect("the origin answers");
    let mut first = None;
    let mut events = 0;
    while let Some(chunk) = response.chunk().await.expect("the origin streams") {
        events += chunk.windows(6).filter(|window| *window == b"data: ").count();
        // The first event is the role.
        if events > 1 && first.is_none() {
            first = Some(start.elapsed().as_secs_f64() * 1_000.0);
        }
    }
    first.expect("an answer has tokens")
}

struct Options {
    gguf: PathBuf,
    write: Option<(Shape, GgmlDType)>,
    rounds: usize,
    /// Whether candle-transformers and the origin over HTTP are measured, too.
    beside: bool,
}

impl Options {
    fn read() -> Self {
        let mut options = Self { gguf: PathBuf::new(), write: None, rounds: 3, beside: false };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
            match argument.as_str() {
                "--gguf" => options.gguf = value().into(),
                "--rounds" => options.rounds = value().parse().expect("a number of rounds"),
                "--write" => {
                    let value = value();
                    let (name, precision) = value.split_once(',').expect("SHAPE,PRECISION");
                    let dtype = match precision {
                        "q8_0" => GgmlDType::Q8_0,
                        "q4k" => GgmlDType::Q4K,
                        // What llama.cpp is quickest with at 4 bits.
                        "q4_0" => GgmlDType::Q4_0,
                        other => panic!("unknown type {other}"),
                    };
                    options.write = Some((named(name).expect("a known shape"), dtype));
                }
                "--beside" => options.beside = true,
                // What cargo itself adds.
                "--bench" => {}
                other => panic!("unknown argument {other}"),
            }
        }
        options
    }
}

/// The value that this share of all does not exceed.
fn at(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() as f64 * share).ceil() as usize).clamp(1, values.len()) - 1]
}

fn report(name: &str, unit: &str, value: f64) {
    println!("{}", json!({"figure": name, "unit": unit, "value": value}));
}

/// Seconds for a prompt of this many tokens, in chunks of 256, the last one sampling.
fn prefill(model: &mut Qwen, tokens: usize) -> f64 {
    let ids: Vec<u32> = (0..tokens as u32).map(|id| id * 31 % 1_000).collect();
    model.begin(0, tokens).expect("there is memory for one sequence");
    let start = Instant::now();
    for (number, chunk) in ids.chunks(256).enumerate() {
        let position = number * 256;
        step(model, &[Row { slot: 0, position, tokens: chunk, sample: position + chunk.len() == tokens }]);
    }
    let seconds = start.elapsed().as_secs_f64();
    model.release(0);
    seconds
}

/// Seconds per step of this many rows, each at about this position.
fn decode(model: &mut Qwen, rows: usize, position: usize) -> f64 {
    const STEPS: usize = 16;
    let ids: Vec<u32> = (0..position as u32).map(|id| id * 31 % 1_000).collect();
    for slot in 0..rows {
        model.begin(slot, position + STEPS + 1).expect("there is memory for the sequences");
        for (number, chunk) in ids.chunks(256).enumerate() {
            step(model, &[Row { slot, position: number * 256, tokens: chunk, sample: false }]);
        }
    }
    let start = Instant::now();
    for number in 0..STEPS {
        let batch: Vec<Row<'_>> =
            (0..rows).map(|slot| Row { slot, position: position + number, tokens: &[77], sample: true }).collect();
        step(model, &batch);
    }
    let seconds = start.elapsed().as_secs_f64() / STEPS as f64;
    (0..rows).for_each(|slot| model.release(slot));
    seconds
}

fn step(model: &mut Qwen, rows: &[Row<'_>]) {
    let mut logits = Logits::default();
    logits.reset(rows.len(), model.vocab_size());
    model.step(rows, &mut logits).expect("the model computes");
}

fn median(rounds: usize, mut run: impl FnMut() -> f64) -> f64 {
    let mut seconds: Vec<f64> = (0..rounds).map(|_| run()).collect();
    seconds.sort_by(f64::total_cmp);
    seconds[rounds / 2]
}

/// Bytes of memory that this process holds.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()).unwrap_or(0.0) * 1024.0
}
