//! What is under load: workerd and the origin as they are deployed, and a second edge before an origin that falls silent.

use harness::caller::{Caller, MODEL};
use harness::edge::{Edge, EdgeFiles};
use harness::origin::raw::{RawOrigin, Reply};
use harness::process::{Announces, Program, running_in};
use harness::{secrets, tools};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Both gates, and the edge before the silent origin. Dropping it ends them.
pub(crate) struct Gates {
    /// The edge that everybody calls.
    pub(crate) edge: SocketAddr,
    /// An edge whose origin begins its answers and then says nothing more.
    pub(crate) before_silence: SocketAddr,
    /// The origin itself, for connections that say nothing.
    pub(crate) origin: SocketAddr,
    /// Clients of both edges.
    pub(crate) caller: Caller,
    /// Makes keys at the edge before the silence.
    pub(crate) silent_caller: Caller,
    processes: Vec<(&'static str, u32)>,
    _running: (Edge, Edge, Program, RawOrigin),
    _directories: [TempDir; 2],
}

/// How long an admitted request may take.
pub(crate) const LEASE: Duration = Duration::from_secs(60);

impl Gates {
    /// Starts everything and waits until it listens.
    pub(crate) fn start() -> Self {
        let directories = [(); 2].map(|()| TempDir::with_prefix("sluice-soak-").expect("a directory for files"));
        let [first, second] = [directories[0].path(), directories[1].path()];
        let log = first.join("origin.log");
        let arguments = [
            "serve".to_owned(),
            "--bind=127.0.0.1:0".to_owned(),
            format!("--grant-key={}", secrets::grant_publics().join(",")),
            "--slots=8".to_owned(),
            "--queue=256".to_owned(),
            format!("--model={MODEL}"),
        ];
        let origin_program = Program::start_at("warn", &tools::origin(), &arguments, Announces::OnOutput, first, &log);
        let origin: SocketAddr = origin_program.announced(&log, |line| {
            let event: Value = serde_json::from_str(line).ok()?;
            (event["event"] == "listening").then(|| event["url"].as_str()?.strip_prefix("http://")?.parse().ok())?
        });
        let silent = RawOrigin::start(falls_silent());
        let edge = EdgeFiles::create(first, &settings(origin, 4_000)).start();
        let beside = EdgeFiles::create(second, &settings(silent.address(), 1_000)).start();
        let pid = |directory, name| running_in(directory, name).expect("it has just been started there");
        let processes = vec![
            ("workerd", pid(first, "workerd")),
            ("workerd before a silent origin", pid(second, "workerd")),
            ("origin", pid(first, "sluice-origin")),
        ];
        let addresses = (edge.address(), beside.address());
        Self {
            edge: addresses.0,
            before_silence: addresses.1,
            origin,
            caller: Caller::new(addresses.0),
            silent_caller: Caller::new(addresses.1),
            processes,
            _running: (edge, beside, origin_program, silent),
            _directories: directories,
        }
    }

    /// The programs, with their process ids.
    pub(crate) fn processes(&self) -> &[(&'static str, u32)] {
        &self.processes
    }

    /// The origin's process id.
    pub(crate) fn origin_process(&self) -> u32 {
        self.processes.iter().find(|(name, _)| *name == "origin").map_or(0, |(_, id)| *id)
    }

    /// Programs that have ended.
    pub(crate) fn deaths(&self) -> impl Iterator<Item = String> {
        let is_gone = |id: u32| !std::path::Path::new(&format!("/proc/{id}")).exists();
        self.processes.iter().filter(move |(_, id)| is_gone(*id)).map(|(name, _)| format!("{name} has ended"))
    }
}

fn settings(origin: SocketAddr, idle_ms: u32) -> Vec<(&'static str, String)> {
    let window = |limit: u32, window: &str| json!({"name": "w", "kind": "window", "limit": limit, "window": window});
    let lease = format!("{}s", LEASE.as_secs());
    let parallel = json!({"name": "parallel", "kind": "parallel", "limit": 2});
    let tokens = json!({"name": "tokens", "kind": "window", "unit": "tokens", "limit": 4_000_000, "window": "1h"});
    let per_user = json!({"name": "user", "kind": "window", "limit": 10, "window": "10s", "per": "user"});
    let plans = json!({"plans": {
        "good": {"lease": lease, "limits": [window(1_000_000, "2h"), {"name": "p", "kind": "parallel", "limit": 16}]},
        "hostile": {"lease": lease, "limits": [window(1_000_000, "1h"), parallel, tokens]},
        "patient": {"lease": lease, "limits": [window(1_000_000, "2h"), {"name": "p", "kind": "parallel", "limit": 16}]},
        "crowd": {"lease": lease, "limits": [per_user, {"name": "p", "kind": "parallel", "limit": 4}]},
        "spent": {"limits": [window(1, "1h")]},
    }});
    vec![
        ("ORIGIN_URL", format!("http://{origin}")),
        ("KEY_PEPPERS", secrets::key_peppers()),
        ("GRANT_KEYS", secrets::grant_keys()),
        ("ADMIN_TOKENS", secrets::admin_tokens()),
        ("TOKEN_KEYS", secrets::token_keys()),
        ("PLANS", plans.to_string()),
        ("ORIGIN_IDLE_MS", idle_ms.to_string()),
        ("CORS_ORIGINS", "https://app.example".into()),
    ]
}

/// Begins a stream and then says nothing, for as long as the other side keeps the connection.
fn falls_silent() -> Reply {
    Arc::new(|received, socket| {
        let _ = socket.set_read_timeout(None);
        if received.line.starts_with("DELETE") {
            let _ = socket.write_all(b"HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            return;
        }
        let event = format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": "so"}}]}));
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";
        let _ = socket.write_all(format!("{head}{:x}\r\n{event}\r\n", event.len()).as_bytes());
        let _ = socket.read(&mut [0; 1]);
    })
}
