//! The model that speaks by its script, as the engine sees it.

use super::{Fault, OnGpu, Place, Running, Say, Shared, State, spelt};
use crate::engine::model::{Logits, Model, ModelError, Row};
use std::sync::Arc;

/// Speaks when its script lets it.
pub(super) struct ScriptedModel {
    pub(super) shared: Arc<Shared>,
    pub(super) slots: usize,
    pub(super) context: usize,
    /// The length of its vectors, if it embeds.
    pub(super) vectors: Option<usize>,
    /// Where it says that it computes.
    pub(super) on_gpu: Option<OnGpu>,
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

    fn vectors(&self) -> Option<usize> {
        self.vectors
    }

    fn slots(&self) -> usize {
        self.slots
    }

    fn token_bytes(&self) -> usize {
        self.on_gpu.map_or(0, |gpu| gpu.token_bytes)
    }

    fn cuda(&self) -> Option<usize> {
        self.on_gpu.map(|gpu| gpu.ordinal)
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
                    if self.vectors.is_some() {
                        state.vector(row.slot, values);
                        continue;
                    }
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
    /// The vector of the text in a slot: its tokens, each counted at the place that it has modulo the length.
    fn vector(&self, slot: usize, values: &mut [f32]) {
        values.fill(0.0);
        let running = self.running[slot].as_ref().expect("a text ends where it began");
        for token in &self.prompts[running.prompt] {
            values[*token as usize % values.len()] += 1.0;
        }
    }

    fn run(&mut self, row: &Row<'_>) -> Result<Option<Vec<(u32, f32)>>, Fault> {
        if row.position == 0 {
            let say = match (self.says.pop_front(), &self.answer) {
                (None, None) => Some(Say::text("ok")),
                (said, _) => said,
            };
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
        if let (None, Some(answer)) = (&running.say, &self.answer) {
            running.say = Some(answer(&spelt(&self.prompts[running.prompt])));
        }
        let say = running.say.as_ref().expect("a prompt decides where nothing was added");
        let logits = say.step(running.said)?;
        running.said += 1;
        self.generated += 1;
        Ok(Some(logits))
    }
}
