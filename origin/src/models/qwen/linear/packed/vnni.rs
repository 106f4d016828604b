//! The products, with AVX-512 and its instruction for dot products of bytes (`vpdpbusd`, "VNNI").
//!
//! A place of `unsafe`: a function that is compiled for instructions which not every processor has may only be called
//! once they have been found.
#![allow(unsafe_code)]

use super::output::{self, Output, tiles, write};
use super::{BLOCK, Eight, Four, Line, Product, STRIP, SUPER, Strips};
use crate::models::qwen::rows::{Fill, in_parallel};
use std::arch::x86_64::*;
use std::ops::Range;

/// How far ahead of what is multiplied weights are fetched, in bytes: of 4, 16 and 32 KiB the quickest, and a third
/// quicker than none.
const AHEAD: usize = 4_096;

/// Whether this processor multiplies what is packed.
pub(crate) fn supported() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vnni")
        && is_x86_feature_detected!("f16c")
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

/// Rows of input that are multiplied at once: their sums and a block of weights stay in registers.
const TILE: usize = 8;

/// Rows in 8 bits, in tiles of up to [`TILE`] rows: block by block, and of each block row by row.
struct Input {
    /// Of one row.
    blocks: usize,
    numbers: Vec<Rounded>,
    tiles: Vec<Range<usize>>,
}

