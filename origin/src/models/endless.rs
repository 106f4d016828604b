//! A model for tests and load tests: a small Qwen3 with random weights, made here, the same on every machine.
//!
//! It downloads nothing and knows nothing: it exercises the walk, from the request to the last event of the stream. Its
//! answers are readable gibberish. Every embedding has a common part `u`, so the residual stream always holds it. The
//! output rows of printable ASCII contain `+u`, all others `-u`. So it never ends by itself, and an answer has exactly
//! as many tokens as were asked for, each one character.
//!
//! The weights are sums and products of exact numbers, without a transcendental function: bitwise the same everywhere.

use crate::engine::sampler::SplitMix64;
use crate::load_error::LoadError;
use crate::text::Text;
use crate::text::detokenizer::byte_characters;
use crate::text::parts::Parts;
use candle_core::{Device, Tensor};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

const HIDDEN: usize = 256;
const LAYERS: usize = 2;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const HEAD_DIM: usize = 64;
const INTERMEDIATE: usize = 512;
const CONTEXT: usize = 4096;
const SEED: u64 = 0x0005_11ce;

/// Qwen's added tokens in their order; after the 256 bytes. `<|im_end|>` is [`IM_END`].
pub const ADDED: &[(&str, bool)] = &[
    ("<|endoftext|>", true),
    ("<|im_start|>", true),
    ("<|im_end|>", true),
    ("<|object_ref_start|>", true),
    ("<|object_ref_end|>", true),
    ("<|box_start|>", true),
    ("<|box_end|>", true),
    ("<|quad_start|>", true),
    ("<|quad_end|>", true),
    ("<|vision_start|>", true),
    ("<|vision_end|>", true),
    ("<|vision_pad|>", true),
    ("<|image_pad|>", true),
    ("<|video_pad|>", true),
    ("<tool_call>", false),
    ("</tool_call>", false),
    ("<|fim_prefix|>", false),
    ("<|fim_middle|>", false),
    ("<|fim_suffix|>", false),
    ("<|fim_pad|>", false),
    ("<|repo_name|>", false),
    ("<|file_sep|>", false),
    ("<tool_response>", false),
    ("</tool_response>", false),
    ("<think>", false),
    ("</think>", false),
];

/// The id of `<|endoftext|>`.
const END_OF_TEXT: u32 = 256;
/// The id of `<|im_end|>`, which ends an answer. Bytes have the ids 0 to 255.
pub const IM_END: u32 = 258;
/// Rows of the embedding: the tokens, and some more as real models have.
const VOCAB: usize = 288;

/// How much of `u`, a vector of length 1, every embedding has (its random part is about 9 long); and every output row.
const COMMON: f32 = 16.0;
const READABLE: f32 = 2.0;

/// ChatML as Qwen3 uses it, in words of our own: no default system message, tools, thoughts of earlier turns left out,
/// and an empty thought where thinking is switched off.
pub const TEMPLATE: &str = include_str!("tiny.jinja");

/// Makes sure that the model is in `directory`, and makes it if it is not there: in a directory beside it first, which
/// is then renamed, so that a model that is there is whole.
pub fn ensure(directory: &Path) -> Result<(), LoadError> {
    if directory.join("config.json").exists() {
        return Ok(());
    }
    let fault = |error: std::io::Error| LoadError::new(directory, &error);
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(fault)?;
    let name = directory.file_name().ok_or_else(|| LoadError::new(directory, "not a name for a directory"))?;
    let draft = parent.join(format!(".{}-{:016x}", name.to_string_lossy(), crate::system::random_u64()));
    std::fs::create_dir(&draft).map_err(fault)?;
    let written = write(&draft).and_then(|()| match std::fs::rename(&draft, directory) {
        Ok(()) => Ok(()),
        // Somebody else was faster: theirs is the same.
        Err(_) if directory.join("config.json").exists() => std::fs::remove_dir_all(&draft).map_err(fault),
        Err(error) => Err(fault(error)),
    });
    if written.is_err() {
        // The first error is the one to tell.
        let _ = std::fs::remove_dir_all(&draft);
    }
    written
}

/// Writes the model's files into an existing directory.
fn write(directory: &Path) -> Result<(), LoadError> {
    write_text(directory)?;
    let file = directory.join("model.safetensors");
    let tensors = weights().map_err(|error| LoadError::new(&file, &error))?;
    candle_core::safetensors::save(&tensors, &file).map_err(|error| LoadError::new(&file, &error))
}

