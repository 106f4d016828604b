//! The oracle of whole plans: it keeps every admission for ever, looks at all of them each time, and knows nothing of how
//! the code under test keeps or finds anything. It is slow on purpose.

use serde::Deserialize;
use sluice_protocol::auth::principal::Mark;
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::ask::{Exact, Facts, Rule};
use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::limit::gate::{CLOSED_MS, GRACE_MS};
use sluice_protocol::limit::kind::refill::Refill;
use sluice_protocol::limit::kind::{LimitKind, Unit};
use sluice_protocol::limit::plan::{Limit, Per, When};
use sluice_protocol::request::bodies::chat::{Usage, Used};
use sluice_protocol::request::cost::work::Work;
use sluice_protocol::request::cost::{Class, Rate};
use sluice_protocol::request::drawing::Drawn;
use sluice_protocol::request::endpoint::Endpoint;

#[derive(Clone, Default)]
pub(crate) struct Oracle {
    pub(crate) last_now: u64,
    /// The time of the change before the last one that was at another time.
    sure: u64,
    pub(crate) admitted: Vec<Admitted>,
    closed: Vec<(u64, u8)>,
    pub(crate) served: u64,
}

#[derive(Clone)]
pub(crate) struct Admitted {
    pub(crate) id: u8,
    pub(crate) at: u64,
    pub(crate) deadline: u64,
    pub(crate) open: bool,
    facts: Facts,
    work: Work,
    /// Which limits counted it, and how much.
    counted: Vec<(Limit, u64)>,
}

/// What the oracle says of an ask.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    Held(u64),
    Closed,
    Refused(Vec<String>),
    Admitted { deadline: u64, shadowed: Vec<String>, work: Option<Work> },
}

/// A kind of limit as it has always travelled and lain in rows: nobody outside of the code under test sees which one it has, so
/// an oracle reads its bytes.
#[derive(Debug, Deserialize, PartialEq)]
pub(crate) enum Shape {
    Window { unit: Unit, limit: u32, window_ms: u64 },
    Bucket { unit: Unit, capacity: u32, refill: Refill },
    Parallel { limit: u32 },
}

impl Shape {
    pub(crate) fn of(kind: LimitKind) -> Self {
        let bytes = postcard::to_extend(&kind, Vec::new()).unwrap();
        postcard::from_bytes(&bytes).unwrap()
    }
}

pub(crate) fn request(id: u8) -> RequestId {
    RequestId([id; 16])
}

/// A request of no special kind.
pub(crate) fn facts(id: u8) -> Facts {
    Facts {
        request: request(id),
        key: Mark::of_key([1; 4]),
        model: "m".into(),
        session: None,
        user: None,
        class: Class::Light,
        endpoint: Endpoint::Chat,
        batch: false,
        work: Work { prompt_tokens: 2, max_tokens: 3, ..Work::default() },
        exact: Exact { prompt: true, max_tokens: true },
        rate: Rate::default(),
        pressure: 0,
    }
}

pub(crate) fn rules(limits: &[Limit]) -> Vec<Rule<'_>> {
    limits.iter().map(Rule::of).collect()
}

impl Oracle {
    pub(crate) fn knows_closed(&self, id: u8) -> bool {
        self.closed.iter().any(|(at, closed)| *closed == id && at + CLOSED_MS > self.sure)
    }

    /// Whether `amount` passes one limit at a time, if nothing happens before.
    pub(crate) fn passes(&self, limit: &Limit, facts: &Facts, amount: u64, at: u64) -> bool {
        let quota = quota(limit, facts.pressure, at);
        let mine = |a: &&Admitted| value(limit, &a.facts) == value(limit, facts);
        if quota == 0 {
            return false;
        }
        match Shape::of(limit.kind) {
            Shape::Parallel { .. } => {
                let all = limit.per == Per::Account && limit.when == When::default();
                let counts = |a: &&Admitted| all || (a.counted.iter().any(|(l, _)| l.name == limit.name) && mine(a));
                let live = self.admitted.iter().filter(|a| a.open && a.deadline > at).filter(counts);
                (live.count() as u64) < quota
            }
            Shape::Window { window_ms, .. } => self.sum(limit, facts, |t| t + window_ms > at) + amount <= quota,
            Shape::Bucket { refill, .. } => {
                let every = u128::from(refill.every_ms);
                // The most that was counted from any time on beyond what was refilled since.
                let debt = |from: u64| {
                    let counted = u128::from(self.sum(limit, facts, |t| t >= from)) * every;
                    counted.saturating_sub(u128::from(at.saturating_sub(from)) * u128::from(refill.amount))
                };
                let most = self.admitted.iter().map(|a| debt(a.at)).max().unwrap_or(0);
                most + u128::from(amount) * every <= u128::from(quota) * every
            }
        }
    }

