//! `cargo xtask bench edge`: what a request costs, measured side by side in one run.

use std::ffi::OsString;

use anyhow::{Result, bail};
use lexopt::{Arg, Parser};

use crate::{build_edge, process::command, setup, workspace::Workspace};

const USAGE: &str = "\
Usage: cargo xtask bench edge [--seconds N] [--rounds N] [--connections N] [--json FILE]

Measures the full walk, the refusals and an empty Worker on workerd, in one run: compare the ratios, not the figures.
";

/// Sets up, builds the edge and the load tool, and lets the tool print its table.
pub(crate) fn run(workspace: &Workspace, mut args: Parser) -> Result<()> {
    match args.next()? {
        Some(Arg::Value(what)) if what == "edge" => {}
        Some(Arg::Long("help") | Arg::Short('h')) => {
            print!("{USAGE}");
            return Ok(());
        }
        _ => bail!("say what to measure\n\n{USAGE}"),
    }
    let rest: Vec<OsString> = args.raw_args()?.collect();
    let toolbox = setup::run(workspace)?;
    build_edge::build(workspace, &toolbox)?;
    // Its table goes to standard output and its progress to standard error, so both are left as they are.
    let mut tool = command("cargo");
    tool.args(["run", "--quiet", "--release", "-p", "e2e", "--bin", "bench-edge", "--"]).args(rest);
    let status = tool.current_dir(workspace.root()).stdin(std::process::Stdio::null()).status()?;
    if status.success() { Ok(()) } else { bail!("the load tool stopped ({status}); what it said stands above") }
}
