//! Qwen3 as it is trained: what `sluice_origin::models::qwen` computes, in operations that have gradients.

mod attention;
pub(crate) mod copying;
mod operations;
pub(crate) mod shape;
pub(crate) mod sight;

use crate::random::Random;
use attention::Attention;
use candle_core::{Device, Result, Tensor, Var};
use copying::Start;
use operations::{Angles, causal_softmax, cross_entropy, frequencies, join_heads, rms_norm, split_heads, swiglu};
use shape::{EMBEDDING, EPS, HEAD_DIM, HEADS, HIDDEN, INTERMEDIATE, KV_HEADS, LAYERS, THETA, stretched};
use sight::{Sight, seeing_softmax};
use std::path::Path;
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
    /// How the one sequence is seen in the stretched context; `None` in the first stage.
    pub(crate) sight: Option<Arc<Sight>>,
}

/// Where a batch's tokens stand, and what they see.
struct View<'a> {
    positions: usize,
    angles: Angles,
    sight: Option<&'a Arc<Sight>>,
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
        let angles = match &batch.sight {
            None => Angles::new(&frequencies(THETA, HEAD_DIM), 0..batch.positions),
            Some(sight) => Angles::new(&stretched(), sight.places.iter().copied()),
        };
        let view = View { positions: batch.positions, angles, sight: batch.sight.as_ref() };
        let mut state = self.embedding.index_select(&tensor(&batch.tokens)?, 0)?;
        for layer in &self.layers {
            state = layer.forward(&state, &view)?;
        }
        let asked = state.index_select(&tensor(&batch.rows)?, 0)?;
        let normed = rms_norm(&asked, &self.norm, EPS as f32)?;
        cross_entropy(&normed.matmul(&self.embedding.t()?)?, Arc::clone(&batch.targets))
    }

    /// Takes the weights that [`crate::export`] wrote into this directory.
    pub(crate) fn read(&self, directory: &Path) -> Result<()> {
        let file = directory.join("model.safetensors");
        let tensors = candle_core::safetensors::load(&file, &Device::Cpu)?;
        for (name, weight) in self.weights() {
            let Some(tensor) = tensors.get(&name) else {
                candle_core::bail!("{} holds no {name}", file.display());
            };
            weight.set(&tensor.to_dtype(candle_core::DType::F32)?)?;
        }
        Ok(())
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
    fn forward(&self, input: &Tensor, view: &View<'_>) -> Result<Tensor> {
        let positions = view.positions;
        let eps = EPS as f32;
        let normed = rms_norm(input, &self.input_norm, eps)?;
        let heads = |weight: &Var, norm: Option<&Var>| -> Result<Tensor> {
            let projected = normed.matmul(&weight.t()?)?;
            let Some(norm) = norm else { return split_heads(&projected, positions, HEAD_DIM, None) };
            let shape = projected.shape().clone();
            let projected = rms_norm(&projected.reshape(((), HEAD_DIM))?, norm, eps)?.reshape(shape)?;
            split_heads(&projected, positions, HEAD_DIM, Some(&view.angles))
        };
        let (queries, keys) = (heads(&self.query, Some(&self.query_norm))?, heads(&self.key, Some(&self.key_norm))?);
        let values = heads(&self.value, None)?;
        // Query heads that share a key are rows of one matrix.
        let sequences = queries.dim(0)?;
        let grouped = queries.reshape((sequences * KV_HEADS, HEADS / KV_HEADS * positions, HEAD_DIM))?;
        let keys = keys.reshape((sequences * KV_HEADS, positions, HEAD_DIM))?;
        let values = values.reshape((sequences * KV_HEADS, positions, HEAD_DIM))?;
        let (scores, scale) = (grouped.matmul(&keys.t()?)?, 1.0 / (HEAD_DIM as f32).sqrt());
        let weights = match view.sight {
            None => causal_softmax(&scores, scale)?,
            Some(sight) => seeing_softmax(&scores, scale, sight)?,
        };
        let seen = weights.matmul(&values)?.reshape((sequences, HEADS, positions, HEAD_DIM))?;
        let middle = (input + join_heads(&seen, positions, HEAD_DIM)?.matmul(&self.output.t()?)?)?;
        let normed = rms_norm(&middle, &self.post_norm, eps)?;
        let (gate, up) = (normed.matmul(&self.gate.t()?)?, normed.matmul(&self.up.t()?)?);
        &middle + swiglu(&gate, &up)?.matmul(&self.down.t()?)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{export, vocabulary};
    use sluice_origin::engine::model::{Logits, Model, Row};
    use sluice_origin::models::qwen::Qwen;

    /// Also far behind: what counts is how far tokens stand from each other.
    #[test]
    fn the_origin_computes_what_was_trained() {
        let directory = tempfile::tempdir().unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("tiny/model/tokenizer.json");
        let tokenizer = serde_json::from_slice(&std::fs::read(shipped).unwrap()).unwrap();
        export::text(directory.path(), &tokenizer).unwrap();
        let network = Network::new(vocabulary::VOCAB, 3).unwrap();
        export::weights(&network, directory.path()).unwrap();
        network.read(directory.path()).unwrap();
        let mut random = Random::new(9);
        let tokens: Vec<u32> = (0..300).map(|_| random.below(vocabulary::LEARNT) as u32).collect();
        let mut model = Qwen::load(directory.path(), 1, None).unwrap();
        assert_eq!(model.context_length(), shape::CONTEXT);
        let mut logits = Logits::default();
        logits.reset(1, model.vocab_size());
        model.begin(0, tokens.len()).unwrap();
        model.step(&[Row { slot: 0, position: 0, tokens: &tokens, sample: true }], &mut logits).unwrap();
        let logits = logits.row(0).unwrap().unwrap();
        let sum = logits.iter().map(|logit| f64::from(*logit).exp()).sum::<f64>().ln();
        let mut sight = Sight::plain(tokens.len());
        sight.places.iter_mut().for_each(|place| *place += 9_000);
        for target in [0, 77, 1_279] {
            let batch = Batch {
                tokens: tokens.clone(),
                positions: tokens.len(),
                rows: vec![tokens.len() as u32 - 1],
                targets: Arc::new(vec![target]),
                sight: Some(Arc::new(sight.clone())),
            };
            let loss = f64::from(network.loss(&batch).unwrap().to_scalar::<f32>().unwrap());
            let expected = sum - f64::from(logits[target as usize]);
            assert!((loss - expected).abs() < 2e-3, "{target}: {loss} {expected}");
        }
    }
}
