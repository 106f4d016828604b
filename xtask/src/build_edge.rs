//! `cargo xtask build-edge`: the Worker, from Rust to `edge/build/`. wrangler's `[build]` runs this.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::{
    console,
    host::{
        process::{self, command},
        progress::{self, Step},
        workspace::{Workspace, collect, hex},
    },
    setup::{self, Toolbox},
};

/// Directories whose every file goes into the Worker.
const SOURCES: [&str; 3] = ["edge", "protocol", "xtask/bind"];
/// Files that decide how it is built.
const FILES: [&str; 3] = ["Cargo.toml", "Cargo.lock", "xtask/src/build_edge.rs"];
/// Directories inside [`SOURCES`] that are made from the rest, or are not part of the build.
const SKIPPED: [&str; 5] = ["build", "target", "tests", "console", "node_modules"];
/// What a finished build leaves.
const PRODUCTS: [&str; 2] = ["edge/build/index.js", "edge/build/index_bg.wasm"];
/// Where wasm-bindgen writes.
const BOUND: &str = "edge/build/bound";
/// What the platform calls. It checks, at every start of the Worker, that the bound module is what it expects.
const FRONT: &str = "edge/src/platform/workerd/js/entry.js";
/// Written last, so that an interrupted build is no build.
const STAMP: &str = "edge/build/.fingerprint";

/// Sets up what is missing and builds.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let toolbox = setup::run(workspace)?;
    progress::heading("build");
    build(workspace, &toolbox)
}

/// Builds the Worker and its assets, unless nothing that goes into them has changed.
pub(crate) fn build(workspace: &Workspace, toolbox: &Toolbox) -> Result<()> {
    console::build(workspace, &toolbox.node)?;
    let mut step = Step::begin("edge");
    let _one_at_a_time = workspace.lock("edge")?;
    let fingerprint = fingerprint(workspace, toolbox)?;
    let products_exist = PRODUCTS.iter().all(|product| workspace.path(product).exists());
    if products_exist && fs::read_to_string(workspace.path(STAMP)).is_ok_and(|found| found == fingerprint) {
        step.done("up to date");
        return Ok(());
    }
    if let Err(error) = compile(workspace, toolbox, &mut step) {
        step.failed();
        return Err(error);
    }
    fs::write(workspace.path(STAMP), fingerprint).with_context(|| format!("cannot write {STAMP}"))?;
    let wasm = fs::metadata(workspace.path(PRODUCTS[1])).context("wasm-opt left no wasm")?.len();
    step.done(&format!("built, {} KB of wasm", wasm / 1024));
    Ok(())
}

fn compile(workspace: &Workspace, toolbox: &Toolbox, step: &mut Step) -> Result<()> {
    let mut cargo = command("cargo");
    cargo
        .args(["build", "--lib", "--package", "sluice-edge", "--profile", "edge", "--target", "wasm32-unknown-unknown"])
        .current_dir(workspace.root())
        // wasm-bindgen's macros: promises by js-sys, as the crate `worker` has them.
        .env("WASM_BINDGEN_USE_JS_SYS", "1")
        // Less is copied into its callers than LLVM does by itself: some 130 KB of what is uploaded, for a few hundredths of
        // a request's time. To be measured again with `cargo xtask bench edge --against`.
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", "-Cllvm-args=--inline-threshold=5");
    toolbox.wasm.apply(&mut cargo)?;
    process::run(step, cargo, &workspace.log("build-edge")?)?;
    let wasm = toolbox.wasm.target(workspace).join("wasm32-unknown-unknown/edge/sluice_edge.wasm");
    bind(workspace, toolbox, step, &wasm)?;
    optimise(workspace, toolbox, step)?;
    join(workspace, toolbox, step)
}

/// Writes the JavaScript that hands things from and to the wasm.
fn bind(workspace: &Workspace, toolbox: &Toolbox, step: &mut Step, wasm: &Path) -> Result<()> {
    let bound = workspace.path(BOUND);
    if bound.exists() {
        fs::remove_dir_all(&bound).with_context(|| format!("cannot remove {}", bound.display()))?;
    }
    let mut bind = command(&toolbox.bind);
    bind.arg(wasm).arg(&bound);
    process::run(step, bind, &workspace.log("bind-edge")?)?;
    // An import of a module's source is not yet understood by whoever joins: an import gives the same on workerd.
    let script = bound.join("index.js");
    let text = fs::read_to_string(&script).with_context(|| format!("cannot read {}", script.display()))?;
    fs::write(&script, text.replace("import source ", "import "))
        .with_context(|| format!("cannot write {}", script.display()))
}

/// What workerd has of WebAssembly: what rustc makes use of, and exceptions, by which JavaScript's errors are caught.
const FEATURES: [&str; 7] = [
    "mutable-globals",
    "sign-ext",
    "nontrapping-float-to-int",
    "bulk-memory",
    "multivalue",
    "reference-types",
    "exception-handling",
];

/// Optimises the wasm once more. Its names stay: traces of panics show them.
fn optimise(workspace: &Workspace, toolbox: &Toolbox, step: &mut Step) -> Result<()> {
    let mut optimise = command(toolbox.node.program("wasm-opt"));
    optimise
        .arg(workspace.path(BOUND).join("index_bg.wasm"))
        .args(["-O", "--debuginfo", "-o"])
        .arg(workspace.path(PRODUCTS[1]))
        .args(FEATURES.map(|feature| format!("--enable-{feature}")));
    toolbox.node.apply(&mut optimise)?;
    process::run(step, optimise, &workspace.log("optimise-edge")?)?;
    let mut shorten = command(&toolbox.bind);
    shorten.arg("--shorten-names").arg(workspace.path(PRODUCTS[1]));
    process::run(step, shorten, &workspace.log("shorten-edge")?)?;
    Ok(())
}

/// Puts our front and the bound module into one file: workerd and wrangler are given a script and its wasm.
fn join(workspace: &Workspace, toolbox: &Toolbox, step: &mut Step) -> Result<()> {
    let mut join = command(toolbox.node.program("esbuild"));
    join.args([FRONT, "--bundle", "--minify", "--format=esm", "--external:cloudflare:*", "--external:*.wasm"])
        .args([format!("--outfile={}", PRODUCTS[0]), "--allow-overwrite".into()])
        .current_dir(workspace.root());
    toolbox.node.apply(&mut join)?;
    process::run(step, join, &workspace.log("join-edge")?)?;
    Ok(())
}

/// A hash over everything that decides what the Worker is.
fn fingerprint(workspace: &Workspace, toolbox: &Toolbox) -> Result<String> {
    let mut files: Vec<PathBuf> = FILES.iter().map(|file| workspace.path(file)).collect();
    for source in SOURCES {
        collect(&workspace.path(source), &SKIPPED, &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.strip_prefix(workspace.root()).unwrap_or(&file).to_string_lossy().into_owned();
        hash.update(format!("{name}\0{}\0", bytes.len()));
        hash.update(bytes);
    }
    for tool in [toolbox.wasm.version(), &workspace.read("package-lock.json")?] {
        hash.update(tool);
    }
    Ok(hex(&hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_not_an_input() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("build")).unwrap();
        fs::create_dir_all(dir.path().join("src")).unwrap();
        fs::write(dir.path().join("build/index.js"), "").unwrap();
        fs::write(dir.path().join("src/lib.rs"), "").unwrap();
        let mut files = Vec::new();
        collect(dir.path(), &SKIPPED, &mut files).unwrap();
        assert_eq!(files, [dir.path().join("src/lib.rs")]);
    }
}
