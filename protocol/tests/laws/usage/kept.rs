//! What a state counts in its hour, and what becomes of hours that are over.

use super::{HOUR, RATE, START, facts, request, sum_of, whose};
use crate::golden::golden;
use proptest::collection::vec;
use proptest::prelude::*;
use sluice_protocol::auth::principal::Mark;
use sluice_protocol::id::hex;
use sluice_protocol::limit::ask::Rule;
use sluice_protocol::limit::decision::{Decision, Outcome};
use sluice_protocol::limit::gate::GRACE_MS;
use sluice_protocol::limit::kind::Unit;
use sluice_protocol::limit::kind::window::Window;
use sluice_protocol::limit::plan::Limit;
use sluice_protocol::limit::state::{self, GateState, MAX_BYTES, most_bytes};
use sluice_protocol::request::bodies::chat::{Usage, Used};
use sluice_protocol::request::drawing::Drawn;
use sluice_protocol::request::endpoint::Endpoint;
use sluice_protocol::usage::hours::{Finished, MAX_CELLS, MAX_TOLD};
use sluice_protocol::usage::refusals::Refusals;
use sluice_protocol::usage::row::{self, Merged, Span};
use sluice_protocol::usage::{Cell, HOUR_MS, MAX_NAME, Sum, Whose};
use std::collections::{BTreeMap, BTreeSet};

/// What happens to an account.
#[derive(Clone, Debug)]
enum Step {
    /// A request of one of some keys, models and users.
    Admit([u8; 3]),
    /// One of the requests so far ends, perhaps again.
    Settle(u16, End),
    /// It is admitted again, with what the origin counted.
    Again(u16),
    Wait(u64),
    /// What was stored is read back.
    Evict,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Served(u16, u16),
    Unknown,
    NotServed,
}

fn step() -> impl Strategy<Value = Step> {
    let end = prop_oneof![
        4 => (0u16..900, 0u16..300).prop_map(|(prompt, answer)| End::Served(prompt, answer)),
        1 => Just(End::Unknown),
        1 => Just(End::NotServed),
    ];
    prop_oneof![
        6 => [0u8..3, 0u8..3, 0u8..3].prop_map(Step::Admit),
        6 => (any::<u16>(), end).prop_map(|(which, end)| Step::Settle(which, end)),
        1 => any::<u16>().prop_map(Step::Again),
        2 => (0u64..600_000).prop_map(Step::Wait),
        1 => (0u64..3 * HOUR_MS).prop_map(Step::Wait),
        1 => Just(Step::Evict),
    ]
}

fn outcome(end: End) -> Outcome {
    match end {
        End::Served(prompt, answer) => Outcome::Served(Some(Used {
            usage: Usage::new(prompt.into(), answer.into()),
            reasoning_tokens: Some(u64::from(answer / 2)),
            cached_tokens: u64::from(prompt / 3),
            drawn: drawn(prompt, answer),
        })),
        End::Unknown => Outcome::Served(None),
        End::NotServed => Outcome::NotServed,
    }
}

/// Some requests are for pictures, too.
fn drawn(prompt: u16, answer: u16) -> Drawn {
    match prompt % 3 {
        0 => Drawn { images: 1, steps: answer.into(), pixel_steps: u64::from(answer) * 700 },
        _ => Drawn::NOTHING,
    }
}

/// A Gate with its rows.
#[derive(Default)]
struct Kept {
    state: GateState,
    row: Vec<u8>,
    rows: BTreeMap<i64, Vec<u8>>,
}

impl Kept {
    /// Stores what changed, as a Gate does.
    fn store(&mut self) {
        for Finished { hour, number, cells } in self.state.take_finished() {
            let before = self.rows.insert(row::hour_id(hour, number), row::encode(&cells));
            assert_eq!(before, None, "an hour that is over has a row of its own");
        }
        self.row = state::encode(&self.state);
    }

