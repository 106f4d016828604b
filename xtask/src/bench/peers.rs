//! What `cargo xtask bench edge --peers` measures beside Sluice, installed into target/peers in the versions that this
//! repository names. A peer that cannot be installed is reported and the rest goes on.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::{
    host::{
        process::{self, Interrupted, command},
        progress::{self, Step},
        workspace::{Workspace, hex},
    },
    setup::Toolbox,
};

/// A peer and what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    name: &'static str,
    needs: &'static [Need],
}

/// Something to install.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Nginx,
    Redis,
    Python,
    LiteLlm,
    ExpressGateway,
}

const PEERS: [Peer; 7] = [
    Peer { name: "nginx", needs: &[Need::Nginx] },
    Peer { name: "slowapi", needs: &[Need::Redis, Need::Python] },
    Peer { name: "slowapi-mw", needs: &[Need::Redis, Need::Python] },
    Peer { name: "flask", needs: &[Need::Redis, Need::Python] },
    Peer { name: "flask-mw", needs: &[Need::Redis, Need::Python] },
    Peer { name: "express-gateway", needs: &[Need::Redis, Need::ExpressGateway] },
    Peer { name: "litellm", needs: &[Need::Redis, Need::LiteLlm] },
];
/// Where their versions and applications are.
const SOURCES: &str = "tests/bench/peers";

/// Takes `--peers` and the names after it, if there are any, out of a command line. All of them if it names none.
pub(super) fn take_selected(arguments: &mut Vec<OsString>) -> Result<Vec<Peer>> {
    let Some(at) = arguments.iter().position(|argument| argument == "--peers") else { return Ok(Vec::new()) };
    arguments.remove(at);
    let named = arguments.get(at).is_some_and(|next| !next.to_string_lossy().starts_with('-'));
    if !named {
        return Ok(PEERS.to_vec());
    }
    let names = arguments.remove(at).to_string_lossy().into_owned();
    let named = |name: &str| PEERS.into_iter().find(|peer| peer.name == name);
    names
        .split(',')
        .map(|name| {
            named(name).with_context(|| {
                let known = PEERS.map(|peer| peer.name).join(", ");
                format!("there is no peer `{name}`; there are {known}")
            })
        })
        .collect()
}

/// Installs what these peers need. Returns what the load tool is to be told: which to measure, where they are, and which
/// of them could not be installed, and why.
pub(super) fn ensure(workspace: &Workspace, toolbox: &Toolbox, selected: &[Peer]) -> Result<Vec<OsString>> {
    progress::heading("peers");
    let home = workspace.target().join("peers");
    fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
    let _one_at_a_time = workspace.lock("peers")?;
    let mut tried: Vec<(Need, Option<String>)> = Vec::new();
    for need in selected.iter().flat_map(|peer| peer.needs) {
        if tried.iter().any(|(known, _)| known == need) {
            continue;
        }
        let why_not = match need.ensure(workspace, toolbox, &home) {
            Ok(()) => None,
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => {
                progress::note(process::last_words(&error));
                progress::note(&format!("  {error:#}"));
                Some(format!("{error:#}"))
            }
        };
        tried.push((*need, why_not));
    }
    let names: Vec<&str> = selected.iter().map(|peer| peer.name).collect();
    let mut arguments: Vec<OsString> =
        vec!["--peers".into(), names.join(",").into(), "--peers-home".into(), home.into()];
    for peer in selected {
        let missing = tried.iter().filter(|(need, _)| peer.needs.contains(need)).find_map(|(_, why)| why.as_deref());
        if let Some(why) = missing {
            arguments.extend(["--peer-missing".into(), format!("{}={why}", peer.name).into()]);
        }
    }
    Ok(arguments)
}

impl Need {
    fn ensure(self, workspace: &Workspace, toolbox: &Toolbox, home: &Path) -> Result<()> {
        let requirements = |file: &str| workspace.path(SOURCES).join(file);
        match self {
            Self::Nginx => debian(workspace, "nginx", "nginx-light"),
            Self::Redis => debian(workspace, "redis-server", "redis-server"),
            Self::Python => {
                let requirements = requirements("requirements-python.txt");
                python(workspace, "FastAPI, SlowAPI, Flask", &home.join("python"), &requirements, None)
            }
            Self::LiteLlm => {
                python(workspace, "LiteLLM", &home.join("litellm"), &requirements("requirements-litellm.txt"), None)
            }
            Self::ExpressGateway => express_gateway(workspace, toolbox, &home.join("express-gateway")),
        }
    }
}

/// A program that Debian packages. Installed only where that needs no password and starts no service.
fn debian(workspace: &Workspace, program: &str, package: &str) -> Result<()> {
    installed(program, find_program(program).is_some(), "installed with apt-get", |step| {
        let shown = format!("apt-get install -y --no-install-recommends {package}");
        let is_root = rustix::process::geteuid().is_root();
        let has_services = Path::new("/run/systemd/system").exists();
        if find_program("apt-get").is_none() {
            bail!("{program} was not found; install it with this system's packages");
        }
        if !is_root || has_services {
            bail!("{program} was not found; install it with `sudo {shown}`, then stop the service that this starts");
        }
        let mut apt = command("apt-get");
        apt.args(["install", "-y", "--no-install-recommends", package]);
        // Runlevel 1 is one in which no service starts.
        apt.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
        process::run(step, apt, &workspace.log(&format!("apt-{package}"))?)
            .with_context(|| format!("cannot install {program}; try `apt-get update && {shown}`"))?;
        Ok(())
    })
}

