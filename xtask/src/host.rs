//! The machine that a command runs on: its programs, its terminal, and where the repository lies there.

pub(crate) mod process;
pub(crate) mod progress;
pub(crate) mod workspace;
