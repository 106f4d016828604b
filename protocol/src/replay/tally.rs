//! What is counted of decisions: in all, for each plan, account and limit.

use super::drive::{Hit, Spent, Verdict};
use super::request::{Decision, Names, Request};
use crate::time::Millis;

/// Things by their names, in the order of these: few. (A sorted list: a tree of them would be a twentieth of the Worker.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByName<T>(Vec<(String, T)>);

/// What one table makes of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// In all.
    pub all: Tally,
    /// By the plans' names.
    pub plans: ByName<Tally>,
    /// By the accounts' names, in the order in which they were added.
    pub accounts: Vec<(String, AccountTally)>,
    /// By the plans' names and by those of their limits.
    pub limits: ByName<ByName<LimitTally>>,
    /// How many decisions are as they were: let through, or refused by the same limits.
    pub as_logged: u64,
}

/// Requests, and what they used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many asked.
    pub asked: u64,
    /// How many were let through.
    pub through: u64,
    /// How many limits refused.
    pub limited: u64,
    /// How many their plan does not allow.
    pub forbidden: u64,
    /// How many of those let through were refused when they were made, so that what they use is assumed.
    pub assumed: u64,
    /// Of how many of those let through nobody knows what they used.
    pub unknown: u64,
    /// How many have fewer tokens than they used.
    pub cut: u64,
    /// Tokens of prompts.
    pub prompt_tokens: u64,
    /// Tokens of answers.
    pub completion_tokens: u64,
    /// Units of the table's formulas.
    pub units: u64,
    /// Money, in nano-units.
    pub money: u64,
}

/// An account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountTally {
    /// Its requests.
    pub tally: Tally,
    /// The limits that refused it, by their names.
    pub limits: ByName<LimitTally>,
}

/// Refusals by one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitTally {
    /// How many.
    pub refused: u64,
    /// How many of them can never pass.
    pub never: u64,
    /// Of how many accounts.
    pub accounts: u64,
    /// When it first refused.
    pub first: Millis,
    /// When it last did.
    pub last: Millis,
    /// The longest that a request had to wait, as far as that was told.
    pub longest_wait_ms: Millis,
}

/// What one table refuses and another does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// How many are refused by the candidate alone.
    pub newly_refused: u64,
    /// How many are let through by the candidate alone.
    pub newly_through: u64,
    /// The accounts of which something changes, by their names, in the order in which they were added.
    pub accounts: Vec<(String, Change)>,
}

/// What changes for an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// How many are refused by the candidate alone.
    pub newly_refused: u64,
    /// How many of these its plan does not allow.
    pub newly_forbidden: u64,
    /// By which of its limits, by their names.
    pub by_limit: ByName<LimitTally>,
    /// How many are let through by the candidate alone.
    pub newly_through: u64,
}

impl Report {
    /// Adds an account's requests. They are some that have the same account.
    pub fn add(&mut self, requests: &[&Request], names: &Names, verdicts: &[Verdict]) {
        let Some(first) = requests.first() else { return };
        let mut account = AccountTally::default();
        // It may have had several plans.
        let mut plans: Vec<(u32, Tally, ByName<LimitTally>)> = Vec::new();
        for (request, verdict) in requests.iter().zip(verdicts) {
            account.tally.add(verdict);
            if is_as_logged(request, names, verdict) {
                self.as_logged += 1;
            }
            let place = plans.iter().position(|(plan, ..)| *plan == request.plan).unwrap_or_else(|| {
                plans.push((request.plan, Tally::default(), ByName::default()));
                plans.len() - 1
            });
            let (_, tally, limits) = &mut plans[place];
            tally.add(verdict);
            if let Verdict::Limited(hits) = verdict {
                hits.iter().for_each(|hit| limits.at(&hit.limit).add(request.at, hit));
            }
        }
        for (plan, tally, limits) in plans {
            let plan = names.text(plan);
            self.plans.at(plan).merge(tally);
            for (limit, tally) in limits.iter() {
                let of_account = LimitTally { accounts: 1, ..*tally };
                account.limits.at(limit).merge(of_account);
                self.limits.at(plan).at(limit).merge(of_account);
            }
        }
        self.all.merge(account.tally);
        account.limits.iter_mut().for_each(|tally| tally.accounts = 1);
        self.accounts.push((names.text(first.account).to_owned(), account));
    }

    /// Adds what was counted of other accounts.
    pub fn merge(&mut self, other: Self) {
        let Self { all, plans, accounts, limits, as_logged } = other;
        self.all.merge(all);
        plans.iter().for_each(|(plan, tally)| self.plans.at(plan).merge(*tally));
        for (plan, limits) in limits.iter() {
            limits.iter().for_each(|(limit, tally)| self.limits.at(plan).at(limit).merge(*tally));
        }
        self.accounts.extend(accounts);
        self.as_logged += as_logged;
    }
}

