//! The trained model in Hugging Face's layout.

use crate::network::Network;
use crate::network::shape::{
    BETA_FAST, BETA_SLOW, CONTEXT, EPS, HEAD_DIM, HEADS, HIDDEN, INTERMEDIATE, KV_HEADS, LAYERS, NEAR, THETA,
};
use crate::vocabulary::{self, VOCAB};
use candle_core::{DType, Tensor};
use serde_json::{Value, json};
use sluice_origin::models::endless::TEMPLATE;
use std::collections::HashMap;
use std::error::Error;
use std::path::Path;

/// Writes everything but the weights.
pub(crate) fn text(directory: &Path, tokenizer: &Value) -> Result<(), Box<dyn Error + Send + Sync>> {
    let config = json!({
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": VOCAB,
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD_DIM,
        "attention_bias": false,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": true,
        "rope_theta": THETA,
        "rope_scaling": {
            "rope_type": "yarn",
            "factor": (CONTEXT / NEAR) as f64,
            "original_max_position_embeddings": NEAR,
            "beta_fast": BETA_FAST,
            "beta_slow": BETA_SLOW,
            "attention_factor": 1.0,
        },
        "rms_norm_eps": EPS,
        "hidden_act": "silu",
        "eos_token_id": vocabulary::end(),
        "torch_dtype": "bfloat16",
    });
    let ends = [vocabulary::end(), vocabulary::id("<|endoftext|>")];
    let tokenizer_config = json!({
        "tokenizer_class": "Qwen2Tokenizer",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "model_max_length": CONTEXT,
        "chat_template": TEMPLATE,
    });
    let files = [
        ("config.json", config),
        ("generation_config.json", json!({"do_sample": true, "eos_token_id": ends})),
        ("tokenizer_config.json", tokenizer_config),
        ("tokenizer.json", tokenizer.clone()),
    ];
    for (name, content) in files {
        std::fs::write(directory.join(name), serde_json::to_string_pretty(&content)? + "\n")?;
    }
    Ok(())
}

/// Writes the weights in BF16, beside the old ones first: whoever reads them meanwhile reads whole ones.
pub(crate) fn weights(network: &Network, directory: &Path) -> Result<(), Box<dyn Error + Send + Sync>> {
    let halved = |(name, weight): (String, &candle_core::Var)| Ok((name, weight.to_dtype(DType::BF16)?));
    let tensors: HashMap<String, Tensor> =
        network.weights().into_iter().map(halved).collect::<candle_core::Result<_>>()?;
    let draft = directory.join("model.safetensors.draft");
    candle_core::safetensors::save(&tensors, &draft)?;
    Ok(std::fs::rename(draft, directory.join("model.safetensors"))?)
}
