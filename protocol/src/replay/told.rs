//! What comes of a replay, as JSON.

use super::part::Part;
use super::tally::{AccountTally, ByName, Change, LimitTally, Report, Tally};
use crate::limit::plan::PlanTable;
use crate::order::ordered;
use crate::request::cost::money::write_decimal;
use crate::time::Millis;
use serde::{Serialize, Serializer};
use std::cmp::Reverse;

/// What is told of a replay.
#[derive(Clone, Debug, Serialize)]
pub struct Told<'p> {
    /// Of which requests something is kept, where they come from Meters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<KeptView>,
    lines: Named<'p, u64>,
    first: Millis,
    last: Millis,
    candidate: ReportTold<'p>,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<ReportTold<'p>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<DifferenceTold<'p>>,
}

/// Of which requests something is kept. Times are in milliseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeptView {
    /// What was decided before is not kept.
    pub since: Millis,
    /// When this was told.
    pub until: Millis,
    /// How many requests are kept.
    pub lines: u64,
    /// Of how many accounts one is kept, with all that it asked for.
    pub one_in: u64,
    /// How many requests there were of the other accounts.
    pub left_out: u64,
    /// How many there were of these, and are not kept.
    pub lost: u64,
}

/// Of which requests it is.
#[derive(Clone, Debug, Default)]
pub struct Of<'p> {
    /// How many lines there were of each sort.
    pub lines: Vec<(&'p str, u64)>,
    /// When the first of them was decided, and the last.
    pub span: (Millis, Millis),
}

impl<'p> Told<'p> {
    /// All of it. `tables` are those that were replayed by, and `most` is how many accounts are told of, if not all are: those
    /// that the candidate newly refuses most. Both reports have the same accounts in the same order, and of these are the ones
    /// that have changed.
    pub fn new(part: &'p Part, of: Of<'p>, tables: [Option<&PlanTable>; 2], most: Option<usize>) -> Self {
        let [candidate, against] =
            tables.map(|table| table.and_then(|table| table.currency).map(|one| one.to_string()));
        let changes = changes(part);
        let shown = shown(part, &changes, most);
        let report = |report: &'p Report, currency: Option<String>| {
            let shown = shown.iter().map(|place| &report.accounts[*place]);
            let told =
                shown.map(|(name, account)| (name.as_str(), TallyTold::of_account(account, currency.as_deref())));
            let accounts = Named(told.collect());
            let others = (report.accounts.len() - accounts.0.len()) as u64;
            ReportTold {
                as_logged: report.as_logged,
                all: TallyTold::new(&report.all, currency.as_deref()),
                plans: named(&report.plans, |tally| TallyTold::new(tally, currency.as_deref())),
                limits: limits(report),
                accounts,
                other_accounts: most.map(|_| others),
            }
        };
        let is_against = tables[1].is_some();
        let difference = is_against.then(|| {
            let shown = shown.iter().filter_map(|place| changes[*place]);
            let accounts: Vec<_> = shown.map(|(name, change)| (name.as_str(), ChangeTold::new(change))).collect();
            let others = (part.difference.accounts.len() - accounts.len()) as u64;
            DifferenceTold {
                newly_refused: part.difference.newly_refused,
                newly_let_through: part.difference.newly_through,
                accounts: Named(accounts),
                other_accounts: most.map(|_| others),
            }
        });
        Self {
            kept: None,
            lines: Named(of.lines),
            first: of.span.0,
            last: of.span.1,
            candidate: report(&part.candidate, candidate),
            against: is_against.then(|| report(&part.against, against)),
            difference,
        }
    }
}

/// What has changed of each account, if anything.
fn changes(part: &Part) -> Vec<Option<&(String, Change)>> {
    let mut changed = part.difference.accounts.iter().peekable();
    let of_account = |(name, _): &(String, AccountTally)| changed.next_if(|(other, _)| other == name);
    part.candidate.accounts.iter().map(of_account).collect()
}

/// Which accounts are told of, by their places.
fn shown(part: &Part, changes: &[Option<&(String, Change)>], most: Option<usize>) -> Vec<usize> {
    let rank = |place: usize| {
        let change = changes[place].map_or((0, 0), |(_, change)| (change.newly_refused, change.newly_through));
        let (_, account) = &part.candidate.accounts[place];
        Reverse((change, account.tally.refused(), Reverse(place)))
    };
    let mut is_shown = vec![true; changes.len()];
    if let Some(most) = most {
        let order = ordered(changes.len(), &|one, other| rank(one).cmp(&rank(other)));
        order.iter().skip(most).for_each(|place| is_shown[*place as usize] = false);
    }
    (0..changes.len()).filter(|place| is_shown[*place]).collect()
}

