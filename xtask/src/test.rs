//! `cargo xtask test`: what `.ci/run` runs. Stops at the first broken step and says which; ends with where the time went.

mod quick;
mod readme;
mod timing;

use std::process::Command;

use anyhow::{Result, bail};
use lexopt::{Arg, Parser};

use self::timing::Timing;
use crate::{
    build_edge, check, dev,
    host::{
        process::{self, command},
        progress::{self, Step},
        workspace::Workspace,
    },
    setup,
};

const USAGE: &str = "\
Usage: cargo xtask test [--quick]

Sets up, checks, and runs every test, one crate at a time.

  --quick   what a mistake shows in within a minute: texts, lints, and the tests of the protocol, the edge and xtask, each
            law with fewer cases. It leaves out what needs a model, a built gate or a page; CI runs everything
";
/// Tested without a running gate, and what `cargo test` is given.
const IN_PROCESS: [Tested; 4] = [
    Tested { name: "sluice-protocol", with: &["-p", "sluice-protocol"] },
    Tested { name: "sluice-edge", with: &["-p", "sluice-edge"] },
    Tested { name: "xtask", with: &["-p", "xtask"] },
    Tested { name: "sluice-origin", with: &["--lib", "--bins", "--examples", "--test", "api"] },
];
/// What the page of a crate shows.
const EXAMPLES: Tested = Tested { name: "examples", with: &["--doc"] };
/// Tested with both gates running.
const END_TO_END: Tested = Tested { name: "e2e", with: &["--test", "e2e"] };

/// Some tests. Where no package is named, it is those with candle, as they are released: candle is compiled once, and what is
/// tested is what runs.
struct Tested {
    name: &'static str,
    with: &'static [&'static str],
}

/// Everything, in the order in which a mistake is cheapest to find.
pub(crate) fn run(workspace: &Workspace, mut args: Parser) -> Result<()> {
    let mut quick = false;
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("quick") => quick = true,
            Arg::Long("help") | Arg::Short('h') => {
                print!("{USAGE}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let mut timing = Timing::default();
    let result = if quick { quick::steps(workspace, &mut timing) } else { steps(workspace, &mut timing) };
    // What went wrong, then the table, then one line that says where: the end of a CI log is what people look at.
    if let Err(error) = &result
        && !error.is::<process::Interrupted>()
    {
        progress::note(process::last_words(error));
        progress::note(&format!("{error:#}"));
    }
    timing.print();
    if result.is_ok() {
        println!("{} passed, 0 failed", timing.passed);
    }
    match result {
        Err(error) if !error.is::<process::Interrupted>() => bail!("stopped at: {}", timing.last()),
        other => other,
    }
}

fn steps(workspace: &Workspace, timing: &mut Timing) -> Result<()> {
    let toolbox = timing.of("set-up", || setup::run(workspace))?;
    timing.of("check", || check::all(workspace, &toolbox))?;
    progress::heading("test");
    for tested in IN_PROCESS.iter().chain([&EXAMPLES]) {
        timing.passed +=
            timing.of(&format!("test {}", tested.name), || test(workspace, tested.name, tested.command(workspace)))?;
    }
    timing.of("build-edge", || build_edge::build(workspace, &toolbox))?;
    timing.of("build origin", || dev::build_origin(workspace).map(drop))?;
    timing.passed += timing.of("README's commands", || readme::run(workspace))?;
    timing.of("clients", || setup::clients(workspace))?;
    timing.passed += timing.of("test e2e", || {
        let mut tests = END_TO_END.command(workspace);
        // They find the gates, workerd and Python in the repository; a Node client finds its Node on PATH.
        toolbox.node.apply(&mut tests)?;
        test(workspace, "e2e", tests)
    })?;
    Ok(())
}

impl Tested {
    fn command(&self, workspace: &Workspace) -> Command {
        let mut cargo = command("cargo");
        cargo.arg("test").args(self.with).current_dir(workspace.root());
        if !self.with.contains(&"-p") {
            cargo.arg("--release").args(check::WITH_CANDLE.iter().flat_map(|member| ["-p", member]));
        }
        cargo
    }
}

/// Runs one crate's tests and returns how many passed.
fn test(workspace: &Workspace, member: &str, command: Command) -> Result<u32> {
    let mut step = Step::begin(member);
    match process::run(&mut step, command, &workspace.log(&format!("test {member}"))?) {
        Ok(printed) => {
            let passed = passed(&printed);
            step.done(&format!("{passed} passed"));
            Ok(passed)
        }
        Err(error) => {
            step.failed();
            Err(error)
        }
    }
}

/// The sum over cargo's `test result: ok. 12 passed; ...` lines.
fn passed(printed: &str) -> u32 {
    let count = |line: &str| -> Option<u32> {
        let (_, rest) = line.split_once("test result: ok. ")?;
        rest.split_once(" passed")?.0.parse().ok()
    };
    printed.lines().filter_map(count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_tests_add_up() {
        let printed = "test result: ok. 12 passed; 0 failed;\nnoise\ntest result: ok. 3 passed; 0 failed;\n";
        assert_eq!(passed(printed), 15);
    }
}
