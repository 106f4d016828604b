//! Whose documentation a member is of, as bits: the places of [`OWNERS`](crate::request::member::OWNERS).

/// OpenAI.
pub(super) const O: u8 = 1;
/// vLLM.
pub(super) const V: u8 = 2;
/// llama.cpp.
pub(super) const L: u8 = 4;
/// SGLang.
pub(super) const S: u8 = 8;
/// Ollama.
pub(super) const A: u8 = 16;
/// TGI.
pub(super) const T: u8 = 32;
/// Others.
pub(super) const X: u8 = 64;
/// Anthropic.
pub(super) const H: u8 = 128;
