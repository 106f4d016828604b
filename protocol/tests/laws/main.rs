//! The laws of the protocol, one binary: properties against naive oracles with zero tolerance, and golden files for every
//! shape that crosses a wire.

// Helpers outside #[test] functions unwrap too: a panic is how a test says no.
#![allow(clippy::unwrap_used)]

mod account;
mod admin;
mod alerts;
mod auth;
mod fuzz;
mod golden;
mod jobs;
mod limit;
mod measures;
mod oracle;
mod relayed;
mod request;
mod route;
mod sse;
/// Shared with libFuzzer, whose crate needs them public.
#[path = "../../fuzz/src/lib.rs"]
#[allow(dead_code, unreachable_pub)]
mod targets;
mod trace;
mod usage;

/// So many cases of a property, or fewer where `PROPTEST_CASES` says so.
fn cases(most: u32) -> proptest::test_runner::Config {
    let default = proptest::test_runner::Config::default();
    let fewer = std::env::var_os("PROPTEST_CASES").map_or(most, |_| most.min(default.cases));
    proptest::test_runner::Config { cases: fewer, ..default }
}

/// How many times less than all a law tries that walks through all there is: `SLUICE_SEEDS_ONE_IN`, or 1.
fn one_in() -> usize {
    std::env::var("SLUICE_SEEDS_ONE_IN").ok().and_then(|text| text.parse().ok()).unwrap_or(1).max(1)
}
