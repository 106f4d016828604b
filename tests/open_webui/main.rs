//! Open WebUI itself, with its defaults, before both gates: `cargo xtask open-webui`.
//!
//! It has a connection of each kind, OpenAI's and Ollama's, each with a key of its own. Chromium drives it as a person would:
//! signs up, chats, lets the model use a tool, and reaches the limit. The model is scripted: what is looked at is what the
//! programs make of one another.

mod server;

use harness::Stack;
use harness::caller::MODEL;
use serde_json::{Value, json};
use server::OpenWebUi;
use sluice_origin::models::scripted::Say;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

/// What the model says to a message.
const CHAT: &str = "A gate lets through what fits, and tells the rest when to come back.";
const TITLE: &str = "Gates and limits";
/// What it is asked so that it calls, and what it says then.
const ASK: &str = "What time is it?";
const TOLD: &str = "I have looked at the clock.";
/// A tool of Open WebUI's own.
const TOOL: &str = "get_current_timestamp";
/// Requests that each key may send: more than a person's few messages take, titles and such included.
const LIMIT: &str = "60 per 1h";
/// Its tools alone are 26,000 characters, and each is a token here.
const CONTEXT: usize = 131_072;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |what: &str| arguments.next().map(PathBuf::from).unwrap_or_else(|| panic!("{what} is missing"));
    let (home, node) = (argument("the folder that set-up made"), argument("node"));
    let stack = Stack::new().limit(LIMIT).context(CONTEXT).slots(4).start();
    stack.script().answer(answer);
    stack.script().allow_all();
    let edge = stack.edge.base_url();
    let host = edge.trim_end_matches("/v1").to_owned();
    let keys = [stack.key().key, stack.key().key];
    println!("  both gates run at {host}");
    let server = OpenWebUi::start(&home, &edge, &host, &keys);
    println!("  Open WebUI serves at {}", server.url());
    let screens = home.join("screens");
    // Those of another run say nothing of this one.
    let _ = std::fs::remove_dir_all(&screens);
    std::fs::create_dir_all(&screens).expect("the folder can be written to");
    let settings = json!({
        "url": server.url(),
        "chromium": harness::tools::browser(),
        "profile": server.directory().join("profile"),
        "screens": screens,
        "edge": host,
        "connections": {
            "OpenAI": {"model": MODEL, "key": keys[0]},
            "Ollama": {"model": format!("{MODEL}:latest"), "key": keys[1]},
        },
        "says": {"chat": CHAT, "title": TITLE, "ask": ASK, "told": TOLD},
    });
    let ok = drive(&home, &node, &settings);
    println!("  screenshots: {}", screens.display());
    println!("  what Open WebUI said: {}", server.log().display());
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the model says to this prompt. Requests for titles and such come beside the chat, so the prompt decides.
fn answer(prompt: &str) -> Say {
    let asked = prompt.rsplit_once("user\n").map_or(prompt, |(_, asked)| asked);
    if let Some((_, task)) = asked.split_once("### Task:\n") {
        let told = match task.lines().next().unwrap_or_default() {
            line if line.contains("title") => json!({"title": TITLE}),
            line if line.contains("tags") => json!({"tags": ["Gates"]}),
            _ => json!({"follow_ups": ["What is a limit?"]}),
        };
        return Say::text(&told.to_string());
    }
    // A tool's result comes as the latest turn, in tokens that a prompt here does not spell.
    if prompt.contains(ASK) && !asked.contains(ASK) {
        return Say::text(TOLD);
    }
    if asked.contains(ASK) {
        let body = format!("{{\"name\": \"{TOOL}\", \"arguments\": {{}}}}");
        return Say::tokens([OPENS].into_iter().chain(body.bytes().map(u32::from)).chain([CLOSES]).collect());
    }
    Say::text(CHAT)
}

/// The tokens that open and close a call.
const OPENS: u32 = 270;
const CLOSES: u32 = 271;

/// Lets the browser do all steps, and tells what came of each. False if one failed.
fn drive(home: &std::path::Path, node: &std::path::Path, settings: &Value) -> bool {
    let mut child = Command::new(node)
        .arg(home.join("node/drive.mjs"))
        .arg(settings.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node starts");
    let lines = BufReader::new(child.stdout.take().expect("piped above")).lines();
    for line in lines.map_while(Result::ok) {
        let Ok(told) = serde_json::from_str::<Value>(&line) else {
            println!("  {line}");
            continue;
        };
        let mark = if told["ok"] == true { "ok    " } else { "FAILED" };
        let seen = [&told["seen"], &told["trouble"]].into_iter().find_map(Value::as_str).unwrap_or_default();
        println!("  {mark} {:>6} ms  {}  {seen}", told["ms"], told["step"].as_str().unwrap_or_default());
    }
    child.wait().is_ok_and(|status| status.success())
}
