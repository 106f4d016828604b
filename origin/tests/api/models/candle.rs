//! Real computation: the built-in model and a small Qwen2, against candle-transformers' own loop.

mod broken;

use crate::harness::{client, parts, payloads, text_of, text_of_stream, until_then};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::{qwen2, qwen3};
use serde_json::{Value, json};
use sluice_origin::config::Config;
use sluice_origin::models::qwen::Qwen;
use sluice_origin::models::{Backend, endless};
use sluice_origin::server::{Origin, RunningOrigin};
use sluice_origin::text::Text;
use std::collections::HashMap;
use std::path::Path;

#[tokio::test]
async fn the_built_in_model_answers_readably_and_the_same_every_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("models").join("tiny");
    endless::ensure(&path).unwrap();
    let origin = serve(&path, 2).await;
    let seeded = json!({"seed": 7, "max_tokens": 40});
    let first = ask(&origin, &seeded).await;
    assert_eq!(first["usage"]["completion_tokens"], 40);
    assert_eq!(text_of(&first).len(), 40, "one character per token");
    assert!(text_of(&first).bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{first}");
    // The same beside others.
    let others = json!({"seed": 8, "max_tokens": 60});
    let (again, other) = tokio::join!(ask(&origin, &seeded), ask(&origin, &others));
    assert_eq!(text_of(&again), text_of(&first));
    assert_ne!(text_of(&other), text_of(&first));
    // The same as a stream.
    let stream = post(&origin, &json!({"seed": 7, "max_tokens": 40, "stream": true})).send().await.unwrap();
    assert_eq!(text_of_stream(&payloads(stream).await), text_of(&first));
    // And on every machine: two generations are equal byte for byte.
    let second = directory.path().join("again");
    endless::ensure(&second).unwrap();
    for file in
        ["model.safetensors", "tokenizer.json", "config.json", "tokenizer_config.json", "generation_config.json"]
    {
        let read = |path: &Path| std::fs::read(path.join(file)).unwrap();
        assert_eq!(read(&path), read(&second), "{file}");
    }
    assert_eq!(std::fs::read_dir(directory.path().join("models")).unwrap().count(), 1, "no draft is left behind");
}

#[tokio::test]
async fn qwen3_has_the_tokens_of_a_plain_loop() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tiny");
    endless::ensure(&path).unwrap();
    let tensors = candle_core::safetensors::load(path.join("model.safetensors"), &Device::Cpu).unwrap();
    let config: qwen3::Config = serde_json::from_slice(&std::fs::read(path.join("config.json")).unwrap()).unwrap();
    let mut model =
        qwen3::ModelForCausalLM::new(&config, VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu)).unwrap();
    compare(&path, |ids, at| model.forward(ids, at).unwrap()).await;
}

/// A random Qwen2 with biases and tied embeddings, its weights in two files, its config as transformers 5 writes it.
#[tokio::test]
async fn qwen2_has_the_tokens_of_a_plain_loop() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("qwen2");
    endless::ensure(&path).unwrap();
    std::fs::remove_file(path.join("model.safetensors")).unwrap();
    let config = json!({
        "model_type": "qwen2", "vocab_size": 288, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 1024, "sliding_window": null,
        "use_sliding_window": false, "tie_word_embeddings": true, "rms_norm_eps": 1e-6, "hidden_act": "silu",
        "rope_parameters": {"rope_theta": 1e6, "rope_type": "default"}, "eos_token_id": endless::IM_END,
    });
    std::fs::write(path.join("config.json"), config.to_string()).unwrap();
    let tensors = qwen2_tensors();
    for (file, odd) in [("model-00001-of-00002.safetensors", false), ("model-00002-of-00002.safetensors", true)] {
        let part: HashMap<_, _> = tensors
            .iter()
            .enumerate()
            .filter(|(n, _)| (n % 2 == 1) == odd)
            .map(|(_, (k, v))| (k.clone(), v.clone()))
            .collect();
        candle_core::safetensors::save(&part, path.join(file)).unwrap();
    }
    let reference: qwen2::Config = serde_json::from_value(json!({
        "vocab_size": 288, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 1024, "sliding_window": 1024, "max_window_layers": 2,
        "tie_word_embeddings": true, "rope_theta": 1e6, "rms_norm_eps": 1e-6, "use_sliding_window": false, "hidden_act": "silu",
    }))
    .unwrap();
    let mut model =
        qwen2::ModelForCausalLM::new(&reference, VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu)).unwrap();
    compare(&path, |ids, at| model.forward(ids, at).unwrap()).await;
}

