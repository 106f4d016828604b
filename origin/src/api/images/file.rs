//! From a picture to its file, in base64.

use crate::models::z_image::picture::{Made, Picture};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image_webp::{ColorType, WebPEncoder};
use jpeg_encoder::Encoder;
use sluice_protocol::request::bodies::images::PictureFormat;

/// How pictures are told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encoding {
    pub(crate) format: PictureFormat,
    /// How much of it is to be seen in a JPEG, 1 to 100.
    pub(crate) quality: u8,
    /// Whether a PNG tells its prompt.
    pub(crate) tells_prompt: bool,
}

/// The file in base64. An error: what went wrong, for the log.
///
/// A PNG tells how it was made. A WebP loses nothing, and is no smaller for a lower quality.
pub(crate) fn base64_of(picture: &Picture, encoding: Encoding, made: &Made<'_>) -> Result<String, String> {
    file(picture, encoding, made).map(|file| STANDARD.encode(file))
}

fn file(picture: &Picture, encoding: Encoding, made: &Made<'_>) -> Result<Vec<u8>, String> {
    let Picture { size, pixels } = picture;
    let mut file = Vec::new();
    match encoding.format {
        PictureFormat::Png => return picture.png(made).map_err(|error| error.to_string()),
        PictureFormat::Jpeg => {
            let side = |pixels: usize| u16::try_from(pixels).map_err(|_| "a side is too long for a JPEG".to_owned());
            let (width, height) = (side(size.width)?, side(size.height)?);
            let encoder = Encoder::new(&mut file, encoding.quality.clamp(1, 100));
            encoder.encode(pixels, width, height, jpeg_encoder::ColorType::Rgb).map_err(|error| error.to_string())?;
        }
        PictureFormat::Webp => {
            let side = |pixels: usize| u32::try_from(pixels).map_err(|_| "a side is too long for a WebP".to_owned());
            let encoder = WebPEncoder::new(&mut file);
            encoder
                .encode(pixels, side(size.width)?, side(size.height)?, ColorType::Rgb8)
                .map_err(|error| error.to_string())?;
        }
    }
    Ok(file)
}
