//! `cargo xtask replay`: the requests of the edge's log, decided again by other plans.

use anyhow::{Context, Result, anyhow, bail};
use lexopt::{Arg, Parser, ValueExt};
use sluice_protocol::limit::plan::PlanTable;
use sluice_replay::example::{self, Example};
use sluice_replay::log::{self, Log};
use sluice_replay::replay::{Named, replay};
use sluice_replay::{json, periods, table};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

const USAGE: &str = "\
Usage: cargo xtask replay --log FILE --plans CANDIDATE [--against CURRENT] [--json]
       cargo xtask replay --example REQUESTS --plans PLANS [--accounts N] [--every MS] [--seed N]

Decides the requests of the edge's log (REQUEST_LOG=known) again, by other plans: who would have been refused, when, by
which limit, and how much each plan would have let through. docs/replay.md says what it can know and what it cannot.

  --log        lines of the edge's log, as the Worker writes them; - for standard input. Other lines are passed over
  --plans      a plan table, as PUT /admin/v1/plans takes it
  --against    another table, such as the one in force: both are replayed, and what differs is told
  --json       all of it, as JSON
  --example    writes a log instead, of callers that never were, whose requests these plans have decided
  --accounts   of how many accounts (500)
  --every      a request every so many milliseconds, in the mean (100)
  --seed       the same one gives the same log (1)
";

fn main() -> ExitCode {
    match run(Parser::from_env()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_pipe_closed(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut args: Parser) -> Result<()> {
    let (mut log, mut plans, mut against, mut is_json) = (None, None, None, false);
    let (mut example, mut is_example) = (Example::default(), false);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("log") => log = Some(args.value()?.string()?),
            Arg::Long("plans") => plans = Some(args.value()?.string()?),
            Arg::Long("against") => against = Some(args.value()?.string()?),
            Arg::Long("json") => is_json = true,
            Arg::Long("example") => (example.requests, is_example) = (args.value()?.parse()?, true),
            Arg::Long("accounts") => example.accounts = args.value()?.parse()?,
            Arg::Long("every") => example.every_ms = args.value()?.parse()?,
            Arg::Long("seed") => example.seed = args.value()?.parse()?,
            Arg::Long("help") | Arg::Short('h') => {
                print!("{USAGE}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let Some(plans) = plans else { bail!("say which plans: --plans FILE\n\n{USAGE}") };
    let candidate = read_plans(&plans)?;
    if is_example {
        let mut to = BufWriter::new(io::stdout().lock());
        example::write(example, &candidate, &mut to)?;
        return Ok(to.flush()?);
    }
    let Some(log) = log else { bail!("say which log: --log FILE\n\n{USAGE}") };
    let current = against.as_deref().map(read_plans).transpose()?;
    let named = against.as_deref().zip(current.as_ref()).map(|(name, table)| Named { name, table });
    let progress = Progress::new();
    let read = read_log(&log, &progress)?;
    let told = |done, all| progress.tell(|| format!("{done} of {all} requests are replayed"));
    let replayed = replay(&read, Named { name: &plans, table: &candidate }, named, told)?;
    let tables = [Some(&candidate), current.as_ref()];
    let text = match is_json {
        true => format!("{:#}\n", json::of(&replayed, tables)),
        false => table::of(&replayed, [&plans, against.as_deref().unwrap_or_default()], tables),
    };
    let mut to = io::stdout().lock();
    to.write_all(text.as_bytes())?;
    Ok(to.flush()?)
}

fn read_plans(file: &str) -> Result<PlanTable> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
    PlanTable::parse_with(&text, periods::is_zone).map_err(|mistakes| {
        let told: Vec<_> =
            mistakes.iter().map(|mistake| format!("{file}: {}: {}", mistake.at, mistake.problem)).collect();
        anyhow!(told.join("\n"))
    })
}

fn read_log(file: &str, progress: &Progress) -> Result<Log> {
    let told = |lines| progress.tell(|| format!("{lines} lines are read"));
    let from: Box<dyn BufRead> = match file {
        "-" => Box::new(io::stdin().lock()),
        _ => {
            let opened = File::open(file).with_context(|| format!("cannot read {file}"))?;
            Box::new(BufReader::with_capacity(BUFFER, opened))
        }
    };
    log::read(from, told).with_context(|| file.to_owned())
}

/// Says on standard error how far it is, where it takes longer than a person waits for without wondering.
struct Progress(Mutex<Instant>);

impl Progress {
    fn new() -> Self {
        Self(Mutex::new(Instant::now() + EVERY))
    }

    fn tell(&self, text: impl FnOnce() -> String) {
        // Whoever holds it tells.
        let Ok(mut next) = self.0.try_lock() else { return };
        let now = Instant::now();
        if now >= *next {
            *next = now + EVERY;
            eprintln!("{}", text());
        }
    }
}

fn is_pipe_closed(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    kind == Some(io::ErrorKind::BrokenPipe)
}

/// How often it says so.
const EVERY: Duration = Duration::from_secs(2);
/// What is read at once.
const BUFFER: usize = 1 << 20;
