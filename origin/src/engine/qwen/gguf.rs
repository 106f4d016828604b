//! The network's numbers in a GGUF file's metadata.

use super::shape::{Family, Rope, Shape, Yarn};
use candle_core::quantized::gguf_file::{Content, Value};

/// Reads the metadata of a model of architecture `qwen2` or `qwen3`. `head`: whether the file holds a head of its own.
/// Says what is wrong or missing, for the operator.
pub(super) fn shape(content: &Content, head: bool) -> Result<Shape, String> {
    let metadata = Metadata(content);
    let architecture = metadata.text("general.architecture").ok_or("general.architecture is missing")?;
    let family = match architecture {
        "qwen2" => Family::Qwen2,
        "qwen3" => Family::Qwen3 { bias: false },
        other => return Err(format!("the architecture {other} is not served; qwen2 and qwen3 are")),
    };
    let key = |name: &str| format!("{architecture}.{name}");
    let number = |name: &str| metadata.number(&key(name)).ok_or_else(|| format!("{} is missing", key(name)));
    let (hidden, heads) = (number("embedding_length")?, number("attention.head_count")?);
    let vocab = match (metadata.number(&key("vocab_size")), content.metadata.get("tokenizer.ggml.tokens")) {
        (Some(vocab), _) => vocab,
        (None, Some(Value::Array(tokens))) => tokens.len(),
        (None, _) => return Err(format!("neither {} nor tokenizer.ggml.tokens is there", key("vocab_size"))),
    };
    let context = number("context_length")?;
    let yarn = match metadata.text(&key("rope.scaling.type")) {
        None | Some("none") => None,
        Some("yarn") => {
            let factor = metadata.real(&key("rope.scaling.factor")).ok_or("rope.scaling.factor is missing")?;
            let original = metadata.number(&key("rope.scaling.original_context_length")).unwrap_or(context);
            Some(Yarn::new(factor, original as f64).checked()?)
        }
        Some(kind) => return Err(format!("rope scaling of type {kind} is not served; yarn is")),
    };
    let shape = Shape {
        family,
        vocab,
        hidden,
        intermediate: number("feed_forward_length")?,
        layers: number("block_count")?,
        heads,
        kv_heads: metadata.number(&key("attention.head_count_kv")).unwrap_or(heads),
        head_dim: metadata.number(&key("attention.key_length")).unwrap_or(hidden / heads.max(1)),
        context,
        tied: !head,
        norm_eps: metadata
            .real(&key("attention.layer_norm_rms_epsilon"))
            .ok_or_else(|| format!("{} is missing", key("attention.layer_norm_rms_epsilon")))?,
        rope: Rope { theta: metadata.real(&key("rope.freq_base")).unwrap_or(10_000.0), yarn },
    };
    shape.checked()
}

struct Metadata<'a>(&'a Content);

impl<'a> Metadata<'a> {
    fn text(&self, key: &str) -> Option<&'a str> {
        match self.0.metadata.get(key) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    fn number(&self, key: &str) -> Option<usize> {
        match self.0.metadata.get(key)? {
            Value::U8(number) => Some((*number).into()),
            Value::U16(number) => Some((*number).into()),
            Value::U32(number) => usize::try_from(*number).ok(),
            Value::U64(number) => usize::try_from(*number).ok(),
            Value::I32(number) => usize::try_from(*number).ok(),
            Value::I64(number) => usize::try_from(*number).ok(),
            _ => None,
        }
    }

    /// F32 numbers are read as the decimal that they were written from: 1e-6 and not 9.99999997e-7.
    fn real(&self, key: &str) -> Option<f64> {
        match self.0.metadata.get(key)? {
            Value::F32(number) => number.to_string().parse().ok(),
            Value::F64(number) => Some(*number),
            _ => None,
        }
    }
}
