//! `cargo xtask bench`: what a request costs at the edge, and how fast the origin computes, side by side in one run.

mod embedded;
mod figures;
mod gguf;
mod llama;
mod origin;
pub(crate) mod peers;
mod served;

use std::{ffi::OsString, thread, time::Duration};

use anyhow::{Context, Result, bail};
use lexopt::{Arg, Parser};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::{
    build_edge,
    host::{
        process::{self, Interrupted, command},
        progress::{self, Step},
        workspace::Workspace,
    },
    setup,
};

const USAGE: &str = "\
Usage: cargo xtask bench edge [--sweep] [--accounts] [--callers] [--doors] [--agent] [--images] [--failover] [--registry] [--against DIR [--only KIND]] [--peers [NAME,...]] [--seconds N] [--rounds N] [--connections N] [--json FILE]

Measures the full walk, the refusals and an empty Worker on workerd, in one run: compare the ratios, not the figures.

  --sweep        instead: 1, 16 and 128 connections, on one account and on 200
  --accounts     instead: 1, 10, 100, 1,000 and 10,000 accounts
  --callers      instead: API keys beside tokens of issuers (EdDSA, ES256, RS256), seen before and never seen, and short tokens
  --doors        instead: the same question through each door, beside Chat's
  --agent        instead: how soon turn 20 of a coding agent's conversation begins, beside its new tokens alone
  --images       instead: pictures: what HTTP adds, whether told waits hold, and first tokens beside pictures
  --failover     instead: how much later a request is answered whose origin has just been killed, beside another's
  --registry     instead: an admin's calls and a key's first use with an empty registry and with 100,000 keys
  --against      instead: beside another build of the Worker, such as the one of the commit before (a directory that holds
                 its index.js and index_bg.wasm: edge/build of another clone). Both are asked at once, so that the
                 ratio of their CPU times means something on a machine that is not alone: take 20 rounds and more
  --only         with --against: the kinds of request whose name holds this
  --keys         thousands of keys for --registry (100)
  --peers        instead: Sluice beside what others put in front of a model, installed into target/peers and started in
                 turn before the same origin; all of them, or those named:
                 nginx, slowapi, slowapi-mw, flask, flask-mw, express-gateway, litellm
  --seconds      length of one round of one scenario (4)
  --rounds       rounds of which the median counts (3)
  --connections  clients at once (16)
  --json         writes the figures to a file, too

`bench images` is `bench edge --images`.
";

/// Sets up, builds the edge and the load tool, and lets the tool print its table.
pub(crate) fn run(workspace: &Workspace, mut args: Parser) -> Result<()> {
    let mut rest: Vec<OsString> = Vec::new();
    match args.next()? {
        Some(Arg::Value(what)) if what == "edge" => {}
        Some(Arg::Value(what)) if what == "images" => rest.push("--images".into()),
        Some(Arg::Value(what)) if what == "origin" => return origin::run(workspace, args),
        Some(Arg::Long("help") | Arg::Short('h')) => {
            print!("{USAGE}\n{}", origin::USAGE);
            return Ok(());
        }
        _ => bail!("say what to measure\n\n{USAGE}\n{}", origin::USAGE),
    }
    rest.extend(args.raw_args()?);
    if rest.iter().any(|word| word == "--help" || word == "-h") {
        print!("{USAGE}");
        return Ok(());
    }
    let selected = peers::take_selected(&mut rest)?;
    let toolbox = setup::run(workspace)?;
    build_edge::build(workspace, &toolbox)?;
    if !selected.is_empty() {
        rest.extend(peers::ensure(workspace, &toolbox, &selected)?);
    }
    build_tool(workspace)?;
    progress::heading("bench");
    run_tool(workspace, &rest)
}

fn build_tool(workspace: &Workspace) -> Result<()> {
    let mut step = Step::begin("load tool");
    let mut cargo = command("cargo");
    cargo.args(["build", "--release", "-p", "e2e", "--bin", "bench-edge"]).current_dir(workspace.root());
    match process::run(&mut step, cargo, &workspace.log("bench-edge")?) {
        Ok(_) => {
            step.done("built");
            Ok(())
        }
        Err(error) => {
            step.failed();
            Err(error)
        }
    }
}

/// Its table goes to standard output and its progress to standard error, so both are left as they are. A signal to us is
/// passed on; the tool then ends what it has started, and itself.
fn run_tool(workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
    let mut tool = command(workspace.target().join("release").join("bench-edge"));
    tool.args(arguments).current_dir(workspace.root());
    let mut child = tool.spawn().context("cannot start the load tool")?;
    let mut told = false;
    let status = loop {
        if let Some(status) = child.try_wait().context("cannot ask how the load tool is")? {
            break status;
        }
        if process::interrupted() && !told {
            told = true;
            let group = Pid::from_raw(child.id().cast_signed());
            // An error means that no one is left to be told.
            let _ = group.map(|group| kill_process_group(group, Signal::TERM));
        }
        thread::sleep(POLL);
    };
    if told {
        return Err(Interrupted.into());
    }
    if status.success() { Ok(()) } else { bail!("the load tool stopped ({status}); what it said stands above") }
}

/// How often the tool is looked at.
const POLL: Duration = Duration::from_millis(50);
