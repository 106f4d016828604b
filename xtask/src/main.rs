//! `cargo xtask`: everything a person, wrangler or a CI machine runs in this repository.
//!
//! Read it in the order of the `mod` list.

// how things are run, shown and found
mod host;
// what set-up brings in
mod setup;
// one per command; those for the origin alone share a room
mod audit;
mod bench;
mod board;
mod build_edge;
mod check;
mod console;
mod dev;
mod open_webui;
mod origin;
mod replay;
mod secrets;
mod soak;
mod test;

use std::process::ExitCode;

use anyhow::{Result, bail};
use lexopt::{Arg, Parser};

use crate::host::{process, progress, workspace::Workspace};

/// What `cargo xtask` answers to a command it does not know, and to `help`.
const USAGE: &str = "\
Usage: cargo xtask COMMAND

  setup        bring in what the other commands need: wasm target, Node tools, wasm-bindgen;
               `--clients` also brings in what calls the gates in the end-to-end tests
  dev          set up, build and start both gates, issue a key, say how to call it (`cargo xtask dev --help`)
  build-edge   build the Worker into edge/build/; wrangler runs this
  console      build the console into edge/build/assets/, a part of every build of the edge (`cargo xtask console --help`)
  check        formatting, lints, the invariants of ARCHITECTURE.md, docs, licences
  test         set up, check, and every test; `--quick` leaves the end-to-end tests out
  bench edge   what a request costs at the edge, side by side with an empty Worker (`cargo xtask bench --help`)
  parity       the origin beside Hugging Face transformers, on models made here (`cargo xtask parity --help`)
  cuda         build the origin for CUDA, with or without a GPU at hand (`cargo xtask cuda --help`)
  board        the board for Grafana and the rules for Prometheus, docs/grafana.json and docs/prometheus-rules.yml
  secrets      a deployment's secrets: make them, replace them, hand them over (`cargo xtask secrets --help`)
  train-tiny   make the built-in model again, from nothing (`cargo xtask train-tiny --help`); train-tiny-embed: the one
               that embeds; train-tiny-draw: the one that draws
  audit        what any gateway's limits are worth: bursts, paced load, killed streams (`cargo xtask audit --help`)
  soak         an hour of hostile callers beside one who behaves (`cargo xtask soak --help`)
  open-webui   Open WebUI itself before both gates, driven in Chromium (`cargo xtask open-webui --help`)
  replay       what other plans would have made of the requests in the edge's log (`cargo xtask replay --help`)
  audit verify whether an export of the audit log is whole and unchanged (`cargo xtask audit verify --help`)
  help         this text

Environment:
  NO_COLOR       no colour, also on a terminal
";

fn main() -> ExitCode {
    process::listen_for_signals();
    match dispatch(Parser::from_env()) {
        Ok(code) => code,
        Err(error) if error.is::<process::Interrupted>() => ExitCode::from(130),
        Err(error) => {
            progress::note(process::last_words(&error));
            progress::error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// One line per command: the first free word names it, the rest of the line is its own.
fn dispatch(mut args: Parser) -> Result<ExitCode> {
    let command = match args.next()? {
        Some(Arg::Value(command)) => command.to_string_lossy().into_owned(),
        Some(Arg::Long("help") | Arg::Short('h')) => "help".to_owned(),
        Some(other) => return Err(other.unexpected().into()),
        None => bail!("no command given\n\n{USAGE}"),
    };
    let workspace = Workspace::locate();
    match command.as_str() {
        "setup" => {
            let mut with_clients = false;
            while let Some(arg) = args.next()? {
                match arg {
                    Arg::Long("clients") => with_clients = true,
                    other => return Err(other.unexpected().into()),
                }
            }
            setup::run(&workspace)?;
            if with_clients {
                setup::clients(&workspace)?;
            }
        }
        "dev" => return dev::run(&workspace, args),
        "build-edge" => {
            no_more(args)?;
            build_edge::run(&workspace)?;
        }
        "console" => console::run(&workspace, args)?,
        "check" => {
            no_more(args)?;
            check::run(&workspace)?;
        }
        "test" => test::run(&workspace, args)?,
        "bench" => bench::run(&workspace, args)?,
        "parity" => origin::parity::run(&workspace, args)?,
        "cuda" => origin::cuda::run(&workspace, args)?,
        "board" => board::run(&workspace, args)?,
        "secrets" => secrets::run(&workspace, args)?,
        "train-tiny" => return origin::train_tiny::run(&workspace, &origin::train_tiny::TINY, args),
        "train-tiny-draw" => return origin::train_tiny::run(&workspace, &origin::train_tiny::TINY_DRAW, args),
        "train-tiny-embed" => return origin::train_tiny::run(&workspace, &origin::train_tiny::TINY_EMBED, args),
        "audit" => return audit::run(&workspace, args),
        "replay" => return replay::run(&workspace, args),
        "soak" => return soak::run(&workspace, args),
        "open-webui" => return open_webui::run(&workspace, args),
        "audit-log" => audit::log::run(args)?,
        "help" => print!("{USAGE}"),
        unknown => bail!("there is no command `{unknown}`\n\n{USAGE}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses what is left on the command line of a command that takes nothing.
fn no_more(mut args: Parser) -> Result<()> {
    match args.next()? {
        Some(left) => Err(left.unexpected().into()),
        None => Ok(()),
    }
}