    /// Every line, by its hour.
    fn cells(&self) -> Vec<(u64, Cell)> {
        let rows = self.rows.iter().flat_map(|(id, row)| {
            let Span::Hour(hour) = row::span_of(*id) else { panic!("no day is made here") };
            row::decode(row).unwrap().into_iter().map(move |cell| (hour, cell))
        });
        let now = self.state.hours().now();
        rows.chain(now.cells.into_iter().map(|cell| (now.hour, cell))).collect()
    }
}

const LEASE_MS: u64 = 300_000;

proptest! {
    /// However requests end, and whatever is read back: each line is what a list of all endings says of its hour, and all
    /// lines together are what the account's totals say. No request is counted as two things, or as none.
    #[test]
    fn lines_are_what_ended_in_their_hours(steps in vec(step(), 1..120), is_metered in any::<bool>()) {
        let tokens = Limit::new("t", Window { unit: Unit::Tokens, limit: 1_000_000_000, window_ms: 60_000 });
        let rules: Vec<Rule<'_>> = Some(&tokens).filter(|_| is_metered).into_iter().map(Rule::of).collect();
        let mut kept = Kept::default();
        // Each request: whose, until when it can be settled, and whether it was.
        let mut requests: Vec<([u8; 3], u64, bool)> = Vec::new();
        let mut expected: BTreeMap<(u64, Whose), Sum> = BTreeMap::new();
        let (mut now, mut given_back) = (START, 0);
        for step in steps {
            match step {
                Step::Admit(who) => {
                    let asked = facts(requests.len() as u32, who);
                    let decision = kept.state.admit(&rules, LEASE_MS, &asked, now);
                    prop_assert!(matches!(decision, Decision::Admit(_)));
                    requests.push((who, now + LEASE_MS, false));
                    kept.store();
                }
                Step::Settle(which, end) if !requests.is_empty() => {
                    let which = usize::from(which) % requests.len();
                    let is_held = kept.state.lease_of(request(which as u32));
                    if kept.state.settle(request(which as u32), outcome(end), now) {
                        kept.store();
                    }
                    let (who, _, is_ended) = &mut requests[which];
                    if is_held && !std::mem::replace(is_ended, true) {
                        expected.entry((now / HOUR_MS, whose(*who))).or_default().add(&sum(end, is_metered));
                    }
                }
                Step::Again(which) if !requests.is_empty() => {
                    let which = usize::from(which) % requests.len();
                    let (who, _, is_ended) = requests[which];
                    let again = facts(requests.len() as u32, who);
                    let is_held = kept.state.lease_of(request(which as u32));
                    let (decision, _) = kept.state.readmit(&rules, LEASE_MS, request(which as u32), &again, now);
                    prop_assert!(matches!(decision, Decision::Admit(_)));
                    given_back += u64::from(is_held && !is_ended);
                    requests[which].2 = true;
                    requests.push((who, now + LEASE_MS, false));
                    kept.store();
                }
                Step::Wait(ms) => now += ms,
                Step::Evict if !kept.row.is_empty() => kept.state = state::decode(&kept.row).unwrap(),
                _ => {}
            }
            prop_assert!(kept.row.len() <= most_bytes(&kept.state));
        }
        let cells = kept.cells();
        let mut told: BTreeMap<(u64, Whose), Sum> = BTreeMap::new();
        for (hour, cell) in &cells {
            told.entry((*hour, cell.whose.clone())).or_default().add(&Sum { lapsed: 0, ..cell.sum });
        }
        told.retain(|_, sum| !sum.is_nothing());
        prop_assert_eq!(&told, &expected);
        let all = sum_of(cells.iter().map(|(_, cell)| cell));
        let totals = kept.state.totals();
        prop_assert_eq!(
            (all.served, all.prompt_tokens, all.completion_tokens),
            (totals.served, totals.prompt_tokens, totals.completion_tokens)
        );
        if is_metered {
            prop_assert_eq!(all.cost, totals.cost);
        }
        let held = (0..requests.len() as u32).filter(|number| kept.state.lease_of(request(*number))).count() as u64;
        prop_assert_eq!(all.served + all.failed + all.lapsed + given_back + held, requests.len() as u64);
    }
}

