//! Where things are: the repository, its build directory, and the cache that outlives a clone.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow};

use crate::progress;

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

    /// The version of `package` in Cargo.lock; the first one if there are several.
    pub(crate) fn locked_version(&self, package: &str) -> Result<String> {
        locked_version(&self.read("Cargo.lock")?, package)
            .ok_or_else(|| anyhow!("Cargo.lock has no package `{package}`: run `cargo check -p sluice-edge` once"))
    }
}

/// Where built tools are kept between clones: `$SLUICE_CACHE`, `$XDG_CACHE_HOME/sluice` or `~/.cache/sluice`.
pub(crate) fn cache() -> Result<PathBuf> {
    let from = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    from("SLUICE_CACHE")
        .or_else(|| from("XDG_CACHE_HOME").map(|dir| dir.join("sluice")))
        .or_else(|| from("HOME").map(|dir| dir.join(".cache").join("sluice")))
        .context("no cache directory: set SLUICE_CACHE to one, for instance `SLUICE_CACHE=/tmp/sluice-cache`")
}

/// Takes the lock file `name` in `dir`, waiting for whoever holds it.
pub(crate) fn lock(dir: &Path, name: &str) -> Result<File> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let path = dir.join(format!("{name}.lock"));
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    if file.try_lock().is_err() {
        progress::note(&format!("  waiting for another cargo xtask ({name})"));
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(file)
}

fn locked_version(lock_file: &str, package: &str) -> Option<String> {
    let mut lines = lock_file.lines();
    lines.find(|line| *line == format!("name = \"{package}\""))?;
    lines.next()?.strip_prefix("version = \"")?.strip_suffix('"').map(str::to_owned)
}

/// Bytes as lower-case hexadecimal: names of what is cached by its hash, and keys.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locked_version_is_of_that_package_alone() {
        let lock = "[[package]]\nname = \"wasm-bindgen-macro\"\nversion = \"0.1.0\"\n\n\
                    [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n";
        assert_eq!(locked_version(lock, "wasm-bindgen").as_deref(), Some("0.2.130"));
        assert_eq!(locked_version(lock, "wasm"), None);
    }
}
