//! A model whose steps a test hands out: it computes nothing, says what its script says, and counts.
//!
//! It speaks with the tokenizer and the template of [`endless`]: token `n` below 256 is byte `n`, so a
//! character of several bytes takes several tokens.
//!
//! ```
//! use sluice_origin::{config::Config, scripted::{Script, Say}, server::Origin};
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let script = Script::new(1);
//! script.say(Say::text("héllo"));
//! script.allow_all();
//! let origin = Origin::start(Config::local(), script.backend()).await.unwrap();
//! // POST to origin.url() with "model": "scripted"
//! # drop(origin);
//! # });
//! ```

use crate::engine::model::{Logits, Model, ModelError, Row};
use crate::load_error::LoadError;
use crate::models::{Backend, endless};
use crate::text::Text;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The name that a scripted model is served by.
pub const MODEL: &str = "scripted";

/// What a scripted model says to one request. Requests take them in the order in which they start.
#[derive(Clone, Debug)]
pub struct Say {
    /// The logits of each step; what is not named has -100.
    steps: Vec<Vec<(u32, f32)>>,
    then: Then,
}

/// What comes after the tokens.
#[derive(Clone, Copy, Debug)]
enum Then {
    End,
    Again,
    Fault(Fault),
}

/// A way to fail, in place of the next token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Logits that are not numbers.
    NaN,
    /// An error of this row alone.
    Row,
    /// An error of the whole step.
    Step,
    /// A panic.
    Panic,
}

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

impl Say {
    /// The bytes of this text, one token each, and then the end of the answer.
    pub fn text(text: &str) -> Self {
        Self::tokens(text.bytes().map(u32::from).collect())
    }

    /// These tokens, and then the end of the answer.
    pub fn tokens(tokens: Vec<u32>) -> Self {
        Self::logits(tokens.into_iter().map(certain).collect())
    }

    /// Whatever the sampler makes of these logits, one list for each step, and then the end of the answer. Tokens that a
    /// list does not name have a logit of -100.
    pub fn logits(steps: Vec<Vec<(u32, f32)>>) -> Self {
        Self { steps, then: Then::End }
    }

    /// The bytes of this text again and again, without end.
    ///
    /// Panics if the text is empty.
    pub fn endless(text: &str) -> Self {
        assert!(!text.is_empty(), "an endless answer says something");
        Self { then: Then::Again, ..Self::text(text) }
    }

    /// The bytes of this text, and then a failure.
    pub fn fail_after(text: &str, fault: Fault) -> Self {
        Self { then: Then::Fault(fault), ..Self::text(text) }
    }

    fn step(&self, number: usize) -> Result<Vec<(u32, f32)>, Fault> {
        match (self.steps.get(number), self.then) {
            (Some(logits), _) => Ok(logits.clone()),
            (None, Then::End) => Ok(certain(endless::IM_END)),
            (None, Then::Again) => Ok(self.steps[number % self.steps.len()].clone()),
            (None, Then::Fault(fault)) => Err(fault),
        }
    }
}

/// Logits by which this token comes, whatever the temperature.
fn certain(token: u32) -> Vec<(u32, f32)> {
    vec![(token, 100.0)]
}

/// The test's hold on a scripted model. Clones share it. Dropping the last one lets the model run freely.
#[derive(Clone)]
pub struct Script {
    shared: Arc<Shared>,
    _release: Arc<Release>,
    slots: usize,
    context: usize,
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
    panics: Vec<Place>,
    running: Vec<Option<Running>>,
}

