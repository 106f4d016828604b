//! What `cargo xtask parity` runs for models that draw: the origin beside what diffusers computed with the same weights
//! and the same noise (`origin/tests/oracle/diffusers_images.py`). Prints a table; exits with 1 if a figure misses its
//! bound.

use serde::Deserialize;
use sluice_origin::models::qwen::precision::Precision;
use sluice_origin::models::tiny;
use sluice_origin::models::z_image::size::Size;
use sluice_origin::models::z_image::{Order, ZImage};
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

/// The largest difference of a text feature and of a latent in F32 must be below these; a level of a pixel may be off
/// by one.
const MOST_OFF: [f32; 2] = [1e-4, 1e-3];
/// Of BF16, in which diffusers rounds what is between as well: the cosine of the last latents must be above this.
const LEAST_COSINE: f64 = 0.999;

fn main() -> ExitCode {
    let Some(home) = std::env::args().nth(1) else {
        eprintln!("usage: parity_images DIRECTORY");
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

/// What diffusers computed.
#[derive(Deserialize)]
struct Expected {
    ids: Vec<u32>,
    height: usize,
    width: usize,
    bf16: bool,
    noise: Vec<f32>,
    features: Vec<f32>,
    /// After each step.
    latents: Vec<Vec<f32>>,
    pixels: Vec<u8>,
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
    println!("{:<22}{:>12}{:>12}{:>12}{:>12}{:>10}", "", "features", "one step", "all steps", "cosine", "levels");
    let mut all = true;
    for directory in variants {
        let expected: Expected = serde_json::from_slice(&std::fs::read(directory.join("expected.json"))?)?;
        tiny::write(&directory.join("tokenizer"))?;
        let found = compare(&directory, &expected)?;
        let holds = match expected.bf16 {
            true => found.cosine > LEAST_COSINE,
            false => found.features < MOST_OFF[0] && found.first.max(found.last) < MOST_OFF[1] && found.levels <= 1,
        };
        println!(
            "{:<22}{:>12.2e}{:>12.2e}{:>12.2e}{:>12.7}{:>10}{}",
            directory.file_name().unwrap_or_default().to_string_lossy(),
            found.features,
            found.first,
            found.last,
            found.cosine,
            found.levels,
            if holds { "" } else { "   missed" }
        );
        all &= holds;
    }
    println!("bounds: below {:e}; {:e}; above {LEAST_COSINE} in BF16; at most 1", MOST_OFF[0], MOST_OFF[1]);
    Ok(all)
}

/// How far one variant is off.
struct Found {
    features: f32,
    /// After the first step, and after the step that is worst.
    first: f32,
    last: f32,
    /// Of the last latents.
    cosine: f64,
    /// Of pixels.
    levels: u8,
}

fn compare(directory: &Path, expected: &Expected) -> Result<Found, Box<dyn Error>> {
    let precision = if expected.bf16 { Precision::Bf16 } else { Precision::F32 };
    let mut model = ZImage::load(directory, precision)?;
    let features = model.encoder.features(&expected.ids)?;
    let off_features = off(&features.flatten_all()?.to_vec1::<f32>()?, &expected.features);
    let size = Size { width: expected.width, height: expected.height };
    let order = Order { prompt: String::new(), size, steps: expected.latents.len(), seed: 0 };
    let mut drawing = model.begin_with(&order, &features, expected.noise.clone())?;
    let (mut offs, mut latents) = (Vec::new(), Vec::new());
    while !drawing.advance(&mut model, 1)?.is_done() {
        if drawing.progress().steps > offs.len() {
            latents = drawing.latents().to_vec();
            offs.push(off(&latents, &expected.latents[offs.len()]));
        }
    }
    let pixels = drawing.finish().ok_or("the picture is not done")?.pixels;
    if pixels.len() != expected.pixels.len() {
        return Err(format!("{} numbers for {} of a picture", pixels.len(), expected.pixels.len()).into());
    }
    let levels = pixels.iter().zip(&expected.pixels).map(|(found, wanted)| found.abs_diff(*wanted));
    let wanted = expected.latents.last().ok_or("no step")?;
    Ok(Found {
        features: off_features,
        first: offs[0],
        last: offs.iter().copied().fold(0.0, f32::max),
        cosine: cosine(&latents, wanted),
        levels: levels.max().unwrap_or_default(),
    })
}

fn off(found: &[f32], expected: &[f32]) -> f32 {
    if found.len() != expected.len() {
        return f32::INFINITY;
    }
    let differences = found.iter().zip(expected).map(|(found, expected)| (found - expected).abs());
    // A NaN is off by more than anything.
    differences.fold(0.0, |most, off| if off.is_nan() { f32::INFINITY } else { most.max(off) })
}

fn cosine(left: &[f32], right: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    dot(left, right) / (dot(left, left) * dot(right, right)).sqrt()
}
