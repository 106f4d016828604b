//! `cargo xtask soak`: an hour of hostile callers beside one who behaves. The tool is `sluice-soak` in `tests/`; this builds both
//! gates and the tool, and becomes the tool.

use std::{ffi::OsStr, os::unix::process::CommandExt, process::ExitCode};

use anyhow::{Context, Result, bail};
use lexopt::{Arg, Parser};

use crate::{
    build_edge, dev,
    host::{
        process::{self, command, command_in_our_group},
        progress::{self, Step},
        workspace::Workspace,
    },
    setup,
};

const USAGE: &str = "\
Usage: cargo xtask soak [--minutes N] [--only TEXT]

Both gates as they are deployed, under callers who leave at every stage, silent connections, bent bodies, schemas made to be
slow and a thousand users, all at once, beside one caller who sends two requests a second. That one must never be refused,
nobody may be told of a fault of ours, and memory must be level. Ends with 1 if anything of it is not so.

  --minutes   how long (60)
  --only      only the hostile shapes whose names hold this text
";

/// Builds what is missing and hands over to the tool. Returns only if it cannot be started: its exit status is ours.
pub(crate) fn run(workspace: &Workspace, mut args: Parser) -> Result<ExitCode> {
    let (mut minutes, mut only) = ("60".to_owned(), None);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("minutes") => minutes = number(&args.value()?)?,
            Arg::Long("only") => only = Some(args.value()?),
            Arg::Long("help") | Arg::Short('h') => {
                print!("{USAGE}");
                return Ok(ExitCode::SUCCESS);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let toolbox = setup::run(workspace)?;
    build_edge::build(workspace, &toolbox)?;
    dev::build_origin(workspace)?;
    let mut step = Step::begin("soak tool");
    let mut cargo = command("cargo");
    cargo.args(["build", "--release", "-p", "e2e", "--bin", "sluice-soak"]).current_dir(workspace.root());
    match process::run(&mut step, cargo, &workspace.log("soak")?) {
        Ok(_) => drop(step.done("built")),
        Err(error) => {
            step.failed();
            return Err(error);
        }
    }
    progress::heading("soak");
    let mut tool = command_in_our_group(workspace.target().join("release/sluice-soak"));
    tool.args(["--minutes", &minutes]);
    if let Some(only) = only {
        tool.arg("--only").arg(only);
    }
    tool.current_dir(workspace.root());
    Err(tool.exec()).context("cannot start the tool")
}

fn number(value: &OsStr) -> Result<String> {
    match value.to_str().and_then(|text| text.parse::<f64>().ok()) {
        Some(minutes) if (0.2..=1_440.0).contains(&minutes) => Ok(minutes.to_string()),
        _ => bail!("--minutes takes a number from 0.2 to 1440"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_a_number_within_reason() {
        assert_eq!(number("1.5".as_ref()).unwrap(), "1.5");
        for wrong in ["0", "-1", "nan", "x", "1441"] {
            number(wrong.as_ref()).unwrap_err();
        }
    }
}
