//! `cargo xtask audit`: what a gateway's limits are really worth. The tool is `sluice-audit` in `tests/`; this builds it
//! and becomes it. `cargo xtask audit verify FILE` is about the other audit, the log of what admins did: see [`log`].

pub(crate) mod log;

use std::{ffi::OsString, os::unix::process::CommandExt, process::ExitCode};

use anyhow::{Context, Result};
use lexopt::Parser;

use crate::host::{process::command_in_our_group, workspace::Workspace};

/// Hands the rest of the command line to the tool. Returns only if it cannot be started: its exit status is ours.
pub(crate) fn run(workspace: &Workspace, mut args: Parser) -> Result<ExitCode> {
    let rest: Vec<OsString> = args.raw_args()?.collect();
    if is_about_the_log(&rest) {
        log::run(Parser::from_args(rest))?;
        return Ok(ExitCode::SUCCESS);
    }
    // The tests' build will do: the tool waits for the gateway, not for the processor.
    let mut tool = command_in_our_group("cargo");
    tool.args(["run", "--quiet", "-p", "e2e", "--bin", "sluice-audit", "--"]).args(rest);
    tool.current_dir(workspace.root());
    Err(tool.exec()).context("cannot start cargo")
}

/// The tool takes options only, so its first word is ours.
fn is_about_the_log(rest: &[OsString]) -> bool {
    rest.first().is_some_and(|word| word == "verify")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::workspace::Workspace;

    #[test]
    fn verify_checks_an_export_and_does_not_start_the_load() {
        let golden = Workspace::locate().path("protocol/tests/golden/admin_audit.json");
        let run = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            assert!(is_about_the_log(&words), "{words:?}");
            log::run(Parser::from_args(words))
        };
        let file = golden.to_str().unwrap();
        run(&["verify", file]).unwrap();
        assert!(run(&["verify", file, "--head", "0"]).unwrap_err().to_string().contains("is missing"));
        assert!(run(&["verify"]).unwrap_err().to_string().contains("cargo xtask audit verify FILE"));
        for tool in [&[][..], &["--help"], &["--gateway", "verify"]] {
            assert!(!is_about_the_log(&tool.iter().map(OsString::from).collect::<Vec<_>>()), "{tool:?}");
        }
    }
}
