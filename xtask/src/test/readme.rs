//! The README's two commands, run as a new user runs them: `dev --once` answers and ends, `dev --json` serves until it is
//! interrupted and leaves nothing behind.

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::host::{process::command, progress::Step, workspace::Workspace};

/// How long an interrupted `dev` may take to end both gates; it waits for the origin to drain.
const PATIENCE: Duration = Duration::from_secs(60);

/// The first page, in both languages.
const PAGES: [&str; 2] = ["README.md", "README.zh.md"];
/// What it asks first.
const QUESTION: &str = "What is Sluice?";

/// Runs both, on free ports, with a state directory of their own. Everything they need has been built.
pub(super) fn run(workspace: &Workspace) -> Result<u32> {
    let step = Step::begin("README's commands");
    let state = workspace.root().join("target/sluice/readme-state");
    match once(workspace, &state).and_then(|()| serves_until_interrupted(workspace, &state)) {
        Ok(()) => {
            step.done("answered, served, stopped");
            Ok(2)
        }
        Err(error) => {
            step.failed();
            Err(error)
        }
    }
}

fn once(workspace: &Workspace, state: &Path) -> Result<()> {
    let output = dev(workspace, state)?.args(["--once", QUESTION]).output().context("cannot start `dev --once`")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`dev --once` failed: {}\n{said}", output.status);
    check_completion(&output.stdout)
        .and_then(|content| PAGES.iter().try_for_each(|page| check_shown(&content, page, &workspace.read(page)?)))
        .with_context(|| format!("what `dev --once` printed; it also said\n{said}"))
}

/// A completion with usage and the request's id that ended by itself; returns what it says.
fn check_completion(printed: &[u8]) -> Result<String> {
    let completion: Value = serde_json::from_slice(printed).context("not JSON")?;
    ensure!(completion["object"] == "chat.completion", "not a completion: {completion}");
    ensure!(completion["usage"]["completion_tokens"].as_u64() > Some(0), "no usage: {completion}");
    let id = completion["x-request-id"].as_str().unwrap_or_default();
    ensure!(id.starts_with("req_"), "no x-request-id: {completion}");
    let choice = &completion["choices"][0];
    ensure!(choice["finish_reason"] == "stop", "it did not end by itself: {completion}");
    choice["message"]["content"].as_str().map(str::to_owned).context("it says nothing")
}

/// A page shows the question and this answer to it.
fn check_shown(content: &str, page: &str, text: &str) -> Result<()> {
    for shown in
        [format!("cargo xtask dev --once \"{QUESTION}\""), format!("\"content\": {}", serde_json::json!(content))]
    {
        ensure!(text.contains(&shown), "{page} does not show {shown}");
    }
    Ok(())
}

fn serves_until_interrupted(workspace: &Workspace, state: &Path) -> Result<()> {
    let mut child =
        dev(workspace, state)?.arg("--json").stdout(Stdio::piped()).spawn().context("cannot start `dev --json`")?;
    let result = ready_then_gone(&mut child);
    if result.is_err() {
        // Its own handler ends both gates; nothing is left to do if it has ended already.
        let _ = interrupt(&child);
        let _ = child.wait();
    }
    result
}

fn ready_then_gone(child: &mut Child) -> Result<()> {
    let stdout = child.stdout.take().context("standard output was piped")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).context("reading the ready line")?;
    let ready: Value = serde_json::from_str(&line).with_context(|| format!("not a ready line: {line:?}"))?;
    for member in ["url", "admin_token", "api_key", "origin_url"] {
        ensure!(ready[member].as_str().is_some_and(|value| !value.is_empty()), "the ready line has no {member}");
    }
    let gates = [address(&ready["url"])?, address(&ready["origin_url"])?];
    for gate in gates {
        TcpStream::connect(gate).with_context(|| format!("nothing listens on {gate}"))?;
    }
    has_console(&ready["url"])?;
    interrupt(child)?;
    let asked = Instant::now();
    while child.try_wait()?.is_none() {
        ensure!(asked.elapsed() < PATIENCE, "`dev` still runs {} s after it was interrupted", PATIENCE.as_secs());
        std::thread::park_timeout(Duration::from_millis(50));
    }
    match gates.into_iter().find(|gate| TcpStream::connect(gate).is_ok()) {
        Some(gate) => bail!("something still listens on {gate} after `dev` has ended"),
        None => Ok(()),
    }
}

/// wrangler serves the console with its policy, as workerd does in the end-to-end tests.
fn has_console(url: &Value) -> Result<()> {
    let page = format!("{}/console/", url.as_str().unwrap_or_default());
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).timeout_global(Some(PATIENCE)).build().into();
    let answer = agent.get(&page).call().with_context(|| format!("no console at {page}"))?;
    let policy = answer.headers().get("content-security-policy").and_then(|policy| policy.to_str().ok());
    ensure!(
        policy.is_some_and(|policy| policy.contains("default-src 'none'")),
        "{page} has no strict policy: {policy:?}"
    );
    Ok(())
}

fn dev(workspace: &Workspace, state: &Path) -> Result<Command> {
    let mut dev = command(std::env::current_exe().context("this program has a path")?);
    dev.args(["dev", "--port", "0", "--origin-port", "0", "--state"]).arg(state);
    dev.current_dir(workspace.root()).stdin(Stdio::null()).stderr(Stdio::piped());
    Ok(dev)
}

fn interrupt(child: &Child) -> Result<()> {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a child has a process id")?;
    kill_process(id, Signal::INT).context("interrupting `dev`")
}

fn address(url: &Value) -> Result<SocketAddr> {
    let url = url.as_str().unwrap_or_default();
    url.trim_start_matches("http://").parse().with_context(|| format!("{url} is not http://ADDRESS:PORT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_completion_passes() {
        let choices = r#""choices":[{"message":{"content":"two gates"},"finish_reason":"stop"}]"#;
        let good = format!(
            r#"{{"object":"chat.completion","usage":{{"completion_tokens":3}},"x-request-id":"req_a",{choices}}}"#
        );
        assert_eq!(check_completion(good.as_bytes()).unwrap(), "two gates");
        assert!(check_completion(good.replace("stop", "length").as_bytes()).is_err());
        let readme = "cargo xtask dev --once \"What is Sluice?\"\n  \"content\": \"two gates\"";
        assert!(check_shown("two gates", "README.md", readme).is_ok());
        assert!(check_shown("three gates", "README.md", readme).is_err());
        for bad in [
            "",
            "{}",
            r#"{"object":"chat.completion","usage":{"completion_tokens":0},"x-request-id":"req_a"}"#,
            r#"{"object":"chat.completion","usage":{"completion_tokens":3}}"#,
        ] {
            assert!(check_completion(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    /// What a reader types is the same in both languages.
    #[test]
    fn both_pages_show_the_same_calls() {
        let calls = |page: &str| {
            let text = Workspace::locate().read(page).unwrap();
            let blocks = text.split("\n```").filter(|block| block.starts_with("sh\n") || block.starts_with("python\n"));
            blocks.map(str::to_owned).collect::<Vec<_>>()
        };
        let [first, other] = PAGES.map(calls);
        assert_eq!(first.len(), 2);
        assert_eq!(first, other);
    }
}
