//! `cargo xtask train-tiny`: makes the built-in model again, from nothing, and says what it is worth.

use std::{fs, process::ExitCode};

use anyhow::{Context, Result, bail};
use lexopt::{Arg, Parser, ValueExt};
use rustix::process::getpgrp;

use crate::{
    process::{self, command},
    progress::{self, Step},
    workspace::Workspace,
};

const USAGE: &str = "\
Usage: cargo xtask train-tiny [--steps N] [--seed N] [--threads N] [--resume | --judge] [--keep]

Trains the built-in model `tiny` into target/tiny: its text, its vocabulary, its weights; then asks it what was kept from
the training and prints a table. origin/tiny/README.md says more. Exits with 1 if an aim is missed.

  --steps    steps of the optimiser (those of the shipped model)
  --seed     decides everything (that of the shipped model)
  --threads  threads that compute (2); they do not change what comes out
  --resume   goes on with a run that was cut off
  --judge    trains nothing: judges the model that is shipped
  --keep     ships what was trained: copies it into origin/tiny/model
";

const SHIPPED: &str = "origin/tiny/model";
const FILES: [&str; 5] =
    ["config.json", "generation_config.json", "tokenizer_config.json", "tokenizer.json", "model.safetensors"];

/// Builds the program that trains, runs it, and judges what came out.
pub(crate) fn run(workspace: &Workspace, mut args: Parser) -> Result<ExitCode> {
    let (mut numbers, mut judge, mut keep) = (Vec::new(), false, false);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long(name @ ("steps" | "seed" | "threads")) => {
                let name = format!("--{name}");
                numbers.extend([name, args.value()?.parse::<u64>()?.to_string()]);
            }
            Arg::Long("resume") => numbers.push("--resume".to_owned()),
            Arg::Long("judge") => judge = true,
            Arg::Long("keep") => keep = true,
            Arg::Long("help") | Arg::Short('h') => {
                print!("{USAGE}");
                return Ok(ExitCode::SUCCESS);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if judge && (keep || !numbers.is_empty()) {
        bail!("--judge trains nothing: it goes with no other option");
    }
    progress::heading("tiny");
    let mut step = Step::begin("trainer");
    let mut cargo = command("cargo");
    cargo.args(["build", "--release", "-p", "sluice-origin", "--features", "wide-products", "--example", "tiny"]);
    cargo.current_dir(workspace.root());
    process::run(&mut step, cargo, &workspace.log("build-tiny")?)?;
    step.done("built");
    let trained = workspace.target().join("tiny");
    let model = if judge { workspace.path(SHIPPED) } else { trained.clone() };
    if !judge {
        trainer(workspace, &["train".as_ref(), trained.as_os_str()], &numbers)?;
        let same = |name: &&str| fs::read(trained.join(name)).ok() == fs::read(workspace.path(SHIPPED).join(name)).ok();
        match FILES.iter().filter(|name| !same(name)).count() {
            0 => progress::note("it is the shipped model, byte for byte"),
            other => progress::note(&format!("{other} of its {} files are not those that are shipped", FILES.len())),
        }
    }
    let good = trainer(workspace, &["evaluate".as_ref(), model.as_os_str()], &["--wrong".into(), "3".into()]);
    if keep {
        for name in FILES {
            let to = workspace.path(SHIPPED).join(name);
            fs::copy(trained.join(name), &to).with_context(|| format!("cannot write {}", to.display()))?;
        }
    }
    good.map(|()| ExitCode::SUCCESS)
}

/// Runs the program on this terminal, in our own process group, so that Ctrl-C ends it at once.
fn trainer(workspace: &Workspace, words: &[&std::ffi::OsStr], numbers: &[String]) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let mut trainer = command(workspace.target().join("release/examples/tiny"));
    trainer.args(words).args(numbers).current_dir(workspace.root());
    // Whole batches are computed side by side; threads inside of each would be in their way.
    trainer.env("RAYON_NUM_THREADS", "1").process_group(getpgrp().as_raw_nonzero().get());
    let status = trainer.status().context("cannot start the trainer")?;
    if !status.success() {
        bail!("`{}` ended with {status}", process::show(&trainer));
    }
    Ok(())
}
