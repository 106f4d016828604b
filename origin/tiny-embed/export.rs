//! The trained model in Hugging Face's layout, as Sentence Transformers saves a model that embeds.

use crate::network::Network;
use crate::shape::{CONTEXT, EPS, HEAD_DIM, HEADS, HIDDEN, INTERMEDIATE, KV_HEADS, LAYERS, THETA, VOCAB};
use crate::vocabulary::{END, id};
use candle_core::{DType, Tensor};
use serde_json::{Value, json};
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
        "rms_norm_eps": EPS,
        "hidden_act": "silu",
        "eos_token_id": id(END),
        "torch_dtype": "bfloat16",
    });
    let tokenizer_config = json!({
        "tokenizer_class": "Qwen2Tokenizer",
        "eos_token": END,
        "pad_token": END,
        "padding_side": "left",
        "model_max_length": CONTEXT,
    });
    let module = |number: usize, path: &str, kind: &str| {
        let kind = format!("sentence_transformers.models.{kind}");
        json!({"idx": number, "name": number.to_string(), "path": path, "type": kind})
    };
    let modules =
        json!([module(0, "", "Transformer"), module(1, "1_Pooling", "Pooling"), module(2, "2_Normalize", "Normalize")]);
    let pooling = json!({
        "word_embedding_dimension": HIDDEN,
        "pooling_mode_cls_token": false,
        "pooling_mode_mean_tokens": false,
        "pooling_mode_max_tokens": false,
        "pooling_mode_lasttoken": true,
        "include_prompt": true,
    });
    let files = [
        ("config.json", config),
        ("tokenizer_config.json", tokenizer_config),
        ("tokenizer.json", tokenizer.clone()),
        ("modules.json", modules),
        ("1_Pooling/config.json", pooling),
    ];
    std::fs::create_dir_all(directory.join("1_Pooling"))?;
    for (name, content) in files {
        std::fs::write(directory.join(name), serde_json::to_string_pretty(&content)? + "\n")?;
    }
    Ok(())
}

/// Writes the weights in BF16, beside the old ones first: whoever reads them meanwhile reads whole ones.
pub(crate) fn weights(network: &Network, directory: &Path) -> Result<(), Box<dyn Error + Send + Sync>> {
    // Models that embed are saved without what would hold a head, and so without its name.
    let bare = |name: String| name.strip_prefix("model.").map(str::to_owned).unwrap_or(name);
    let halved = |(name, weight): (String, &candle_core::Var)| Ok((bare(name), weight.to_dtype(DType::BF16)?));
    let tensors: HashMap<String, Tensor> =
        network.weights().into_iter().map(halved).collect::<candle_core::Result<_>>()?;
    let draft = directory.join("model.safetensors.draft");
    candle_core::safetensors::save(&tensors, &draft)?;
    Ok(std::fs::rename(draft, directory.join("model.safetensors"))?)
}