#[derive(Clone, Debug, Serialize)]
struct ReportTold<'p> {
    as_logged: u64,
    all: TallyTold<'p>,
    plans: Named<'p, TallyTold<'p>>,
    limits: Vec<LimitTold<'p>>,
    accounts: Named<'p, TallyTold<'p>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_accounts: Option<u64>,
}

/// Requests: all, those of a plan, or those of an account.
#[derive(Clone, Debug, Serialize)]
struct TallyTold<'p> {
    asked: u64,
    let_through: u64,
    refused_by_limits: u64,
    not_allowed: u64,
    assumed: u64,
    unknown: u64,
    cut_short: u64,
    prompt_tokens: u64,
    completion_tokens: u64,
    cost: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    money: Option<Money>,
    /// Of an account.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_by: Option<Named<'p, LimitTold<'p>>>,
}

#[derive(Clone, Debug, Serialize)]
struct Money {
    amount: String,
    currency: String,
}

/// Refusals by a limit: of one plan, or among those of an account.
#[derive(Clone, Debug, Serialize)]
struct LimitTold<'p> {
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accounts: Option<u64>,
    refused: u64,
    never_pass: u64,
    first: Millis,
    last: Millis,
    longest_wait_ms: Millis,
}

#[derive(Clone, Debug, Serialize)]
struct DifferenceTold<'p> {
    newly_refused: u64,
    newly_let_through: u64,
    accounts: Named<'p, ChangeTold<'p>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_accounts: Option<u64>,
}

#[derive(Clone, Debug, Serialize)]
struct ChangeTold<'p> {
    newly_refused: u64,
    newly_not_allowed: u64,
    refused_by: Named<'p, LimitTold<'p>>,
    newly_let_through: u64,
}

/// An object with these members.
#[derive(Clone, Debug)]
struct Named<'p, T>(Vec<(&'p str, T)>);

impl<T: Serialize> Serialize for Named<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, one)| (name, one)))
    }
}

impl<'p> TallyTold<'p> {
    fn new(tally: &Tally, currency: Option<&str>) -> Self {
        let money = |currency: &str| Money { amount: write_decimal(tally.money), currency: currency.to_owned() };
        Self {
            asked: tally.asked,
            let_through: tally.through,
            refused_by_limits: tally.limited,
            not_allowed: tally.forbidden,
            assumed: tally.assumed,
            unknown: tally.unknown,
            cut_short: tally.cut,
            prompt_tokens: tally.prompt_tokens,
            completion_tokens: tally.completion_tokens,
            cost: tally.units,
            money: currency.map(money),
            refused_by: None,
        }
    }

    fn of_account(account: &'p AccountTally, currency: Option<&str>) -> Self {
        Self { refused_by: Some(named(&account.limits, LimitTold::new)), ..Self::new(&account.tally, currency) }
    }
}

impl LimitTold<'_> {
    fn new(tally: &LimitTally) -> Self {
        Self {
            plan: None,
            limit: None,
            accounts: None,
            refused: tally.refused,
            never_pass: tally.never,
            first: tally.first,
            last: tally.last,
            longest_wait_ms: tally.longest_wait_ms,
        }
    }
}

impl<'p> ChangeTold<'p> {
    fn new(change: &'p Change) -> Self {
        Self {
            newly_refused: change.newly_refused,
            newly_not_allowed: change.newly_forbidden,
            refused_by: named(&change.by_limit, LimitTold::new),
            newly_let_through: change.newly_through,
        }
    }
}

fn limits(report: &Report) -> Vec<LimitTold<'_>> {
    let mut all = Vec::new();
    for (plan, limits) in report.limits.iter() {
        all.extend(limits.iter().map(|(limit, tally)| LimitTold {
            plan: Some(plan),
            limit: Some(limit),
            accounts: Some(tally.accounts),
            ..LimitTold::new(tally)
        }));
    }
    all
}

fn named<'p, T: Default, U>(all: &'p ByName<T>, told: impl Fn(&'p T) -> U) -> Named<'p, U> {
    Named(all.iter().map(|(name, one)| (name.as_str(), told(one))).collect())
}
