//! The two gates as running programs: started in order, watched, and ended in the order that lets work finish.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::http;
use super::options::Options;
use super::state::{Secrets, State};
use crate::host::process::{self, Interrupted, Running, command, interrupted};
use crate::host::progress::Step;
use crate::host::workspace::Workspace;
use crate::setup::Node;

/// A large model takes a while to load; what is fetched takes longer, and says so in the log.
const ORIGIN_READY: Duration = Duration::from_secs(600);
/// wrangler bundles the Worker and starts workerd.
const EDGE_READY: Duration = Duration::from_secs(90);
/// The origin finishes what it runs, by default for 30 s; a second Ctrl-C cuts this short.
const ORIGIN_GRACE: Duration = Duration::from_secs(35);
/// The edge has nothing to finish once the origin is gone.
const EDGE_GRACE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);

/// Both gates. Dropping it ends them.
pub(super) struct Stack {
    gates: Vec<Gate>,
}

struct Gate {
    running: Running,
    grace: Duration,
}

impl Stack {
    /// Nothing started yet.
    pub(super) fn new() -> Self {
        Self { gates: Vec::new() }
    }

    /// Starts the origin and waits until it listens; returns its address.
    pub(super) fn start_origin(
        &mut self,
        binary: &Path,
        options: &Options,
        state: &State,
        secrets: &Secrets,
    ) -> Result<String> {
        check_free(options.origin_port, "--origin-port")?;
        let mut step = Step::begin("origin gate");
        let mut serve = command(binary);
        serve
            .args(["serve", "--bind", &format!("127.0.0.1:{}", options.origin_port)])
            .args(["--grant-key", &secrets.grant_public]);
        let numbers = [("--slots", options.slots), ("--queue", options.queue)];
        for (flag, number) in numbers.into_iter().filter_map(|(flag, number)| Some((flag, number?))) {
            serve.args([flag, &number.to_string()]);
        }
        for model in &options.models {
            serve.args(["--model", model]);
        }
        if options.models.is_empty() {
            // So small a model is several times as fast on one thread: the others would only wait for each other.
            serve.envs([("CANDLE_NUM_THREADS", "1"), ("RAYON_NUM_THREADS", "1")]);
        }
        let announced = state.path("log/origin.out");
        self.start("origin", serve, &state.path("log/origin.log"), Some(&announced), ORIGIN_GRACE)?;
        let url = self.wait(&mut step, ORIGIN_READY, || Ok(listening(&fs::read_to_string(&announced)?)));
        finish(step, url)
    }

    /// Starts the edge and waits until it answers; returns its address.
    pub(super) fn start_edge(
        &mut self,
        workspace: &Workspace,
        node: &Node,
        options: &Options,
        state: &State,
        origin_url: &str,
        edge_env: &Path,
    ) -> Result<String> {
        check_free(options.port, "--port")?;
        let mut step = Step::begin("edge gate");
        let port = if options.port == 0 { free_port()? } else { options.port };
        let mut wrangler = node.command("wrangler")?;
        wrangler
            .args(["dev", "--ip", "127.0.0.1", "--port", &port.to_string(), "--inspector-port", "0"])
            // The Worker's own lines are of the level `log`.
            .args(["--show-interactive-dev-session=false", "--log-level", "log"])
            .arg("--persist-to")
            .arg(state.path("edge"))
            .arg("--env-file")
            .arg(edge_env)
            .args(["--var", &format!("ORIGIN_URL:{origin_url}")])
            .args(["--var", &format!("PLANS:{}", options.plans)])
            .args(["--var", "REQUEST_LOG:all"])
            .current_dir(workspace.root())
            .env("CI", "1")
            .env("WRANGLER_SEND_METRICS", "false")
            .env("WRANGLER_SEND_ERROR_REPORTS", "false")
            .env("WRANGLER_HIDE_BANNER", "true")
            .env("WRANGLER_WRITE_LOGS", "false")
            // Several of these may run at once; none is to find another.
            .env("WRANGLER_REGISTRY_PATH", state.path("edge/registry"))
            // Otherwise it asks the internet what `request.cf` might look like here.
            .env("CLOUDFLARE_CF_FETCH_ENABLED", "false");
        self.start("edge", wrangler, &state.path("log/edge.log"), None, EDGE_GRACE)?;
        let url = format!("http://127.0.0.1:{port}");
        let health = format!("{url}/healthz");
        let ready = self.wait(&mut step, EDGE_READY, || match http::get(&health, None, Duration::from_secs(2)) {
            Ok(reply) if reply.status == 200 => Ok(Some(url.clone())),
            Ok(_) => Ok(None),
            Err(error) if error.is::<Interrupted>() => Err(error),
            Err(_) => Ok(None),
        });
        finish(step, ready)
    }

