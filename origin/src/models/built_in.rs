//! Models that are a part of this program: their files, in Hugging Face's layout.

use super::qwen::Qwen;
use crate::load_error::LoadError;
use crate::text::Text;
use std::path::Path;

/// One of them.
#[derive(Debug)]
pub struct BuiltIn {
    /// What requests call it by.
    pub name: &'static str,
    /// Whether it embeds.
    pub embeds: bool,
    pub(super) files: &'static [(&'static str, &'static [u8])],
}

impl BuiltIn {
    /// The network, with room for this many sequences.
    pub fn network(&self, slots: usize) -> Result<Qwen, LoadError> {
        let network = Qwen::embedded(self.file("config.json")?, self.file("model.safetensors")?, slots)?;
        Ok(if self.embeds { network.embedding() } else { network })
    }

    /// The text side.
    pub fn text(&self) -> Result<Text, LoadError> {
        let read = |name: &str| match self.file(name) {
            Ok(bytes) => Ok(bytes.to_vec()),
            Err(_) => Err(std::io::ErrorKind::NotFound.into()),
        };
        Text::of_files(Path::new(self.name), &read, self.embeds)
    }

    /// Bytes that it adds to this program.
    pub fn bytes(&self) -> usize {
        self.files.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// Writes its files into a directory, which is made if it is not there.
    pub fn write(&self, directory: &Path) -> Result<(), LoadError> {
        for (name, bytes) in self.files {
            let path = directory.join(name);
            let fault = |error: std::io::Error| LoadError::new(&path, &error);
            std::fs::create_dir_all(path.parent().unwrap_or(directory)).map_err(fault)?;
            std::fs::write(&path, bytes).map_err(fault)?;
        }
        Ok(())
    }

    fn file(&self, name: &str) -> Result<&'static [u8], LoadError> {
        let found = self.files.iter().find(|(known, _)| *known == name);
        found.map(|(_, bytes)| *bytes).ok_or_else(|| LoadError::new(name, "is no part of the built-in model"))
    }
}