    pub(crate) fn admit(&mut self, limits: &[Limit], lease_ms: u64, id: u8, facts: &Facts, raw: u64) -> Verdict {
        let now = raw.max(self.last_now);
        if let Some(open) = self.admitted.iter().find(|a| a.id == id && a.open && a.deadline + GRACE_MS > self.sure) {
            return Verdict::Held(open.deadline);
        }
        if self.knows_closed(id) {
            return Verdict::Closed;
        }
        let about: Vec<&Limit> = limits.iter().filter(|limit| applies(limit, facts)).collect();
        let work = reserve(&about, facts);
        let over: Vec<&&Limit> =
            about.iter().filter(|limit| !self.passes(limit, facts, amount(limit, facts.rate, work), now)).collect();
        let names =
            |shadow: bool| over.iter().filter(|l| l.shadow == shadow).map(|l| l.name.clone()).collect::<Vec<_>>();
        if !names(false).is_empty() {
            return Verdict::Refused(names(false));
        }
        let shadowed = names(true);
        self.changed(now);
        let deadline = now + lease_ms;
        let counted = about.iter().map(|limit| ((*limit).clone(), amount(limit, facts.rate, work))).collect();
        self.admitted.push(Admitted { id, at: now, deadline, open: true, facts: facts.clone(), work, counted });
        let metered = about.iter().any(|limit| limit.unit().is_of_tokens() && !limit.shadow);
        Verdict::Admitted { deadline, shadowed, work: metered.then_some(work) }
    }

    /// The first is given back where that lets the second pass; otherwise it has been a request and nothing more.
    pub(crate) fn readmit(
        &mut self,
        limits: &[Limit],
        lease_ms: u64,
        (first, id): (u8, u8),
        facts: &Facts,
        raw: u64,
    ) -> Verdict {
        let mut given_back = self.clone();
        given_back.settle(first, Outcome::NotServed, raw);
        let verdict = given_back.admit(limits, lease_ms, id, facts, raw);
        if let Verdict::Admitted { .. } | Verdict::Held(_) = verdict {
            *self = given_back;
            return verdict;
        }
        self.settle(first, Outcome::Served(Some(Used::NOTHING)), raw);
        self.admit(limits, lease_ms, id, facts, raw)
    }

    pub(crate) fn settle(&mut self, id: u8, outcome: Outcome, raw: u64) -> bool {
        if self.knows_closed(id) {
            return false;
        }
        let before = self.sure;
        self.changed(raw.max(self.last_now));
        if let Some(open) = self.admitted.iter_mut().find(|a| a.id == id && a.open && a.deadline + GRACE_MS > before) {
            open.open = false;
            self.served += u64::from(outcome != Outcome::NotServed);
            let (rate, work) = (open.facts.rate, open.work);
            for (limit, counted) in &mut open.counted {
                *counted = match outcome {
                    Outcome::NotServed => 0,
                    Outcome::Served(None) => *counted,
                    Outcome::Served(Some(Used { usage, reasoning_tokens, drawn, .. })) => match limit.unit() {
                        // No formula here is in money.
                        Unit::Requests | Unit::Money => *counted,
                        Unit::Images => (*counted).min(drawn.images.into()),
                        Unit::Tokens => (*counted).min(usage.prompt_tokens + usage.completion_tokens),
                        Unit::Cost => {
                            let most = if work.thinking { usage.completion_tokens } else { 0 };
                            let thought = reasoning_tokens.unwrap_or(most).min(usage.completion_tokens);
                            (*counted).min(cost(rate, thought, usage) + pictures(rate, drawn))
                        }
                    },
                };
            }
        }
        self.closed.push((self.last_now, id));
        true
    }

    fn changed(&mut self, now: u64) {
        if now > self.last_now {
            (self.sure, self.last_now) = (self.last_now, now);
        }
    }

