//! Whether it matters how many keys there are: what an admin's calls and a key's first use cost in an empty registry and in
//! one with many keys.

use crate::interrupt;
use crate::options::Options;
use crate::table::{Table, milliseconds, whole};
use crate::workers::Sluice;
use harness::caller::{Caller, hello};
use harness::secrets;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Instant;

/// One kind of call, measured before and after.
struct Row {
    name: &'static str,
    empty: Vec<f64>,
    full: Vec<f64>,
}

/// Measures, fills the registry, measures again. The table's last column is what the requirement is about: 1.5 at most.
pub(crate) fn run(options: &Options, origin: SocketAddr) -> Value {
    let sluice = Sluice::start(origin);
    let caller = Caller::new(sluice.address);
    // As many as a page of a list holds, so that both lists are as long.
    fill(&caller, PAGE);
    measure(&caller, WARM_UP);
    let empty = measure(&caller, options.rounds * SAMPLES);
    let begun = Instant::now();
    fill(&caller, options.keys);
    let filled = begun.elapsed().as_secs_f64();
    measure(&caller, WARM_UP);
    let full = measure(&caller, options.rounds * SAMPLES);
    let rows = NAMES.into_iter().zip(empty).zip(full).map(|((name, empty), full)| Row { name, empty, full });
    let mut table = Table::new(&["", "empty p50 ms", "p99 ms", "full p50 ms", "p99 ms", "p99 ratio"]);
    let mut section = Vec::new();
    for row in rows {
        let figures = [(&row.empty, 0.5), (&row.empty, 0.99), (&row.full, 0.5), (&row.full, 0.99)];
        let [empty_p50, empty_p99, full_p50, full_p99] = figures.map(|(times, part)| percentile(times, part));
        let ratio = full_p99 / empty_p99;
        let mut cells = [empty_p50, empty_p99, full_p50, full_p99].map(milliseconds).to_vec();
        cells.push(format!("{ratio:.2}"));
        table.row(row.name, cells);
        section.push(json!({
            "name": row.name, "samples": row.full.len(), "empty_p50_ms": empty_p50, "empty_p99_ms": empty_p99,
            "full_p50_ms": full_p50, "full_p99_ms": full_p99, "p99_ratio": ratio,
        }));
    }
    println!();
    table.print();
    println!(
        "\n{} keys made in {filled:.0} s, {BULK} at a time; \"empty\" has {PAGE}; {} calls of each kind, one after another",
        whole(options.keys as f64),
        options.rounds * SAMPLES
    );
    json!({"keys": options.keys, "filled_in_s": filled, "calls": section})
}

/// How long each of `count` calls of each kind takes, in milliseconds; in the order of [`NAMES`].
fn measure(caller: &Caller, count: usize) -> [Vec<f64>; NAMES.len()] {
    let mut times = [const { Vec::new() }; NAMES.len()];
    for number in 0..count {
        interrupt::check();
        let mut timed = |kind: usize, call: &mut dyn FnMut() -> u16| {
            let begun = Instant::now();
            let status = call();
            times[kind].push(1e3 * begun.elapsed().as_secs_f64());
            assert!((200..300).contains(&status), "{}: {status}", NAMES[kind]);
        };
        let mut key = None;
        timed(0, &mut || {
            key = Some(caller.issue_key("open"));
            200 // not a status: `issue_key` fails where the answer is another
        });
        let key = key.expect("made above");
        timed(1, &mut || caller.admin("GET", &format!("/keys/{}", key.id), None).status);
        timed(2, &mut || caller.chat(Some(&key.key), &hello(1)).status);
        timed(3, &mut || caller.admin("GET", "/keys", None).status);
        // Somewhere in the middle: ids are random.
        let after = format!("/keys?after=key_{:02x}{}", number % 0xf0, "0".repeat(22));
        timed(4, &mut || caller.admin("GET", &after, None).status);
        timed(5, &mut || caller.admin("GET", &format!("/keys?account={}", key.account), None).status);
        timed(6, &mut || caller.admin("GET", "/keys?plan=spent", None).status);
        timed(7, &mut || caller.admin("GET", "/live", None).status);
        timed(8, &mut || caller.get("/metrics", Some(secrets::ADMIN_TOKEN)).status);
        timed(9, &mut || caller.admin("DELETE", &format!("/keys/{}", key.id), None).status);
    }
    times
}

/// Makes so many keys of one plan, 250 to an account: what is looked at is the registry, and not as many Gates.
fn fill(caller: &Caller, count: usize) {
    let (mut made, begun) = (0, Instant::now());
    while made < count {
        interrupt::check();
        let account = caller.admin("POST", "/accounts", None).json()["account"].clone();
        for _ in 0..PER_ACCOUNT / BULK {
            let now = BULK.min(count - made);
            if now == 0 {
                return;
            }
            let keys = vec![json!({"name": "filler", "plan": "open", "account": account}); now];
            let answer = caller.admin("POST", "/keys/bulk", Some(&json!({ "keys": keys })));
            assert!(answer.status < 300, "{}", answer.text());
            made += now;
        }
        if made.is_multiple_of(10_000) {
            eprintln!("  {made} of {count} keys made in {:.0} s", begun.elapsed().as_secs_f64());
        }
    }
}

fn percentile(times: &[f64], part: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (part * sorted.len() as f64).ceil() as usize;
    sorted[place.clamp(1, sorted.len()) - 1]
}

const NAMES: [&str; 10] = [
    "create",
    "get",
    "first use",
    "list, first page",
    "list, middle",
    "list, by account",
    "list, by plan",
    "live",
    "/metrics",
    "delete",
];
/// How many calls of each kind a round has.
const SAMPLES: usize = 100;
const WARM_UP: usize = 20;
const PAGE: usize = 100;
const BULK: usize = 50;
const PER_ACCOUNT: usize = 250;
