//! What a request asks of its account's limits: the facts that limits look at, and what it may use.

use crate::auth::principal::Mark;
use crate::id::RequestId;
use crate::limit::calendar::Span;
use crate::limit::decision::Blanket;
use crate::limit::kind::Unit;
use crate::limit::plan::{Limit, Per};
use crate::request::cost::work::Work;
use crate::request::cost::{Class, Rate};
use crate::request::endpoint::Endpoint;
use crate::usage::{MAX_NAME, Whose};

/// A request, as limits see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its id: admit and settle are keyed by it.
    pub request: RequestId,
    /// The key or the subject that calls.
    pub key: Mark,
    /// The model's name.
    pub model: String,
    /// Its session, if it names one; those that name none share a count.
    pub session: Option<Mark>,
    /// Its end user, likewise.
    pub user: Option<Mark>,
    /// How heavy it is.
    pub class: Class,
    /// What is asked for.
    pub endpoint: Endpoint,
    /// Whether it is a job's.
    pub batch: bool,
    /// What it may use.
    pub work: Work,
    /// Whether `work` is what the origin counted and the caller named, and not a guess or a default.
    pub exact: Exact,
    /// What that costs.
    pub rate: Rate,
    /// How many percent of the origin's places are in use.
    pub pressure: u8,
}

impl Facts {
    /// As whose it is counted.
    pub fn whose(&self) -> Whose {
        Whose {
            key: Some(self.key),
            model: Some(&self.model).filter(|model| model.len() <= MAX_NAME).cloned(),
            endpoint: Some(self.endpoint),
            user: self.user.into(),
        }
    }
}

/// What of a request's work is certain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exact {
    /// The prompt's tokens were counted by the origin.
    pub prompt: bool,
    /// The caller named `max_tokens`.
    pub max_tokens: bool,
}

/// One limit as it applies to one caller: exemptions are left out, overrides are in.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'p> {
    /// The limit.
    pub limit: &'p Limit,
    /// The most that it lets through, before schedule and pressure.
    pub quota: u64,
    /// Which of the caller's requests it refuses together.
    pub blanket: Blanket,
    /// The calendar's period of the time that is decided at, for a limit that counts in periods.
    pub span: Option<Span>,
}

impl<'p> Rule<'p> {
    /// A limit as it stands in its plan. Of one that counts in a calendar's periods, `span` is to be said yet.
    pub fn of(limit: &'p Limit) -> Self {
        let blanket = if limit.is_blanket() { Blanket::Caller } else { Blanket::No };
        let span = limit.kind.cycle().filter(|cycle| cycle.is_ever()).map(|_| Span::EVER);
        Self { limit, quota: limit.quota(), blanket, span }
    }

    /// Whether the limit is about this request. One that counts pictures is about requests for some.
    pub fn applies(&self, facts: &Facts) -> bool {
        (self.limit.unit() != Unit::Images || facts.work.drawing.is_any())
            && self.limit.when.matches(facts.class, &facts.model, facts.endpoint, facts.batch)
    }

    /// Which of the limit's counts this request belongs to; `None` for the account's only one.
    pub fn value(&self, facts: &Facts) -> Option<Mark> {
        match self.limit.per {
            Per::Account => None,
            Per::Key => Some(facts.key),
            Per::Model => Some(Mark::of(&facts.model)),
            Per::Session => Some(facts.session.unwrap_or_default()),
            Per::User => Some(facts.user.unwrap_or_default()),
        }
    }

    /// The most that it lets through when the schedule says `percent` and the origin is as full as that. Rounded up: only
    /// a schedule of 0 closes a limit.
    pub fn quota_at(&self, percent: u16, pressure: u8) -> u64 {
        let scaled = (u128::from(self.quota) * u128::from(percent)).div_ceil(100);
        let pressed = self.limit.pressure.map_or(100, |limit| limit.percent_at(pressure));
        u64::try_from((scaled * u128::from(pressed)).div_ceil(100)).unwrap_or(u64::MAX)
    }

    /// What the request counts for.
    pub fn amount(&self, rate: Rate, work: Work) -> u64 {
        match self.limit.unit() {
            Unit::Requests => 1,
            Unit::Tokens => u64::from(work.prompt_tokens) + u64::from(work.max_tokens),
            Unit::Cost => rate.reserve(work),
            Unit::Money => rate.price.reserve(work),
            Unit::Images => work.drawing.n.into(),
        }
    }

    fn most(&self) -> u64 {
        let percents = self.limit.schedule.percents();
        percents.into_iter().map(|percent| self.quota_at(percent, 0)).max().unwrap_or(0)
    }
}

/// What is reserved for a request: its work, made to fit limits that could otherwise never let it through.
///
/// Only guesses and defaults are changed. A guess that is too large must not refuse for ever what in truth is small: it
/// is lowered, and the origin, which counts, says if that was wrong; then the edge asks again with the exact number.
pub fn reserve(rules: &[Rule<'_>], facts: &Facts) -> Work {
    let counted = |rule: &&Rule<'_>| rule.limit.unit().is_of_tokens() && !rule.limit.shadow && rule.applies(facts);
    let bounds: Vec<(&Rule<'_>, u64)> = rules.iter().filter(counted).map(|rule| (rule, rule.most())).collect();
    let fits = |work: Work| bounds.iter().all(|(rule, most)| rule.amount(facts.rate, work) <= *most);
    let mut work = facts.work;
    if !facts.exact.max_tokens {
        let least_prompt = if facts.exact.prompt { work.prompt_tokens } else { 1 };
        while work.max_tokens > 1 && !fits(Work { prompt_tokens: least_prompt, ..work }) {
            work.max_tokens /= 2;
        }
    }
    if !facts.exact.prompt && !fits(work) {
        // The largest prompt that fits: amounts grow with it, so halving the distance finds it.
        let (mut fitting, mut over) = (1, work.prompt_tokens.max(2));
        while over - fitting > 1 {
            let middle = fitting + (over - fitting) / 2;
            if fits(Work { prompt_tokens: middle, ..work }) {
                fitting = middle;
            } else {
                over = middle;
            }
        }
        work.prompt_tokens = fitting;
    }
    work
}

/// Whether some limit counts what the request uses in tokens or at a price; and if so, whether one of those is enforced.
pub fn is_metered(rules: &[Rule<'_>], facts: &Facts) -> Option<bool> {
    let mut counting = rules.iter().filter(|rule| rule.limit.unit().is_of_tokens() && rule.applies(facts)).peekable();
    counting.peek()?;
    Some(counting.any(|rule| !rule.limit.shadow))
}
