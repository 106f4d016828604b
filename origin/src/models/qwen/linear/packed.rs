//! Matrices in 8 and 4 bits, laid out for processors that multiply bytes (AVX-512 VNNI), or else words (AVX2).
//!
//! GGUF keeps each row's blocks one after another. Here sixteen rows are a *strip*. In each block of 32 columns the
//! numbers of a strip lie so that one instruction multiplies four columns of all sixteen rows with four numbers of an
//! input. That needs no sums across a vector, and reads every byte once, in order. The numbers are those of the file;
//! nothing is rounded again.
//!
//! Inputs are rounded to 8 bits, 32 numbers to a scale, as candle and llama.cpp do for Q8_0. Products are whole numbers
//! and exact; blocks are added up from first to last. A row's result has the same bits whatever is computed beside it.

mod avx2;
mod output;
mod vnni;

use crate::models::qwen::pages::{List, Pages};
use crate::models::qwen::rows::{Fill, Target};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Result, bail};
use half::f16;

/// Rows of a matrix whose numbers lie side by side: as many as a vector has 32-bit lanes.
const STRIP: usize = 16;
/// Columns that share a scale.
const BLOCK: usize = 32;
/// Blocks of a Q4K superblock.
const SUPER: usize = 8;

/// A matrix `[height, width]` of quantised weights.
#[derive(Debug)]
pub(crate) struct Packed {
    height: usize,
    width: usize,
    strips: Strips,
}

#[derive(Debug)]
enum Strips {
    Eight(Eight),
    /// One after another: strip by strip, superblock by superblock.
    Four(List<Four>),
}

/// Sixty-four bytes that one load fetches from one line of the cache.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Q8_0: strip by strip, block by block.
#[derive(Debug)]
struct Eight {
    /// Per block eight lines of four columns each; a number is kept as itself plus 128.
    numbers: List<[Line; BLOCK / 4]>,
    /// F16, as in the file.
    scales: List<[u16; STRIP]>,
}

/// Q4K: 256 columns of a strip.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Four {
    /// F16, as in the file: what the blocks' scales and least values are multiplied by.
    scale: [u16; STRIP],
    least: [u16; STRIP],
    /// Six bits each.
    scales: [[u8; STRIP]; SUPER],
    leasts: [[u8; STRIP]; SUPER],
    /// Per block four lines: line `n` has columns `4 n` in its low halves and `4 (n + 4)` in its high ones.
    numbers: [[Line; BLOCK / 8]; SUPER],
}

impl Packed {
    /// The matrix of a tensor of Q8_0 or Q4K on the CPU, laid into these pages; `None` of another type, or where the
    /// processor lacks what it takes to multiply it.
    pub(crate) fn new(tensor: &QTensor, pages: &mut Pages) -> Result<Option<Self>> {
        let block = match tensor.dtype() {
            GgmlDType::Q8_0 => BLOCK,
            GgmlDType::Q4K => BLOCK * SUPER,
            _ => return Ok(None),
        };
        let (height, width) = tensor.shape().dims2()?;
        if !supported() || !tensor.device().is_cpu() || !width.is_multiple_of(block) {
            return Ok(None);
        }
        let bytes = tensor.data()?;
        let row = width / block * tensor.dtype().type_size();
        if bytes.len() != row * height {
            bail!("a matrix of {height} rows of {row} bytes has {} bytes", bytes.len());
        }
        let rows: Vec<&[u8]> = bytes.chunks_exact(row).collect();
        let strips = match tensor.dtype() {
            GgmlDType::Q8_0 => Strips::Eight(Eight::pack(&rows, width / block, pages)),
            _ => {
                let mut strips = pages.list(rows.len().div_ceil(STRIP) * (width / block));
                let blocks = rows.chunks(STRIP).flat_map(|rows| Four::pack(rows, width / block));
                blocks.for_each(|block| strips.push(block));
                Strips::Four(strips)
            }
        };
        Ok(Some(Self { height, width, strips }))
    }

    pub(crate) fn height(&self) -> usize {
        self.height
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        match &self.strips {
            Strips::Eight(eight) => size_of_val(&*eight.numbers) + size_of_val(&*eight.scales),
            Strips::Four(four) => size_of_val(&**four),
        }
    }

    /// Appends one row's numbers. Panics if there is no such row.
    pub(crate) fn row(&self, row: usize, numbers: &mut Vec<f32>) {
        assert!(row < self.height, "row {row} of {}", self.height);
        let (strip, lane) = (row / STRIP, row % STRIP);
        let number = |scale: u16| f16::from_bits(scale).to_f32();
        match &self.strips {
            Strips::Eight(eight) => {
                let blocks = strip * (self.width / BLOCK)..(strip + 1) * (self.width / BLOCK);
                for (lines, scales) in eight.numbers[blocks.clone()].iter().zip(&eight.scales[blocks]) {
                    let values = (0..BLOCK).map(|column| lines[column / 4].0[lane * 4 + column % 4]);
                    numbers.extend(values.map(|value| (f32::from(value) - 128.0) * number(scales[lane])));
                }
            }
            Strips::Four(four) => {
                let supers = self.width / BLOCK / SUPER;
                for block in &four[strip * supers..][..supers] {
                    for part in 0..SUPER {
                        let scale = number(block.scale[lane]) * f32::from(block.scales[part][lane]);
                        let least = number(block.least[lane]) * f32::from(block.leasts[part][lane]);
                        numbers.extend((0..BLOCK).map(|column| {
                            let line = block.numbers[part][column / 4 % 4].0[lane * 4 + column % 4];
                            f32::from(if column < BLOCK / 2 { line & 15 } else { line >> 4 }) * scale - least
                        }));
                    }
                }
            }
        }
    }

