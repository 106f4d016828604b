//! The platform: all that the edge is given by what it runs on. Nothing outside of this folder names it.
//!
//! There are two, with the same names and methods: `workerd`, which is production's, and `scripted`, on which tests run
//! the whole edge in one process, with virtual time and by seed. Which one it is, is decided when the crate is compiled,
//! so the seam costs nothing.
//!
//! | what | here |
//! |---|---|
//! | a caller's request and its answer | [`Request`], [`Signal`], [`Abort`], [`Response`], [`respond`] |
//! | bodies, collected on the platform's side: whole and in time, or not at all | [`body`] |
//! | a stream on its way through, and one that is written here | [`Stream`], [`Pipe`], [`Feed`] |
//! | requests to others | [`fetch`], [`fetch_from_origin`] |
//! | the cache, which may forget at any time | [`cache_match`], [`cache_put`] |
//! | objects: how they are called, and what an object is | [`objects`] |
//! | an object's rows, its transactions and its alarm | [`rows`], [`State`], [`Storage`] |
//! | time: now, pauses, deadlines, calendars of time zones | [`now`], [`sleep`], [`deadline`], [`period`] |
//! | randomness | [`random`] |
//! | signatures | [`sign`], [`Verifier`] |
//! | settings, secrets and other bindings | [`Env`] |
//! | tasks that outlive their request | [`Context`], [`task`] |
//! | memory of one isolate, which its requests share | `isolate_local!`, [`IsolateKey`] |
//! | the log | [`log`] |
//! | what the platform calls | `entries!` |
//!
//! # What does a platform promise?
//!
//! One isolate runs one thing at a time, until its next await. What waits may never go on: a caller leaves, or an
//! isolate ends, and nothing of ours runs then, no destructor either. An object's writes between two awaits are kept
//! together or not at all, and nothing leaves it before they are kept. A message to an object may be lost, or its
//! answer. Everything that fails does so with a [`Fault`].

pub mod body;
pub mod deadline;
pub mod head;
pub mod objects;
#[cfg(any(target_arch = "wasm32", test))]
mod places;
pub mod respond;
pub mod rows;
#[cfg(not(target_arch = "wasm32"))]
pub mod scripted;
pub mod sign;
#[cfg(any(target_arch = "wasm32", test))]
mod slots;
pub mod task;
#[cfg(target_arch = "wasm32")]
pub mod workerd;

#[cfg(not(target_arch = "wasm32"))]
use scripted as chosen;
#[cfg(target_arch = "wasm32")]
use workerd as chosen;

pub use chosen::{
    Abort, Bell, Body, Context, Env, Fault, Feed, IsolateKey, Limiter, Pipe, Request, Response, Signal, SigningKey,
    Sql, State, Storage, Stream, Verifier, cache_match, cache_put, call_object, fetch, fetch_from_origin, log, now,
    period, random, sleep,
};
pub(crate) use chosen::{entries, isolate_local};

/// What the platform gives, or what went wrong.
pub type Result<T, E = Fault> = core::result::Result<T, E>;
