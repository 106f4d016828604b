//! Prometheus, for the end-to-end tests: it reads both gates, and judges what is made for it. Debian's package would
//! start a service on this machine, so its two programs are taken out of the package, and nothing is installed.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::host::{
    process::{self, command},
    progress::{self, Step},
    workspace::Workspace,
};

/// Both; tests/e2e/operate/measures/prometheus.rs looks for the same.
const PROGRAMS: [&str; 2] = ["prometheus", "promtool"];
/// Where they are taken out to, below the build directory.
const PLACE: &str = "sluice/prometheus";
const BY_HAND: &str = "no Prometheus was found, and a test lets it read both gates. Where there is Debian's apt-get it \
    is fetched without being installed; elsewhere put `prometheus` and `promtool` on PATH: \
    https://prometheus.io/download/";

/// Looks for both on PATH and where they were taken out to, or fetches Debian's.
pub(super) fn ensure(workspace: &Workspace) -> Result<()> {
    let mut step = Step::begin("Prometheus");
    let place = workspace.target().join(PLACE);
    if let Some(folder) = find(&place) {
        step.done(&format!("ready ({})", folder.display()));
        return Ok(());
    }
    if let Err(error) = fetch(workspace, &mut step, &place) {
        step.failed();
        return Err(error);
    }
    if find(&place).is_none() {
        step.failed();
        bail!("there is no Prometheus in Debian's package. {BY_HAND}");
    }
    step.done("fetched with apt-get");
    Ok(())
}

/// 19 MB from Debian's mirror, checked by apt-get as whatever it installs; 96 MB on the disk.
fn fetch(workspace: &Workspace, step: &mut Step, place: &Path) -> Result<()> {
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("{BY_HAND}");
    }
    progress::note("  there is no Prometheus on PATH: fetching Debian's with apt-get");
    fs::create_dir_all(place).with_context(|| format!("cannot create {}", place.display()))?;
    let log = workspace.log("apt-get")?;
    // Whoever may not bring the lists of packages up to date has to do with those that are there.
    if rustix::process::geteuid().is_root() {
        let mut update = command("apt-get");
        update.arg("update").env("DEBIAN_FRONTEND", "noninteractive");
        process::run(step, update, &log).context(BY_HAND)?;
    }
    let mut download = command("apt-get");
    download.args(["download", "prometheus"]).current_dir(place);
    process::run(step, download, &log).context(BY_HAND)?;
    let package = package_in(place)?;
    let mut unpack = command("dpkg-deb");
    unpack.arg("--extract").arg(&package).arg(place);
    process::run(step, unpack, &log).context(BY_HAND)?;
    fs::remove_file(&package).with_context(|| format!("cannot remove {}", package.display()))
}

fn package_in(place: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(place).with_context(|| format!("cannot list {}", place.display()))?;
    let mut files = entries.flatten().map(|entry| entry.path());
    let package = files.find(|file| file.extension().is_some_and(|extension| extension == "deb"));
    package.with_context(|| format!("apt-get left no package in {}", place.display()))
}

/// The folder that has both.
fn find(place: &Path) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders = env::split_paths(&path).chain([place.join("usr/bin")]);
    folders.find(|folder| PROGRAMS.iter().all(|program| folder.join(program).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_look_for_the_same_in_the_same_place() {
        let tests = Workspace::locate().read("tests/e2e/operate/measures/prometheus.rs").unwrap();
        assert!(tests.contains(&format!("{PROGRAMS:?}")) && tests.contains(&format!("\"target/{PLACE}/usr/bin\"")));
    }
}
