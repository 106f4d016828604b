//! What a model's config says, checked once: every later step may rely on it.
//!
//! `config.json` is read as transformers 4 and 5 write it. Whatever would silently change the answers and is not served
//! (sliding windows, unknown rope scalings, other activations) is refused by name.

pub mod published;

use serde::Deserialize;

/// A dense Qwen2 or Qwen3 network. All numbers are at least 1 and fit each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Which of the two: decides between biases and head norms.
    pub family: Family,
    /// Rows of the embedding and of the head.
    pub vocab: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width inside the MLP.
    pub intermediate: usize,
    /// How many layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of one head; even.
    pub head_dim: usize,
    /// Positions that a sequence may have.
    pub context: usize,
    /// Whether the head is the embedding.
    pub tied: bool,
    /// Added to the mean square before its root.
    pub norm_eps: f64,
    /// How positions turn into angles.
    pub rope: Rope,
}

/// The two dense families that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Qwen1.5, Qwen2 and Qwen2.5: biases on q, k and v.
    Qwen2,
    /// Qwen3: an RMS norm on each head of q and k; biases on all four projections if `attention_bias` says so.
    Qwen3 {
        /// Whether q, k, v and o have biases.
        bias: bool,
    },
}

/// How positions turn into angles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rope {
    /// The base of the frequencies.
    pub theta: f64,
    /// How the model reaches beyond the context that it was trained on.
    pub yarn: Option<Yarn>,
}

/// YaRN (Peng, Quesnelle, Fan, Shippole 2023, arXiv 2309.00071), with the names of transformers' config.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Yarn {
    /// By how much the context is stretched; above 1.
    pub factor: f64,
    /// The context that the model was trained on.
    pub original: f64,
    /// Turns over the original context above which a frequency is kept.
    pub beta_fast: f64,
    /// Turns below which it is divided by `factor`.
    pub beta_slow: f64,
    /// What cosines and sines are multiplied by.
    pub attention_factor: f64,
}

impl Shape {
    /// Reads `config.json`. Says what is wrong with it, for the operator.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        serde_json::from_slice::<RawConfig>(json).map_err(|error| error.to_string())?.check()
    }

    /// Query heads that share one key-value head.
    pub fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Bytes that one token's keys and values take, of all layers, at `bytes` per number.
    pub fn kv_bytes(&self, bytes: usize) -> usize {
        2 * self.layers * self.kv_heads * self.head_dim * bytes
    }

    /// How many numbers the weights are, biases and norms included.
    pub fn parameters(&self) -> usize {
        let (query, key) = (self.heads * self.head_dim, self.kv_heads * self.head_dim);
        let attention = self.hidden * (2 * query + 2 * key);
        let bias = match self.family {
            Family::Qwen2 => query + 2 * key,
            Family::Qwen3 { bias } => 2 * self.head_dim + if bias { query + 2 * key + self.hidden } else { 0 },
        };
        let layer = attention + bias + 3 * self.hidden * self.intermediate + 2 * self.hidden;
        let ends = self.vocab * self.hidden * if self.tied { 1 } else { 2 };
        self.layers * layer + ends + self.hidden
    }

    /// Checks numbers that come from elsewhere than `config.json`, with the same rules.
    pub(crate) fn checked(self) -> Result<Self, String> {
        let numbers = [
            ("the vocabulary", self.vocab),
            ("the hidden size", self.hidden),
            ("the intermediate size", self.intermediate),
            ("the number of layers", self.layers),
            ("the number of attention heads", self.heads),
            ("the number of key-value heads", self.kv_heads),
            ("the head size", self.head_dim),
            ("the context", self.context),
        ];
        for (name, number) in numbers {
            // No Qwen comes near; products of such numbers stay far from overflow.
            if number == 0 || number > MOST {
                return Err(format!("{name} is {number}, not between 1 and {MOST}"));
            }
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(format!("{} attention heads cannot share {} key-value heads", self.heads, self.kv_heads));
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(format!("a head of {} numbers cannot be rotated in pairs", self.head_dim));
        }
        if !(self.norm_eps.is_finite() && self.norm_eps > 0.0) {
            return Err(format!("rms_norm_eps is {}", self.norm_eps));
        }
        if !(self.rope.theta.is_finite() && self.rope.theta > 1.0) {
            return Err(format!("rope_theta is {}", self.rope.theta));
        }
        Ok(self)
    }
}

