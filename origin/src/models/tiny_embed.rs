//! The default model `tiny-embed`: a small Qwen3 that embeds, trained here (`origin/tiny-embed/`), and a part of this
//! program.
//!
//! `origin/tiny-embed/README.md` says what it is for, what it is worth, and how it is made again.

use super::built_in::BuiltIn;

/// The model.
pub static TINY_EMBED: BuiltIn = BuiltIn {
    name: "tiny-embed",
    embeds: true,
    files: &[
        ("config.json", include_bytes!("../../tiny-embed/model/config.json")),
        ("modules.json", include_bytes!("../../tiny-embed/model/modules.json")),
        ("1_Pooling/config.json", include_bytes!("../../tiny-embed/model/1_Pooling/config.json")),
        ("tokenizer_config.json", include_bytes!("../../tiny-embed/model/tokenizer_config.json")),
        ("tokenizer.json", include_bytes!("../../tiny-embed/model/tokenizer.json")),
        ("model.safetensors", include_bytes!("../../tiny-embed/model/model.safetensors")),
    ],
};
