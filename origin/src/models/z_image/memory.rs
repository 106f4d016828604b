//! How much memory a picture takes besides the weights: known before it is begun.

use super::checkpoint::shape::{DecoderShape, TransformerShape};
use super::size::Size;
use super::transformer::ROWS;

/// Bytes of one number.
const NUMBER: u64 = 4;
/// Rows whose scores attention holds for each thread.
const SCORES: u64 = 8;
/// Columns of a product that one thread takes at a time, and so widens of a matrix in BF16.
const STRIP: u64 = 48;
/// Numbers of the matrix that a band of a convolution becomes, at most; half as much again is read and made beside it.
const BAND: u64 = 4 << 20;
/// Places of a convolution around a pixel, its own among them.
const PLACES: u64 = 9;

/// Bytes that a picture of this size takes at most while it is drawn on the CPU, with a caption of so many tokens and
/// so many threads. The text encoder takes less than the transformer does for the same rows.
pub fn of_picture(
    transformer: &TransformerShape,
    decoder: &DecoderShape,
    size: Size,
    tokens: usize,
    threads: usize,
) -> u64 {
    let threads = threads as u64;
    let most = steps(transformer, decoder, size, tokens, threads).max(pixels(decoder, size, threads));
    // Latents, patches, features, what the time becomes: small beside all of this.
    most + most / 16
}

/// While the transformer computes.
fn steps(shape: &TransformerShape, decoder: &DecoderShape, size: Size, tokens: usize, threads: u64) -> u64 {
    let unit = shape.patch * decoder.factor();
    let picture = (size.width / unit * (size.height / unit)).next_multiple_of(ROWS) as u64;
    let caption = tokens.next_multiple_of(ROWS) as u64;
    let (rows, dim, inner) = (picture + caption, shape.dim as u64, shape.inner() as u64);
    // The rows themselves, and normed. Then queries, keys and values with what becomes of them, and keys and values
    // once more as attention reads them, or gate, up and what is made of both.
    let attention = rows * 7 * dim;
    let mlp = rows * (3 * inner).max(inner + dim);
    let angles = rows * shape.head() as u64;
    let scratch = threads * (SCORES * (rows + 64) + STRIP * inner.max(dim));
    // Products keep a slice for each strip of each row, and attention one for each head, locked.
    let pointers = rows * (16 * inner.div_ceil(STRIP) + 32 * shape.heads as u64);
    NUMBER * (rows * 2 * dim + caption * dim + attention.max(mlp) + angles + scratch) + pointers
}

/// While the decoder computes: the widest maps that are alive together, of the block where that is most.
fn pixels(shape: &DecoderShape, size: Size, threads: u64) -> u64 {
    let factor = shape.factor();
    let smallest = (size.width / factor * (size.height / factor)) as u64;
    let widest = shape.widest() as u64;
    // What comes in, normed; queries, keys and values; keys and values as they are read; what was seen.
    let attention = smallest * 8 * widest + threads * SCORES * (smallest + 64);
    let band = |pixels: u64, channels: u64| (PLACES * pixels * channels).min(BAND) * 3 / 2;
    let mut most = attention;
    let (mut before, count) = (widest, shape.blocks.len());
    for (block, channels) in shape.blocks.iter().rev().enumerate() {
        let pixels = smallest << (2 * block);
        let channels = *channels as u64;
        // The first residual block: its input, what is between, and what is beside; then three of the same.
        let residual = pixels * (before + 2 * channels).max(3 * channels);
        most = most.max(residual + band(pixels, before.max(channels)));
        if block + 1 < count {
            // What there is, and four times as much.
            most = most.max(pixels * 5 * channels + band(4 * pixels, channels));
        }
        before = channels;
    }
    NUMBER * most
}
