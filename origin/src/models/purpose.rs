//! What a model's files say that it is for: answers, or embeddings.
//!
//! Sentence Transformers saves a model that embeds as a list of modules (`modules.json`), one of which says how vectors
//! are pooled. A GGUF file has a number for that (`llama_pooling_type`). What would make other vectors is refused by name.

use crate::load_error::LoadError;
use candle_core::quantized::gguf_file::{Content, Value};
use serde::Deserialize;
use serde_json::Map;
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::Path;

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It goes on with a text.
    Answer,
    /// It makes a vector of a text: what it has seen by its last token.
    Embed,
    /// It says how well a document fits a query. No file says so.
    Judge,
}

/// What the files of a directory, or a GGUF file, say that their model is for.
pub fn purpose(path: &Path) -> Result<Purpose, LoadError> {
    match path.extension().is_some_and(|extension| extension == "gguf") {
        true => of_gguf(path),
        false => of_directory(path),
    }
}

/// `llama_pooling_type`: none, and the last token.
const NONE: u64 = 0;
const LAST: u64 = 3;

fn of_gguf(path: &Path) -> Result<Purpose, LoadError> {
    let fault = |why: &dyn std::fmt::Display| LoadError::new(path, &why.to_string());
    let file = File::open(path).map_err(|error| fault(&error))?;
    let content =
        Content::read(&mut BufReader::new(file)).map_err(|error| fault(&format!("not a GGUF file: {error}")))?;
    let pooling =
        content.metadata.iter().find(|(key, _)| key.ends_with(".pooling_type")).map(|(_, value)| match value {
            Value::U32(number) => u64::from(*number),
            Value::I32(number) => u64::try_from(*number).unwrap_or(NONE),
            Value::U64(number) => *number,
            _ => u64::MAX,
        });
    match pooling {
        None | Some(NONE) => Ok(Purpose::Answer),
        Some(LAST) => Ok(Purpose::Embed),
        Some(other) => {
            Err(fault(&format!("pooling of type {other} is not served; that of the last token ({LAST}) is")))
        }
    }
}

#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

fn of_directory(directory: &Path) -> Result<Purpose, LoadError> {
    let file = directory.join("modules.json");
    let json = match std::fs::read(&file) {
        Ok(json) => json,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Purpose::Answer),
        Err(error) => return Err(LoadError::new(&file, &error)),
    };
    let modules: Vec<Module> = serde_json::from_slice(&json).map_err(|error| LoadError::new(&file, &error))?;
    let mut pools = false;
    for module in &modules {
        match module.kind.rsplit('.').next().unwrap_or_default() {
            "Transformer" | "Normalize" => {}
            "Pooling" => {
                check_pooling(&directory.join(&module.path).join("config.json"))?;
                pools = true;
            }
            other => return Err(LoadError::new(&file, &format!("the module {other} is not served"))),
        }
    }
    if pools { Ok(Purpose::Embed) } else { Err(LoadError::new(&file, "it names no Pooling, so no vector is one")) }
}

/// Refuses any pooling but that of the last token, as both layouts of the file say it.
fn check_pooling(file: &Path) -> Result<(), LoadError> {
    const OLD: &str = "pooling_mode_";
    let json = std::fs::read(file).map_err(|error| LoadError::new(file, &error))?;
    let config: Map<String, serde_json::Value> =
        serde_json::from_slice(&json).map_err(|error| LoadError::new(file, &error))?;
    let mut modes: Vec<&str> = match config.get("pooling_mode").and_then(serde_json::Value::as_str) {
        Some(mode) => vec![mode],
        None => config.iter().filter(|(_, is)| **is == true).filter_map(|(name, _)| name.strip_prefix(OLD)).collect(),
    };
    // Whatever the order in which a file has them.
    modes.sort_unstable();
    match modes[..] {
        ["lasttoken"] => Ok(()),
        _ => {
            let why = format!("pooling by {} is not served; lasttoken is", modes.join(" and "));
            Err(LoadError::new(file, &why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(modules: Option<serde_json::Value>, pooling: &serde_json::Value) -> Result<Purpose, String> {
        let directory = tempfile::tempdir().unwrap();
        if let Some(modules) = modules {
            std::fs::write(directory.path().join("modules.json"), modules.to_string()).unwrap();
        }
        std::fs::create_dir(directory.path().join("1_Pooling")).unwrap();
        std::fs::write(directory.path().join("1_Pooling/config.json"), pooling.to_string()).unwrap();
        purpose(directory.path()).map_err(|error| error.to_string())
    }

    fn module(kind: &str, path: &str) -> serde_json::Value {
        json!({"idx": 0, "name": "0", "path": path, "type": kind})
    }

    #[test]
    fn what_pools_the_last_token_embeds() {
        let all = json!([
            module("sentence_transformers.models.Transformer", ""),
            module("sentence_transformers.models.Pooling", "1_Pooling"),
            module("sentence_transformers.models.Normalize", "2_Normalize"),
        ]);
        let old = json!({"word_embedding_dimension": 8, "pooling_mode_cls_token": false, "pooling_mode_mean_tokens": false,
                         "pooling_mode_lasttoken": true, "include_prompt": true});
        let new = json!({"embedding_dimension": 8, "pooling_mode": "lasttoken", "include_prompt": true});
        assert_eq!(found(Some(all.clone()), &old), Ok(Purpose::Embed));
        assert_eq!(found(Some(all.clone()), &new), Ok(Purpose::Embed));
        assert_eq!(found(None, &old), Ok(Purpose::Answer));
        let mean = json!({"pooling_mode_mean_tokens": true, "pooling_mode_lasttoken": false});
        let both = json!({"pooling_mode_mean_tokens": true, "pooling_mode_lasttoken": true});
        for (modules, pooling, why) in [
            (all.clone(), mean, "pooling by mean_tokens"),
            (all.clone(), both, "lasttoken and mean_tokens"),
            (all, json!({"pooling_mode": "mean"}), "pooling by mean"),
            (json!([module("sentence_transformers.models.Transformer", "")]), old.clone(), "no Pooling"),
            (json!([module("sentence_transformers.models.Dense", "2_Dense")]), old.clone(), "Dense"),
            (json!({}), old, "modules.json"),
        ] {
            let told = found(Some(modules), &pooling).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}
