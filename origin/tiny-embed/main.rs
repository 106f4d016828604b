//! Makes the built-in model `tiny-embed`, from nothing: its texts, its vocabulary, its weights, and what they are
//! worth.
//!
//! Read the modules in this order. **topics** has what people say, **wording** makes texts of it. **vocabulary** and
//! **pairs** turn those into tokens. **training** adjusts the **network** to them. **export** writes it down, and
//! **evaluation** judges it, beside counting **words**. Chance, the operations with gradients and the optimiser are
//! those of `origin/tiny`. `cargo xtask train-tiny-embed` runs this program.

mod embedder;
mod evaluation;
mod export;
mod network;
#[path = "../tiny/network/operations.rs"]
mod operations;
mod pairs;
#[allow(dead_code, reason = "origin/tiny draws in more ways")]
#[path = "../tiny/random.rs"]
mod random;
mod shape;
mod topics;
mod training;
mod vocabulary;
mod wording;
mod words;

use clap::{Parser, Subcommand};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// Makes the built-in model that embeds.
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
        /// Steps of the optimiser.
        #[arg(long, default_value_t = 260)]
        steps: usize,
        /// Decides everything.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The highest learning rate.
        #[arg(long, default_value_t = 4e-3)]
        rate: f64,
        /// How many threads compute.
        #[arg(long, default_value_t = 2)]
        threads: usize,
        /// Goes on with a run that was cut off.
        #[arg(long)]
        resume: bool,
    },
    /// Asks what was kept from the training and prints a table. Exits with 1 if an aim is missed.
    Evaluate {
        /// Where the model is.
        directory: PathBuf,
        /// How many wrong neighbours of each kind to print.
        #[arg(long, default_value_t = 0)]
        wrong: usize,
    },
    /// Prints what a test asks of the model, as JSON.
    Held,
    /// Prints what lies nearest to a text.
    Nearest {
        /// Where the model is.
        directory: PathBuf,
        /// The text.
        text: String,
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
        Command::Train { directory, steps, seed, rate, threads, resume } => {
            // Batches are computed side by side; the threads inside of each would be in their way.
            if candle_core::utils::get_num_threads() != 1 {
                return Err("set RAYON_NUM_THREADS=1; --threads says how many compute".into());
            }
            std::fs::create_dir_all(&directory)?;
            if !resume {
                export::text(&directory, &vocabulary::learn(seed)?)?;
            }
            training::train(&directory, training::Options { steps, seed, rate, threads: threads.max(1), resume })?;
            Ok(true)
        }
        Command::Evaluate { directory, wrong } => evaluation::evaluate(&directory, wrong),
        Command::Held => {
            println!("{}", serde_json::to_string_pretty(&evaluation::kept())?);
            Ok(true)
        }
        Command::Nearest { directory, text } => {
            for (near, text) in evaluation::nearest(&directory, &text)?.iter().take(5) {
                println!("{near:.3}  {text}");
            }
            Ok(true)
        }
    }
}
