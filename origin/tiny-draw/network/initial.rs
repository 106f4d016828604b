//! Where training starts.

use crate::random::Random;
use crate::shape::{
    BLOCKS, DIM, HEAD, HIDDEN, INNER, INTERMEDIATE, LATENT, LAYERS, PATCH_NUMBERS, TEXT_HEAD, TEXT_HEADS,
    TEXT_KV_HEADS, TEXT_LAYERS, TIME, TIME_INNER, VAE_LAYERS,
};
use candle_core::{Device, Result, Tensor, Var};

/// What is added to a residual stream starts this much smaller than it might be.
const ADDED: f32 = 0.3;
/// What the gates of the transformer's layers are at first, before their `tanh`.
const GATE: f32 = 0.3;
/// How large the numbers of the embedding are at first.
const LOUDNESS: f32 = 0.1;

/// The text encoder and the transformer.
pub(super) fn drawing(vocab: usize, seed: u64) -> Result<Vec<(String, Var)>> {
    let mut start = Start { random: Random::new(seed), weights: Vec::new() };
    start.normal("model.embed_tokens.weight", vocab, HIDDEN, LOUDNESS)?;
    for number in 0..TEXT_LAYERS - 1 {
        start.text_layer(&format!("model.layers.{number}"))?;
    }
    start.linear("all_x_embedder.2-1", DIM, PATCH_NUMBERS, 1.0)?;
    start.linear("all_final_layer.2-1.linear", PATCH_NUMBERS, DIM, ADDED)?;
    start.linear("all_final_layer.2-1.adaLN_modulation.1", DIM, DIM, 0.1)?;
    start.linear("t_embedder.mlp.0", TIME_INNER, TIME, 1.0)?;
    start.linear("t_embedder.mlp.2", DIM, TIME_INNER, 1.0)?;
    start.constant("cap_embedder.0.weight", HIDDEN, 1.0)?;
    start.linear("cap_embedder.1", DIM, HIDDEN, 1.0)?;
    let pad = (0..DIM).map(|_| start.random.normal()).collect();
    start.add("cap_pad_token", &Tensor::from_vec(pad, DIM, &Device::Cpu)?)?;
    start.block("noise_refiner.0", true)?;
    start.block("context_refiner.0", false)?;
    for number in 0..LAYERS {
        start.block(&format!("layers.{number}"), true)?;
    }
    Ok(start.weights)
}

/// The VAE. Its encoder mirrors its decoder.
pub(super) fn vae(seed: u64) -> Result<Vec<(String, Var)>> {
    let mut start = Start { random: Random::new(seed), weights: Vec::new() };
    let ([first, .., widest], last) = (BLOCKS, BLOCKS.len() - 1);
    start.conv("encoder.conv_in", first, 3, 3, 1.0)?;
    let mut before = first;
    for (block, channels) in BLOCKS.into_iter().enumerate() {
        for layer in 0..VAE_LAYERS {
            start.residual(&format!("encoder.down_blocks.{block}.resnets.{layer}"), before, channels)?;
            before = channels;
        }
        if block < last {
            start.conv(&format!("encoder.down_blocks.{block}.downsamplers.0.conv"), channels, channels, 3, 1.0)?;
        }
    }
    start.middle("encoder", widest)?;
    start.norm("encoder.conv_norm_out", widest)?;
    start.conv("encoder.conv_out", LATENT, widest, 3, 1.0)?;
    start.conv("decoder.conv_in", widest, LATENT, 3, 1.0)?;
    start.middle("decoder", widest)?;
    for (block, channels) in BLOCKS.into_iter().rev().enumerate() {
        for layer in 0..=VAE_LAYERS {
            start.residual(&format!("decoder.up_blocks.{block}.resnets.{layer}"), before, channels)?;
            before = channels;
        }
        if block < last {
            start.conv(&format!("decoder.up_blocks.{block}.upsamplers.0.conv"), channels, channels, 3, 1.0)?;
        }
    }
    start.norm("decoder.conv_norm_out", before)?;
    start.conv("decoder.conv_out", 3, before, 3, ADDED)?;
    Ok(start.weights)
}

/// Weights as they are made, one after the other.
struct Start {
    random: Random,
    weights: Vec<(String, Var)>,
}

impl Start {
    fn add(&mut self, name: &str, tensor: &Tensor) -> Result<()> {
        self.weights.push((name.to_owned(), Var::from_tensor(tensor)?));
        Ok(())
    }

    fn normal(&mut self, name: &str, rows: usize, columns: usize, scale: f32) -> Result<()> {
        let numbers = (0..rows * columns).map(|_| scale * self.random.normal()).collect();
        self.add(name, &Tensor::from_vec(numbers, (rows, columns), &Device::Cpu)?)
    }

    fn constant(&mut self, name: &str, len: usize, number: f32) -> Result<()> {
        self.add(name, &Tensor::full(number, len, &Device::Cpu)?)
    }

