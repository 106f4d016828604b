//! `cargo xtask open-webui`: Open WebUI itself, from its package, before both gates, driven in Chromium. The tool is
//! `sluice-open-webui` in `tests/`; this installs what it drives, builds both gates and the tool, and becomes the tool.

use std::{fs, os::unix::process::CommandExt, path::Path, process::ExitCode};

use anyhow::{Context, Result};
use lexopt::{Arg, Parser};
use sha2::{Digest, Sha256};

use crate::{
    build_edge,
    host::{
        process::{self, command, command_in_our_group},
        progress::{self, Step},
        workspace::{Workspace, hex},
    },
    setup,
};

const USAGE: &str = "\
Usage: cargo xtask open-webui

Installs Open WebUI (1.7 GB, into target/open-webui) and what drives Chromium, starts it with its defaults before both gates,
with a connection of OpenAI's kind and one of Ollama's, and lets a person sign up, chat, use a tool and reach a limit. Each
step is told with its time; screenshots are left to be looked at. Ends with 1 if a step failed.
";
/// What is driven, and what drives it.
const SOURCES: &str = "tests/open_webui";
/// Installs the package: pip would take minutes, and could not leave torch out.
const UV: &str = "uv==0.13.9";

/// Installs and builds what is missing and hands over to the tool. Returns only if it cannot be started: its exit status is
/// ours.
pub(crate) fn run(workspace: &Workspace, mut args: Parser) -> Result<ExitCode> {
    if let Some(arg) = args.next()? {
        return match arg {
            Arg::Long("help") | Arg::Short('h') => {
                print!("{USAGE}");
                Ok(ExitCode::SUCCESS)
            }
            other => Err(other.unexpected().into()),
        };
    }
    let toolbox = setup::run(workspace)?;
    setup::browser(workspace)?;
    let home = workspace.target().join("open-webui");
    fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
    as_step("Open WebUI", "installed with uv", |step| package(workspace, &home, step))?;
    as_step("its driver", "installed with npm ci", |step| driver(workspace, &home, step))?;
    build_edge::build(workspace, &toolbox)?;
    as_step("Open WebUI's tool", "built", |step| {
        let mut cargo = command("cargo");
        cargo.args(["build", "--release", "-p", "e2e", "--bin", "sluice-open-webui"]).current_dir(workspace.root());
        process::run(step, cargo, &workspace.log("open-webui-tool")?)?;
        Ok(true)
    })?;
    progress::heading("Open WebUI");
    let mut tool = command_in_our_group(workspace.target().join("release/sluice-open-webui"));
    toolbox.node.apply(&mut tool)?;
    tool.arg(&home).arg(toolbox.node.binary()).current_dir(workspace.root());
    Err(tool.exec()).context("cannot start the tool")
}

/// `work` says whether there was anything to do.
fn as_step(name: &'static str, done: &str, work: impl FnOnce(&mut Step) -> Result<bool>) -> Result<()> {
    let mut step = Step::begin(name);
    match work(&mut step) {
        Ok(did) => {
            step.done(if did { done } else { "ready" });
            Ok(())
        }
        Err(error) => {
            step.failed();
            Err(error)
        }
    }
}

/// The package in an environment of its own, as requirements.txt and overrides.txt want it.
fn package(workspace: &Workspace, home: &Path, step: &mut Step) -> Result<bool> {
    let wanted = stamp(workspace, &["requirements.txt", "overrides.txt"])?;
    let (made, environment) = (home.join("env-stamp"), home.join("env"));
    if fs::read_to_string(&made).is_ok_and(|found| found == wanted) {
        return Ok(false);
    }
    let (log, installer) = (workspace.log("open-webui-install")?, home.join("uv"));
    let mut venv = command("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&installer);
    process::run(step, venv, &log).context("cannot create a Python environment: is python3-venv there?")?;
    let mut pip = command(installer.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", UV]);
    process::run(step, pip, &log)?;
    let uv = || command(installer.join("bin/uv"));
    let mut venv = uv();
    venv.args(["venv", "--quiet", "--clear", "--python"]).arg(installer.join("bin/python")).arg(&environment);
    process::run(step, venv, &log)?;
    let mut install = uv();
    install.args(["pip", "install", "--quiet", "--python"]).arg(environment.join("bin/python"));
    install.arg("--overrides").arg(workspace.path(SOURCES).join("overrides.txt"));
    install.arg("--requirement").arg(workspace.path(SOURCES).join("requirements.txt"));
    process::run(step, install, &log).context("cannot install Open WebUI; try again online")?;
    fs::write(&made, wanted).with_context(|| format!("cannot write {}", made.display()))?;
    Ok(true)
}

/// playwright-core beside the script that uses it.
fn driver(workspace: &Workspace, home: &Path, step: &mut Step) -> Result<bool> {
    let folder = home.join("node");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for file in ["drive.mjs", "package.json", "package-lock.json", ".npmrc"] {
        let text = workspace.read(&format!("{SOURCES}/{file}"))?;
        fs::write(folder.join(file), text).with_context(|| format!("cannot write into {}", folder.display()))?;
    }
    let wanted = stamp(workspace, &["package.json", "package-lock.json"])?;
    let made = home.join("node-stamp");
    if fs::read_to_string(&made).is_ok_and(|found| found == wanted) {
        return Ok(false);
    }
    let mut npm = command("npm");
    npm.args(["ci", "--ignore-scripts"]).current_dir(&folder);
    process::run(step, npm, &workspace.log("open-webui-npm")?)
        .context("cannot install playwright-core; is npm there?")?;
    fs::write(&made, wanted).with_context(|| format!("cannot write {}", made.display()))?;
    Ok(true)
}

/// What decides whether what is installed is what is wanted.
fn stamp(workspace: &Workspace, files: &[&str]) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(UV);
    for file in files {
        hash.update(workspace.read(&format!("{SOURCES}/{file}"))?);
    }
    Ok(hex(&hash.finalize()))
}
