//! The Node tools of package.json: wrangler, workerd, esbuild, binaryen, and a Node that is new enough for them. And the
//! clients in Node that the end-to-end tests call the gates with.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::host::{
    process::{self, command},
    progress::Step,
    workspace::Workspace,
};

const BY_HAND: &str = "npm was not found, and the edge is built and run with Node tools. \
    On Debian: `sudo apt-get install -y nodejs npm`; elsewhere: https://nodejs.org";

/// The installed Node tools.
pub(crate) struct Node {
    modules: PathBuf,
}

impl Node {
    /// A program of node_modules/.bin, run with the Node of package.json.
    pub(crate) fn command(&self, program: &str) -> Result<Command> {
        let mut command = command(self.program(program));
        self.apply(&mut command)?;
        Ok(command)
    }

    /// Puts the tools first on `command`'s PATH.
    pub(crate) fn apply(&self, command: &mut Command) -> Result<()> {
        prepend_path(command, &[&self.modules.join("node/bin"), &self.modules.join(".bin")])
    }

    /// Node itself, of the version in package.json.
    pub(crate) fn binary(&self) -> PathBuf {
        self.modules.join("node/bin/node")
    }

    /// Where a program of node_modules/.bin is.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.modules.join(".bin").join(name)
    }
}

/// Installs what package-lock.json names, if it changed since the last time.
pub(super) fn ensure(workspace: &Workspace) -> Result<Node> {
    let mut step = Step::begin("Node tools");
    let node = Node { modules: workspace.path("node_modules") };
    let stamp = node.modules.join(".sluice-stamp");
    let wanted = fingerprint(workspace, "")?;
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) && missing(&node).is_none() {
        step.done("ready");
        return Ok(node);
    }
    if let Err(error) = install(workspace, "", &mut step) {
        step.failed();
        return Err(error);
    }
    if let Some(missing) = missing(&node) {
        step.failed();
        bail!(
            "npm ci left no {}: are install scripts disabled? Try `npm ci --ignore-scripts=false`",
            missing.display()
        );
    }
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    step.done("installed with npm ci");
    Ok(node)
}

/// Installs what a folder's package-lock.json names, if it changed since the last time.
pub(super) fn ensure_packages(workspace: &Workspace, name: &str, folder: &str) -> Result<()> {
    let mut step = Step::begin(name);
    let modules = workspace.path(folder).join("node_modules");
    let stamp = modules.join(".sluice-stamp");
    let wanted = fingerprint(workspace, folder)?;
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        step.done("ready");
        return Ok(());
    }
    let installed = install(workspace, folder, &mut step)
        .and_then(|()| fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display())));
    if installed.is_ok() {
        step.done("installed with npm ci");
    } else {
        step.failed();
    }
    installed
}

/// `npm ci` in this folder of the repository.
fn install(workspace: &Workspace, folder: &str, step: &mut Step) -> Result<()> {
    if find_in_path("npm").is_none() {
        bail!(BY_HAND);
    }
    let mut npm = command("npm");
    // A user's own npm settings may leave out development dependencies or install scripts; both are needed here.
    npm.args(["ci", "--include=dev", "--ignore-scripts=false"]).current_dir(workspace.path(folder));
    let place = if folder.is_empty() { "the repository" } else { folder };
    process::run(step, npm, &workspace.log("npm-ci")?).with_context(|| {
        format!("cannot install Node packages; once the cause is mended, `npm ci` in {place} does it")
    })?;
    Ok(())
}

/// What decides whether the installed packages are the wanted ones.
fn fingerprint(workspace: &Workspace, folder: &str) -> Result<String> {
    let mut hash = Sha256::new();
    for file in ["package.json", "package-lock.json"] {
        let path = Path::new(folder).join(file);
        hash.update(workspace.read(&path.to_string_lossy())?);
    }
    hash.update(env::consts::ARCH);
    hash.update(env::consts::OS);
    Ok(crate::host::workspace::hex(&hash.finalize()))
}

/// The first program that should be there and is not.
fn missing(node: &Node) -> Option<PathBuf> {
    let programs = ["wrangler", "workerd", "esbuild", "wasm-opt"].map(|name| node.program(name));
    programs.into_iter().chain([node.modules.join("node/bin/node")]).find(|path| !path.exists())
}

/// Puts `dirs` first on the PATH that `command` will have.
pub(super) fn prepend_path(command: &mut Command, dirs: &[&Path]) -> Result<()> {
    let already = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value.map(Into::into));
    let rest = already.or_else(|| env::var_os("PATH")).unwrap_or_default();
    let all = dirs.iter().map(|dir| dir.to_path_buf()).chain(env::split_paths(&rest));
    let joined = env::join_paths(all).context("the repository's path holds a `:`, which PATH cannot carry; move it")?;
    command.env("PATH", joined);
    Ok(())
}

fn find_in_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(program)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_go_first_and_pile_up() {
        let mut command = Command::new("true");
        prepend_path(&mut command, &[Path::new("/b")]).unwrap();
        prepend_path(&mut command, &[Path::new("/a")]).unwrap();
        let path = command.get_envs().find(|(name, _)| *name == "PATH").unwrap().1.unwrap().to_owned();
        assert!(path.to_str().unwrap().starts_with("/a:/b:"));
    }

    #[test]
    fn the_lock_files_name_no_registry() {
        let folders = ["", "edge/console/", "tests/clients/", "tests/open_webui/"];
        for file in folders.map(|folder| format!("{folder}package-lock.json")) {
            let lock = Workspace::locate().read(&file).unwrap();
            assert!(!lock.contains("\"resolved\""), "run npm with the repository's .npmrc: it leaves registries out");
        }
    }

    #[test]
    fn every_package_has_an_exact_version() {
        for (file, kind) in [
            ("package.json", "devDependencies"),
            ("edge/console/package.json", "dependencies"),
            ("edge/console/package.json", "devDependencies"),
            ("tests/clients/package.json", "dependencies"),
            ("tests/open_webui/package.json", "dependencies"),
        ] {
            let package: serde_json::Value = serde_json::from_str(&Workspace::locate().read(file).unwrap()).unwrap();
            for (name, version) in package[kind].as_object().unwrap() {
                let version = version.as_str().unwrap();
                assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{name} {version} is a range");
            }
        }
    }
}