/// A Python environment as its requirements name it, to the digit. `build`: a variable of the environment for packages
/// that are built here.
pub(crate) fn python(
    workspace: &Workspace,
    name: &str,
    venv: &Path,
    requirements: &Path,
    build: Option<(&str, String)>,
) -> Result<()> {
    stamped(name, &[requirements], venv, |step| {
        let mut create = command("python3");
        create.args(["-m", "venv", "--clear"]).arg(venv);
        process::run(step, create, &workspace.log("peers-venv")?)
            .context("cannot create a Python environment. On Debian: `sudo apt-get install -y python3-venv`")?;
        let mut pip = command(venv.join("bin").join("python"));
        pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--requirement"]).arg(requirements);
        if let Some(build) = build {
            // pip keeps what it has built without regard to how.
            pip.env(build.0, build.1).arg("--no-cache-dir");
        }
        process::run(step, pip, &workspace.log(&format!("peers-pip-{name}"))?)
            .with_context(|| format!("cannot install {}", requirements.display()))?;
        Ok(())
    })
}

/// Express Gateway as its lock file names it.
fn express_gateway(workspace: &Workspace, toolbox: &Toolbox, directory: &Path) -> Result<()> {
    let sources = workspace.path(SOURCES).join("express-gateway");
    let files = ["package.json", "package-lock.json"];
    let wanted = files.map(|file| sources.join(file));
    stamped("Express Gateway", &[&wanted[0], &wanted[1]], directory, |step| {
        fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        for file in files {
            fs::copy(sources.join(file), directory.join(file)).with_context(|| format!("cannot copy {file}"))?;
        }
        let mut npm = command("npm");
        toolbox.node.apply(&mut npm)?;
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(directory);
        process::run(step, npm, &workspace.log("peers-npm")?).context("cannot install Express Gateway")?;
        Ok(())
    })
}

/// Runs `install` unless `directory` was filled from files with the same contents.
pub(super) fn stamped(
    name: &str,
    files: &[&Path],
    directory: &Path,
    install: impl FnOnce(&mut Step) -> Result<()>,
) -> Result<()> {
    let mut hash = Sha256::new();
    for file in files {
        hash.update(fs::read(file).with_context(|| format!("cannot read {}", file.display()))?);
    }
    let (stamp, wanted) = (directory.join("sluice-stamp"), hex(&hash.finalize()));
    let is_there = fs::read_to_string(&stamp).is_ok_and(|found| found == wanted);
    installed(name, is_there, "installed", |step| {
        install(step)?;
        fs::write(&stamp, &wanted).with_context(|| format!("cannot write {}", stamp.display()))
    })
}

/// A step that is done already if what it brings in is there.
fn installed(name: &str, is_there: bool, outcome: &str, install: impl FnOnce(&mut Step) -> Result<()>) -> Result<()> {
    let mut step = Step::begin(name);
    if is_there {
        step.done("ready");
        return Ok(());
    }
    match install(&mut step) {
        Ok(()) => {
            step.done(outcome);
            Ok(())
        }
        Err(error) => {
            step.failed();
            Err(error)
        }
    }
}

/// Where a program is: on PATH, or where Debian keeps servers.
fn find_program(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let servers = ["/usr/local/sbin", "/usr/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(servers).map(|directory| directory.join(program)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(line: &str) -> (Vec<&'static str>, String) {
        let mut words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let names = take_selected(&mut words).unwrap().iter().map(|peer| peer.name).collect();
        (names, words.join(" ".as_ref()).into_string().unwrap())
    }

    #[test]
    fn names_are_taken_out_of_the_line() {
        assert_eq!(
            taken("--rounds 2 --peers nginx,flask --json f"),
            (vec!["nginx", "flask"], "--rounds 2 --json f".into())
        );
        assert_eq!(taken("--peers --rounds 2").0.len(), PEERS.len());
        assert_eq!(taken("--rounds 2 --peers").0.len(), PEERS.len());
        assert_eq!(taken("--rounds 2"), (Vec::new(), "--rounds 2".into()));
    }

    #[test]
    fn an_unknown_name_is_refused() {
        assert!(take_selected(&mut vec!["--peers".into(), "nginx,kong".into()]).is_err());
    }

    #[test]
    fn every_requirement_has_an_exact_version() {
        for file in ["requirements-python.txt", "requirements-litellm.txt"] {
            let text = Workspace::locate().read(&format!("{SOURCES}/{file}")).unwrap();
            for line in text.lines().filter(|line| !line.starts_with('#')) {
                assert!(line.contains("=="), "{file}: {line}");
            }
        }
    }
}
