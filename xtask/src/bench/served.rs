//! The origin and `llama-server` over HTTP: two programs of their own, asked the same by the same clients, in turns.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::figures::median;
use super::gguf;
use super::llama::Llama;
use crate::host::process::{self, Interrupted, Running, command};
use crate::host::progress::Step;
use crate::host::workspace::Workspace;

/// How many ask at once.
pub(super) const CLIENTS: [usize; 2] = [8, 16];
/// Of an answer.
const TOKENS: u64 = 64;
/// Of a prompt: two characters and what the template puts around them.
const PROMPT: u64 = 21;
/// Of each client in a round, one after another.
const ANSWERS: usize = 3;
/// What a sequence may hold in llama.cpp, which wants to know it; a multiple of 256.
const CONTEXT: usize = 256;
/// How long a program may take until it serves, and an answer until it is whole.
const PATIENCE: Duration = Duration::from_secs(180);

/// The figures of one program, by what they are of.
pub(super) type Figures = BTreeMap<String, Vec<f64>>;

/// What is measured: the files that each program serves, on so many threads, so many times.
pub(super) struct Match<'a> {
    pub(super) ours: &'a Path,
    pub(super) theirs: &'a Path,
    pub(super) threads: usize,
    pub(super) rounds: usize,
}

impl Match<'_> {
    /// Starts both and lets them serve in turns, as many at once as there are clients.
    pub(super) fn play(&self, workspace: &Workspace, llama: &Llama, label: &str) -> Result<[Figures; 2]> {
        for file in [self.ours, self.theirs] {
            gguf::give_tokenizer(file)?;
        }
        let mut figures = [Figures::new(), Figures::new()];
        for clients in CLIENTS {
            let mut step = Step::begin(format!("{label}, {clients} clients"));
            match self.turns(workspace, llama, clients, &mut step, &mut figures) {
                Ok(()) => {
                    step.done("done");
                }
                Err(error) => {
                    step.failed();
                    return Err(error);
                }
            }
        }
        Ok(figures)
    }

    fn turns(
        &self,
        workspace: &Workspace,
        llama: &Llama,
        clients: usize,
        step: &mut Step,
        figures: &mut [Figures; 2],
    ) -> Result<()> {
        let slots = clients.to_string();
        let mut origin = command("sh");
        origin.args(SHELL).arg(workspace.target().join("release").join("sluice-origin"));
        origin.args(["serve", "--open", "--bind", "127.0.0.1:0", "--slots", &slots, "--model"]);
        origin.arg(format!("m={}", self.ours.display()));
        let threads = self.threads.to_string();
        origin.env("CANDLE_NUM_THREADS", &threads).env("RAYON_NUM_THREADS", &threads);
        let mut server = command("sh");
        server.args(SHELL).arg(llama.server()).arg("--model").arg(self.theirs);
        server.args(["--host", "127.0.0.1", "--port", "0", "--offline", "--no-ui", "--parallel", &slots]);
        server.args(["--threads", &threads, "--ctx-size", &(clients * CONTEXT).to_string()]);
        let mut programs = [
            Program::start(workspace, "origin", origin, step)?,
            Program::start(workspace, "llama-server", server, step)?,
        ];
        let mut first = [Vec::new(), Vec::new()];
        // The first round touches memory for the first time, and does not count.
        for round in 0..=self.rounds {
            for (program, (figures, first)) in programs.iter_mut().zip(figures.iter_mut().zip(&mut first)) {
                step.tick(|| format!("round {round} of {}: {}", self.rounds, program.running.name()));
                let (rate, mut times) = program.round(clients, round)?;
                if round > 0 {
                    figures.entry(format!("{clients} clients, tok/s")).or_default().push(rate);
                    first.append(&mut times);
                }
            }
        }
        for (program, (figures, first)) in programs.iter_mut().zip(figures.iter_mut().zip(&mut first)) {
            let mut put =
                |what: &str, value| figures.entry(format!("{clients} clients, {what}")).or_default().push(value);
            put("first token, ms", share(first, 0.5));
            put("first token, p99", share(first, 0.99));
            put("memory, MiB", program.memory()?);
        }
        Ok(())
    }
}

/// Says the program's id before it becomes it: memory is asked for by that.
pub(super) const SHELL: [&str; 3] = ["-c", "echo process $$; exec \"$@\"", "sh"];

