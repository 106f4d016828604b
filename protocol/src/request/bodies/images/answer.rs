//! How pictures are told: in one answer, or as events.

use super::PictureFormat;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The whole answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Images {
    /// When they were drawn, in seconds since the epoch.
    pub created: u64,
    /// The pictures, in the order of their seeds.
    pub data: Vec<Image>,
    /// What they are told to be.
    #[serde(flatten)]
    pub look: Look,
    /// What was used.
    pub usage: ImageUsage,
}

/// One picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its bytes, in base64.
    pub b64_json: String,
}

/// What all pictures of an answer have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// Always `opaque`.
    pub background: Cow<'static, str>,
    /// `png`, `jpeg` or `webp`.
    pub output_format: Cow<'static, str>,
    /// Always `high`: a model draws as well as it can. It is the one word for that in all of OpenAI's types.
    pub quality: Cow<'static, str>,
    /// `WIDTHxHEIGHT`, as they are.
    pub size: String,
}

/// An event of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum ImageEvent {
    /// What a picture looks like so far.
    #[serde(rename = "image_generation.partial_image")]
    Partial {
        /// Its bytes, in base64.
        b64_json: String,
        /// Which preview of the picture, from 0.
        partial_image_index: u32,
        /// When it was drawn, in seconds since the epoch.
        created_at: u64,
        /// What it is told to be.
        #[serde(flatten)]
        look: Look,
    },
    /// A picture.
    #[serde(rename = "image_generation.completed")]
    Completed {
        /// Its bytes, in base64.
        b64_json: String,
        /// When it was drawn, in seconds since the epoch.
        created_at: u64,
        /// What it is told to be.
        #[serde(flatten)]
        look: Look,
        /// What was used for it.
        usage: ImageUsage,
    },
}

/// What pictures used, in OpenAI's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageUsage {
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Of what kinds they are.
    pub input_tokens_details: InputDetails,
    /// Tokens of the pictures: one for every 256 pixels.
    pub output_tokens: u64,
    /// Both.
    pub total_tokens: u64,
}

/// Of what kinds the tokens of a prompt are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputDetails {
    /// Those of its text: all.
    pub text_tokens: u64,
    /// Those of pictures: none.
    pub image_tokens: u64,
}

/// How many pixels a token of a picture has: a patch of the network, 16 to a side.
const PIXELS_PER_TOKEN: u64 = 256;

impl Look {
    /// Of pictures with these bytes and sides.
    pub fn new(format: PictureFormat, width: u32, height: u32) -> Self {
        Self {
            background: "opaque".into(),
            output_format: format.name().into(),
            quality: "high".into(),
            size: format!("{width}x{height}"),
        }
    }
}

impl ImageEvent {
    /// Its name, as the line `event:` has it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Partial { .. } => "image_generation.partial_image",
            Self::Completed { .. } => "image_generation.completed",
        }
    }
}

impl ImageUsage {
    /// Of so many pictures with so many pixels each, by a prompt of so many tokens.
    pub fn new(text_tokens: u64, pictures: u32, pixels: u32) -> Self {
        let output_tokens = u64::from(pictures) * u64::from(pixels).div_ceil(PIXELS_PER_TOKEN);
        Self {
            input_tokens: text_tokens,
            input_tokens_details: InputDetails { text_tokens, image_tokens: 0 },
            output_tokens,
            total_tokens: text_tokens.saturating_add(output_tokens),
        }
    }
}
