//! What a Gate's decision costs when its logs are as long as exact ones get. `cargo bench -p sluice-protocol`.
//!
//! The account is a busy one: logs of 1,023 entries (one more is the last that is kept exactly), as many settled requests
//! as are remembered, and one lease that runs. `now` is when the last one was settled, so all of its logs count.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use sluice_protocol::account::{Account, DecisionContext, History};
use sluice_protocol::auth::principal::Mark;
use sluice_protocol::hop::gate_call::description::StorageCounters;
use sluice_protocol::hop::gate_call::{Ask, Call, Caller};
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::ask::{Exact, Facts, Rule};
use sluice_protocol::limit::calendar::Calendar;
use sluice_protocol::limit::decision::{Decision, Outcome};
use sluice_protocol::limit::kind::Unit;
use sluice_protocol::limit::kind::bucket::Bucket;
use sluice_protocol::limit::kind::entry::EXACT_ENTRIES;
use sluice_protocol::limit::kind::parallel::Parallel;
use sluice_protocol::limit::kind::refill::Refill;
use sluice_protocol::limit::kind::window::Window;
use sluice_protocol::limit::plan::{Limit, PlanTable};
use sluice_protocol::limit::state::{self, GateState};
use sluice_protocol::request::bodies::chat::Usage;
use sluice_protocol::request::cost::work::Work;
use sluice_protocol::request::cost::{Class, Rate};
use sluice_protocol::request::endpoint::Endpoint;
use std::hint::black_box;
use std::time::{Duration, Instant};

const START: u64 = 1_790_000_000_000;
const LEASE_MS: u64 = 600_000;
const FULL: u64 = EXACT_ENTRIES as u64 - 1;
const NOW: u64 = START + FULL;

fn window(name: &str, unit: Unit, limit: u32, window_ms: u64) -> Limit {
    Limit::new(name, Window { unit, limit, window_ms })
}

fn request(number: u64) -> RequestId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    RequestId(id)
}

fn facts(number: u64, tokens: u32) -> Facts {
    Facts {
        request: request(number),
        key: Mark::of_key([1; 4]),
        model: "m".into(),
        session: None,
        user: None,
        class: Class::Light,
        endpoint: Endpoint::Chat,
        batch: false,
        work: Work { prompt_tokens: 1, max_tokens: tokens - 1, ..Work::default() },
        exact: Exact { prompt: true, max_tokens: true },
        rate: Rate::default(),
        pressure: 0,
    }
}

/// A request in every millisecond, each settled at once but for the first.
fn busy(limits: &[Limit], entries: u64) -> GateState {
    let rules: Vec<Rule<'_>> = limits.iter().map(Rule::of).collect();
    let mut state = GateState::default();
    for number in 0..entries {
        let now = START + number;
        let decision = state.admit(&rules, LEASE_MS, &facts(number, 4), now);
        assert!(matches!(decision, Decision::Admit(_)), "{decision:?}");
        if number > 0 {
            state.settle(request(number), Outcome::Served(None), now);
        }
    }
    state
}

/// What most plans have.
fn four(most: u32) -> Vec<Limit> {
    let window = |name, ms| window(name, Unit::Requests, most, ms);
    vec![
        window("second", 1_000),
        window("minute", 60_000),
        window("day", 86_400_000),
        Limit::new("parallel", Parallel { limit: 8 }),
    ]
}

/// Times one part of a request's life at a Gate that stays in memory; the other part puts the logs back as they were.
fn timed(state: &GateState, rules: &[Rule<'_>], outcome: Outcome, is_admit: bool, times: u64) -> Duration {
    let (mut state, mut total) = (state.clone(), Duration::ZERO);
    for number in 0..times {
        let facts = facts(1_000_000 + number, 4);
        let begun = Instant::now();
        let decision = black_box(state.admit(rules, LEASE_MS, black_box(&facts), NOW));
        let admitted = Instant::now();
        assert!(matches!(decision, Decision::Admit(_)));
        let settling = Instant::now();
        state.settle(facts.request, black_box(outcome), NOW);
        total += if is_admit { admitted - begun } else { settling.elapsed() };
    }
    total
}

fn admits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("admit");
    let refill = Refill { amount: 1, every_ms: 1_000 };
    let bucket = Limit::new("b", Bucket { unit: Unit::Tokens, capacity: 1_000_000, refill });
    let day = window("day", Unit::Requests, 1_000_000, 86_400_000);
    let cases = [
        ("one window", vec![day.clone()]),
        ("four limits", four(1_000_000)),
        ("one bucket, a lease from before", vec![bucket]),
    ];
    for (name, limits) in cases {
        let (rules, state) = (limits.iter().map(Rule::of).collect::<Vec<_>>(), busy(&limits, FULL));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| timed(&state, &rules, Outcome::NotServed, true, times));
        });
    }
    // Once in some 700 requests.
    let (rules, state, facts) = ([Rule::of(&day)], busy(std::slice::from_ref(&day), FULL + 1), facts(9_999, 4));
    group.bench_function("one window, merging", |bencher| {
        let admit = |mut state: GateState| {
            let decision = state.admit(&rules, LEASE_MS, black_box(&facts), NOW);
            (state, decision)
        };
        bencher.iter_batched(|| state.clone(), admit, BatchSize::PerIteration);
    });
    group.finish();
}

