//! The numbers of well-known models, for load tests without their weights.

use super::{Family, Rope, Shape};

/// The shapes that `--random` knows: their names.
pub const NAMES: [&str; 5] = ["Qwen1.5-0.5B", "Qwen2.5-7B", "Qwen3-0.6B", "Qwen3-1.7B", "Qwen3-14B"];

/// The shape of a model of this name, as its publisher's `config.json` has it; `None` for other names.
pub fn named(name: &str) -> Option<Shape> {
    let qwen3 = Family::Qwen3 { bias: false };
    // family, vocab, hidden, intermediate, layers, heads, key-value heads, head size, context, tied
    let numbers = match name {
        "Qwen1.5-0.5B" => (Family::Qwen2, 151_936, 1_024, 2_816, 24, 16, 16, 64, 32_768, true),
        "Qwen2.5-7B" => (Family::Qwen2, 152_064, 3_584, 18_944, 28, 28, 4, 128, 131_072, false),
        "Qwen3-0.6B" => (qwen3, 151_936, 1_024, 3_072, 28, 16, 8, 128, 40_960, true),
        "Qwen3-1.7B" => (qwen3, 151_936, 2_048, 6_144, 28, 16, 8, 128, 40_960, true),
        "Qwen3-14B" => (qwen3, 151_936, 5_120, 17_408, 40, 40, 8, 128, 40_960, false),
        _ => return None,
    };
    let (family, vocab, hidden, intermediate, layers, heads, kv_heads, head_dim, context, tied) = numbers;
    let rope = Rope { theta: 1e6, yarn: None };
    let norm_eps = 1e-6;
    Some(Shape {
        family,
        vocab,
        hidden,
        intermediate,
        layers,
        heads,
        kv_heads,
        head_dim,
        context,
        tied,
        norm_eps,
        rope,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_names_hold_what_they_promise() {
        // Billions of parameters, as the model cards say.
        for (name, billions) in NAMES.into_iter().zip([0.46, 7.6, 0.6, 1.7, 14.8]) {
            let shape = named(name).unwrap().checked().unwrap();
            let found = shape.parameters() as f64 / 1e9;
            assert!((found / billions - 1.0).abs() < 0.03, "{name}: {found}");
        }
        assert_eq!(named("Qwen3-0.5B"), None);
    }

    /// What the publisher's files say, in their words: read as any other model's `config.json`.
    #[test]
    fn every_shape_is_the_published_one() {
        let qwen2 = json!({
            "model_type": "qwen2", "hidden_act": "silu", "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
            "use_sliding_window": false, "sliding_window": 32768, "vocab_size": 151936,
        });
        let qwen3 = json!({
            "model_type": "qwen3", "hidden_act": "silu", "rms_norm_eps": 1e-06, "rope_theta": 1000000, "attention_bias": false,
            "use_sliding_window": false, "sliding_window": null, "rope_scaling": null, "vocab_size": 151936,
            "head_dim": 128, "num_key_value_heads": 8, "max_position_embeddings": 40960,
        });
        let published = [
            (
                &qwen2,
                json!({
                    "hidden_size": 1024, "intermediate_size": 2816, "num_hidden_layers": 24, "num_attention_heads": 16,
                    "num_key_value_heads": 16, "max_position_embeddings": 32768, "tie_word_embeddings": true,
                }),
            ),
            (
                &qwen2,
                json!({
                    "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
                    "num_key_value_heads": 4, "max_position_embeddings": 131072, "tie_word_embeddings": false,
                    "vocab_size": 152064,
                }),
            ),
            (
                &qwen3,
                json!({
                    "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16,
                    "tie_word_embeddings": true,
                }),
            ),
            (
                &qwen3,
                json!({
                    "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28, "num_attention_heads": 16,
                    "tie_word_embeddings": true,
                }),
            ),
            (
                &qwen3,
                json!({
                    "hidden_size": 5120, "intermediate_size": 17408, "num_hidden_layers": 40, "num_attention_heads": 40,
                    "tie_word_embeddings": false,
                }),
            ),
        ];
        for (name, (family, own)) in NAMES.into_iter().zip(published) {
            let mut config = family.clone();
            for (member, value) in own.as_object().unwrap() {
                config[member] = value.clone();
            }
            assert_eq!(named(name), Some(Shape::parse(config.to_string().as_bytes()).unwrap()), "{name}");
        }
    }
}
