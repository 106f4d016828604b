//! A layer's weights, and its pass on tensors for devices that we have no kernels for. The pass on the CPU is in
//! [`pass`].

pub(crate) mod pass;

use super::attention::store::Heads;
use super::attention::{Memory, Projected, Span, attend};
use super::linear::Linear;
use super::linear::joined::Joined;
use super::precision::Keep;
use super::shape::{Family, Shape};
use super::weights::Source;
use super::weights::tensor_name::{Name, Part};
use crate::load_error::LoadError;
use candle_core::{DType, Result, Tensor};

/// One layer's weights.
pub(super) struct Layer {
    pub(super) input_norm: Tensor,
    pub(super) projections: Joined,
    pub(super) head_norms: Option<(Tensor, Tensor)>,
    pub(super) output: Linear,
    pub(super) post_norm: Tensor,
    pub(super) gate_up: Joined,
    pub(super) down: Linear,
}

impl Layer {
    /// Reads the weights of the layer of this number.
    pub(super) fn load(
        source: &mut Source,
        shape: &Shape,
        number: usize,
        keep: &mut Keep<'_>,
        dtype: DType,
    ) -> std::result::Result<Self, LoadError> {
        let (query, key) = (shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim);
        let device = keep.device;
        let (bias, output_bias) = match shape.family {
            Family::Qwen2 => (true, false),
            Family::Qwen3 { bias } => (bias, bias),
        };
        let mut linear = |part, size: [usize; 2], bias: Option<Part>| -> std::result::Result<Linear, LoadError> {
            let matrix = source.matrix(Name::Layer(number, part), size, keep)?;
            let bias = match bias {
                Some(part) => Some(source.vector(Name::Layer(number, part), size[0], dtype, device)?),
                None => None,
            };
            Ok(Linear { matrix, bias })
        };
        let given = |part| bias.then_some(part);
        let projections = vec![
            linear(Part::Query, [query, shape.hidden], given(Part::QueryBias))?,
            linear(Part::Key, [key, shape.hidden], given(Part::KeyBias))?,
            linear(Part::Value, [key, shape.hidden], given(Part::ValueBias))?,
        ];
        let output = linear(Part::Output, [shape.hidden, query], output_bias.then_some(Part::OutputBias))?;
        let gate_up = vec![
            linear(Part::Gate, [shape.intermediate, shape.hidden], None)?,
            linear(Part::Up, [shape.intermediate, shape.hidden], None)?,
        ];
        let down = linear(Part::Down, [shape.hidden, shape.intermediate], None)?;
        let mut norm = |part, len| source.vector(Name::Layer(number, part), len, dtype, device);
        let head_norms = match shape.family {
            Family::Qwen2 => None,
            Family::Qwen3 { .. } => {
                Some((norm(Part::QueryNorm, shape.head_dim)?, norm(Part::KeyNorm, shape.head_dim)?))
            }
        };
        let (input_norm, post_norm) = (norm(Part::InputNorm, shape.hidden)?, norm(Part::PostNorm, shape.hidden)?);
        let joined = |parts| Joined::new(parts).map_err(|error| LoadError::new(format!("layer {number}"), &error));
        Ok(Self {
            input_norm,
            projections: joined(projections)?,
            head_norms,
            output,
            post_norm,
            gate_up: joined(gate_up)?,
            down,
        })
    }

    /// Bytes of the weights as they are kept.
    pub(super) fn bytes(&self) -> usize {
        self.projections.bytes() + self.output.matrix.bytes() + self.gate_up.bytes() + self.down.matrix.bytes()
    }

    /// On tensors, on any device: `[rows, hidden]` to `[rows, hidden]`; writes the rows' keys and values.
    pub(super) fn forward(
        &self,
        input: Tensor,
        (number, angles, spans): (usize, &(Tensor, Tensor), &[Span]),
        memories: &mut [Memory],
        heads: Heads,
        eps: f32,
    ) -> Result<Tensor> {
        let rows = input.dim(0)?;
        let normed = candle_nn::ops::rms_norm(&input, &self.input_norm, eps)?;
        let [queries, keys, values] = three(self.projections.forward(&normed)?)?;
        let (cosines, sines) = angles;
        let turned = |tensor: Tensor, count: usize, norm: Option<&Tensor>| -> Result<Tensor> {
            let tensor = tensor.reshape((rows, 1, count, heads.width))?;
            let tensor = match norm {
                Some(norm) => candle_nn::ops::rms_norm(&tensor, norm, eps)?,
                None => tensor,
            };
            candle_nn::rotary_emb::rope_thd(&tensor, cosines, sines)?.reshape((rows, count, heads.width))
        };
        let (query_norm, key_norm) = match &self.head_norms {
            Some((query, key)) => (Some(query), Some(key)),
            None => (None, None),
        };
        let queries = turned(queries, heads.query, query_norm)?;
        let keys = turned(keys, heads.key, key_norm)?;
        let values = values.reshape((rows, heads.key, heads.width))?;
        let seen = attend(memories, number, spans, heads, &Projected { queries, keys, values })?;
        let middle = (input + self.output.forward(&seen)?)?;
        let normed = candle_nn::ops::rms_norm(&middle, &self.post_norm, eps)?;
        let [gate, up] = two(self.gate_up.forward(&normed)?)?;
        middle + self.down.forward(&(gate.silu()? * up)?)?
    }
}

fn three(parts: Vec<Tensor>) -> Result<[Tensor; 3]> {
    parts.try_into().map_err(|parts: Vec<_>| candle_core::Error::msg(format!("{} projections", parts.len())))
}

fn two(parts: Vec<Tensor>) -> Result<[Tensor; 2]> {
    parts.try_into().map_err(|parts: Vec<_>| candle_core::Error::msg(format!("{} projections", parts.len())))
}
