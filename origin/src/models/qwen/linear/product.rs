//! Matrix products on the CPU. Their input rows are made as they are needed, and their output goes into given slices.

use super::Linear;
use super::packed::{self, Product};
use crate::models::qwen::rows::{Fill, Target, in_parallel, numbers};
use candle_core::quantized::QTensor;
use candle_core::{Device, Result, Tensor};

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