    /// What a limit counted for requests like this one at the times that are meant.
    pub(crate) fn sum(&self, limit: &Limit, facts: &Facts, when: impl Fn(u64) -> bool) -> u64 {
        let same = |l: &Limit| (&l.name, l.unit()) == (&limit.name, limit.unit());
        let mine = self.admitted.iter().filter(|a| when(a.at) && value(limit, &a.facts) == value(limit, facts));
        mine.flat_map(|a| &a.counted).filter(|(l, _)| same(l)).map(|(_, counted)| counted).sum()
    }
}

pub(crate) fn applies(limit: &Limit, facts: &Facts) -> bool {
    let When { classes, models, .. } = &limit.when;
    (limit.unit() != Unit::Images || facts.work.drawing.n > 0)
        && (classes.is_empty() || classes.contains(&facts.class))
        && (models.is_empty() || models.iter().any(|pattern| pattern.0 == facts.model))
}

/// Whose count of a limit.
fn value(limit: &Limit, facts: &Facts) -> String {
    match limit.per {
        Per::Account => String::new(),
        Per::Key => format!("{:?}", facts.key),
        Per::Model => facts.model.clone(),
        Per::Session => format!("{:?}", facts.session),
        Per::User => format!("{:?}", facts.user),
    }
}

/// Percentages in fractions, as a person would compute them.
pub(crate) fn quota(limit: &Limit, pressure: u8, at: u64) -> u64 {
    let percent = u64::from(limit.schedule.percent_at(at));
    let quota = (limit.quota() * percent).div_ceil(100);
    let Some(tight) = limit.pressure.filter(|tight| pressure > tight.from) else { return quota };
    let (from, full, least) = (u64::from(tight.from), u64::from(pressure), u64::from(tight.percent));
    let left = 100 - (100 - least) * (full - from) / (100 - from);
    (quota * left).div_ceil(100)
}

pub(crate) fn amount(limit: &Limit, rate: Rate, work: Work) -> u64 {
    let (prompt, answer) = (u64::from(work.prompt_tokens), u64::from(work.max_tokens));
    match limit.unit() {
        Unit::Requests | Unit::Money => 1,
        Unit::Tokens => prompt + answer,
        Unit::Images => work.drawing.n.into(),
        // The dearest of all splits that an origin may make of it.
        Unit::Cost => (prompt..=prompt + answer)
            .map(|prompt_used| {
                let used = Usage::new(prompt_used, prompt + answer - prompt_used);
                let thought = if work.thinking { used.completion_tokens } else { 0 };
                cost(rate, thought, used) + pictures(rate, work.drawing.whole())
            })
            .max()
            .unwrap(),
    }
}

fn cost(rate: Rate, thought: u64, usage: Usage) -> u64 {
    u64::from(rate.request)
        + u64::from(rate.prompt_token) * usage.prompt_tokens
        + u64::from(rate.completion_token) * usage.completion_tokens
        + u64::from(rate.thinking_token) * thought
}

/// One picture after the other, step by step.
fn pictures(rate: Rate, drawn: Drawn) -> u64 {
    let pixels = drawn.pixel_steps.checked_div(drawn.steps.into()).unwrap_or(0);
    u64::from(rate.image_step) * u64::from(drawn.steps)
        + u64::from(rate.image_kilopixel) * (pixels * u64::from(drawn.images)).div_ceil(1_000)
        + u64::from(rate.image_kilopixel_step) * (pixels * u64::from(drawn.steps)).div_ceil(1_000)
}

/// Guesses and defaults are lowered, one by one, until they could fit.
fn reserve(about: &[&Limit], facts: &Facts) -> Work {
    let fits = |work: Work| {
        about.iter().filter(|l| !l.shadow && l.unit().is_of_tokens()).all(|limit| {
            // The schedules of these tests change in a day's first minutes and in its last.
            let minutes = (0..5).chain([24 * 60 - 1]);
            let most = minutes.map(|minute| quota(limit, 0, minute * 60_000)).max().unwrap();
            amount(limit, facts.rate, work) <= most
        })
    };
    let mut work = facts.work;
    let least = if facts.exact.prompt { work.prompt_tokens } else { 1 };
    while !facts.exact.max_tokens && work.max_tokens > 1 && !fits(Work { prompt_tokens: least, ..work }) {
        work.max_tokens /= 2;
    }
    while !facts.exact.prompt && work.prompt_tokens > 1 && !fits(work) {
        work.prompt_tokens -= 1;
    }
    work
}
