//! `cargo xtask dev`: from a fresh clone to an answered request, and then serving until Ctrl-C.

mod http;
mod options;
mod plans;
mod requests;
mod stack;
mod state;

use std::{
    io::{Write, stdout},
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use lexopt::Parser;
use serde_json::{Value, json};

use self::http::Reply;
use self::options::{Options, USAGE};
use self::requests::Requests;
use self::stack::Stack;
use self::state::State;
pub(crate) use self::state::{random, write_private};
use crate::host::process::{self, command};
use crate::host::progress::{self, Step};
use crate::host::workspace::Workspace;
use crate::{build_edge, setup};

/// An admin call touches one or two objects in the same process.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(30);
/// The edge's own limit on an answer, and a little.
const CHAT_TIMEOUT: Duration = Duration::from_secs(610);
/// How long what the edge has written down may take to reach its log.
const LOG_PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);
/// Enough of an answer to see that both gates work.
const ONCE_MAX_TOKENS: u32 = 48;

/// Set up, build, start, issue a key; then serve, or answer once.
pub(crate) fn run(workspace: &Workspace, args: Parser) -> Result<ExitCode> {
    let begun = Instant::now();
    let Some(options) = Options::parse(args, workspace.root())? else {
        print!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    };
    // Before the long steps: a second `dev` on the same state is refused at once.
    let state = State::open(&options.state)?;
    let toolbox = setup::run(workspace)?;
    progress::heading("build");
    build_edge::build(workspace, &toolbox)?;
    let origin = build_origin(workspace)?;
    progress::heading("start");
    let secrets = state.secrets(&origin)?;
    let edge_env = state.write_edge_env(&secrets)?;
    let mut stack = Stack::new();
    let origin_url = stack.start_origin(&origin, &options, &state, &secrets)?;
    let url = stack.start_edge(workspace, &toolbox.node, &options, &state, &origin_url, &edge_env)?;
    let key = issue_key(&url, &secrets.admin_token, &state)?;
    progress::note(&format!("ready in {}", progress::seconds(begun.elapsed())));

    if let Some(text) = &options.once {
        let code = answer_once(&url, &key, &options, text)?;
        stack.stop();
        return Ok(code);
    }
    if options.json {
        let line = json!({
            "url": url,
            "admin_token": secrets.admin_token,
            "api_key": key,
            "origin_url": origin_url,
        });
        say(&line.to_string())?;
    } else {
        say(&how_to_call(&url, &key, &secrets.admin_token, options.model_name()))?;
    }
    let mut requests = Requests::after_now(state.path("log/edge.log"));
    stack.serve(|| requests.new_lines().iter().for_each(|line| progress::note(line)))?;
    progress::note("stopping");
    stack.stop();
    Ok(ExitCode::SUCCESS)
}

/// Builds the origin for real use; returns its binary.
pub(crate) fn build_origin(workspace: &Workspace) -> Result<PathBuf> {
    let mut step = Step::begin("origin");
    let mut cargo = command("cargo");
    cargo.args(["build", "--release", "-p", "sluice-origin"]).current_dir(workspace.root());
    if let Err(error) = process::run(&mut step, cargo, &workspace.log("build-origin")?) {
        step.failed();
        return Err(error);
    }
    step.done("built");
    Ok(workspace.target().join("release").join("sluice-origin"))
}

/// The key of the last run if the edge still knows it, else a new one through the admin route.
fn issue_key(url: &str, admin_token: &str, state: &State) -> Result<String> {
    let step = Step::begin("API key");
    let keys = format!("{url}/admin/v1/keys");
    if let Some((id, key)) = state.issued_key() {
        let known = http::get(&format!("{keys}/{id}"), Some(admin_token), ADMIN_TIMEOUT)?;
        if known.status == 200 {
            let own = http::get(&format!("{url}/v1/key"), Some(&key), ADMIN_TIMEOUT)?;
            let left = if own.status == 200 { plans::left(&own.json()?) } else { format!("status {}", own.status) };
            step.done(&format!("{id}, issued earlier: {left}"));
            return Ok(key);
        }
    }
    // The table in force may be one that an admin has put.
    let table = http::get(&format!("{url}/admin/v1/plans"), Some(admin_token), ADMIN_TIMEOUT)?;
    if table.status != 200 {
        let begun = Instant::now();
        // wrangler passes on what the Worker writes when it likes.
        while begun.elapsed() < LOG_PATIENCE {
            if let Some(mistakes) = plans::mistakes(&edge_said(state)) {
                step.failed();
                bail!("the edge cannot serve with these settings:\n{mistakes}");
            }
            std::thread::sleep(POLL);
        }
    }
    let table = table.json()?;
    let plan = plans::for_key(&table);
    let wanted = json!({"name": "dev", "plan": plan});
    let reply = http::post(&keys, admin_token, wanted, ADMIN_TIMEOUT)?;
    if reply.status != 201 {
        step.failed();
        bail!("the edge issued no key (status {}): {}\nIts log: {}", reply.status, reply.body, edge_log(state));
    }
    let issued = reply.json()?;
    let field = |name: &str| issued[name].as_str().ok_or_else(|| anyhow!("the issued key has no `{name}`: {issued}"));
    let (id, key) = (field("id")?, field("key")?);
    state.keep_key(id, key)?;
    step.done(&format!("{id}, issued: plan {plan}"));
    Ok(key.to_owned())
}

