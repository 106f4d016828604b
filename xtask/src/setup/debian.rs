//! Packages of Debian's, installed if we may.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::host::{
    process::{self, command},
    progress::{self, Step},
    workspace::Workspace,
};

/// Installs packages with apt-get where there is one and this is root; otherwise fails with what a person has to run.
pub(super) fn install(
    workspace: &Workspace,
    step: &mut Step,
    packages: &[&str],
    why: &str,
    by_hand: &str,
) -> Result<()> {
    if !Path::new("/usr/bin/apt-get").exists() || !rustix::process::geteuid().is_root() {
        bail!("{by_hand}");
    }
    progress::note(&format!("  {why}"));
    for arguments in [vec!["update"], [&["install", "-y"], packages].concat()] {
        let mut apt = command("apt-get");
        apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        process::run(step, apt, &workspace.log("apt-get")?).with_context(|| by_hand.to_owned())?;
    }
    Ok(())
}