/// Thirty-two numbers of one row.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Rounded {
    /// Four numbers each, as their bytes lie.
    numbers: [i32; BLOCK / 4],
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
#[target_feature(enable = "avx512f,avx512bw")]
fn round(input: &[f32], blocks: &mut [Rounded], row: usize, rows: usize) {
    let absolute = _mm512_set1_epi32(i32::MAX);
    for (block, input) in input.as_chunks::<BLOCK>().0.iter().enumerate() {
        let [low, high] = halves(input);
        // The order of numbers without a sign is that of their bits; infinity and what is no number come last.
        let bits = |half| _mm512_and_si512(_mm512_castps_si512(half), absolute);
        let most = f32::from_bits(_mm512_reduce_max_epu32(_mm512_max_epu32(bits(low), bits(high))));
        let factor = _mm512_set1_ps(if most == 0.0 { 0.0 } else { 127.0 / most });
        let whole = |half| _mm512_cvtps_epi32(_mm512_mul_ps(half, factor));
        let (low, high) = (whole(low), whole(high));
        let sum = _mm512_reduce_add_epi32(_mm512_add_epi32(low, high));
        let bytes: [[i32; BLOCK / 8]; 2] = [low, high].map(|half| {
            // SAFETY: both are sixteen bytes of which any are valid.
            unsafe { std::mem::transmute::<__m128i, [i32; BLOCK / 8]>(_mm512_cvtepi32_epi8(half)) }
        });
        let [[a, b, c, d], [e, f, g, h]] = bytes;
        let scale = most / 127.0;
        blocks[block * rows + row] = Rounded {
            numbers: [a, b, c, d, e, f, g, h],
            offset: sum.wrapping_mul(-128),
            scale,
            sum: scale * sum as f32,
        };
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn halves(numbers: &[f32; BLOCK]) -> [__m512; 2] {
    // SAFETY: both are 128 bytes of which any are valid.
    unsafe { std::mem::transmute::<[f32; BLOCK], [__m512; 2]>(*numbers) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni,f16c")]
fn strips_of_eight(eight: &Eight, mut strips: Range<usize>, input: &Input, output: &Output<'_>) {
    let whole = |strip: usize| {
        let blocks = strip * input.blocks..(strip + 1) * input.blocks;
        (&eight.numbers[blocks.clone()], &eight.scales[blocks])
    };
    // One row waits for its weights alone, and less for those of two strips, which come from two places.
    if let [tile] = &input.tiles[..]
        && tile.len() == 1
    {
        while strips.len() >= 2 {
            let both = [strips.start, strips.start + 1];
            let sums = two_of_eight(both.map(whole), &input.numbers);
            both.into_iter().zip(sums).for_each(|(strip, sums)| write([sums], tile, strip, output));
            strips.start += 2;
        }
    }
    for strip in strips {
        let (numbers, scales) = whole(strip);
        for (number, tile) in input.tiles.iter().enumerate() {
            let rows = &input.numbers[tile.start * input.blocks..tile.end * input.blocks];
            macro_rules! of {
                ($($rows:literal)*) => {
                    match (tile.len(), number) {
                        $(($rows, 0) => write(tile_of_eight::<$rows, true>((numbers, scales), rows), tile, strip, output),
                        ($rows, _) => write(tile_of_eight::<$rows, false>((numbers, scales), rows), tile, strip, output),)*
                        (rows, _) => unreachable!("a tile of {rows} rows"),
                    }
                };
            }
            of!(1 2 3 4 5 6 7 8);
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni,f16c")]
fn strips_of_four(four: &[Four], strips: Range<usize>, input: &Input, output: &Output<'_>) {
    let supers = input.blocks / SUPER;
    for strip in strips {
        let blocks = &four[strip * supers..][..supers];
        for (number, tile) in input.tiles.iter().enumerate() {
            let rows = &input.numbers[tile.start * input.blocks..tile.end * input.blocks];
            macro_rules! of {
                ($($rows:literal)*) => {
                    match (tile.len(), number) {
                        $(($rows, 0) => write(tile_of_four::<$rows, true>(blocks, rows), tile, strip, output),
                        ($rows, _) => write(tile_of_four::<$rows, false>(blocks, rows), tile, strip, output),)*
                        (rows, _) => unreachable!("a tile of {rows} rows"),
                    }
                };
            }
            of!(1 2 3 4 5 6 7 8);
        }
    }
}

/// The numbers and scales of one strip of Q8_0.
type Blocks<'a> = (&'a [[Line; BLOCK / 4]], &'a [[u16; STRIP]]);

/// A strip of Q8_0 times the rows of a tile. `FETCH` asks for what comes next: the first tile does, for all.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,f16c")]
#[inline]
fn tile_of_eight<const ROWS: usize, const FETCH: bool>(
    (numbers, scales): Blocks<'_>,
    rows: &[Rounded],
) -> [[f32; STRIP]; ROWS] {
    let mut sums = [_mm512_setzero_ps(); ROWS];
    for ((lines, scales), rows) in numbers.iter().zip(scales).zip(rows.as_chunks::<ROWS>().0) {
        if FETCH {
            lines.iter().for_each(|line| fetch(line, AHEAD));
            fetch(scales, AHEAD / STRIP);
        }
        let lines: [__m512i; BLOCK / 4] = std::array::from_fn(|line| load(&lines[line]));
        let scales = f16s(scales);
        for row in 0..ROWS {
            let products = dot(&lines, &rows[row], rows[row].offset);
            let scale = _mm512_mul_ps(scales, _mm512_set1_ps(rows[row].scale));
            sums[row] = _mm512_fmadd_ps(products, scale, sums[row]);
        }
    }
    sums.map(|lanes| store(lanes))
}

/// Two strips of Q8_0 times one row. It repeats the lines of [`tile_of_eight`]: the compiler did not inline a function
/// for both into that loop, and prefill was a sixth slower.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,f16c")]
#[inline]
fn two_of_eight([first, second]: [Blocks<'_>; 2], row: &[Rounded]) -> [[f32; STRIP]; 2] {
    let mut sums = [_mm512_setzero_ps(); 2];
    let (first, second) = (first.0.iter().zip(first.1), second.0.iter().zip(second.1));
    for ((first, second), row) in first.zip(second).zip(row) {
        for ((lines, scales), sum) in [first, second].into_iter().zip(&mut sums) {
            lines.iter().for_each(|line| fetch(line, AHEAD));
            fetch(scales, AHEAD / STRIP);
            let lines: [__m512i; BLOCK / 4] = std::array::from_fn(|line| load(&lines[line]));
            let scale = _mm512_mul_ps(f16s(scales), _mm512_set1_ps(row.scale));
            *sum = _mm512_fmadd_ps(dot(&lines, row, row.offset), scale, *sum);
        }
    }
    sums.map(|lanes| store(lanes))
}

/// A strip of Q4K times the rows of a tile.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,f16c")]
#[inline]
fn tile_of_four<const ROWS: usize, const FETCH: bool>(blocks: &[Four], rows: &[Rounded]) -> [[f32; STRIP]; ROWS] {
    let mut sums = [_mm512_setzero_ps(); ROWS];
    let low = _mm512_set1_epi8(15);
    for (block, rows) in blocks.iter().zip(rows.as_chunks::<ROWS>().0.as_chunks::<SUPER>().0) {
        let (scale, least) = (f16s(&block.scale), f16s(&block.least));
        if FETCH {
            fetch(&block.scale, AHEAD);
            block.scales.as_chunks::<4>().0.iter().for_each(|line| fetch(line, AHEAD));
            block.leasts.as_chunks::<4>().0.iter().for_each(|line| fetch(line, AHEAD));
        }
        for (part, rows) in rows.iter().enumerate() {
            if FETCH {
                block.numbers[part].iter().for_each(|line| fetch(line, AHEAD));
            }
            let bytes: [__m512i; BLOCK / 8] = std::array::from_fn(|line| load(&block.numbers[part][line]));
            let lines: [__m512i; BLOCK / 4] = std::array::from_fn(|line| match line {
                0..4 => _mm512_and_si512(bytes[line], low),
                _ => _mm512_and_si512(_mm512_srli_epi16::<4>(bytes[line - 4]), low),
            });
            let scale = _mm512_mul_ps(scale, bytes_to_floats(&block.scales[part]));
            let least = _mm512_mul_ps(least, bytes_to_floats(&block.leasts[part]));
            for row in 0..ROWS {
                let rounded = &rows[row];
                let scale = _mm512_mul_ps(scale, _mm512_set1_ps(rounded.scale));
                let sum = _mm512_fnmadd_ps(least, _mm512_set1_ps(rounded.sum), sums[row]);
                sums[row] = _mm512_fmadd_ps(dot(&lines, rounded, 0), scale, sum);
            }
        }
    }
    sums.map(|lanes| store(lanes))
}

/// Thirty-two columns of sixteen rows of weights times as many numbers of an input, exact, from `start` on.
#[target_feature(enable = "avx512f,avx512vnni")]
#[inline]
fn dot(lines: &[__m512i; BLOCK / 4], input: &Rounded, start: i32) -> __m512 {
    let mut sum = _mm512_set1_epi32(start);
    for (line, numbers) in lines.iter().zip(input.numbers) {
        sum = _mm512_dpbusd_epi32(sum, *line, _mm512_set1_epi32(numbers));
    }
    _mm512_cvtepi32_ps(sum)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load(line: &Line) -> __m512i {
    // SAFETY: both are 64 bytes of which any are valid.
    unsafe { std::mem::transmute::<[u8; 64], __m512i>(line.0) }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn store(lanes: __m512) -> [f32; STRIP] {
    // SAFETY: both are 64 bytes of which any are valid.
    unsafe { std::mem::transmute::<__m512, [f32; STRIP]>(lanes) }
}

#[target_feature(enable = "avx512f,f16c")]
#[inline]
fn f16s(numbers: &[u16; STRIP]) -> __m512 {
    // SAFETY: both are 32 bytes of which any are valid.
    _mm512_cvtph_ps(unsafe { std::mem::transmute::<[u16; STRIP], __m256i>(*numbers) })
}

#[target_feature(enable = "avx512f")]
#[inline]
fn bytes_to_floats(bytes: &[u8; STRIP]) -> __m512 {
    // SAFETY: both are 16 bytes of which any are valid.
    let bytes = unsafe { std::mem::transmute::<[u8; STRIP], __m128i>(*bytes) };
    _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes))
}

/// Asks the processor for the line so many bytes behind this one, into its second cache. In the first cache it would
/// drive out what is in use (15 % slower at one row; docs/engine.md).
#[target_feature(enable = "avx512f")]
#[inline]
fn fetch<T>(line: &T, ahead: usize) {
    // A hint, which may point anywhere: the processor drops what it cannot fetch.
    _mm_prefetch::<_MM_HINT_T1>(std::ptr::from_ref(line).cast::<i8>().wrapping_add(ahead));
}
