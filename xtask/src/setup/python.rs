//! The Python environment of the end-to-end tests: the clients that callers really use, pinned.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::host::{
    process::{self, command},
    progress::Step,
    workspace::{Workspace, hex},
};

const NO_VENV: &str = "cannot create a Python environment. On Debian: `sudo apt-get install -y python3-venv`";

/// `target/venv` as tests/requirements.txt wants it.
pub(super) fn ensure(workspace: &Workspace) -> Result<()> {
    let mut step = Step::begin("Python clients");
    let venv = workspace.target().join("venv");
    let python = venv.join("bin").join("python");
    let stamp = venv.join("sluice-stamp");
    let wanted = hex(&Sha256::digest(workspace.read("tests/requirements.txt")?));
    if python.exists() && fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        step.done("ready");
        return Ok(());
    }
    match install(workspace, &mut step, &venv, &python) {
        Ok(()) => {
            fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
            step.done("installed with pip");
            Ok(())
        }
        Err(error) => {
            step.failed();
            Err(error)
        }
    }
}

fn install(workspace: &Workspace, step: &mut Step, venv: &Path, python: &Path) -> Result<()> {
    let mut create = command("python3");
    create.args(["-m", "venv", "--clear"]).arg(venv);
    process::run(step, create, &workspace.log("python-venv")?).context(NO_VENV)?;
    let requirements = workspace.path("tests/requirements.txt");
    let mut pip = command(python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&requirements);
    process::run(step, pip, &workspace.log("pip")?)
        .context("cannot install the Python clients of tests/requirements.txt; run `cargo xtask test` again online")?;
    Ok(())
}
