//! What each slot remembers of its sequence, and attention over it.
//!
//! A slot takes memory for what its sequence may become, writes in place, and gives the memory back when the sequence is
//! over. On the CPU a layer's memory is a [`Store`] of ours; elsewhere it is a pair of tensors,
//! `[key heads, capacity, width]`.

use super::cpu;
use super::store::{Heads, Store};
use candle_core::{CpuStorage, D, DType, Device, Result, Storage, Tensor};
use std::ops::Range;

/// The memory of one slot.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// One per layer; none as long as the slot is free.
    layers: Vec<Layer>,
    capacity: usize,
    len: usize,
}

#[derive(Debug)]
enum Layer {
    Cpu(Store),
    Device(Tensor, Tensor),
}

/// One slot's rows in a step.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) slot: usize,
    /// Its rows in the step.
    pub(crate) rows: Range<usize>,
    /// How many positions came before.
    pub(crate) position: usize,
}

/// What a layer has computed for the rows of a step: `[rows, heads, width]` each.
pub(crate) struct Projected {
    pub(crate) queries: Tensor,
    pub(crate) keys: Tensor,
    pub(crate) values: Tensor,
}

impl Memory {
    /// Takes memory for this many positions.
    pub(crate) fn reserve(
        &mut self,
        layers: usize,
        heads: Heads,
        capacity: usize,
        (dtype, device): (DType, &Device),
    ) -> Result<()> {
        self.release();
        let shape = (heads.key, capacity, heads.width);
        let layer = || match device.is_cpu() {
            true => Ok(Layer::Cpu(Store::new(heads, capacity))),
            false => Ok(Layer::Device(Tensor::zeros(shape, dtype, device)?, Tensor::zeros(shape, dtype, device)?)),
        };
        let layers = (0..layers).map(|_| layer()).collect::<Result<_>>()?;
        *self = Self { layers, capacity, len: 0 };
        Ok(())
    }

    /// Forgets everything and gives the memory back.
    pub(crate) fn release(&mut self) {
        *self = Self::default();
    }

    /// Positions that are remembered.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Positions that there is room for.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// After all layers of a step are written.
    pub(crate) fn advance(&mut self, rows: usize) {
        self.len += rows;
    }

    /// Remembers the first positions of another slot, and nothing else. They are copies: neither sees what the other
    /// does later. Both have room for them.
    pub(crate) fn copy_prefix(&mut self, heads: Heads, from: &Self, len: usize) -> Result<()> {
        for (layer, from) in self.layers.iter_mut().zip(&from.layers) {
            match (layer, from) {
                (Layer::Cpu(store), Layer::Cpu(from)) => store.copy_prefix(heads, from, len),
                (Layer::Device(keys, values), Layer::Device(from_keys, from_values)) => {
                    keys.slice_set(&from_keys.narrow(1, 0, len)?.contiguous()?, 1, 0)?;
                    values.slice_set(&from_values.narrow(1, 0, len)?.contiguous()?, 1, 0)?;
                }
                _ => candle_core::bail!("two slots of one model lie on one device"),
            }
        }
        self.len = len;
        Ok(())
    }
}

/// Remembers the rows of a step and lets them attend: to `[rows, query heads * width]`.
pub(crate) fn attend(
    memories: &mut [Memory],
    layer: usize,
    spans: &[Span],
    heads: Heads,
    projected: &Projected,
) -> Result<Tensor> {
    let Projected { queries, keys, values } = projected;
    if queries.device().is_cpu() {
        return on_cpu(memories, (layer, spans), heads, projected);
    }
    let mut outputs = Vec::with_capacity(spans.len());
    for span in spans {
        let Layer::Device(old_keys, old_values) = &memories[span.slot].layers[layer] else {
            candle_core::bail!("a slot lies on the device that computes");
        };
        let rows = |tensor: &Tensor| tensor.narrow(0, span.rows.start, span.rows.len())?.transpose(0, 1)?.contiguous();
        old_keys.slice_set(&rows(keys)?, 1, span.position)?;
        old_values.slice_set(&rows(values)?, 1, span.position)?;
        let seen = span.position + span.rows.len();
        let (keys, values) = (old_keys.narrow(1, 0, seen)?, old_values.narrow(1, 0, seen)?);
        outputs.push(by_matmul(span, heads, (&rows(queries)?, &keys, &values))?);
    }
    Tensor::cat(&outputs, 0)
}

