//! Weights that lie on the disk in 16 bits, as published ones do, and are turned into 8 or 4 when they are loaded.

use crate::models::network::{Shape, one, prompt};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device, Tensor};
use serde_json::json;
use sluice_origin::engine::model::Model;
use sluice_origin::models::qwen::Qwen;
use sluice_origin::models::qwen::precision::Precision;
use std::collections::HashMap;

type Tensors = HashMap<String, Tensor>;

/// The MLP's inner width is no multiple of 256: in 4 bits one matrix of each layer stays in 8.
fn shape(family: &str, tied: bool) -> Shape {
    Shape(json!({
        "family": family, "vocab": 512, "hidden": 256, "intermediate": 480, "layers": 2, "heads": 4, "kv_heads": 2,
        "head_dim": 64, "theta": 1e6, "eps": 1e-6, "tied": tied, "bias": family == "qwen3",
    }))
}

fn load(shape: &Shape, tensors: &Tensors, precision: Precision) -> Qwen {
    let directory = tempfile::tempdir().unwrap();
    shape.write_with(directory.path(), tensors);
    Qwen::load(directory.path(), 1, Some(precision)).unwrap()
}

fn map(tensors: &Tensors, change: impl Fn(&str, &Tensor) -> Tensor) -> Tensors {
    tensors.iter().map(|(name, tensor)| (name.clone(), change(name, tensor))).collect()
}

/// The number with the upper 16 bits of an F32, to the nearest, ties to even: BF16 by its definition.
fn brain(number: f32) -> f32 {
    let bits = number.to_bits();
    f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
}

/// The nearest number of ten bits behind the point, ties to even, above the subnormal ones: F16 by its definition. Below,
/// in steps of 2^-24.
fn half(number: f32) -> f32 {
    let exponent = (f64::from(number).abs().log2().floor() as i32).max(-14);
    let step = 2f64.powi(exponent - 10);
    ((f64::from(number) / step).round_ties_even() * step) as f32
}

/// What is left of the numbers in blocks, in F32: a layer's matrices in the wanted type as far as their width allows,
/// the embedding and the head in 8 bits, norms and biases untouched.
fn blocks(name: &str, tensor: &Tensor, precision: Precision) -> Tensor {
    if tensor.rank() == 1 {
        return tensor.clone();
    }
    let end = name.contains("embed_tokens") || name.contains("lm_head");
    let four = precision == Precision::Q4K && !end && tensor.dim(1).unwrap().is_multiple_of(256);
    let dtype = if four { GgmlDType::Q4K } else { GgmlDType::Q8_0 };
    QTensor::quantize(tensor, dtype).unwrap().dequantize(&Device::Cpu).unwrap()
}

/// Logits of a prompt in two chunks and of a token behind it.
fn logits(model: &mut Qwen) -> Vec<f32> {
    let tokens = prompt(60, 512);
    model.begin(0, 61).unwrap();
    let mut found = one(model, 0, 0, &tokens[..23]);
    found.extend(one(model, 0, 23, &tokens[23..]));
    found.extend(one(model, 0, 60, &[7]));
    found
}

fn cosine(left: &[f32], right: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    dot(left, right) / (dot(left, left) * dot(right, right)).sqrt()
}

/// Both stored types, both blocks, both families, one head of its own and one tied. What is served is to the bit what
/// the same numbers in F32 become; it points where a dense network of the blocks' own numbers does, but for inputs that
/// are rounded to 8 bits; and where the network of the stored numbers does, as far as 8 and 4 bits can.
#[test]
fn sixteen_bits_on_the_disk_become_eight_and_four() {
    for (family, tied) in [("qwen2", false), ("qwen3", true)] {
        let shape = shape(family, tied);
        let exact = shape.tensors();
        for (stored, rounded) in [(DType::BF16, brain as fn(f32) -> f32), (DType::F16, half)] {
            // What the file holds, and the same numbers in F32: rounded here, by the types' definitions.
            let file = map(&exact, |_, tensor| tensor.to_dtype(stored).unwrap());
            let numbers = map(&exact, |_, tensor| {
                let values = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                Tensor::from_vec(values.into_iter().map(rounded).collect(), tensor.shape(), &Device::Cpu).unwrap()
            });
            let dense = logits(&mut load(&shape, &numbers, Precision::F32));
            assert_eq!(logits(&mut load(&shape, &file, Precision::F32)), dense, "{family} from {stored:?} in F32");
            for (precision, least, bits) in [(Precision::Q8_0, 0.999, 8.5), (Precision::Q4K, 0.98, 6.1)] {
                let case = format!("{family} from {stored:?} in {precision:?}");
                let mut model = load(&shape, &file, precision);
                let found = logits(&mut model);
                assert_eq!(found, logits(&mut load(&shape, &numbers, precision)), "{case}");
                let read = map(&numbers, |name, tensor| blocks(name, tensor, precision));
                let of_blocks = cosine(&found, &logits(&mut load(&shape, &read, Precision::F32)));
                assert!(of_blocks > 0.9995, "{case}: {of_blocks} to its own blocks");
                let of_numbers = cosine(&found, &dense);
                assert!(of_numbers > least, "{case}: {of_numbers} to what is stored");
                // No matrix lies there in more bits than it is served in; norms and biases are no matrices.
                let matrices: usize =
                    numbers.values().filter(|tensor| tensor.rank() == 2).map(Tensor::elem_count).sum();
                let found = model.weight_bytes() as f64 * 8.0 / matrices as f64;
                assert!(found <= bits, "{case}: {found} bits for a number");
            }
        }
    }
}

/// A type that no weights are served from is refused by the tensor's name.
#[test]
fn other_types_are_refused() {
    let shape = shape("qwen3", true);
    let mut tensors = shape.tensors();
    let name = "model.layers.1.mlp.up_proj.weight";
    let odd = tensors[name].to_dtype(DType::U8).unwrap();
    tensors.insert(name.into(), odd);
    let directory = tempfile::tempdir().unwrap();
    shape.write_with(directory.path(), &tensors);
    for precision in [None, Some(Precision::Q8_0), Some(Precision::Q4K)] {
        let why = Qwen::load(directory.path(), 1, precision).err().expect("it loads").to_string();
        assert!(why.contains(name) && why.contains("U8"), "{why}");
    }
}
