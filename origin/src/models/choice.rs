//! Which models to serve.

use crate::hub::{HubModel, HubSettings};
use crate::models::qwen::precision::Precision;
use std::path::{Path, PathBuf};

/// The models to serve, in the order in which they are listed: at least one, and no two of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Models {
    /// Each of them.
    pub choices: Vec<ModelChoice>,
    /// The names of those that embed although their files do not say so.
    pub embedding: Vec<String>,
    /// The names of those that judge, which no file says.
    pub judging: Vec<String>,
    /// How to reach the hub; `None` if no model is fetched from there.
    pub hub: Option<HubSettings>,
}

/// A model to serve, as the settings name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelChoice {
    /// The built-in model that answers.
    Tiny,
    /// The built-in model that embeds.
    TinyEmbed,
    /// A directory in Hugging Face's layout, or a GGUF file.
    Local {
        /// The name that requests call it by.
        name: String,
        /// Where it is.
        path: PathBuf,
        /// What its matrices are turned into; a GGUF file's stay as they are.
        precision: Option<Precision>,
    },
    /// A model of the hub.
    Hub {
        /// The name that requests call it by.
        name: String,
        /// What it is.
        model: HubModel,
        /// What its matrices are turned into; a GGUF file's stay as they are.
        precision: Option<Precision>,
    },
    /// Made-up weights in a well-known shape.
    Random {
        /// The shape's name, which requests call the model by.
        name: String,
        /// What its matrices are kept in.
        precision: Precision,
    },
}

/// The names of the built-in models.
pub(crate) const TINY: &str = "tiny";
pub(crate) const TINY_EMBED: &str = "tiny-embed";

impl ModelChoice {
    /// The name that requests call it by.
    pub fn name(&self) -> &str {
        match self {
            Self::Tiny => TINY,
            Self::TinyEmbed => TINY_EMBED,
            Self::Local { name, .. } | Self::Hub { name, .. } | Self::Random { name, .. } => name,
        }
    }
}

/// Whether a path is a GGUF file's.
pub(crate) fn is_gguf(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gguf")
}
