//! Qwen2 and Qwen3 through candle-transformers, F32 on the CPU: one clone of the model per slot (the weights are
//! shared), the rows of a step computed one after another.
//!
//! Loads a directory in Hugging Face's layout. Files are read into memory and not mapped: a mapped file that somebody
//! truncates kills the process, and mapping needs `unsafe`.

use super::model::{Logits, Model, ModelError, Row};
use candle_core::{DType, Device, Tensor};
use candle_nn::{Activation, VarBuilder};
use candle_transformers::models::{qwen2, qwen3};
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// A model directory that cannot be served: which file, and what was wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", file.display())]
pub struct LoadError {
    /// The file or directory.
    pub file: PathBuf,
    /// What was wrong, for the operator.
    pub why: String,
}

impl LoadError {
    pub(crate) fn new(file: impl Into<PathBuf>, why: &(impl fmt::Display + ?Sized)) -> Self {
        Self { file: file.into(), why: why.to_string() }
    }

    /// There is neither a home nor a cache directory to keep a model in.
    pub fn no_home() -> Self {
        Self::new("tiny", "neither XDG_CACHE_HOME nor HOME is set; say where to keep it with --state DIR")
    }
}

/// A Qwen2 or Qwen3 model with its slots.
pub struct CandleModel {
    slots: Vec<Slot>,
    device: Device,
    context: usize,
    vocab: usize,
}

struct Slot {
    network: Network,
    len: usize,
}

#[derive(Clone)]
enum Network {
    Qwen2(qwen2::ModelForCausalLM),
    Qwen3(qwen3::ModelForCausalLM),
}

impl CandleModel {
    /// Loads `config.json` and all `*.safetensors` of a directory. Blocks for as long as that takes.
    pub fn load(directory: &Path, slots: usize) -> Result<Self, LoadError> {
        let config = ModelConfig::load(directory)?;
        let device = Device::Cpu;
        let tensors = load_tensors(directory, &device)?;
        if !config.tied && !tensors.contains_key("lm_head.weight") {
            let why = "tie_word_embeddings is false and no safetensors file holds lm_head.weight";
            return Err(LoadError::new(directory.join("config.json"), &why));
        }
        let weights = VarBuilder::from_tensors(tensors, DType::F32, &device);
        let network = match &config.network {
            NetworkConfig::Qwen2(config) => qwen2::ModelForCausalLM::new(config, weights).map(Network::Qwen2),
            NetworkConfig::Qwen3(config) => qwen3::ModelForCausalLM::new(config, weights).map(Network::Qwen3),
        }
        .map_err(|error| LoadError::new(directory, &format!("the weights do not fit config.json: {error}")))?;
        let slots = (0..slots).map(|_| Slot { network: network.clone(), len: 0 }).collect();
        Ok(Self { slots, device, context: config.context, vocab: config.vocab })
    }
}

impl Model for CandleModel {
    fn context_length(&self) -> usize {
        self.context
    }

    fn vocab_size(&self) -> usize {
        self.vocab
    }

    fn slots(&self) -> usize {
        self.slots.len()
    }

