//! What a person sees while a stage is trained: a bar on a terminal, and elsewhere a line twice a minute.

use indicatif::style::TemplateError;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// How far a stage is.
pub(super) struct Report {
    name: &'static str,
    bar: ProgressBar,
    begun: Instant,
    spoke: Instant,
    first: u64,
    done: u64,
    steps: u64,
    loss: Option<f32>,
}

impl Report {
    /// Of a stage of so many steps, some of which are done.
    pub(super) fn new(name: &'static str, steps: usize, done: u64) -> Result<Self, TemplateError> {
        let bar = ProgressBar::new(steps as u64).with_position(done);
        bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} steps, {msg}, {eta} left")?);
        let now = Instant::now();
        Ok(Self { name, bar, begun: now, spoke: now, first: done, done, steps: steps as u64, loss: None })
    }

    /// One more step, of this loss.
    pub(super) fn step(&mut self, loss: f32) {
        let mean = self.loss.map_or(loss, |mean| mean + (loss - mean) / 50.0);
        (self.loss, self.done) = (Some(mean), self.done + 1);
        self.bar.set_message(format!("{}, loss {mean:.4}", self.name));
        self.bar.inc(1);
        if self.bar.is_hidden() && self.spoke.elapsed() > Duration::from_secs(30) {
            self.spoke = Instant::now();
            let each = self.begun.elapsed().as_secs_f64() / (self.done - self.first) as f64;
            let left = each * (self.steps - self.done) as f64;
            let Self { name, done, steps, .. } = self;
            eprintln!("{name}: step {done} of {steps}, loss {mean:.4}, {each:.2} s each, {left:.0} s left");
        }
    }

    /// The stage is done.
    pub(super) fn end(&self) {
        self.bar.finish();
        let (took, loss) = (self.begun.elapsed().as_secs(), self.loss.unwrap_or_default());
        eprintln!("{}: trained in {took} s, loss {loss:.4}", self.name);
    }
}