    /// What `[rows, width]` becomes by this matrix: `[rows, height]`.
    pub(crate) fn forward(&self, input: &[f32]) -> Vec<f32> {
        let rows = input.len() / self.width;
        let mut output = vec![0.0; rows * self.height];
        let fill = |row: usize, line: &mut [f32]| line.copy_from_slice(&input[row * self.width..][..self.width]);
        multiply(vec![Product { matrix: self, bias: None, into: Target::all(&mut output, self.height) }], rows, &fill);
        output
    }
}

/// Whether this processor multiplies what is packed.
pub(crate) fn supported() -> bool {
    vnni::supported() || avx2::supported()
}

/// Multiplies as many rows as `fill` writes (a row's number, and where it goes) by each of these matrices of one width.
/// Panics if widths or rows differ.
pub(crate) fn multiply(products: Vec<Product<'_>>, rows: usize, fill: &Fill<'_>) {
    if vnni::supported() { vnni::multiply(products, rows, fill) } else { avx2::multiply(products, rows, fill) }
}

/// A matrix, what is added to each row of its products, and where they go.
pub(crate) struct Product<'a> {
    pub(crate) matrix: &'a Packed,
    /// `[height]`.
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) into: Target<'a>,
}

impl Eight {
    fn pack(rows: &[&[u8]], blocks: usize, pages: &mut Pages) -> Self {
        const SIZE: usize = 2 + BLOCK;
        let count = rows.len().div_ceil(STRIP) * blocks;
        let mut packed = Self { numbers: pages.list(count), scales: pages.list(count) };
        for strip in rows.chunks(STRIP) {
            for block in 0..blocks {
                // Rows that a last strip lacks: nothing, times nothing.
                let (mut lines, mut scales) = ([Line([128; 64]); BLOCK / 4], [0; STRIP]);
                for (lane, row) in strip.iter().enumerate() {
                    let bytes = &row[block * SIZE..][..SIZE];
                    scales[lane] = u16::from_le_bytes([bytes[0], bytes[1]]);
                    for (column, byte) in bytes[2..].iter().enumerate() {
                        // Two's complement plus 128.
                        lines[column / 4].0[lane * 4 + column % 4] = byte ^ 128;
                    }
                }
                packed.numbers.push(lines);
                packed.scales.push(scales);
            }
        }
        packed
    }
}

impl Four {
    fn pack<'a>(rows: &'a [&'a [u8]], supers: usize) -> impl Iterator<Item = Self> + use<'a> {
        const SIZE: usize = 144;
        (0..supers).map(move |number| {
            let mut block = Self {
                scale: [0; STRIP],
                least: [0; STRIP],
                scales: [[0; STRIP]; SUPER],
                leasts: [[0; STRIP]; SUPER],
                numbers: [[Line([0; 64]); BLOCK / 8]; SUPER],
            };
            for (lane, row) in rows.iter().enumerate() {
                let bytes = &row[number * SIZE..][..SIZE];
                block.scale[lane] = u16::from_le_bytes([bytes[0], bytes[1]]);
                block.least[lane] = u16::from_le_bytes([bytes[2], bytes[3]]);
                let (scales, halves) = bytes[4..].split_at(12);
                for part in 0..SUPER {
                    (block.scales[part][lane], block.leasts[part][lane]) = six_bits(scales, part);
                    for column in 0..BLOCK {
                        // Two blocks share 32 bytes: the first has the low halves.
                        let byte = halves[part / 2 * BLOCK + column];
                        let half = if part % 2 == 0 { byte & 15 } else { byte >> 4 };
                        let place = &mut block.numbers[part][column / 4 % 4].0[lane * 4 + column % 4];
                        *place |= if column < BLOCK / 2 { half } else { half << 4 };
                    }
                }
            }
            block
        })
    }
}

/// A block's scale and least value, of the twelve bytes that hold those of eight (ggml's `get_scale_min_k4`).
fn six_bits(bytes: &[u8], block: usize) -> (u8, u8) {
    match block {
        0..4 => (bytes[block] & 63, bytes[block + 4] & 63),
        _ => {
            let low = bytes[block + 4];
            ((low & 15) | (bytes[block - 4] >> 6 << 4), (low >> 4) | (bytes[block] >> 6 << 4))
        }
    }
}

#[cfg(test)]
mod tests;
