//! Traces: what of a request is told to an OTLP collector, and how.
//!
//! A caller's place in its trace is read and passed on ([`parent`]), a share of traces is exported ([`sample`]), and a
//! request is a few spans ([`span`], [`request`]). They wait ([`queue`]), go as OTLP's JSON ([`mod@json`]) to where the
//! settings say ([`setting`]), and what is answered there decides what becomes of them ([`collector`]). Nothing here
//! holds a prompt, an answer, a secret, or a path as it was sent.

pub mod collector;
pub mod json;
pub mod parent;
pub mod queue;
pub mod request;
pub mod sample;
pub mod setting;
pub mod span;
