//! The program that writes the JavaScript beside the Worker's wasm: a member of this workspace, so that Cargo.lock holds
//! wasm-bindgen's library to the version of what it binds, to the digit.

use std::path::PathBuf;

use anyhow::Result;

use crate::host::{
    process::{self, command},
    progress::Step,
    workspace::Workspace,
};

/// Builds it, unless it is built; returns its path.
pub(super) fn ensure(workspace: &Workspace) -> Result<PathBuf> {
    let mut step = Step::begin("bind");
    let mut cargo = command("cargo");
    // With the profile and into the directory of xtask itself.
    cargo.args(["build", "--profile", "xtask", "--package", "bind"]).current_dir(workspace.root());
    if let Err(error) = process::run(&mut step, cargo, &workspace.log("build-bind")?) {
        step.failed();
        return Err(error);
    }
    step.done("ready");
    Ok(workspace.target().join("xtask").join("bind"))
}
