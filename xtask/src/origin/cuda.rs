//! `cargo xtask cuda`: builds the origin for CUDA, also on a machine that has neither the toolkit nor a GPU.
//!
//! The toolkit comes from PyPI, where NVIDIA publishes its parts. It misses a few names that the linker looks for, and the
//! driver's library, which is only on machines with a GPU: an empty one of its name stands for it until the program runs.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use lexopt::{Arg, Parser, ValueExt};

use crate::{
    bench::peers,
    host::{
        process::{self, command},
        progress,
        workspace::Workspace,
    },
};

const USAGE: &str = "\
Usage: cargo xtask cuda [--capability N]

Installs NVIDIA's compiler and libraries from PyPI into target/cuda (2.2 GB) and builds target/cuda/release/sluice-origin
with the feature `cuda`, for GPUs of this compute capability (default: 90, which is H100 and H200). Takes about ten minutes on
two cores and needs no GPU. The program needs NVIDIA's driver, and libcublas, libcurand and libcudart of CUDA 13 where the
system looks for libraries.
";

const REQUIREMENTS: &str = "xtask/cuda/requirements.txt";

/// Sets up what is missing, builds.
pub(crate) fn run(workspace: &Workspace, mut args: Parser) -> Result<()> {
    let mut capability = 90u32;
    while let Some(argument) = args.next()? {
        match argument {
            Arg::Long("capability") => capability = args.value()?.parse()?,
            Arg::Long("help") | Arg::Short('h') => {
                print!("{USAGE}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    progress::heading("cuda");
    let home = workspace.target().join("cuda");
    fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
    let _one_at_a_time = workspace.lock("cuda")?;
    let venv = home.join("toolkit");
    peers::python(workspace, "CUDA toolkit", &venv, &workspace.path(REQUIREMENTS), None)?;
    let toolkit = toolkit(&venv)?;
    complete(&toolkit)?;
    let library = toolkit.join("lib");
    let mut stub = command("cc");
    stub.args(["-shared", "-Wl,-soname,libcuda.so.1", "-x", "c", "/dev/null", "-o"]).arg(library.join("libcuda.so"));
    process::run_as_step("driver's stand-in", stub, &workspace.log("cuda-stub")?)?;
    let mut build = command("cargo");
    build
        .args(["build", "--release", "--package", "sluice-origin", "--features", "cuda", "--target-dir"])
        .arg(&home)
        .current_dir(workspace.root())
        .env("CUDA_COMPUTE_CAP", capability.to_string())
        .env("PATH", path_with(&toolkit.join("bin"))?)
        // What the stand-in does not have, the driver does.
        .env("RUSTFLAGS", format!("-Clink-arg=-Wl,--unresolved-symbols=ignore-all -Clink-arg=-L{}", library.display()));
    for name in ["CUDA_ROOT", "CUDA_PATH", "CUDA_HOME"] {
        build.env(name, &toolkit);
    }
    process::run_as_step("origin with cuda", build, &workspace.log("cuda-build")?)?;
    println!("{}", home.join("release/sluice-origin").display());
    Ok(())
}

/// Where the packages lie: all in one tree.
fn toolkit(venv: &Path) -> Result<PathBuf> {
    let found = fs::read_dir(venv.join("lib")).with_context(|| format!("cannot read {}", venv.display()))?;
    let trees = found.filter_map(Result::ok).map(|entry| entry.path().join("site-packages/nvidia/cu13"));
    trees.into_iter().find(|tree| tree.is_dir()).context("the packages hold no tree `nvidia/cu13`")
}

/// Makes the names that the linker looks for: `lib64`, and each library's name without its version.
fn complete(toolkit: &Path) -> Result<()> {
    let library = toolkit.join("lib");
    let link = |to: &str, from: PathBuf| {
        let _ = fs::remove_file(&from);
        symlink(to, &from).with_context(|| format!("cannot make {}", from.display()))
    };
    link("lib", toolkit.join("lib64"))?;
    for entry in fs::read_dir(&library).with_context(|| format!("cannot read {}", library.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(bare) = without_version(&name) {
            link(&name, library.join(bare))?;
        }
    }
    Ok(())
}

/// `libcudart.so` of `libcudart.so.13`.
fn without_version(name: &str) -> Option<&str> {
    let (bare, version) = name.split_once(".so.")?;
    let is_version = !version.is_empty() && version.chars().all(|c| c.is_ascii_digit());
    is_version.then(|| &name[..bare.len() + ".so".len()])
}

fn path_with(first: &Path) -> Result<std::ffi::OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(first.to_path_buf()).chain(std::env::split_paths(&path));
    std::env::join_paths(all).context("PATH cannot be extended")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_for_the_linker() {
        for (name, bare) in [
            ("libcudart.so.13", Some("libcudart.so")),
            ("libcurand.so.10", Some("libcurand.so")),
            ("libnvrtc-builtins.so.13.0", None),
            ("libcublas.so", None),
            ("libcudadevrt.a", None),
        ] {
            assert_eq!(without_version(name), bare, "{name}");
        }
    }

    #[test]
    fn a_tree_is_completed_as_often_as_one_likes() {
        let home = tempfile::tempdir().unwrap();
        let tree = home.path().join("lib/python3/site-packages/nvidia/cu13");
        fs::create_dir_all(tree.join("lib")).unwrap();
        fs::write(tree.join("lib/libcudart.so.13"), "x").unwrap();
        assert_eq!(toolkit(home.path()).unwrap(), tree);
        for _ in 0..2 {
            complete(&tree).unwrap();
        }
        assert_eq!(fs::read_to_string(tree.join("lib64/libcudart.so")).unwrap(), "x");
        assert!(toolkit(&home.path().join("lib")).is_err());
    }

    #[test]
    fn every_requirement_has_an_exact_version() {
        let text = Workspace::locate().read(REQUIREMENTS).unwrap();
        assert!(text.lines().filter(|line| !line.starts_with('#')).all(|line| line.contains("==")), "{text}");
    }
}
