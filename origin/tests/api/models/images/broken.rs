//! Checkpoints that are not what they should be: each is refused by name, and nothing panics.

use super::{change, smallest};
use candle_core::{DType, Device, Tensor};
use serde_json::{Value, json};
use sluice_origin::models::qwen::precision::Precision;
use sluice_origin::models::z_image::ZImage;
use std::collections::HashMap;
use std::path::Path;

const SHARD: &str = "transformer/diffusion_pytorch_model-00002-of-00003.safetensors";
const DECODER: &str = "vae/diffusion_pytorch_model.safetensors";
const TEXT: &str = "text_encoder/model.safetensors";

/// Why it is refused.
fn refused(directory: &Path) -> String {
    match ZImage::load(directory, Precision::F32) {
        Ok(_) => "it is loaded".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Changes the tensors of a file.
fn tensors(file: &Path, change: impl FnOnce(&mut HashMap<String, Tensor>)) {
    let mut tensors = candle_core::safetensors::load(file, &Device::Cpu).unwrap();
    change(&mut tensors);
    candle_core::safetensors::save(&tensors, file).unwrap();
}

/// A name that a file holds, the first in order of those that end like this.
fn ending(tensors: &HashMap<String, Tensor>, end: &str) -> String {
    tensors.keys().filter(|name| name.ends_with(end)).min().unwrap().clone()
}

type Fault = (&'static str, fn(&Path), &'static [&'static str]);

const FAULTS: &[Fault] = &[
    ("nothing there", |root| std::fs::remove_dir_all(root).unwrap(), &["model_index.json"]),
    (
        "no index of the pipeline",
        |root| std::fs::remove_file(root.join("model_index.json")).unwrap(),
        &["model_index.json"],
    ),
    ("another pipeline", |root| set(root, "model_index.json", "_class_name", json!("FluxPipeline")), &["FluxPipeline"]),
    (
        "another text encoder",
        |root| set(root, "model_index.json", "text_encoder", json!(["transformers", "T5EncoderModel"])),
        &["text_encoder", "T5EncoderModel"],
    ),
    (
        "a network that sees pictures",
        |root| set(root, "transformer/config.json", "siglip_feat_dim", json!(1152)),
        &["transformer/config.json", "siglip_feat_dim"],
    ),
    (
        "sizes that no machine holds",
        |root| set(root, "transformer/config.json", "cap_feat_dim", json!(1 << 20)),
        &["cap_feat_dim"],
    ),
    (
        "weights that do not fit",
        |root| {
            let file = root.join("transformer/config.json");
            change(&file, |json| {
                (json["n_heads"], json["n_kv_heads"], json["n_layers"]) =
                    (json!(1 << 15), json!(1 << 15), json!(1_000));
                json["dim"] = json!(1 << 19);
            });
        },
        &["its weights need about", "GiB", "are free"],
    ),
    ("no scheduler", |root| std::fs::remove_dir_all(root.join("scheduler")).unwrap(), &["scheduler_config.json"]),
    (
        "a dynamic shift",
        |root| set(root, "scheduler/scheduler_config.json", "use_dynamic_shifting", json!(true)),
        &["use_dynamic_shifting"],
    ),
    ("another text width", |root| set(root, "text_encoder/config.json", "hidden_size", json!(64)), &["text_encoder"]),
    ("one text layer", |root| set(root, "text_encoder/config.json", "num_hidden_layers", json!(1)), &["two layers"]),
    ("another text family", |root| set(root, "text_encoder/config.json", "model_type", json!("llama")), &["llama"]),
    ("other latents", |root| set(root, "vae/config.json", "latent_channels", json!(16)), &["latent_channels"]),
    (
        "a quantised latent",
        |root| set(root, "vae/config.json", "use_post_quant_conv", json!(true)),
        &["use_post_quant_conv"],
    ),
    ("no tokenizer", |root| std::fs::remove_dir_all(root.join("tokenizer")).unwrap(), &["tokenizer.json"]),
    (
        "a tokenizer without marks",
        |root| change(&root.join("tokenizer/tokenizer.json"), |json| json["added_tokens"] = json!([])),
        &["tokenizer.json", "<|im_start|>"],
    ),
    (
        "a vocabulary that is too small for its tokenizer",
        |root| set(root, "text_encoder/config.json", "vocab_size", json!(1_000)),
        &["embed_tokens"],
    ),
    ("a shard that is not there", |root| std::fs::remove_file(root.join(SHARD)).unwrap(), &["00002-of-00003"]),
    ("a shard that is cut off", |root| cut(&root.join(SHARD), |size| size - 1), &["00002-of-00003", "cut off"]),
    ("a shard of its header alone", |root| cut(&root.join(SHARD), |_| 64), &["00002-of-00003"]),
    ("an empty shard", |root| cut(&root.join(SHARD), |_| 0), &["00002-of-00003"]),
    ("a decoder that is cut off", |root| cut(&root.join(DECODER), |size| size / 2), &["vae", "cut off"]),
    ("a text encoder that is cut off", |root| cut(&root.join(TEXT), |size| size / 2), &["text_encoder", "cut off"]),
    ("a header of garbage", |root| garbage(&root.join(SHARD)), &["00002-of-00003", "header"]),
    ("a header that says it is endless", |root| std::fs::write(root.join(SHARD), [0xff; 4_096]).unwrap(), &["header"]),
    (
        "an index of garbage",
        |root| std::fs::write(root.join("transformer/diffusion_pytorch_model.safetensors.index.json"), "{").unwrap(),
        &["index.json"],
    ),
    (
        "an index that leads elsewhere",
        |root| {
            let file = root.join("transformer/diffusion_pytorch_model.safetensors.index.json");
            change(&file, |json| {
                json["weight_map"]["x_pad_token"] = json!("../vae/diffusion_pytorch_model.safetensors")
            });
        },
        &["index.json", "../vae"],
    ),
    (
        "a tensor that is missing",
        |root| {
            tensors(&root.join(SHARD), |tensors| {
                let name = ending(tensors, "to_q.weight");
                tensors.remove(&name);
            });
        },
        &["transformer", "1 tensors are missing", "to_q.weight"],
    ),
    (
        "a tensor that is there twice",
        |root| {
            let first = root.join(SHARD.replace("00002-of", "00001-of"));
            let token = candle_core::safetensors::load(first, &Device::Cpu).unwrap().remove("x_pad_token").unwrap();
            tensors(&root.join(SHARD), |tensors| drop(tensors.insert("x_pad_token".into(), token)));
        },
        &["x_pad_token", "another file"],
    ),
    (
        "a tensor of another shape",
        |root| {
            tensors(&root.join(SHARD), |tensors| {
                let name = ending(tensors, "w1.weight");
                let turned = tensors[&name].t().unwrap().contiguous().unwrap();
                tensors.insert(name, turned);
            });
        },
        &["w1.weight", "shape"],
    ),
    ("a tensor in F16", |root| recast(&root.join(SHARD), "w1.weight", DType::F16), &["w1.weight", "F16", "overflows"]),
    ("a tensor of bytes", |root| recast(&root.join(SHARD), "w1.weight", DType::U8), &["w1.weight", "U8"]),
    ("a text tensor of bytes", |root| recast(&root.join(TEXT), "q_proj.weight", DType::U8), &["q_proj.weight", "U8"]),
    (
        "a tensor of another network",
        |root| {
            let extra = Tensor::zeros(4, DType::F32, &Device::Cpu).unwrap();
            tensors(&root.join(SHARD), |tensors| drop(tensors.insert("siglip_embedder.0.weight".into(), extra)));
        },
        &["siglip_embedder"],
    ),
    (
        "a text tensor that is missing",
        |root| tensors(&root.join(TEXT), |tensors| drop(tensors.remove("model.layers.1.mlp.up_proj.weight"))),
        &["text_encoder", "layers.1.mlp.up_proj"],
    ),
];

fn set(root: &Path, file: &str, name: &str, value: Value) {
    change(&root.join(file), |json| json[name] = value);
}

fn cut(file: &Path, size: impl Fn(u64) -> u64) {
    let file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
    let whole = file.metadata().unwrap().len();
    file.set_len(size(whole)).unwrap();
}

fn garbage(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[20..60].fill(b'?');
    std::fs::write(file, bytes).unwrap();
}

fn recast(file: &Path, end: &str, dtype: DType) {
    tensors(file, |tensors| {
        let name = ending(tensors, end);
        let cast = tensors[&name].to_dtype(dtype).unwrap();
        tensors.insert(name, cast);
    });
}

#[test]
fn every_fault_of_a_checkpoint_is_named() {
    let source = tempfile::tempdir().unwrap();
    smallest(source.path());
    for (name, fault, words) in FAULTS {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("m");
        copy(source.path(), &root);
        fault(&root);
        let why = refused(&root);
        assert!(words.iter().all(|word| why.contains(word)), "{name}: {why}");
    }
    assert_eq!(refused(source.path()), "it is loaded");
}

/// Types that are no types of this network, and files in BF16 that are.
#[test]
fn weights_are_kept_as_the_settings_say_and_not_as_the_files_have_them() {
    let directory = tempfile::tempdir().unwrap();
    smallest(directory.path());
    for (precision, expected) in
        [(Precision::F16, "F16 overflows"), (Precision::Q8_0, "bf16 or f32"), (Precision::Q4K, "bf16 or f32")]
    {
        let Err(why) = ZImage::load(directory.path(), precision) else { panic!("{precision:?} is loaded") };
        assert!(why.to_string().contains(expected), "{why}");
    }
    let long = ZImage::load(directory.path(), Precision::F32).unwrap().weight_bytes();
    let short = ZImage::load(directory.path(), Precision::Bf16).unwrap().weight_bytes();
    assert!(short < long * 9 / 10, "{short} of {long}");
    recast(&directory.path().join(SHARD), "w1.weight", DType::BF16);
    assert_eq!(ZImage::load(directory.path(), Precision::F32).unwrap().weight_bytes(), long);
}

/// The encoder of a VAE is left where it is.
#[test]
fn the_encoders_tensors_are_not_read() {
    let directory = tempfile::tempdir().unwrap();
    smallest(directory.path());
    let extra = Tensor::zeros((3, 3), DType::U8, &Device::Cpu).unwrap();
    tensors(&directory.path().join(DECODER), |tensors| drop(tensors.insert("encoder.conv_in.weight".into(), extra)));
    assert_eq!(refused(directory.path()), "it is loaded");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}
