//! models: real computation, one model and several.

mod candle;
pub(crate) mod embedding;
mod gguf;
mod images;
mod judging;
pub(crate) mod network;
pub(crate) mod parity;
mod random;
mod stored;
mod tiny;
mod tiny_embed;
mod together;