impl<T: Default> ByName<T> {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &T)> {
        self.0.iter().map(|(name, one)| (name, one))
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.iter().find(|(known, _)| *known == name).map(|(_, one)| one)
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().map(|(_, one)| one)
    }

    /// One of them, with nothing in it if it is new.
    fn at(&mut self, name: &str) -> &mut T {
        let place = self.0.binary_search_by(|(known, _)| known.as_str().cmp(name)).unwrap_or_else(|place| {
            self.0.insert(place, (name.to_owned(), T::default()));
            place
        });
        &mut self.0[place].1
    }
}

impl<T> Default for ByName<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl Tally {
    /// How many were refused.
    pub const fn refused(&self) -> u64 {
        self.limited + self.forbidden
    }

    fn add(&mut self, verdict: &Verdict) {
        let one = |flag: bool| u64::from(flag);
        let of_verdict = match verdict {
            Verdict::Limited(_) => Self { limited: 1, ..Self::default() },
            Verdict::Forbidden => Self { forbidden: 1, ..Self::default() },
            Verdict::Through(Spent { usage, units, money, is_assumed, is_unknown, is_cut }) => Self {
                through: 1,
                assumed: one(*is_assumed),
                unknown: one(*is_unknown),
                cut: one(*is_cut),
                prompt_tokens: usage.prompt.into(),
                completion_tokens: usage.completion.into(),
                units: *units,
                money: *money,
                ..Self::default()
            },
        };
        self.merge(Self { asked: 1, ..of_verdict });
    }

    fn merge(&mut self, other: Self) {
        self.asked += other.asked;
        self.through += other.through;
        self.limited += other.limited;
        self.forbidden += other.forbidden;
        self.assumed += other.assumed;
        self.unknown += other.unknown;
        self.cut += other.cut;
        // Each is at most 32 bits, of at most 2^32 requests.
        self.prompt_tokens += other.prompt_tokens;
        self.completion_tokens += other.completion_tokens;
        self.units = self.units.saturating_add(other.units);
        self.money = self.money.saturating_add(other.money);
    }
}

impl LimitTally {
    fn add(&mut self, at: Millis, hit: &Hit) {
        let longest_wait_ms = hit.wait_ms.unwrap_or(0);
        self.merge(Self { refused: 1, never: hit.never.into(), accounts: 0, first: at, last: at, longest_wait_ms });
    }

    fn merge(&mut self, other: Self) {
        self.first = if self.refused == 0 { other.first } else { self.first.min(other.first) };
        self.last = self.last.max(other.last);
        self.refused += other.refused;
        self.never += other.never;
        self.accounts += other.accounts;
        self.longest_wait_ms = self.longest_wait_ms.max(other.longest_wait_ms);
    }
}

impl Difference {
    /// Adds an account's requests, as the candidate and as the other table decided them.
    pub fn add(&mut self, requests: &[&Request], names: &Names, candidate: &[Verdict], other: &[Verdict]) {
        let Some(first) = requests.first() else { return };
        let mut change = Change::default();
        for ((request, new), old) in requests.iter().zip(candidate).zip(other) {
            match (new, old) {
                (Verdict::Through(_), Verdict::Through(_)) => {}
                (Verdict::Through(_), _) => change.newly_through += 1,
                (_, Verdict::Through(_)) => {
                    change.newly_refused += 1;
                    match new {
                        Verdict::Limited(hits) => hits.iter().for_each(|hit| {
                            change.by_limit.at(&hit.limit).add(request.at, hit);
                        }),
                        Verdict::Forbidden | Verdict::Through(_) => change.newly_forbidden += 1,
                    }
                }
                _ => {}
            }
        }
        change.by_limit.iter_mut().for_each(|tally| tally.accounts = 1);
        self.newly_refused += change.newly_refused;
        self.newly_through += change.newly_through;
        if change != Change::default() {
            self.accounts.push((names.text(first.account).to_owned(), change));
        }
    }

    /// Adds what changes for other accounts.
    pub fn merge(&mut self, other: Self) {
        self.newly_refused += other.newly_refused;
        self.newly_through += other.newly_through;
        self.accounts.extend(other.accounts);
    }
}

/// Whether a decision is as it was: let through, or refused by the same limits.
pub fn is_as_logged(request: &Request, names: &Names, verdict: &Verdict) -> bool {
    match (verdict, request.decision) {
        (Verdict::Through(_), Decision::Through) | (Verdict::Forbidden, Decision::Forbidden) => true,
        (Verdict::Limited(hits), Decision::Limited) => {
            hits.iter().map(|hit| hit.limit.as_str()).eq(names.text(request.limits).split(','))
        }
        _ => false,
    }
}
