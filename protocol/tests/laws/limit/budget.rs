//! Budgets against an oracle that keeps every admission for ever and asks another calendar (jiff, with the IANA's tables) for
//! the date of each: two zones, ten years, summer time; reloads, lost answers, late and repeated settles, wrong clocks.

use crate::oracle::facts;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use proptest::collection::vec;
use proptest::prelude::*;
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::ask::{Facts, Rule};
use sluice_protocol::limit::calendar::{Calendar, Cycle, Period, Span, Zone};
use sluice_protocol::limit::decision::{Decision, Outcome, Passes};
use sluice_protocol::limit::kind::Unit;
use sluice_protocol::limit::kind::budget::Budget;
use sluice_protocol::limit::plan::Limit;
use sluice_protocol::limit::state::{self, GateState};
use sluice_protocol::request::bodies::chat::{Usage, Used};
use sluice_protocol::request::cost::Rate;
use sluice_protocol::request::cost::money::Currency;
use sluice_protocol::request::cost::price::Price;
use sluice_protocol::request::cost::work::Work;
use sluice_protocol::request::drawing::Drawn;

const ZONES: [&str; 2] = ["Europe/Zurich", "America/New_York"];
/// 2026-01-01, 00:00 UTC.
const START: u64 = 1_767_225_600_000;
const TEN_YEARS: u64 = 3_652 * 86_400_000;
const LEASE: u64 = 600_000;
const HOUR: u64 = 3_600_000;

/// The period that a time lies in, by the date of its first day.
fn first_day(zone: &TimeZone, period: Period, at: u64) -> Date {
    let date = Timestamp::from_millisecond(at as i64).unwrap().to_zoned_datetime(zone.clone()).date();
    match period {
        Period::Day => date,
        Period::Week => date.checked_sub(i64::from(date.weekday().to_monday_zero_offset()).days()).unwrap(),
        Period::Month => date.first_of_month(),
        Period::Ever => Date::MIN,
    }
}

fn span(zone: &TimeZone, period: Period, at: u64) -> Span {
    let first = first_day(zone, period, at);
    let next = match period {
        Period::Day => first.checked_add(1.day()),
        Period::Week => first.checked_add(7.days()),
        Period::Month => first.checked_add(1.month()),
        Period::Ever => return Span::EVER,
    };
    let begins = |day: Date| {
        let midnight = day.to_zoned_datetime(zone.clone()).unwrap().start_of_day().unwrap();
        midnight.timestamp().as_millisecond() as u64
    };
    Span { began: begins(first), ends: begins(next.unwrap()) }
}

/// What an admission counts for now: what was reserved, or less since it was settled.
struct Admitted {
    id: u64,
    at: u64,
    amount: u64,
    is_open: bool,
}

struct World {
    zone: TimeZone,
    limit: Limit,
    state: GateState,
    admitted: Vec<Admitted>,
    now: u64,
    asked: u64,
}

/// 0.10 and 0.40 for a million tokens, and what was remembered at 0.02.
const PRICE: Price =
    Price { prompt: 100_000_000, cached: 20_000_000, completion: 400_000_000, image_kilopixel_step: 0, per: 1_000_000 };

impl World {
    fn new(zone: &str, period: Period, limit: u64) -> Self {
        let cycle = match period {
            Period::Ever => Cycle::EVER,
            period => Cycle { period, zone: Zone::parse(zone).unwrap() },
        };
        let budget = Budget { unit: Unit::Money, limit, currency: Currency::parse("USD"), cycle };
        Self {
            zone: TimeZone::get(zone).unwrap(),
            limit: Limit { kind: budget.into(), ..Limit::new("b", budget) },
            state: GateState::default(),
            admitted: Vec::new(),
            now: START,
            asked: 0,
        }
    }

    fn period(&self) -> Period {
        self.limit.kind.cycle().unwrap().period
    }

    fn calendar(&self, at: u64) -> Calendar {
        let mut calendar = Calendar::default();
        calendar.add(self.limit.kind.cycle().unwrap(), span(&self.zone, self.period(), at));
        calendar
    }