struct Running {
    say: Say,
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
        Self { _release: Arc::new(Release(Arc::clone(&shared))), shared, slots, context }
    }

    /// The model and its text side, to be served as [`MODEL`]. To be called once per script.
    ///
    /// Panics if the text side cannot be built, which needs a directory for temporary files.
    pub fn backend(&self) -> Backend {
        let model = ScriptedModel { shared: Arc::clone(&self.shared), slots: self.slots, context: self.context };
        let text = text().expect("a directory for temporary files can be written");
        Backend { name: MODEL.into(), model: Box::new(model), text }
    }

    /// Adds an answer. Requests for which there is none get `ok`.
    pub fn say(&self, say: Say) {
        self.shared.lock().says.push_back(say);
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
        let text = |ids: &Vec<u32>| {
            let bytes: Vec<u8> = ids.iter().filter_map(|id| u8::try_from(*id).ok()).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        self.shared.lock().prompts.iter().map(text).collect()
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

/// A text side whose tokens are bytes.
fn text() -> Result<Text, LoadError> {
    let directory = std::env::temp_dir().join(format!("sluice-scripted-{:016x}", crate::system::random_u64()));
    std::fs::create_dir(&directory).map_err(|error| LoadError::new(&directory, &error))?;
    let text = endless::write_text(&directory).and_then(|()| Text::load(&directory));
    // What is left behind is small and in a directory for such things.
    let _ = std::fs::remove_dir_all(&directory);
    text
}

struct ScriptedModel {
    shared: Arc<Shared>,
    slots: usize,
    context: usize,
}

/// As many logits as there are bytes and control tokens.
const VOCAB: usize = 288;

impl Model for ScriptedModel {
    fn context_length(&self) -> usize {
        self.context
    }

    fn vocab_size(&self) -> usize {
        self.shared.pass(Place::Between);
        VOCAB
    }

    fn slots(&self) -> usize {
        self.slots
    }

    fn token_bytes(&self) -> usize {
        0
    }

    fn begin(&mut self, _slot: usize, _tokens: usize) -> Result<(), ModelError> {
        self.shared.pass(Place::Begin);
        Ok(())
    }

    fn copy_prefix(&mut self, _from: usize, _to: usize, _tokens: usize) -> Result<(), ModelError> {
        Err(ModelError("a script has no memory to copy".into()))
    }

    fn step(&mut self, rows: &[Row<'_>], logits: &mut Logits) -> Result<(), ModelError> {
        let mut guard = self.shared.wait_for_permit();
        let state = &mut *guard;
        state.steps += 1;
        state.widest = state.widest.max(rows.len());
        let mut fault = None;
        for (number, row) in rows.iter().enumerate() {
            match state.run(row) {
                Ok(None) => {}
                Ok(Some(named)) => {
                    let values = logits.row_mut(number);
                    values.fill(-100.0);
                    for (token, logit) in named {
                        values[token as usize] = logit;
                    }
                }
                Err(Fault::NaN) => logits.row_mut(number).fill(f32::NAN),
                Err(Fault::Row) => logits.fail(number, "a scripted failure of a row"),
                Err(whole) => fault = Some(whole),
            }
        }
        drop(guard);
        match fault {
            Some(Fault::Panic) => panic!("a scripted panic"),
            Some(_) => Err(ModelError("a scripted failure of a step".into())),
            None => Ok(()),
        }
    }

    fn release(&mut self, slot: usize) {
        self.shared.pass(Place::Release);
        self.shared.lock().running[slot] = None;
    }
}

impl State {
    fn run(&mut self, row: &Row<'_>) -> Result<Option<Vec<(u32, f32)>>, Fault> {
        if row.position == 0 {
            let say = self.says.pop_front().unwrap_or_else(|| Say::text("ok"));
            assert!(self.running[row.slot].is_none(), "a sequence started in a slot that was not released");
            self.running[row.slot] = Some(Running { say, said: 0, prompt: self.prompts.len() });
            self.prompts.push(Vec::new());
        }
        let running = self.running[row.slot].as_mut().expect("a sequence starts at position 0");
        if running.said == 0 {
            let prompt = &mut self.prompts[running.prompt];
            assert_eq!(prompt.len(), row.position, "a prompt came with a gap");
            prompt.extend_from_slice(row.tokens);
            self.prompted += row.tokens.len() as u64;
        }
        if !row.sample {
            return Ok(None);
        }
        let logits = running.say.step(running.said)?;
        running.said += 1;
        self.generated += 1;
        Ok(Some(logits))
    }
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