    fn step(&mut self, rows: &[Row<'_>], logits: &mut Logits) -> Result<(), ModelError> {
        for (number, row) in rows.iter().enumerate() {
            match self.slots[row.slot].run(row, &self.device) {
                Ok(values) if values.len() == self.vocab => {
                    if row.sample {
                        logits.row_mut(number).copy_from_slice(&values);
                    }
                }
                Ok(values) => logits.fail(number, format!("{} logits instead of {}", values.len(), self.vocab)),
                Err(error) => logits.fail(number, error.to_string()),
            }
        }
        Ok(())
    }

    fn release(&mut self, slot: usize) {
        let slot = &mut self.slots[slot];
        slot.len = 0;
        match &mut slot.network {
            Network::Qwen2(network) => network.clear_kv_cache(),
            Network::Qwen3(network) => network.clear_kv_cache(),
        }
    }
}

impl Slot {
    fn run(&mut self, row: &Row<'_>, device: &Device) -> candle_core::Result<Vec<f32>> {
        if row.position != self.len {
            candle_core::bail!("a row for position {} came to a slot that holds {}", row.position, self.len);
        }
        let input = Tensor::new(row.tokens, device)?.unsqueeze(0)?;
        let output = match &mut self.network {
            Network::Qwen2(network) => network.forward(&input, row.position)?,
            Network::Qwen3(network) => network.forward(&input, row.position)?,
        };
        self.len += row.tokens.len();
        output.flatten_all()?.to_vec1::<f32>()
    }
}

/// What `config.json` says, checked.
struct ModelConfig {
    network: NetworkConfig,
    context: usize,
    vocab: usize,
    tied: bool,
}

enum NetworkConfig {
    Qwen2(qwen2::Config),
    Qwen3(qwen3::Config),
}

/// `config.json` as transformers 4 and 5 write it. Members that are missing in one of them have that version's default.
#[derive(Deserialize)]
struct RawConfig {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    #[serde(default)]
    attention_bias: bool,
    max_position_embeddings: usize,
    sliding_window: Option<usize>,
    max_window_layers: Option<usize>,
    #[serde(default)]
    use_sliding_window: bool,
    #[serde(default)]
    tie_word_embeddings: bool,
    rope_theta: Option<f64>,
    rope_scaling: Option<serde_json::Value>,
    rope_parameters: Option<RopeParameters>,
    rms_norm_eps: f64,
    hidden_act: Activation,
}

#[derive(Deserialize)]
struct RopeParameters {
    rope_theta: Option<f64>,
    rope_type: Option<String>,
}

impl ModelConfig {
    fn load(directory: &Path) -> Result<Self, LoadError> {
        let file = directory.join("config.json");
        let text = std::fs::read(&file).map_err(|error| LoadError::new(&file, &error))?;
        let raw: RawConfig = serde_json::from_slice(&text).map_err(|error| LoadError::new(&file, &error))?;
        raw.check().map_err(|why| LoadError::new(&file, &why))
    }
}

impl RawConfig {
    fn check(self) -> Result<ModelConfig, String> {
        let (heads, kv_heads) =
            (self.num_attention_heads, self.num_key_value_heads.unwrap_or(self.num_attention_heads));
        if heads == 0 || kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
            return Err(format!("{heads} attention heads cannot share {kv_heads} key-value heads"));
        }
        if self.use_sliding_window {
            return Err("use_sliding_window is not served".into());
        }
        // candle passes a scaling over in silence, and every answer would be wrong.
        if self.rope_scaling.as_ref().is_some_and(|scaling| !scaling.is_null()) {
            return Err("rope_scaling is not served; remove it to serve the model's own context".into());
        }
        let parameters = self.rope_parameters.as_ref();
        if let Some(kind) = parameters.and_then(|p| p.rope_type.as_deref()).filter(|kind| *kind != "default") {
            return Err(format!("rope_parameters of type {kind} are not served"));
        }
        let rope_theta = self
            .rope_theta
            .or(parameters.and_then(|p| p.rope_theta))
            .ok_or("neither rope_theta nor rope_parameters.rope_theta is there")?;
        let network = match self.model_type.as_str() {
            "qwen2" => NetworkConfig::Qwen2(qwen2::Config {
                vocab_size: self.vocab_size,
                hidden_size: self.hidden_size,
                intermediate_size: self.intermediate_size,
                num_hidden_layers: self.num_hidden_layers,
                num_attention_heads: heads,
                num_key_value_heads: kv_heads,
                max_position_embeddings: self.max_position_embeddings,
                // candle applies it although use_sliding_window is false: the whole context is the same as none.
                sliding_window: self.max_position_embeddings,
                max_window_layers: self.max_window_layers.unwrap_or(self.num_hidden_layers),
                tie_word_embeddings: self.tie_word_embeddings,
                rope_theta,
                rms_norm_eps: self.rms_norm_eps,
                use_sliding_window: false,
                hidden_act: self.hidden_act,
            }),
            "qwen3" => NetworkConfig::Qwen3(qwen3::Config {
                vocab_size: self.vocab_size,
                hidden_size: self.hidden_size,
                intermediate_size: self.intermediate_size,
                num_hidden_layers: self.num_hidden_layers,
                num_attention_heads: heads,
                head_dim: self.head_dim.unwrap_or(128),
                attention_bias: self.attention_bias,
                num_key_value_heads: kv_heads,
                max_position_embeddings: self.max_position_embeddings,
                sliding_window: self.sliding_window,
                max_window_layers: self.max_window_layers.unwrap_or(self.num_hidden_layers),
                tie_word_embeddings: self.tie_word_embeddings,
                rope_theta,
                rms_norm_eps: self.rms_norm_eps,
                use_sliding_window: false,
                hidden_act: self.hidden_act,
            }),
            other => return Err(format!("model_type {other} is not served; qwen2 and qwen3 are")),
        };
        Ok(ModelConfig {
            network,
            context: self.max_position_embeddings,
            vocab: self.vocab_size,
            tied: self.tie_word_embeddings,
        })
    }
}