/// What an ending adds, computed anew.
fn sum(end: End, is_metered: bool) -> Sum {
    match end {
        End::NotServed => Sum { failed: 1, ..Sum::default() },
        // What was reserved: one token for one, and 5 for the request.
        End::Unknown if is_metered => Sum { served: 1, ..reserved() },
        End::Unknown => Sum { served: 1, ..Sum::default() },
        End::Served(prompt, answer) => {
            let drawn = drawn(prompt, answer);
            let [prompt, answer] = [prompt, answer].map(u64::from);
            let cached = prompt / 3;
            // 0.10, 0.02 and 0.40 for a million, in billionths; and 7.00 for a million thousands of pixels.
            let money = (prompt - cached) * 100 + cached * 20 + answer * 400 + 7 * drawn.pixel_steps;
            Sum {
                served: 1,
                prompt_tokens: prompt,
                cached_tokens: cached,
                completion_tokens: answer,
                thinking_tokens: answer / 2,
                images: drawn.images.into(),
                image_steps: drawn.steps.into(),
                cost: 5 + prompt + 3 * answer + 2 * drawn.pixel_steps.div_ceil(1_000),
                money,
                ..Sum::default()
            }
        }
    }
}

fn reserved() -> Sum {
    let work = facts(0, [0; 3]).work;
    Sum { cost: RATE.reserve(work), money: RATE.price.reserve(work), ..Sum::default() }
}

/// A lease that ends by itself is told in the hour in which that is found out, once.
#[test]
fn a_lease_that_ends_by_itself_has_lapsed() {
    let mut state = GateState::default();
    state.admit(&[], 1_000, &facts(0, [1, 1, 1]), START);
    // Two readings say that it has ended, the second one for sure.
    for (number, at) in [(1, START + HOUR_MS), (2, START + HOUR_MS + GRACE_MS + 1)] {
        state.admit(&[], HOUR_MS, &facts(number, [2, 2, 0]), at);
    }
    let now = state.hours().now();
    assert_eq!(now.hour, HOUR + 1);
    let lapsed = Sum { lapsed: 1, ..Sum::default() };
    assert_eq!(now.cells, [Cell { whose: whose([1, 1, 1]), sum: lapsed, refused: BTreeMap::new() }]);
    assert!(state.settle(request(0), outcome(End::Served(9, 9)), START + HOUR_MS + GRACE_MS + 2));
    assert_eq!(sum_of(&state.hours().now().cells), lapsed, "it is not known any more");
}

/// Refusals come with what is stored next, each in the hour in which it was made, also hours that nothing was stored in.
#[test]
fn refusals_are_told_in_their_hours() {
    let mut state = GateState::default();
    let mut refusals = Refusals::default();
    state.admit(&[], HOUR_MS, &facts(0, [1, 1, 0]), START);
    state.settle(request(0), outcome(End::Served(1, 1)), START);
    let [ann, bob] = [whose([1, 1, 1]), whose([1, 1, 2])];
    for hour in [0, 0, 2, 3] {
        refusals.note(&ann, ["minute", "day"].into_iter(), START + hour * HOUR_MS);
    }
    refusals.note(&bob, ["day"].into_iter(), START + 3 * HOUR_MS);
    let seen: u64 = refusals.cells().map(|(_, cell)| cell.refused.values().sum::<u64>()).sum();
    assert_eq!(seen, 9, "who asks now is told of them");
    // Another hour began here before they were added.
    state.admit(&[], HOUR_MS, &facts(1, [1, 1, 0]), START + 3 * HOUR_MS);
    state.add_refusals(&mut refusals);
    assert_eq!(refusals, Refusals::default());
    let count = |cells: &[Cell], whose: &Whose, limit: &str| -> u64 {
        cells.iter().filter(|cell| cell.whose == *whose).filter_map(|cell| cell.refused.get(limit)).sum()
    };
    let finished = state.take_finished();
    let told: Vec<_> =
        finished.iter().map(|one| (one.hour, count(&one.cells, &ann, "minute"), sum_of(&one.cells).served)).collect();
    assert_eq!(told, [(HOUR, 2, 1), (HOUR + 2, 1, 0)]);
    let now = state.hours().now().cells;
    assert_eq!((count(&now, &ann, "day"), count(&now, &bob, "day")), (1, 1));
    // What was not stored in an hour that has not begun here waits for it.
    refusals.note(&ann, ["day"].into_iter(), START + 9 * HOUR_MS);
    state.add_refusals(&mut refusals);
    assert_eq!(refusals.cells().count(), 1);
}