/// A program that serves.
pub(super) struct Program {
    running: Running,
    url: String,
    process: String,
}

impl Program {
    /// Starts it on a free port and waits until it serves.
    pub(super) fn start(workspace: &Workspace, name: &str, command: Command, step: &mut Step) -> Result<Self> {
        let mut running = Running::start(name, command, &workspace.log(&format!("bench-{name}"))?, None)?;
        let begun = Instant::now();
        loop {
            let said = fs::read(running.log()).with_context(|| format!("cannot read what {name} says"))?;
            let said = String::from_utf8_lossy(&said).into_owned();
            if let (Some(url), Some(process)) = (address(&said), after(&said, "process ")) {
                let program = Self { url, process, running };
                if agent().get(format!("{}/health", program.url)).call().is_ok() {
                    return Ok(program);
                }
                running = program.running;
            }
            if process::interrupted() {
                return Err(Interrupted.into());
            }
            if running.ended()?.is_some() || begun.elapsed() > PATIENCE {
                bail!("{name} does not serve; all it said is in {}", running.log().display());
            }
            step.tick(|| format!("{name} starts"));
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// All clients, each with its answers one after another: tokens per second, and after how many milliseconds each
    /// answer's first token came. No prompt comes twice.
    fn round(&mut self, clients: usize, round: usize) -> Result<(f64, Vec<f64>)> {
        if process::interrupted() {
            return Err(Interrupted.into());
        }
        let url = &format!("{}/v1/chat/completions", self.url);
        let start = Instant::now();
        let heard: Vec<Result<Vec<Answer>>> = thread::scope(|scope| {
            let client = |client: usize| {
                (0..ANSWERS).map(|answer| ask(url, (round * clients + client) * ANSWERS + answer)).collect()
            };
            let callers: Vec<_> = (0..clients).map(|number| scope.spawn(move || client(number))).collect();
            callers.into_iter().map(|caller| caller.join().expect("a client does not panic")).collect()
        });
        let seconds = start.elapsed().as_secs_f64();
        let heard = heard.into_iter().collect::<Result<Vec<_>>>().with_context(|| {
            format!("{} does not answer; all it said is in {}", self.running.name(), self.running.log().display())
        })?;
        let answers: Vec<Answer> = heard.into_iter().flatten().collect();
        let tokens: u64 = answers.iter().map(|answer| answer.tokens).sum();
        // One that ends by itself is rare with made-up weights.
        if tokens * 10 < clients as u64 * ANSWERS as u64 * TOKENS * 9 {
            bail!("{} ended its answers after {tokens} tokens in all", self.running.name());
        }
        Ok((tokens as f64 / seconds, answers.into_iter().map(|answer| answer.first).collect()))
    }

    /// Where it listens, without a slash at the end.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What its log is called by.
    pub(super) fn name(&self) -> &str {
        self.running.name()
    }

    /// What it holds of the machine's memory.
    fn memory(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process)).context("a program has ended")?;
        let kib = after(&status, "VmRSS:").and_then(|text| text.parse::<f64>().ok()).context("no memory is told")?;
        Ok(kib / 1024.0)
    }
}

/// The last address in what a program said when it began to listen.
fn address(said: &str) -> Option<String> {
    let line = said.lines().rfind(|line| line.contains("listening") && line.contains("http://"))?;
    let rest = &line[line.find("http://")?..];
    let end = rest.find(['"', ' ', ',']).unwrap_or(rest.len());
    Some(rest[..end].to_owned())
}

/// The word that follows this one.
fn after(text: &str, word: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix(word))?.split_whitespace().next().map(str::to_owned)
}

/// Asks on the loopback interface, and waits for as long as a slow machine takes.
pub(super) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().proxy(None).timeout_global(Some(PATIENCE)).build().into()
}

/// An answer: when its first token came, in milliseconds, and how many it had.
#[derive(Debug, PartialEq)]
struct Answer {
    first: f64,
    tokens: u64,
}

/// Reads one streamed answer to its end.
fn ask(url: &str, number: usize) -> Result<Answer> {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let digit = |at: usize| char::from(DIGITS[at % DIGITS.len()]);
    let content = String::from_iter([digit(number), digit(number / DIGITS.len())]);
    let body = json!({
        "model": "m", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": TOKENS, "temperature": 0,
        "messages": [{"role": "user", "content": content}],
    });
    let start = Instant::now();
    // A connection for each: a server may close one that it has answered on.
    let response = agent().post(url).send_json(body)?;
    listen(response.into_body().into_reader(), || start.elapsed().as_secs_f64() * 1_000.0)
}

