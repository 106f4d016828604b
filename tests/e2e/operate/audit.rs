//! audit: the tool that tells what limits are worth finds nothing wrong with ours, and everything that is wrong elsewhere.

mod gateway;

use gateway::{Rules, Wrong};
use harness::Stack;
use harness::caller::MODEL;
use serde_json::Value;
use sluice_origin::models::scripted::Say;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

/// What the tool said of each check: its verdict, and why.
type Verdicts = BTreeMap<String, (String, String)>;

/// Runs the tool with these keys; its exit status agrees with its report.
fn audit(address: SocketAddr, keys: &[String], options: &[&str]) -> Verdicts {
    let directory = tempfile::tempdir().expect("the machine has a directory for temporary files");
    let report = directory.path().join("report.json");
    let output = Command::new(env!("CARGO_BIN_EXE_sluice-audit"))
        .args(["--url", &format!("http://{address}"), "--model", MODEL, "--key", &keys.join(",")])
        .args(options)
        .arg("--json")
        .arg(&report)
        .output()
        .expect("cargo built it for this test");
    let printed = String::from_utf8_lossy(&output.stdout);
    println!("{}{printed}", String::from_utf8_lossy(&output.stderr));
    let report = std::fs::read(report).unwrap_or_else(|error| panic!("no report: {error}"));
    let report: Value = serde_json::from_slice(&report).expect("a report is JSON");
    let names = ["pass", "fail", "skipped"];
    let code = names.iter().position(|name| report["verdict"] == *name).and_then(|code| i32::try_from(code).ok());
    assert_eq!(output.status.code(), code, "{report}");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let checks = report["checks"].as_array().expect("a list").iter();
    checks.map(|check| (text(&check["check"]), (text(&check["verdict"]), text(&check["reason"])))).collect()
}

/// The verdicts on a gateway of our own making, which claims 5 requests in 400 ms and 2 streams at once.
fn audit_wrong(wrong: Wrong, checks: &str) -> Verdicts {
    let rules = Rules { limit: 5, window: Duration::from_millis(400), parallel: 2, wrong };
    let keys: Vec<_> = (0..8).map(|number| format!("key-{number}")).collect();
    let claim = ["--limit", "5", "--window", "400ms", "--parallel", "2", "--lease", "1s", "--kills", "6"];
    audit(gateway::start(rules), &keys, &[&claim[..], &["--checks", checks]].concat())
}

/// Checks that this check finds what is wrong, and says so. Only what is certain is said, so a machine that is very busy
/// with other things may have to try again.
#[track_caller]
fn caught(wrong: Wrong, check: &str, why: &str) {
    let mut tries = (0..TRIES).map(|_| audit_wrong(wrong, check)[check].clone());
    let is_it = |(verdict, reason): &(String, String)| verdict == "fail" && reason.contains(why);
    assert!(tries.any(|found| is_it(&found)), "{check} does not say of {wrong:?}: {why}");
}

/// Checks that nothing is ever found wrong, and that every check learns something, if not at once.
#[track_caller]
fn all_pass(number: usize, mut audit: impl FnMut() -> Verdicts) {
    let mut passed = BTreeSet::new();
    for _ in 0..TRIES {
        let verdicts = audit();
        assert!(verdicts.values().all(|(verdict, _)| verdict != "fail"), "{verdicts:#?}");
        passed.extend(verdicts.into_iter().filter(|(_, (verdict, _))| verdict == "pass").map(|(check, _)| check));
        if passed.len() == number {
            return;
        }
    }
    panic!("only these learnt something: {passed:?}");
}

const TRIES: usize = 3;

#[test]
fn sluice_keeps_every_claim() {
    let stack = Stack::new().limit("5 per 500ms").parallel(2).start();
    // Only max_tokens ends an answer.
    (0..6_000).for_each(|_| stack.script().say(Say::endless("on and on ")));
    let claim = ["--limit", "5", "--window", "500ms", "--parallel", "2", "--lease", "10s", "--kills", "10"];
    all_pass(8, || {
        let keys: Vec<_> = (0..8).map(|_| stack.key().key).collect();
        let address = stack.edge_address();
        let verdicts = std::thread::scope(|scope| {
            let tool = scope.spawn(|| audit(address, &keys, &claim));
            while !tool.is_finished() {
                // The pace of a model: a stream of 1,024 tokens takes seconds. Steps that nobody waits for are not saved up.
                if stack.script().is_blocked() {
                    stack.script().allow(1);
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            tool.join().expect("the tool writes a report")
        });
        stack.check_logs(&keys.iter().map(String::as_str).collect::<Vec<_>>());
        verdicts
    });
}

#[test]
fn a_gateway_that_is_right_passes() {
    let all = "burst,boundary,steady,burn,retry-after,headers,parallel,leak";
    all_pass(8, || audit_wrong(Wrong::Nothing, all));
}

#[test]
fn a_window_that_counts_from_zero_is_caught_at_its_boundary() {
    caught(Wrong::FixedWindow, "boundary", "over-admission");
}

#[test]
fn a_leaky_bucket_is_caught_by_a_steady_load() {
    caught(Wrong::LeakyBucket, "steady", "over-admission");
}

#[test]
fn refusals_that_count_are_caught() {
    caught(Wrong::CountsRefusals, "burn", "refusals cost room");
    caught(Wrong::CountsRefusals, "steady", "under-admission");
}

#[test]
fn a_race_is_caught_by_a_burst() {
    caught(Wrong::ReadsBeforeItWrites, "burst", "over-admission");
}

#[test]
fn waits_that_are_not_true_are_caught() {
    caught(Wrong::AlwaysTells(400), "retry-after", "a request passed");
    caught(Wrong::AlwaysTells(50), "retry-after", "was refused again");
    caught(Wrong::AlwaysTells(60_000), "retry-after", "leaves within 400ms");
    caught(Wrong::RoundsDown, "retry-after", "was refused again");
}

#[test]
fn slots_of_killed_streams_that_do_not_come_back_are_caught() {
    caught(Wrong::LeaksSlots, "leak", "2 of 2 slots not back 1s after");
}

#[test]
fn streams_that_are_not_counted_are_caught() {
    caught(Wrong::ForgetsStreams, "parallel", "streams surely ran at once, limit 2");
}

#[test]
fn headers_that_contradict_what_happens_are_caught() {
    caught(Wrong::SaysTheSame, "headers", "x-ratelimit-remaining is 4 after");
}

#[test]
fn what_is_skipped_says_why() {
    let address =
        gateway::start(Rules { limit: 5, window: Duration::from_millis(400), parallel: 2, wrong: Wrong::Nothing });
    let checks = ["--limit", "5", "--window", "400ms", "--checks", "burst,boundary,leak"];
    let verdicts = audit(address, &["only".to_owned()], &checks);
    assert_eq!(verdicts["burst"].0, "pass", "{verdicts:#?}");
    assert_eq!(verdicts["boundary"].1, "no fresh key is left: 2 checks take 2 keys, 1 given");
    assert_eq!(verdicts["leak"].1, "no --parallel was claimed");
}
