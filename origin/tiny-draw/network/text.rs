//! The text encoder: all layers of a Qwen3 but the last, without a norm behind them.

use super::Network;
use crate::operations::{Angles, causal_softmax, frequencies, join_heads, rms_norm, split_heads, swiglu};
use crate::shape::{TEXT_EPS, TEXT_HEAD, TEXT_HEADS, TEXT_KV_HEADS, TEXT_LAYERS, TEXT_THETA};
use candle_core::{Device, Result, Tensor};

/// Captions in tokens, filled up to one length: no token sees what follows it.
pub(crate) struct Captions {
    /// `[captions * positions]`.
    tokens: Vec<u32>,
    positions: usize,
    /// Tokens of each.
    pub(crate) lengths: Vec<usize>,
}

impl Captions {
    /// Of these, none of which is empty.
    pub(crate) fn new(captions: &[Vec<u32>]) -> Self {
        let lengths: Vec<usize> = captions.iter().map(Vec::len).collect();
        let positions = lengths.iter().copied().max().unwrap_or_default();
        let mut tokens = Vec::with_capacity(captions.len() * positions);
        for (number, caption) in captions.iter().enumerate() {
            tokens.extend_from_slice(caption);
            tokens.resize((number + 1) * positions, caption[caption.len() - 1]);
        }
        Self { tokens, positions, lengths }
    }

    /// Rows that a caption has among the features.
    pub(crate) const fn positions(&self) -> usize {
        self.positions
    }
}

/// What the layers make of captions, `[captions * positions, HIDDEN]`.
pub(crate) fn features(network: &Network, captions: &Captions) -> Result<Tensor> {
    let tokens = Tensor::from_slice(&captions.tokens, captions.tokens.len(), &Device::Cpu)?;
    let angles = Angles::new(&frequencies(TEXT_THETA, TEXT_HEAD), 0..captions.positions);
    let mut state = network.get("model.embed_tokens.weight")?.index_select(&tokens, 0)?;
    for number in 0..TEXT_LAYERS - 1 {
        state = layer(network, &format!("model.layers.{number}"), &state, captions.positions, &angles)?;
    }
    Ok(state)
}

fn layer(network: &Network, name: &str, input: &Tensor, positions: usize, angles: &Angles) -> Result<Tensor> {
    let eps = TEXT_EPS as f32;
    let norm = |part: &str| network.get(&format!("{name}.{part}.weight"));
    let linear = |part: &str, rows: &Tensor| network.linear(&format!("{name}.{part}"), rows);
    let normed = rms_norm(input, norm("input_layernorm")?, eps)?;
    let heads = |part: &str, weight: &Tensor| -> Result<Tensor> {
        let projected = linear(part, &normed)?;
        let shape = projected.shape().clone();
        let projected = rms_norm(&projected.reshape(((), TEXT_HEAD))?, weight, eps)?.reshape(shape)?;
        split_heads(&projected, positions, TEXT_HEAD, Some(angles))
    };
    let queries = heads("self_attn.q_proj", norm("self_attn.q_norm")?)?;
    let keys = heads("self_attn.k_proj", norm("self_attn.k_norm")?)?;
    let values = split_heads(&linear("self_attn.v_proj", &normed)?, positions, TEXT_HEAD, None)?;
    // Query heads that share a key are rows of one matrix.
    let captions = queries.dim(0)?;
    let grouped = queries.reshape((captions * TEXT_KV_HEADS, TEXT_HEADS / TEXT_KV_HEADS * positions, TEXT_HEAD))?;
    let [keys, values] = [keys, values].map(|all| all.reshape((captions * TEXT_KV_HEADS, positions, TEXT_HEAD)));
    let weights = causal_softmax(&grouped.matmul(&keys?.t()?)?, 1.0 / (TEXT_HEAD as f32).sqrt())?;
    let seen = weights.matmul(&values?)?.reshape((captions, TEXT_HEADS, positions, TEXT_HEAD))?;
    let middle = (input + linear("self_attn.o_proj", &join_heads(&seen, positions, TEXT_HEAD)?)?)?;
    let normed = rms_norm(&middle, norm("post_attention_layernorm")?, eps)?;
    let inner = swiglu(&linear("mlp.gate_proj", &normed)?, &linear("mlp.up_proj", &normed)?)?;
    &middle + linear("mlp.down_proj", &inner)?
}
