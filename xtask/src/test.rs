//! `cargo xtask test`: what `.ci/run` runs. Stops at the first broken step and says which; ends with where the time went.

mod quick;
mod readme;
mod timing;

use std::process::Command;
use std::thread;

use anyhow::{Result, anyhow, bail};
use lexopt::{Arg, Parser};

use self::timing::Timing;
use crate::check::{self, Gates, Part};
use crate::console;
use crate::host::process::{self, command};
use crate::host::progress::{self, Step};
use crate::host::workspace::Workspace;
use crate::setup::{self, Toolbox};

const USAGE: &str = "\
Usage: cargo xtask test [--quick]

Sets up, checks, and runs every test, one crate at a time.

  --quick   what a mistake shows in within a minute: texts, lints, and the tests of the protocol, the edge and xtask, each
            law with fewer cases. It leaves out what needs candle, a built gate or a page; CI runs everything
";
/// Tested without a running gate and without candle, and what `cargo test` is given.
const IN_PROCESS: [Tested; 4] = [
    Tested { name: "sluice-protocol", with: &["-p", "sluice-protocol"] },
    Tested { name: "sluice-edge", with: &["-p", "sluice-edge"] },
    Tested { name: "xtask", with: &["-p", "xtask"] },
    Tested { name: "sluice-replay", with: &["-p", "sluice-replay"] },
];
const ORIGIN: Tested =
    Tested { name: "sluice-origin", with: &["--lib", "--bins", "--examples", "--test", "api", "--test", "memory"] };
/// What the page of a crate shows.
const EXAMPLES: Tested = Tested { name: "examples", with: &["--doc"] };
/// Tested with both gates running.
const END_TO_END: Tested = Tested { name: "e2e", with: &["--test", "e2e"] };
/// How many of them run at once. Four take half of the time, and one that looks at memory then fails now and then.
const E2E_AT_ONCE: &str = "2";

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

/// Two compilations side by side, as one alone leaves cores idle: what is released, and what is linted and tested while it
/// is developed. Their build directories are apart, so that neither waits for the other. The clients of the last tests come
/// from registries meanwhile, which costs the cores little.
fn steps(workspace: &Workspace, timing: &mut Timing) -> Result<()> {
    let toolbox = timing.of("set-up", || setup::run(workspace))?;
    timing.of("check texts", || check::these(workspace, &toolbox, &[Part::Texts]))?;
    let (mut beside, mut fetched) = (Timing::default(), Timing::default());
    let (developed, released, clients) = thread::scope(|scope| {
        let released = scope.spawn(|| compile(workspace, &toolbox, &mut beside));
        let clients = scope.spawn(|| fetched.of("clients", || setup::clients(workspace)));
        let developed = developed(workspace, &toolbox, timing);
        let released = released.join().unwrap_or_else(|_| Err(anyhow!("the compilation panicked")));
        (developed, released, clients.join().unwrap_or_else(|_| Err(anyhow!("the installation panicked"))))
    });
    developed?;
    timing.add(beside);
    released?;
    timing.add(fetched);
    clients?;
    timing.of("check what is built", || check::these(workspace, &toolbox, &[Part::Built]))?;
    progress::heading("test");
    for tested in [&ORIGIN, &EXAMPLES] {
        timing.passed += tested.run(workspace, timing)?;
    }
    timing.passed += timing.of("README's commands", || readme::run(workspace))?;
    timing.passed += timing.of("test e2e", || {
        let mut tests = END_TO_END.command(workspace);
        // They find the gates, workerd and Python in the repository; a Node client finds its Node on PATH.
        toolbox.node.apply(&mut tests)?;
        tests.args(["--", "--test-threads", E2E_AT_ONCE]);
        test(workspace, "e2e", tests)
    })?;
    Ok(())
}

/// Lints, pages of documentation, and the tests that need no built gate.
fn developed(workspace: &Workspace, toolbox: &Toolbox, timing: &mut Timing) -> Result<()> {
    timing.of("check code", || check::these(workspace, toolbox, &[Part::Lints, Part::OriginLints, Part::Pages]))?;
    for tested in &IN_PROCESS {
        timing.passed += tested.run(workspace, timing)?;
    }
    timing.passed += timing.of("test console", || console::test(workspace, &toolbox.node))?;
    Ok(())
}

/// Both gates, and the tests of what is released.
fn compile(workspace: &Workspace, toolbox: &Toolbox, timing: &mut Timing) -> Result<()> {
    timing.of("build both gates", || {
        let Gates { edge, origin } = check::build_gates(workspace, toolbox);
        edge?;
        origin.map(drop)
    })?;
    timing.of("compile their tests", || {
        let mut step = Step::begin("tests of the origin, e2e");
        let mut cargo = Tested { name: "tests", with: &["--no-run"] }.command(workspace);
        cargo.args(ORIGIN.with).args(END_TO_END.with);
        match process::run(&mut step, cargo, &workspace.log("compile tests")?) {
            Ok(_) => {
                step.done("compiled");
                Ok(())
            }
            Err(error) => {
                step.failed();
                Err(error)
            }
        }
    })
}

impl Tested {
    /// Runs them as a step; returns how many passed.
    fn run(&self, workspace: &Workspace, timing: &mut Timing) -> Result<u32> {
        timing.of(&format!("test {}", self.name), || test(workspace, self.name, self.command(workspace)))
    }

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
