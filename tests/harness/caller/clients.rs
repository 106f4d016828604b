//! Callers that are other people's programs: Python, with the clients of `tests/requirements.txt`, and Node, with those of
//! `tests/clients/package.json`. They call through a [`Splitter`]: whatever they parse, they parse it in pieces.

use super::splitter::Splitter;
use crate::tools;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Runs a program of `tests/clients`, by its room and its name, to its end and returns the JSON that it printed.
pub fn run_client(script: &str, arguments: &[&str]) -> Value {
    run(&tools::python(), script, arguments)
}

/// The same for a program in Node.
pub fn run_node_client(script: &str, arguments: &[&str]) -> Value {
    let client = tools::client_script("node_modules/openai/package.json");
    assert!(client.is_file(), "the Node clients are not installed ({}): run `cargo xtask test`", client.display());
    run(&tools::node(), script, arguments)
}

fn run(interpreter: &Path, script: &str, arguments: &[&str]) -> Value {
    let mut cut = String::new();
    let arguments = arguments.iter().map(|argument| match through(argument) {
        Some((splitter, argument)) => {
            cut = format!("SLUICE_SEED={} cuts the same again", splitter.seed());
            argument
        }
        None => (*argument).to_owned(),
    });
    let arguments: Vec<_> = arguments.collect();
    let output = Command::new(interpreter)
        .arg(tools::client_script(script))
        .args(arguments)
        // No proxy and no key of the machine's.
        .env_clear()
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("the interpreter starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {}; {cut}\n{errors}", output.status);
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{script} printed no JSON: {error}; {cut}\n{errors}"))
}

/// The URL of a gate as that of a splitter before it; `None` for an argument that is no such URL.
fn through(argument: &str) -> Option<(Splitter, String)> {
    let rest = argument.strip_prefix("http://")?;
    let (gate, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let splitter = Splitter::start(gate.parse().ok()?);
    let url = format!("http://{}{path}", splitter.address());
    Some((splitter, url))
}
