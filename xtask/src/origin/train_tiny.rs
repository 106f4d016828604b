//! `cargo xtask train-tiny`, `train-tiny-embed` and `train-tiny-draw`: make a model again, from nothing, and say what
//! it is worth.

use std::{fs, process::ExitCode};

use anyhow::{Context, Result, bail};
use lexopt::{Arg, Parser, ValueExt};

use crate::host::{
    process::{self, command, command_in_our_group},
    progress::{self, Step},
    workspace::Workspace,
};

/// A model of this repository, and how it is made.
pub(crate) struct Trained {
    /// What requests call it by; also its directory's name and its trainer's.
    name: &'static str,
    /// What its trainer is built with besides.
    features: &'static [&'static str],
    files: &'static [&'static str],
    usage: &'static str,
}

/// The one that answers.
pub(crate) const TINY: Trained = Trained {
    name: "tiny",
    features: &["--features", "wide-products"],
    files: &["config.json", "generation_config.json", "tokenizer_config.json", "tokenizer.json", "model.safetensors"],
    usage: USAGE,
};

/// The one that embeds.
pub(crate) const TINY_EMBED: Trained = Trained {
    name: "tiny-embed",
    features: &[],
    files: &[
        "config.json",
        "modules.json",
        "1_Pooling/config.json",
        "tokenizer_config.json",
        "tokenizer.json",
        "model.safetensors",
    ],
    usage: EMBED_USAGE,
};

/// The one that draws.
pub(crate) const TINY_DRAW: Trained = Trained {
    name: "tiny-draw",
    features: &["--features", "wide-products"],
    files: &[
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/tokenizer.json",
        "tokenizer/tokenizer_config.json",
        "transformer/config.json",
        "transformer/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    ],
    usage: DRAW_USAGE,
};

const DRAW_USAGE: &str = "\
Usage: cargo xtask train-tiny-draw [--vae-steps N] [--steps N] [--seed N] [--threads N] [--resume | --judge] [--keep]

Trains the model that draws, `tiny-draw`, into target/tiny-draw: its vocabulary, then a VAE, then what draws; then has
it draw what was kept from the training, judges the pictures, and prints a table. origin/tiny-draw/README.md says more.
Exits with 1 if an aim is missed. --vae-steps and --steps are the steps of the two stages; the other options are those
of train-tiny; --keep copies into origin/tiny-draw/model.
";

const EMBED_USAGE: &str = "\
Usage: cargo xtask train-tiny-embed [--steps N] [--seed N] [--threads N] [--resume | --judge] [--keep]

Trains the built-in model that embeds, `tiny-embed`, into target/tiny-embed: its vocabulary and its weights; then looks what
lies nearest to texts that were kept from the training, and prints tables. origin/tiny-embed/README.md says more. Exits with 1
if an aim is missed. The options are those of train-tiny; --keep copies into origin/tiny-embed/model.
";

const USAGE: &str = "\
Usage: cargo xtask train-tiny [--steps N] [--second-steps N] [--third-steps N] [--seed N] [--threads N]
                              [--from DIR | --from-second DIR] [--resume | --judge] [--keep]

Trains the built-in model `tiny` into target/tiny: its text, its vocabulary, its weights, in three stages; then asks it what
was kept from the training and prints a table. origin/tiny/README.md says more. Exits with 1 if an aim is missed.

  --steps, --second-steps, --third-steps
                steps of each stage (those of the shipped model)
  --seed        decides everything (that of the shipped model)
  --threads     threads that compute (2); they do not change what comes out
  --from        leaves the first stage out: goes on from the model in this directory, which a first stage made
  --from-second leaves out the second one, too: goes on from what that has made
  --resume      goes on with a run that was cut off
  --judge       trains nothing: judges the model that is shipped
  --keep        ships what was trained: copies it into origin/tiny/model
";

/// Builds the program that trains, runs it, and judges what came out.
pub(crate) fn run(workspace: &Workspace, trained: &Trained, mut args: Parser) -> Result<ExitCode> {
    let (mut numbers, mut judge, mut keep) = (Vec::new(), false, false);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long(name @ ("steps" | "vae-steps" | "second-steps" | "third-steps" | "seed" | "threads")) => {
                let name = format!("--{name}");
                numbers.extend([name, args.value()?.parse::<u64>()?.to_string()]);
            }
            Arg::Long(name @ ("from" | "from-second")) => {
                let name = format!("--{name}");
                // The trainer runs in the workspace's root, whatever the directory that this is called in.
                let directory = std::path::absolute(args.value()?)?;
                numbers.extend([name, directory.display().to_string()]);
            }
            Arg::Long("resume") => numbers.push("--resume".to_owned()),
            Arg::Long("judge") => judge = true,
            Arg::Long("keep") => keep = true,
            Arg::Long("help") | Arg::Short('h') => {
                print!("{}", trained.usage);
                return Ok(ExitCode::SUCCESS);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if judge && (keep || !numbers.is_empty()) {
        bail!("--judge trains nothing: it goes with no other option");
    }
    let Trained { name, features, files, .. } = *trained;
    progress::heading(name);
    let mut step = Step::begin("trainer");
    let mut cargo = command("cargo");
    cargo.args(["build", "--release", "-p", "sluice-origin", "--example", name]).args(features);
    cargo.current_dir(workspace.root());
    process::run(&mut step, cargo, &workspace.log(&format!("build-{name}"))?)?;
    step.done("built");
    let shipped = workspace.path(&format!("origin/{name}/model"));
    let made = workspace.target().join(name);
    let model = if judge { shipped.clone() } else { made.clone() };
    if !judge {
        trainer(workspace, name, &["train".as_ref(), made.as_os_str()], &numbers)?;
        let same = |file: &&&str| fs::read(made.join(file)).ok() == fs::read(shipped.join(file)).ok();
        match files.iter().filter(|file| !same(file)).count() {
            0 => progress::note("it is the shipped model, byte for byte"),
            other => progress::note(&format!("{other} of its {} files are not those that are shipped", files.len())),
        }
    }
    let good = trainer(workspace, name, &["evaluate".as_ref(), model.as_os_str()], &["--wrong".into(), "3".into()]);
    if keep {
        for file in files {
            let to = shipped.join(file);
            if let Some(directory) = to.parent() {
                fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
            }
            fs::copy(made.join(file), &to).with_context(|| format!("cannot write {}", to.display()))?;
        }
    }
    good.map(|()| ExitCode::SUCCESS)
}

/// Runs the program on this terminal, in our own process group, so that Ctrl-C ends it at once.
fn trainer(workspace: &Workspace, name: &str, words: &[&std::ffi::OsStr], numbers: &[String]) -> Result<()> {
    let mut trainer = command_in_our_group(workspace.target().join("release/examples").join(name));
    trainer.args(words).args(numbers).current_dir(workspace.root());
    // Whole batches are computed side by side; threads inside of each would be in their way.
    trainer.env("RAYON_NUM_THREADS", "1");
    // Each step takes and gives back the same memory. glibc would hand it to the system in between, for a tenth of the
    // time.
    for (setting, bytes) in [("MMAP_THRESHOLD", 1 << 31), ("TRIM_THRESHOLD", 1 << 32), ("TOP_PAD", 1 << 26)] {
        trainer.env(format!("MALLOC_{setting}_"), u64::to_string(&bytes));
    }
    let status = trainer.status().context("cannot start the trainer")?;
    if !status.success() {
        bail!("`{}` ended with {status}", process::show(&trainer));
    }
    Ok(())
}