/// The same conversation again, and then longer: what was computed is not computed again, and the answer is the same.
#[tokio::test]
async fn what_was_said_before_is_remembered_and_changes_no_answer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tiny");
    endless::ensure(&path).unwrap();
    let cached = |answer: &Value| answer["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
    let greedy = |messages: Value| json!({"messages": messages, "temperature": 0, "max_tokens": 30});
    let question = json!({"role": "user", "content": "What is the capital of a country that has none?"});
    let origin = serve_with(&path, 1, 4).await;
    let first = ask(&origin, &greedy(json!([question]))).await;
    assert_eq!(cached(&first), 0);
    let prompt = first["usage"]["prompt_tokens"].as_u64().unwrap();
    let again = ask(&origin, &greedy(json!([question]))).await;
    assert_eq!((cached(&again), text_of(&again)), (prompt - 1, text_of(&first)));
    // The next turn begins with this one's prompt and answer.
    let longer =
        json!([question, {"role": "assistant", "content": text_of(&first)}, {"role": "user", "content": "And now?"}]);
    let third = ask(&origin, &greedy(longer.clone())).await;
    assert!(cached(&third) >= prompt, "{third}");
    let fresh = serve_with(&path, 1, 1).await;
    assert_eq!(text_of(&ask(&fresh, &greedy(longer)).await), text_of(&third));
    assert_eq!(
        cached(&ask(&fresh, &greedy(json!([question]))).await),
        0,
        "a model without spare slots remembers nothing"
    );
}

/// Memory for 200 tokens, and requests of about 60 + 60: they take turns, and each has the answer that it has alone.
#[tokio::test]
async fn requests_wait_for_memory_and_the_impossible_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tiny");
    endless::ensure(&path).unwrap();
    let model = Qwen::load(&path, 8, None).unwrap();
    let backend = Backend { name: "m".into(), model: Box::new(model), text: Text::load(&path).unwrap() };
    let config = Config { slots: 4, kv_tokens: Some(200), ..Config::local() };
    let origin = Origin::start(config, backend).await.unwrap();
    let members = |number: u32| {
        let content = format!("{number}: {}", "x".repeat(30));
        json!({"messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": 60})
    };
    let mut alone = Vec::new();
    for number in 0..4 {
        alone.push(text_of(&ask(&origin, &members(number)).await).to_owned());
    }
    let [zero, one, two, three] = [0, 1, 2, 3].map(members);
    let together = tokio::join!(ask(&origin, &zero), ask(&origin, &one), ask(&origin, &two), ask(&origin, &three));
    let together = [together.0, together.1, together.2, together.3].map(|answer| text_of(&answer).to_owned());
    assert_eq!(together.as_slice(), alone);
    let impossible = json!({"messages": [{"role": "user", "content": "x".repeat(201)}], "max_tokens": 1});
    let (status, body) = parts(post(&origin, &impossible).send().await.unwrap()).await;
    assert_eq!((status, body["error"]["code"].as_str()), (400, Some("context_length_exceeded")), "{body}");
}

/// A thousand clients, of which more than half leave: with the request just sent, at the first byte of the stream, in its
/// middle. More is asked for than memory holds. Every slot comes back, and the answers are what they were.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_that_leave_take_nothing_with_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tiny");
    endless::ensure(&path).unwrap();
    let model = Qwen::load(&path, 8, None).unwrap();
    let backend = Backend { name: "m".into(), model: Box::new(model), text: Text::load(&path).unwrap() };
    let config = Config { slots: 4, queue: 1_000, kv_tokens: Some(900), ..Config::local() };
    let origin = std::sync::Arc::new(Origin::start(config, backend).await.unwrap());
    let members = |number: usize, stream: bool| {
        let content = format!("{}{number}", "of long memory ".repeat(number % 40));
        json!({"messages": [{"role": "user", "content": content}], "seed": number, "max_tokens": 24, "stream": stream})
    };
    let before = text_of(&ask(&origin, &members(39, false)).await).to_owned();
    let mut left = 0;
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..1_000usize {
        // No more at once than slots and a short queue, so that most get to run.
        if callers.len() == 12 {
            left += usize::from(callers.join_next().await.unwrap().unwrap());
        }
        let request = post(&origin, &members(number, number % 4 != 0));
        callers.spawn(async move {
            let chunks = match number % 4 {
                // A whole answer: half of them are not waited for.
                0 if number % 8 == 0 => {
                    let patience = std::time::Duration::from_millis(number as u64 % 9);
                    return tokio::time::timeout(patience, request.send()).await.is_err();
                }
                0 | 1 => usize::MAX,
                2 => 1,
                _ => 4,
            };
            let mut response = request.send().await.unwrap();
            assert_eq!(response.status(), 200);
            let mut end = Vec::new();
            for _ in 0..chunks {
                match response.chunk().await.unwrap() {
                    Some(chunk) => end = chunk.to_vec(),
                    None => break,
                }
            }
            chunks < usize::MAX && !end.ends_with(b"[DONE]\n\n")
        });
    }
    while let Some(caller) = callers.join_next().await {
        left += usize::from(caller.unwrap());
    }
    assert!(left > 250, "only {left} left early: nothing was shown");
    until_then("every slot is free", async || {
        let (_, capacity) = parts(client().get(format!("{}/capacity", origin.url())).send().await.unwrap()).await;
        capacity["free"] == 4 && capacity["queued"] == 0
    })
    .await;
    assert_eq!(text_of(&ask(&origin, &members(39, false)).await), before);
}

