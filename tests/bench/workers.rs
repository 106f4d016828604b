//! The Workers that are measured, each in a workerd of its own.

use crate::{exactness, interrupt};
use harness::caller::{self, Caller};
use harness::edge::{Edge, EdgeFiles};
use harness::issuers::{self, Issuer};
use harness::{process, secrets};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;
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
    /// Starts it with a plan that admits all of the load, one that admits one request an hour, and the two of the tests for
    /// exactness.
    pub(crate) fn start(origin: SocketAddr) -> Self {
        Self::start_build(origin, None)
    }

    /// [`Self::start`] with the Worker that lies in this directory, if one is named.
    pub(crate) fn start_build(origin: SocketAddr, build: Option<&Path>) -> Self {
        Self::start_before(("ORIGIN_URL", format!("http://{origin}")), build)
    }

    /// [`Self::start`] before several origins, as `ORIGINS` has them.
    pub(crate) fn start_with(origins: &Value) -> Self {
        Self::start_before(("ORIGINS", origins.to_string()), None)
    }

    fn start_before(origin: (&'static str, String), build: Option<&Path>) -> Self {
        let window =
            |limit: u32, window: &str| json!({"name": "window", "kind": "window", "limit": limit, "window": window});
        let parallel = json!({"name": "parallel", "kind": "parallel", "limit": 2_000});
        let mut plans = json!({"plans": {
            "open": {"limits": [window(1_000_000, "1h"), parallel]},
            "spent": {"limits": [window(1, "1h")]},
            "burst": {"limits": [window(exactness::LIMIT, "1m")]},
            "edge": {"limits": [window(exactness::LIMIT, "5s")]},
        }});
        // Another build may be older than the cache.
        if build.is_none() {
            plans["plans"]["cached"] = json!({"limits": [window(1_000_000, "1h"), parallel], "cache": {"ttl": "1h"}});
        }
        let settings = [
            origin,
            ("KEY_PEPPERS", secrets::key_peppers()),
            ("GRANT_KEYS", secrets::grant_keys()),
            ("ADMIN_TOKENS", secrets::admin_tokens()),
            ("PLANS", plans.to_string()),
            ("TOKEN_KEYS", secrets::token_keys()),
            ("JWT_ISSUERS", issuers::setting(&[(Issuer::Lab, "open"), (Issuer::Mill, "open"), (Issuer::Port, "open")])),
        ];
        let directory = directory();
        let files = EdgeFiles::create(directory.path(), &settings);
        if let Some(build) = build {
            files.use_build(build);
        }
        let edge = files.start();
        let (address, process) = (edge.address(), workerd_in(&directory));
        Self { address, process, caller: Caller::new(address), _edge: edge, _directory: directory }
    }

    /// A new key with an account of its own.
    pub(crate) fn key(&self, plan: &str) -> String {
        self.caller.issue_key(plan).key
    }

    /// A short token for this key, for two hours.
    pub(crate) fn short_token(&self, key: &str) -> String {
        let answer = self.caller.send(|http, base| {
            http.post(format!("{base}/v1/auth/token")).bearer_auth(key).json(&json!({"ttl_s": 7_200}))
        });
        answer.ok().json()["access_token"].as_str().expect("a token").to_owned()
    }

    /// New keys, each with an account of its own; many are made at a time.
    pub(crate) fn keys(&self, plan: &str, count: usize) -> Vec<String> {
        let begun = Instant::now();
        let caller = &self.caller;
        let made = Mutex::new(Vec::with_capacity(count));
        let issue = || {
            while !interrupt::requested() {
                let key = caller.issue_key(plan).key;
                let mut made = made.lock().expect("nobody panics while holding it");
                if made.len() == count {
                    return;
                }
                made.push(key);
                if made.len().is_multiple_of(1_000) {
                    eprintln!("  {} of {count} accounts made in {:.1} s", made.len(), begun.elapsed().as_secs_f64());
                }
            }
        };
        std::thread::scope(|scope| (0..ISSUERS.min(count)).for_each(|_| drop(scope.spawn(issue))));
        interrupt::check();
        made.into_inner().expect("nobody panicked while holding it")
    }

    /// New keys whose plan has nothing left for an hour.
    pub(crate) fn spent_keys(&self, count: usize) -> Vec<String> {
        let keys = self.keys("spent", count);
        for key in &keys {
            let answer = self.caller.chat(Some(key), &caller::hello(1));
            assert_eq!(answer.status, 200, "the first request of the hour: {}", answer.text());
        }
        keys
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
    Path::new("/dev/shm").is_dir()
}

/// The workerd that runs in this directory.
fn workerd_in(directory: &TempDir) -> u32 {
    process::running_in(directory.path(), "workerd").expect("workerd has just been started there")
}

/// How many keys are made at a time.
const ISSUERS: usize = 16;