/// All tensors of all files, as F32. One file at a time is in memory twice.
fn load_tensors(directory: &Path, device: &Device) -> Result<HashMap<String, Tensor>, LoadError> {
    let entries = std::fs::read_dir(directory).map_err(|error| LoadError::new(directory, &error))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| LoadError::new(directory, &error))?.path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(LoadError::new(directory, "there is no *.safetensors file"));
    }
    files.sort();
    let mut all = HashMap::new();
    for file in files {
        let fault = |error: candle_core::Error| LoadError::new(&file, &error);
        for (name, tensor) in candle_core::safetensors::load(&file, device).map_err(fault)? {
            let tensor = tensor.to_dtype(DType::F32).map_err(fault)?;
            if all.insert(name.clone(), tensor).is_some() {
                return Err(LoadError::new(&file, &format!("{name} is in another file too")));
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(change: impl FnOnce(&mut serde_json::Value)) -> Result<ModelConfig, String> {
        let mut json = serde_json::json!({
            "model_type": "qwen3", "vocab_size": 8, "hidden_size": 4, "intermediate_size": 8, "num_hidden_layers": 1,
            "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 2, "max_position_embeddings": 16,
            "rms_norm_eps": 1e-6, "hidden_act": "silu", "rope_theta": 1e6, "sliding_window": null,
        });
        change(&mut json);
        serde_json::from_value::<RawConfig>(json).map_err(|error| error.to_string())?.check()
    }

    #[test]
    fn both_spellings_of_the_rope_base_are_read() {
        assert!(raw(|_| ()).is_ok());
        let config = raw(|json| {
            json.as_object_mut().unwrap().remove("rope_theta");
            json["rope_parameters"] = serde_json::json!({"rope_theta": 5.0, "rope_type": "default"});
        });
        match config.map(|config| config.network) {
            Ok(NetworkConfig::Qwen3(config)) => assert!((config.rope_theta - 5.0).abs() < f64::EPSILON),
            _ => panic!("a v5 config was not read"),
        }
    }

    #[test]
    fn what_candle_would_pass_over_is_refused() {
        let faults: [(&str, serde_json::Value, &str); 5] = [
            ("rope_scaling", serde_json::json!({"rope_type": "yarn", "factor": 4.0}), "rope_scaling"),
            ("rope_parameters", serde_json::json!({"rope_type": "yarn", "rope_theta": 1.0}), "yarn"),
            ("use_sliding_window", true.into(), "use_sliding_window"),
            ("model_type", "llama".into(), "llama"),
            ("num_key_value_heads", 0.into(), "heads"),
        ];
        for (member, value, expected) in faults {
            let why = raw(|json| json[member] = value).err().expect(member);
            assert!(why.contains(expected), "{why}");
        }
        let why = raw(|json| json["rope_theta"] = serde_json::Value::Null).err().expect("rope_theta");
        assert!(why.contains("rope_theta"), "{why}");
    }
}
