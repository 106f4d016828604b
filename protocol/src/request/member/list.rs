//! The list itself.

mod openai;

pub use openai::MEMBERS;
