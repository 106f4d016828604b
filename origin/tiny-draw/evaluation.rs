//! What the model is worth: the origin draws what captions say that were kept from the training, and the judge looks.
//! Before that the judge is judged, by pictures of which is known what they show.

use crate::captions::{Captioned, Kind, Language};
use crate::judge::{Right, judge};
use crate::network::Network;
use crate::network::vae::{encode, pixels};
use crate::random::Random;
use crate::render::{Pixels, render};
use crate::scene::{SIDE, Scene};
use crate::shape::{GRID, LATENT};
use crate::training::{Failure, VAE};
use sluice_origin::models::qwen::precision::Precision;
use sluice_origin::models::z_image::picture::Made;
use sluice_origin::models::z_image::schedule::STEPS;
use sluice_origin::models::z_image::size::Size;
use sluice_origin::models::z_image::{Order, ZImage};
use std::path::Path;
use std::time::{Duration, Instant};

/// Decides what is asked; no part of the training has it.
const SEED: u64 = 0xd4a3;
/// Pictures that are right in colours, shape and place, at least: of those that are drawn, and of those that are known.
const AIM: f64 = 0.95;
const KNOWN_AIM: f64 = 0.99;
/// Known pictures.
const KNOWN: usize = 400;
/// Right by chance at most: of the shapes a third is, and of the places a ninth.
const CHANCE: f64 = 0.01;

const SQUARE: Size = Size { width: SIDE, height: SIDE };

/// What is asked of the model.
type Row = (&'static str, Language, Kind, bool);

const ROWS: [Row; 5] = [
    ("held-out wordings", Language::English, Kind::Held, false),
    ("held-out wordings, held-out pairs", Language::English, Kind::Held, true),
    ("held-out Chinese wordings", Language::Chinese, Kind::Held, false),
    ("held-out Chinese wordings, held-out pairs", Language::Chinese, Kind::Held, true),
    ("wordings of the training", Language::English, Kind::Trained, false),
];

/// Judges the judge and a model and prints tables. False if an aim is missed.
pub(crate) fn evaluate(directory: &Path, each: usize, wrong: usize) -> Result<bool, Failure> {
    let mut model = ZImage::load(directory, Precision::Bf16)?;
    println!("| pictures | judged | right | colours | shape | place | size |\n|---|---|---|---|---|---|---|");
    let mut is_good = known(&model, directory)?;
    let mut drawn = Vec::new();
    for (name, language, kind, is_held) in ROWS {
        let mut random = Random::new(SEED);
        let asked: Vec<Captioned> =
            (0..each).map(|_| Captioned::random(&mut random, language, kind, is_held)).collect();
        let found = all_drawn(&mut model, &asked, &mut drawn)?;
        is_good &= told(name, &found) >= AIM;
        for (captioned, right) in asked.iter().zip(&found).filter(|(_, right)| !right.all()).take(wrong) {
            println!("  {}: {right:?}", captioned.caption);
        }
    }
    drawn.sort_unstable();
    let of = |part: usize| drawn.get(drawn.len() * part / 100).map_or(0.0, Duration::as_secs_f64) * 1_000.0;
    println!("\na picture takes {:.0} ms, 95 of 100 less than {:.0} ms", of(50), of(95));
    Ok(is_good)
}

/// Draws one picture and writes it as a PNG file.
pub(crate) fn draw(directory: &Path, caption: &str, seed: u64, out: &Path) -> Result<(), Failure> {
    let mut model = ZImage::load(directory, Precision::Bf16)?;
    let picture = model.draw(&order(caption, seed))?;
    let made = Made { model: "tiny-draw", seed, steps: STEPS, prompt: Some(caption) };
    Ok(std::fs::write(out, picture.png(&made)?)?)
}

fn order(caption: &str, seed: u64) -> Order {
    Order { prompt: caption.to_owned(), size: SQUARE, steps: STEPS, seed }
}

/// Prints a row; returns the share that is right.
fn told(name: &str, found: &[Right]) -> f64 {
    let share = |is_right: fn(&Right) -> bool| {
        found.iter().filter(|right| is_right(right)).count() as f64 / found.len().max(1) as f64
    };
    let parts: [fn(&Right) -> bool; 5] =
        [|right| right.all(), |right| right.colour, |right| right.shape, |right| right.place, |right| right.size];
    println!(
        "| {name} | {} | {} |",
        found.len(),
        parts.map(|part| format!("{:.1} %", 100.0 * share(part))).join(" | ")
    );
    share(|right| right.all())
}

/// The judge on pictures as they are rendered, on the same behind another caption, and, where the VAE's encoder was
/// kept, on what its decoder makes of their latents.
fn known(model: &ZImage, directory: &Path) -> Result<bool, Failure> {
    let mut random = Random::new(SEED);
    let scenes: Vec<Scene> = (0..KNOWN).map(|number| Scene::random(&mut random, number.is_multiple_of(4))).collect();
    let pictures: Vec<Pixels> = scenes.iter().map(|scene| render(scene, &mut random)).collect();
    let judged = |scenes: &mut dyn Iterator<Item = &Scene>, pictures: &[Pixels]| -> Vec<Right> {
        scenes.zip(pictures).map(|(scene, picture)| judge(picture, scene)).collect()
    };
    let mut is_good = told("rendered", &judged(&mut scenes.iter(), &pictures)) >= KNOWN_AIM;
    let others = &mut scenes.iter().cycle().skip(KNOWN / 3);
    is_good &= told("rendered, of another caption", &judged(others, &pictures)) <= CHANCE;
    let file = directory.join(VAE);
    if file.exists() {
        let vae = Network::vae(0)?;
        vae.restore(&file)?;
        let back = pictures.iter().map(|picture| kept(model, &vae, picture)).collect::<Result<Vec<_>, Failure>>()?;
        is_good &= told("rendered, through the VAE", &judged(&mut scenes.iter(), &back)) >= KNOWN_AIM;
    }
    Ok(is_good)
}

/// What the origin's decoder makes of a picture's latents.
fn kept(model: &ZImage, vae: &Network, picture: &Pixels) -> Result<Pixels, Failure> {
    let latents = encode(vae, &pixels(std::slice::from_ref(picture))?)?.flatten_all()?.to_vec1::<f32>()?;
    let (shape, pixels) = (model.decoder.shape(), GRID * GRID);
    // The origin lays them channel by channel, and scales them back.
    let laid = |at: usize| (latents[at % pixels * LATENT + at / pixels] - shape.shift as f32) * shape.scaling as f32;
    let laid: Vec<f32> = (0..latents.len()).map(laid).collect();
    let level = |number: &f32| ((number / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round_ties_even() as u8;
    Ok(model.decoder.decode(&laid, GRID, GRID)?.iter().map(level).collect())
}

/// Has pictures drawn of what is asked for, each of a seed of its own.
fn all_drawn(model: &mut ZImage, asked: &[Captioned], drawn: &mut Vec<Duration>) -> Result<Vec<Right>, Failure> {
    let mut found = Vec::with_capacity(asked.len());
    for (seed, Captioned { scene, caption }) in asked.iter().enumerate() {
        let begun = Instant::now();
        let picture = model.draw(&order(caption, seed as u64))?;
        drawn.push(begun.elapsed());
        found.push(judge(&picture.pixels, scene));
    }
    Ok(found)
}
