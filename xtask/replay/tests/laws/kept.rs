//! What the edge keeps of requests is decided again as their lines are: by the same plans with the same result, whatever
//! way they took to their Meters.

use crate::table;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::measures::counter::Counter;
use sluice_protocol::measures::gathered::gather;
use sluice_protocol::measures::kept::Kept;
use sluice_protocol::measures::report::{IsolateState, Report, decode, encode};
use sluice_protocol::replay::drive::Mean;
use sluice_protocol::replay::part::{Part, Tables};
use sluice_protocol::replay::request::in_order;
use sluice_protocol::request::bodies::chat::{Usage, Used};
use sluice_protocol::telemetry::{Line, RequestLine};
use sluice_replay::example::{self, Example};
use sluice_replay::log;
use sluice_replay::replay::{Named, by, replay};

/// A plan of each kind, with prices, users, sessions and a second decision now and then.
const PLANS: &str = r#"{"plans": {
    "team": {"clamp": 32, "lease": "20s", "limits": [
        {"name": "minute", "kind": "window", "limit": 9, "window": "1m", "per": "key"},
        {"name": "tokens", "kind": "bucket", "unit": "tokens", "capacity": 9000, "refill": 100, "per": "user"},
        {"name": "session", "kind": "parallel", "limit": 1, "per": "session"},
        {"name": "day", "kind": "budget", "unit": "cost", "currency": "USD", "limit": "0.05", "period": "day",
            "zone": "Europe/Zurich"}]},
    "trial": {"max_tokens": 1500, "max_input_bytes": 20000, "models": ["qwen3-*"], "limits": [
        {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 20000, "window": "1m", "per": "model"}]}},
    "exempt": [{"limit": "minute", "who": ["key_000000000000000201000000"]}],
    "costs": [{"currency": "USD", "prompt": "0.50", "cached": "0.05", "completion": "2.00"},
        {"request": 7, "completion_token": 2}]}"#;
const CANDIDATE: &str = r#"{"plans": {
    "team": {"limits": [
        {"name": "minute", "kind": "window", "limit": 3, "window": "1m"},
        {"name": "week", "kind": "budget", "limit": 200, "period": "week"}]},
    "trial": {"models": ["tiny"], "limits": [
        {"name": "at-once", "kind": "parallel", "limit": 1}]}}}"#;

/// What its caller was told that a request has used, by its line.
fn used(line: &RequestLine) -> Option<Used> {
    let usage = Usage::new(line.prompt_tokens?, line.completion_tokens?);
    let cached_tokens = line.cached_tokens.unwrap_or(0);
    let drawn = line.drawn.unwrap_or_default();
    Some(Used { usage, cached_tokens, reasoning_tokens: line.reasoning_tokens, drawn })
}

/// The requests of a log, by way of isolates and Meters; and its text.
fn kept_and_written(example: Example, plans: &PlanTable) -> (Vec<Vec<u8>>, String, u64) {
    let mut isolates: [Counter; 3] = Default::default();
    let mut meters: [Kept; 2] = Default::default();
    let (mut text, mut number, mut last) = (String::new(), 0, 0);
    let mut hand_on = |isolates: &mut [Counter; 3], isolate: usize, now: u64| {
        let report = isolates[isolate].report(isolate as u64, IsolateState::default(), DAY, now);
        let report: Report = decode(&encode(&report)).unwrap();
        meters[isolate % 2].take(report.lines, DAY, now);
        isolates[isolate].handed_over(report.number, true, false, now);
    };
    example::each(example, plans, &mut |line| {
        number += 1;
        let now = line.at + line.ms;
        last = now.max(last);
        let isolate = number % 3;
        isolates[isolate].keep(line.decided.as_deref().unwrap(), used(&line), line.at, now);
        text.push_str(&Line::Request(Box::new(line)).to_json());
        text.push('\n');
        if number % 50 == 0 {
            hand_on(&mut isolates, isolate, now);
        }
        Ok(())
    })
    .unwrap();
    (0..3).for_each(|isolate| hand_on(&mut isolates, isolate, last));
    (meters.iter().flat_map(Kept::rows).collect(), text, last)
}

#[test]
fn what_is_kept_is_decided_as_the_lines_of_the_log() {
    for seed in 0..8 {
        let every_ms = [40, 400, 4_000][seed as usize % 3];
        let (plans, candidate) = (table(PLANS), table(CANDIDATE));
        let example = Example { requests: 3_000, accounts: 40, every_ms, seed };
        let (rows, text, now) = kept_and_written(example, &plans);
        let gathered = gather(&rows, DAY, now);
        assert_eq!((gathered.requests.len(), gathered.view.one_in, gathered.view.lost), (3_000, 1, 0));
        let named = |name, table| Named { name, table };
        let log = log::read(text.as_bytes(), |_| {}).unwrap();
        let of_log = replay(&log, named("candidate", &candidate), Some(named("plans", &plans)), |_, _| {}).unwrap();
        let order = in_order(gathered.requests.iter());
        let mean = Mean::of(order.iter().copied()).unwrap();
        let against = Some(by(named("plans", &plans)).unwrap());
        let mut tables = Tables { candidate: by(named("candidate", &candidate)).unwrap(), against };
        let mut part = Part::default();
        for account in order.chunk_by(|one, other| one.account == other.account) {
            part.add(account, &gathered.names, mean, &mut tables).unwrap();
        }
        assert_eq!(part, of_log.part, "seed {seed}");
        assert_eq!(part.against.as_logged, 3_000, "by the plans in force each decision is as it was");
        assert!(part.difference.newly_refused > 100 && part.difference.newly_through > 10, "{:?}", part.difference);
    }
}

const DAY: u64 = 24 * 3_600_000;
