//! What the tests need and `cargo xtask test` provides. A missing piece fails the test with the command to run.

use std::path::{Path, PathBuf};

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository").to_path_buf()
}

/// The edge as `cargo xtask build-edge` leaves it.
pub fn edge_build(file: &str) -> PathBuf {
    there(root().join("edge/build").join(file), "the edge is not built")
}

/// The runtime itself and not npm's wrapper: it starts faster, and its pid is its own.
pub fn workerd() -> PathBuf {
    let packages = root().join("node_modules/@cloudflare");
    let mut found = std::fs::read_dir(&packages)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("workerd-"))
        .map(|entry| entry.path().join("bin/workerd"));
    there(found.find(|path| path.is_file()).unwrap_or(packages), "workerd is not installed")
}

/// The origin with real models, optimised.
pub fn origin() -> PathBuf {
    there(root().join("target/release/sluice-origin"), "the origin is not built")
}

/// Python with the clients of `tests/requirements.txt`.
pub fn python() -> PathBuf {
    there(root().join("target/venv/bin/python"), "the Python clients are not installed")
}

/// A program that came with the clients of `tests/requirements.txt`.
pub fn python_tool(name: &str) -> PathBuf {
    there(root().join("target/venv/bin").join(name), "the Python clients are not installed")
}

/// Node, as new as package.json has it.
pub fn node() -> PathBuf {
    there(root().join("node_modules/node/bin/node"), "Node is not installed")
}

/// Chromium, wherever it is on PATH.
pub fn browser() -> PathBuf {
    const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&path).flat_map(|directory| NAMES.map(|name| directory.join(name)));
    there(candidates.find(|path| path.is_file()).unwrap_or_default(), "Chromium is not installed")
}

/// A program of `tests/clients`.
pub fn client_script(file: &str) -> PathBuf {
    root().join("tests/clients").join(file)
}

fn there(path: PathBuf, missing: &str) -> PathBuf {
    assert!(
        path.is_file(),
        "{missing} ({}): run `cargo xtask test`, or `cargo xtask setup --clients` for clients alone",
        path.display()
    );
    path
}
