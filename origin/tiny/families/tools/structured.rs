//! Answers that a program reads: by tools that take them, by order of the question, and by a schema.

pub(crate) mod answers;
pub(crate) mod calls;
mod field;
mod things;
