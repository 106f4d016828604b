//! Walks through every state that can be reached, and checks each.

use super::START;
use super::truth::{End, Kind, Limit, Request, Truth, Verdict, World};
use sluice_protocol::account::{Account, DecisionContext, History};
use sluice_protocol::auth::principal::Mark;
use sluice_protocol::hop::gate_call::description::StorageCounters;
use sluice_protocol::hop::gate_call::{Answer, Ask, Call, Caller};
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::ask::Rule;
use sluice_protocol::limit::calendar::Calendar;
use sluice_protocol::limit::decision::{Outcome, Passes};
use sluice_protocol::limit::gate::{CLOSED_MS, GRACE_MS, STEP_BACK_MS};
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::limit::standing::{For, Standing};
use sluice_protocol::limit::state::{self, GateState};
use sluice_protocol::request::bodies::chat::Usage;
use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Begin,
    Tick,
    ClockGoesBack,
    Evict,
    Ask(usize),
    Settle(usize, End),
    /// The second in place of the first: see `Call::Readmit`.
    AskAgain(usize, usize),
}

/// A world and how long it lasts.
pub(super) struct Walk {
    pub(super) world: World,
    pub(super) table: PlanTable,
    pub(super) ends: Vec<End>,
    /// Which requests the origin counts, and under which id they are then asked for again.
    pub(super) again: Vec<(usize, usize)>,
    pub(super) tick_ms: u64,
    pub(super) ticks: u32,
}

/// A Gate somewhere on the way, and what is true there.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) memory: GateState,
    pub(super) row: Vec<u8>,
    pub(super) truth: Truth,
}

/// What makes two places one: the row, the truth, and what a Gate's memory holds besides the row, if anything.
pub(super) type Identity = (Vec<u8>, Truth, Option<String>);

impl Walk {
    pub(super) fn new(
        limits: &[Limit],
        requests: &[(u8, u32)],
        ends: &[End],
        lease: u32,
        tick_ms: u64,
        ticks: u32,
    ) -> Self {
        let described: Vec<_> =
            limits.iter().enumerate().map(|(index, limit)| limit.describe(index, tick_ms)).collect();
        let lease_ms = u64::from(lease) * tick_ms;
        let json = serde_json::json!({"plans": {"p": {"lease": format!("{lease_ms}ms"), "limits": described}}});
        let requests = requests.iter().map(|(client, tokens)| Request { client: *client, tokens: *tokens }).collect();
        let (remembered, grace) = ((CLOSED_MS / tick_ms) as u32, GRACE_MS.div_ceil(tick_ms) as u32);
        Self {
            world: World { limits: limits.to_vec(), requests, lease, grace, remembered },
            table: PlanTable::parse(&json.to_string()).unwrap(),
            ends: ends.to_vec(),
            again: Vec::new(),
            tick_ms,
            ticks,
        }
    }

    /// Walks to every place, breadth first, so that a violation is told with a shortest way to it. Returns how many.
    pub(super) fn explore(&self) -> usize {
        let begin = Place { memory: GateState::default(), row: Vec::new(), truth: Truth::default() };
        let mut seen: HashSet<Identity> = HashSet::new();
        let mut ways: Vec<(usize, Step)> = vec![(0, Step::Begin)];
        let mut queue = VecDeque::from([(0, begin)]);
        let one_in = crate::one_in();
        while let Some((number, from)) = queue.pop_front() {
            for step in self.steps(&from) {
                let mut take = || {
                    let place = self.step(&from, step)?;
                    let stored = read(&place.row);
                    let besides = (stored != place.memory).then(|| format!("{:?}", place.memory));
                    if !seen.insert((place.row.clone(), place.truth.clone(), besides)) {
                        return None;
                    }
                    self.check(&place, &stored);
                    Some(place)
                };
                let taken = catch_unwind(AssertUnwindSafe(&mut take)).unwrap_or_else(|panic| {
                    eprintln!("after {:?}, then {step:?}, in {:?}", way_to(&ways, number), self.world);
                    resume_unwind(panic)
                });
                if let Some(place) = taken {
                    ways.push((number, step));
                    // Where not all is to be seen, all of the beginning is, and of what follows a part, at every depth.
                    if ways.len() <= 1_000 || ways.len().is_multiple_of(one_in) {
                        queue.push_back((ways.len() - 1, place));
                    }
                }
            }
        }
        seen.len()
    }

