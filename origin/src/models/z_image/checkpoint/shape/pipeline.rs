//! `model_index.json`.

use super::Members;
use serde_json::json;

/// Checks that all parts are of the classes that are computed here. Says which is not, for the operator.
pub(crate) fn check(json: &[u8]) -> Result<(), String> {
    let mut members = Members::read(json)?;
    members.class("ZImagePipeline")?;
    for (part, library, class) in [
        ("scheduler", "diffusers", "FlowMatchEulerDiscreteScheduler"),
        ("text_encoder", "transformers", "Qwen3Model"),
        ("tokenizer", "transformers", "Qwen2Tokenizer"),
        ("transformer", "diffusers", "ZImageTransformer2DModel"),
        ("vae", "diffusers", "AutoencoderKL"),
    ] {
        let found: serde_json::Value = members.take(part)?;
        // The tokenizer that is made of tables has a class of its own; both read the same file.
        let fast = part == "tokenizer" && found == json!([library, format!("{class}Fast")]);
        if found != json!([library, class]) && !fast {
            return Err(format!("{part} is {found}; {class} of {library} is served"));
        }
    }
    members.end()
}
