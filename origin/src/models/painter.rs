//! generate, for pictures: one OS thread owns a model that draws, and draws one request after another.
//!
//! Between two blocks it looks whether somebody still waits for the picture: who leaves, cancels, comes to the deadline or
//! is drained frees it within one. It takes turns with texts ([`Turns`]). A panic or an error of the computation ends the
//! request that it befell: weights are never written, and all else is the drawing's own.

use crate::engine::Cause;
use crate::engine::job_state::JobState;
use crate::engine::turns::{Draw, Turns};
use crate::models::z_image::drawing::{Drawing, Part};
use crate::models::z_image::picture::Picture;
use crate::models::z_image::{Order, ZImage};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc as std_mpsc};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The pictures of one request.
pub(crate) struct PictureJob {
    /// One for each picture, checked against the model; they are drawn in this order.
    pub(crate) orders: Vec<Order>,
    /// How many tokens their prompt has.
    pub(crate) tokens: usize,
    /// How many previews each has on its way.
    pub(crate) previews: usize,
    /// The deadline.
    pub(crate) deadline: Option<Instant>,
    /// Where progress is written, and whether to stop is read.
    pub(crate) state: Arc<JobState>,
    /// Is told how many blocks of a part took how long.
    pub(crate) did: Box<dyn Fn(Part, usize, Duration) + Send>,
    /// Dropped when the request is over, for whatever reason.
    pub(crate) guard: Box<dyn Send>,
}

/// How a request's pictures come along.
#[derive(Debug)]
pub(crate) enum PictureEvent {
    /// A step of the picture of this index is done.
    Step {
        /// From 0.
        index: usize,
        /// Steps that are done.
        done: usize,
    },
    /// How the picture of this index looks so far.
    Preview {
        /// From 0.
        index: usize,
        /// How it looks.
        picture: Picture,
    },
    /// The picture of this index is done.
    Picture {
        /// From 0.
        index: usize,
        /// It.
        picture: Picture,
    },
    /// The last event: [`Cause::Stop`] if all of them are done.
    End(Cause),
}

/// The reading end. Dropping it ends the request within a block.
pub(crate) struct Painting(mpsc::UnboundedReceiver<PictureEvent>);

impl Painting {
    /// The next event; nothing is lost if the future is dropped before it is ready. Not to be called after
    /// [`PictureEvent::End`].
    pub(crate) async fn next(&mut self) -> PictureEvent {
        let lost = || PictureEvent::End(Cause::Failed("the painter's thread is gone".into()));
        self.0.recv().await.unwrap_or_else(lost)
    }
}

/// A handle to the thread. Dropping it ends what is drawn and lets the thread go.
pub(crate) struct Painter {
    jobs: std_mpsc::Sender<(PictureJob, mpsc::UnboundedSender<PictureEvent>)>,
    shared: Arc<Shared>,
}

struct Shared {
    start: Instant,
    /// Milliseconds from `start` to when a block was begun; 0 while nothing is drawn.
    beat: AtomicU64,
    /// How many milliseconds a block of what is drawn may take.
    block: AtomicU64,
    ending: AtomicBool,
    steps: AtomicU64,
    pictures: AtomicU64,
}

/// For so long a picture computes in one turn, or one block if that takes longer.
const SLICE: Duration = Duration::from_millis(8);

/// Multiplications a second of a machine that is as slow as one may be: a block that takes longer hangs.
const SLOWEST: f64 = 1e9;

impl Painter {
    /// Starts the thread.
    pub(crate) fn start(model: ZImage, turns: Arc<Turns>) -> std::io::Result<Self> {
        let (jobs, inbox) = std_mpsc::channel();
        let shared = Arc::new(Shared {
            start: Instant::now(),
            beat: AtomicU64::new(0),
            block: AtomicU64::new(0),
            ending: AtomicBool::new(false),
            steps: AtomicU64::new(0),
            pictures: AtomicU64::new(0),
        });
        let mut worker = Worker { model, turns, shared: Arc::clone(&shared) };
        let run = move || {
            for (job, events) in inbox {
                worker.paint(job, &events);
            }
        };
        thread::Builder::new().name("painter".into()).spawn(run)?;
        Ok(Self { jobs, shared })
    }

