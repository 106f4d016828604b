//! The trained model in the hub's layout, as diffusers saves such a pipeline, in BF16. The encoder of the VAE and the
//! last layer of the text encoder are never computed when a picture is drawn: neither is written.

use crate::network::Network;
use crate::shape::{
    AXES, BLOCKS, CAPTION, DIM, EPS, GROUPS, HEADS, HIDDEN, INTERMEDIATE, LATENT, LAYERS, PATCH, PATCHES, SHIFT,
    TEXT_EPS, TEXT_HEAD, TEXT_HEADS, TEXT_KV_HEADS, TEXT_LAYERS, TEXT_THETA, THETA, TIME_SCALE, VAE_LAYERS, VOCAB,
};
use crate::training::{Failure, Scale};
use crate::vocabulary;
use candle_core::{DType, Device, Result, Tensor};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// Positions that the text encoder knows of.
const CONTEXT: usize = 64;

/// Writes what is known before the training: the tokenizer, and all configs but the VAE's.
pub(crate) fn text(directory: &Path, tokenizer: &Value) -> std::result::Result<(), Failure> {
    let pipeline = json!({
        "_class_name": "ZImagePipeline",
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "Qwen3Model"],
        "tokenizer": ["transformers", "Qwen2Tokenizer"],
        "transformer": ["diffusers", "ZImageTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    });
    let scheduler = json!({
        "_class_name": "FlowMatchEulerDiscreteScheduler",
        "num_train_timesteps": 1000,
        "shift": SHIFT,
        "use_dynamic_shifting": false,
    });
    let text_encoder = json!({
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": VOCAB,
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": TEXT_LAYERS,
        "num_attention_heads": TEXT_HEADS,
        "num_key_value_heads": TEXT_KV_HEADS,
        "head_dim": TEXT_HEAD,
        "attention_bias": false,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": true,
        "rope_theta": TEXT_THETA,
        "rms_norm_eps": TEXT_EPS,
        "hidden_act": "silu",
        "eos_token_id": vocabulary::id("<|im_end|>"),
        "torch_dtype": "bfloat16",
    });
    let tokenizer_config = json!({
        "tokenizer_class": "Qwen2Tokenizer",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "model_max_length": CONTEXT,
    });
    let transformer = json!({
        "_class_name": "ZImageTransformer2DModel",
        "all_patch_size": [PATCH],
        "all_f_patch_size": [1],
        "in_channels": LATENT,
        "dim": DIM,
        "n_layers": LAYERS,
        "n_refiner_layers": 1,
        "n_heads": HEADS,
        "n_kv_heads": HEADS,
        "norm_eps": EPS,
        "qk_norm": true,
        "cap_feat_dim": HIDDEN,
        "rope_theta": THETA,
        "t_scale": TIME_SCALE,
        "axes_dims": AXES,
        // One group of rows for a caption, and no picture larger than those of the training.
        "axes_lens": [CAPTION + 2, PATCHES, PATCHES],
    });
    for (name, content) in [
        ("model_index.json", &pipeline),
        ("scheduler/scheduler_config.json", &scheduler),
        ("text_encoder/config.json", &text_encoder),
        ("tokenizer/tokenizer_config.json", &tokenizer_config),
        ("tokenizer/tokenizer.json", tokenizer),
        ("transformer/config.json", &transformer),
    ] {
        write(&directory.join(name), content)?;
    }
    Ok(())
}

/// Writes the decoder of the VAE.
pub(crate) fn vae(network: &Network, scale: Scale, directory: &Path) -> std::result::Result<(), Failure> {
    let config = json!({
        "_class_name": "AutoencoderKL",
        "act_fn": "silu",
        "in_channels": 3,
        "out_channels": 3,
        "block_out_channels": BLOCKS,
        "down_block_types": BLOCKS.map(|_| "DownEncoderBlock2D"),
        "up_block_types": BLOCKS.map(|_| "UpDecoderBlock2D"),
        "latent_channels": LATENT,
        "layers_per_block": VAE_LAYERS,
        "norm_num_groups": GROUPS,
        "scaling_factor": scale.factor,
        "shift_factor": scale.shift,
        "mid_block_add_attention": true,
        "force_upcast": true,
        "use_quant_conv": false,
        "use_post_quant_conv": false,
    });
    write(&directory.join("vae/config.json"), &config)?;
    let decoder = network.weights().into_iter().filter(|(name, _)| name.starts_with("decoder."));
    let laid = decoder.map(|(name, weight)| {
        let laid = convolution(&name, weight)?;
        Ok((name, laid))
    });
    Ok(save(&directory.join("vae/diffusion_pytorch_model.safetensors"), laid.collect::<Result<_>>()?)?)
}

/// Writes the text encoder and the transformer.
pub(crate) fn drawing(network: &Network, directory: &Path) -> std::result::Result<(), Failure> {
    let (mut text, mut transformer) = (HashMap::new(), HashMap::new());
    for (name, weight) in network.weights() {
        let weight = weight.as_tensor().clone();
        match name.as_str() {
            name if name.starts_with("model.") => text.insert(name.to_owned(), weight),
            "cap_pad_token" => transformer.insert(name, weight.reshape((1, DIM))?),
            _ => transformer.insert(name, weight),
        };
    }
    // Named by the layout and used by nobody: pictures of the training have no rows that pad them, and features are not
    // normed.
    transformer.insert("x_pad_token".to_owned(), Tensor::zeros((1, DIM), DType::F32, &Device::Cpu)?);
    text.insert("model.norm.weight".to_owned(), Tensor::ones(HIDDEN, DType::F32, &Device::Cpu)?);
    save(&directory.join("text_encoder/model.safetensors"), text)?;
    Ok(save(&directory.join("transformer/diffusion_pytorch_model.safetensors"), transformer)?)
}

/// A convolution's weights as the layout has them, `[out, in, side, side]`; any other weight as it is.
fn convolution(name: &str, weight: &Tensor) -> Result<Tensor> {
    let side = if name.contains("conv_shortcut") { 1 } else { 3 };
    match weight.dims() {
        [to, places] if name.contains("conv") => {
            weight.reshape((*to, side, side, places / (side * side)))?.permute((0, 3, 1, 2))?.contiguous()
        }
        _ => Ok(weight.clone()),
    }
}

fn write(file: &Path, content: &Value) -> std::result::Result<(), Failure> {
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    Ok(fs::write(file, serde_json::to_string_pretty(content)? + "\n")?)
}

/// Writes tensors in BF16, beside the old ones first: whoever reads them meanwhile reads whole ones.
fn save(file: &Path, tensors: HashMap<String, Tensor>) -> Result<()> {
    let halved = tensors.into_iter().map(|(name, tensor)| Ok((name, tensor.to_dtype(DType::BF16)?)));
    let draft = file.with_extension("draft");
    candle_core::safetensors::save(&halved.collect::<Result<HashMap<_, _>>>()?, &draft)?;
    Ok(fs::rename(draft, file)?)
}
