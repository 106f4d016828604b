//! request: what is refused, what is read, and what can be looked at.

mod completions;
mod listing;
mod prompts;
mod refusals;
