//! Whole models with made-up weights, in the hub's layout: for tests, and for measurements without the published ones.
//!
//! The recipe is shared with `origin/tests/oracle/images.py`: tensor by tensor in the order of the manifest, each with
//! SplitMix64 of its own number, uniform in [-1, 1) in steps of 2^-23, times a scale, plus 1 for norms.

use super::manifest::{self, Entry};
use super::shape::{DecoderShape, TransformerShape};
use crate::engine::sampler::SplitMix64;
use crate::load_error::LoadError;
use crate::models::qwen::shape::{Family, Rope, Shape};
use crate::models::tiny;
use candle_core::{Device, Tensor};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;

/// The shapes of a whole model.
#[derive(Clone, Debug)]
pub struct MadeUp {
    /// Of the text encoder, its last layer included.
    pub text: Shape,
    /// Of the transformer.
    pub transformer: TransformerShape,
    /// Of the decoder.
    pub decoder: DecoderShape,
    /// How far sigmas are shifted.
    pub shift: f64,
}

impl MadeUp {
    /// A model as small as its parts allow, with the tokenizer of `tiny`: patches of 4 x 4 pixels, an MLP of 85
    /// numbers.
    pub fn smallest() -> Self {
        let text = Shape {
            family: Family::Qwen3 { bias: false },
            vocab: 1_280,
            hidden: 32,
            intermediate: 48,
            layers: 3,
            heads: 2,
            kv_heads: 1,
            head_dim: 16,
            context: 1_024,
            tied: true,
            norm_eps: 1e-6,
            rope: Rope { theta: 1e6, yarn: None },
        };
        let transformer = TransformerShape {
            patch: 2,
            channels: 4,
            dim: 32,
            layers: 2,
            refiners: 1,
            heads: 2,
            norm_eps: 1e-5,
            caption: 32,
            rope_theta: 256.0,
            time_scale: 1_000.0,
            axes: [4, 6, 6],
            lengths: [600, 64, 64],
        };
        let decoder =
            DecoderShape { latent: 4, blocks: vec![8, 16], layers: 1, groups: 4, scaling: 0.3611, shift: 0.1159 };
        Self { text, transformer, decoder, shift: 3.0 }
    }

    /// Writes it into a directory, which is made if it is not there, in F32; the transformer in so many files.
    pub fn write(&self, directory: &Path, shards: usize) -> Result<(), LoadError> {
        let put = |name: &str, value: Value| {
            let path = directory.join(name);
            let write = || {
                std::fs::create_dir_all(path.parent().unwrap_or(directory))?;
                std::fs::write(&path, value.to_string())
            };
            write().map_err(|error| LoadError::new(&path, &error))
        };
        put("model_index.json", pipeline())?;
        put("scheduler/scheduler_config.json", scheduler(self.shift))?;
        put("text_encoder/config.json", text(&self.text))?;
        put("transformer/config.json", transformer(&self.transformer))?;
        save(&directory.join("text_encoder/model.safetensors"), &of_text(&self.text), 1_000)?;
        tiny::write(&directory.join("tokenizer"))?;
        write_decoder(&directory.join("vae"), &self.decoder, 3_000)?;
        let entries = manifest::transformer(&self.transformer);
        let (mut weights, most) = (serde_json::Map::new(), entries.len().div_ceil(shards.max(1)));
        for (number, part) in entries.chunks(most).enumerate() {
            let name = format!("diffusion_pytorch_model-{:05}-of-{shards:05}.safetensors", number + 1);
            save(&directory.join("transformer").join(&name), part, 2_000 + (number * most) as u64)?;
            weights.extend(part.iter().map(|entry| (entry.name.clone(), json!(name))));
        }
        put(
            "transformer/diffusion_pytorch_model.safetensors.index.json",
            json!({"metadata": {}, "weight_map": weights}),
        )
    }
}

/// Writes a decoder alone.
pub(crate) fn write_decoder(directory: &Path, shape: &DecoderShape, seed: u64) -> Result<(), LoadError> {
    std::fs::create_dir_all(directory).map_err(|error| LoadError::new(directory, &error))?;
    let config = directory.join("config.json");
    std::fs::write(&config, decoder(shape).to_string()).map_err(|error| LoadError::new(&config, &error))?;
    save(&directory.join("diffusion_pytorch_model.safetensors"), &manifest::decoder(shape), seed)
}

/// Writes one file. The seed of its first tensor is `first + 1`.
fn save(path: &Path, entries: &[Entry], first: u64) -> Result<(), LoadError> {
    let fault = |error: candle_core::Error| LoadError::new(path, &error);
    let made = (first + 1..).zip(entries).map(|(seed, entry)| Ok((entry.name.clone(), made_up(entry, seed)?)));
    let made = made.collect::<candle_core::Result<HashMap<String, Tensor>>>().map_err(fault)?;
    candle_core::safetensors::save(&made, path).map_err(fault)
}

