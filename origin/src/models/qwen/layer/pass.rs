//! A step's pass through a layer on the CPU: on slices, in buffers that stay, without tensors in between.
//!
//! What happens between two products is done where the next one's rows are rounded. A row is normed, or its gate and up
//! are joined, while it is in the nearest cache.

use super::Layer;
use crate::models::qwen::activation::{normed, swiglu, turned};
use crate::models::qwen::attention::store::Heads;
use crate::models::qwen::attention::{Memory, Span, attend_on_cpu};
use crate::models::qwen::linear::product::multiply;
use crate::models::qwen::rows::{Target, in_parallel, numbers};
use candle_core::Result;

/// What all layers share of a step.
pub(crate) struct Pass<'a> {
    pub(crate) rows: usize,
    pub(crate) spans: &'a [Span],
    pub(crate) heads: Heads,
    /// `[rows, width / 2]` each.
    pub(crate) angles: (&'a [f32], &'a [f32]),
    pub(crate) eps: f32,
}

/// `[rows, ...]` each; as large as the largest step so far.
#[derive(Default)]
pub(crate) struct Buffers {
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    seen: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
}

impl Layer {
    /// Adds to `hidden`, `[rows, hidden]`, what this layer makes of it; writes the rows' keys and values.
    pub(crate) fn pass(
        &self,
        number: usize,
        hidden: &mut [f32],
        pass: &Pass<'_>,
        memories: &mut [Memory],
        buffers: &mut Buffers,
    ) -> Result<()> {
        let Pass { rows, spans, heads, angles: (cosines, sines), eps } = *pass;
        let width = hidden.len() / rows;
        let (query, key) = (heads.query * heads.width, heads.key * heads.width);
        let intermediate = self.down.matrix.width()?;
        let part = |buffer: &mut Vec<f32>, width: usize| buffer.resize(rows * width, 0.0);
        part(&mut buffers.queries, query);
        part(&mut buffers.seen, query);
        part(&mut buffers.keys, key);
        part(&mut buffers.values, key);
        part(&mut buffers.gate, intermediate);
        part(&mut buffers.up, intermediate);
        let Buffers { queries, keys, values, seen, gate, up } = buffers;

        let norm = numbers(&self.input_norm)?;
        let fill = |row: usize, line: &mut [f32]| normed(&hidden[row * width..][..width], &norm, eps, line);
        let targets = vec![Target::all(queries, query), Target::all(keys, key), Target::all(values, key)];
        self.projections.on_cpu((rows, width), &fill, targets)?;

        let norms = match &self.head_norms {
            Some((query, key)) => Some((numbers(query)?, numbers(key)?)),
            None => None,
        };
        let norms = norms.as_ref().map(|(query, key)| (&**query, &**key)).unzip();
        let lines = queries.chunks_exact_mut(query).zip(keys.chunks_exact_mut(key)).collect();
        in_parallel(lines, |row, (queries, keys): (&mut [f32], &mut [f32])| {
            let at = row * heads.width / 2;
            let angles = (&cosines[at..][..heads.width / 2], &sines[at..][..heads.width / 2]);
            turned(queries, norms.0, eps, angles);
            turned(keys, norms.1, eps, angles);
        });
        attend_on_cpu(memories, (number, spans), heads, [queries, keys, values], seen)?;

        let fill = |row: usize, line: &mut [f32]| line.copy_from_slice(&seen[row * query..][..query]);
        multiply(&[&self.output], (rows, query), &fill, vec![Target::added(hidden, width)])?;

        let norm = numbers(&self.post_norm)?;
        let fill = |row: usize, line: &mut [f32]| normed(&hidden[row * width..][..width], &norm, eps, line);
        let targets = vec![Target::all(gate, intermediate), Target::all(up, intermediate)];
        self.gate_up.on_cpu((rows, width), &fill, targets)?;

        let fill = |row: usize, line: &mut [f32]| {
            let part = row * intermediate..(row + 1) * intermediate;
            swiglu(&gate[part.clone()], &up[part], line);
        };
        multiply(&[&self.down], (rows, intermediate), &fill, vec![Target::added(hidden, width)])
    }
}
