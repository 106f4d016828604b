//! `cargo xtask audit`: what a gateway's limits are really worth. The tool is `sluice-audit` in `tests/`; this builds it
//! and becomes it.

use std::{ffi::OsString, os::unix::process::CommandExt, process::ExitCode};

use anyhow::{Context, Result};
use lexopt::Parser;
use rustix::process::getpgrp;

use crate::{process::command, workspace::Workspace};

/// Hands the rest of the command line to the tool. Returns only if it cannot be started: its exit status is ours.
pub(crate) fn run(workspace: &Workspace, mut args: Parser) -> Result<ExitCode> {
    let rest: Vec<OsString> = args.raw_args()?.collect();
    // The tests' build will do: the tool waits for the gateway, not for the processor.
    let mut tool = command("cargo");
    tool.args(["run", "--quiet", "-p", "e2e", "--bin", "sluice-audit", "--"]).args(rest);
    // In our own process group, so that Ctrl-C ends the load at once.
    tool.current_dir(workspace.root()).process_group(getpgrp().as_raw_nonzero().get());
    Err(tool.exec()).context("cannot start cargo")
}
