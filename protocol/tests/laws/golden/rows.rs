//! What lies on disks: a Gate's rows, and those of versions before.

use super::{MONTH, bound, budget, credits, golden, key_id, record, settings};
use crate::oracle::{facts, rules};
use sluice_protocol::account::Account;
use sluice_protocol::auth::key::{ApiKey, Peppers};
use sluice_protocol::hop::gate_call::{self, Kept, Settings};
use sluice_protocol::id::{CommandId, RequestId, hex};
use sluice_protocol::limit::ask::{Facts, Rule};
use sluice_protocol::limit::decision::{Outcome, Totals};
use sluice_protocol::limit::kind::Unit;
use sluice_protocol::limit::kind::bucket::Bucket;
use sluice_protocol::limit::kind::parallel::Parallel;
use sluice_protocol::limit::kind::refill::Refill;
use sluice_protocol::limit::kind::window::Window;
use sluice_protocol::limit::plan::{Limit, Per};
use sluice_protocol::limit::state;
use sluice_protocol::request::bodies::chat::{Usage, Used};
use sluice_protocol::request::cost::Rate;
use sluice_protocol::request::cost::price::Price;
use sluice_protocol::request::cost::work::Work;
use sluice_protocol::request::drawing::{Drawing, Drawn};
use std::collections::BTreeMap;

/// What a Gate stores, as it lies on disks: a change here needs a new version byte and code that still reads this.
#[test]
fn the_rows_of_a_gate() {
    let limits = [
        Limit::new("minute", Window { unit: Unit::Requests, limit: 9, window_ms: 60_000 }),
        Limit {
            per: Per::Session,
            ..Limit::new("tokens", Window { unit: Unit::Tokens, limit: 90, window_ms: 60_000 })
        },
        Limit {
            shadow: true,
            ..Limit::new(
                "burst",
                Bucket { unit: Unit::Cost, capacity: 1, refill: Refill { amount: 1, every_ms: 1_000 } },
            )
        },
        Limit::new("parallel", Parallel { limit: 2 }),
        Limit { kind: budget(), ..Limit::new("month", Parallel { limit: 1 }) },
    ];
    let rules: Vec<Rule<'_>> = rules(&limits).into_iter().map(|rule| Rule { span: Some(MONTH), ..rule }).collect();
    let mut account = Account::default();
    for (id, at) in [(1, 1_790_000_000_000), (2, 1_790_000_000_250), (3, 1_790_000_000_250)] {
        let price = Price {
            prompt: 100_000_000,
            cached: 20_000_000,
            completion: 400_000_000,
            image_kilopixel_step: 0,
            per: 1_000_000,
        };
        // The last one is for pictures, which cost something.
        let (mut rate, mut work) = (Rate { prompt_token: 1, price, ..Rate::default() }, facts(id).work);
        if id == 3 {
            (rate.image_kilopixel_step, rate.price.image_kilopixel_step) = (4, 50_000_000);
            work = Work { drawing: Drawing { n: 2, steps: 8, pixels: 4_096 }, ..work };
        }
        let asked = facts(id);
        account.state.admit(&rules, 600_000, &Facts { rate, work, ..asked }, at);
    }
    let used = Used { drawn: Drawn { images: 1, steps: 3, pixel_steps: 3_072 }, ..Usage::new(1, 3).into() };
    account.state.settle(RequestId([1; 16]), Outcome::Served(Some(used)), 1_790_000_000_300);
    let packed = state::encode(&account.state);
    assert_eq!(state::decode(&packed).unwrap(), account.state);

    let peppers = Peppers::parse(&format!("1:{}", "00".repeat(32))).unwrap();
    let minted = ApiKey::mint(&peppers, key_id().account, [0xb2; 20]);
    let done = vec![CommandId([7; 8])];
    let kept = Kept { settings: settings(), keys: vec![bound(minted.secret_hash())], done, credits: credits() };
    let packed_kept = gate_call::encode_kept(&kept);
    assert_eq!(gate_call::decode_kept(&packed_kept).unwrap(), kept);
    golden("gate_rows.v7.hex", &format!("{}\n{}\n", hex(&packed), hex(&packed_kept)));
}