    fn rule(&self, at: u64) -> Rule<'_> {
        Rule { span: Some(span(&self.zone, self.period(), at)), ..Rule::of(&self.limit) }
    }

    fn facts(&self, prompt_tokens: u32, max_tokens: u32) -> Facts {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.asked.to_le_bytes());
        let work = Work { prompt_tokens, max_tokens, ..Work::default() };
        let rate = Rate { price: PRICE, ..Rate::default() };
        Facts { request: RequestId(id), work, rate, ..facts(0) }
    }

    /// What counts in the period that a time lies in.
    fn counted(&self, at: u64) -> u64 {
        let of = |at| first_day(&self.zone, self.period(), at);
        self.admitted.iter().filter(|one| of(one.at) == of(at)).map(|one| one.amount).sum()
    }

    /// Asks at an honest time, and says whether it passed.
    fn ask(&mut self, prompt: u32, answer: u32) -> Result<bool, TestCaseError> {
        self.asked += 1;
        let (now, quota) = (self.now, self.limit.quota());
        let facts = self.facts(prompt, answer);
        // In billionths: a hundred for a token of the prompt, four hundred for one of the answer.
        let amount = u64::from(prompt) * 100 + u64::from(answer) * 400;
        self.state.see(now, &self.calendar(now));
        let mut state = self.state.clone();
        let decision = state.admit(&[self.rule(now)], LEASE, &facts, now);
        let fits = self.counted(now) + amount <= quota;
        match decision {
            Decision::Admit(_) => {
                prop_assert!(fits, "over: {} and {amount} of {quota}", self.counted(now));
                self.state = state;
                self.admitted.push(Admitted { id: self.asked, at: now, amount, is_open: true });
            }
            Decision::Refuse(refused) => {
                prop_assert!(!fits, "{} and {amount} of {quota} would fit", self.counted(now));
                prop_assert_eq!(&state, &self.state, "a refusal changes nothing");
                let Passes::At(at) = refused[0].passes else {
                    prop_assert!(amount > quota || self.period() == Period::Ever);
                    return Ok(false);
                };
                // Then another period has begun, and not a millisecond before.
                let of = |at| first_day(&self.zone, self.period(), at);
                prop_assert!(of(at) > of(now) && of(at - 1) == of(now));
                let passes = |at| state.evaluate(&[self.rule(at)], &facts, at).is_empty();
                prop_assert_eq!((passes(at), passes(at - 1)), (true, false));
            }
            Decision::Closed => prop_assert!(false, "each request is asked for once"),
        }
        Ok(fits)
    }

    /// Settles what was admitted as the `which`th, if its lease is kept yet; a second time nothing changes.
    fn settle(&mut self, which: prop::sample::Index, outcome: Outcome) -> Result<(), TestCaseError> {
        if self.admitted.is_empty() {
            return Ok(());
        }
        let place = which.index(self.admitted.len());
        let one = &mut self.admitted[place];
        let mut id = [0; 16];
        id[..8].copy_from_slice(&one.id.to_le_bytes());
        let held = self.state.lease_of(RequestId(id));
        self.state.settle(RequestId(id), outcome, self.now);
        if one.is_open && held {
            one.amount = match outcome {
                Outcome::NotServed => 0,
                Outcome::Served(None) => one.amount,
                Outcome::Served(Some(Used { usage, cached_tokens, .. })) => {
                    let cost = (usage.prompt_tokens - cached_tokens) * 100 + cached_tokens * 20;
                    (cost + usage.completion_tokens * 400).min(one.amount)
                }
            };
        }
        one.is_open &= !held;
        prop_assert!(!self.state.settle(RequestId(id), Outcome::NotServed, self.now), "a second one is known");
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Ask(u32, u32),
    Settle(prop::sample::Index, Outcome),
    Reload,
    /// The row was not written, and its answer did not leave: it never happened.
    Lost(u32),
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let used = (0u64..60, 0u64..60, 0u64..60).prop_map(|(prompt, cached, answer)| {
        let cached_tokens = cached.min(prompt);
        Outcome::Served(Some(Used {
            usage: Usage::new(prompt, answer),
            reasoning_tokens: None,
            cached_tokens,
            drawn: Drawn::NOTHING,
        }))
    });
    prop_oneof![4 => used, 1 => Just(Outcome::NotServed), 1 => Just(Outcome::Served(None))]
}

fn step() -> impl Strategy<Value = Step> {
    let wait = prop_oneof![
        4 => 0u64..1_000,
        3 => 0u64..LEASE,
        3 => 0u64..30 * HOUR,
        2 => 0u64..60 * 24 * HOUR,
    ];
    prop_oneof![
        4 => wait.prop_map(Step::Wait),
        6 => (1u32..60, 1u32..60).prop_map(|(prompt, answer)| Step::Ask(prompt, answer)),
        4 => (any::<prop::sample::Index>(), outcome()).prop_map(|(which, outcome)| Step::Settle(which, outcome)),
        1 => Just(Step::Reload),
        1 => (1u32..60).prop_map(Step::Lost),
    ]
}

fn period() -> impl Strategy<Value = Period> {
    prop::sample::select(vec![Period::Day, Period::Week, Period::Month, Period::Ever])
}

