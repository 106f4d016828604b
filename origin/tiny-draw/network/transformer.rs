//! The transformer: from noisy latents, a time and a caption to the way to less noise.

use super::Network;
use super::block::Block;
use super::norms::each_layer_norm;
use super::rope::Angles;
use super::text::Captions;
use crate::operations::rms_norm;
use crate::shape::{CAPTION, DIM, EPS, GRID, LATENT, LAYERS, PATCH, PATCHES, TIME, TIME_SCALE};
use candle_core::{Device, Result, Tensor};

/// The longest of the waves that a time becomes.
const LONGEST: f64 = 10_000.0;

/// Latents `[pictures * GRID * GRID, LATENT]` as patches, `[pictures * PATCHES * PATCHES, PATCH_NUMBERS]`: of a patch's
/// pixels, one after the other, all channels.
pub(crate) fn patches(latents: &[f32]) -> Vec<f32> {
    let mut patches = Vec::with_capacity(latents.len());
    for picture in latents.chunks_exact(GRID * GRID * LATENT) {
        for patch in 0..PATCHES * PATCHES {
            for row in 0..PATCH {
                let first = (patch / PATCHES * PATCH + row) * GRID + patch % PATCHES * PATCH;
                patches.extend_from_slice(&picture[first * LATENT..(first + PATCH) * LATENT]);
            }
        }
    }
    patches
}

/// What the network answers: of patches as [`patches`] makes them, of a time for each picture, from 0 to 1, and of the
/// captions' features, `[captions * positions, HIDDEN]`.
pub(crate) fn answer(
    network: &Network,
    patches: &Tensor,
    times: &[f64],
    captions: &Captions,
    features: &Tensor,
) -> Result<Tensor> {
    let pictures = times.len();
    let block = |name: String, rows: &Tensor, angles: &Angles, time: Option<&Tensor>| {
        Block { network, name }.forward(rows, angles, time)
    };
    let time = time(network, times)?;
    let caption = caption(network, captions, features)?;
    let caption = block("context_refiner.0".to_owned(), &caption, &Angles::of_caption(), None)?;
    let picture = network.linear("all_x_embedder.2-1", patches)?;
    let picture = block("noise_refiner.0".to_owned(), &picture, &Angles::of_picture(), Some(&time))?;
    let (own, all) = (PATCHES * PATCHES, PATCHES * PATCHES + CAPTION);
    let both = [picture.reshape((pictures, own, DIM))?, caption.reshape((pictures, CAPTION, DIM))?];
    let mut rows = Tensor::cat(&both, 1)?.reshape((pictures * all, DIM))?;
    let angles = Angles::of_both();
    for number in 0..LAYERS {
        rows = block(format!("layers.{number}"), &rows, &angles, Some(&time))?;
    }
    let rows = rows.reshape((pictures, all, DIM))?.narrow(1, 0, own)?.contiguous()?.reshape((pictures * own, DIM))?;
    let scale = (network.linear("all_final_layer.2-1.adaLN_modulation.1", &time.silu()?)? + 1.0)?;
    network.linear("all_final_layer.2-1.linear", &each_layer_norm(&rows, &scale)?)
}

/// Times as `[times, DIM]`: cosines, then sines, through two products.
fn time(network: &Network, times: &[f64]) -> Result<Tensor> {
    let half = TIME / 2;
    let mut waves = Vec::with_capacity(times.len() * TIME);
    for time in times {
        let wave = |number: usize| time * TIME_SCALE * (-LONGEST.ln() * number as f64 / half as f64).exp();
        waves.extend((0..half).map(|number| wave(number).cos() as f32));
        waves.extend((0..half).map(|number| wave(number).sin() as f32));
    }
    let waves = Tensor::from_vec(waves, (times.len(), TIME), &Device::Cpu)?;
    network.linear("t_embedder.mlp.2", &network.linear("t_embedder.mlp.0", &waves)?.silu()?)
}

/// Captions as `[captions * CAPTION, DIM]`, filled up with the token that pads them.
fn caption(network: &Network, captions: &Captions, features: &Tensor) -> Result<Tensor> {
    let normed = rms_norm(features, network.get("cap_embedder.0.weight")?, EPS as f32)?;
    let rows = network.linear("cap_embedder.1", &normed)?;
    let pad = rows.dims2()?.0;
    let rows = Tensor::cat(&[&rows, &network.get("cap_pad_token")?.reshape((1, DIM))?], 0)?;
    let mut places = Vec::with_capacity(captions.lengths.len() * CAPTION);
    for (number, length) in captions.lengths.iter().enumerate() {
        let place = |row: usize| if row < *length { number * captions.positions() + row } else { pad };
        places.extend((0..CAPTION).map(|row| place(row) as u32));
    }
    rows.index_select(&Tensor::new(places, &Device::Cpu)?, 0)
}