/// Whoever deploys looks at the table of versions first.
#[test]
fn the_table_of_versions_is_the_codes() {
    let page = include_str!("../../../../docs/administration.md");
    let usage = sluice_protocol::usage::row::VERSION;
    for (row, version) in
        [("its state:", state::VERSION), ("its settings, keys", gate_call::KEPT_VERSION), ("its usage,", usage)]
    {
        let line = page.lines().find(|line| line.starts_with(&format!("| {row}"))).unwrap();
        assert!(line.contains(&format!(" | {version} | ")) && line.ends_with(&format!("{version} |")), "{line}");
    }
    let messages = format!("have a version, too ({} now)", gate_call::VERSION);
    assert!(page.contains(&messages), "{messages}");
}

/// Rows of a golden file, as bytes.
fn rows(file: &str) -> [Vec<u8>; 2] {
    let bytes = |line: &str| -> Vec<u8> {
        (0..line.len()).step_by(2).map(|at| u8::from_str_radix(&line[at..at + 2], 16).unwrap()).collect()
    };
    file.lines().map(bytes).collect::<Vec<_>>().try_into().unwrap()
}

/// What rows of the state from before say, however old: they are read, and written anew as what they are now.
fn old_state(row: &[u8]) {
    let mut read = state::decode(row).unwrap();
    assert_eq!(state::decode(&state::encode(&read)).unwrap(), read);
    let used = Totals { served: 1, prompt_tokens: 1, completion_tokens: 3, cost: 1 };
    assert_eq!((read.live_leases(1_790_000_000_300), read.totals()), (1, used));
    assert!(read.settle(RequestId([2; 16]), Outcome::Served(None), 1_790_000_000_400));
    assert_eq!((read.live_leases(1_790_000_000_400), read.totals().served), (0, 2));
}

/// Rows that lie on disks since version 2.
#[test]
fn the_rows_of_version_2() {
    let [state, keys] = rows(include_str!("../../golden/gate_rows.v2.hex"));
    old_state(&state);
    let peppers = Peppers::parse(&format!("1:{}", "00".repeat(32))).unwrap();
    let secret_hash = ApiKey::mint(&peppers, key_id().account, [0xb2; 20]).secret_hash();
    let overrides = [("minute".into(), 600)].into();
    let settings = Settings { disabled: true, plan: Some("vip".into()), overrides, ..Settings::default() };
    let kept = Kept { settings, keys: vec![record(secret_hash)], ..Kept::default() };
    assert_eq!(gate_call::decode_kept(&keys).unwrap(), kept);
}

/// A row of the state of version 6, which knew no pictures.
#[test]
fn the_state_of_version_6() {
    let [state, _] = rows(include_str!("../../golden/gate_rows.v6.hex"));
    old_state(&state);
    // What is written now is what was written then, and more behind it.
    assert!(state::encode(&state::decode(&state).unwrap())[1..].starts_with(&state[1..]));
}

/// A row of the state of version 5, which knew no hours.
#[test]
fn the_state_of_version_5() {
    let [state, _] = rows(include_str!("../../golden/gate_rows.v5.hex"));
    old_state(&state);
}

/// Rows of the states of version 3 and 4. Their keys' rows are the same, of version 3: they knew no credits.
#[test]
fn the_rows_of_versions_3_and_4() {
    let [state, keys] = rows(include_str!("../../golden/gate_rows.v3.hex"));
    old_state(&state);
    let [state, same] = rows(include_str!("../../golden/gate_rows.v4.hex"));
    old_state(&state);
    assert_eq!(keys, same);
    let peppers = Peppers::parse(&format!("1:{}", "00".repeat(32))).unwrap();
    let secret_hash = ApiKey::mint(&peppers, key_id().account, [0xb2; 20]).secret_hash();
    let done = vec![CommandId([7; 8])];
    let kept = Kept { settings: settings(), keys: vec![bound(secret_hash)], done, credits: BTreeMap::new() };
    assert_eq!(gate_call::decode_kept(&keys).unwrap(), kept);
}
