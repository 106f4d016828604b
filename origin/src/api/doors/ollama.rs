//! Ollama's protocol: what tells its answers, and the routes beside its two doors for them.

pub(crate) mod answer;
pub(crate) mod routes;
