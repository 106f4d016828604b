//! What can go wrong while a model is loaded.

use std::fmt;
use std::path::PathBuf;

/// A model that cannot be served: which file, and what was wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", file.display())]
pub struct LoadError {
    /// The file or directory.
    pub file: PathBuf,
    /// What was wrong, for the operator.
    pub why: String,
}

impl LoadError {
    pub(crate) fn new(file: impl Into<PathBuf>, why: &(impl fmt::Display + ?Sized)) -> Self {
        Self { file: file.into(), why: why.to_string() }
    }

    /// There is no well-known shape of this name.
    pub fn unknown_shape(name: &str) -> Self {
        Self::new(name, "not the name of a shape; --help lists them")
    }
}
