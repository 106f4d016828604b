//! How large a picture is asked to be.

use crate::refusal::Refusal;
use crate::request::member::{Body, Given, invalid};
use std::fmt;

/// The sides of a picture whose size is left to the model count as so many pixels. It may be smaller and never larger.
pub const AUTO_SIDE: u32 = 1_024;

/// The size that is asked for. One that no model draws is refused where it is read; a model's own bounds are narrower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AskedSize {
    /// What the model likes best.
    #[default]
    Auto,
    /// This one.
    Of {
        /// Pixels from left to right.
        width: u32,
        /// Pixels from top to bottom.
        height: u32,
    },
}

/// Sides are multiples of this.
const UNIT: u32 = 16;
/// The shortest side.
const LEAST: u32 = 64;
/// The longest side.
const MOST: u32 = 8_192;
/// How many times as long as the other a side may be: OpenAI's bound.
const MOST_RATIO: u32 = 3;
/// Pixels of a picture: 2048 x 2048.
const MOST_PIXELS: u32 = 2_048 * 2_048;

impl AskedSize {
    /// The most pixels that the picture has.
    pub const fn most_pixels(self) -> u32 {
        match self {
            Self::Auto => AUTO_SIDE * AUTO_SIDE,
            // Both are at most `MOST`.
            Self::Of { width, height } => width * height,
        }
    }
}

impl fmt::Display for AskedSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Of { width, height } => write!(f, "{width}x{height}"),
        }
    }
}

/// Reads `size`. Refuses what no model draws.
pub(super) fn read(body: &Body<'_>) -> Result<AskedSize, Refusal> {
    let Some(given) = body.get("size") else { return Ok(AskedSize::Auto) };
    match given.text()?.as_ref() {
        "auto" => Ok(AskedSize::Auto),
        text => sides(given, text),
    }
}

fn sides(given: Given<'_>, text: &str) -> Result<AskedSize, Refusal> {
    let refuse = |why: String| Err(invalid("size", why));
    let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse::<u32>().ok(),
        false => None,
    };
    let sides = text.split_once('x').and_then(|(width, height)| Some((number(width)?, number(height)?)));
    let Some((width, height)) = sides else {
        return Err(given.must("`auto`, or WIDTHxHEIGHT in pixels, such as `1024x1024`"));
    };
    for side in [width, height] {
        if !(LEAST..=MOST).contains(&side) || !side.is_multiple_of(UNIT) {
            return refuse(format!(
                "The sides of `size` must be multiples of {UNIT} from {LEAST} to {MOST}; {side} is not."
            ));
        }
    }
    if width.max(height) > MOST_RATIO * width.min(height) {
        return refuse(format!("A side of `size` must not be more than {MOST_RATIO} times the other."));
    }
    if width * height > MOST_PIXELS {
        return refuse(format!("A picture has {MOST_PIXELS} pixels at most; this `size` has more."));
    }
    Ok(AskedSize::Of { width, height })
}