const MOST: usize = 1 << 22;

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
    #[serde(default)]
    use_sliding_window: bool,
    layer_types: Option<Vec<String>>,
    #[serde(default)]
    tie_word_embeddings: bool,
    rope_theta: Option<f64>,
    rope_scaling: Option<RawRope>,
    rope_parameters: Option<RawRope>,
    rms_norm_eps: f64,
    hidden_act: String,
}

/// `rope_scaling` of version 4 (with `type` or `rope_type`) and `rope_parameters` of version 5.
#[derive(Deserialize)]
struct RawRope {
    rope_theta: Option<f64>,
    #[serde(alias = "type")]
    rope_type: Option<String>,
    factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
    beta_fast: Option<f64>,
    beta_slow: Option<f64>,
    attention_factor: Option<f64>,
}

impl RawConfig {
    fn check(self) -> Result<Shape, String> {
        let family = match self.model_type.as_str() {
            "qwen2" => Family::Qwen2,
            "qwen3" => Family::Qwen3 { bias: self.attention_bias },
            other => return Err(format!("model_type {other} is not served; qwen2 and qwen3 are")),
        };
        if self.use_sliding_window {
            return Err("use_sliding_window is not served".into());
        }
        if let Some(kind) = self.layer_types.iter().flatten().find(|kind| *kind != "full_attention") {
            return Err(format!("layers of type {kind} are not served"));
        }
        if self.hidden_act != "silu" {
            return Err(format!("hidden_act {} is not served; silu is", self.hidden_act));
        }
        let theta = self
            .rope_theta
            .or(self.rope_parameters.as_ref().and_then(|rope| rope.rope_theta))
            .ok_or("neither rope_theta nor rope_parameters.rope_theta is there")?;
        let yarn = match self.rope_parameters.as_ref().or(self.rope_scaling.as_ref()) {
            Some(rope) => rope.yarn(self.max_position_embeddings)?,
            None => None,
        };
        let heads = self.num_attention_heads;
        let head_dim = self.head_dim.unwrap_or(match family {
            Family::Qwen2 => self.hidden_size / heads.max(1),
            Family::Qwen3 { .. } => 128,
        });
        let shape = Shape {
            family,
            vocab: self.vocab_size,
            hidden: self.hidden_size,
            intermediate: self.intermediate_size,
            layers: self.num_hidden_layers,
            heads,
            kv_heads: self.num_key_value_heads.unwrap_or(heads),
            head_dim,
            context: yarn.map_or(self.max_position_embeddings, |yarn| {
                // Qwen's model cards add YaRN to a config whose max_position_embeddings is still the original one.
                self.max_position_embeddings.max((yarn.factor * yarn.original) as usize)
            }),
            tied: self.tie_word_embeddings,
            norm_eps: self.rms_norm_eps,
            rope: Rope { theta, yarn },
        };
        shape.checked()
    }
}

impl RawRope {
    fn yarn(&self, context: usize) -> Result<Option<Yarn>, String> {
        match self.rope_type.as_deref() {
            None | Some("default") => Ok(None),
            Some("yarn") => {
                let factor = self.factor.ok_or("rope scaling of type yarn has no factor")?;
                Yarn::new(factor, self.original_max_position_embeddings.unwrap_or(context as f64))
                    .with_betas(self.beta_fast, self.beta_slow)
                    .with_attention_factor(self.attention_factor)
                    .checked()
                    .map(Some)
            }
            Some(kind) => Err(format!("rope scaling of type {kind} is not served; yarn is")),
        }
    }
}

impl Yarn {
    /// The defaults of the paper and of transformers for this stretch.
    pub(crate) fn new(factor: f64, original: f64) -> Self {
        let attention_factor = if factor > 1.0 { 0.1 * factor.ln() + 1.0 } else { 1.0 };
        Self { factor, original, beta_fast: 32.0, beta_slow: 1.0, attention_factor }
    }

