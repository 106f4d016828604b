//! The program itself: its settings, its one line, its signals.

use crate::harness::{BOUND, Edge, claims, client, parts};
use serde_json::{Value, json};
use sluice_origin::models::endless;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice-origin"));
    command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    command
}

#[tokio::test]
async fn it_serves_until_it_is_told_to_stop() {
    let state = tempfile::tempdir().unwrap();
    let (mut child, url) = start(state.path()).await;
    let body = json!({"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5});
    let request = client().post(format!("{url}/v1/chat/completions")).header("content-type", "application/json");
    let (status, answer) = parts(request.body(body.to_string()).send().await.unwrap()).await;
    assert_eq!((status, &answer["usage"]["completion_tokens"]), (200, &json!(5)));
    signal(&child, "TERM").await;
    let ended = tokio::time::timeout(BOUND, child.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let state = tempfile::tempdir().unwrap();
    let (mut child, url) = start(state.path()).await;
    // Answers that take seconds, and more of them than there are slots.
    let body = json!({"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 4000});
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let request = client().post(format!("{url}/v1/chat/completions")).header("content-type", "application/json");
        waiting.spawn(request.body(body.to_string()).send());
    }
    let queued = async || client().get(format!("{url}/capacity")).send().await.unwrap().json::<Value>().await.unwrap();
    let start = std::time::Instant::now();
    while queued().await["queued"] != 8 {
        assert!(start.elapsed() < BOUND, "they never queued");
    }
    signal(&child, "INT").await;
    // It is draining: what runs and waits goes on.
    while client().get(format!("{url}/ready")).send().await.is_ok_and(|response| response.status() == 200) {
        assert!(start.elapsed() < BOUND, "it never drained");
    }
    signal(&child, "TERM").await;
    let ended = tokio::time::timeout(BOUND, child.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(130));
}

#[tokio::test]
async fn no_prompt_and_no_grant_is_logged() {
    const SECRET: &str = "xyzzy-plugh";
    let state = tempfile::tempdir().unwrap();
    let log = state.path().join("log");
    let edge = Edge::new("k1");
    let arguments = ["serve", "--grant-key", &edge.setting, "--bind", "127.0.0.1:0"];
    let mut command = program(&arguments);
    command.env("RUST_LOG", "trace").stderr(std::fs::File::create(&log).unwrap());
    let (mut child, url) = listening(command).await;
    let good =
        json!({"model": "tiny", "messages": [{"role": "user", "content": SECRET}], "max_tokens": 2, "stop": SECRET});
    let other = json!({"model": SECRET, "messages": [{"role": "user", "content": SECRET}]});
    let broken = json!({"model": "tiny", "messages": SECRET});
    let mut grants = Vec::new();
    for (body, expected) in [(good, 200), (other, 404), (broken, 400), (SECRET.into(), 400)] {
        let body = body.to_string().into_bytes();
        let grant = edge.sign(&claims(&body));
        let request = client().post(format!("{url}/v1/chat/completions")).header("content-type", "application/json");
        let response = request.header("x-sluice-grant", &grant).body(body).send().await.unwrap();
        assert_eq!(response.status(), expected);
        grants.push(grant);
    }
    signal(&child, "TERM").await;
    assert!(tokio::time::timeout(BOUND, child.wait()).await.unwrap().unwrap().success());
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("answered") && log.contains("model_not_found"), "{log}");
    assert!(!log.contains(SECRET), "a prompt was logged");
    for grant in grants {
        assert!(!log.contains(grant.rsplit_once('.').unwrap().1), "a grant was logged");
    }
}

#[tokio::test]
async fn wrong_settings_are_all_told_with_64() {
    let output = program(&["serve", "--slots", "0", "--bind", "nowhere", "--queue-timeout-ms", "99999999999"])
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    let text = String::from_utf8(output.stderr).unwrap();
    for word in ["--slots", "--bind", "--queue-timeout-ms", "--open"] {
        assert!(text.contains(word), "{word} is not in {text}");
    }
    assert_eq!(program(&["serve", "--nonsense"]).output().await.unwrap().status.code(), Some(64));
    assert_eq!(program(&["--help"]).output().await.unwrap().status.code(), Some(0));
}

#[tokio::test]
async fn a_model_that_is_not_there_is_named() {
    let output =
        program(&["serve", "--open", "--bind", "127.0.0.1:0", "--model", "m=/nowhere"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8(output.stderr).unwrap().contains("/nowhere"));
}

#[tokio::test]
async fn keys_and_the_built_in_model_come_out() {
    let output = program(&["keygen", "--kid", "mine"]).output().await.unwrap();
    let key: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(key["kid"], "mine");
    assert_eq!((key["private"].as_str().unwrap().len(), key["public"].as_str().unwrap().len()), (43, 43));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t");
    assert!(program(&["tiny", path.to_str().unwrap()]).status().await.unwrap().success());
    assert!(path.join("model.safetensors").exists());
}

/// Starts it with a model that never ends by itself, under the built-in one's name.
async fn start(state: &Path) -> (Child, String) {
    let directory = state.join("endless");
    endless::ensure(&directory).unwrap();
    let model = format!("tiny={}", directory.display());
    let mut command = program(&["serve", "--open", "--bind", "127.0.0.1:0", "--model", &model]);
    command.stderr(Stdio::null());
    listening(command).await
}

/// Starts it and reads its one line.
pub(crate) async fn listening(mut command: Command) -> (Child, String) {
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(BOUND, lines.next_line()).await.unwrap().unwrap().unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["event"], "listening");
    (child, line["url"].as_str().unwrap().to_owned())
}

pub(crate) async fn signal(child: &Child, name: &str) {
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().await.unwrap().success());
}