    /// Hands a request over. Who does has the slot for pictures: one is drawn at a time.
    pub(crate) fn submit(&self, job: PictureJob) -> Painting {
        let (events, reader) = mpsc::unbounded_channel();
        // If the thread is gone, the reader finds its channel closed and says so.
        let _ = self.jobs.send((job, events));
        Painting(reader)
    }

    /// For how long the block that is computed has been, besides the time that it may take; none if nothing is drawn.
    pub(crate) fn beat_age(&self) -> Duration {
        match self.shared.beat.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            beat => {
                let block = self.shared.block.load(Ordering::Relaxed);
                self.shared.start.elapsed().saturating_sub(Duration::from_millis(beat.saturating_add(block)))
            }
        }
    }

    /// Ends what is drawn with [`Cause::Draining`], also what is handed over later.
    pub(crate) fn end_all(&self) {
        self.shared.ending.store(true, Ordering::Relaxed);
    }

    /// Steps since the start.
    pub(crate) fn steps(&self) -> u64 {
        self.shared.steps.load(Ordering::Relaxed)
    }

    /// Pictures since the start that came to their end.
    pub(crate) fn pictures(&self) -> u64 {
        self.shared.pictures.load(Ordering::Relaxed)
    }
}

impl Drop for Painter {
    fn drop(&mut self) {
        self.end_all();
    }
}

struct Worker {
    model: ZImage,
    turns: Arc<Turns>,
    shared: Arc<Shared>,
}

/// One request while it is drawn.
struct Running<'a> {
    job: &'a PictureJob,
    events: &'a mpsc::UnboundedSender<PictureEvent>,
    shared: &'a Shared,
    /// When the last block was done.
    since: Instant,
}

impl Worker {
    fn paint(&mut self, job: PictureJob, events: &mpsc::UnboundedSender<PictureEvent>) {
        let mut running = Running { job: &job, events, shared: &self.shared, since: Instant::now() };
        let mut cause = Cause::Stop;
        for index in 0..job.orders.len() {
            let (model, turns) = (&mut self.model, &self.turns);
            // A drawing that panicked is dropped, and nothing else was written to.
            let outcome = catch_unwind(AssertUnwindSafe(|| running.picture(model, turns, index)));
            if let Err(why) = outcome.unwrap_or_else(|_| Err(Cause::Failed("the model panicked".into()))) {
                cause = why;
                break;
            }
        }
        self.shared.beat.store(0, Ordering::Relaxed);
        if let Cause::Failed(why) = &cause {
            tracing::error!(%why, "a picture failed");
        }
        // Before its guard goes, which says that the request is over; and that before its reader learns of the end: what the
        // request has used is final by then.
        let PictureJob { state, guard, .. } = job;
        state.end(cause == Cause::Stop);
        drop(guard);
        // The reader may be gone: then nobody needs to know.
        let _ = events.send(PictureEvent::End(cause));
    }
}

