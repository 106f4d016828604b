//! `cargo xtask bench origin`: the engine beside llama.cpp, on the same made-up weights, in one run.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, bail};
use lexopt::{Arg, Parser, ValueExt};

use super::embedded;
use super::figures::median;
use super::llama::Llama;
use super::served::{self, Match};
use crate::host::process::{self, command};
use crate::host::progress;
use crate::host::workspace::Workspace;

pub(super) const USAGE: &str = "\
Usage: cargo xtask bench origin [--shape NAME] [--rounds N] [--threads N] [--served | --embeddings]

Measures the origin's engine and llama.cpp (built for this machine, into target/peers) on GGUF files of the same made-up
weights: prompts of 128 and 1,024 tokens, answers of 1, 4, 8 and 16 sequences at once, and at 2,048 positions; then
candle-transformers and the origin over HTTP beside its engine, once; the origin and llama-server, which batches what comes
at once, over HTTP with 8 and 16 clients; the origin's gate under ten times the load that fits; and the built-in model.
Compare the ratios, not the figures. The files take some 1.5 GB under target/bench.

  --shape    the model's shape (Qwen3-0.6B)
  --rounds   rounds of which the median counts; they alternate (3)
  --threads  threads that compute (the machine's)
  --served   only the origin and llama-server over HTTP
  --embeddings  only texts that are embedded: 8 of 512 tokens in one request, the origin and llama-server over HTTP
";

/// Sets up what is missing, measures in turn, and prints one table per type of weights.
pub(super) fn run(workspace: &Workspace, mut args: Parser) -> Result<()> {
    let mut options = Options {
        shape: "Qwen3-0.6B".to_owned(),
        rounds: 3,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        served_only: false,
        embeddings_only: false,
    };
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("shape") => options.shape = args.value()?.string()?,
            Arg::Long("rounds") => options.rounds = args.value()?.parse()?,
            Arg::Long("threads") => options.threads = args.value()?.parse()?,
            Arg::Long("served") => options.served_only = true,
            Arg::Long("embeddings") => options.embeddings_only = true,
            Arg::Long("help") | Arg::Short('h') => {
                print!("{USAGE}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if options.rounds == 0 || options.threads == 0 {
        bail!("--rounds and --threads are at least 1");
    }
    let home = workspace.target().join("bench");
    fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
    let llama = Llama::ensure(workspace)?;
    progress::heading("bench");
    let mut cargo = command("cargo");
    cargo.args(["build", "--release", "-p", "sluice-origin", "--bin", "sluice-origin"]).current_dir(workspace.root());
    measured(workspace, "the origin's program", cargo)?;
    // Each with the format that is its quickest: llama.cpp repacks Q4_0 for this machine, candle Q4K.
    for (name, ours, theirs) in [("8 bits", "q8_0", "q8_0"), ("4 bits", "q4k", "q4_0")] {
        let file = |dtype: &str| home.join(format!("{}-{dtype}.gguf", options.shape));
        for dtype in [ours, theirs] {
            if !file(dtype).exists() {
                let write = format!("{},{dtype}", options.shape);
                engine(workspace, &options, &file(dtype), &format!("write {dtype}"), &["--write", &write])?;
            }
        }
        if ours == theirs && !options.served_only {
            embedded::run(workspace, &llama, &file(ours), (ours, options.threads, options.rounds))?;
        }
        if options.embeddings_only {
            return Ok(());
        }
        if !options.served_only {
            alone(workspace, &options, &llama, name, [(ours, &file(ours)), (theirs, &file(theirs))])?;
        }
        let (threads, rounds) = (options.threads, options.rounds);
        let served = Match { ours: &file(ours), theirs: &file(theirs), threads, rounds };
        let mut figures = served.play(workspace, &llama, &format!("{name} over HTTP"))?;
        print!("{}", served::table(name, (ours, theirs), &mut figures));
    }
    if !options.served_only {
        gate(workspace)?;
        built_in_model(workspace, &options)?;
    }
    println!(
        "medians of {} rounds; tokens per second, {} with made-up weights; {} threads\n\
         over HTTP: streamed answers of 64 tokens to prompts of 21, each prompt once; llama-server is of the same sources as \
         llama.cpp, has as many slots as there are clients, and all else as it comes (continuous batching, prompt cache)",
        options.rounds, options.shape, options.threads
    );
    Ok(())
}

/// The engines, and what is measured beside ours.
fn alone(
    workspace: &Workspace,
    options: &Options,
    peer: &Llama,
    name: &str,
    [(ours, our_file), (theirs, their_file)]: [(&str, &Path); 2],
) -> Result<()> {
    let mut sluice: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut llama: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for round in 1..=options.rounds {
        let label = format!("{name}, round {round}");
        // What stands beside is measured once: it is slow, and only told.
        let beside = if round == options.rounds { &["--rounds", "1", "--beside"][..] } else { &["--rounds", "1"] };
        collect(&engine(workspace, options, our_file, &format!("{label}: Sluice"), beside)?, &mut sluice)?;
        let mut python = peer.python();
        python.arg(workspace.path("tests/bench/peers/llama.py")).arg(their_file).arg(options.threads.to_string());
        collect(&measured(workspace, &format!("{label}: llama.cpp"), python)?, &mut llama)?;
    }
    print!("{}", table(name, (ours, theirs), &mut sluice, &mut llama));
    print!("{}", beside(&mut sluice));
    print!("{}", served(&mut sluice));
    Ok(())
}

/// The gate under more than fits.
fn gate(workspace: &Workspace) -> Result<()> {
    let mut gate: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut cargo = command("cargo");
    cargo.args(["bench", "-q", "-p", "sluice-origin", "--bench", "overload"]).env("CANDLE_NUM_THREADS", "1");
    cargo.current_dir(workspace.root());
    collect(&measured(workspace, "ten times too many, and 10,000 requests", cargo)?, &mut gate)?;
    print!("{}", overload(&mut gate));
    Ok(())
}

/// The model that is a part of the program.
fn built_in_model(workspace: &Workspace, options: &Options) -> Result<()> {
    let mut cargo = command("cargo");
    let threads = options.threads.to_string();
    cargo.args(["bench", "-q", "-p", "sluice-origin", "--bench", "tiny"]).current_dir(workspace.root());
    cargo.env("CANDLE_NUM_THREADS", &threads).env("RAYON_NUM_THREADS", &threads);
    let mut tiny: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    collect(&measured(workspace, "the built-in model", cargo)?, &mut tiny)?;
    print!("{}", built_in(&mut tiny));
    Ok(())
}

struct Options {
    shape: String,
    rounds: usize,
    threads: usize,
    /// Whether only what is served over HTTP beside llama-server is measured.
    served_only: bool,
    /// Whether only embeddings are measured.
    embeddings_only: bool,
}

fn engine(workspace: &Workspace, options: &Options, file: &Path, label: &str, arguments: &[&str]) -> Result<String> {
    let mut cargo = command("cargo");
    cargo.args(["bench", "-q", "-p", "sluice-origin", "--bench", "engine", "--", "--gguf"]).arg(file).args(arguments);
    let threads = options.threads.to_string();
    cargo.env("CANDLE_NUM_THREADS", &threads).env("RAYON_NUM_THREADS", &threads).current_dir(workspace.root());
    measured(workspace, label, cargo)
}

fn measured(workspace: &Workspace, label: &str, program: std::process::Command) -> Result<String> {
    process::run_as_step(label, program, &workspace.log("bench-origin")?)
}

/// Adds a run's figures: its lines that are JSON.
fn collect(printed: &str, figures: &mut BTreeMap<String, Vec<f64>>) -> Result<()> {
    let mut found = false;
    for line in printed.lines().filter(|line| line.starts_with('{')) {
        let figure: serde_json::Value = serde_json::from_str(line).context("a figure is not JSON")?;
        if let (Some(name), Some(value)) = (figure["figure"].as_str(), figure["value"].as_f64()) {
            figures.entry(name.to_owned()).or_default().push(value);
            found = true;
        }
    }
    if found { Ok(()) } else { bail!("no figure was printed") }
}

/// The figures of both, in the order in which they are measured.
const ROWS: [&str; 7] =
    ["prefill 128", "prefill 1024", "decode 1", "decode 4", "decode 8", "decode 16", "decode 1 at 2048"];

fn table(
    name: &str,
    (ours, theirs): (&str, &str),
    sluice: &mut BTreeMap<String, Vec<f64>>,
    llama: &mut BTreeMap<String, Vec<f64>>,
) -> String {
    let (left, right) = (format!("Sluice {ours}"), format!("llama.cpp {theirs}"));
    let mut text = format!("\n{name:<18}{left:>14}{right:>18}{:>9}\n", "ratio");
    for row in ROWS {
        let (left, right) = (median(sluice.get_mut(row)), median(llama.get_mut(row)));
        text += &format!("{row:<18}{left:>14.1}{right:>18.1}{:>9.2}\n", left / right);
    }
    let memory = |figures: &mut BTreeMap<String, Vec<f64>>| median(figures.get_mut("memory")) / f64::from(1 << 20);
    let (left, right) = (memory(sluice), memory(llama));
    text + &format!("{:<18}{left:>14.0}{right:>18.0}{:>9.2}\n", "memory, MiB", left / right)
}

/// What one row reaches of the memory's bandwidth, and candle-transformers' own model, which serves one sequence.
fn beside(sluice: &mut BTreeMap<String, Vec<f64>>) -> String {
    let mut figure = |name: &str| median(sluice.get_mut(name));
    let (bandwidth, weights, one) = (figure("bandwidth"), figure("weights"), figure("decode 1"));
    let mut text = format!(
        "decode 1 reads {:.1} of {:.1} GB/s that this machine reads: {:.0} %\n",
        weights * one / 1e9,
        bandwidth / 1e9,
        100.0 * weights * one / bandwidth
    );
    for row in ["prefill 128", "prefill 1024", "decode 1"] {
        let (own, candle) = (figure(row), figure(&format!("candle {row}")));
        text +=
            &format!("candle-transformers, {row}: {candle:.1} tok/s; Sluice is {:.2} times as fast\n", own / candle);
    }
    text
}

/// What the second gate does when ten times as many come as fit.
fn overload(gate: &mut BTreeMap<String, Vec<f64>>) -> String {
    let mut figure = |name: &str| median(gate.get_mut(name));
    let mut text = "\na small random model, 4 slots, 4 places in the queue, answers of 64 tokens\n".to_owned();
    for (name, load) in [("8 clients, which fit", "full"), ("80 clients", "10x")] {
        text += &format!(
            "{name:<22}{:>8.1} served/s, first token {:>7.1} ms (median) {:>7.1} ms (p99)\n",
            figure(&format!("{load}, served")),
            figure(&format!("{load}, first token, median")),
            figure(&format!("{load}, first token, p99"))
        );
    }
    let (full, over) = (figure("full, first token, p99"), figure("10x, first token, p99"));
    text += &format!(
        "p99 at ten times the load {:.2} times that at full load; {:.1} refusals/s, {:.2} ms (median), {:.1} ms (p99)\n",
        over / full,
        figure("10x, refused"),
        figure("10x, refusal, median"),
        figure("10x, refusal, p99")
    );
    let mebibytes = f64::from(1 << 20);
    text + &format!(
        "memory after 1,000 requests {:.1} MiB, after 10,000 {:.1} MiB ({:.0} requests/s, a third left in the middle)\n",
        figure("churn, memory after 1000") / mebibytes,
        figure("churn, memory after 10000") / mebibytes,
        figure("churn, requests")
    )
}

/// How quick the built-in model is.
fn built_in(tiny: &mut BTreeMap<String, Vec<f64>>) -> String {
    let mut figure = |name: &str| median(tiny.get_mut(&format!("tiny, {name}")));
    format!(
        "tiny, one client over HTTP: {:.0} tok/s, first token {:.1} ms (median) {:.1} ms (p99); loaded in {:.1} ms; {:.1} MB of the program\n",
        figure("one client"),
        figure("first token, median"),
        figure("first token, p99"),
        figure("load"),
        figure("bytes in the program") / 1e6
    )
}

/// What the whole origin serves beside its engine alone, both in one process.
fn served(sluice: &mut BTreeMap<String, Vec<f64>>) -> String {
    let mut text = String::new();
    for clients in [8, 16] {
        let mut figure = |what: &str| median(sluice.get_mut(&format!("served {clients}{what}")));
        let (rate, half, most) = (figure(""), figure(", first token, median"), figure(", first token, p99"));
        let alone = median(sluice.get_mut(&format!("alone {clients}")));
        text += &format!(
            "over HTTP, {clients} clients: {rate:.1} tok/s, {:.1} % of the engine alone ({alone:.1}); first token after {half:.0} \
             ms (median), {most:.0} ms (p99)\n",
            100.0 * rate / alone
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_and_lined_up() {
        let (mut sluice, mut llama) = (BTreeMap::new(), BTreeMap::new());
        for value in [3.0, 1.0, 2.0] {
            let line = format!("noise\n{{\"figure\":\"decode 8\",\"unit\":\"tok/s\",\"value\":{value}}}\n");
            collect(&line, &mut sluice).unwrap();
        }
        collect("{\"figure\":\"decode 8\",\"value\":1.0}", &mut llama).unwrap();
        let table = table("8 bits", ("a", "b"), &mut sluice, &mut llama);
        assert!(table.contains("decode 8                     2.0               1.0     2.00"), "{table}");
        assert!(collect("nothing", &mut llama).is_err());
    }
}
