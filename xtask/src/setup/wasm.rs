//! A compiler for wasm32-unknown-unknown: rustup's if it can be had, else Debian's with its library source.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::debian;
use crate::host::process::{self, capture, command};
use crate::host::progress::Step;
use crate::host::workspace::Workspace;

const TARGET: &str = "wasm32-unknown-unknown";
/// Debian's compiler and what it needs to build the standard library for wasm32.
const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "rust-web-src", "lld-22"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_LINKER: &str = "/usr/bin/wasm-ld-22";
/// The oldest compiler that this workspace builds with: `rust-version` in Cargo.toml.
const MINIMUM: (u32, u32) = (1, 91);

/// How to compile for wasm32 on this machine.
pub(crate) enum Wasm {
    /// The toolchain that runs us has the target.
    Here {
        /// Its `rustc -V`.
        version: String,
    },
    /// Debian's compiler, which builds the standard library itself.
    Debian {
        /// Its `rustc -V`.
        version: String,
        /// Holds a `rustc` that may be asked for the target's directory.
        bin: PathBuf,
        /// A build directory of its own: its compiler is not the host's.
        target: PathBuf,
    },
}

impl Wasm {
    /// Sets `command`'s environment so that cargo compiles for wasm32 with this compiler.
    pub(crate) fn apply(&self, command: &mut Command) -> Result<()> {
        if let Self::Debian { bin, target, .. } = self {
            command
                .env("RUSTC", DEBIAN_RUSTC)
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", DEBIAN_LINKER)
                .env("CARGO_TARGET_DIR", target);
            super::node::prepend_path(command, &[bin])?;
        }
        Ok(())
    }

    /// Where what is compiled for wasm32 lies.
    pub(crate) fn target(&self, workspace: &Workspace) -> PathBuf {
        match self {
            Self::Here { .. } => workspace.target(),
            Self::Debian { target, .. } => target.clone(),
        }
    }

    /// The compiler's version, for fingerprints.
    pub(crate) fn version(&self) -> &str {
        match self {
            Self::Here { version } | Self::Debian { version, .. } => version,
        }
    }

    /// Whether the toolchain's own clippy can lint for wasm32.
    pub(crate) fn has_clippy(&self) -> bool {
        matches!(self, Self::Here { .. })
    }
}

/// Looks for the target, adds it through rustup, or falls back on Debian's compiler.
pub(super) fn ensure(workspace: &Workspace) -> Result<Wasm> {
    let mut step = Step::begin("wasm target");
    let version = version_of("rustc")?;
    if has_target("rustc") {
        step.done(&format!("ready ({})", short(&version)));
        return Ok(Wasm::Here { version });
    }
    let from_rustup = add_with_rustup(workspace, &mut step);
    if from_rustup.is_ok() && has_target("rustc") {
        step.done("added with rustup");
        return Ok(Wasm::Here { version });
    }
    if process::interrupted() {
        return Err(process::Interrupted.into());
    }
    match from_debian(workspace, &mut step) {
        Ok(wasm) => {
            step.done(&format!("Debian's compiler ({})", short(wasm.version())));
            Ok(wasm)
        }
        Err(error) => {
            step.failed();
            Err(match from_rustup.err() {
                Some(rustup) => error.context(format!("{rustup:#}")),
                None => error,
            })
        }
    }
}

fn add_with_rustup(workspace: &Workspace, step: &mut Step) -> Result<()> {
    let mut add = command("rustup");
    add.args(["target", "add", TARGET]);
    process::run(step, add, &workspace.log("rustup")?)?;
    Ok(())
}

/// Debian's compiler, installed if we may.
fn from_debian(workspace: &Workspace, step: &mut Step) -> Result<Wasm> {
    let by_hand = format!(
        "no compiler for {TARGET}. Run `rustup target add {TARGET}`, or on Debian \
         `sudo apt-get update && sudo apt-get install -y {}`",
        DEBIAN_PACKAGES.join(" ")
    );
    if !debian_is_ready() {
        let why = "rustup cannot add the wasm target: installing Debian's compiler with apt-get";
        debian::install(workspace, step, &DEBIAN_PACKAGES, why, &by_hand)?;
    }
    let version = version_of(DEBIAN_RUSTC).with_context(|| by_hand.clone())?;
    if !debian_is_ready() || parse_version(&version).is_none_or(|found| found < MINIMUM) {
        bail!("{by_hand} (found {}, need {}.{} or newer)", version.trim(), MINIMUM.0, MINIMUM.1);
    }
    let target = workspace.target().join("wasm-debian");
    let bin = target.join("bin");
    write_shim(&bin)?;
    Ok(Wasm::Debian { version, bin, target })
}

fn debian_is_ready() -> bool {
    let sysroot = || -> Result<PathBuf> {
        let mut rustc = command(DEBIAN_RUSTC);
        rustc.args(["--print", "sysroot"]);
        Ok(PathBuf::from(capture(rustc)?.trim()))
    };
    let source = |root: PathBuf| root.join("lib/rustlib/src/rust/library/std/Cargo.toml");
    Path::new(DEBIAN_LINKER).exists() && sysroot().is_ok_and(|root| source(root).exists())
}

/// worker-build asks the `rustc` on PATH where the target's library lies and gives up if that directory is missing.
/// Here the library is built from source, so the shim names a directory that exists.
fn write_shim(bin: &Path) -> Result<()> {
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(bin)?;
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in\n*\"--print target-libdir\"*) echo '{}' ;;\n*) exec {DEBIAN_RUSTC} \"$@\" ;;\nesac\n",
            bin.display()
        );
        fs::write(bin.join("rustc"), script)?;
        fs::set_permissions(bin.join("rustc"), fs::Permissions::from_mode(0o755))
    };
    write().with_context(|| format!("cannot write {}", bin.join("rustc").display()))
}

fn version_of(rustc: &str) -> Result<String> {
    let mut ask = command(rustc);
    ask.arg("-V");
    Ok(capture(ask)?.trim().to_owned())
}

fn has_target(rustc: &str) -> bool {
    let mut ask = command(rustc);
    ask.args(["--target", TARGET, "--print", "target-libdir"]);
    capture(ask).is_ok_and(|dir| Path::new(dir.trim()).exists())
}

/// `rustc 1.95.0 (59807616e 2026-04-14)` -> `rustc 1.95.0`.
fn short(version: &str) -> String {
    version.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

fn parse_version(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split_whitespace().nth(1)?.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(parse_version("rustc 1.96.0 (abc 2026-05-01)"), Some((1, 96)));
        assert!(parse_version("rustc 1.100.0").unwrap() > MINIMUM);
        assert_eq!(parse_version("gibberish"), None);
    }

    #[test]
    fn the_minimum_is_the_workspaces() {
        let manifest = Workspace::locate().read("Cargo.toml").unwrap();
        assert!(manifest.contains(&format!("rust-version = \"{}.{}\"", MINIMUM.0, MINIMUM.1)));
    }
}
