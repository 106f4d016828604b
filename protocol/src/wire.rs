//! How things are written where they cross a wire: the names of headers, JSON, lines of it, server-sent events, and the
//! digits of keys and ids.

pub(crate) mod base62;
pub mod header;
pub(crate) mod json;
pub mod lines;
pub(crate) mod multipart;
pub mod sse;
