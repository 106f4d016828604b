//! Qwen3 as it is trained: what `sluice_origin::models::qwen` computes, in operations that have gradients.

mod attention;
pub(crate) mod copying;
mod operations;
pub(crate) mod shape;

use crate::random::Random;
use attention::Attention;
use candle_core::{Device, Result, Tensor, Var};
use copying::Start;
use operations::{Angles, causal_softmax, cross_entropy, join_heads, rms_norm, split_heads, swiglu};
use shape::{EMBEDDING, EPS, HEAD_DIM, HEADS, HIDDEN, INTERMEDIATE, KV_HEADS, LAYERS, THETA};
use std::sync::Arc;

/// All weights. The embedding is the head too.
pub(crate) struct Network {
    embedding: Var,
    layers: Vec<Layer>,
    norm: Var,
}

struct Layer {
    input_norm: Var,
    query: Var,
    key: Var,
    value: Var,
    query_norm: Var,
    key_norm: Var,
    output: Var,
    post_norm: Var,
    gate: Var,
    up: Var,
    down: Var,
}

/// Some sequences of one length, and which of their positions are to say what.
pub(crate) struct Batch {
    /// `[sequences * positions]`.
    pub(crate) tokens: Vec<u32>,
    /// Positions of each sequence.
    pub(crate) positions: usize,
    /// Rows of `tokens` behind which a target stands.
    pub(crate) rows: Vec<u32>,
    /// What stands there.
    pub(crate) targets: Arc<Vec<u32>>,
}

impl Network {
    /// Random weights.
    pub(crate) fn new(vocab: usize, seed: u64) -> Result<Self> {
        let mut random = Random::new(seed);
        let start = Start::new(&mut random);
        let mut normal = |rows: usize, columns: usize, scale: f32| -> Vec<f32> {
            (0..rows * columns).map(|_| scale * random.normal()).collect()
        };
        let matrix = |numbers: Vec<f32>, columns: usize| {
            Var::from_tensor(&Tensor::from_vec(numbers, ((), columns), &Device::Cpu)?)
        };
        let ones = |len: usize| Var::from_tensor(&Tensor::ones(len, candle_core::DType::F32, &Device::Cpu)?);
        let narrow = 1.0 / (HIDDEN as f32).sqrt();
        // What is added to the residual stream starts small, so that it does not shout the embedding down.
        let added = 0.04 * narrow;
        let mut embedding = normal(vocab, HIDDEN, EMBEDDING);
        start.embedding(&mut embedding);
        let mut layer = |number: usize| -> Result<Layer> {
            let mut attention = Attention {
                query: normal(HEADS * HEAD_DIM, HIDDEN, narrow),
                key: normal(KV_HEADS * HEAD_DIM, HIDDEN, narrow),
                value: normal(KV_HEADS * HEAD_DIM, HIDDEN, narrow),
                output: normal(HIDDEN, HEADS * HEAD_DIM, added),
            };
            start.layer(number, &mut attention);
            Ok(Layer {
                input_norm: ones(HIDDEN)?,
                query: matrix(attention.query, HIDDEN)?,
                key: matrix(attention.key, HIDDEN)?,
                value: matrix(attention.value, HIDDEN)?,
                query_norm: ones(HEAD_DIM)?,
                key_norm: ones(HEAD_DIM)?,
                output: matrix(attention.output, HEADS * HEAD_DIM)?,
                post_norm: ones(HIDDEN)?,
                gate: matrix(normal(INTERMEDIATE, HIDDEN, narrow), HIDDEN)?,
                up: matrix(normal(INTERMEDIATE, HIDDEN, narrow), HIDDEN)?,
                down: matrix(normal(HIDDEN, INTERMEDIATE, added), INTERMEDIATE)?,
            })
        };
        let layers = (0..LAYERS).map(&mut layer).collect::<Result<_>>()?;
        Ok(Self { embedding: matrix(embedding, HIDDEN)?, layers, norm: ones(HIDDEN)? })
    }

