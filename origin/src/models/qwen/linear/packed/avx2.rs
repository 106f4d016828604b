//! The products, with AVX2: for processors that lack instructions for dot products of bytes.
//!
//! `vpmaddubsw` would overflow on numbers that are kept as themselves plus 128. So bytes are widened to 16 bits, even
//! and odd ones apart, which takes an instruction each for all rows of a tile, and `vpmaddwd` adds two products at a
//! time, exactly. The sums are those of the kernels with AVX-512, and so are their bits.
//!
//! A place of `unsafe`: a function that is compiled for instructions which not every processor has may only be called
//! once they have been found.
#![allow(unsafe_code)]

use super::output::{self, Output, tiles, write};
use super::{BLOCK, Eight, Four, Line, Product, STRIP, SUPER, Strips};
use crate::models::qwen::rows::{Fill, in_parallel};
use std::arch::x86_64::*;
use std::ops::Range;

/// Rows of input that are multiplied at once: the sums of both halves of a strip stay in registers.
const TILE: usize = 6;
/// Lanes of a vector; a strip is two.
const HALF: usize = STRIP / 2;

/// Whether this processor multiplies what is packed in this way.
pub(crate) fn supported() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
}

/// As [`super::multiply`].
pub(crate) fn multiply(products: Vec<Product<'_>>, rows: usize, fill: &Fill<'_>) {
    let Some(width) = products.first().map(|product| product.matrix.width) else { return };
    assert!(supported() && products.iter().all(|product| product.matrix.width == width));
    let input = Input::new(rows, width, fill);
    output::all(products, rows, |strips, part, output| {
        // SAFETY: `supported()` holds, as asserted above.
        unsafe {
            match strips {
                Strips::Eight(eight) => strips_of_eight(eight, part, &input, output),
                Strips::Four(four) => strips_of_four(four, part, &input, output),
            }
        }
    });
}

/// Rows in 16 bits, in tiles of up to [`TILE`] rows: block by block, and of each block row by row.
struct Input {
    /// Of one row.
    blocks: usize,
    numbers: Vec<Rounded>,
    tiles: Vec<Range<usize>>,
}

/// Thirty-two numbers of one row, rounded to 8 bits and kept in 16.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Rounded {
    /// Of each four columns the first and the third, and then the second and the fourth.
    pairs: [i32; BLOCK / 2],
    /// Minus 128 times their sum, which undoes the 128 that were added to each weight.
    offset: i32,
    scale: f32,
    /// Their sum, times the scale.
    sum: f32,
}

impl Input {
    fn new(rows: usize, width: usize, fill: &Fill<'_>) -> Self {
        let blocks = width / BLOCK;
        let tiles = tiles(rows, TILE);
        let mut numbers = vec![Rounded::default(); rows * blocks];
        let mut rest = &mut numbers[..];
        let parts = tiles.iter().map(|tile| {
            let part;
            (part, rest) = std::mem::take(&mut rest).split_at_mut(tile.len() * blocks);
            part
        });
        in_parallel(parts.collect(), |number, part: &mut [Rounded]| {
            let tile = tiles[number].clone();
            let mut line = vec![0.0; width];
            for (row, number) in tile.clone().enumerate() {
                fill(number, &mut line);
                // SAFETY: the caller has asserted `supported()`.
                unsafe { round(&line, part, row, tile.len()) };
            }
        });
        Self { blocks, numbers, tiles }
    }
}