fn refusals(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("refuse");
    let tokens = window("tokens", Unit::Tokens, 4 * FULL as u32, 86_400_000);
    let refill = Refill { amount: 1, every_ms: 86_400_000 };
    let bucket = Limit::new("b", Bucket { unit: Unit::Tokens, capacity: 4 * FULL as u32, refill });
    let cases = [
        ("one window", vec![window("day", Unit::Requests, FULL as u32, 86_400_000)], 4),
        ("one window of tokens, half of it asked for", vec![tokens], 2 * FULL as u32),
        (
            "four limits",
            four(1_000_000).into_iter().chain([window("w", Unit::Requests, FULL as u32, 5_000)]).collect(),
            4,
        ),
        ("one bucket, a lease from before", vec![bucket], 4),
    ];
    for (name, limits, tokens) in cases {
        let (rules, mut state) = (limits.iter().map(Rule::of).collect::<Vec<_>>(), busy(&limits, FULL));
        let facts = facts(9_999, tokens);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let decision = state.admit(&rules, LEASE_MS, black_box(&facts), NOW);
                assert!(matches!(decision, Decision::Refuse(_)));
                decision
            });
        });
    }
    group.finish();
}

fn settles(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("settle");
    let limits = [four(1_000_000), vec![window("tokens", Unit::Tokens, 1_000_000, 60_000)]].concat();
    let rules: Vec<Rule<'_>> = limits.iter().map(Rule::of).collect();
    let state = busy(&limits, FULL);
    for (name, outcome) in
        [("with usage", Outcome::Served(Some(Usage::new(0, 0).into()))), ("taken back", Outcome::NotServed)]
    {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| timed(&state, &rules, outcome, false, times));
        });
    }
    group.finish();
}

fn rows(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("row of four limits");
    let state = busy(&four(1_000_000), FULL);
    let row = state::encode(&state);
    println!("a row of {} bytes", row.len());
    group.bench_function("encode", |bencher| bencher.iter(|| state::encode(black_box(&state))));
    group.bench_function("decode", |bencher| bencher.iter(|| state::decode(black_box(&row))));
    group.finish();
}

/// What one message and one write of the row cost, besides the write.
fn groups(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("account of four limits");
    let limits = sluice_protocol::limit::plan::limits_to_json(&four(1_000_000)).to_string();
    let limits = limits.replace(r#""limit":8"#, r#""limit":32"#);
    let table = PlanTable::parse(&format!(r#"{{"plans":{{"p":{{"limits":{limits}}}}}}}"#));
    let table = table.expect("what limits_to_json writes can be read");
    let setting = DecisionContext {
        account: "acct:0101010101010101",
        table: &table,
        calendar: Calendar::NONE,
        storage: StorageCounters::default(),
        history: History::NONE,
    };
    let account = Account { state: busy(&four(1_000_000), FULL), ..Account::default() };
    for size in [1_u64, 16] {
        let caller = Caller::Known { subject: Mark([1; 8]), plan: "p".into() };
        let ask = |number| Ask { request: request(10_000 + number), ..Ask::smallest(caller.clone()) };
        let calls: Vec<Call> = (0..size).map(|number| Call::Admit(Box::new(ask(number)))).collect();
        group.bench_function(format!("{size} asks, answers and row"), |bencher| {
            let answer = |mut account: Account| {
                let (answers, changed) = account.answer_all(black_box(&calls), setting, NOW);
                assert!(changed.state);
                (answers, state::encode(&account.state), account)
            };
            bencher.iter_batched(|| account.clone(), answer, BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, admits, refusals, settles, rows, groups);
criterion_main!(benches);
