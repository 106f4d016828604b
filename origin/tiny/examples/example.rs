//! What the model learns from.

/// A prompt and its answer.
pub(crate) struct Example {
    /// What the origin gives to the model.
    pub(crate) prompt: Vec<u32>,
    /// What is to be learnt, its end included.
    pub(crate) answer: Vec<u32>,
    /// Which tokens of the answer nobody can tell, in order: they are read and not learnt.
    pub(crate) free: Vec<usize>,
}

impl Example {
    /// Tokens that are read: all but the last of the answer.
    pub(crate) fn len(&self) -> usize {
        self.prompt.len() + self.answer.len() - 1
    }
}