    /// The sum of minus the logarithms of the targets' probabilities.
    pub(crate) fn loss(&self, batch: &Batch) -> Result<Tensor> {
        let tensor = |ids: &[u32]| Tensor::from_slice(ids, ids.len(), &Device::Cpu);
        let angles = Angles::new(THETA, batch.positions, HEAD_DIM);
        let mut state = self.embedding.index_select(&tensor(&batch.tokens)?, 0)?;
        for layer in &self.layers {
            state = layer.forward(&state, batch.positions, &angles)?;
        }
        let asked = state.index_select(&tensor(&batch.rows)?, 0)?;
        let normed = rms_norm(&asked, &self.norm, EPS as f32)?;
        cross_entropy(&normed.matmul(&self.embedding.t()?)?, Arc::clone(&batch.targets))
    }

    /// Every weight with its name in Hugging Face's layout, in a fixed order.
    pub(crate) fn weights(&self) -> Vec<(String, &Var)> {
        let mut all = vec![("model.embed_tokens.weight".to_owned(), &self.embedding)];
        for (number, layer) in self.layers.iter().enumerate() {
            let parts = [
                ("input_layernorm", &layer.input_norm),
                ("self_attn.q_proj", &layer.query),
                ("self_attn.k_proj", &layer.key),
                ("self_attn.v_proj", &layer.value),
                ("self_attn.q_norm", &layer.query_norm),
                ("self_attn.k_norm", &layer.key_norm),
                ("self_attn.o_proj", &layer.output),
                ("post_attention_layernorm", &layer.post_norm),
                ("mlp.gate_proj", &layer.gate),
                ("mlp.up_proj", &layer.up),
                ("mlp.down_proj", &layer.down),
            ];
            all.extend(parts.map(|(part, weight)| (format!("model.layers.{number}.{part}.weight"), weight)));
        }
        all.push(("model.norm.weight".to_owned(), &self.norm));
        all
    }
}

impl Layer {
    /// `[sequences * positions, hidden]` to the same.
    fn forward(&self, input: &Tensor, positions: usize, angles: &Angles) -> Result<Tensor> {
        let eps = EPS as f32;
        let normed = rms_norm(input, &self.input_norm, eps)?;
        let heads = |weight: &Var, norm: Option<&Var>| -> Result<Tensor> {
            let projected = normed.matmul(&weight.t()?)?;
            let Some(norm) = norm else { return split_heads(&projected, positions, HEAD_DIM, None) };
            let shape = projected.shape().clone();
            let projected = rms_norm(&projected.reshape(((), HEAD_DIM))?, norm, eps)?.reshape(shape)?;
            split_heads(&projected, positions, HEAD_DIM, Some(angles))
        };
        let (queries, keys) = (heads(&self.query, Some(&self.query_norm))?, heads(&self.key, Some(&self.key_norm))?);
        let values = heads(&self.value, None)?;
        // Query heads that share a key are rows of one matrix.
        let sequences = queries.dim(0)?;
        let grouped = queries.reshape((sequences * KV_HEADS, HEADS / KV_HEADS * positions, HEAD_DIM))?;
        let keys = keys.reshape((sequences * KV_HEADS, positions, HEAD_DIM))?;
        let values = values.reshape((sequences * KV_HEADS, positions, HEAD_DIM))?;
        let weights = causal_softmax(&grouped.matmul(&keys.t()?)?, 1.0 / (HEAD_DIM as f32).sqrt())?;
        let seen = weights.matmul(&values)?.reshape((sequences, HEADS, positions, HEAD_DIM))?;
        let middle = (input + join_heads(&seen, positions, HEAD_DIM)?.matmul(&self.output.t()?)?)?;
        let normed = rms_norm(&middle, &self.post_norm, eps)?;
        let (gate, up) = (normed.matmul(&self.gate.t()?)?, normed.matmul(&self.up.t()?)?);
        &middle + swiglu(&gate, &up)?.matmul(&self.down.t()?)?
    }
}