/// Reads the events of an answer. `now`: how late it is.
fn listen(events: impl Read, now: impl Fn() -> f64) -> Result<Answer> {
    let (mut first, mut tokens) = (None, None);
    for line in BufReader::new(events).lines() {
        let line = line.context("the answer breaks off")?;
        let Some(event) = line.strip_prefix("data: ").filter(|event| *event != "[DONE]") else { continue };
        let event: Value = serde_json::from_str(event).context("an event is not JSON")?;
        if !event["error"].is_null() {
            bail!("the answer is an error: {}", event["error"]);
        }
        // The first event may be the role alone.
        if first.is_none() && event["choices"][0]["delta"]["content"].as_str().is_some_and(|text| !text.is_empty()) {
            first = Some(now());
        }
        if let (Some(prompt), Some(answer)) =
            (event["usage"]["prompt_tokens"].as_u64(), event["usage"]["completion_tokens"].as_u64())
        {
            if prompt != PROMPT {
                bail!("the prompt has {prompt} tokens and not {PROMPT}");
            }
            tokens = Some(answer);
        }
    }
    match (first, tokens) {
        (Some(first), Some(tokens)) => Ok(Answer { first, tokens }),
        _ => bail!("the answer has no text, or says nothing of its length"),
    }
}

/// The value that this share of all does not exceed.
fn share(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * share).ceil() as usize;
    values.get(at.clamp(1, values.len().max(1)) - 1).copied().unwrap_or(f64::NAN)
}

/// Both programs' figures beside each other.
pub(super) fn table(name: &str, (ours, theirs): (&str, &str), [sluice, llama]: &mut [Figures; 2]) -> String {
    let (left, right) = (format!("Sluice {ours}"), format!("llama-server {theirs}"));
    let mut text = format!("\n{:<30}{left:>14}{right:>20}{:>9}\n", format!("{name}, served over HTTP"), "ratio");
    for clients in CLIENTS {
        for what in ["tok/s", "first token, ms", "first token, p99", "memory, MiB"] {
            let row = format!("{clients} clients, {what}");
            let (left, right) = (median(sluice.get_mut(&row)), median(llama.get_mut(&row)));
            text += &format!("{row:<30}{left:>14.1}{right:>20.1}{:>9.2}\n", left / right);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_timed_by_its_first_text() {
        let clock = std::cell::Cell::new(0.0);
        let now = || {
            clock.set(clock.get() + 1.0);
            clock.get()
        };
        let events = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n\
                      data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\n\
                      data: {\"choices\":[],\"usage\":{\"prompt_tokens\":21,\"completion_tokens\":64}}\n\ndata: [DONE]\n\n";
        assert_eq!(listen(events.as_bytes(), now).unwrap(), Answer { first: 1.0, tokens: 64 });
        assert_eq!(clock.get(), 1.0);
        for wrong in [events.replace(":21", ":22"), events.replace("usage", "x"), "data: {\"error\":{}}\n".into()] {
            assert!(listen(wrong.as_bytes(), now).is_err(), "{wrong}");
        }
    }

    #[test]
    fn both_say_where_they_listen() {
        let origin = "process 17\n{\"event\":\"listening\",\"url\":\"http://127.0.0.1:4711\"}\n";
        assert_eq!(address(origin).as_deref(), Some("http://127.0.0.1:4711"));
        assert_eq!(after(origin, "process ").as_deref(), Some("17"));
        let server = "loading\n0.1 I srv  main: listening on http://127.0.0.1:4712\nmore\n";
        assert_eq!(address(server).as_deref(), Some("http://127.0.0.1:4712"));
        assert_eq!(address("starting\n"), None);
    }

    #[test]
    fn figures_stand_beside_each_other() {
        let figures = |rate| Figures::from([("8 clients, tok/s".to_owned(), vec![rate])]);
        let table = table("8 bits", ("a", "b"), &mut [figures(3.0), figures(2.0)]);
        assert!(table.contains("8 clients, tok/s                         3.0                 2.0     1.50"), "{table}");
        assert_eq!((share(&mut [3.0, 1.0, 2.0], 0.5), share(&mut [3.0, 1.0, 2.0], 0.99)), (2.0, 3.0));
    }
}
