//! Vectors: the packed pass against a float64 pass in numpy (`origin/tests/oracle/embeddings.py`), alone and side by side,
//! and which files make a model embed.

use crate::models::network::{Shape, prompt, splitmix};
use candle_core::Tensor;
use serde_json::{Value, json};
use sluice_origin::engine::model::{Logits, Model, Row};
use sluice_origin::models::choice::{ModelChoice, Models};
use sluice_origin::models::endless;
use sluice_origin::models::load::load;
use sluice_origin::models::qwen::Qwen;
use sluice_origin::models::qwen::precision::Precision;
use sluice_protocol::request::bodies::embeddings::direction;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

const GOLDENS: &str = include_str!("../../oracle/embeddings.json");

/// The texts of the oracle, longest last, and their vectors.
fn texts(golden: &Value) -> Vec<(Vec<u32>, Vec<f64>)> {
    let vectors: BTreeMap<usize, Vec<f64>> = golden["vectors"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(length, values)| (length.parse().unwrap(), serde_json::from_value(values.clone()).unwrap()))
        .collect();
    let tokens = prompt(400, 96);
    let text =
        |(number, (length, vector)): (usize, (usize, Vec<f64>))| (tokens[number..number + length].to_vec(), vector);
    vectors.into_iter().enumerate().map(text).collect()
}

/// The rows' outcomes, each brought to length 1.
fn vectors(model: &mut Qwen, rows: &[Row<'_>]) -> Vec<Vec<f32>> {
    let mut outcomes = Logits::default();
    outcomes.reset(rows.len(), model.width());
    model.step(rows, &mut outcomes).unwrap();
    let vector = |row| direction(outcomes.row(row).unwrap().unwrap(), 64).unwrap();
    (0..rows.len()).map(vector).collect()
}

fn row(slot: usize, tokens: &[u32]) -> Row<'_> {
    Row { slot, position: 0, tokens, sample: true }
}

/// A model that embeds as Qwen's are saved: without a head, and without the name of what would hold one.
fn saved(shape: &Shape, directory: &Path) {
    let bare = |(name, tensor): (String, Tensor)| Some((name.strip_prefix("model.")?.to_owned(), tensor));
    let tensors: HashMap<String, Tensor> = shape.tensors().into_iter().filter_map(bare).collect();
    shape.write_with(directory, &tensors);
}

#[test]
fn vectors_are_the_oracles_alone_and_side_by_side() {
    let goldens: BTreeMap<String, Value> = serde_json::from_str(GOLDENS).unwrap();
    assert_eq!(goldens.len(), 4);
    for (name, golden) in goldens {
        let directory = tempfile::tempdir().unwrap();
        saved(&Shape(golden["shape"].clone()), directory.path());
        let texts = texts(&golden);
        let mut model = Qwen::load_embedding(directory.path(), texts.len(), None).unwrap();
        assert_eq!((model.vectors(), model.vocab_size()), (Some(64), 96));
        let mut alone = Vec::new();
        for (tokens, expected) in &texts {
            model.begin(0, tokens.len()).unwrap();
            let found = vectors(&mut model, &[row(0, tokens)]).remove(0);
            model.release(0);
            let worst = found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
            assert!(worst < 2e-6, "{name}: {} tokens are off by {worst}", tokens.len());
            alone.push(found);
        }
        // All of them in one pass: the same bits.
        for (slot, (tokens, _)) in texts.iter().enumerate() {
            model.begin(slot, tokens.len()).unwrap();
        }
        let rows: Vec<Row<'_>> = texts.iter().enumerate().map(|(slot, (tokens, _))| row(slot, tokens)).collect();
        assert_eq!(vectors(&mut model, &rows), alone, "{name}");
    }
}

/// Rounded weights turn a vector by little.
#[test]
fn eight_bits_point_where_thirty_two_do() {
    let shape = Shape(json!({
        "family": "qwen3", "vocab": 512, "hidden": 256, "intermediate": 512, "layers": 2, "heads": 4, "kv_heads": 2,
        "head_dim": 64, "theta": 1e6, "eps": 1e-6, "tied": true,
    }));
    let directory = tempfile::tempdir().unwrap();
    saved(&shape, directory.path());
    let tokens: Vec<u32> = splitmix(3, 120).map(|bits| (bits % 512) as u32).collect();
    let vector = |precision| {
        let mut model = Qwen::load_embedding(directory.path(), 1, precision).unwrap();
        model.begin(0, tokens.len()).unwrap();
        let mut outcomes = Logits::default();
        outcomes.reset(1, model.width());
        model.step(&[row(0, &tokens)], &mut outcomes).unwrap();
        direction(outcomes.row(0).unwrap().unwrap(), 256).unwrap()
    };
    let exact = vector(None);
    for (precision, least) in [(Precision::Q8_0, 0.999), (Precision::Q4K, 0.97)] {
        let cosine: f32 = exact.iter().zip(vector(Some(precision))).map(|(a, b)| a * b).sum();
        assert!(cosine > least, "{precision:?}: {cosine}");
    }
}

/// A directory of the generator `endless`, with what Sentence Transformers writes beside a model.
pub(crate) fn write(directory: &Path, pooling: &str) {
    let modules = json!([
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]);
    endless::ensure(directory).unwrap();
    std::fs::write(directory.join("modules.json"), modules.to_string()).unwrap();
    std::fs::create_dir_all(directory.join("1_Pooling")).unwrap();
    let config = json!({"word_embedding_dimension": 256, pooling: true, "include_prompt": true});
    std::fs::write(directory.join("1_Pooling/config.json"), config.to_string()).unwrap();
}

#[test]
fn files_or_settings_make_a_model_embed() {
    let directory = tempfile::tempdir().unwrap();
    let [embeds, answers, mean] = ["embeds", "answers", "mean"].map(|name| directory.path().join(name));
    write(&embeds, "pooling_mode_lasttoken");
    write(&mean, "pooling_mode_mean_tokens");
    endless::ensure(&answers).unwrap();
    // It needs no template.
    let config = embeds.join("tokenizer_config.json");
    let mut text: Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    text.as_object_mut().unwrap().remove("chat_template").unwrap();
    std::fs::write(&config, text.to_string()).unwrap();
    let local = |name: &str, path: &Path| ModelChoice::Local { name: name.into(), path: path.into(), precision: None };
    let choices =
        vec![local("embeds", &embeds), local("answers", &answers), local("told", &answers), ModelChoice::Tiny];
    let found = load(Models { choices, embedding: vec!["told".into()], judging: Vec::new(), hub: None }, 2).unwrap();
    let vectors: Vec<Option<usize>> = found.texts.iter().map(|backend| backend.model.vectors()).collect();
    assert_eq!(vectors, [Some(256), None, Some(256), None]);
    let choices = vec![local("mean", &mean)];
    let why =
        load(Models { choices, embedding: Vec::new(), judging: Vec::new(), hub: None }, 2).err().unwrap().to_string();
    assert!(why.contains("pooling by mean_tokens is not served"), "{why}");
}
