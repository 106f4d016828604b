//! The default model `tiny`: a small Qwen3 that was trained here (`origin/tiny/`), and is a part of this program.
//!
//! It answers on a fresh machine, without a network and without a disk. `origin/tiny/README.md` says what it is for,
//! what it is worth, and how it is made again.

use super::built_in::BuiltIn;
use super::qwen::Qwen;
use crate::load_error::LoadError;
use crate::text::Text;
use std::path::Path;

/// The model.
pub(super) static TINY: BuiltIn = BuiltIn {
    name: "tiny",
    embeds: false,
    files: &[
        ("config.json", include_bytes!("../../tiny/model/config.json")),
        ("generation_config.json", include_bytes!("../../tiny/model/generation_config.json")),
        ("tokenizer_config.json", include_bytes!("../../tiny/model/tokenizer_config.json")),
        ("tokenizer.json", include_bytes!("../../tiny/model/tokenizer.json")),
        ("model.safetensors", include_bytes!("../../tiny/model/model.safetensors")),
    ],
};

/// The network, with room for this many sequences.
pub fn network(slots: usize) -> Result<Qwen, LoadError> {
    TINY.network(slots)
}

impl Text {
    /// The text side of the model.
    pub fn tiny() -> Result<Self, LoadError> {
        TINY.text()
    }
}

/// Bytes that it adds to this program.
pub fn bytes() -> usize {
    TINY.bytes()
}

/// Writes its files into a directory, which is made if it is not there.
pub fn write(directory: &Path) -> Result<(), LoadError> {
    TINY.write(directory)
}
