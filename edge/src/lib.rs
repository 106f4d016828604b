//! The edge gate: a Cloudflare Worker.
//!
//! Read the modules in the order of the walk: **request -> auth -> limit -> route -> forward -> (origin) -> stream ->
//! settle**.
//! `walk.rs` is that walk on one page.
//!
//! # What does this crate not do?
//!
//! It decides nothing that `sluice-protocol` can decide, and it trusts nothing that a caller says of itself: the origin's
//! request and the caller's answer are both built from nothing, so a header that no line here adds does not pass.

// The crate's exports are its event and its objects; inside it, `pub` says what a module offers to the others.
#![allow(unreachable_pub)]

// request: the routes, and what each serves
mod admin;
mod api;
mod routes;
mod walk;
// what remembers: the objects, each alone with its rows
mod objects;
// what a route is handed, and what it is set to
mod call;
mod config;
// the steps of the walk, the last first
mod auth;
mod forward;
mod limit;
mod request;
mod route;
mod settle;
mod stream;
// what becomes of answers besides handing them over
mod answers;
// below the steps: messages to objects, and the platform
mod hop;
pub mod platform;
mod recent;
mod telemetry;
#[cfg(test)]
mod tests;

platform::entries! {
    requests: routes::serve,
    objects that answer at once: { Gate: objects::gate::Gate, Meter: objects::meter::Meter },
    objects with an alarm: {
        Registry: objects::registry::Registry,
        Responses: objects::responses::Responses,
        Jobs: objects::jobs::Jobs<walk::Lines>,
        Alerts: objects::alerts::Alerts,
    },
}
