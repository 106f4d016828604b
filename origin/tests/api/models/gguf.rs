//! GGUF files: the built-in model as one file, as two, and as files that cannot be served.

use crate::harness::{Harness, chat, parts, text_of};
use crate::models::network::{Shape, one, prompt};
use crate::models::parity::goldens;
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use serde_json::json;
use sluice_origin::config::Config;
use sluice_origin::engine::model::Model;
use sluice_origin::models::qwen::Qwen;
use sluice_origin::models::qwen::precision::Precision;
use sluice_origin::models::scripted::Script;
use sluice_origin::models::{Backend, endless};
use sluice_origin::server::Origin;
use sluice_origin::text::Text;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

struct Made {
    directory: tempfile::TempDir,
    metadata: Vec<(String, Value)>,
    tensors: Vec<(String, QTensor)>,
}

impl Made {
    /// The built-in model with its tokenizer and template.
    fn new(dtype: GgmlDType) -> Self {
        let directory = tempfile::tempdir().unwrap();
        endless::ensure(&directory.path().join("tiny")).unwrap();
        let file = |name: &str| directory.path().join("tiny").join(name);
        let json = |name| -> serde_json::Value { serde_json::from_slice(&std::fs::read(file(name)).unwrap()).unwrap() };
        let (config, tokenizer, chat) = (json("config.json"), json("tokenizer.json"), json("tokenizer_config.json"));
        let number = |name: &str| Value::U32(u32::try_from(config[name].as_u64().unwrap()).unwrap());
        let mut tokens: HashMap<u64, (String, i32)> = HashMap::new();
        for (token, id) in tokenizer["model"]["vocab"].as_object().unwrap() {
            tokens.insert(id.as_u64().unwrap(), (token.clone(), 1));
        }
        for added in tokenizer["added_tokens"].as_array().unwrap() {
            let kind = if added["special"] == true { 3 } else { 4 };
            tokens.insert(added["id"].as_u64().unwrap(), (added["content"].as_str().unwrap().into(), kind));
        }
        let size = config["vocab_size"].as_u64().unwrap();
        let token = |id| tokens.get(&id).cloned().unwrap_or_else(|| (format!("[PAD{id}]"), 5));
        let metadata = vec![
            ("general.architecture".into(), Value::String("qwen3".into())),
            ("qwen3.context_length".into(), number("max_position_embeddings")),
            ("qwen3.embedding_length".into(), number("hidden_size")),
            ("qwen3.feed_forward_length".into(), number("intermediate_size")),
            ("qwen3.block_count".into(), number("num_hidden_layers")),
            ("qwen3.attention.head_count".into(), number("num_attention_heads")),
            ("qwen3.attention.head_count_kv".into(), number("num_key_value_heads")),
            ("qwen3.attention.key_length".into(), number("head_dim")),
            ("qwen3.attention.layer_norm_rms_epsilon".into(), Value::F32(1e-6)),
            ("qwen3.rope.freq_base".into(), Value::F32(1e6)),
            ("tokenizer.ggml.model".into(), Value::String("gpt2".into())),
            ("tokenizer.ggml.pre".into(), Value::String("qwen2".into())),
            ("tokenizer.ggml.tokens".into(), Value::Array((0..size).map(|id| Value::String(token(id).0)).collect())),
            ("tokenizer.ggml.token_type".into(), Value::Array((0..size).map(|id| Value::I32(token(id).1)).collect())),
            ("tokenizer.ggml.merges".into(), Value::Array(Vec::new())),
            ("tokenizer.ggml.eos_token_id".into(), Value::U32(256)),
            ("tokenizer.chat_template".into(), Value::String(chat["chat_template"].as_str().unwrap().into())),
        ];
        let loaded = candle_core::safetensors::load(file("model.safetensors"), &Device::Cpu).unwrap();
        let mut tensors: Vec<_> =
            loaded.iter().map(|(name, tensor)| (gguf_name(name), quantised(tensor, dtype))).collect();
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        Self { directory, metadata, tensors }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, part: impl Fn(usize) -> bool) -> PathBuf {
        let metadata: Vec<(&str, &Value)> = self.metadata.iter().map(|(name, value)| (name.as_str(), value)).collect();
        let tensors: Vec<(&str, &QTensor)> = self
            .tensors
            .iter()
            .enumerate()
            .filter(|(number, _)| part(*number))
            .map(|(_, (name, tensor))| (name.as_str(), tensor))
            .collect();
        let path = self.path(name);
        gguf_file::write(&mut File::create(&path).unwrap(), &metadata, &tensors).unwrap();
        path
    }

    /// What loading says after this change.
    fn fault(&mut self, key: &str, value: Option<Value>) -> String {
        let before = self.metadata.clone();
        self.metadata.retain(|(name, _)| name != key);
        self.metadata.extend(value.map(|value| (key.to_owned(), value)));
        let path = self.write("fault.gguf", |_| true);
        self.metadata = before;
        refusal(&path)
    }
}

