//! Jobs: what an account has answered when there is time. Files of requests, batches of them, and answers in the
//! background, as OpenAI's API has them.
//!
//! A batch is lines, and each line is a request that takes the walk of a live one. What may become of a batch
//! ([`batch`]) and of a line ([`work`]) is decided here, with the time as an argument; an object of the account's keeps
//! both and does what they say. A line's state is kept before it is sent, so whatever ends when, each line has one
//! result in the end.

pub mod ask;
pub mod background;
pub mod batch;
pub mod call;
pub mod file;
pub mod line;
pub mod name;
pub mod owner;
mod packed;
pub mod tell;
pub mod validate;
pub mod work;

pub use packed::{JobsError, VERSION};
