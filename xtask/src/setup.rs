//! Set-up: everything the other commands need and a fresh machine lacks. Each step looks first, does the least that is
//! missing, says how long it took, and where it cannot go on names the exact command that a person has to run.

mod bind;
mod browser;
mod debian;
mod node;
mod prometheus;
mod python;
mod wasm;

use std::path::PathBuf;

use anyhow::Result;

pub(crate) use self::{node::Node, wasm::Wasm};
use crate::host::{progress, workspace::Workspace};

/// What set-up found or installed, handed to the steps that use it.
pub(crate) struct Toolbox {
    /// The compiler for wasm32.
    pub(crate) wasm: Wasm,
    /// wrangler, workerd, esbuild, wasm-opt and a Node that is new enough for them.
    pub(crate) node: Node,
    /// Writes the JavaScript beside wasm.
    pub(crate) bind: PathBuf,
}

/// Brings in what `dev`, `build-edge`, `check` and `test` need. Quick when there is nothing to do.
pub(crate) fn run(workspace: &Workspace) -> Result<Toolbox> {
    progress::heading("set-up");
    let _one_at_a_time = workspace.lock("setup")?;
    let wasm = wasm::ensure(workspace)?;
    let node = node::ensure(workspace)?;
    node::ensure_packages(workspace, "packages of the console", "edge/console")?;
    let bind = bind::ensure(workspace)?;
    Ok(Toolbox { wasm, node, bind })
}

/// Brings in a browser.
pub(crate) fn browser(workspace: &Workspace) -> Result<()> {
    let _one_at_a_time = workspace.lock("setup")?;
    browser::ensure(workspace)
}

/// Brings in what calls the gates in the end-to-end tests: the Python environment `target/venv`, the packages of Node in
/// `tests/clients`, a browser, and Prometheus.
pub(crate) fn clients(workspace: &Workspace) -> Result<()> {
    let _one_at_a_time = workspace.lock("setup")?;
    python::ensure(workspace)?;
    node::ensure_packages(workspace, "Node clients", "tests/clients")?;
    browser::ensure(workspace)?;
    prometheus::ensure(workspace)
}
