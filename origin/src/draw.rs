//! `sluice-origin draw`: one picture, from the command line.

use crate::config::DrawConfig;
use crate::models::z_image::drawing::Progress;
use crate::models::z_image::picture::Made;
use crate::models::z_image::{DrawError, Order, ZImage};
use crate::system::memory;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, stderr};
use std::path::Path;
use std::time::{Duration, Instant};

/// What was drawn.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// Tokens of the prompt, with the marks around it.
    pub tokens: usize,
    /// From the first block to the last pixel, without loading.
    pub took: Duration,
}

/// Loads the model, draws, and writes the file under its name when it is whole. Says on standard error how far it is.
/// Blocks.
pub fn run(config: &DrawConfig) -> Result<Drawn, Box<dyn std::error::Error>> {
    let begun = Instant::now();
    let mut model = ZImage::load(&config.model, config.precision)?;
    eprintln!("loaded {} in {:.1} s", memory::gib(model.weight_bytes() as u64), begun.elapsed().as_secs_f64());
    let size = model.bounds().parse(&config.size).map_err(DrawError::Refused)?;
    let order = Order { prompt: config.prompt.clone(), size, steps: config.steps, seed: config.seed };
    let tokens = model.check(&order).map_err(DrawError::Refused)?.len();
    let needed = model.picture_bytes(size, tokens);
    if let Some(available) = memory::short_of(needed) {
        let (needed, available) = (memory::gib(needed), memory::gib(available));
        return Err(format!("a picture of {size} needs about {needed} of memory, and {available} are free").into());
    }
    let begun = Instant::now();
    let mut drawing = model.begin(&order).map_err(DrawError::Refused)?;
    let mut told = Told::begin(drawing.progress());
    while !drawing.advance(&mut model, 1)?.is_done() {
        told.tell(drawing.progress());
    }
    told.end();
    let took = begun.elapsed();
    let name = config.model.file_name().unwrap_or_default().to_string_lossy();
    let prompt = config.with_prompt.then_some(config.prompt.as_str());
    let picture = drawing.finish().ok_or("the picture is not done")?;
    let file = picture.png(&Made { model: &name, seed: config.seed, steps: config.steps, prompt })?;
    write(&config.out, &file)?;
    Ok(Drawn { tokens, took })
}

/// Under its name when it is whole: whoever finds the file trusts it.
fn write(path: &Path, file: &[u8]) -> std::io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".draft");
    std::fs::write(&draft, file)?;
    std::fs::rename(&draft, path)
}

/// What a person sees: a bar on a terminal, a line for each step elsewhere.
struct Told {
    begun: Instant,
    bar: Option<ProgressBar>,
    steps: usize,
}

/// By blocks, of which a step has many.
const BAR: &str = "  {msg}  {bar:24}  {elapsed} so far, {eta} left";

impl Told {
    fn begin(progress: Progress) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let target = ProgressDrawTarget::stderr();
            let bar = ProgressBar::with_draw_target(Some(progress.of_blocks as u64), target);
            let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.with_style(style)
        });
        Self { begun: Instant::now(), bar, steps: 0 }
    }

    fn tell(&mut self, progress: Progress) {
        let Progress { steps, of_steps, .. } = progress;
        if let Some(bar) = &self.bar {
            bar.set_position(progress.blocks as u64);
            bar.set_message(format!("step {steps} of {of_steps}"));
        } else if steps > self.steps {
            eprintln!("step {steps} of {of_steps}, {:.1} s", self.begun.elapsed().as_secs_f64());
        }
        self.steps = steps;
    }

    fn end(self) {
        self.bar.into_iter().for_each(|bar| bar.finish_and_clear());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_one_that_can_be_drawn() {
        assert!(ProgressStyle::with_template(BAR).is_ok());
    }
}
