//! The Workers that are measured, each in a workerd of its own.

use harness::caller::{self, Caller};
use harness::edge::{Edge, EdgeFiles};
use harness::{raw, secrets};
use serde_json::json;
use std::net::SocketAddr;
use tempfile::TempDir;

/// Sluice's edge before an origin.
pub(crate) struct Sluice {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// workerd's process id.
    pub(crate) process: u32,
    caller: Caller,
    _edge: Edge,
    _directory: TempDir,
}

/// A Worker that answers "ok".
pub(crate) struct Empty {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// workerd's process id.
    pub(crate) process: u32,
    _edge: Edge,
    _directory: TempDir,
}

impl Sluice {
    /// Starts it with two plans: one that admits all of the load, and one that admits one request an hour.
    pub(crate) fn start(origin: SocketAddr) -> Self {
        let window = |limit: u32| json!({"name": "window", "kind": "window", "limit": limit, "window": "1h"});
        let parallel = json!({"name": "parallel", "kind": "parallel", "limit": 2_000});
        let plans =
            json!({"plans": {"open": {"limits": [window(1_000_000), parallel]}, "spent": {"limits": [window(1)]}}});
        let settings = [
            ("ORIGIN_URL", format!("http://{origin}")),
            ("KEY_PEPPERS", secrets::key_peppers()),
            ("GRANT_KEYS", secrets::grant_keys()),
            ("ADMIN_TOKENS", secrets::admin_tokens()),
            ("PLANS", plans.to_string()),
        ];
        let directory = directory();
        let edge = EdgeFiles::create(directory.path(), &settings).start();
        let (address, process) = (edge.address(), workerd_in(&directory));
        Self { address, process, caller: Caller::new(address), _edge: edge, _directory: directory }
    }

    /// A new key with an account of its own.
    pub(crate) fn key(&self, plan: &str) -> String {
        self.caller.issue_key(plan).key
    }

    /// A chat request of some 340 bytes.
    pub(crate) fn chat(&self, key: &str) -> Vec<u8> {
        let body = json!({
            "model": "stub", "max_tokens": 64, "temperature": 0.7,
            "messages": [
                {"role": "system", "content": "You are a helpful assistant that answers in one short paragraph of plain text."},
                {"role": "user", "content": "Explain what a sliding window rate limiter does and why it differs from a fixed window, in two sentences."},
            ],
        });
        let headers = [caller::bearer(key), "Content-Type: application/json".into()];
        keep_alive(raw::request("POST", "/v1/chat/completions", &headers, body.to_string().as_bytes()))
    }

    /// A request that is answered without a decision.
    pub(crate) fn health(&self) -> Vec<u8> {
        keep_alive(raw::request("GET", "/healthz", &[], b""))
    }
}

impl Empty {
    /// Starts it.
    pub(crate) fn start() -> Self {
        let directory = directory();
        let script = "export default { fetch() { return new Response('ok'); } };";
        let edge = EdgeFiles::create_with_script(directory.path(), script).start();
        let (address, process) = (edge.address(), workerd_in(&directory));
        Self { address, process, _edge: edge, _directory: directory }
    }
}

/// The harness closes after each request; a client under load does not.
fn keep_alive(request: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8(request).expect("the load's requests are ASCII");
    text.replace("Connection: close", "Connection: keep-alive").into_bytes()
}

/// In memory where the machine has such a place: the flush to disk is the platform's affair and not ours to measure, and on
/// Cloudflare it is another one.
fn directory() -> TempDir {
    let place = if in_memory() { "/dev/shm".into() } else { std::env::temp_dir() };
    TempDir::with_prefix_in("sluice-bench-", place).expect("the machine has a directory for temporary files")
}

/// Where the Durable Objects are kept, for the report.
pub(crate) fn disk_kind() -> &'static str {
    if in_memory() { "memory" } else { "disk (each decision waits for its flush)" }
}

fn in_memory() -> bool {
    std::path::Path::new("/dev/shm").is_dir()
}

/// The workerd that runs in this directory.
fn workerd_in(directory: &TempDir) -> u32 {
    let processes = std::fs::read_dir("/proc").expect("the CPU time of a process is read from Linux's /proc").flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .find(|id| {
            let name = std::fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
            let place = std::fs::read_link(format!("/proc/{id}/cwd")).unwrap_or_default();
            name.starts_with("workerd") && place == directory.path()
        })
        .expect("workerd has just been started there")
}
