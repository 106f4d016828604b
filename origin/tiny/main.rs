//! Makes the built-in model `tiny`, from nothing: its text, its vocabulary, its weights, and what they are worth.
//!
//! Read the modules in this order. Dialogues are made in **families**. **vocabulary** and **examples** turn them into
//! tokens, and **examples/drills** adds what dialogues teach too slowly. **training** adjusts the **network** to them,
//! and in its later stages to **examples/rows**, which stand for long contexts. **export** writes it down, and
//! **evaluation** judges it. `cargo xtask train-tiny` runs this program.

mod dialogue;
mod evaluation;
mod examples;
mod export;
mod families;
mod network;
mod random;
mod training;
mod vocabulary;

use crate::families::Late;
use crate::training::{From, Options};
use clap::{Parser, Subcommand};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// Makes the built-in model.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Learns a vocabulary, trains a network and writes both.
    Train {
        /// Where the model is written.
        directory: PathBuf,
        /// Steps of the first stage.
        #[arg(long, default_value_t = 5000)]
        steps: usize,
        /// Steps of the second stage.
        #[arg(long, default_value_t = 2000)]
        second_steps: usize,
        /// Steps of the third stage.
        #[arg(long, default_value_t = 2500)]
        third_steps: usize,
        /// Decides everything.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many threads compute.
        #[arg(long, default_value_t = 2)]
        threads: usize,
        /// Goes on with a run that was cut off.
        #[arg(long)]
        resume: bool,
        /// Leaves the first stage out: the second goes on from the model in this directory.
        #[arg(long, conflicts_with = "from_second")]
        from: Option<PathBuf>,
        /// Leaves out the second stage, too: the third goes on from the model in this directory.
        #[arg(long)]
        from_second: Option<PathBuf>,
    },
    /// Asks what was kept from the training and prints a table. Exits with 1 if an aim is missed.
    Evaluate {
        /// Where the model is.
        directory: PathBuf,
        /// How many wrong answers of each family to print.
        #[arg(long, default_value_t = 0)]
        wrong: usize,
        /// Asks nothing beside tools.
        #[arg(long)]
        brief: bool,
    },
    /// Asks one question.
    Ask {
        /// Where the model is.
        directory: PathBuf,
        /// The question.
        question: String,
        /// Switches thinking off.
        #[arg(long)]
        no_thinking: bool,
    },
    /// Prints dialogues that are trained on.
    Show {
        /// How many.
        count: usize,
        /// Those of the third stage.
        #[arg(long)]
        late: bool,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<bool, Box<dyn Error + Send + Sync>> {
    match command {
        Command::Train { directory, steps, second_steps, third_steps, seed, threads, resume, from, from_second } => {
            let from = from.map(From::First).or(from_second.map(From::Second));
            // Batches are computed side by side; the threads inside of each would be in their way.
            if candle_core::utils::get_num_threads() != 1 {
                return Err("set RAYON_NUM_THREADS=1; --threads says how many compute".into());
            }
            std::fs::create_dir_all(&directory)?;
            if !resume {
                let tokenizer = match &from {
                    Some(from) => serde_json::from_slice(&std::fs::read(from.directory().join("tokenizer.json"))?)?,
                    None => vocabulary::learn(seed)?,
                };
                export::text(&directory, &tokenizer)?;
            }
            let threads = threads.max(1);
            training::train(&directory, &Options { steps, second_steps, third_steps, seed, threads, resume, from })?;
            Ok(true)
        }
        Command::Evaluate { directory, wrong, brief } => {
            evaluation::evaluate(&directory, evaluation::Options { shown: wrong, is_brief: brief })
        }
        Command::Ask { directory, question, no_thinking } => {
            println!("{}", evaluation::ask(&directory, &question, no_thinking)?);
            Ok(true)
        }
        Command::Show { count, late } => {
            let mut random = random::Random::new(1);
            for _ in 0..count {
                let dialogue = match late {
                    true => families::late_dialogue(&mut random, Late::Third),
                    false => families::dialogue(&mut random),
                };
                println!("{}\n  -> {:?}", dialogue.body(), dialogue.answer);
            }
            Ok(true)
        }
    }
}
