//! Writes a model of a real shape with made-up weights as a GGUF file, for other programs to be measured on the same
//! one.

use super::tensor_name::{Name, Part};
use super::{Random, Source};
use crate::models::qwen::linear::Matrix;
use crate::models::qwen::precision::{Keep, Precision};
use crate::models::qwen::shape::{Family, Shape};
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device, Error, Result};
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

/// Writes the file: matrices in this type, embedding and head in Q8_0. The whole model lies in memory until then. Its
/// tokenizer has as many tokens as the vocabulary, without merges and none of them text.
pub fn export(shape: &Shape, dtype: GgmlDType, seed: u64, path: &Path) -> Result<()> {
    let mut source = Source::Random(Random::new(seed));
    let mut keep = Keep::new(Precision::F32, &Device::Cpu);
    let mut tensors: Vec<(String, Arc<QTensor>)> = Vec::new();
    for (name, size) in names(shape) {
        let fault = |error: crate::load_error::LoadError| Error::msg(error.to_string());
        let tensor = match size {
            Size::Vector(len) => {
                let dense = source.vector(name, len, DType::F32, &Device::Cpu).map_err(fault)?;
                Arc::new(QTensor::quantize(&dense, GgmlDType::F32)?)
            }
            Size::Matrix(size) => {
                let dense = source.matrix(name, size, &mut keep).map_err(fault)?;
                // The embedding, which is the head too, is the most sensitive to rounding.
                let dtype = if matches!(name, Name::Embedding | Name::Head) { GgmlDType::Q8_0 } else { dtype };
                let Matrix::Dense(dense) = dense else {
                    return Err(Error::msg("made-up weights are dense until they are quantised"));
                };
                Arc::new(QTensor::quantize(&dense, dtype)?)
            }
        };
        tensors.push((name.gguf(), tensor));
    }
    let architecture = match shape.family {
        Family::Qwen2 => "qwen2",
        Family::Qwen3 { .. } => "qwen3",
    };
    let number = |number: usize| Value::U32(u32::try_from(number).unwrap_or(u32::MAX));
    let token = |id: usize| Value::String(format!("[{id}]"));
    let mut metadata: Vec<(String, Value)> = vec![
        ("general.architecture".into(), Value::String(architecture.into())),
        ("general.name".into(), Value::String("random".into())),
        ("tokenizer.ggml.model".into(), Value::String("gpt2".into())),
        ("tokenizer.ggml.pre".into(), Value::String("qwen2".into())),
        ("tokenizer.ggml.tokens".into(), Value::Array((0..shape.vocab).map(token).collect())),
        ("tokenizer.ggml.token_type".into(), Value::Array((0..shape.vocab).map(|_| Value::I32(1)).collect())),
        ("tokenizer.ggml.merges".into(), Value::Array(vec![Value::String("[ 1".into())])),
        ("tokenizer.ggml.eos_token_id".into(), number(0)),
    ];
    for (name, value) in [
        ("context_length", number(shape.context)),
        ("embedding_length", number(shape.hidden)),
        ("feed_forward_length", number(shape.intermediate)),
        ("block_count", number(shape.layers)),
        ("attention.head_count", number(shape.heads)),
        ("attention.head_count_kv", number(shape.kv_heads)),
        ("attention.key_length", number(shape.head_dim)),
        ("attention.value_length", number(shape.head_dim)),
        ("attention.layer_norm_rms_epsilon", Value::F32(shape.norm_eps as f32)),
        ("rope.freq_base", Value::F32(shape.rope.theta as f32)),
        ("vocab_size", number(shape.vocab)),
    ] {
        metadata.push((format!("{architecture}.{name}"), value));
    }
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(name, value)| (name.as_str(), value)).collect();
    let tensors: Vec<(&str, &QTensor)> =
        tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.as_ref())).collect();
    // Under its name when it is whole: whoever finds the file trusts it.
    let draft = path.with_extension("draft");
    gguf_file::write(&mut BufWriter::new(std::fs::File::create(&draft)?), &metadata, &tensors)?;
    Ok(std::fs::rename(draft, path)?)
}

enum Size {
    Vector(usize),
    Matrix([usize; 2]),
}

/// Every tensor of a network, in the order of a file.
fn names(shape: &Shape) -> Vec<(Name, Size)> {
    let (query, key) = (shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim);
    let mut names =
        vec![(Name::Embedding, Size::Matrix([shape.vocab, shape.hidden])), (Name::Norm, Size::Vector(shape.hidden))];
    if !shape.tied {
        names.push((Name::Head, Size::Matrix([shape.vocab, shape.hidden])));
    }
    for layer in 0..shape.layers {
        let mut put = |part, size| names.push((Name::Layer(layer, part), size));
        put(Part::InputNorm, Size::Vector(shape.hidden));
        put(Part::Query, Size::Matrix([query, shape.hidden]));
        put(Part::Key, Size::Matrix([key, shape.hidden]));
        put(Part::Value, Size::Matrix([key, shape.hidden]));
        put(Part::Output, Size::Matrix([shape.hidden, query]));
        put(Part::PostNorm, Size::Vector(shape.hidden));
        put(Part::Gate, Size::Matrix([shape.intermediate, shape.hidden]));
        put(Part::Up, Size::Matrix([shape.intermediate, shape.hidden]));
        put(Part::Down, Size::Matrix([shape.hidden, shape.intermediate]));
        match shape.family {
            Family::Qwen2 => {
                put(Part::QueryBias, Size::Vector(query));
                put(Part::KeyBias, Size::Vector(key));
                put(Part::ValueBias, Size::Vector(key));
            }
            Family::Qwen3 { .. } => {
                put(Part::QueryNorm, Size::Vector(shape.head_dim));
                put(Part::KeyNorm, Size::Vector(shape.head_dim));
            }
        }
    }
    names
}