fn on_cpu(
    memories: &mut [Memory],
    (layer, spans): (usize, &[Span]),
    heads: Heads,
    Projected { queries, keys, values }: &Projected,
) -> Result<Tensor> {
    let rows = queries.dim(0)?;
    let guards = [queries, keys, values].map(|tensor| (tensor.storage_and_layout(), tensor.elem_count()));
    let [queries, keys, values] = [0, 1, 2].map(|number| {
        let ((storage, layout), count) = &guards[number];
        slice(storage).map(|numbers| &numbers[layout.start_offset()..][..*count])
    });
    let (queries, keys, values) = (queries?, keys?, values?);
    let width = heads.key * heads.width;
    for span in spans {
        let Layer::Cpu(store) = &mut memories[span.slot].layers[layer] else {
            candle_core::bail!("a slot lies on the device that computes");
        };
        let rows = span.rows.start * width..span.rows.end * width;
        store.write(heads, span.position, &keys[rows.clone()], &values[rows]);
    }
    let mut sequences = Vec::with_capacity(spans.len());
    for span in spans {
        let Layer::Cpu(store) = &memories[span.slot].layers[layer] else {
            candle_core::bail!("a slot lies on the device that computes");
        };
        sequences.push(cpu::Sequence { rows: span.rows.clone(), position: span.position, store });
    }
    let output = cpu::attention(queries, &sequences, heads);
    Tensor::from_vec(output, (rows, heads.query * heads.width), &Device::Cpu)
}

/// The numbers of a CPU tensor's storage.
pub(crate) fn slice(storage: &Storage) -> Result<&[f32]> {
    match storage {
        Storage::Cpu(CpuStorage::F32(numbers)) => Ok(numbers),
        _ => candle_core::bail!("the CPU computes in F32"),
    }
}

/// For devices without kernels of ours: two matrix products, scores in F32. `queries` `[query heads, rows, width]`, `keys`
/// and `values` `[key heads, seen, width]`, to `[rows, query heads * width]`.
fn by_matmul(span: &Span, heads: Heads, (queries, keys, values): (&Tensor, &Tensor, &Tensor)) -> Result<Tensor> {
    let (count, seen) = (span.rows.len(), span.position + span.rows.len());
    let group = heads.query / heads.key;
    let scale = 1.0 / (heads.width as f64).sqrt();
    let queries = queries.reshape((heads.key, group * count, heads.width))?;
    let scores = (queries.matmul(&keys.transpose(1, 2)?)?.to_dtype(DType::F32)? * scale)?;
    let scores = match count {
        1 => scores,
        _ => scores
            .reshape((heads.key, group, count, seen))?
            .broadcast_add(&causal_mask(span.position, count, queries.device())?)?
            .reshape((heads.key, group * count, seen))?,
    };
    let weights = candle_nn::ops::softmax(&scores, D::Minus1)?.to_dtype(values.dtype())?;
    let output = weights.matmul(values)?.reshape((heads.query, count, heads.width))?;
    output.transpose(0, 1)?.contiguous()?.reshape((count, heads.query * heads.width))
}

/// `[rows, seen]`: 0 where a row may look, minus infinity beyond its own position.
fn causal_mask(position: usize, rows: usize, device: &Device) -> Result<Tensor> {
    let seen = position + rows;
    let mask: Vec<f32> = (0..rows)
        .flat_map(|row| (0..seen).map(move |key| if key <= position + row { 0.0 } else { f32::NEG_INFINITY }))
        .collect();
    Tensor::from_vec(mask, (rows, seen), device)
}
