//! What the engine asks of a model: rows of several sequences in, logits of the rows that sample out.
//!
//! The trait is written for a packed forward pass, where the rows of one step are one matrix.
//! [`crate::models::qwen`] computes; `crate::models::scripted` stands in for it in tests.

/// A model with room for several sequences, each in a slot of its own that holds what the model remembers of it.
pub trait Model: Send {
    /// The most tokens (prompt and answer) that one slot can hold.
    fn context_length(&self) -> usize;

    /// How many tokens there are.
    fn vocab_size(&self) -> usize;

    /// The length of its vectors, of a model that embeds or judges: then a sampling row has no logits but what the network
    /// makes of its last token, as the head would see it; or what the head gives the two words of a verdict, `no` and `yes`.
    fn vectors(&self) -> Option<usize> {
        None
    }

    /// Bytes of memory that a slot takes for each token that it holds. 0 if that is not worth counting.
    fn token_bytes(&self) -> usize;

    /// Bytes of memory that a step takes for each of its tokens while it computes. 0 if that is not worth counting.
    fn row_bytes(&self) -> usize {
        0
    }

    /// The number of the CUDA device on which it computes, as CUDA counts in this process; `None` where that is the CPU.
    fn cuda(&self) -> Option<usize> {
        None
    }

    /// How many sequences there is room for, including those that are only kept for their prefix. Slots are numbered
    /// from 0.
    fn slots(&self) -> usize;

    /// Makes room for a sequence of at most this many tokens, prompt and answer, in a released slot. An error means
    /// that the sequence cannot run (there is no memory); the slot is released then.
    fn begin(&mut self, slot: usize, tokens: usize) -> Result<(), ModelError>;

    /// Copies the first `tokens` positions of the slot `from` into the slot `to`, which has just begun, as if they had
    /// been computed there. An error leaves `to` unchanged.
    fn copy_prefix(&mut self, from: usize, to: usize, tokens: usize) -> Result<(), ModelError>;

    /// How many numbers a sampling row has.
    fn width(&self) -> usize {
        self.vectors().unwrap_or_else(|| self.vocab_size())
    }

    /// Computes one step.
    ///
    /// No two rows have the same slot. A slot's rows come in order and without gaps: the first after a [`Self::begin`]
    /// has position 0, or the one after what was copied. For every row with [`Row::sample`] set, `logits` gets the
    /// logits after its last token, or a failure of that row alone. An error means that every row of the step failed;
    /// the engine releases their slots.
    fn step(&mut self, rows: &[Row<'_>], logits: &mut Logits) -> Result<(), ModelError>;

    /// Forgets the sequence in a slot and gives its memory back. Also called for a slot in which nothing ran yet, and
    /// after an error or a panic.
    fn release(&mut self, slot: usize);
}

/// One sequence's share of a step: a chunk of its prompt, or the token that it sampled last.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Where the sequence lives.
    pub slot: usize,
    /// How many tokens of the sequence came before.
    pub position: usize,
    /// At least one token.
    pub tokens: &'a [u32],
    /// Whether the logits after the last token are wanted.
    pub sample: bool,
}

/// A step that failed as a whole. The text is for the log and holds no prompt.
#[derive(Debug, thiserror::Error)]
#[error("the model failed: {0}")]
pub struct ModelError(pub String);

/// What a step computed, by row. Kept from step to step so that nothing is allocated in between.
#[derive(Debug, Default)]
pub struct Logits {
    vocab: usize,
    values: Vec<f32>,
    rows: Vec<Outcome>,
}

#[derive(Debug, Default)]
enum Outcome {
    #[default]
    Missing,
    At(usize),
    Failed(String),
}

impl Logits {
    /// Makes room for the rows of a new step.
    pub fn reset(&mut self, rows: usize, vocab: usize) {
        self.vocab = vocab;
        self.values.clear();
        self.rows.clear();
        self.rows.resize_with(rows, Outcome::default);
    }

    /// The row's logits, to be filled in. `row` is its index in the step's rows.
    ///
    /// Panics if the step has no such row; the engine treats that as a failed step.
    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        let start = self.values.len();
        self.values.resize(start + self.vocab, 0.0);
        self.rows[row] = Outcome::At(start);
        &mut self.values[start..]
    }

    /// The logits of several rows, to be filled in; `rows` are their indices in the step, each once.
    ///
    /// Panics as [`Self::row_mut`] does.
    pub fn rows_mut(&mut self, rows: &[usize]) -> Vec<&mut [f32]> {
        let start = self.values.len();
        self.values.resize(start + rows.len() * self.vocab, 0.0);
        for (number, row) in rows.iter().enumerate() {
            self.rows[*row] = Outcome::At(start + number * self.vocab);
        }
        self.values[start..].chunks_exact_mut(self.vocab.max(1)).collect()
    }

    /// Says that this row alone failed; the others of the step are good. The text is for the log and holds no prompt.
    ///
    /// Panics if the step has no such row; the engine treats that as a failed step.
    pub fn fail(&mut self, row: usize, why: impl Into<String>) {
        self.rows[row] = Outcome::Failed(why.into());
    }

    /// What became of a row: its logits, nothing (it was not to be sampled, or the model left it out), or why it
    /// failed.
    pub fn row(&self, row: usize) -> Result<Option<&[f32]>, &str> {
        match &self.rows[row] {
            Outcome::Missing => Ok(None),
            Outcome::At(start) => Ok(Some(&self.values[*start..*start + self.vocab])),
            Outcome::Failed(why) => Err(why),
        }
    }

    /// As [`Self::row`], for who changes the logits before a token is chosen.
    pub(super) fn outcome_mut(&mut self, row: usize) -> Result<Option<&mut [f32]>, &str> {
        match &self.rows[row] {
            Outcome::Missing => Ok(None),
            Outcome::At(start) => Ok(Some(&mut self.values[*start..*start + self.vocab])),
            Outcome::Failed(why) => Err(why),
        }
    }
}
