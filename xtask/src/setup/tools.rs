//! The two Rust programs that turn a crate into a Worker, built once per user and version.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{
    process::{self, command},
    progress::Step,
    workspace::{self, Workspace},
};

/// Works with `worker` of the same version; raise them together.
const WORKER_BUILD: &str = "0.8.7";

/// The programs' paths.
pub(crate) struct Tools {
    /// Builds the Worker: cargo, wasm-bindgen, wasm-opt, esbuild, in that order.
    pub(crate) worker_build: PathBuf,
    /// Generates the JavaScript beside the wasm.
    pub(crate) wasm_bindgen: PathBuf,
}

/// Builds what this user's cache lacks.
pub(crate) fn ensure(workspace: &Workspace) -> Result<Tools> {
    let directory = workspace::cache()?.join("tools");
    // To the digit: wasm-bindgen refuses what another version of itself has made.
    let bindgen_version = workspace.locked_version("wasm-bindgen")?;
    let tools = [
        Tool { name: "worker-build", version: WORKER_BUILD, bin: "worker-build", arguments: &["--locked"] },
        // Not `--locked`: its lock file names a crate version that not every registry mirror has.
        Tool {
            name: "wasm-bindgen-cli",
            version: &bindgen_version,
            bin: "wasm-bindgen",
            arguments: &["--bin", "wasm-bindgen"],
        },
    ];
    // Another clone may be building into the same cache; who finds everything there waits for nobody.
    let complete = tools.iter().all(|tool| tool.binary(&directory).exists());
    let _one_at_a_time = if complete { None } else { Some(workspace::lock(&directory, "tools")?) };
    for tool in &tools {
        tool.ensure(workspace, &directory)?;
    }
    let scratch = directory.join(SCRATCH);
    if !complete && scratch.exists() {
        fs::remove_dir_all(&scratch).with_context(|| format!("cannot remove {}", scratch.display()))?;
    }
    let [worker_build, wasm_bindgen] = tools.map(|tool| tool.binary(&directory));
    Ok(Tools { worker_build, wasm_bindgen })
}

/// The tools' build directory: shared, so that they share their dependencies, and removed afterwards.
const SCRATCH: &str = "build";

/// A program from crates.io.
struct Tool<'a> {
    name: &'a str,
    version: &'a str,
    bin: &'a str,
    arguments: &'a [&'a str],
}

impl Tool<'_> {
    fn root(&self, directory: &Path) -> PathBuf {
        directory.join(format!("{}-{}", self.name, self.version))
    }

    fn binary(&self, directory: &Path) -> PathBuf {
        self.root(directory).join("bin").join(self.bin)
    }

    fn ensure(&self, workspace: &Workspace, directory: &Path) -> Result<()> {
        let mut step = Step::begin(format!("{} {}", self.name, self.version));
        if self.binary(directory).exists() {
            step.done("ready");
            return Ok(());
        }
        if let Err(error) = self.install(workspace, &mut step, directory) {
            step.failed();
            return Err(error);
        }
        step.done("built and cached");
        Ok(())
    }

    fn install(&self, workspace: &Workspace, step: &mut Step, directory: &Path) -> Result<()> {
        let mut cargo = command("cargo");
        cargo
            .args(["install", self.name, "--version", self.version])
            .args(self.arguments)
            .arg("--root")
            .arg(self.root(directory))
            .env("CARGO_TARGET_DIR", directory.join(SCRATCH))
            // They run for seconds: time spent on optimising them is not won back.
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            // Outside the workspace, so that its .cargo/config.toml and toolchain file do not apply.
            .current_dir(directory);
        process::run(step, cargo, &workspace.log(self.name)?)
            .with_context(|| format!("cannot install {}; once online again, run `cargo xtask setup`", self.name))?;
        Ok(())
    }
}
