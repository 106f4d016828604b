//! Several origins: each is a process of its own, with the built-in model and a name.

mod broken;
mod hedged;
mod put;
mod turns;

use harness::caller::{MODEL, hello};
use harness::origin::{OriginKind, OriginSettings, TestOrigin};
use harness::wait::{SOON, until_true};
use harness::{RunningStack, Stack};
use serde_json::{Value, json};
use sluice_protocol::refusal::Reason;
use sluice_protocol::route::setting::OriginName;
use std::net::{Ipv4Addr, SocketAddr};
use tempfile::TempDir;

/// An origin that can be ended and started again where it was.
struct Named {
    name: &'static str,
    directory: TempDir,
    settings: OriginSettings,
    origin: TestOrigin,
}

impl Named {
    fn start(name: &'static str) -> Self {
        let directory =
            TempDir::with_prefix("sluice-origin-").expect("the machine has a directory for temporary files");
        let settings = OriginSettings { name: OriginName::parse(name), slots: 4, ..OriginSettings::default() };
        let origin = TestOrigin::start(&OriginKind::Tiny, &settings, directory.path());
        let settings = OriginSettings { bind: origin.address(), ..settings };
        Self { name, directory, settings, origin }
    }

    /// Kills it in the middle of whatever it does.
    fn kill(&mut self) {
        self.origin = TestOrigin::Down;
    }

    fn start_again(&mut self) {
        self.origin = TestOrigin::start(&OriginKind::Tiny, &self.settings, self.directory.path());
    }

    /// What it has written down, without colours.
    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.directory.path().join("origin.log"));
        let log = log.expect("its log is there since its start");
        let mut parts = log.split('\x1b');
        let plain = parts.next().unwrap_or_default().to_owned();
        // A colour ends with its `m`.
        parts.fold(plain, |plain, part| plain + part.split_once('m').map_or("", |(_, rest)| rest))
    }

    /// How many requests it has answered, by its log.
    fn answered(&self) -> usize {
        self.log().lines().filter(|line| line.contains("answered cause=")).count()
    }
}

/// What `ORIGINS` says of them, each at its address.
fn setting(origins: &[(&str, SocketAddr)]) -> String {
    let one = |(name, address): &(&str, SocketAddr)| json!({"name": name, "url": format!("http://{address}")});
    Value::from(origins.iter().map(one).collect::<Vec<_>>()).to_string()
}

fn stack(origins: &[(&str, SocketAddr)]) -> Stack {
    Stack::new().no_origin().without("ORIGIN_URL").setting("ORIGINS", setting(origins))
}

/// Where nobody listens.
const NOWHERE: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 1);

fn models(stack: &RunningStack, key: &str) -> Vec<String> {
    let list = stack.edge.get("/v1/models", Some(key)).ok().json();
    let entries = list["data"].as_array().expect("a list");
    entries.iter().map(|entry| entry["id"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn a_grant_for_one_origin_is_refused_at_another() {
    let a = Named::start("a");
    let right = stack(&[("a", a.origin.address())]).start();
    right.edge.chat(Some(&right.key().key), &hello(4)).ok();
    drop(right);
    // The address of `a`, under another name.
    let wrong = stack(&[("b", a.origin.address())]).start();
    wrong.edge.chat(Some(&wrong.key().key), &hello(4)).refused(Reason::OriginFailed);
    until_true("its log says why", SOON, || a.log().contains("the grant is for another origin"));
}

#[test]
fn the_list_of_models_is_that_of_all_by_the_names_that_callers_have() {
    let (a, b) = (Named::start("a"), Named::start("b"));
    let list = json!([
        {"name": "a", "url": format!("http://{}", a.origin.address()), "models": [MODEL]},
        {"name": "b", "url": format!("http://{}", b.origin.address()), "models": ["other"], "aliases": {"other": MODEL}},
        {"name": "c", "url": format!("http://{}", SocketAddr::from(NOWHERE))},
    ]);
    let stack = Stack::new().no_origin().without("ORIGIN_URL").setting("ORIGINS", list.to_string()).start();
    let key = stack.key();
    assert_eq!(models(&stack, &key.key), [MODEL, "other"]);
    let ask = |model: &str| {
        let mut body = hello(4);
        body["model"] = model.into();
        stack.edge.chat(Some(&key.key), &body)
    };
    ask("other").ok();
    until_true("b has answered it", SOON, || b.answered() == 1);
    assert_eq!(a.answered(), 0);
    ask(MODEL).ok();
    until_true("a has answered it", SOON, || a.answered() == 1);
}

#[test]
fn every_mistake_of_the_setting_is_told_together_and_by_name() {
    let list = json!([
        {"name": "a", "url": "http://plain.example", "wieght": 3},
        {"name": "a", "url": "https://b.example"},
    ]);
    let stack = Stack::new().no_origin().setting("ORIGINS", list.to_string()).start();
    let answer = stack.edge.get("/v1/key", None);
    answer.refused(Reason::Misconfigured);
    let log = stack.edge_log();
    for told in [
        "ORIGINS origin `a`: has an unknown member `wieght`",
        "ORIGINS origin `a`: `url` must start with https://",
        "ORIGINS origin 2: has the `name` of one before it",
    ] {
        assert!(log.contains(told), "{told} is not in {log}");
    }
}
