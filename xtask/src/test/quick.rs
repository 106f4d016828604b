//! `cargo xtask test --quick`: what a mistake shows in within a minute, for whoever is in the middle of a change.
//!
//! Tests run while the compiler looks for lints: cargo lets a test run while it compiles something else. Each law is tried with a
//! part of its cases. What takes minutes is left out, and the last line says what that is.

use std::thread;

use anyhow::{Result, anyhow};

use super::{Tested, test, timing::Timing};
use crate::check::{self, Part};
use crate::host::{progress, workspace::Workspace};
use crate::setup;

/// Tested here: what compiles in seconds.
const TESTED: [Tested; 4] = [
    Tested { name: "sluice-protocol", with: &["-p", "sluice-protocol"] },
    Tested { name: "sluice-edge", with: &["-p", "sluice-edge"] },
    Tested { name: "xtask", with: &["-p", "xtask"] },
    Tested { name: "sluice-replay", with: &["-p", "sluice-replay"] },
];
/// How many cases a property is tried with, and one in how many of a law's seeds.
const FEWER: [(&str, &str); 2] = [("PROPTEST_CASES", "32"), ("SLUICE_SEEDS_ONE_IN", "10")];

/// All of it.
pub(super) fn steps(workspace: &Workspace, timing: &mut Timing) -> Result<()> {
    let toolbox = timing.of("set-up", || setup::run(workspace))?;
    let mut beside = Timing::default();
    let (checked, tested) = thread::scope(|scope| {
        let tests = scope.spawn(|| tests(workspace, &mut beside));
        let checked = timing.of("texts and lints", || check::these(workspace, &toolbox, &[Part::Texts, Part::Lints]));
        (checked, tests.join().unwrap_or_else(|_| Err(anyhow!("the tests panicked"))))
    });
    timing.add(beside);
    checked?;
    tested?;
    progress::note(
        "  --quick: left out are the origin's lints and tests, the built gates, pages of documentation and the end-to-end \
         tests",
    );
    Ok(())
}

fn tests(workspace: &Workspace, timing: &mut Timing) -> Result<()> {
    for tested in TESTED {
        timing.passed += timing.of(&format!("test {}", tested.name), || {
            let mut command = tested.command(workspace);
            command.envs(FEWER);
            test(workspace, tested.name, command)
        })?;
    }
    Ok(())
}
