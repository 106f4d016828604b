//! Texts that are embedded: the origin and llama-server over HTTP, on one file of made-up weights, in one run.

use std::{path::Path, time::Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::figures::median;
use super::gguf;
use super::llama::Llama;
use super::served::{Program, SHELL, agent};
use crate::host::process::command;
use crate::host::progress::Step;
use crate::host::workspace::Workspace;

/// Texts of a request, and tokens of each.
const TEXTS: usize = 8;
const TOKENS: usize = 512;
/// What follows a text: the origin adds it where it is not there, so both read the same.
const END_OF_TEXT: u32 = 256;
/// Vectors of the same weights point the same way, but for what each rounds.
const LEAST_COSINE: f64 = 0.98;

/// Asks both in turn, and prints how many tokens a second each reads.
pub(super) fn run(
    workspace: &Workspace,
    llama: &Llama,
    file: &Path,
    (dtype, threads, rounds): (&str, usize, usize),
) -> Result<()> {
    let mut step = Step::begin(format!("embeddings, {dtype}: {TEXTS} x {TOKENS} tokens"));
    match measure(workspace, llama, file, threads, rounds, &mut step) {
        Ok(table) => {
            step.done("done");
            print!("{table}");
            Ok(())
        }
        Err(error) => {
            step.failed();
            Err(error)
        }
    }
}

fn measure(
    workspace: &Workspace,
    llama: &Llama,
    file: &Path,
    threads: usize,
    rounds: usize,
    step: &mut Step,
) -> Result<String> {
    gguf::give_tokenizer(file)?;
    let threads = threads.to_string();
    let mut origin = command("sh");
    origin.args(SHELL).arg(workspace.target().join("release").join("sluice-origin"));
    origin.args(["serve", "--open", "--bind", "127.0.0.1:0", "--embedding", "m", "--model"]);
    origin.arg(format!("m={}", file.display()));
    origin.env("CANDLE_NUM_THREADS", &threads).env("RAYON_NUM_THREADS", &threads);
    let mut server = command("sh");
    server.args(SHELL).arg(llama.server()).arg("--model").arg(file);
    server.args(["--host", "127.0.0.1", "--port", "0", "--offline", "--no-ui", "--embedding", "--pooling", "last"]);
    let (slots, context) = (TEXTS.to_string(), (TEXTS * TOKENS * 2).to_string());
    server.args(["--threads", &threads, "--parallel", &slots, "--ctx-size", &context]);
    let programs =
        [Program::start(workspace, "origin", origin, step)?, Program::start(workspace, "llama-server", server, step)?];
    let mut rates = [Vec::new(), Vec::new()];
    // The first round touches memory for the first time, tells the origin how quick it is, and does not count.
    for round in 0..=rounds {
        let mut vectors = Vec::new();
        for (program, rates) in programs.iter().zip(&mut rates) {
            step.tick(|| format!("round {round} of {rounds}: {}", program.name()));
            let begun = Instant::now();
            vectors.push(embed(program.url(), round)?);
            if round > 0 {
                rates.push((TEXTS * TOKENS) as f64 / begun.elapsed().as_secs_f64());
            }
        }
        for (ours, theirs) in vectors[0].iter().zip(&vectors[1]) {
            let cosine = cosine(ours, theirs);
            if cosine < LEAST_COSINE {
                bail!("the vectors of a text point elsewhere: their cosine is {cosine:.4}");
            }
        }
    }
    let [ours, theirs] = rates.each_mut().map(|rates| median(Some(rates)));
    Ok(format!(
        "\nembeddings over HTTP, {TEXTS} x {TOKENS} tokens: Sluice {ours:.1} tok/s, llama-server {theirs:.1} tok/s, ratio {:.2}\n",
        ours / theirs
    ))
}

/// The vectors of this round's texts, which no other round has.
fn embed(url: &str, round: usize) -> Result<Vec<Vec<f64>>> {
    let text = |number: usize| -> Vec<u32> {
        let token = |at: usize| ((at * 31 + number * 7 + round * 101 + at * at * number) % 256) as u32;
        (0..TOKENS - 1).map(token).chain([END_OF_TEXT]).collect()
    };
    let texts: Vec<Vec<u32>> = (0..TEXTS).map(text).collect();
    let body = json!({"model": "m", "input": texts});
    let told: Value = agent().post(format!("{url}/v1/embeddings")).send_json(body)?.into_body().read_json()?;
    let count = told["usage"]["prompt_tokens"].as_u64();
    if count != Some((TEXTS * TOKENS) as u64) {
        bail!("{count:?} tokens were read and not {}", TEXTS * TOKENS);
    }
    let data = told["data"].as_array().context("the answer has no data")?;
    data.iter().map(|one| Ok(serde_json::from_value(one["embedding"].clone())?)).collect()
}

fn cosine(one: &[f64], other: &[f64]) -> f64 {
    let inner = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    inner(one, other) / (inner(one, one) * inner(other, other)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_are_of_directions() {
        assert!((cosine(&[1.0, 2.0], &[2.0, 4.0]) - 1.0).abs() < 1e-12);
        assert!(cosine(&[1.0, 0.0], &[0.0, 3.0]).abs() < 1e-12);
    }
}
