//! What a request may use at most, by which it is reserved.

use serde::{Deserialize, Serialize};

/// What a request may use at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Tokens of the prompt: a guess, or what the origin counted.
    pub prompt_tokens: u32,
    /// Tokens that may be generated.
    pub max_tokens: u32,
    /// Whether the model may think: unless the caller says that it is not to.
    pub thinking: bool,
    /// Denoising steps of an image.
    pub image_steps: u32,
    /// Pixels of all images.
    pub image_pixels: u32,
}
