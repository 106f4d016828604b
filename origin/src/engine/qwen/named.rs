//! The numbers of well-known models, for load tests without their weights.

use super::shape::{Family, Rope, Shape};

/// The shapes that `--random` knows: their names.
pub const NAMES: [&str; 5] = ["Qwen1.5-0.5B", "Qwen2.5-7B", "Qwen3-0.6B", "Qwen3-1.7B", "Qwen3-14B"];

/// The shape of a model of this name, as its publisher's `config.json` has it; `None` for other names.
pub fn named(name: &str) -> Option<Shape> {
    let qwen3 = Family::Qwen3 { bias: false };
    // family, vocab, hidden, intermediate, layers, heads, key-value heads, head size, context, tied
    let numbers = match name {
        "Qwen1.5-0.5B" => (Family::Qwen2, 151_936, 1_024, 2_816, 24, 16, 16, 64, 32_768, true),
        "Qwen2.5-7B" => (Family::Qwen2, 152_064, 3_584, 18_944, 28, 28, 4, 128, 32_768, false),
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
}
