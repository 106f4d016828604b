//! Qwen3 as a model that embeds, as it is trained: what `sluice_origin::models::qwen` computes of a text's last token,
//! in operations that have gradients.

use crate::operations::{Angles, causal_softmax, frequencies, join_heads, rms_norm, split_heads, swiglu};
use crate::random::Random;
use crate::shape::{EPS, HEAD_DIM, HEADS, HIDDEN, INTERMEDIATE, KV_HEADS, LAYERS, THETA};
use candle_core::{DType, Device, Result, Tensor, Var};

/// All weights.
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

/// Texts are computed in this many groups of similar length.
const GROUPS: usize = 4;
/// How large the numbers of the embedding are at first.
const LOUDNESS: f32 = 0.02;

impl Network {
    /// Random weights.
    pub(crate) fn new(vocab: usize, seed: u64) -> Result<Self> {
        let mut random = Random::new(seed);
        let mut matrix = |rows: usize, columns: usize, scale: f32| -> Result<Var> {
            let numbers: Vec<f32> = (0..rows * columns).map(|_| scale * random.normal()).collect();
            Var::from_tensor(&Tensor::from_vec(numbers, (rows, columns), &Device::Cpu)?)
        };
        let ones = |len: usize| Var::from_tensor(&Tensor::ones(len, DType::F32, &Device::Cpu)?);
        let narrow = 1.0 / (HIDDEN as f32).sqrt();
        // What is added to the residual stream starts small, so that it does not shout the embedding down.
        let added = 0.04 * narrow;
        let embedding = matrix(vocab, HIDDEN, LOUDNESS)?;
        let mut layer = |_| -> Result<Layer> {
            Ok(Layer {
                input_norm: ones(HIDDEN)?,
                query: matrix(HEADS * HEAD_DIM, HIDDEN, narrow)?,
                key: matrix(KV_HEADS * HEAD_DIM, HIDDEN, narrow)?,
                value: matrix(KV_HEADS * HEAD_DIM, HIDDEN, narrow)?,
                query_norm: ones(HEAD_DIM)?,
                key_norm: ones(HEAD_DIM)?,
                output: matrix(HIDDEN, HEADS * HEAD_DIM, added)?,
                post_norm: ones(HIDDEN)?,
                gate: matrix(INTERMEDIATE, HIDDEN, narrow)?,
                up: matrix(INTERMEDIATE, HIDDEN, narrow)?,
                down: matrix(HIDDEN, INTERMEDIATE, added)?,
            })
        };
        let layers = (0..LAYERS).map(&mut layer).collect::<Result<_>>()?;
        Ok(Self { embedding, layers, norm: ones(HIDDEN)? })
    }

    /// The vectors of these texts, `[texts, hidden]`, of any length. Each text has its end token.
    pub(crate) fn vectors(&self, texts: &[&[u32]]) -> Result<Tensor> {
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|number| texts[*number].len());
        let groups = order.chunks(texts.len().div_ceil(GROUPS).max(1));
        let parts = groups.map(|group| self.group(&group.iter().map(|number| texts[*number]).collect::<Vec<_>>()));
        let sorted = Tensor::cat(&parts.collect::<Result<Vec<_>>>()?, 0)?;
        let mut places = vec![0u32; order.len()];
        order.iter().enumerate().for_each(|(place, number)| places[*number] = place as u32);
        sorted.index_select(&Tensor::from_vec(places, texts.len(), &Device::Cpu)?, 0)
    }

    /// The same for texts that are filled up to the length of the longest: no token sees what follows it.
    fn group(&self, texts: &[&[u32]]) -> Result<Tensor> {
        let positions = texts.iter().map(|text| text.len()).max().unwrap_or_default();
        let (mut tokens, mut ends) = (Vec::with_capacity(texts.len() * positions), Vec::with_capacity(texts.len()));
        for text in texts {
            ends.push((tokens.len() + text.len() - 1) as u32);
            tokens.extend_from_slice(text);
            tokens.resize(ends.len() * positions, text[text.len() - 1]);
        }
        let angles = Angles::new(&frequencies(THETA, HEAD_DIM), 0..positions);
        let tensor = |ids: Vec<u32>| Tensor::new(ids, &Device::Cpu);
        let mut state = self.embedding.index_select(&tensor(tokens)?, 0)?;
        for layer in &self.layers {
            state = layer.forward(&state, positions, &angles)?;
        }
        rms_norm(&state.index_select(&tensor(ends)?, 0)?, &self.norm, EPS as f32)
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
    /// `[texts * positions, hidden]` to the same.
    fn forward(&self, input: &Tensor, positions: usize, angles: &Angles) -> Result<Tensor> {
        let eps = EPS as f32;
        let normed = rms_norm(input, &self.input_norm, eps)?;
        let turned = |weight: &Var, norm: &Var| -> Result<Tensor> {
            let projected = normed.matmul(&weight.t()?)?;
            let shape = projected.shape().clone();
            let projected = rms_norm(&projected.reshape(((), HEAD_DIM))?, norm, eps)?.reshape(shape)?;
            split_heads(&projected, positions, HEAD_DIM, Some(angles))
        };
        let (queries, keys) = (turned(&self.query, &self.query_norm)?, turned(&self.key, &self.key_norm)?);
        let values = split_heads(&normed.matmul(&self.value.t()?)?, positions, HEAD_DIM, None)?;
        // Query heads that share a key are rows of one matrix.
        let texts = queries.dim(0)?;
        let grouped = queries.reshape((texts * KV_HEADS, HEADS / KV_HEADS * positions, HEAD_DIM))?;
        let keys = keys.reshape((texts * KV_HEADS, positions, HEAD_DIM))?;
        let values = values.reshape((texts * KV_HEADS, positions, HEAD_DIM))?;
        let weights = causal_softmax(&grouped.matmul(&keys.t()?)?, 1.0 / (HEAD_DIM as f32).sqrt())?;
        let seen = weights.matmul(&values)?.reshape((texts, HEADS, positions, HEAD_DIM))?;
        let middle = (input + join_heads(&seen, positions, HEAD_DIM)?.matmul(&self.output.t()?)?)?;
        let normed = rms_norm(&middle, &self.post_norm, eps)?;
        let (gate, up) = (normed.matmul(&self.gate.t()?)?, normed.matmul(&self.up.t()?)?);
        &middle + swiglu(&gate, &up)?.matmul(&self.down.t()?)?
    }
}