/// What the edge has written down.
fn edge_said(state: &State) -> String {
    std::fs::read_to_string(state.path("log/edge.log")).unwrap_or_default()
}

fn edge_log(state: &State) -> String {
    state.path("log/edge.log").display().to_string()
}

/// One chat request through both gates. stdout gets the answer, with the request's id as its last member.
fn answer_once(url: &str, key: &str, options: &Options, text: &str) -> Result<ExitCode> {
    let request = json!({
        "model": options.model_name(),
        "messages": [{"role": "user", "content": text}],
        "max_tokens": ONCE_MAX_TOKENS,
        // The same answer every time.
        "temperature": 0,
    });
    let reply = http::post(&format!("{url}/v1/chat/completions"), key, request, CHAT_TIMEOUT)?;
    let answer = with_request_id(&reply)?;
    let pretty = serde_json::to_string_pretty(&answer).context("JSON that was parsed can be printed")?;
    say(&pretty)?;
    if reply.status == 200 {
        return Ok(ExitCode::SUCCESS);
    }
    progress::error(&format!("the edge answered with status {}", reply.status));
    Ok(ExitCode::FAILURE)
}

fn with_request_id(reply: &Reply) -> Result<Value> {
    let mut answer = reply.json()?;
    let members = answer.as_object_mut().ok_or_else(|| anyhow!("not a JSON object: {}", reply.body))?;
    members.insert("x-request-id".to_owned(), json!(reply.request_id));
    Ok(answer)
}

/// A line for stdout, at once: whoever reads it may wait for it.
fn say(line: &str) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("cannot write to stdout")
}

fn how_to_call(url: &str, key: &str, admin_token: &str, model: &str) -> String {
    format!(
        r#"
Call it:

  curl {url}/v1/chat/completions \
    -H 'authorization: Bearer {key}' -H 'content-type: application/json' \
    -d '{{"model":"{model}","messages":[{{"role":"user","content":"What is Sluice?"}}],"max_tokens":48}}'

  from openai import OpenAI
  client = OpenAI(base_url="{url}/v1", api_key="{key}")
  stream = client.chat.completions.create(
      model="{model}", messages=[{{"role": "user", "content": "What is Sluice?"}}], max_tokens=48, stream=True)
  for chunk in stream:
      print(chunk.choices[0].delta.content or "" if chunk.choices else "", end="", flush=True)

Console:              {url}/console/ (sign in with the admin token below, or with a key)
Issue another key:    curl {url}/admin/v1/keys -H 'authorization: Bearer {admin_token}' \
                        -H 'content-type: application/json' -d '{{"name":"mine","plan":"vip"}}'
Ctrl-C stops both gates.
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_id_is_the_last_member() {
        let reply = Reply {
            status: 200,
            request_id: Some("req_1".to_owned()),
            body: r#"{"zebra":1,"id":"chatcmpl-1"}"#.to_owned(),
        };
        let answer = with_request_id(&reply).unwrap();
        assert_eq!(answer.to_string(), r#"{"zebra":1,"id":"chatcmpl-1","x-request-id":"req_1"}"#);
    }

    #[test]
    fn an_answer_that_is_not_json_is_shown() {
        let reply = Reply { status: 502, request_id: None, body: "upstream".to_owned() };
        assert!(format!("{:#}", with_request_id(&reply).unwrap_err()).contains("upstream"));
    }
}
