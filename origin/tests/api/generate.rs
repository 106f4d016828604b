//! generate: what a request says of its answer.

mod forms;
mod forms_refused;
mod pieces;
mod sampling;
pub(crate) mod sections;
mod seeds;
mod several;
mod tool_choice;
