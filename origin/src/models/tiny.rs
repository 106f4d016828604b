//! The default model `tiny`: a small Qwen3 that was trained here (`origin/tiny/`), and is a part of this program.
//!
//! It answers on a fresh machine, without a network and without a disk. `origin/tiny/README.md` says what it is for,
//! what it is worth, and how it is made again.

use super::qwen::Qwen;
use crate::load_error::LoadError;
use crate::text::Text;
use std::path::Path;

/// Its files in Hugging Face's layout.
static FILES: [(&str, &[u8]); 5] = [
    ("config.json", include_bytes!("../../tiny/model/config.json")),
    ("generation_config.json", include_bytes!("../../tiny/model/generation_config.json")),
    ("tokenizer_config.json", include_bytes!("../../tiny/model/tokenizer_config.json")),
    ("tokenizer.json", include_bytes!("../../tiny/model/tokenizer.json")),
    ("model.safetensors", include_bytes!("../../tiny/model/model.safetensors")),
];

/// The network, with room for this many sequences.
pub fn network(slots: usize) -> Result<Qwen, LoadError> {
    Qwen::embedded(file("config.json")?, file("model.safetensors")?, slots)
}

impl Text {
    /// The text side of the built-in model.
    pub fn tiny() -> Result<Self, LoadError> {
        let read = |name: &str| {
            let found = FILES.iter().find(|(known, _)| *known == name);
            found.map(|(_, bytes)| bytes.to_vec()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
        };
        Self::of_files(Path::new("tiny"), &read)
    }
}

/// Bytes that it adds to this program.
pub fn bytes() -> usize {
    FILES.iter().map(|(_, bytes)| bytes.len()).sum()
}

/// Writes its files into a directory, which is made if it is not there.
pub fn write(directory: &Path) -> Result<(), LoadError> {
    std::fs::create_dir_all(directory).map_err(|error| LoadError::new(directory, &error))?;
    for (name, bytes) in FILES {
        let path = directory.join(name);
        std::fs::write(&path, bytes).map_err(|error| LoadError::new(path, &error))?;
    }
    Ok(())
}

fn file(name: &str) -> Result<&'static [u8], LoadError> {
    let found = FILES.iter().find(|(known, _)| *known == name);
    found.map(|(_, bytes)| *bytes).ok_or_else(|| LoadError::new(name, "is no part of the built-in model"))
}