/// Rounds one row of a tile: the largest number of a block becomes 127 or -127. A NaN in a block makes its scale NaN,
/// and so every result of this row.
#[target_feature(enable = "avx2,fma")]
fn round(input: &[f32], blocks: &mut [Rounded], row: usize, rows: usize) {
    for (block, input) in input.as_chunks::<BLOCK>().0.iter().enumerate() {
        // The order of numbers without a sign is that of their bits; infinity and what is no number come last.
        let most = f32::from_bits(input.iter().fold(0, |most, number| most.max(number.to_bits() & 0x7fff_ffff)));
        let factor = _mm256_set1_ps(if most == 0.0 { 0.0 } else { 127.0 / most });
        let mut whole = [0i32; BLOCK];
        for (whole, input) in whole.as_chunks_mut::<HALF>().0.iter_mut().zip(input.as_chunks::<HALF>().0) {
            // SAFETY: all are 32 bytes of which any are valid.
            unsafe {
                let numbers = std::mem::transmute::<[f32; HALF], __m256>(*input);
                let rounded = _mm256_cvtps_epi32(_mm256_mul_ps(numbers, factor));
                *whole = std::mem::transmute::<__m256i, [i32; HALF]>(rounded);
            }
        }
        let sum = whole.iter().fold(0i32, |sum, number| sum.wrapping_add(*number));
        let mut pairs = [0; BLOCK / 2];
        for (pairs, four) in pairs.as_chunks_mut::<2>().0.iter_mut().zip(whole.as_chunks::<4>().0) {
            let pair = |low: i32, high: i32| (low & 0xffff) | (high << 16);
            *pairs = [pair(four[0], four[2]), pair(four[1], four[3])];
        }
        let scale = most / 127.0;
        let sum_scaled = scale * sum as f32;
        blocks[block * rows + row] = Rounded { pairs, offset: sum.wrapping_mul(-128), scale, sum: sum_scaled };
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn strips_of_eight(eight: &Eight, strips: Range<usize>, input: &Input, output: &Output<'_>) {
    for strip in strips {
        let blocks = strip * input.blocks..(strip + 1) * input.blocks;
        let (numbers, scales) = (&eight.numbers[blocks.clone()], &eight.scales[blocks]);
        for tile in &input.tiles {
            let rows = &input.numbers[tile.start * input.blocks..tile.end * input.blocks];
            macro_rules! of {
                ($($rows:literal)*) => {
                    match tile.len() {
                        $($rows => write(tile_of_eight::<$rows>(numbers, scales, rows), tile, strip, output),)*
                        rows => unreachable!("a tile of {rows} rows"),
                    }
                };
            }
            of!(1 2 3 4 5 6);
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn strips_of_four(four: &[Four], strips: Range<usize>, input: &Input, output: &Output<'_>) {
    let supers = input.blocks / SUPER;
    for strip in strips {
        let blocks = &four[strip * supers..][..supers];
        for tile in &input.tiles {
            let rows = &input.numbers[tile.start * input.blocks..tile.end * input.blocks];
            macro_rules! of {
                ($($rows:literal)*) => {
                    match tile.len() {
                        $($rows => write(tile_of_four::<$rows>(blocks, rows), tile, strip, output),)*
                        rows => unreachable!("a tile of {rows} rows"),
                    }
                };
            }
            of!(1 2 3 4 5 6);
        }
    }
}

/// A strip of Q8_0 times the rows of a tile.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn tile_of_eight<const ROWS: usize>(
    numbers: &[[Line; BLOCK / 4]],
    scales: &[[u16; STRIP]],
    rows: &[Rounded],
) -> [[f32; STRIP]; ROWS] {
    let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
    let even = _mm256_set1_epi16(0xff);
    for ((lines, scales), rows) in numbers.iter().zip(scales).zip(rows.as_chunks::<ROWS>().0) {
        let mut whole: [[__m256i; 2]; ROWS] = std::array::from_fn(|row| [_mm256_set1_epi32(rows[row].offset); 2]);
        for (line, number) in lines.iter().zip(0..) {
            let bytes = halves(line);
            add(&mut whole, bytes.map(|half| _mm256_and_si256(half, even)), rows, 2 * number);
            add(&mut whole, bytes.map(|half| _mm256_srli_epi16::<8>(half)), rows, 2 * number + 1);
        }
        let scales = f16s(scales);
        for row in 0..ROWS {
            let scale = _mm256_set1_ps(rows[row].scale);
            for half in 0..2 {
                let product = _mm256_cvtepi32_ps(whole[row][half]);
                sums[row][half] = _mm256_fmadd_ps(product, _mm256_mul_ps(scales[half], scale), sums[row][half]);
            }
        }
    }
    sums.map(|halves| store(halves))
}

/// A strip of Q4K times the rows of a tile.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn tile_of_four<const ROWS: usize>(blocks: &[Four], rows: &[Rounded]) -> [[f32; STRIP]; ROWS] {
    let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
    let low = _mm256_set1_epi16(15);
    for (block, rows) in blocks.iter().zip(rows.as_chunks::<ROWS>().0.as_chunks::<SUPER>().0) {
        let (scale, least) = (f16s(&block.scale), f16s(&block.least));
        for (part, rows) in rows.iter().enumerate() {
            let mut whole = [[_mm256_setzero_si256(); 2]; ROWS];
            for (line, number) in block.numbers[part].iter().zip(0..) {
                let bytes = halves(line);
                // The low halves are of columns that come before those of the high ones by half a block.
                let behind = 2 * number + BLOCK / 4;
                add(&mut whole, bytes.map(|half| _mm256_and_si256(half, low)), rows, 2 * number);
                let odd = bytes.map(|half| _mm256_and_si256(_mm256_srli_epi16::<8>(half), low));
                add(&mut whole, odd, rows, 2 * number + 1);
                let even = bytes.map(|half| _mm256_and_si256(_mm256_srli_epi16::<4>(half), low));
                add(&mut whole, even, rows, behind);
                add(&mut whole, bytes.map(|half| _mm256_srli_epi16::<12>(half)), rows, behind + 1);
            }
            let (scales, leasts) = (bytes_to_floats(&block.scales[part]), bytes_to_floats(&block.leasts[part]));
            for half in 0..2 {
                let scale = _mm256_mul_ps(scale[half], scales[half]);
                let least = _mm256_mul_ps(least[half], leasts[half]);
                for row in 0..ROWS {
                    let rounded = &rows[row];
                    let product = _mm256_cvtepi32_ps(whole[row][half]);
                    let scale = _mm256_mul_ps(scale, _mm256_set1_ps(rounded.scale));
                    let sum = _mm256_fnmadd_ps(least, _mm256_set1_ps(rounded.sum), sums[row][half]);
                    sums[row][half] = _mm256_fmadd_ps(product, scale, sum);
                }
            }
        }
    }
    sums.map(|halves| store(halves))
}

/// Adds two columns of a strip times a pair of each row.
#[target_feature(enable = "avx2")]
#[inline]
fn add<const ROWS: usize>(sums: &mut [[__m256i; 2]; ROWS], weights: [__m256i; 2], rows: &[Rounded; ROWS], pair: usize) {
    for row in 0..ROWS {
        let numbers = _mm256_set1_epi32(rows[row].pairs[pair]);
        for half in 0..2 {
            sums[row][half] = _mm256_add_epi32(sums[row][half], _mm256_madd_epi16(weights[half], numbers));
        }
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn halves(line: &Line) -> [__m256i; 2] {
    // SAFETY: both are 64 bytes of which any are valid.
    unsafe { std::mem::transmute::<[u8; 64], [__m256i; 2]>(line.0) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn store(lanes: [__m256; 2]) -> [f32; STRIP] {
    // SAFETY: both are 64 bytes of which any are valid.
    unsafe { std::mem::transmute::<[__m256; 2], [f32; STRIP]>(lanes) }
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
fn f16s(numbers: &[u16; STRIP]) -> [__m256; 2] {
    // SAFETY: both are 32 bytes of which any are valid.
    let halves = unsafe { std::mem::transmute::<[u16; STRIP], [__m128i; 2]>(*numbers) };
    halves.map(|half| _mm256_cvtph_ps(half))
}

#[target_feature(enable = "avx2")]
#[inline]
fn bytes_to_floats(bytes: &[u8; STRIP]) -> [__m256; 2] {
    // SAFETY: both are 16 bytes of which any are valid.
    let bytes = unsafe { std::mem::transmute::<[u8; STRIP], __m128i>(*bytes) };
    [bytes, _mm_srli_si128::<8>(bytes)].map(|half| _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(half)))
}
