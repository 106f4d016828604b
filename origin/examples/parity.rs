//! What `cargo xtask parity` runs: the origin's engine on models that transformers made, beside what transformers computed
//! with them (`origin/tests/oracle/hf.py`). Prints a table; exits with 1 if a figure misses its bound.

use serde::Deserialize;
use sluice_origin::engine::model::{Logits, Model, Row};
use sluice_origin::models::qwen::Qwen;
use sluice_origin::models::qwen::precision::Precision;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

/// The largest difference of a logit in F32 must be below this.
const MOST_OFF: f64 = 1e-4;
/// The cosine of the logits in Q8_0 with those in F32 must be above this.
const LEAST_COSINE: f64 = 0.999;
/// With those of transformers, rounded alike, above this at every position. One number that falls on the other side of a
/// step, for its last bit in F32, moves every later one by as much as rounding does.
const LEAST_COSINE_ALIKE: f64 = 0.9997;
/// And above this at one position at least, where none or hardly one does.
const MOST_COSINE_ALIKE: f64 = 0.9999;

fn main() -> ExitCode {
    let Some(home) = std::env::args().nth(1) else {
        eprintln!("usage: parity DIRECTORY");
        return ExitCode::from(2);
    };
    match judge(Path::new(&home)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What transformers computed.
#[derive(Deserialize)]
struct Expected {
    prompt: Vec<u32>,
    /// After the tokens at these positions.
    logits: BTreeMap<usize, Vec<f32>>,
    /// The same when matrices and their inputs are rounded to 8 bits.
    in_8_bits: BTreeMap<usize, Vec<f32>>,
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    /// How many of the prompt's tokens it answers.
    prompt: usize,
    tokens: Vec<u32>,
}

/// Whether every variant in `home` keeps to its bounds.
fn judge(home: &Path) -> Result<bool, Box<dyn Error>> {
    let mut variants = Vec::new();
    for entry in std::fs::read_dir(home)? {
        let directory = entry?.path();
        if directory.join("expected.json").exists() {
            variants.push(directory);
        }
    }
    variants.sort();
    if variants.is_empty() {
        return Err(format!("{} holds no model", home.display()).into());
    }
    println!(
        "{:<18}{:>14}{:>16}{:>16}{:>16}{:>24}",
        "", "F32, most off", "greedy tokens", "Q8_0, cosine", "theirs rounded", "both rounded"
    );
    let mut all = true;
    for directory in variants {
        let expected: Expected = serde_json::from_slice(&std::fs::read(directory.join("expected.json"))?)?;
        let mut exact = Qwen::load(&directory, 1, None)?;
        let found = logits(&mut exact, &expected)?;
        let off = found.iter().zip(expected.logits.values()).map(|(found, expected)| off(found, expected));
        let off = off.fold(0.0, f64::max);
        let (mut same, mut tokens) = (0, 0);
        for answer in &expected.answers {
            let given = greedy(&mut exact, &expected.prompt[..answer.prompt], answer.tokens.len())?;
            same += given.iter().zip(&answer.tokens).filter(|(given, wanted)| given == wanted).count();
            tokens += answer.tokens.len();
        }
        let mut short = Qwen::load(&directory, 1, Some(Precision::Q8_0))?;
        let found = logits(&mut short, &expected)?;
        let theirs: Vec<Vec<f32>> = expected.in_8_bits.values().cloned().collect();
        let exact: Vec<Vec<f32>> = expected.logits.values().cloned().collect();
        let cosines = [least(&found, &exact), least(&theirs, &exact), least(&found, &theirs)];
        let most = found.iter().zip(&theirs).map(|(found, theirs)| cosine(found, theirs)).fold(0.0, f64::max);
        let holds = off < MOST_OFF
            && same == tokens
            && cosines[0] > LEAST_COSINE
            && cosines[2] > LEAST_COSINE_ALIKE
            && most > MOST_COSINE_ALIKE;
        let name = directory.file_name().unwrap_or_default().to_string_lossy();
        let counted = format!("{same} of {tokens}");
        println!(
            "{name:<18}{off:>14.2e}{counted:>16}{:>16.6}{:>16.6}{:>12.6} to {most:.6}{}",
            cosines[0],
            cosines[1],
            cosines[2],
            if holds { "" } else { "   missed" }
        );
        all &= holds;
    }
    println!(
        "bounds: below {MOST_OFF:e}; all; above {LEAST_COSINE}; none; above {LEAST_COSINE_ALIKE} and {MOST_COSINE_ALIKE}"
    );
    Ok(all)
}

/// The logits after each position that is asked for, the prompt read in as many chunks.
fn logits(model: &mut Qwen, expected: &Expected) -> Result<Vec<Vec<f32>>, Box<dyn Error>> {
    model.begin(0, expected.prompt.len())?;
    let mut found = Vec::new();
    let mut at = 0;
    for position in expected.logits.keys() {
        let chunk = expected.prompt.get(at..=*position).ok_or("a position is beyond the prompt")?;
        found.push(step(model, at, chunk)?);
        at = position + 1;
    }
    model.release(0);
    Ok(found)
}

fn greedy(model: &mut Qwen, prompt: &[u32], count: usize) -> Result<Vec<u32>, Box<dyn Error>> {
    model.begin(0, prompt.len() + count)?;
    let mut tokens = vec![best(&step(model, 0, prompt)?)];
    while tokens.len() < count {
        let (last, position) = (tokens[tokens.len() - 1], prompt.len() + tokens.len() - 1);
        tokens.push(best(&step(model, position, &[last])?));
    }
    model.release(0);
    Ok(tokens)
}

fn step(model: &mut Qwen, position: usize, tokens: &[u32]) -> Result<Vec<f32>, Box<dyn Error>> {
    let mut logits = Logits::default();
    logits.reset(1, model.vocab_size());
    model.step(&[Row { slot: 0, position, tokens, sample: true }], &mut logits)?;
    Ok(logits.row(0)?.ok_or("no logits came")?.to_vec())
}

fn best(logits: &[f32]) -> u32 {
    let better = |best: (u32, f32), (id, logit): (u32, &f32)| if *logit > best.1 { (id, *logit) } else { best };
    (0..).zip(logits).fold((0, f32::NEG_INFINITY), better).0
}

fn off(found: &[f32], expected: &[f32]) -> f64 {
    let differences = found.iter().zip(expected).map(|(found, expected)| f64::from((found - expected).abs()));
    // A NaN is off by more than anything.
    differences.fold(0.0, |most, off| if off.is_nan() { f64::INFINITY } else { most.max(off) })
}

/// The least cosine of the rows of one with those of the other.
fn least(left: &[Vec<f32>], right: &[Vec<f32>]) -> f64 {
    left.iter().zip(right).map(|(left, right)| cosine(left, right)).fold(1.0, f64::min)
}

fn cosine(left: &[f32], right: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    dot(left, right) / (dot(left, left) * dot(right, right)).sqrt()
}
