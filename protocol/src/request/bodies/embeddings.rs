//! Embeddings: texts become vectors, by OpenAI's door and by two of Ollama's.
//!
//! A vector has length 1, so that a product of two is their cosine. A shorter one is the beginning of the whole one,
//! brought to length 1 again (Kusupati et al. 2022, Matryoshka Representation Learning, arXiv 2205.13147).

use crate::refusal::Refusal;
use crate::request::bodies::chat::both;
use crate::request::bodies::prompts::{self, Prompt};
use crate::request::door::Door;
use crate::request::member::{Body, invalid, raw};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The most texts of a request: OpenAI's bound.
pub const MAX_INPUTS: u32 = 2_048;
/// The most numbers of an answer, of all its vectors together: what the edge reads whole.
pub const MAX_NUMBERS: usize = 1 << 20;

/// A request for the vectors of some texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddingRequest {
    /// The model's name, not empty.
    pub model: String,
    /// The texts, each by itself: 1 to [`MAX_INPUTS`].
    pub inputs: Vec<Prompt>,
    /// What its door calls them.
    pub param: &'static str,
    /// How vectors are told.
    pub encoding: Encoding,
    /// How many numbers each vector is to have, at least 1; absent means all.
    pub dimensions: Option<u32>,
    /// Whether a text that is too long for the model is cut; if not, it is refused.
    pub truncate: bool,
    /// The end user that the caller names, for limits that count by it.
    pub user: Option<String>,
}

/// How a vector is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// A list of numbers.
    Float,
    /// The numbers' bytes, little-endian and of 32 bits each, in base64.
    Base64,
}

impl EmbeddingRequest {
    /// Parses a body of OpenAI's door; refuses as
    /// [`ChatRequest::parse`](crate::request::bodies::chat::ChatRequest::parse) does.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let body = Body::read(body, Door::Embeddings)?;
        Ok(Self {
            model: both::model(&body)?,
            inputs: prompts::read(&body, "input", MAX_INPUTS, too_many)?,
            param: "input",
            encoding: encoding(&body)?,
            dimensions: dimensions(&body)?,
            truncate: false,
            user: body.text("user")?.filter(|user| !user.is_empty()).map(Cow::into_owned),
        })
    }

    /// A guess at the length of all texts in tokens, made without a tokenizer; each has an end token besides.
    pub fn guess_prompt_tokens(&self) -> u32 {
        let tokens = self.inputs.iter().map(|input| input.guess_tokens() + 1).sum::<usize>();
        u32::try_from(tokens).unwrap_or(u32::MAX)
    }

    /// How many numbers each vector has, of a model whose own have this many. Refuses more than there are, and an
    /// answer that is too large.
    pub fn width(&self, own: usize) -> Result<usize, Refusal> {
        let width = self.dimensions.map_or(own, |dimensions| dimensions as usize);
        if width > own {
            let message = format!("`dimensions` is {width}; this model's vectors have {own} numbers.");
            return Err(invalid("dimensions", message));
        }
        let fits = MAX_NUMBERS / width.max(1);
        if self.inputs.len() > fits {
            let (count, param) = (self.inputs.len(), self.param);
            let message = format!(
                "`{param}` has {count} texts, and the vectors of {fits} fit into an answer: each has {width} numbers. \
                 Send fewer texts, or ask for fewer `dimensions`."
            );
            return Err(invalid(param, message));
        }
        Ok(width)
    }
}

/// The refusal of more texts than a request may have.
pub(crate) fn too_many() -> Refusal {
    invalid("input", format!("`input` takes at most {MAX_INPUTS} texts. Send several requests."))
}

fn encoding(body: &Body<'_>) -> Result<Encoding, Refusal> {
    const NAME: &str = "encoding_format";
    let Some(given) = body.get(NAME) else { return Ok(Encoding::Float) };
    match raw::text(given.json).as_deref() {
        Some("float") => Ok(Encoding::Float),
        Some("base64") => Ok(Encoding::Base64),
        _ => Err(given.must("`float` or `base64`")),
    }
}

/// How many numbers the caller wants, where its door has the member.
pub(crate) fn dimensions(body: &Body<'_>) -> Result<Option<u32>, Refusal> {
    const MUST: &str = "a whole number from 1 to the length of the model's vectors";
    let Some(given) = body.get("dimensions") else { return Ok(None) };
    match u32::try_from(given.whole(MUST)?) {
        Ok(dimensions @ 1..) => Ok(Some(dimensions)),
        _ => Err(given.must(MUST)),
    }
}

/// The first `width` of these numbers, brought to length 1. `None` where they have no direction: all are zero, or one
/// is no number.
pub fn direction(numbers: &[f32], width: usize) -> Option<Vec<f32>> {
    let numbers = numbers.get(..width)?;
    let length = numbers.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
    // Rounded to 32 bits once, behind the division.
    let scaled = |number: &f32| (f64::from(*number) / length) as f32;
    (length.is_finite() && length > 0.0).then(|| numbers.iter().map(scaled).collect())
}

/// The answer of OpenAI's door.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingList {
    /// Always `list`.
    pub object: Cow<'static, str>,
    /// A vector for each text, in the order of the texts.
    pub data: Vec<Embedding>,
    /// The model that made them.
    pub model: String,
    /// What was used.
    pub usage: EmbeddingUsage,
}

/// The vector of one text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Embedding {
    /// Always `embedding`.
    pub object: Cow<'static, str>,
    /// Which text, from 0.
    pub index: u32,
    /// Its vector.
    pub embedding: Vector,
}

/// A vector as it is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Vector {
    /// Its numbers.
    Float(Vec<f32>),
    /// Their bytes.
    Base64(String),
}

impl Vector {
    /// These numbers, told like this.
    pub fn new(numbers: Vec<f32>, encoding: Encoding) -> Self {
        match encoding {
            Encoding::Float => Self::Float(numbers),
            Encoding::Base64 => {
                let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                Self::Base64(STANDARD.encode(bytes))
            }
        }
    }
}

/// What a request for vectors used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddingUsage {
    /// Tokens of all texts, the end token of each included.
    pub prompt_tokens: u64,
    /// The same: nothing is generated.
    pub total_tokens: u64,
}

impl EmbeddingList {
    /// The vectors of all texts, and how many tokens those have.
    pub fn new(model: String, vectors: Vec<Vec<f32>>, encoding: Encoding, tokens: u64) -> Self {
        let told = |(index, numbers)| Embedding {
            object: "embedding".into(),
            index,
            embedding: Vector::new(numbers, encoding),
        };
        Self {
            object: "list".into(),
            data: (0..).zip(vectors).map(told).collect(),
            model,
            usage: EmbeddingUsage { prompt_tokens: tokens, total_tokens: tokens },
        }
    }
}
