//! Whose documentation a member is of, as bits: the places of [`OWNERS`](crate::request::member::OWNERS).

/// OpenAI.
pub(super) const O: u16 = 1;
/// vLLM.
pub(super) const V: u16 = 2;
/// llama.cpp.
pub(super) const L: u16 = 4;
/// SGLang.
pub(super) const S: u16 = 8;
/// Ollama.
pub(super) const A: u16 = 16;
/// TGI.
pub(super) const T: u16 = 32;
/// Others.
pub(super) const X: u16 = 64;
/// Anthropic.
pub(super) const H: u16 = 128;
/// Sluice: nobody else has it.
pub(super) const OURS: u16 = 256;
