//! How large a picture may be.

use sluice_protocol::refusal::{Reason, Refusal};
use std::fmt;

/// A picture's sides in pixels. What [`SizeBounds::parse`] gives can be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Pixels from left to right.
    pub width: usize,
    /// Pixels from top to bottom.
    pub height: usize,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// The sizes that a network draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeBounds {
    /// Sides are multiples of this: the pixels of one patch.
    pub unit: usize,
    /// The shortest side.
    pub least: usize,
    /// The longest side.
    pub most: usize,
    /// Pixels of a picture.
    pub most_pixels: usize,
}

/// Sides in units at least, so that something can be seen.
const LEAST_UNITS: usize = 4;
/// Pixels at most: 2048 x 2048, beyond which the publisher shows nothing.
const MOST_PIXELS: usize = 2_048 * 2_048;
/// How many times as long as the other a side may be, as OpenAI has it.
const MOST_RATIO: usize = 3;

impl SizeBounds {
    /// For patches of so many pixels, and so many positions on a side.
    pub(crate) fn new(unit: usize, positions: usize) -> Self {
        Self { unit, least: LEAST_UNITS * unit, most: positions * unit, most_pixels: MOST_PIXELS }
    }

    /// Reads `WIDTHxHEIGHT`. Refuses what cannot be drawn, in the caller's words.
    pub fn parse(&self, text: &str) -> Result<Size, Refusal> {
        let refuse = |why: String| Err(Refusal::new(Reason::InvalidRequest, why).with_param("size"));
        let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse::<usize>().ok(),
            false => None,
        };
        let sides = text.split_once('x').and_then(|(width, height)| Some((number(width)?, number(height)?)));
        let Some((width, height)) = sides else {
            return refuse("`size` must be WIDTHxHEIGHT in pixels, such as 512x512.".to_owned());
        };
        let Self { unit, least, most, most_pixels } = *self;
        for side in [width, height] {
            if !(least..=most).contains(&side) || !side.is_multiple_of(unit) {
                return refuse(format!(
                    "The sides of `size` must be multiples of {unit} from {least} to {most}; {side} is not."
                ));
            }
        }
        if width.max(height) > MOST_RATIO * width.min(height) {
            return refuse(format!("A side of `size` must not be more than {MOST_RATIO} times the other: {text} is."));
        }
        // No overflow: both are within `most`.
        match width.checked_mul(height) {
            Some(pixels) if pixels <= most_pixels => Ok(Size { width, height }),
            _ => refuse(format!("A picture has {most_pixels} pixels at most; {text} has more.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_what_can_be_drawn() {
        let bounds = SizeBounds::new(16, 512);
        for text in ["512x512", "64x64", "1024x1024", "2048x2048", "64x192", "1536x512", "8192x2048"] {
            let found = bounds.parse(text);
            match text {
                // Each side is one that can be, and both are too many pixels, or one too long for the other.
                "8192x2048" => assert!(found.is_err()),
                _ => assert_eq!(found.unwrap().to_string(), text),
            }
        }
        for text in [
            "",
            "x",
            "512",
            "512x",
            "x512",
            "512X512",
            "512 x 512",
            "+512x512",
            "-512x512",
            "512x512x512",
            "0x0",
            "0x512",
            "511x512",
            "512x520",
            "48x48",
            "16384x16384",
            "16384x512",
            "64x208",
            "640x64",
            "2064x2048",
            "1e3x512",
            "99999999999999999999x512",
            "512x18446744073709551615",
            "auto",
            "\u{0665}12x512",
        ] {
            let refusal = bounds.parse(text).expect_err(text);
            assert_eq!((refusal.reason, refusal.param.as_deref()), (Reason::InvalidRequest, Some("size")), "{text}");
        }
    }

    #[test]
    fn smaller_networks_have_smaller_units() {
        let bounds = SizeBounds::new(4, 32);
        assert_eq!(bounds.parse("16x36").unwrap(), Size { width: 16, height: 36 });
        assert!(bounds.parse("12x16").is_err() && bounds.parse("132x128").is_err() && bounds.parse("18x16").is_err());
    }
}