    fn with_betas(self, fast: Option<f64>, slow: Option<f64>) -> Self {
        Self { beta_fast: fast.unwrap_or(self.beta_fast), beta_slow: slow.unwrap_or(self.beta_slow), ..self }
    }

    fn with_attention_factor(self, factor: Option<f64>) -> Self {
        Self { attention_factor: factor.unwrap_or(self.attention_factor), ..self }
    }

    pub(crate) fn checked(self) -> Result<Self, String> {
        let numbers = [self.factor, self.original, self.beta_fast, self.beta_slow, self.attention_factor];
        if numbers.iter().any(|number| !number.is_finite() || *number <= 0.0) || self.factor < 1.0 {
            return Err(format!("yarn cannot have these numbers: {self:?}"));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(change: impl FnOnce(&mut serde_json::Value)) -> Result<Shape, String> {
        let mut config = json!({
            "model_type": "qwen3", "vocab_size": 8, "hidden_size": 4, "intermediate_size": 8, "num_hidden_layers": 1,
            "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 2, "max_position_embeddings": 16,
            "rms_norm_eps": 1e-6, "hidden_act": "silu", "rope_theta": 1e6, "sliding_window": null,
        });
        change(&mut config);
        Shape::parse(config.to_string().as_bytes())
    }

    #[test]
    fn both_spellings_of_the_rope_base_are_read() {
        assert!(parse(|_| ()).is_ok());
        let shape = parse(|config| {
            config.as_object_mut().unwrap().remove("rope_theta");
            config["rope_parameters"] = json!({"rope_theta": 5.0, "rope_type": "default"});
        });
        assert_eq!(shape.unwrap().rope, Rope { theta: 5.0, yarn: None });
    }

    #[test]
    fn yarn_is_read_in_both_spellings() {
        let four = json!({"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16});
        let shape = parse(|config| config["rope_scaling"] = four).unwrap();
        let yarn = shape.rope.yarn.unwrap();
        assert_eq!((yarn.factor, yarn.original, yarn.beta_fast, yarn.beta_slow), (4.0, 16.0, 32.0, 1.0));
        assert!((yarn.attention_factor - 1.138_629_436_111_989).abs() < 1e-12);
        assert_eq!(shape.context, 64);
        let five = json!({"rope_theta": 9.0, "rope_type": "yarn", "factor": 2.0, "attention_factor": 1.5});
        let yarn = parse(|config| config["rope_parameters"] = five).unwrap().rope.yarn.unwrap();
        assert_eq!((yarn.factor, yarn.original, yarn.attention_factor), (2.0, 16.0, 1.5));
    }

    #[test]
    fn what_is_not_served_is_refused_by_name() {
        let faults: [(&str, serde_json::Value, &str); 14] = [
            ("rope_scaling", json!({"rope_type": "llama3", "factor": 4.0}), "llama3"),
            ("rope_scaling", json!({"rope_type": "yarn"}), "factor"),
            ("rope_scaling", json!({"rope_type": "yarn", "factor": 0.5}), "yarn"),
            ("rope_parameters", json!({"rope_type": "dynamic", "rope_theta": 2.0}), "dynamic"),
            ("use_sliding_window", true.into(), "use_sliding_window"),
            ("layer_types", json!(["sliding_attention"]), "sliding_attention"),
            ("hidden_act", "gelu".into(), "gelu"),
            ("model_type", "llama".into(), "llama"),
            ("num_key_value_heads", 0.into(), "key-value heads"),
            ("num_attention_heads", 3.into(), "3 attention heads cannot share"),
            ("num_key_value_heads", 4.into(), "cannot share"),
            ("head_dim", 3.into(), "pairs"),
            ("hidden_size", 5_000_000.into(), "hidden size"),
            ("rms_norm_eps", 0.0.into(), "rms_norm_eps"),
        ];
        for (member, value, expected) in faults {
            let outcome = parse(|config| {
                config[member] = value.clone();
                if member == "num_attention_heads" {
                    config["num_key_value_heads"] = 2.into();
                }
            });
            let why = outcome.expect_err(member);
            assert!(why.contains(expected), "{member}: {why}");
        }
        let why = parse(|config| config["rope_theta"] = serde_json::Value::Null).unwrap_err();
        assert!(why.contains("rope_theta"), "{why}");
    }
}