/// Whoever makes up users and models fills no row, and is counted to the unit.
#[test]
fn what_is_told_apart_is_bounded_and_nothing_is_lost() {
    let mut state = GateState::default();
    let mut refusals = Refusals::default();
    for number in 0..5_000 {
        let mut asked = facts(number, [1, 1, 0]);
        asked.user = Some(Mark::of(&format!("{number}")));
        let width = [5, MAX_NAME, MAX_NAME + 1][number as usize % 3];
        asked.model = format!("{number:0>width$}");
        state.admit(&[], HOUR_MS, &asked, START);
        assert!(state.settle(asked.request, outcome(End::Served(1, 0)), START));
        refusals.note(&asked.whose(), ["minute"].into_iter(), START);
    }
    state.add_refusals(&mut refusals);
    let now = state.hours().now();
    assert!(now.cells.len() <= MAX_CELLS + 1, "{} lines", now.cells.len());
    let of_key = |key: u8| -> u64 {
        let of_it = now.cells.iter().filter(|cell| cell.whose.key == Some(Mark::of_key([key; 4])));
        of_it.map(|cell| cell.sum.served).sum()
    };
    assert_eq!(of_key(1), 5_000, "its key is told in any case");
    let named = now.cells.iter().filter(|cell| matches!(cell.whose.user, sluice_protocol::usage::User::One(_)));
    assert!(named.count() <= MAX_TOLD);
    assert_eq!(sum_of(&now.cells), Sum { cost: 5_000 * 6, money: 5_000 * 100, ..served(5_000) });
    let refused: u64 = now.cells.iter().flat_map(|cell| cell.refused.values()).sum();
    assert_eq!(refused, 5_000);
    // Other models have other prices.
    for (number, price) in (5_000..5_400).zip(1..) {
        let mut asked = facts(number, [u8::try_from(price % 100).unwrap(), 2, 2]);
        asked.rate.price.prompt = price * 1_000_000;
        state.admit(&[], HOUR_MS, &asked, START);
        assert!(state.settle(asked.request, outcome(End::Served(1, 0)), START));
    }
    let after = state.hours().now();
    assert_eq!(sum_of(&after.cells).served, 5_400);
    let is_told = |key: u8| after.cells.iter().any(|cell| cell.whose == Whose::of_key(Mark::of_key([key; 4])));
    assert!((2..100).all(is_told), "nobody else's key is lost by what one makes up");
    let row = state::encode(&state);
    assert!(row.len() <= most_bytes(&state).min(120_000), "{}", row.len());
    assert_eq!(state::decode(&row).unwrap(), state);
}

