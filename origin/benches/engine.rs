//! How fast the engine computes, alone: prefill, decode with 1, 4, 8 and 16 rows, and decode at 2,048 positions.
//!
//! `cargo xtask bench origin` runs it beside llama.cpp on the same GGUF. By hand:
//! `cargo bench -p sluice-origin --bench engine -- --gguf FILE [--write SHAPE,q8_0|q4k|q4_0] [--rounds N]`. One JSON line per figure.

use candle_core::quantized::GgmlDType;
use serde_json::json;
use sluice_origin::engine::model::{Logits, Model, Row};
use sluice_origin::engine::qwen::shape::Shape;
use sluice_origin::engine::qwen::{Qwen, export, named};
use std::path::PathBuf;
use std::time::Instant;

const SLOTS: usize = 16;

fn main() {
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
    // The first pass packs the weights for the kernels.
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
}

struct Options {
    gguf: PathBuf,
    write: Option<(Shape, GgmlDType)>,
    rounds: usize,
}

impl Options {
    fn read() -> Self {
        let mut options = Self { gguf: PathBuf::new(), write: None, rounds: 3 };
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
                // What cargo itself adds.
                "--bench" => {}
                other => panic!("unknown argument {other}"),
            }
        }
        options
    }
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