fn refusal(path: &Path) -> String {
    match (Qwen::load(path, 1, None), Text::load(path)) {
        (Err(error), _) | (_, Err(error)) => error.to_string(),
        (Ok(_), Ok(_)) => panic!("{} is served", path.display()),
    }
}

fn quantised(tensor: &Tensor, dtype: GgmlDType) -> QTensor {
    let dtype = if tensor.rank() == 2 { dtype } else { GgmlDType::F32 };
    QTensor::quantize(tensor, dtype).unwrap()
}

fn gguf_name(name: &str) -> String {
    let mut name = name.replace("model.layers.", "blk.").replace("lm_head", "output");
    for (from, to) in [
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
    ] {
        name = name.replace(from, to);
    }
    name
}

fn logits(mut model: Qwen) -> Vec<f32> {
    model.begin(0, 70).unwrap();
    one(&mut model, 0, 0, &prompt(70, 283))
}

#[test]
fn a_file_two_files_and_a_directory_are_one_model() {
    let made = Made::new(GgmlDType::F32);
    let expected = logits(Qwen::load(&made.path("tiny"), 1, None).unwrap());
    assert_eq!(logits(Qwen::load(&made.write("whole.gguf", |_| true), 1, None).unwrap()), expected);
    made.write("part-00002-of-00002.gguf", |number| number % 2 == 1);
    let first = made.write("part-00001-of-00002.gguf", |number| number % 2 == 0);
    assert_eq!(logits(Qwen::load(&first, 1, None).unwrap()), expected);
    // Blocks as a file has them are the blocks that are made at load.
    let eight = Made::new(GgmlDType::Q8_0);
    let at_load = logits(Qwen::load(&made.path("tiny"), 1, Some(Precision::Q8_0)).unwrap());
    assert_eq!(logits(Qwen::load(&eight.write("eight.gguf", |_| true), 1, None).unwrap()), at_load);
}

/// Biases, heads of their own, YaRN, and keys that are not shared: as a file has them and as a directory has them.
#[test]
fn every_variant_in_a_file_is_the_one_in_its_directory() {
    for (name, golden) in goldens() {
        let shape = &golden["shape"];
        // llama.cpp's files of Qwen3 have no biases.
        if shape["bias"] == true {
            continue;
        }
        let directory = tempfile::tempdir().unwrap();
        let network = Shape(shape.clone());
        network.write(directory.path());
        let path = directory.path().join("whole.gguf");
        let tensors: Vec<(String, QTensor)> = network
            .tensors()
            .iter()
            .map(|(name, tensor)| (gguf_name(name), quantised(tensor, GgmlDType::F32)))
            .collect();
        let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let metadata = metadata(shape);
        let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(name, value)| (name.as_str(), value)).collect();
        gguf_file::write(&mut File::create(&path).unwrap(), &metadata, &tensors).unwrap();
        let [from_file, from_directory] = [path.as_path(), directory.path()].map(|path| {
            let mut model = Qwen::load(path, 1, None).unwrap();
            model.begin(0, 600).unwrap();
            let tokens = prompt(600, model.vocab_size());
            one(&mut model, 0, 0, &tokens)
        });
        assert_eq!(from_file, from_directory, "{name}");
    }
}

/// What the file of such a network says about it.
fn metadata(shape: &serde_json::Value) -> Vec<(String, Value)> {
    let family = shape["family"].as_str().unwrap();
    let number = |name: &str| Value::U32(u32::try_from(shape[name].as_u64().unwrap()).unwrap());
    let real = |number: &serde_json::Value| Value::F32(number.as_f64().unwrap() as f32);
    let mut all = vec![
        ("vocab_size", number("vocab")),
        ("context_length", Value::U32(4096)),
        ("embedding_length", number("hidden")),
        ("feed_forward_length", number("intermediate")),
        ("block_count", number("layers")),
        ("attention.head_count", number("heads")),
        ("attention.head_count_kv", number("kv_heads")),
        ("attention.key_length", number("head_dim")),
        ("attention.layer_norm_rms_epsilon", real(&shape["eps"])),
        ("rope.freq_base", real(&shape["theta"])),
    ];
    if let Some(yarn) = shape.get("yarn") {
        let original = u32::try_from(yarn["original"].as_u64().unwrap()).unwrap();
        all.push(("rope.scaling.type", Value::String("yarn".into())));
        all.push(("rope.scaling.factor", real(&yarn["factor"])));
        all.push(("rope.scaling.original_context_length", Value::U32(original)));
    }
    let architecture = ("general.architecture".to_owned(), Value::String(family.into()));
    let named = all.into_iter().map(|(name, value)| (format!("{family}.{name}"), value));
    std::iter::once(architecture).chain(named).collect()
}