/// Writes all files but the weights: what a scripted model needs to speak.
pub(crate) fn write_text(directory: &Path) -> Result<(), LoadError> {
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
        "sliding_window": null,
        "use_sliding_window": false,
        "max_window_layers": LAYERS,
        "tie_word_embeddings": false,
        "rope_theta": 1_000_000.0,
        "rms_norm_eps": 1e-6,
        "hidden_act": "silu",
        "eos_token_id": IM_END,
        "torch_dtype": "float32",
    });
    let generation = json!({"do_sample": true, "eos_token_id": [IM_END, END_OF_TEXT]});
    let tokenizer_config = json!({
        "tokenizer_class": "Qwen2Tokenizer",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "model_max_length": CONTEXT,
        "chat_template": TEMPLATE,
    });
    for (name, content) in [
        ("config.json", config),
        ("generation_config.json", generation),
        ("tokenizer_config.json", tokenizer_config),
        ("tokenizer.json", tokenizer()),
    ] {
        let file = directory.join(name);
        let text = serde_json::to_string_pretty(&content).map_err(|error| LoadError::new(&file, &error))?;
        std::fs::write(&file, text).map_err(|error| LoadError::new(&file, &error))?;
    }
    Ok(())
}

/// Byte-level BPE without a merge: every byte is a token.
pub(crate) fn tokenizer() -> serde_json::Value {
    let vocab: serde_json::Map<String, serde_json::Value> =
        byte_characters().iter().zip(0..).map(|(character, id)| (character.to_string(), json!(id))).collect();
    let added: Vec<_> = (END_OF_TEXT..)
        .zip(ADDED)
        .map(|(id, (content, special))| {
            json!({
                "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": special,
            })
        })
        .collect();
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": [],
        },
    })
}

fn weights() -> candle_core::Result<HashMap<String, Tensor>> {
    let mut random = SplitMix64::new(SEED);
    let mut tensors = HashMap::new();
    let mut put = |name: String, shape: &[usize], values: Vec<f32>| -> candle_core::Result<()> {
        tensors.insert(name, Tensor::from_vec(values, shape, &Device::Cpu)?);
        Ok(())
    };
    // Plus or minus one sixteenth: a vector of length 1.
    let common: Vec<f32> = (0..HIDDEN).map(|_| if random.next() >> 63 == 0 { 0.0625 } else { -0.0625 }).collect();
    let with_common = |random: &mut SplitMix64, scale: f32, share: &dyn Fn(usize) -> f32| -> Vec<f32> {
        (0..VOCAB * HIDDEN).map(|i| scale * signed(random) + share(i / HIDDEN) * common[i % HIDDEN]).collect()
    };
    let embeddings = with_common(&mut random, 1.0, &|_| COMMON);
    put("model.embed_tokens.weight".into(), &[VOCAB, HIDDEN], embeddings)?;
    let printable = |id: usize| (0x20..0x7f).contains(&id);
    let head = with_common(&mut random, 0.125, &|id| if printable(id) { READABLE } else { -READABLE });
    put("lm_head.weight".into(), &[VOCAB, HIDDEN], head)?;
    put("model.norm.weight".into(), &[HIDDEN], vec![1.0; HIDDEN])?;
    for layer in 0..LAYERS {
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        for (part, rows, columns) in [
            ("self_attn.q_proj", HEADS * HEAD_DIM, HIDDEN),
            ("self_attn.k_proj", KV_HEADS * HEAD_DIM, HIDDEN),
            ("self_attn.v_proj", KV_HEADS * HEAD_DIM, HIDDEN),
            ("self_attn.o_proj", HIDDEN, HEADS * HEAD_DIM),
            ("mlp.gate_proj", INTERMEDIATE, HIDDEN),
            ("mlp.up_proj", INTERMEDIATE, HIDDEN),
            ("mlp.down_proj", HIDDEN, INTERMEDIATE),
        ] {
            let values = (0..rows * columns).map(|_| 0.0625 * signed(&mut random)).collect();
            put(name(part), &[rows, columns], values)?;
        }
        for (part, size) in [
            ("self_attn.q_norm", HEAD_DIM),
            ("self_attn.k_norm", HEAD_DIM),
            ("input_layernorm", HIDDEN),
            ("post_attention_layernorm", HIDDEN),
        ] {
            put(name(part), &[size], vec![1.0; size])?;
        }
    }
    Ok(tensors)
}

/// Uniform in [-1, 1), in steps of 2^-23: exact in F32.
fn signed(random: &mut SplitMix64) -> f32 {
    (random.next() >> 40) as f32 / (1u32 << 23) as f32 - 1.0
}

impl Text {
    /// A stand-in for a model of made-up weights: bytes are tokens with the built-in model's control tokens, and every
    /// id above them is spelt as its number.
    pub fn stand_in(vocab: usize) -> Result<Self, LoadError> {
        let mut tokenizer = tokenizer();
        let first = 256 + ADDED.len();
        for id in first..vocab {
            tokenizer["model"]["vocab"][format!("[{id}]")] = id.into();
        }
        let parts = Parts {
            tokenizer: tokenizer.to_string().into_bytes(),
            template: TEMPLATE.into(),
            tokens: BTreeMap::new(),
            ends: vec![IM_END],
        };
        Self::new(parts, Path::new("the stand-in tokenizer"))
    }
}
