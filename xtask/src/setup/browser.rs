//! The browser of the end-to-end tests: pages of other origins call the gates from it.

use std::{env, path::PathBuf};

use anyhow::{Result, bail};

use super::debian;
use crate::host::progress::Step;
use crate::host::workspace::Workspace;

/// What Chromium is called; tests/harness/tools.rs looks for the same.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
const BY_HAND: &str = "no Chromium was found, and a test opens pages in it. On Debian: \
    `sudo apt-get update && sudo apt-get install -y chromium`; elsewhere put `chromium` on PATH";

/// Looks for Chromium on PATH, or installs Debian's.
pub(super) fn ensure(workspace: &Workspace) -> Result<()> {
    let mut step = Step::begin("Chromium");
    if let Some(path) = find() {
        step.done(&format!("ready ({})", path.display()));
        return Ok(());
    }
    let why = "there is no Chromium on PATH: installing Debian's with apt-get";
    if let Err(error) = debian::install(workspace, &mut step, &["--no-install-recommends", "chromium"], why, BY_HAND) {
        step.failed();
        return Err(error);
    }
    if find().is_none() {
        step.failed();
        bail!("apt-get installed Chromium, and it is not on PATH. {BY_HAND}");
    }
    step.done("installed with apt-get");
    Ok(())
}

fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let candidates = env::split_paths(&path).flat_map(|dir| NAMES.map(|name| dir.join(name)));
    candidates.into_iter().find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_look_for_the_same_names() {
        let harness = Workspace::locate().read("tests/harness/tools.rs").unwrap();
        assert!(harness.contains(&format!("{NAMES:?}")), "{NAMES:?}");
    }
}
