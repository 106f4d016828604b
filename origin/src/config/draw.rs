//! `draw`: what was typed, checked into what can be drawn.

use super::ConfigErrors;
use crate::models::qwen::precision::Precision;
use crate::models::z_image::schedule::{MOST_STEPS, STEPS};
use clap::Args;
use std::path::PathBuf;

/// `draw`, as typed.
#[derive(Clone, Debug, Args)]
pub struct DrawArgs {
    /// Directory of the model in the hub's layout: model_index.json, scheduler, tokenizer, text_encoder, transformer,
    /// vae
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// What is to be seen; at most 512 tokens
    #[arg(long, value_name = "TEXT")]
    pub prompt: String,
    /// Width and height in pixels, multiples of 16 for the published model
    #[arg(long, value_name = "WxH", default_value = "512x512")]
    pub size: String,
    /// Steps from noise to picture, 1 to 50
    #[arg(long, value_name = "N", default_value_t = STEPS)]
    pub steps: usize,
    /// Decides the noise: the same seed gives the same picture
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// In what matrices are kept: bf16 or f32
    #[arg(long, value_name = "TYPE", default_value = "bf16")]
    pub dtype: String,
    /// The PNG file; one that is there is written over
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Write the prompt into the file, too
    #[arg(long)]
    pub with_prompt: bool,
}

/// What is drawn, and where it goes. The model may still refuse it.
#[derive(Clone, Debug)]
pub struct DrawConfig {
    /// The model's directory.
    pub model: PathBuf,
    /// In what matrices are kept.
    pub precision: Precision,
    /// What is to be seen.
    pub prompt: String,
    /// Width and height, which the model's bounds read.
    pub size: String,
    /// From 1 to [`MOST_STEPS`].
    pub steps: usize,
    /// Of the noise.
    pub seed: u64,
    /// The PNG file.
    pub out: PathBuf,
    /// Whether the prompt is told in it.
    pub with_prompt: bool,
}

impl DrawArgs {
    /// Checks everything that no model is needed for, and tells every mistake that there is.
    pub fn check(self) -> Result<DrawConfig, ConfigErrors> {
        let mut mistakes = Vec::new();
        if !self.model.is_dir() {
            mistakes.push(format!("--model {}: is no directory", self.model.display()));
        }
        if !(1..=MOST_STEPS).contains(&self.steps) {
            mistakes.push(format!("--steps {}: must be from 1 to {MOST_STEPS}", self.steps));
        }
        let sides: Vec<&str> = self.size.split('x').collect();
        if sides.len() != 2 || sides.iter().any(|side| side.parse::<u32>().is_err()) {
            mistakes.push(format!("--size {}: must be WxH, such as 512x512", self.size));
        }
        if self.prompt.trim().is_empty() {
            mistakes.push("--prompt: must say what to draw".to_owned());
        }
        let place = self.out.parent().filter(|parent| !parent.as_os_str().is_empty());
        if self.out.is_dir() || self.out.file_name().is_none() || place.is_some_and(|place| !place.is_dir()) {
            mistakes.push(format!("--out {}: must be a file in a directory that is there", self.out.display()));
        }
        let precision = match self.dtype.as_str() {
            "bf16" => Precision::Bf16,
            "f32" => Precision::F32,
            "f16" => {
                mistakes.push("--dtype f16: overflows in this network; take bf16 or f32".to_owned());
                Precision::F16
            }
            other => {
                mistakes.push(format!("--dtype {other}: must be bf16 or f32"));
                Precision::F32
            }
        };
        let Self { model, prompt, size, steps, seed, out, with_prompt, .. } = self;
        match mistakes.is_empty() {
            true => Ok(DrawConfig { model, precision, prompt, size, steps, seed, out, with_prompt }),
            false => Err(ConfigErrors(mistakes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Command};
    use super::*;
    use clap::Parser;

    fn check(arguments: &[&str]) -> Result<DrawConfig, Vec<String>> {
        let cli = Cli::try_parse_from(["sluice-origin", "draw"].iter().chain(arguments)).unwrap();
        match cli.command {
            Command::Draw(arguments) => arguments.check().map_err(|errors| errors.0),
            _ => panic!("not draw"),
        }
    }

    #[test]
    fn every_mistake_is_told() {
        let wrong = [
            "--model",
            "/nowhere",
            "--prompt",
            " ",
            "--size",
            "512",
            "--steps",
            "51",
            "--dtype",
            "f16",
            "--out",
            "/nowhere/a.png",
        ];
        let mistakes = check(&wrong).unwrap_err();
        let flags = ["--model", "--steps", "--size", "--prompt", "--out", "--dtype"];
        assert_eq!(mistakes.len(), flags.len(), "{mistakes:?}");
        for (mistake, flag) in mistakes.iter().zip(flags) {
            assert!(mistake.starts_with(flag), "{flag}: {mistake}");
        }
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().to_str().unwrap();
        let config = check(&["--model", place, "--prompt", "a", "--out", "picture.png"]).unwrap();
        assert_eq!((config.steps, config.seed, config.size.as_str()), (8, 0, "512x512"));
        assert_eq!((config.precision, config.with_prompt), (Precision::Bf16, false));
    }
}
