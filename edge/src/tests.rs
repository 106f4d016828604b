//! The whole edge on the scripted platform: what it promises of calls that are lost, late, repeated or abandoned, whatever
//! ends between any two awaits. Each law is tried with many seeds; a seed that breaks it does so again.

mod cache;
mod generate;
mod jobs;
mod limit;
mod operate;
mod origin;
mod outbox;
mod platform;
mod relay;
mod route;
mod stage;
mod walk;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Tries a law with so many seeds, and says which one broke it. With `SLUICE_SEED=N` only that one is tried, and with
/// `SLUICE_SEEDS_ONE_IN=N` so many times fewer, but for the first few. Returns how many were tried.
fn for_seeds(count: u64, law: impl Fn(u64)) -> u64 {
    let seeds = number("SLUICE_SEED").map_or(0..(count / one_in()).max(count.min(10)), |seed| seed..seed + 1);
    for seed in seeds.clone() {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| law(seed))) {
            eprintln!("SLUICE_SEED={seed} shows it again");
            resume_unwind(panic);
        }
    }
    seeds.end - seeds.start
}

/// How many times less than all is to be tried.
fn one_in() -> u64 {
    number("SLUICE_SEEDS_ONE_IN").unwrap_or(1).max(1)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
