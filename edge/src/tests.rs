//! The whole edge on the scripted platform: what it promises of calls that are lost, late, repeated or abandoned, whatever
//! ends between any two awaits. Each law is tried with many seeds; a seed that breaks it does so again.

mod group;
mod limit;
mod origin;
mod outbox;
mod platform;
mod relay;
mod stage;
mod walk;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Tries a law with so many seeds, and says which one broke it. With `SLUICE_SEED=N` only that one is tried.
fn for_seeds(count: u64, law: impl Fn(u64)) {
    let only = std::env::var("SLUICE_SEED").ok().and_then(|text| text.parse().ok());
    let seeds = only.map_or(0..count, |seed: u64| seed..seed + 1);
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| law(seed))) {
            eprintln!("SLUICE_SEED={seed} shows it again");
            resume_unwind(panic);
        }
    }
}
