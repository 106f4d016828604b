//! What the sources may not say, each a function over their text.

pub(super) mod leftovers;
pub(super) mod log_lines;
pub(super) mod modules;
pub(super) mod seam;
pub(super) mod secrets;
pub(super) mod status;
