//! route: which origin serves a request, where there are several. Pure.
//!
//! # How is an origin chosen?
//!
//! Of those that have the model ([`serves`]), and that are well ([`door`], [`breaker`]), the one that remembers the
//! beginning of the conversation ([`beginning`], [`rendezvous`]), unless it is fuller than the others by a bound
//! ([`board`]). What a request met there is told ([`met`]), and so are probes. A request that failed before its first
//! byte goes to the next one, as far as a [`budget`] lets it.
//!
//! # What do isolates share?
//!
//! What they found out, as facts ([`fact`]): an isolate that is new asks an origin that is down by a probe of its own,
//! and not by a caller's request.

pub mod beginning;
pub mod board;
pub mod breaker;
pub mod budget;
pub mod door;
pub mod fact;
pub mod list;
pub mod load;
pub mod met;
pub mod pace;
pub mod rendezvous;
pub mod serves;
pub mod setting;