impl Running<'_> {
    /// Draws the picture of this index.
    fn picture(&mut self, model: &mut ZImage, turns: &Turns, index: usize) -> Result<(), Cause> {
        let Some(order) = self.job.orders.get(index) else { return Ok(()) };
        let mut drawing = model.begin(order).map_err(|refusal| Cause::Failed(refusal.message.into()))?;
        let mut turn = None;
        let mut shown = 0;
        let effort = model.facts().effort(order.size, self.job.tokens, order.steps);
        let longest = Part::ALL.into_iter().map(|part| effort.left(part).each).fold(0.0, f64::max);
        // The cast saturates.
        self.shared.block.store((longest / SLOWEST * 1_000.0) as u64, Ordering::Relaxed);
        if index == 0 {
            self.job.state.begin(self.job.tokens, 0);
        }
        while !drawing.progress().is_done() {
            let before = drawing.progress();
            let now = {
                let _turn = self.turn(turns, &mut turn)?;
                drawing.advance(model, 1).map_err(failed)?
            };
            self.did(before.part);
            if now.steps == before.steps {
                continue;
            }
            self.shared.steps.fetch_add(1, Ordering::Relaxed);
            self.job.state.step(order.size.width * order.size.height, now.steps == 1);
            self.say(PictureEvent::Step { index, done: now.steps });
            // Evenly on the way, and none behind the last step: that is the picture.
            let due = now.steps * (self.job.previews + 1) / now.of_steps;
            if due > shown && shown < self.job.previews && now.steps < now.of_steps {
                shown = due;
                self.preview(model, (turns, &mut turn), &drawing, index)?;
            }
        }
        drop(turn);
        let picture = drawing.finish().ok_or_else(|| Cause::Failed("the picture is not done".into()))?;
        self.shared.pictures.fetch_add(1, Ordering::Relaxed);
        self.say(PictureEvent::Picture { index, picture });
        Ok(())
    }

    fn preview<'t>(
        &mut self,
        model: &ZImage,
        (turns, turn): (&'t Turns, &mut Option<Draw<'t>>),
        drawing: &Drawing,
        index: usize,
    ) -> Result<(), Cause> {
        let Some(mut developing) = drawing.preview(model).map_err(failed)? else { return Ok(()) };
        loop {
            let is_done = {
                let _turn = self.turn(turns, turn)?;
                developing.advance(model, 1).map_err(failed)?
            };
            self.did(Part::Pixels);
            if is_done {
                break;
            }
        }
        if let Some(picture) = developing.finish() {
            self.say(PictureEvent::Preview { index, picture });
        }
        Ok(())
    }

    /// The turn for the next block: the one that there is, while its slice lasts. Or why there is no next block.
    fn turn<'t, 'a>(&self, turns: &'t Turns, turn: &'a mut Option<Draw<'t>>) -> Result<&'a Draw<'t>, Cause> {
        if let Some(cause) = self.ends() {
            return Err(cause);
        }
        if turn.as_ref().is_some_and(|turn| turn.took() >= SLICE) {
            *turn = None;
        }
        let beat = u64::try_from(self.shared.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        if turn.is_none() {
            *turn = turns.draw(|| {
                // It waits for texts, and does not hang.
                self.shared.beat.store(0, Ordering::Relaxed);
                self.ends().is_none()
            });
        }
        self.shared.beat.store(beat.max(1), Ordering::Relaxed);
        turn.as_ref().ok_or_else(|| self.ends().unwrap_or(Cause::Left))
    }

    /// Why nobody waits for it any more, if nobody does.
    fn ends(&self) -> Option<Cause> {
        if self.shared.ending.load(Ordering::Relaxed) {
            Some(Cause::Draining)
        } else if self.job.state.is_cancelled() {
            Some(Cause::Cancelled)
        } else if self.events.is_closed() {
            Some(Cause::Left)
        } else if self.job.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            Some(Cause::Deadline)
        } else {
            None
        }
    }

    /// Notes that a block is done. What it waited for texts counts, too: that is how long pictures take.
    fn did(&mut self, part: Part) {
        let now = Instant::now();
        (self.job.did)(part, 1, now.duration_since(self.since));
        self.since = now;
    }

    fn say(&self, event: PictureEvent) {
        // The reader may be gone: it is looked at before the next block.
        let _ = self.events.send(event);
    }
}

fn failed(error: impl std::fmt::Display) -> Cause {
    Cause::Failed(error.to_string())
}

#[cfg(test)]
mod tests;
