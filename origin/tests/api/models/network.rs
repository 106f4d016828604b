//! Small random networks, made by the recipe that `oracle/forward.py` shares.

use candle_core::{Device, Tensor};
use serde_json::{Value, json};
use sluice_origin::engine::model::{Logits, Model, Row};
use sluice_origin::models::qwen::Qwen;
use std::collections::HashMap;
use std::path::Path;

/// The numbers of one network, as the oracle's goldens hold them.
pub(crate) struct Shape(pub(crate) Value);

impl Shape {
    fn number(&self, name: &str) -> usize {
        self.0[name].as_u64().unwrap_or_else(|| panic!("{name} in {}", self.0)) as usize
    }

    fn is(&self, name: &str) -> bool {
        self.0[name] == true
    }

    /// Writes `config.json` and `model.safetensors`.
    pub(crate) fn write(&self, directory: &Path) {
        self.write_with(directory, &self.tensors());
    }

    /// The same with weights of the caller's, in the types that they have.
    pub(crate) fn write_with(&self, directory: &Path, tensors: &HashMap<String, Tensor>) {
        std::fs::create_dir_all(directory).unwrap();
        let mut config = json!({
            "model_type": self.0["family"], "vocab_size": self.0["vocab"], "hidden_size": self.0["hidden"],
            "intermediate_size": self.0["intermediate"], "num_hidden_layers": self.0["layers"],
            "num_attention_heads": self.0["heads"], "num_key_value_heads": self.0["kv_heads"],
            "head_dim": self.0["head_dim"], "max_position_embeddings": 4096, "rms_norm_eps": self.0["eps"],
            "rope_theta": self.0["theta"], "hidden_act": "silu", "tie_word_embeddings": self.0["tied"],
            "attention_bias": self.is("bias"),
        });
        if let Some(yarn) = self.0.get("yarn") {
            let original = yarn["original"].as_u64().unwrap();
            config["rope_scaling"] = json!({
                "rope_type": "yarn", "factor": yarn["factor"], "original_max_position_embeddings": original,
            });
        }
        std::fs::write(directory.join("config.json"), config.to_string()).unwrap();
        candle_core::safetensors::save(tensors, directory.join("model.safetensors")).unwrap();
    }

    /// Every tensor, each from its own seed: its place in this order.
    pub(crate) fn tensors(&self) -> HashMap<String, Tensor> {
        let (hidden, intermediate, vocab) = (self.number("hidden"), self.number("intermediate"), self.number("vocab"));
        let query = self.number("heads") * self.number("head_dim");
        let key = self.number("kv_heads") * self.number("head_dim");
        let (qwen2, qwen3) = (self.0["family"] == "qwen2", self.0["family"] == "qwen3");
        // Wider rows get smaller weights, so that a product's size stays; the oracle's networks are all 64 wide.
        let scale = 0.25 * (64.0 / hidden as f64).sqrt();
        let mut all: Vec<(String, Vec<usize>, f64, f64)> =
            vec![("model.embed_tokens.weight".into(), vec![vocab, hidden], 1.0, 0.0)];
        if !self.is("tied") {
            all.push(("lm_head.weight".into(), vec![vocab, hidden], 0.3, 0.0));
        }
        all.push(("model.norm.weight".into(), vec![hidden], 0.2, 1.0));
        for layer in 0..self.number("layers") {
            for (part, rows, columns) in [
                ("self_attn.q_proj", query, hidden),
                ("self_attn.k_proj", key, hidden),
                ("self_attn.v_proj", key, hidden),
                ("self_attn.o_proj", hidden, query),
                ("mlp.gate_proj", intermediate, hidden),
                ("mlp.up_proj", intermediate, hidden),
                ("mlp.down_proj", hidden, intermediate),
            ] {
                all.push((format!("model.layers.{layer}.{part}.weight"), vec![rows, columns], scale, 0.0));
                let attention = part.starts_with("self_attn");
                if (qwen2 && attention && !part.contains("o_proj")) || (self.is("bias") && attention) {
                    all.push((format!("model.layers.{layer}.{part}.bias"), vec![rows], 0.5, 0.0));
                }
            }
            let width = self.number("head_dim");
            let norms = [("self_attn.q_norm", width), ("self_attn.k_norm", width)];
            let norms = norms.into_iter().filter(|_| qwen3);
            for (part, size) in norms.chain([("input_layernorm", hidden), ("post_attention_layernorm", hidden)]) {
                all.push((format!("model.layers.{layer}.{part}.weight"), vec![size], 0.2, 1.0));
            }
        }
        let tensor = |(seed, (name, size, scale, offset)): (u64, (String, Vec<usize>, f64, f64))| {
            let values: Vec<f32> =
                splitmix(seed, size.iter().product()).map(|bits| (offset + scale * signed(bits)) as f32).collect();
            (name, Tensor::from_vec(values, size, &Device::Cpu).unwrap())
        };
        (1..).zip(all).map(tensor).collect()
    }
}

/// SplitMix64's first outputs.
pub(crate) fn splitmix(seed: u64, count: usize) -> impl Iterator<Item = u64> {
    (1..=count as u64).map(move |step| {
        let mut mixed = seed.wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

fn signed(bits: u64) -> f64 {
    (bits >> 40) as f64 / f64::from(1 << 23) - 1.0
}

/// The oracle's prompt.
pub(crate) fn prompt(count: usize, vocab: usize) -> Vec<u32> {
    splitmix(0, count).map(|bits| (bits % vocab as u64) as u32).collect()
}

/// One step of some rows; the logits of each that samples.
pub(crate) fn step(model: &mut Qwen, rows: &[Row<'_>]) -> Vec<Option<Vec<f32>>> {
    let mut logits = Logits::default();
    logits.reset(rows.len(), model.vocab_size());
    model.step(rows, &mut logits).unwrap();
    (0..rows.len()).map(|row| logits.row(row).unwrap().map(<[f32]>::to_vec)).collect()
}

/// One row's step; its logits.
pub(crate) fn one(model: &mut Qwen, slot: usize, position: usize, tokens: &[u32]) -> Vec<f32> {
    step(model, &[Row { slot, position, tokens, sample: true }]).remove(0).unwrap()
}

/// The first best.
pub(crate) fn best(logits: &[f32]) -> u32 {
    let pick = |best: (u32, f32), (id, logit): (u32, &f32)| if *logit > best.1 { (id, *logit) } else { best };
    (0..).zip(logits).fold((0, f32::NEG_INFINITY), pick).0
}
