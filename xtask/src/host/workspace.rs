//! Where things are: the repository and its build directory.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::host::progress;

/// The repository this xtask was built in.
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The directory above `xtask/`.
    pub(crate) fn locate() -> Self {
        let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest).parent().expect("xtask/ lies inside the workspace");
        Self { root: root.to_path_buf() }
    }

    /// The repository's root.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path inside the repository.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Cargo's build directory.
    pub(crate) fn target(&self) -> PathBuf {
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.path("target"), |dir| self.root.join(dir))
    }

    /// Where a step's output goes while it runs. Created if missing.
    pub(crate) fn log(&self, step: &str) -> Result<PathBuf> {
        let dir = self.target().join("sluice").join("log");
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let name: String = step.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        Ok(dir.join(format!("{name}.log")))
    }

    /// A file of the repository, as text.
    pub(crate) fn read(&self, relative: &str) -> Result<String> {
        let path = self.path(relative);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// One xtask at a time does what `name` guards, in this clone. Held until dropped; a process that ends lets go.
    pub(crate) fn lock(&self, name: &str) -> Result<File> {
        lock(&self.target().join("sluice"), name)
    }
}

/// Takes the lock file `name` in `dir`, waiting for whoever holds it.
fn lock(dir: &Path, name: &str) -> Result<File> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let path = dir.join(format!("{name}.lock"));
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    if file.try_lock().is_err() {
        progress::note(&format!("  waiting for another cargo xtask ({name})"));
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(file)
}

/// The files below a directory, without those in directories of these names.
pub(crate) fn collect(dir: &Path, skipped: &[&str], files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", dir.display()))?;
        let kind = entry.file_type().with_context(|| format!("cannot look at {}", entry.path().display()))?;
        if !kind.is_dir() {
            files.push(entry.path());
        } else if !skipped.iter().any(|skipped| entry.file_name() == *skipped) {
            collect(&entry.path(), skipped, files)?;
        }
    }
    Ok(())
}

/// Bytes as lower-case hexadecimal: names of what is cached by its hash, and keys.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
