//! How much memory a picture takes besides the weights: known before it is begun.

use super::checkpoint::shape::{DecoderShape, TransformerShape};
use super::kernels::{Way, tensors};
use super::size::Size;
use super::transformer::ROWS;
use super::vae::map::BAND;
use crate::models::qwen::attention::store::TILE;
use crate::models::qwen::shape::Shape;

/// Bytes of one number in F32.
const NUMBER: u64 = 4;
/// Rows whose scores attention holds for each thread.
const SCORES: u64 = 8;
/// Columns of a product that one thread takes at a time, and so widens of a matrix in BF16.
const STRIP: u64 = 48;
/// What grows with nothing.
const SMALL: u64 = 1 << 20;
/// Places of a convolution around a pixel, its own among them.
const PLACES: u64 = 9;

/// The networks that a picture goes through.
#[derive(Clone, Copy, Debug)]
pub struct Networks<'a> {
    /// The text encoder, as far as it is computed.
    pub text: &'a Shape,
    /// What removes the noise.
    pub transformer: &'a TransformerShape,
    /// What makes pixels.
    pub decoder: &'a DecoderShape,
}

/// Bytes that a picture of this size takes at most while it is drawn, with a caption of so many tokens.
pub fn of_picture(networks: Networks<'_>, size: Size, tokens: usize, way: Way) -> u64 {
    let Networks { text, transformer, decoder } = networks;
    let most = of_text(text, tokens, way);
    let most = most.max(steps(transformer, decoder, size, tokens, way)).max(pixels(decoder, size, way));
    // Latents, patches, features, what the time becomes, lists: small beside all of this.
    most + most / 16 + SMALL
}

/// While the text encoder computes.
fn of_text(shape: &Shape, tokens: usize, way: Way) -> u64 {
    let (rows, hidden, inner) = (tokens as u64, shape.hidden as u64, shape.intermediate as u64);
    let (query, key) = ((shape.heads * shape.head_dim) as u64, (shape.kv_heads * shape.head_dim) as u64);
    let layers = shape.layers as u64;
    match way {
        Way::Slices { threads } => {
            let threads = threads as u64;
            let kept = layers * 2 * key * tokens.next_multiple_of(TILE) as u64;
            // The rows, those that a product reads, and the buffers of a layer.
            let computed = rows * (2 * hidden.max(inner) + 2 * query + 2 * key + 2 * inner);
            let scratch = threads * (SCORES * (rows + 64) + STRIP * inner.max(hidden));
            NUMBER * (kept + computed + scratch) + 16 * rows * (2 * inner + query + 2 * key).div_ceil(STRIP)
        }
        Way::Tensors { activation } => {
            let kept = layers * 2 * key * rows;
            let computed = rows * (4 * hidden + 4 * query + 4 * key + 4 * inner);
            // Five times: in two types, scaled and masked, and as softmax is taken apart.
            activation as u64 * (kept + computed) + 5 * NUMBER * shape.heads as u64 * rows * rows
        }
    }
}

/// While the transformer computes.
fn steps(shape: &TransformerShape, decoder: &DecoderShape, size: Size, tokens: usize, way: Way) -> u64 {
    let unit = shape.patch * decoder.factor();
    let picture = (size.width / unit * (size.height / unit)).next_multiple_of(ROWS) as u64;
    let caption = tokens.next_multiple_of(ROWS) as u64;
    let (rows, dim, inner) = (picture + caption, shape.dim as u64, shape.inner() as u64);
    let (heads, angles) = (shape.heads as u64, rows * shape.head() as u64);
    match way {
        Way::Slices { threads } => {
            let threads = threads as u64;
            // The rows themselves, and normed. Then queries, keys and values with what becomes of them, and keys and
            // values once more as attention reads them, or gate, up and what is made of both.
            let attention = rows * 7 * dim;
            let mlp = rows * (3 * inner).max(inner + dim);
            let scratch = threads * (SCORES * (rows + 64) + STRIP * inner.max(dim));
            // Products keep a slice for each strip of each row, and attention one for each head, locked.
            let pointers = rows * (16 * inner.div_ceil(STRIP) + 32 * heads);
            NUMBER * (rows * 2 * dim + caption * dim + attention.max(mlp) + angles + scratch) + pointers
        }
        Way::Tensors { activation } => {
            // What came in, the rows, normed. Then queries, keys and values, the same head by head, keys turned round,
            // what was seen; or gate, up, its activation and what is made of both.
            let attention = rows * 8 * dim;
            let mlp = rows * 4 * inner;
            let scores = of_scores(rows, heads);
            activation as u64 * (rows * 3 * dim + caption * dim + attention.max(mlp) + angles) + scores
        }
    }
}