/// A day of the worst hours that there can be: other users, the longest names of other models, and many limits that refused
/// each of them.
#[test]
fn the_largest_day_is_a_row_and_tells_keys() {
    let mut day = Merged::default();
    let refused: BTreeMap<String, u64> = (0..40).map(|limit| (format!("{limit:0>32}"), u64::MAX / 2_000)).collect();
    for hour in 0..24u8 {
        for line in 0..768u32 {
            let [key, ..] = line.to_le_bytes();
            let whose = Whose {
                key: Some(Mark::of_key([hour, key, 0, 0])),
                model: Some(format!("{:0>1$}", line % 64 + 64 * u32::from(hour), MAX_NAME)),
                endpoint: Some(Endpoint::Chat),
                user: sluice_protocol::usage::User::One(Mark::of(&format!("{hour} {line}"))),
            };
            let drawn = Sum { images: 1 << 50, image_steps: 1 << 57, ..Sum::default() };
            let sum = Sum { served: 1 << 40, prompt_tokens: 1 << 50, money: 1 << 50, ..drawn };
            day.add(vec![Cell { whose, sum, refused: refused.clone() }]);
        }
    }
    let day = day.cells();
    assert!(day.len() <= 2 * row::MAX_DAY_CELLS + 1, "{}", day.len());
    assert_eq!(sum_of(&day).served, (24 * 768) << 40);
    let row = row::encode(&day);
    assert!(row.len() < MAX_BYTES, "{}", row.len());
    assert_eq!(row::decode(&row).unwrap(), day);
    // As many keys as an account has, each after a day's worth of users of another one.
    let mut day = Merged::default();
    for line in 0..3_000u32 {
        let key = if line < 2_000 { 0 } else { (line % 256) as u8 };
        let user = sluice_protocol::usage::User::One(Mark::of(&line.to_string()));
        let whose = Whose { user, ..whose([key, 1, 1]) };
        day.add(vec![Cell { whose, sum: served(1), refused: BTreeMap::new() }]);
    }
    let keys: BTreeSet<_> = day.cells().into_iter().filter_map(|cell| cell.whose.key).collect();
    assert_eq!(keys.len(), 256);
}

/// What a day or an hour is on disks: a change here needs a new version byte and code that still reads this.
#[test]
fn the_row_of_an_hour() {
    let refused: BTreeMap<String, u64> = [("day".into(), 300), ("minute".into(), 2)].into();
    let sum = sum(End::Served(900, 300), true);
    let cells = [
        Cell { whose: whose([1, 0, 0]), sum, refused: BTreeMap::new() },
        Cell { whose: whose([1, 1, 2]), sum: Sum { failed: 3, lapsed: 1, ..sum }, refused: refused.clone() },
        Cell { whose: Whose::of_key(Mark::of_key([9; 4])), sum: Sum::default(), refused },
        Cell { whose: Whose::OTHERS, sum: served(1), refused: BTreeMap::new() },
    ];
    let row = row::encode(&cells);
    assert_eq!(row::decode(&row).unwrap(), cells);
    golden("usage_row.v2.hex", &format!("{}\n", hex(&row)));
    // A row of version 1, which knew no pictures.
    let before = include_str!("../../golden/usage_row.v1.hex").trim_end();
    let before: Vec<u8> =
        (0..before.len() / 2).map(|at| u8::from_str_radix(&before[2 * at..][..2], 16).unwrap()).collect();
    let told = |cell: &Cell| {
        let sum = Sum { images: 0, image_steps: 0, cost: 0, money: 0, ..cell.sum };
        Cell { sum, ..cell.clone() }
    };
    let read = row::decode(&before).unwrap();
    assert_eq!(read.iter().map(told).collect::<Vec<_>>(), cells.iter().map(told).collect::<Vec<_>>());
    assert!(read.iter().all(|cell| cell.sum.images == 0 && cell.sum.image_steps == 0));
    let later = [&[row::VERSION + 1], &row[1..]].concat();
    assert!(row::decode(&later).is_err() && row::decode(&[0]).is_err() && row::decode(&row[..row.len() - 1]).is_err());
}

/// Of more refusals than are told apart their keys are told.
#[test]
fn refusals_of_many_users_hide_no_key() {
    let mut refusals = Refusals::default();
    for user in 0..2_000u32 {
        let whose = Whose { user: sluice_protocol::usage::User::One(Mark::of(&user.to_string())), ..whose([1, 1, 1]) };
        refusals.note(&whose, ["minute"].into_iter(), START);
    }
    for key in 2..250 {
        refusals.note(&whose([key, 1, 1]), ["minute"].into_iter(), START);
    }
    let of = |key: u8| -> u64 {
        let of_key = refusals.cells().filter(|(_, cell)| cell.whose.key == Some(Mark::of_key([key; 4])));
        of_key.flat_map(|(_, cell)| cell.refused.into_values()).sum()
    };
    assert_eq!(of(1), 2_000);
    assert!((2..250).all(|key| of(key) == 1));
}

