//! Callers that are other people's programs: Python, with the clients of `tests/requirements.txt`.

use crate::tools;
use serde_json::Value;
use std::process::Command;

/// Runs a program of `tests/clients` to its end and returns the JSON that it printed.
pub fn run_client(script: &str, arguments: &[&str]) -> Value {
    let output = Command::new(tools::python())
        .arg(tools::client_script(script))
        .args(arguments)
        // No proxy and no key of the machine's.
        .env_clear()
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("the interpreter starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {}\n{errors}", output.status);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{script} printed no JSON: {error}\n{errors}"))
}
