//! What each slot remembers of its sequence, and attention over it.
//!
//! A slot takes memory for what its sequence may become, writes in place, and gives the memory back when the sequence
//! is over. On the CPU that is one piece of memory ([`Stores`]); elsewhere each layer has a pair of tensors, `[key
//! heads, capacity, width]`.

mod cpu;
pub(crate) mod rope;
pub(crate) mod store;

use super::rows::in_parallel;
use candle_core::{D, DType, Device, Result, Tensor};
use std::ops::Range;
use store::{HeadMut, Heads, Stores};

/// The memory of one slot.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    remembered: Remembered,
    capacity: usize,
    len: usize,
}

#[derive(Debug, Default)]
enum Remembered {
    /// The slot is free.
    #[default]
    Nothing,
    Slices(Stores),
    /// One pair per layer.
    Tensors(Vec<(Tensor, Tensor)>),
}

/// How a model computes, and so what its slots remember.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind<'a> {
    /// On slices, on the CPU.
    Slices,
    /// On tensors of this type, on any device.
    Tensors(DType, &'a Device),
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
    pub(crate) fn reserve(&mut self, layers: usize, heads: Heads, capacity: usize, kind: Kind<'_>) -> Result<()> {
        self.release();
        let shape = (heads.key, capacity, heads.width);
        let zeros = |dtype, device| Tensor::zeros(shape, dtype, device);
        let remembered = match kind {
            Kind::Slices => Remembered::Slices(Stores::new(layers, heads, capacity)),
            Kind::Tensors(dtype, device) => {
                let layer = |_| Ok((zeros(dtype, device)?, zeros(dtype, device)?));
                Remembered::Tensors((0..layers).map(layer).collect::<Result<_>>()?)
            }
        };
        *self = Self { remembered, capacity, len: 0 };
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

    /// Call it after all layers of a step are written.
    pub(crate) fn advance(&mut self, rows: usize) {
        self.len += rows;
    }

    /// Remembers the first positions of another slot, and nothing else. They are copies: neither sees what the other
    /// does later. Both have room for them.
    pub(crate) fn copy_prefix(&mut self, from: &Self, len: usize) -> Result<()> {
        match (&mut self.remembered, &from.remembered) {
            (Remembered::Slices(stores), Remembered::Slices(from)) => stores.copy_prefix(from, len),
            (Remembered::Tensors(layers), Remembered::Tensors(from)) => {
                for ((keys, values), (from_keys, from_values)) in layers.iter().zip(from) {
                    keys.slice_set(&from_keys.narrow(1, 0, len)?.contiguous()?, 1, 0)?;
                    values.slice_set(&from_values.narrow(1, 0, len)?.contiguous()?, 1, 0)?;
                }
            }
            _ => candle_core::bail!("one of the slots is free"),
        }
        self.len = len;
        Ok(())
    }

    fn stores(&self) -> Result<&Stores> {
        match &self.remembered {
            Remembered::Slices(stores) => Ok(stores),
            Remembered::Nothing | Remembered::Tensors(_) => candle_core::bail!("the slot remembers nothing in slices"),
        }
    }
}

/// On the CPU: remembers the rows of a step, `keys` and `values` `[rows, key heads, width]`, and lets them attend:
/// `queries` and `output` are `[rows, query heads, width]`.
pub(crate) fn attend_on_cpu(
    memories: &mut [Memory],
    (layer, spans): (usize, &[Span]),
    heads: Heads,
    [queries, keys, values]: [&[f32]; 3],
    output: &mut [f32],
) -> Result<()> {
    let line = heads.key * heads.width;
    let mut parts = Vec::with_capacity(spans.len() * heads.key);
    let mut of_slots: Vec<Option<&Span>> = vec![None; memories.len()];
    spans.iter().for_each(|span| of_slots[span.slot] = Some(span));
    for (slot, (memory, span)) in memories.iter_mut().zip(of_slots).enumerate() {
        let Some(span) = span else { continue };
        let Remembered::Slices(stores) = &mut memory.remembered else {
            candle_core::bail!("the slot {slot} remembers nothing in slices");
        };
        parts.extend(stores.heads_mut(layer).enumerate().map(|(head, part)| (span, head, part)));
    }
    in_parallel(parts, |_, (span, head, mut part)| {
        for (number, row) in span.rows.clone().enumerate() {
            let at = row * line + head * heads.width;
            part.write(span.position + number, &keys[at..][..heads.width], &values[at..][..heads.width]);
        }
    });
    let mut sequences = Vec::with_capacity(spans.len());
    for span in spans {
        let store = memories[span.slot].stores()?.layer(layer);
        sequences.push(cpu::Sequence { rows: span.rows.clone(), position: span.position, store, is_causal: true });
    }
    cpu::attention(queries, &sequences, heads, output);
    Ok(())
}

/// On the CPU: every row sees every row, and nothing is remembered. All slices are `[rows, heads, width]`, with as many
/// query heads as key heads. Panics if one is shorter than its shape says.
pub(crate) fn attend_to_all_on_cpu(heads: Heads, [queries, keys, values]: [&[f32]; 3], output: &mut [f32]) {
    let line = heads.key * heads.width;
    let rows = queries.len() / line;
    let mut stores = Stores::new(1, heads, rows);
    in_parallel(stores.heads_mut(0).collect(), |head, mut part: HeadMut<'_>| {
        for row in 0..rows {
            let at = row * line + head * heads.width;
            part.write(row, &keys[at..][..heads.width], &values[at..][..heads.width]);
        }
    });
    let sequence = cpu::Sequence { rows: 0..rows, position: 0, store: stores.layer(0), is_causal: false };
    cpu::attention(queries, &[sequence], heads, output);
}

/// On any device: remembers the rows of a step and lets them attend, to `[rows, query heads * width]`.
pub(crate) fn attend(
    memories: &mut [Memory],
    layer: usize,
    spans: &[Span],
    heads: Heads,
    projected: &Projected,
) -> Result<Tensor> {
    let Projected { queries, keys, values } = projected;
    let mut outputs = Vec::with_capacity(spans.len());
    for span in spans {
        let Remembered::Tensors(layers) = &memories[span.slot].remembered else {
            candle_core::bail!("the slot {} remembers nothing in tensors", span.slot);
        };
        let (old_keys, old_values) = &layers[layer];
        let rows = |tensor: &Tensor| tensor.narrow(0, span.rows.start, span.rows.len())?.transpose(0, 1)?.contiguous();
        old_keys.slice_set(&rows(keys)?, 1, span.position)?;
        old_values.slice_set(&rows(values)?, 1, span.position)?;
        let seen = span.position + span.rows.len();
        let (keys, values) = (old_keys.narrow(1, 0, seen)?, old_values.narrow(1, 0, seen)?);
        outputs.push(by_matmul(span, heads, (&rows(queries)?, &keys, &values))?);
    }
    Tensor::cat(&outputs, 0)
}

/// For devices without kernels of ours: two matrix products, scores in F32. `queries` `[query heads, rows, width]`,
/// `keys` and `values` `[key heads, seen, width]`, to `[rows, query heads * width]`.
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
