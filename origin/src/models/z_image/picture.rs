//! A finished picture, and how it becomes a file.

use super::size::Size;
use png::{BitDepth, ColorType, EncodingError};

/// A picture: three bytes a pixel, red, green and blue, row by row from the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Its sides.
    pub size: Size,
    /// `3 * width * height` bytes.
    pub pixels: Vec<u8>,
}

/// What a file tells of how its picture was made.
#[derive(Clone, Debug)]
pub struct Made<'a> {
    /// The model's name.
    pub model: &'a str,
    /// The seed of its noise.
    pub seed: u64,
    /// How many steps it took.
    pub steps: usize,
    /// What was asked for, where the file is to tell.
    pub prompt: Option<&'a str>,
}

impl Picture {
    /// Of what the decoder gives: `[height * width, 3]` from -1 to 1, rounded as the reference rounds.
    pub(crate) fn new(size: Size, numbers: &[f32]) -> Self {
        let level = |number: &f32| ((number / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round_ties_even() as u8;
        Self { size, pixels: numbers.iter().map(level).collect() }
    }

    /// A PNG file, with what made it as text: `Model`, `Seed`, `Steps`, and `Description` if the prompt is told.
    pub fn png(&self, made: &Made<'_>) -> Result<Vec<u8>, EncodingError> {
        let side = |pixels: usize| u32::try_from(pixels).map_err(|_| EncodingError::LimitsExceeded);
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, side(self.size.width)?, side(self.size.height)?);
        encoder.set_color(ColorType::Rgb);
        encoder.set_depth(BitDepth::Eight);
        let told = [
            ("Software", Some("Sluice".to_owned())),
            ("Model", Some(made.model.to_owned())),
            ("Seed", Some(made.seed.to_string())),
            ("Steps", Some(made.steps.to_string())),
            ("Description", made.prompt.map(str::to_owned)),
        ];
        for (keyword, text) in told.into_iter().filter_map(|(keyword, text)| Some((keyword, text?))) {
            // International text: prompts are in any language.
            encoder.add_itxt_chunk(keyword.to_owned(), text)?;
        }
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_rounded_and_bounded() {
        let numbers = [-1.0, 1.0, 0.0, -3.0, 7.0, 1.0 / 255.0 - 1.0, f32::NAN];
        let picture = Picture::new(Size { width: 1, height: 2 }, &numbers);
        // 127.5 goes to the even side; half a level goes to none.
        assert_eq!(picture.pixels[..5], [0, 255, 128, 0, 255]);
        assert!(picture.pixels[5] <= 1);
        assert_eq!(picture.pixels[6], 0);
    }

    #[test]
    fn a_file_holds_its_pixels_and_what_made_them() {
        let size = Size { width: 5, height: 3 };
        let picture = Picture { size, pixels: (0..45).map(|number| number * 5).collect() };
        let made = Made { model: "Z-Image-Turbo", seed: u64::MAX, steps: 8, prompt: None };
        for prompt in [None, Some("a red square, \u{7ea2}\u{8272}")] {
            let file = picture.png(&Made { prompt, ..made.clone() }).unwrap();
            let mut reader = png::Decoder::new(std::io::Cursor::new(&file)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut pixels).unwrap();
            assert_eq!(pixels, picture.pixels);
            let info = reader.info();
            assert_eq!((info.width, info.height), (5, 3));
            let told: Vec<(String, String)> =
                info.utf8_text.iter().map(|chunk| (chunk.keyword.clone(), chunk.get_text().unwrap())).collect();
            let mut expected =
                vec![("Software", "Sluice"), ("Model", "Z-Image-Turbo"), ("Seed", "18446744073709551615")];
            expected.extend([("Steps", "8")].into_iter().chain(prompt.map(|prompt| ("Description", prompt))));
            let told: Vec<(&str, &str)> =
                told.iter().map(|(keyword, text)| (keyword.as_str(), text.as_str())).collect();
            assert_eq!(told, expected);
        }
    }
}
