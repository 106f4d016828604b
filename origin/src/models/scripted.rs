//! A model whose steps a test hands out: it computes nothing, says what its script says, and counts.
//!
//! It speaks with the tokenizer and the template of [`endless`]: token `n` below 256 is byte `n`, so a
//! character of several bytes takes several tokens.
//!
//! ```
//! use sluice_origin::{config::Config, models::scripted::{Script, Say}, server::Origin};
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let script = Script::new(1);
//! script.say(Say::text("héllo"));
//! script.allow_all();
//! let origin = Origin::start(Config::local(), script.backend()).await.unwrap();
//! // POST to origin.url() with "model": "scripted"
//! # drop(origin);
//! # });
//! ```

mod model;
mod say;

use crate::load_error::LoadError;
use crate::models::{Backend, endless};
use crate::text::Text;
use model::ScriptedModel;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

pub use say::{Fault, Say};

/// The name that a scripted model is served by.
pub const MODEL: &str = "scripted";

/// Where else than in a step a scripted model can panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// While a sequence begins.
    Begin,
    /// While a slot is released.
    Release,
    /// Between two steps, in the engine's own thread.
    Between,
}

/// A GPU on which a scripted model says that it computes.
#[derive(Clone, Copy, Debug)]
pub struct OnGpu {
    /// Its number, as CUDA counts.
    pub ordinal: usize,
    /// Bytes of its memory that a token takes.
    pub token_bytes: usize,
}

/// The test's hold on a scripted model. Clones share it. Dropping the last one lets the model run freely.
#[derive(Clone)]
pub struct Script {
    shared: Arc<Shared>,
    _release: Arc<Release>,
    slots: usize,
    context: usize,
    vectors: Option<usize>,
    on_gpu: Option<OnGpu>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Steps that may still be taken; `None` for any number.
    allowed: Option<u64>,
    blocked: bool,
    steps: u64,
    generated: u64,
    prompted: u64,
    prompts: Vec<Vec<u32>>,
    widest: usize,
    says: VecDeque<Say>,
    answer: Option<Answer>,
    panics: Vec<Place>,
    running: Vec<Option<Running>>,
}

/// What is said to a prompt.
type Answer = Box<dyn Fn(&str) -> Say + Send>;

struct Running {
    /// None until the prompt is there, where it decides.
    say: Option<Say>,
    said: usize,
    prompt: usize,
}

struct Release(Arc<Shared>);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.lock().allowed = None;
        self.0.changed.notify_all();
    }
}

impl Script {
    /// A model with this many slots and a context of 4,096 tokens. No step is allowed yet.
    pub fn new(slots: usize) -> Self {
        Self::with_context(slots, 4096)
    }

    /// As [`Self::new`], with a context of this many tokens.
    pub fn with_context(slots: usize, context: usize) -> Self {
        let running = (0..slots).map(|_| None).collect();
        let state = State { allowed: Some(0), running, ..State::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        Self { _release: Arc::new(Release(Arc::clone(&shared))), shared, slots, context, vectors: None, on_gpu: None }
    }

    /// One that embeds: vectors have this length, and count the tokens of their text by what is left of them modulo it.
    pub fn embedding(slots: usize, vectors: usize) -> Self {
        Self { vectors: Some(vectors), ..Self::new(slots) }
    }

    /// The same, and the model says that it computes on a GPU.
    pub fn on_gpu(self, gpu: OnGpu) -> Self {
        Self { on_gpu: Some(gpu), ..self }
    }

    /// The model and its text side, to be served as [`MODEL`]. To be called once per script.
    ///
    /// Panics if the text side cannot be built, which needs a directory for temporary files.
    pub fn backend(&self) -> Backend {
        let model = ScriptedModel {
            shared: Arc::clone(&self.shared),
            slots: self.slots,
            context: self.context,
            vectors: self.vectors,
            on_gpu: self.on_gpu,
        };
        let text = text().expect("a directory for temporary files can be written");
        Backend { name: MODEL.into(), model: Box::new(model), text }
    }

    /// Adds an answer. Requests for which there is none get `ok`.
    pub fn say(&self, say: Say) {
        self.shared.lock().says.push_back(say);
    }

    /// Makes the prompt decide: what is said to it, as [`Self::prompts`] has it, where no answer waits that was added.
    pub fn answer(&self, answer: impl Fn(&str) -> Say + Send + 'static) {
        self.shared.lock().answer = Some(Box::new(answer));
    }

    /// Panics there, the next time that it comes there.
    pub fn panic_in(&self, place: Place) {
        self.shared.lock().panics.push(place);
    }

    /// Allows this many more steps. A step computes a chunk of every prompt that is read and one token of every answer.
    pub fn allow(&self, steps: u64) {
        let mut state = self.shared.lock();
        state.allowed = Some(state.allowed.unwrap_or(0) + steps);
        self.shared.changed.notify_all();
    }

    /// Allows all steps.
    pub fn allow_all(&self) {
        self.shared.lock().allowed = None;
        self.shared.changed.notify_all();
    }

    /// Allows no more steps, whatever was allowed.
    pub fn hold(&self) {
        self.shared.lock().allowed = Some(0);
    }

    /// Whether the model stands in a step that is not allowed.
    pub fn is_blocked(&self) -> bool {
        self.shared.lock().blocked
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.shared.lock().steps
    }

    /// Tokens generated, the ending ones included.
    pub fn generated(&self) -> u64 {
        self.shared.lock().generated
    }

    /// Prompt tokens seen.
    pub fn prompted(&self) -> u64 {
        self.shared.lock().prompted
    }

    /// The most sequences that were in one step.
    pub fn widest_step(&self) -> usize {
        self.shared.lock().widest
    }

    /// The prompts in the order in which they started, as far as they were seen. Control tokens are left out.
    pub fn prompts(&self) -> Vec<String> {
        self.shared.lock().prompts.iter().map(|ids| spelt(ids)).collect()
    }

    /// As [`Self::prompts`], as tokens.
    pub fn prompt_tokens(&self) -> Vec<Vec<u32>> {
        self.shared.lock().prompts.clone()
    }

    /// Slots in which a sequence lives.
    pub fn occupied(&self) -> usize {
        self.shared.lock().running.iter().flatten().count()
    }
}

/// What these tokens spell; control tokens are left out.
fn spelt(ids: &[u32]) -> String {
    let bytes: Vec<u8> = ids.iter().filter_map(|id| u8::try_from(*id).ok()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A text side whose tokens are bytes.
fn text() -> Result<Text, LoadError> {
    let directory = std::env::temp_dir().join(format!("sluice-scripted-{:016x}", crate::system::random_u64()));
    std::fs::create_dir(&directory).map_err(|error| LoadError::new(&directory, &error))?;
    let text = endless::write_text(&directory).and_then(|()| Text::load(&directory));
    // What is left behind is small and in a directory for such things.
    let _ = std::fs::remove_dir_all(&directory);
    text
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A scripted panic is thrown outside; a failed assertion is told by the engine.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self, place: Place) {
        let mut state = self.lock();
        let index = state.panics.iter().position(|other| *other == place);
        let panics = index.map(|index| state.panics.swap_remove(index)).is_some();
        drop(state);
        assert!(!panics, "a scripted panic: {place:?}");
    }

    fn wait_for_permit(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.blocked = true;
        let mut state =
            self.changed.wait_while(state, |state| state.allowed == Some(0)).unwrap_or_else(PoisonError::into_inner);
        state.blocked = false;
        state.allowed = state.allowed.map(|steps| steps - 1);
        state
    }
}