/// A prompt of three chunks, greedily, through the whole walk and through `forward` in one piece.
async fn compare(path: &Path, mut forward: impl FnMut(&Tensor, usize) -> Tensor) {
    let origin = serve(path, 1).await;
    let content = "0123456789".repeat(60);
    let mut ids: Vec<u32> = Vec::new();
    for (special, text) in [(257, "user\n"), (600, content.as_str()), (258, "\n"), (257, "assistant\n")] {
        // 600 stands for none.
        ids.extend((special < 300).then_some(special));
        ids.extend(text.bytes().map(u32::from));
    }
    let length = 24;
    let prompt = ids.len();
    let mut expected = Vec::new();
    let mut at = 0;
    while expected.len() < length {
        let logits = forward(&Tensor::new(ids.as_slice(), &Device::Cpu).unwrap().unsqueeze(0).unwrap(), at);
        let logits = logits.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let best = (0u32..)
            .zip(&logits)
            .fold((0, f32::NEG_INFINITY), |best, (id, logit)| if *logit > best.1 { (id, *logit) } else { best })
            .0;
        at += ids.len();
        ids = vec![best];
        if best == endless::IM_END || best == 256 {
            break;
        }
        expected.push(best);
    }
    let bytes: Vec<u8> = expected.iter().filter_map(|id| u8::try_from(*id).ok()).collect();
    let members = json!({"messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": length});
    let answer = ask(&origin, &members).await;
    assert_eq!(answer["usage"]["prompt_tokens"], prompt);
    assert_eq!(text_of(&answer), String::from_utf8_lossy(&bytes));
}

async fn serve(path: &Path, slots: usize) -> RunningOrigin {
    serve_with(path, slots, slots).await
}

/// `memories`: sequences that there is room for, running or remembered.
async fn serve_with(path: &Path, slots: usize, memories: usize) -> RunningOrigin {
    let model = Qwen::load(path, memories, None).unwrap();
    let backend = Backend { name: "m".into(), model: Box::new(model), text: Text::load(path).unwrap() };
    Origin::start(Config { slots, ..Config::local() }, backend).await.unwrap()
}

fn post(origin: &RunningOrigin, members: &Value) -> reqwest::RequestBuilder {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    let request = client().post(format!("{}/v1/chat/completions", origin.url()));
    request.header("content-type", "application/json").body(body.to_string())
}

async fn ask(origin: &RunningOrigin, members: &Value) -> Value {
    let (status, body) = parts(post(origin, members).send().await.unwrap()).await;
    assert_eq!(status, 200, "{body}");
    body
}

fn qwen2_tensors() -> HashMap<String, Tensor> {
    let mut tensors = HashMap::new();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut put = |name: String, shape: &[usize], around: f32| {
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                around + 0.3 * ((state >> 40) as f32 / (1u32 << 23) as f32 - 1.0)
            })
            .collect();
        tensors.insert(name, Tensor::from_vec(values, shape, &Device::Cpu).unwrap());
    };
    put("model.embed_tokens.weight".into(), &[288, 64], 0.0);
    put("model.norm.weight".into(), &[64], 1.0);
    for layer in 0..2 {
        let name = |part: &str| format!("model.layers.{layer}.{part}");
        for (part, out) in [("q_proj", 64), ("k_proj", 32), ("v_proj", 32)] {
            put(name(&format!("self_attn.{part}.weight")), &[out, 64], 0.0);
            put(name(&format!("self_attn.{part}.bias")), &[out], 0.0);
        }
        put(name("self_attn.o_proj.weight"), &[64, 64], 0.0);
        put(name("mlp.gate_proj.weight"), &[96, 64], 0.0);
        put(name("mlp.up_proj.weight"), &[96, 64], 0.0);
        put(name("mlp.down_proj.weight"), &[64, 96], 0.0);
        put(name("input_layernorm.weight"), &[64], 1.0);
        put(name("post_attention_layernorm.weight"), &[64], 1.0);
    }
    tensors
}
