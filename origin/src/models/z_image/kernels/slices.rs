//! The kernels on the CPU. Some rows are one part of the work, whichever thread takes it.

use super::Angles;
use crate::models::qwen::activation;
use crate::models::qwen::attention::attend_to_all_on_cpu;
use crate::models::qwen::attention::store::Heads;
use crate::models::qwen::rows::{in_parallel, numbers};
use candle_core::{Device, Result, Tensor};

/// Rows that one thread takes at a time.
const BLOCK: usize = 16;

/// Makes `[rows, width]`, each row by its number.
pub(crate) fn rows(rows: usize, width: usize, row: impl Fn(usize, &mut [f32]) + Sync) -> Result<Tensor> {
    let mut made = vec![0.0; rows * width];
    in_parallel(made.chunks_mut(BLOCK * width).collect(), |block, part: &mut [f32]| {
        for (number, line) in part.chunks_exact_mut(width).enumerate() {
            row(block * BLOCK + number, line);
        }
    });
    Tensor::from_vec(made, (rows, width), &Device::Cpu)
}

pub(super) fn normed(input: &Tensor, weights: &Tensor, eps: f32) -> Result<Tensor> {
    let (count, width) = input.dims2()?;
    let (input, weights) = (numbers(input)?, numbers(weights)?);
    rows(count, width, |row, line| activation::normed(&input[row * width..][..width], &weights, eps, line))
}

pub(super) fn plus_normed(before: &Tensor, input: &Tensor, weights: &Tensor, eps: f32) -> Result<Tensor> {
    let (count, width) = input.dims2()?;
    let (before, input, weights) = (numbers(before)?, numbers(input)?, numbers(weights)?);
    rows(count, width, |row, line| {
        let part = row * width..(row + 1) * width;
        activation::normed(&input[part.clone()], &weights, eps, line);
        line.iter_mut().zip(&before[part]).for_each(|(number, before)| *number += before);
    })
}

pub(super) fn plus(left: &Tensor, right: &Tensor) -> Result<Tensor> {
    let (count, width) = left.dims2()?;
    let (left, right) = (numbers(left)?, numbers(right)?);
    rows(count, width, |row, line| {
        let part = row * width..(row + 1) * width;
        line.iter_mut().zip(&left[part.clone()]).zip(&right[part]).for_each(|((sum, left), right)| *sum = left + right);
    })
}

pub(super) fn centred(input: &Tensor, weights: &Tensor, eps: f64) -> Result<Tensor> {
    let (count, width) = input.dims2()?;
    let (input, weights) = (numbers(input)?, numbers(weights)?);
    rows(count, width, |row, line| {
        let input = &input[row * width..][..width];
        let mean = input.iter().map(|number| f64::from(*number)).sum::<f64>() / width as f64;
        let square = |number: &f32| (f64::from(*number) - mean).powi(2);
        let factor = 1.0 / (input.iter().map(square).sum::<f64>() / width as f64 + eps).sqrt();
        for ((number, input), weight) in line.iter_mut().zip(input).zip(&*weights) {
            *number = ((f64::from(*input) - mean) * factor) as f32 * weight;
        }
    })
}

pub(super) fn turned(input: &Tensor, weights: &Tensor, angles: &Angles, eps: f32) -> Result<Tensor> {
    let (count, width) = input.dims2()?;
    let (input, weights) = (numbers(input)?, numbers(weights)?);
    let (cosines, sines) = (numbers(&angles.cosines)?, numbers(&angles.sines)?);
    let (head, pairs) = (weights.len(), weights.len() / 2);
    rows(count, width, |row, line| {
        let (cosines, sines) = (&cosines[row * pairs..][..pairs], &sines[row * pairs..][..pairs]);
        for (input, head) in input[row * width..][..width].chunks_exact(head).zip(line.chunks_exact_mut(head)) {
            activation::normed(input, &weights, eps, head);
            for ((pair, cosine), sine) in head.chunks_exact_mut(2).zip(cosines).zip(sines) {
                let (real, imaginary) = (pair[0], pair[1]);
                pair[0] = real * cosine - imaginary * sine;
                pair[1] = real * sine + imaginary * cosine;
            }
        }
    })
}

pub(super) fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    let (count, width) = gate.dims2()?;
    let (gate, up) = (numbers(gate)?, numbers(up)?);
    rows(count, width, |row, line| {
        let part = row * width..(row + 1) * width;
        activation::swiglu(&gate[part.clone()], &up[part], line);
    })
}

pub(super) fn attention([queries, keys, values]: [&Tensor; 3], heads: Heads) -> Result<Tensor> {
    let (count, width) = queries.dims2()?;
    let mut seen = vec![0.0; count * width];
    attend_to_all_on_cpu(heads, [&numbers(queries)?, &numbers(keys)?, &numbers(values)?], &mut seen);
    Tensor::from_vec(seen, (count, width), &Device::Cpu)
}
