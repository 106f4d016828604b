//! The `sluice-origin` program: settings, start, signals.
//!
//! Standard output carries one JSON line; everything else goes to standard error.

use clap::Parser;
use serde_json::json;
use sluice_origin::config::{Cli, Command, Config, DrawArgs, ServeArgs};
use sluice_origin::draw;
use sluice_origin::engine::threads;
use sluice_origin::grant::generate_key;
use sluice_origin::models::choice::Models;
use sluice_origin::models::load::load;
use sluice_origin::models::tiny;
use sluice_origin::models::tiny_embed::TINY_EMBED;
use sluice_origin::server::Origin;
use std::process::ExitCode;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// The settings are wrong (sysexits.h).
const USAGE: u8 = 64;
/// Something else failed.
const FAILURE: u8 = 1;
/// A second signal came before the origin was drained.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no mistakes.
            let code = if error.use_stderr() { USAGE } else { 0 };
            let _ = error.print();
            return code.into();
        }
    };
    match cli.command {
        Command::Serve(arguments) => serve(*arguments),
        Command::Draw(arguments) => draw(*arguments),
        Command::Keygen { kid } => {
            let (private, public) = generate_key();
            println!("{}", json!({"kid": kid, "private": private, "public": public}));
            ExitCode::SUCCESS
        }
        Command::Tiny { directory, embed: false } => report(tiny::write(&directory)),
        Command::Tiny { directory, embed: true } => report(TINY_EMBED.write(&directory)),
    }
}

fn serve(arguments: ServeArgs) -> ExitCode {
    let (config, models) = match arguments.check() {
        Ok(checked) => checked,
        Err(mistakes) => {
            eprintln!("sluice-origin: {mistakes}");
            return USAGE.into();
        }
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    threads::settle();
    // The engine's threads compute; these two only carry bytes, and two more tokenise.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).max_blocking_threads(4).enable_all().build();
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(run(config, models));
            // A step or a load that still runs is not waited for.
            runtime.shutdown_background();
            code
        }
        Err(error) => report(Err(error)),
    }
}

fn draw(arguments: DrawArgs) -> ExitCode {
    let config = match arguments.check() {
        Ok(config) => config,
        Err(mistakes) => {
            eprintln!("sluice-origin: {mistakes}");
            return USAGE.into();
        }
    };
    threads::settle();
    match draw::run(&config) {
        Ok(drawn) => {
            let (file, seconds) = (config.out.display().to_string(), drawn.took.as_secs_f64());
            println!("{}", json!({"event": "drawn", "file": file, "tokens": drawn.tokens, "seconds": seconds}));
            ExitCode::SUCCESS
        }
        Err(error) => report(Err(error)),
    }
}

async fn run(config: Config, models: Models) -> ExitCode {
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return report(Err(error)),
    };
    let (bind, slots) = (config.bind, config.slots);
    let origin = match Origin::bind(config).await {
        Ok(origin) => origin,
        Err(error) => return report(Err(format!("cannot listen on {bind}: {error}"))),
    };
    // As many sequences are remembered as may run.
    let loading = tokio::task::spawn_blocking(move || load(models, 2 * slots));
    let backends = tokio::select! {
        loaded = loading => loaded,
        () = signals.next() => return ExitCode::SUCCESS,
    };
    match backends {
        Ok(Ok(backends)) => {
            if let Err(error) = origin.serve(backends) {
                return report(Err(error));
            }
        }
        Ok(Err(error)) => return report(Err(error)),
        Err(error) => return report(Err(error)),
    }
    println!("{}", json!({"event": "listening", "url": origin.url()}));
    signals.next().await;
    tokio::select! {
        () = origin.drain() => ExitCode::SUCCESS,
        () = signals.next() => INTERRUPTED.into(),
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn report<E: std::fmt::Display>(outcome: Result<(), E>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sluice-origin: {error}");
            FAILURE.into()
        }
    }
}