    /// Fails if a gate has ended, with the end of its log.
    pub(super) fn check(&mut self) -> Result<()> {
        for gate in &mut self.gates {
            if let Some(status) = gate.running.ended()? {
                let log = gate.running.log();
                let said = fs::read_to_string(log).unwrap_or_default();
                bail!(
                    "the {} ended ({status}). From {}:\n{}",
                    gate.running.name(),
                    log.display(),
                    process::tail(&said)
                );
            }
        }
        Ok(())
    }

    /// Serves until a signal, or until a gate ends by itself, which is an error. `look` is called again and again meanwhile.
    pub(super) fn serve(&mut self, mut look: impl FnMut()) -> Result<()> {
        while !interrupted() {
            self.check()?;
            look();
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Ends both gates: the origin first, so that what it still finishes reaches its caller through the edge.
    pub(super) fn stop(&mut self) {
        for gate in &mut self.gates {
            gate.running.stop(gate.grace);
        }
        self.gates.clear();
    }

    fn start(
        &mut self,
        name: &str,
        command: std::process::Command,
        log: &Path,
        stdout: Option<&Path>,
        grace: Duration,
    ) -> Result<()> {
        self.gates.push(Gate { running: Running::start(name, command, log, stdout)?, grace });
        Ok(())
    }

    /// Asks `ready` until it has an answer, while every gate lives and says something at least once in `limit`.
    fn wait<T>(&mut self, step: &mut Step, limit: Duration, mut ready: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let (mut heard, mut length) = (Instant::now(), 0);
        loop {
            if interrupted() {
                return Err(Interrupted.into());
            }
            self.check()?;
            if let Some(answer) = ready()? {
                return Ok(answer);
            }
            let gate = self.gates.last().expect("wait is called after a start");
            let said = fs::metadata(gate.running.log()).map_or(0, |log| log.len());
            if said != length {
                (heard, length) = (Instant::now(), said);
            }
            if heard.elapsed() > limit {
                let said = fs::read_to_string(gate.running.log()).unwrap_or_default();
                bail!("the {} was not ready in time:\n{}", gate.running.name(), process::tail(&said));
            }
            step.tick(|| last_line(&fs::read_to_string(gate.running.log()).unwrap_or_default()));
            thread::sleep(POLL);
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.stop();
    }
}

fn finish(step: Step, url: Result<String>) -> Result<String> {
    match &url {
        Ok(url) => step.done(url),
        Err(_) => step.failed(),
    };
    url
}

/// What a gate said last, without colours: what a person waits for.
fn last_line(log: &str) -> String {
    let line = log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("starting");
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, code)) = rest.split_once('\x1b') {
        plain.push_str(before);
        rest = code.split_once('m').map_or("", |(_, after)| after);
    }
    plain + rest
}

/// The address in the line that the origin prints once it listens.
fn listening(stdout: &str) -> Option<String> {
    let events = stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter(|event| event["event"] == "listening").find_map(|event| event["url"].as_str().map(str::to_owned))
}

fn check_free(port: u16, flag: &str) -> Result<()> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(error) => bail!("cannot use port {port} ({error}): pass {flag} 0 for any free one"),
    }
}

/// A port that is free now. wrangler wants a number; the gap until it binds is short and a clash fails loudly.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr().context("a bound socket has an address")?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origins_line_is_found_among_others() {
        let half = "{\"event\":\"listening\",\"ur";
        assert_eq!(listening(half), None);
        let whole = "loading\n{\"event\":\"other\"}\n{\"event\":\"listening\",\"url\":\"http://127.0.0.1:5\"}\n";
        assert_eq!(listening(whole).as_deref(), Some("http://127.0.0.1:5"));
    }

    #[test]
    fn the_last_line_is_shown_without_colours() {
        assert_eq!(last_line(""), "starting");
        assert_eq!(last_line("one\n\x1b[2mtwo\x1b[0m \x1b[32m INFO\x1b[0m three\n\n"), "two  INFO three");
    }

    #[test]
    fn a_taken_port_is_named_with_the_way_out() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let error = check_free(taken.local_addr().unwrap().port(), "--port").unwrap_err();
        assert!(error.to_string().contains("--port 0"), "{error}");
    }
}
