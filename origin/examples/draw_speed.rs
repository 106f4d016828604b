//! How long one pass of Z-Image's transformer takes on this machine, beside its products alone: made-up weights in the
//! published width with a few of its layers, in the type that is named.
//!
//!     cargo run --release -p sluice-origin --example draw_speed -- [SIDE [LAYERS [bf16|f32]]]
//!
//! A pass of the published model has 30 layers and 2 that refine: what is printed for it is computed from these few.

use sluice_origin::models::qwen::precision::Precision;
use sluice_origin::models::z_image::ZImage;
use sluice_origin::models::z_image::checkpoint::made_up::MadeUp;
use sluice_origin::models::z_image::size::Size;
use std::error::Error;
use std::time::Instant;

/// Rounds; the quickest of each counts.
const ROUNDS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, default: usize| arguments.get(place).map_or(Ok(default), |text| text.parse::<usize>());
    let (side, layers) = (number(0, 256)?, number(1, 2)?);
    let precision = match arguments.get(2).map(String::as_str) {
        None | Some("bf16") => Precision::Bf16,
        Some("f32") => Precision::F32,
        Some(other) => return Err(format!("{other}: must be bf16 or f32").into()),
    };
    let mut shapes = MadeUp::smallest();
    let transformer = &mut shapes.transformer;
    (transformer.dim, transformer.heads, transformer.axes, transformer.channels) = (3_840, 30, [32, 48, 48], 16);
    (transformer.layers, transformer.refiners, transformer.lengths) = (layers, 1, [1_536, 512, 512]);
    (shapes.decoder.latent, shapes.decoder.blocks) = (16, vec![8, 8, 8, 8]);
    let directory = std::env::temp_dir().join(format!("sluice-draw-speed-{}", std::process::id()));
    shapes.write(&directory, 1)?;
    let loaded = ZImage::load(&directory, precision);
    std::fs::remove_dir_all(&directory)?;
    let mut model = loaded?;
    let size = Size { width: side, height: side };
    let features = model.encoder.features(&[1; 32])?;
    let scene = model.transformer.refined(&features, side / 8, side / 8)?;
    let latents = vec![0.5; model.latents(size)];
    let (mut pass, mut floor) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        model.transformer.forward(&latents, 0.5, &scene)?;
        pass = pass.min(begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        model.transformer.products_alone(&scene)?;
        floor = floor.min(begun.elapsed().as_secs_f64());
    }
    let [own, rows] = scene.padded_rows().map(|rows| rows as f64);
    // Four matrices of the width, and three that are 10,240 times as much: two operations for each of their numbers.
    let of_row = 2.0 * (4.0 * 3_840.0 * 3_840.0 + 3.0 * 3_840.0 * 10_240.0);
    let products = of_row * (layers as f64 * rows + own);
    println!("{size} in {precision:?}, {layers} layers and one that refines, {rows} rows");
    println!("  a pass          {pass:>8.3} s");
    println!("  products alone  {floor:>8.3} s, {:.1} GFLOP/s", products / floor / 1e9);
    println!("  beside them     {:>8.1} %", 100.0 * (pass / floor - 1.0));
    let whole = pass * (30.0 * rows + 2.0 * own) / (layers as f64 * rows + own);
    println!("  30 layers and 2 {whole:>8.1} s a step, computed");
    Ok(())
}