#[tokio::test]
async fn a_file_speaks_as_its_directory_does() {
    let made = Made::new(GgmlDType::F32);
    let mut answers = Vec::new();
    for path in [made.path("tiny"), made.write("whole.gguf", |_| true)] {
        let model = Qwen::load(&path, 2, None).unwrap();
        let backend = Backend { name: "m".into(), model: Box::new(model), text: Text::load(&path).unwrap() };
        let origin = Origin::start(Config { slots: 1, ..Config::local() }, backend).await.unwrap();
        let body = json!({
            "model": "m", "temperature": 0, "max_tokens": 40,
            "messages": [
                {"role": "system", "content": "Héllo <|im_end|> \u{4f60}\u{597d}"},
                {"role": "user", "content": "It's 12,345\n\n  spaces <think>"},
            ],
        });
        let url = format!("{}/v1/chat/completions", origin.url());
        let request = crate::harness::client().post(url).header("content-type", "application/json");
        let (status, answer) = parts(request.body(body.to_string()).send().await.unwrap()).await;
        assert_eq!(status, 200, "{answer}");
        answers.push((text_of(&answer).to_owned(), answer["usage"]["prompt_tokens"].clone()));
    }
    assert_eq!(answers[0], answers[1]);
}

/// The same prompt is the same tokens, though a file names the rows with which its vocabulary was filled up.
#[tokio::test]
async fn a_files_tokens_are_its_directorys() {
    let made = Made::new(GgmlDType::F32);
    let mut prompts = Vec::new();
    for path in [made.path("tiny"), made.write("whole.gguf", |_| true)] {
        let script = Script::new(1);
        script.allow_all();
        let backend = Backend { text: Text::load(&path).unwrap(), ..script.backend() };
        let config = Config { slots: 1, ..Config::local() };
        let harness = Harness::with_backend(config, script, backend).await;
        let (status, answer) = parts(harness.post(&chat("hi <|im_end|> <think>")).send().await.unwrap()).await;
        assert_eq!(status, 200, "{answer}");
        prompts.extend(harness.script.prompt_tokens());
    }
    assert_eq!(prompts[0], prompts[1]);
    assert!(prompts[0].contains(&endless::IM_END), "{:?}", prompts[0]);
}

/// A header with any wrong byte, at the most important places every one: it is read as something, or refused, and takes no more
/// memory than there is.
#[test]
fn a_header_with_a_wrong_byte_ends_nothing() {
    let made = Made::new(GgmlDType::F32);
    let path = made.write("whole.gguf", |_| true);
    let mut file = File::options().read(true).write(true).open(&path).unwrap();
    let mut bytes = vec![0; 20_000];
    file.read_exact(&mut bytes).unwrap();
    let mut refused = 0;
    let places = (0..800).chain((800..bytes.len()).step_by(37));
    for (at, wrong) in places.flat_map(|at| [0xff, 0x7f, 0].map(|wrong| (at, wrong))) {
        put(&mut file, at, wrong);
        refused += usize::from(Qwen::needs(&path, None).is_err());
        put(&mut file, at, bytes[at]);
    }
    assert!(refused > 300, "{refused}");
    assert!(Qwen::needs(&path, None).is_ok());
}

fn put(file: &mut File, at: usize, byte: u8) {
    file.seek(SeekFrom::Start(at as u64)).unwrap();
    file.write_all(&[byte]).unwrap();
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    let mut made = Made::new(GgmlDType::F32);
    let text = |text: &str| Some(Value::String(text.into()));
    let faults = [
        ("general.architecture", text("llama"), "the architecture llama is not served"),
        ("general.architecture", None, "general.architecture is missing"),
        ("qwen3.block_count", None, "qwen3.block_count is missing"),
        ("qwen3.block_count", Some(Value::U32(3)), "blk.2."),
        ("qwen3.feed_forward_length", Some(Value::U32(500)), "the metadata say [500, 256]"),
        ("qwen3.attention.head_count_kv", Some(Value::U32(3)), "cannot share"),
        ("qwen3.rope.scaling.type", text("linear"), "linear"),
        ("tokenizer.ggml.model", text("llama"), "is not served"),
        ("tokenizer.ggml.tokens", None, "tokenizer.ggml.tokens"),
        ("tokenizer.chat_template", None, "chat_template is missing"),
        ("tokenizer.chat_template", text("{% for %}"), "chat template"),
    ];
    for (key, value, expected) in faults {
        let why = made.fault(key, value);
        assert!(why.contains(expected), "{key}: {why}");
    }
    let whole = made.write("whole.gguf", |_| true);
    let bytes = std::fs::read(&whole).unwrap();
    for (length, expected) in [(bytes.len() - 40, "is cut off"), (100, "not a GGUF file"), (0, "not a GGUF file")] {
        let path = made.path("cut.gguf");
        std::fs::write(&path, &bytes[..length]).unwrap();
        assert!(refusal(&path).contains(expected), "{length}: {}", refusal(&path));
    }
    assert!(refusal(&made.write("b-00002-of-00002.gguf", |_| true)).contains("name its first part"));
    assert!(refusal(&made.write("c-00001-of-00002.gguf", |_| true)).contains("c-00002-of-00002.gguf"));
    assert!(refusal(&made.path("none.gguf")).contains("none.gguf"));
    let why = Qwen::load(&whole, 1, Some(Precision::Q8_0)).err().expect("a type for a file that has its own");
    assert!(why.to_string().contains("--dtype"), "{why}");
}