    /// A matrix that keeps the size of numbers, times `scale`.
    fn matrix(&mut self, name: &str, rows: usize, columns: usize, scale: f32) -> Result<()> {
        self.normal(&format!("{name}.weight"), rows, columns, scale / (columns as f32).sqrt())
    }

    fn linear(&mut self, name: &str, rows: usize, columns: usize, scale: f32) -> Result<()> {
        self.matrix(name, rows, columns, scale)?;
        self.constant(&format!("{name}.bias"), rows, 0.0)
    }

    fn conv(&mut self, name: &str, to: usize, from: usize, side: usize, scale: f32) -> Result<()> {
        self.linear(name, to, side * side * from, scale)
    }

    fn norm(&mut self, name: &str, channels: usize) -> Result<()> {
        self.constant(&format!("{name}.weight"), channels, 1.0)?;
        self.constant(&format!("{name}.bias"), channels, 0.0)
    }

    fn residual(&mut self, name: &str, from: usize, to: usize) -> Result<()> {
        self.norm(&format!("{name}.norm1"), from)?;
        self.conv(&format!("{name}.conv1"), to, from, 3, 1.0)?;
        self.norm(&format!("{name}.norm2"), to)?;
        self.conv(&format!("{name}.conv2"), to, to, 3, ADDED)?;
        if from != to {
            self.conv(&format!("{name}.conv_shortcut"), to, from, 1, 1.0)?;
        }
        Ok(())
    }

    fn middle(&mut self, name: &str, channels: usize) -> Result<()> {
        self.residual(&format!("{name}.mid_block.resnets.0"), channels, channels)?;
        let attention = format!("{name}.mid_block.attentions.0");
        self.norm(&format!("{attention}.group_norm"), channels)?;
        for part in ["to_q", "to_k", "to_v"] {
            self.linear(&format!("{attention}.{part}"), channels, channels, 1.0)?;
        }
        self.linear(&format!("{attention}.to_out.0"), channels, channels, ADDED)?;
        self.residual(&format!("{name}.mid_block.resnets.1"), channels, channels)
    }

    fn text_layer(&mut self, name: &str) -> Result<()> {
        let (query, key) = (TEXT_HEADS * TEXT_HEAD, TEXT_KV_HEADS * TEXT_HEAD);
        self.constant(&format!("{name}.input_layernorm.weight"), HIDDEN, 1.0)?;
        self.matrix(&format!("{name}.self_attn.q_proj"), query, HIDDEN, 1.0)?;
        self.matrix(&format!("{name}.self_attn.k_proj"), key, HIDDEN, 1.0)?;
        self.matrix(&format!("{name}.self_attn.v_proj"), key, HIDDEN, 1.0)?;
        self.constant(&format!("{name}.self_attn.q_norm.weight"), TEXT_HEAD, 1.0)?;
        self.constant(&format!("{name}.self_attn.k_norm.weight"), TEXT_HEAD, 1.0)?;
        self.matrix(&format!("{name}.self_attn.o_proj"), HIDDEN, query, 0.1)?;
        self.constant(&format!("{name}.post_attention_layernorm.weight"), HIDDEN, 1.0)?;
        self.matrix(&format!("{name}.mlp.gate_proj"), INTERMEDIATE, HIDDEN, 1.0)?;
        self.matrix(&format!("{name}.mlp.up_proj"), INTERMEDIATE, HIDDEN, 1.0)?;
        self.matrix(&format!("{name}.mlp.down_proj"), HIDDEN, INTERMEDIATE, 0.1)
    }

    /// One layer of the transformer. What it adds is normed before it is added: its size is that of the gates, or of
    /// the norm's weights where there are none.
    fn block(&mut self, name: &str, is_modulated: bool) -> Result<()> {
        for part in ["to_q", "to_k", "to_v", "to_out.0"] {
            self.matrix(&format!("{name}.attention.{part}"), DIM, DIM, 1.0)?;
        }
        for part in ["norm_q", "norm_k"] {
            self.constant(&format!("{name}.attention.{part}.weight"), HEAD, 1.0)?;
        }
        self.matrix(&format!("{name}.feed_forward.w1"), INNER, DIM, 1.0)?;
        self.matrix(&format!("{name}.feed_forward.w2"), DIM, INNER, 1.0)?;
        self.matrix(&format!("{name}.feed_forward.w3"), INNER, DIM, 1.0)?;
        let behind = if is_modulated { 1.0 } else { GATE };
        for (part, weight) in
            [("attention_norm1", 1.0), ("attention_norm2", behind), ("ffn_norm1", 1.0), ("ffn_norm2", behind)]
        {
            self.constant(&format!("{name}.{part}.weight"), DIM, weight)?;
        }
        if is_modulated {
            let modulation = format!("{name}.adaLN_modulation.0");
            self.matrix(&modulation, 4 * DIM, DIM, 0.1)?;
            let bias = (0..4 * DIM).map(|number| if number / DIM % 2 == 1 { GATE } else { 0.0 }).collect();
            self.add(&format!("{modulation}.bias"), &Tensor::from_vec::<_, f32>(bias, 4 * DIM, &Device::Cpu)?)?;
        }
        Ok(())
    }
}