fn made_up(entry: &Entry, seed: u64) -> candle_core::Result<Tensor> {
    // A product has about the variance of what is multiplied: uniform numbers have a third of their bound's square.
    let scale = match entry.shape.as_slice() {
        [_] if entry.name.ends_with(".bias") => 0.1,
        [_] => 0.2,
        [1, _] => 1.0,
        [_, rest @ ..] => (3.0 / rest.iter().product::<usize>() as f64).sqrt(),
        [] => 1.0,
    };
    let offset = if entry.shape.len() == 1 && entry.name.ends_with(".weight") { 1.0 } else { 0.0 };
    let mut source = SplitMix64::new(seed);
    let signed = |bits: u64| (bits >> 40) as f64 / f64::from(1 << 23) - 1.0;
    let values = (0..entry.count()).map(|_| (offset + scale * signed(source.next())) as f32).collect();
    Tensor::from_vec(values, entry.shape.as_slice(), &Device::Cpu)
}

/// The tensors of a Qwen3 with a tied head.
fn of_text(shape: &Shape) -> Vec<Entry> {
    let (query, key) = (shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim);
    let entry = |name: String, shape: &[usize]| Entry { name: format!("model.{name}.weight"), shape: shape.to_vec() };
    let mut entries =
        vec![entry("embed_tokens".into(), &[shape.vocab, shape.hidden]), entry("norm".into(), &[shape.hidden])];
    for layer in 0..shape.layers {
        let parts: [(&str, &[usize]); 11] = [
            ("self_attn.q_proj", &[query, shape.hidden]),
            ("self_attn.k_proj", &[key, shape.hidden]),
            ("self_attn.v_proj", &[key, shape.hidden]),
            ("self_attn.o_proj", &[shape.hidden, query]),
            ("self_attn.q_norm", &[shape.head_dim]),
            ("self_attn.k_norm", &[shape.head_dim]),
            ("mlp.gate_proj", &[shape.intermediate, shape.hidden]),
            ("mlp.up_proj", &[shape.intermediate, shape.hidden]),
            ("mlp.down_proj", &[shape.hidden, shape.intermediate]),
            ("input_layernorm", &[shape.hidden]),
            ("post_attention_layernorm", &[shape.hidden]),
        ];
        entries.extend(parts.map(|(part, size)| entry(format!("layers.{layer}.{part}"), size)));
    }
    entries
}

fn pipeline() -> Value {
    json!({
        "_class_name": "ZImagePipeline", "_diffusers_version": "0.42.1",
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "Qwen3Model"], "tokenizer": ["transformers", "Qwen2Tokenizer"],
        "transformer": ["diffusers", "ZImageTransformer2DModel"], "vae": ["diffusers", "AutoencoderKL"],
    })
}

fn scheduler(shift: f64) -> Value {
    json!({
        "_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": shift,
        "use_dynamic_shifting": false,
    })
}

fn text(shape: &Shape) -> Value {
    json!({
        "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "vocab_size": shape.vocab,
        "hidden_size": shape.hidden, "intermediate_size": shape.intermediate, "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads, "head_dim": shape.head_dim,
        "max_position_embeddings": shape.context, "tie_word_embeddings": shape.tied, "rope_theta": shape.rope.theta,
        "rms_norm_eps": shape.norm_eps, "hidden_act": "silu", "attention_bias": false,
    })
}

fn transformer(shape: &TransformerShape) -> Value {
    json!({
        "_class_name": "ZImageTransformer2DModel", "all_patch_size": [shape.patch], "all_f_patch_size": [1],
        "in_channels": shape.channels, "dim": shape.dim, "n_layers": shape.layers, "n_refiner_layers": shape.refiners,
        "n_heads": shape.heads, "n_kv_heads": shape.heads, "norm_eps": shape.norm_eps, "qk_norm": true,
        "cap_feat_dim": shape.caption, "rope_theta": shape.rope_theta, "t_scale": shape.time_scale,
        "axes_dims": shape.axes, "axes_lens": shape.lengths,
    })
}

fn decoder(shape: &DecoderShape) -> Value {
    let blocks = |kind: &str| vec![kind.to_owned(); shape.blocks.len()];
    json!({
        "_class_name": "AutoencoderKL", "act_fn": "silu", "in_channels": 3, "out_channels": 3,
        "block_out_channels": shape.blocks, "down_block_types": blocks("DownEncoderBlock2D"),
        "up_block_types": blocks("UpDecoderBlock2D"), "latent_channels": shape.latent, "layers_per_block": shape.layers,
        "norm_num_groups": shape.groups, "scaling_factor": shape.scaling, "shift_factor": shape.shift,
        "mid_block_add_attention": true, "force_upcast": true, "use_quant_conv": false, "use_post_quant_conv": false,
    })
}
