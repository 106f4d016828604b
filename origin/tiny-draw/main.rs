//! Makes the model `tiny-draw`, from nothing: its captions, its pictures, its vocabulary, its weights, and what they
//! are worth.
//!
//! Read the modules in this order. A **scene** is what a picture shows; **captions** says it, **render** shows it, and
//! **judge** tells what a picture shows. **vocabulary** turns captions into tokens. **training** adjusts the
//! **network** to them. **export** writes it down, and **evaluation** has the origin draw and the judge look. Chance,
//! the text encoder's operations with gradients and the optimiser are those of `origin/tiny`. `cargo xtask
//! train-tiny-draw` runs this program.

mod captions;
mod evaluation;
mod export;
mod judge;
mod network;
#[allow(dead_code, reason = "origin/tiny has a loss of its own")]
#[path = "../tiny/network/operations.rs"]
mod operations;
#[allow(dead_code, reason = "origin/tiny draws in more ways")]
#[path = "../tiny/random.rs"]
mod random;
mod render;
mod scene;
mod shape;
mod training;
mod vocabulary;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use training::Failure;

/// Makes the model that draws.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Learns a vocabulary, trains the networks and writes all.
    Train {
        /// Where the model is written.
        directory: PathBuf,
        /// Steps of what draws.
        #[arg(long, default_value_t = 4000)]
        steps: usize,
        /// Steps of the VAE before.
        #[arg(long, default_value_t = 1000)]
        vae_steps: usize,
        /// Decides everything.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many threads compute.
        #[arg(long, default_value_t = 2)]
        threads: usize,
        /// Goes on with a run that was cut off.
        #[arg(long)]
        resume: bool,
    },
    /// Has pictures drawn, judges them and prints a table. Exits with 1 if an aim is missed.
    Evaluate {
        /// Where the model is.
        directory: PathBuf,
        /// How many wrong pictures of each kind to tell.
        #[arg(long, default_value_t = 0)]
        wrong: usize,
        /// How many pictures of each kind to draw.
        #[arg(long, default_value_t = 100)]
        each: usize,
    },
    /// Draws one picture.
    Draw {
        /// Where the model is.
        directory: PathBuf,
        /// What is to be seen.
        caption: String,
        /// Decides the noise.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// The PNG file.
        #[arg(long)]
        out: PathBuf,
    },
    /// Prints captions that are trained on.
    Show {
        /// How many.
        count: usize,
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

fn run(command: Command) -> Result<bool, Failure> {
    match command {
        Command::Train { directory, steps, vae_steps, seed, threads, resume } => {
            // Parts are computed side by side; the threads inside of each would be in their way.
            if candle_core::utils::get_num_threads() != 1 {
                return Err("set RAYON_NUM_THREADS=1; --threads says how many compute".into());
            }
            std::fs::create_dir_all(&directory)?;
            if !resume {
                export::text(&directory, &vocabulary::learn(seed)?)?;
            }
            let threads = threads.max(1);
            training::train(&directory, &training::Options { vae_steps, steps, seed, threads, resume })?;
            Ok(true)
        }
        Command::Evaluate { directory, wrong, each } => evaluation::evaluate(&directory, each, wrong),
        Command::Draw { directory, caption, seed, out } => {
            evaluation::draw(&directory, &caption, seed, &out)?;
            Ok(true)
        }
        Command::Show { count } => {
            let mut random = random::Random::new(1);
            for _ in 0..count {
                let captions::Captioned { scene, caption } = captions::Captioned::of_training(&mut random);
                println!("{caption}\n  -> {scene:?}");
            }
            Ok(true)
        }
    }
}
