//! Pictures, by OpenAI's door: what is asked for, and how it is told.
//!
//! What a picture costs to draw is known when it is asked for: how many, how many steps each, and how many pixels.

pub mod answer;
mod size;

use crate::refusal::Refusal;
use crate::request::bodies::chat::both;
use crate::request::door::Door;
use crate::request::drawing::Drawing;
use crate::request::member::{Body, invalid, raw};
pub use size::{AUTO_SIDE, AskedSize};

/// The most pictures of a request: OpenAI's bound.
pub const MAX_PICTURES: u32 = 10;
/// The most steps of a picture.
pub const MAX_STEPS: u32 = 50;
/// The steps of a picture where a request does not say.
pub const DEFAULT_STEPS: u32 = 8;
/// The most previews of a picture: OpenAI's bound.
pub const MAX_PARTIAL_IMAGES: u8 = 3;
/// The longest prompt in characters: OpenAI's bound.
pub const MAX_PROMPT: usize = 32_000;

/// A request for pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRequest {
    /// The model's name, not empty.
    pub model: String,
    /// What they are to show: 1 to [`MAX_PROMPT`] characters.
    pub prompt: String,
    /// How many: 1 to [`MAX_PICTURES`].
    pub n: u32,
    /// How large each is.
    pub size: AskedSize,
    /// The seed of the first one. Each further one has the next.
    pub seed: Option<u64>,
    /// How many steps each takes, 1 to [`MAX_STEPS`]; absent means [`DEFAULT_STEPS`].
    pub steps: Option<u32>,
    /// What a picture's bytes are.
    pub format: PictureFormat,
    /// How much of a picture is kept, 0 to 100. It is 100 for a PNG, which loses nothing.
    pub compression: u8,
    /// Whether the answer is to come in pieces.
    pub stream: bool,
    /// How many previews of each come before it, at most [`MAX_PARTIAL_IMAGES`]. None without `stream`.
    pub partial_images: u8,
    /// Whether a PNG tells the prompt.
    pub metadata_prompt: bool,
    /// The end user that the caller names, for limits that count by it.
    pub user: Option<String>,
}

/// What a picture's bytes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PictureFormat {
    /// PNG.
    #[default]
    Png,
    /// JPEG.
    Jpeg,
    /// WebP.
    Webp,
}

impl PictureFormat {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Png, Self::Jpeg, Self::Webp];

    /// Its name in a request and in an answer.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Webp => "webp",
        }
    }
}

impl ImageRequest {
    /// Parses a body; refuses as [`ChatRequest::parse`](crate::request::bodies::chat::ChatRequest::parse) does.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let body = Body::read(body, Door::Images)?;
        let format = format(&body)?;
        let stream = body.boolean("stream")?.unwrap_or(false);
        Ok(Self {
            model: both::model(&body)?,
            prompt: prompt(&body)?,
            n: within(&body, "n", (1, MAX_PICTURES))?.unwrap_or(1),
            size: size::read(&body)?,
            seed: seed(&body)?,
            steps: within(&body, "num_inference_steps", (1, MAX_STEPS))?,
            format,
            compression: compression(&body, format)?,
            stream,
            partial_images: partial_images(&body, stream)?,
            metadata_prompt: body.boolean("with_prompt")?.unwrap_or(false),
            user: both::end_user(&body)?,
        })
    }

    /// How many steps each picture takes.
    pub fn steps_each(&self) -> u32 {
        self.steps.unwrap_or(DEFAULT_STEPS)
    }

    /// The most pixels that each picture has.
    pub fn pixels_each(&self) -> u32 {
        self.size.most_pixels()
    }

    /// What may be drawn: it is reserved, and granted.
    pub fn drawing(&self) -> Drawing {
        let narrow = |number: u32| u16::try_from(number).expect("both have bounds that are far below");
        Drawing { n: narrow(self.n), steps: narrow(self.steps_each()), pixels: self.pixels_each() }
    }

    /// The seed of one of the pictures, if the request names the first one's.
    pub fn seed_of(&self, picture: u32) -> Option<u64> {
        self.seed.map(|seed| seed.wrapping_add(u64::from(picture)))
    }

    /// A guess at the length of the prompt in tokens, made without a tokenizer.
    pub fn guess_prompt_tokens(&self) -> u32 {
        u32::try_from(self.prompt.len().div_ceil(4)).unwrap_or(u32::MAX)
    }
}

fn prompt(body: &Body<'_>) -> Result<String, Refusal> {
    match body.text("prompt")? {
        Some(text) if text.chars().count() > MAX_PROMPT => {
            Err(invalid("prompt", format!("`prompt` has at most {MAX_PROMPT} characters.")))
        }
        Some(text) if !text.is_empty() => Ok(text.into_owned()),
        _ => Err(invalid("prompt", "`prompt` must be a text that is not empty.")),
    }
}

/// A whole number between these two, both included.
fn within(body: &Body<'_>, name: &'static str, (least, most): (u32, u32)) -> Result<Option<u32>, Refusal> {
    let Some(given) = body.get(name) else { return Ok(None) };
    let must = format!("a whole number from {least} to {most}");
    let number = u32::try_from(given.whole(&must)?).ok().filter(|number| (least..=most).contains(number));
    number.map(Some).ok_or_else(|| given.must(&must))
}

/// The same of at most 255.
fn small(body: &Body<'_>, name: &'static str, most: u8) -> Result<Option<u8>, Refusal> {
    let number = within(body, name, (0, most.into()))?;
    Ok(number.map(|number| u8::try_from(number).expect("it is at most `most`")))
}

fn seed(body: &Body<'_>) -> Result<Option<u64>, Refusal> {
    const MUST: &str = "a whole number of 63 bits, not negative; left out, chance picks one";
    let Some(given) = body.get("seed") else { return Ok(None) };
    u64::try_from(given.whole(MUST)?).map(Some).map_err(|_| given.must(MUST))
}

fn format(body: &Body<'_>) -> Result<PictureFormat, Refusal> {
    let Some(given) = body.get("output_format") else { return Ok(PictureFormat::default()) };
    let name = raw::text(given.json);
    let found = PictureFormat::ALL.into_iter().find(|format| name.as_deref() == Some(format.name()));
    found.ok_or_else(|| given.must("`png`, `jpeg` or `webp`"))
}

fn compression(body: &Body<'_>, format: PictureFormat) -> Result<u8, Refusal> {
    const NAME: &str = "output_compression";
    const ALL: u8 = 100;
    match small(body, NAME, ALL)?.unwrap_or(ALL) {
        ALL => Ok(ALL),
        _ if format == PictureFormat::Png => {
            Err(invalid(NAME, "`output_compression` goes with `jpeg` and `webp`: a `png` loses nothing."))
        }
        part => Ok(part),
    }
}

fn partial_images(body: &Body<'_>, stream: bool) -> Result<u8, Refusal> {
    const NAME: &str = "partial_images";
    match small(body, NAME, MAX_PARTIAL_IMAGES)?.unwrap_or(0) {
        0 => Ok(0),
        _ if !stream => Err(invalid(NAME, "`partial_images` goes with `stream`: previews come in events.")),
        some => Ok(some),
    }
}
