//! `cargo xtask replay`: the requests of the edge's log, decided again by other plans. The tool is `sluice-replay`, a member
//! of its own: this command must compile in seconds, and a million decisions are to be made by optimised code.

use std::{ffi::OsString, os::unix::process::CommandExt, process::ExitCode};

use anyhow::{Context, Result};
use lexopt::Parser;

use crate::host::{process::command_in_our_group, workspace::Workspace};

/// Hands the rest of the command line to the tool, in the directory that its files are named from. Returns only if it
/// cannot be started: its exit status is ours.
pub(crate) fn run(workspace: &Workspace, mut args: Parser) -> Result<ExitCode> {
    let rest: Vec<OsString> = args.raw_args()?.collect();
    let mut tool = command_in_our_group("cargo");
    tool.args(["run", "--quiet", "--release", "-p", "sluice-replay", "--manifest-path"]);
    tool.arg(workspace.path("Cargo.toml")).arg("--").args(rest);
    Err(tool.exec()).context("cannot start cargo")
}
