//! The platform of tests: the whole edge in one process, in virtual time, in an order that a seed decides.
//!
//! A [`World`] has isolates, objects with real SQLite, a network that loses, repeats and delays, servers that a test
//! writes, and callers. It keeps what a platform promises (`platform.rs`) and nothing more: whatever may be lost, late,
//! repeated or abandoned is, now and then; and isolates and objects end between any two awaits. With the same seed
//! everything happens again.

mod cache;
mod calendar;
mod callers;
mod course;
mod env;
mod fault;
mod http;
mod memory;
mod objects;
mod servers;
mod signature;
mod sql;
mod time;
mod world;

pub use cache::{cache_match, cache_put};
pub use calendar::period;
pub use callers::{Caller, Closed, Sent};
pub use course::faults::Faults;
pub use course::rng::Rng;
pub use env::{Context, Env, Limiter};
pub use fault::Fault;
pub use http::feed::Feed;
pub use http::pipe::Pipe;
pub use http::{Abort, Body, Request, Response, Signal, Stream};
pub use memory::IsolateKey;
pub(crate) use memory::{entries, isolate_local};
pub use objects::{State, Storage, call_object};
pub use servers::{Asked, Reply, Server, Writer, fetch, fetch_from_origin, in_background};
pub use signature::{SigningKey, Verifier};
pub use sql::Sql;
pub use time::{Bell, log, now, random, sleep};
pub use world::{Edge, Place, Task, World};