/// A message that comes twice is noted once; so is a request.
#[test]
fn refusals_are_noted_once() {
    let mut refusals = Refusals::default();
    assert!(refusals.is_new(request(1)) && refusals.is_new(request(2)));
    assert!(!refusals.is_new(request(1)) && !refusals.is_new(request(2)));
    // It is bounded: what comes much later is new.
    (3..600).for_each(|number| assert!(refusals.is_new(request(number))));
    assert!(refusals.is_new(request(1)));
}

/// A clock that was ahead once: nobody knows which hour it is until two readings agree.
#[test]
fn one_reading_does_not_say_which_hour_it_is() {
    let mut state = GateState::default();
    let admit = |state: &mut GateState, number: u32, at: u64| {
        state.see(at, sluice_protocol::limit::calendar::Calendar::NONE);
        state.admit(&[], 1_000, &facts(number, [1, 1, 0]), at);
        state.sure_hour()
    };
    admit(&mut state, 0, START);
    assert_eq!(admit(&mut state, 1, START + 1), Some(HOUR));
    assert_eq!(admit(&mut state, 2, START + 10_000 * HOUR_MS), Some(HOUR), "the one before is sure");
    assert_eq!(admit(&mut state, 3, START + 2), None);
    assert_eq!(admit(&mut state, 4, START + 3), Some(HOUR));
}

fn served(requests: u64) -> Sum {
    Sum { served: requests, prompt_tokens: requests, ..Sum::default() }
}

/// A table with other prices, and a clock that was ahead: what a request costs is what it was admitted at, and an hour has
/// as many rows as it has been left.
#[test]
fn an_hour_may_have_two_prices_and_two_rows() {
    let mut kept = Kept::default();
    let dear = |number| {
        let mut asked = facts(number, [1, 1, 0]);
        asked.rate.price.prompt *= 2;
        asked
    };
    kept.state.admit(&[], HOUR_MS, &facts(0, [1, 1, 0]), START);
    kept.state.admit(&[], HOUR_MS, &dear(1), START);
    for number in [0, 1] {
        kept.state.settle(request(number), outcome(End::Served(2, 0)), START);
    }
    kept.store();
    assert_eq!(sum_of(&kept.state.hours().now().cells).money, 2 * 100 + 2 * 200);
    assert_eq!(kept.state.hours().now().cells.len(), 1, "it is one line to who asks");
    for (number, hour) in [(2, 5), (3, 0), (4, 5), (5, 0)] {
        let now = START + hour * HOUR_MS;
        kept.state.see(now, sluice_protocol::limit::calendar::Calendar::NONE);
        kept.state.see(now + 1, sluice_protocol::limit::calendar::Calendar::NONE);
        kept.state.admit(&[], HOUR_MS, &facts(number, [1, 1, 0]), now + 1);
        kept.state.settle(request(number), outcome(End::Served(1, 0)), now + 1);
        kept.store();
    }
    let cells = kept.cells();
    assert_eq!(sum_of(cells.iter().map(|(_, cell)| cell)).served, 6);
    assert_eq!(kept.rows.len(), 2, "{cells:?}");
}

/// Rows of no version are refused, and none of any bytes makes anybody panic.
#[test]
fn damaged_rows_are_refused() {
    let cells = [Cell { whose: whose([1, 1, 1]), sum: served(3), refused: [("minute".into(), 2)].into() }];
    let row = row::encode(&cells);
    assert_eq!(row::decode(&row).unwrap(), cells);
    for end in 0..row.len() {
        assert!(row::decode(&row[..end]).is_err(), "{end}");
    }
    assert!(row::decode(&[&[9], &row[1..]].concat()).is_err());
    for (hour, number) in [(0, 0), (HOUR, 4_095), (HOUR, 4_096), (u64::MAX, 7)] {
        let id = row::hour_id(hour, number);
        assert!((0..1 << 53).contains(&id));
        assert_eq!(row::span_of(id), Span::Hour(hour.min(1 << 36)));
    }
    assert_eq!(row::span_of(row::day_id(20_000)), Span::Day(20_000));
    assert!(row::hour_id(u64::MAX, 9) < row::day_id(0));
}
