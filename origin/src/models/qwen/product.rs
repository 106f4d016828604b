//! Matrix products on the CPU, from rows that are made as they are needed into rows that lie somewhere.

use super::attention::slice;
use super::linear::Linear;
use super::packed::{self, Product};
use candle_core::quantized::QTensor;
use candle_core::utils::barrier_pool;
use candle_core::{Device, Result, Storage, Tensor};
use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

/// Writes the row of this number.
pub(crate) type Fill<'a> = dyn Fn(usize, &mut [f32]) + Sync + 'a;

/// Where products go: one slice per row.
pub(crate) struct Target<'a> {
    pub(crate) rows: Vec<&'a mut [f32]>,
    /// Whether they are added to what is there.
    pub(crate) add: bool,
}

impl<'a> Target<'a> {
    /// `[rows, height]`, to be overwritten.
    pub(crate) fn all(numbers: &'a mut [f32], height: usize) -> Self {
        Self { rows: numbers.chunks_exact_mut(height).collect(), add: false }
    }

    /// `[rows, height]`, to be added to.
    pub(crate) fn added(numbers: &'a mut [f32], height: usize) -> Self {
        Self { add: true, ..Self::all(numbers, height) }
    }
}

/// Multiplies `rows` rows of `width` numbers, as `fill` makes them, by each of these matrices.
pub(crate) fn multiply(
    parts: &[&Linear],
    (rows, width): (usize, usize),
    fill: &Fill<'_>,
    into: Vec<Target<'_>>,
) -> Result<()> {
    let biases = parts.iter().map(|part| part.bias.as_ref().map(numbers).transpose());
    let biases = biases.collect::<Result<Vec<_>>>()?;
    if let Some(matrices) = parts.iter().map(|part| part.matrix.packed()).collect::<Option<Vec<_>>>() {
        let products = matrices.into_iter().zip(&biases).zip(into);
        let products = products.map(|((matrix, bias), into)| Product { matrix, bias: bias.as_deref(), into });
        packed::multiply(products.collect(), rows, fill);
        return Ok(());
    }
    let input = tensor((rows, width), fill)?;
    let quantised = parts.iter().map(|part| part.matrix.quantised()).collect::<Option<Vec<_>>>();
    // candle rounds the input once for all of them, where it has a kernel for that.
    let together = match quantised {
        Some(matrices) => QTensor::gemv_fused_shared_lhs(&matrices, &input)?,
        None => None,
    };
    let outputs = match together {
        Some(outputs) => outputs,
        None => parts.iter().map(|part| part.matrix.forward(&input)).collect::<Result<Vec<_>>>()?,
    };
    for ((output, bias), into) in outputs.iter().zip(&biases).zip(into) {
        write(output, 0, bias.as_deref(), into)?;
    }
    Ok(())
}

/// `[rows, width]` as `fill` makes it.
pub(crate) fn tensor((rows, width): (usize, usize), fill: &Fill<'_>) -> Result<Tensor> {
    let mut numbers = vec![0.0; rows * width];
    in_parallel(numbers.chunks_exact_mut(width).collect(), fill);
    Tensor::from_vec(numbers, (rows, width), &Device::Cpu)
}

/// Writes the columns of `[rows, columns]` from `start` on.
pub(crate) fn write(output: &Tensor, start: usize, bias: Option<&[f32]>, into: Target<'_>) -> Result<()> {
    let numbers = numbers(output)?;
    let columns = output.dim(1)?;
    for (row, target) in into.rows.into_iter().enumerate() {
        for (number, target) in target.iter_mut().enumerate() {
            let value = numbers[row * columns + start + number] + bias.map_or(0.0, |bias| bias[number]);
            *target = if into.add { *target + value } else { value };
        }
    }
    Ok(())
}

/// The numbers of a contiguous F32 tensor on the CPU.
pub(crate) fn numbers(tensor: &Tensor) -> Result<impl Deref<Target = [f32]> + '_> {
    let (guard, layout) = tensor.storage_and_layout();
    slice(&guard)?;
    if !layout.is_contiguous() {
        candle_core::bail!("the CPU computes with contiguous tensors");
    }
    Ok(Numbers { guard, start: layout.start_offset(), count: tensor.elem_count() })
}

/// Numbers whose tensor is locked for reading.
struct Numbers<Guard> {
    guard: Guard,
    start: usize,
    count: usize,
}

impl<Guard: Deref<Target = Storage>> Deref for Numbers<Guard> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        let numbers = slice(&self.guard).expect("looked at when this was made");
        &numbers[self.start..][..self.count]
    }
}

/// Does some work on each of these parts, on all threads.
pub(crate) fn in_parallel<T: Send>(parts: Vec<T>, work: impl Fn(usize, T) + Sync) {
    if parts.len() < 2 {
        parts.into_iter().for_each(|part| work(0, part));
        return;
    }
    let parts: Vec<Mutex<Option<T>>> = parts.into_iter().map(|part| Mutex::new(Some(part))).collect();
    barrier_pool().execute_chunked(parts.len(), |range| {
        for number in range {
            // Each part is taken once; no thread can have panicked with it locked.
            let part = parts[number].lock().unwrap_or_else(PoisonError::into_inner).take();
            part.into_iter().for_each(|part| work(number, part));
        }
    });
}
