//! Somebody is told: a rule of the plan table, a webhook on loopback, a budget that is used up, and a limit that refuses again
//! and again; and the edge that ends meanwhile.

use harness::caller::hello;
use harness::origin::raw::{RawOrigin, Received, Reply};
use harness::secrets;
use harness::wait::until_true;
use harness::{RunningStack, Stack};
use serde_json::{Value, json};
use sluice_protocol::refusal::Reason;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What is hung up on it, how often it fails first, and where it leads whoever follows it.
struct Hook {
    server: RawOrigin,
    elsewhere: RawOrigin,
}

impl Hook {
    fn start(fails: u32) -> Self {
        let left = AtomicU32::new(fails);
        let elsewhere = RawOrigin::start(answer(200, None));
        let location = format!("http://{}/elsewhere", elsewhere.address());
        let server = RawOrigin::start(Arc::new(move |received, socket| {
            let is_left = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            let (status, location) = if is_left { (302, Some(location.as_str())) } else { (200, None) };
            answer(status, location)(received, socket);
        }));
        Self { server, elsewhere }
    }

    fn setting(&self) -> String {
        let url = format!("http://{}/hook", self.server.address());
        json!({"ops": {"url": url, "form": "json", "secret": SECRET, "private": true}}).to_string()
    }

    /// What it has taken, as `<rule> <phase>`, each once.
    fn told(&self) -> Vec<String> {
        let mut told: Vec<String> = Vec::new();
        for notice in self.notices() {
            let one =
                format!("{} {}", notice["rule"].as_str().expect("a rule"), notice["phase"].as_str().expect("a phase"));
            if !told.contains(&one) {
                told.push(one);
            }
        }
        told
    }

    fn notices(&self) -> Vec<Value> {
        self.server.received().iter().map(|one| serde_json::from_slice(&one.body).expect("JSON")).collect()
    }
}

fn answer(status: u16, location: Option<&str>) -> Reply {
    let location = location.map_or_else(String::new, |to| format!("location: {to}\r\n"));
    let head = format!("HTTP/1.1 {status} X\r\n{location}content-length: 2\r\nconnection: close\r\n\r\nok");
    // Whoever asked may be gone.
    Arc::new(move |_, socket| drop(socket.write_all(head.as_bytes())))
}

fn until_told(hook: &Hook, all: &[&str]) {
    until_true(&format!("{all:?} is told"), PATIENCE, || {
        let told = hook.told();
        all.iter().all(|one| told.iter().any(|other| other == one))
    });
}

fn refused_often(stack: &RunningStack, key: &str) {
    for _ in 0..8 {
        stack.edge.chat(Some(key), &hello(4)).refused(Reason::RateLimited);
    }
}

#[test]
fn who_is_to_know_is_told_once_through_failures_and_the_edges_end() {
    let hook = Hook::start(2);
    let rules = json!([
        {"name": "refused", "when": {"kind": "key_refused", "more_than": 5, "within": "10s"}, "send": ["ops"]},
        {"name": "money", "when": {"kind": "budget", "percent": [80, 100]}},
        {"name": "muted", "when": {"kind": "key_refused", "more_than": 1, "within": "1m"}, "muted": true},
    ]);
    let limits = json!([
        {"name": "few", "kind": "window", "limit": 5, "window": "1h"},
        {"name": "month", "kind": "budget", "limit": 5, "period": "month"},
    ]);
    let mut stack =
        Stack::new().plan("limits", limits).table("alerts", rules).setting("ALERT_WEBHOOKS", hook.setting()).start();
    stack.script().allow_all();
    let key = stack.key();
    for _ in 0..5 {
        stack.edge.chat(Some(&key.key), &hello(4)).ok();
    }
    refused_often(&stack, &key.key);
    until_told(&hook, &["refused opened", "money opened"]);
    // The edge ends, and what is amiss still is: nobody is told again.
    stack.restart_edge();
    refused_often(&stack, &key.key);
    until_told(&hook, &["refused opened", "refused over"]);
    let told = hook.told();
    assert_eq!(told.iter().filter(|one| one.starts_with("muted")).count(), 0, "{told:?}");
    // What failed was sent again, the same; nobody followed where the webhook pointed.
    assert!(hook.elsewhere.received().is_empty());
    let notices = hook.notices();
    let opened: Vec<_> = notices.iter().filter(|one| one["rule"] == "refused" && one["phase"] == "opened").collect();
    assert!(opened.iter().all(|one| one["id"] == opened[0]["id"]), "{opened:?}");
    assert!(opened[0]["facts"].to_string().contains(&key.account), "{opened:?}");
    let budgets: Vec<_> = notices.iter().filter(|one| one["rule"] == "money").collect();
    assert!(budgets.iter().any(|one| one["facts"].to_string().contains("month")), "{budgets:?}");
    for received in hook.server.received() {
        check_signature(&received);
    }
    // An admin sees it, and no secret.
    let view = stack.edge.admin("GET", "/alerts", None).ok();
    assert!(view.text().contains("money") && !view.text().contains(SECRET) && !view.text().contains("/hook"));
    // And may try.
    let tested = stack.edge.admin("POST", "/alerts/test", Some(&json!({"webhook": "ops"}))).ok().json();
    assert_eq!(tested, json!({"taken": true}));
    assert!(hook.told().contains(&"test test".to_owned()));
    stack
        .edge
        .admin_as(secrets::ADMIN_TOKEN, "POST", "/alerts/test", Some(&json!({"webhook": "x"})))
        .refused(Reason::NotFound);
    stack.check_logs(&[SECRET]);
}

/// As docs/alerts.md says, by Python.
fn check_signature(received: &Received) {
    let program = "import hashlib, hmac, sys\nbody = sys.stdin.buffer.read()\n\
                   print(hmac.new(sys.argv[1].encode(), sys.argv[2].encode() + b'.' + body, hashlib.sha256).hexdigest())";
    let timestamp = received.header("x-sluice-timestamp").expect("a time");
    let mut python = std::process::Command::new("python3")
        .args(["-c", program, SECRET, timestamp])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("Python is there, for the clients' tests");
    python.stdin.take().expect("piped").write_all(&received.body).expect("it reads");
    let output = python.wait_with_output().expect("it ends");
    let expected = String::from_utf8(output.stdout).expect("hexadecimal digits");
    assert_eq!(received.header("x-sluice-signature"), Some(format!("v1={}", expected.trim()).as_str()));
}

const SECRET: &str = "e2e-webhook-secret-which-nobody-guesses";
/// Somebody looks every ten seconds, what is counted is handed on after a few, and it is over a minute after it was met last.
const PATIENCE: Duration = Duration::from_secs(240);