/// While the decoder computes: the widest maps that are alive together, of the block where that is most.
fn pixels(shape: &DecoderShape, size: Size, way: Way) -> u64 {
    let factor = shape.factor();
    let smallest = (size.width / factor * (size.height / factor)) as u64;
    let widest = shape.widest() as u64;
    let band = |pixels, row, channels| of_band(pixels, row, channels, way);
    let scores = match way {
        Way::Slices { threads } => NUMBER * threads as u64 * SCORES * (smallest + 64),
        Way::Tensors { .. } => of_scores(smallest, 1),
    };
    // What comes in, normed; queries, keys and values; keys and values as they are read; what was seen.
    let mut most = NUMBER * smallest * 8 * widest + scores;
    let (mut before, count) = (widest, shape.blocks.len());
    for (block, channels) in shape.blocks.iter().rev().enumerate() {
        let (pixels, row) = (smallest << (2 * block), ((size.width / factor) << block) as u64);
        let channels = *channels as u64;
        // The first residual block: its input, what is between, and what is beside; then three of the same.
        let residual = pixels * (before + 2 * channels).max(3 * channels);
        most = most.max(NUMBER * residual + band(pixels, row, before.max(channels)));
        if block + 1 < count {
            // What there is, and four times as much.
            most = most.max(NUMBER * pixels * 5 * channels + band(4 * pixels, 2 * row, channels));
        }
        before = channels;
    }
    most
}

/// Bytes that a convolution takes for a band of a map of so many pixels, in rows of so many.
fn of_band(pixels: u64, row: u64, channels: u64, way: Way) -> u64 {
    match way {
        // The matrix, half as much again to read and make it.
        Way::Slices { .. } => NUMBER * (PLACES * pixels * channels).min(BAND as u64) * 3 / 2,
        // Scaled, activated, laid twice and in an edge, moved, a product and sums; two rows more are read.
        Way::Tensors { .. } => NUMBER * 8 * ((pixels * channels).min(BAND as u64) + 2 * row * channels),
    }
}

/// Bytes of the scores that tensors hold of so many rows: in F32, and scaled.
fn of_scores(rows: u64, heads: u64) -> u64 {
    2 * NUMBER * (heads * rows * rows.min(tensors::BLOCK as u64)).min((tensors::SCORES as u64).max(heads * rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::z_image::checkpoint::shape::published;

    /// The table of docs/images.md.
    #[test]
    fn the_published_networks_take_what_is_written() {
        let (text, transformer, decoder) = (published::text(), published::transformer(), published::decoder());
        let networks = Networks { text: &text, transformer: &transformer, decoder: &decoder };
        let gib = |side, way| {
            let size = Size { width: side, height: side };
            of_picture(networks, size, 64, way) as f64 / f64::from(1 << 30)
        };
        let page = include_str!("../../../../docs/images.md");
        for side in [256, 512, 1_024, 2_048] {
            let [slices, tensors] =
                [Way::Slices { threads: 2 }, Way::Tensors { activation: 2 }].map(|way| gib(side, way));
            let row = format!("| {side} x {side} | {slices:.2} GiB | {tensors:.2} GiB |");
            assert!(page.contains(&row), "docs/images.md has no row {row}");
        }
        // More of anything is never less.
        let of =
            |width, height, tokens| of_picture(networks, Size { width, height }, tokens, Way::Slices { threads: 2 });
        assert!(of(64, 64, 512) > of(64, 64, 8) && of(1_024, 512, 8) > of(512, 512, 8));
    }
}