proptest! {
    #![proptest_config(crate::cases(256))]

    #[test]
    fn a_budget_is_kept_to_the_nano_unit_whatever_the_calendar_says(
        zone in 0usize..2,
        period in period(),
        begin in 0..TEN_YEARS,
        steps in vec(step(), 1..80),
    ) {
        let mut world = World::new(ZONES[zone], period, 60_000);
        world.now = START + begin;
        for step in steps {
            match step {
                Step::Wait(by) => world.now += by,
                Step::Ask(prompt, answer) => drop(world.ask(prompt, answer)?),
                Step::Settle(which, outcome) => world.settle(which, outcome)?,
                Step::Reload => {
                    let row = state::encode(&world.state);
                    prop_assert!(row.len() <= state::most_bytes(&world.state));
                    world.state = state::decode(&row).unwrap();
                }
                Step::Lost(tokens) => {
                    let (state, admitted) = (world.state.clone(), world.admitted.len());
                    world.ask(tokens, tokens)?;
                    world.state = state;
                    world.admitted.truncate(admitted);
                }
            }
        }
    }

    /// The first and the last hour of a period, on every day of ten years on which clocks are set or may be.
    #[test]
    fn a_period_ends_when_its_clocks_say_so(zone in 0usize..2, period in 0usize..3, day in 0u64..3_652, after in 0u64..HOUR) {
        let period = [Period::Day, Period::Week, Period::Month][period];
        let mut world = World::new(ZONES[zone], period, 500);
        let Span { began, ends } = span(&world.zone, period, START + day * 24 * HOUR);
        for (now, passes) in [(began, true), (began + after, false), (ends - 1, false), (ends, true), (ends + after, false)] {
            world.now = now;
            prop_assert_eq!(world.ask(1, 1)?, passes, "at {}", now);
        }
    }

    /// One wrong reading, far ahead or far behind: nothing passes at honest times that should not, and once a period has
    /// ended, all of the next one is there.
    #[test]
    fn one_wrong_reading_lets_nothing_more_through_and_is_over_with_its_period(
        period in 0usize..3,
        before in vec(1u32..60, 1..6),
        days in 1u64..400,
        is_ahead in any::<bool>(),
        after in vec((0u64..20_000, 1u32..60), 2..20),
    ) {
        let period = [Period::Day, Period::Week, Period::Month][period];
        let mut world = World::new(ZONES[0], period, 30_000);
        world.now = START + 1_000 * 24 * HOUR + 12 * HOUR;
        for tokens in before {
            world.ask(tokens, tokens)?;
        }
        let honest = world.now;
        let wrong = if is_ahead { honest + days * 24 * HOUR } else { honest - days * 24 * HOUR };
        world.asked += 1;
        let facts = world.facts(10, 10);
        let latest = world.state.latest(wrong);
        world.state.see(wrong, &world.calendar(wrong));
        let rule = Rule { span: Some(span(&world.zone, period, latest)), ..Rule::of(&world.limit) };
        let _ = world.state.admit(&[rule], LEASE, &facts, wrong);
        for (by, tokens) in after {
            world.now += by;
            let now = world.now;
            world.asked += 1;
            let facts = world.facts(tokens, tokens);
            let amount = u64::from(tokens) * 500;
            world.state.see(now, &world.calendar(now));
            let latest = world.state.latest(now);
            let rule = Rule { span: Some(span(&world.zone, period, latest)), ..Rule::of(&world.limit) };
            if let Decision::Admit(_) = world.state.clone().admit(&[rule], LEASE, &facts, now) {
                prop_assert!(world.counted(now) + amount <= world.limit.quota(), "over");
                let mut state = world.state.clone();
                state.admit(&[rule], LEASE, &facts, now);
                let id = world.asked;
                world.admitted.push(Admitted { id, at: now, amount, is_open: true });
                world.state = state;
            }
            world.state = state::decode(&state::encode(&world.state)).unwrap();
        }
        world.now = span(&world.zone, period, world.now).ends;
        world.admitted.clear();
        prop_assert!(world.ask(60, 60)?, "all of a new period is there");
    }
}

/// Fifty at once are admitted one after the other: as many as there is money for, reserved whole, and not one more.
#[test]
fn what_is_reserved_counts_until_it_is_settled() {
    let mut world = World::new(ZONES[0], Period::Month, 60_000);
    let passed = (0..50).filter(|_| world.ask(10, 10).unwrap()).count();
    assert_eq!(passed, 12, "of 5,000 each");
    world.admitted.iter_mut().for_each(|one| one.amount = 1_400);
    let used = Outcome::Served(Some(Usage::new(10, 1).into()));
    for id in world.admitted.iter().map(|one| one.id).collect::<Vec<_>>() {
        let mut request = [0; 16];
        request[..8].copy_from_slice(&id.to_le_bytes());
        assert!(world.state.settle(RequestId(request), used, world.now + 1));
    }
    let passed = (0..50).filter(|_| world.ask(10, 10).unwrap()).count();
    assert_eq!(passed, 8, "of what was given back: 43,200");
}