    pub(super) fn steps(&self, place: &Place) -> Vec<Step> {
        let mut steps = vec![Step::Evict];
        if place.truth.clock < self.ticks {
            steps.push(Step::Tick);
        }
        let goes_back = place.truth.clock > 0 && place.truth.clock >= place.truth.last;
        if goes_back && self.tick_ms <= STEP_BACK_MS {
            steps.push(Step::ClockGoesBack);
        }
        for request in 0..self.world.requests.len() {
            steps.push(Step::Ask(request));
            steps.extend(self.ends.iter().map(|end| Step::Settle(request, *end)));
        }
        steps.extend(self.again.iter().map(|(first, second)| Step::AskAgain(*first, *second)));
        steps
    }

    /// Takes a step and checks the answer; `None` if it rightly led nowhere.
    pub(super) fn step(&self, from: &Place, step: Step) -> Option<Place> {
        let mut place = from.clone();
        match step {
            Step::Begin => return None,
            Step::Tick => place.truth.clock += 1,
            Step::ClockGoesBack => place.truth.clock -= 1,
            Step::Evict => place.memory = read(&place.row),
            Step::Ask(_) | Step::Settle(..) | Step::AskAgain(..) => {
                let (changes, stored) = self.deliver(&mut place, step);
                assert_eq!(changes, stored, "what changes is stored, and nothing else is");
                if !changes {
                    assert_eq!(place.memory, from.memory, "what changes nothing leaves no trace");
                    assert_eq!(place.truth, from.truth);
                    return None;
                }
                place.row = state::encode(&place.memory);
                assert_ne!(place.row, from.row);
            }
        }
        Some(place)
    }

    /// Delivers a message to the Gate and to the truth. Whether the truth changed, and whether the Gate says that its
    /// state did.
    pub(super) fn deliver(&self, place: &mut Place, step: Step) -> (bool, bool) {
        let now = self.ms(place.truth.clock);
        let mut account = Account { state: std::mem::take(&mut place.memory), ..Account::default() };
        let setting = DecisionContext {
            account: "a",
            table: &self.table,
            calendar: Calendar::NONE,
            storage: StorageCounters::default(),
            history: History::NONE,
        };
        let call = self.call(step);
        let (answer, changed) = account.answer(&call, setting, now);
        place.memory = account.state;
        assert!(!changed.kept);
        let changes = match step {
            Step::Ask(request) => {
                let before = place.truth.clone();
                let verdict = place.truth.admit(&self.world, request);
                self.check_answer(&answer, &verdict, &before, &place.truth, request);
                verdict == Verdict::Admitted
            }
            Step::AskAgain(first, request) => {
                let before = place.truth.clone();
                let (verdict, changes) = place.truth.ask_again(&self.world, first, request);
                self.check_reached(&before, &place.truth, request);
                // What the caller is told is how it stands once the first has ended.
                self.check_answer(&answer, &verdict, &place.truth, &place.truth, request);
                changes
            }
            Step::Settle(request, end) => {
                let changes = place.truth.settle(&self.world, request, end);
                assert_eq!(answer, Answer::Done(changes));
                changes
            }
            _ => false,
        };
        (changes, changed.state)
    }

    /// What the origin has worked for stays counted in limits of requests, whatever is decided.
    pub(super) fn check_reached(&self, before: &Truth, after: &Truth, request: usize) {
        if before.held(&self.world, request).is_some() {
            // It stands for the first already.
            return;
        }
        let client = self.world.requests[request].client;
        for (limit, kind) in self.world.limits.iter().enumerate() {
            if !kind.tokens && !matches!(kind.kind, Kind::Parallel { .. }) {
                let used = |truth: &Truth| truth.used(&self.world, limit, client, after.now());
                assert!(used(after) >= used(before), "{before:?} became {after:?}");
            }
        }
    }

    pub(super) fn check_answer(
        &self,
        answer: &Answer,
        verdict: &Verdict,
        before: &Truth,
        after: &Truth,
        request: usize,
    ) {
        let client = self.world.requests[request].client;
        match (answer, verdict) {
            (Answer::Admitted(admission), Verdict::Held(at)) => {
                assert_eq!(admission.deadline, self.ms(at + self.world.lease), "the same lease");
                self.check_standings(&admission.standings, before, client);
            }
            (Answer::Admitted(admission), Verdict::Admitted) => {
                assert_eq!(admission.deadline, self.ms(after.now() + self.world.lease));
                self.check_standings(&admission.standings, after, client);
            }
            (Answer::Closed, Verdict::Closed) => {}
            (Answer::Limited { refused, standings, .. }, Verdict::Refused(over)) => {
                let names: Vec<String> = over.iter().map(|limit| format!("l{limit}")).collect();
                assert_eq!(refused.iter().map(|one| one.limit.clone()).collect::<Vec<_>>(), names);
                self.check_standings(standings, before, client);
                for (one, limit) in refused.iter().zip(over) {
                    let Passes::At(at) = one.passes else { panic!("every request of these worlds fits some time") };
                    let passes = |tick| before.fits(&self.world, *limit, request, tick);
                    // A bucket may let through between two ticks.
                    let tick = (at - START).div_ceil(self.tick_ms) as u32;
                    assert!(passes(tick) && (before.now()..tick).all(|tick| !passes(tick)), "{one:?} in {before:?}");
                }
            }
            _ => panic!("{answer:?} where {verdict:?} is right, in {before:?}"),
        }
    }

    /// The laws hold, callers are told what is true, and what is stored holds all that was answered.
    pub(super) fn check(&self, Place { memory, truth, .. }: &Place, stored: &GateState) {
        truth.check_laws(&self.world);
        for request in 0..self.world.requests.len() {
            let is_held = truth.held(&self.world, request).is_some();
            assert_eq!(stored.lease_of(RequestId([request as u8; 16])), is_held, "request {request} in {truth:?}");
        }
        let live = truth.admitted.iter().filter(|one| self.world.is_live(one, truth.now())).count();
        let rules: Vec<_> = self.table.get("p").unwrap().limits.iter().map(Rule::of).collect();
        let differs = (memory != stored).then_some(memory);
        for state in [stored].into_iter().chain(differs) {
            let now = self.ms(truth.clock);
            assert_eq!(state.live_leases(now), live);
            assert_eq!((state.totals().served, state.totals().prompt_tokens), (truth.served, truth.tokens));
            for client in [0, 1] {
                let standings = state.standings(&rules, For::Caller(Mark([client; 8])), now);
                self.check_standings(&standings, truth, client);
            }
        }
    }

    /// Conservation, as callers see it: what counts is what is reserved by those that run and what was used by those that
    /// ended, and nothing of what was given back.
    pub(super) fn check_standings(&self, standings: &[Standing], truth: &Truth, client: u8) {
        assert_eq!(standings.len(), self.world.limits.len());
        for (limit, standing) in standings.iter().enumerate() {
            let used = truth.used(&self.world, limit, client, truth.now());
            assert_eq!(standing.used, u64::from(used), "{} of client {client} in {truth:?}", standing.limit);
        }
    }

    pub(super) fn call(&self, step: Step) -> Call {
        match step {
            Step::Settle(request, end) => {
                let outcome = match end {
                    End::Used(tokens) => Outcome::Served(Some(Usage::new(u64::from(tokens), 0).into())),
                    End::Unknown => Outcome::Served(None),
                    End::NotServed => Outcome::NotServed,
                };
                Call::Settle { request: RequestId([request as u8; 16]), outcome }
            }
            Step::Ask(request) => Call::Admit(Box::new(self.ask(request))),
            Step::AskAgain(first, request) => {
                Call::Readmit { first: RequestId([first as u8; 16]), ask: Box::new(self.ask(request)) }
            }
            _ => Call::DescribeAccount,
        }
    }

    pub(super) fn ask(&self, request: usize) -> Ask {
        let Request { client, tokens } = self.world.requests[request];
        let caller = Caller::Known { subject: Mark([client; 8]), plan: "p".into() };
        Ask { request: RequestId([request as u8; 16]), max_tokens: Some(tokens - 1), ..Ask::smallest(caller) }
    }

    pub(super) fn ms(&self, tick: u32) -> u64 {
        START + u64::from(tick) * self.tick_ms
    }
}

/// Reads a row, as a Gate does that was evicted. None was written before the first change.
pub(super) fn read(row: &[u8]) -> GateState {
    if row.is_empty() { GateState::default() } else { state::decode(row).unwrap() }
}

pub(super) fn way_to(ways: &[(usize, Step)], mut number: usize) -> Vec<Step> {
    let mut way = Vec::new();
    while number != 0 {
        way.push(ways[number].1);
        number = ways[number].0;
    }
    way.reverse();
    way
}

/// Half of the shortest lease that a plan may have.
pub(super) const TICK_MS: u64 = 2_500;

pub(super) fn explores(walk: &Walk, at_least: usize) {
    let states = walk.explore();
    println!("{states} states");
    assert!(states >= at_least || crate::one_in() > 1, "only {states} states: the check has shrunk");
}
