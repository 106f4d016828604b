//! What is told of usage: lines of hours and days, added up by what was asked for.

use super::hours::{Finished, Hours};
use super::refusals::Refusals;
use super::row::Span;
use super::{Cell, DAY_HOURS, RefusedBy, Sum, User, Whose, add_refused};
use crate::auth::principal::Mark;
use crate::request::endpoint::Endpoint;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;

/// What is asked of an account's usage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageQuery {
    /// Which hours, since 1970.
    pub hours: Range<u64>,
    /// By what it is told apart; each at most once.
    pub by: Vec<By>,
    /// Of this key or subject alone.
    pub key: Option<Mark>,
    /// Groups behind this one.
    pub after: Option<GroupName>,
}

/// By what usage is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum By {
    /// By hours.
    Hour,
    /// By days of UTC.
    Day,
    /// By keys, and subjects of tokens.
    Key,
    /// By models.
    Model,
    /// By what was asked for.
    Endpoint,
    /// By end users.
    User,
}

/// Which group it is: what it was not told apart by is absent, and so is what was not told apart when it was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupName {
    /// The hour, or the day's first hour, since 1970.
    pub hour: Option<u64>,
    /// The key or the subject.
    pub key: Option<Mark>,
    /// The model.
    pub model: Option<String>,
    /// What was asked for.
    pub endpoint: Option<Endpoint>,
    /// For whom.
    pub user: Option<User>,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Which.
    pub name: GroupName,
    /// What was used.
    pub sum: Sum,
    /// How many requests each limit refused.
    pub refused: RefusedBy,
}

/// Groups, in order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageReport {
    /// The groups.
    pub groups: Vec<Group>,
    /// Whether there are more.
    pub is_cut: bool,
}

/// Adds up what a query asks for. It holds no more than a page's groups, whatever it adds up.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    groups: BTreeMap<GroupName, (Sum, RefusedBy)>,
}

impl By {
    /// As queries name them.
    pub const ALL: [(&'static str, Self); 6] = [
        ("hour", Self::Hour),
        ("day", Self::Day),
        ("key", Self::Key),
        ("model", Self::Model),
        ("endpoint", Self::Endpoint),
        ("user", Self::User),
    ];

    /// As queries name it.
    pub const fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

impl Tally {
    /// Adds a row's lines.
    pub fn add(&mut self, query: &UsageQuery, span: Span, cells: impl IntoIterator<Item = Cell>) {
        let hour = begins(span);
        if !query.hours.contains(&hour) {
            return;
        }
        for Cell { whose, sum, refused } in cells {
            if query.key.is_some_and(|key| whose.key != Some(key)) {
                continue;
            }
            let name = query.name(hour, whose);
            if query.after.as_ref().is_some_and(|after| name <= *after) {
                continue;
            }
            let (all, all_refused) = self.groups.entry(name).or_default();
            all.add(&sum);
            refused.iter().for_each(|(limit, count)| add_refused(all_refused, limit, *count));
            // What is last of one too many is behind this page, however much of it comes yet.
            if self.groups.len() > PAGE + 1 {
                self.groups.pop_last();
            }
        }
    }

    /// Whether rows of this time, and of later times, may still have something for the page: where it is told apart by time,
    /// a page that is full ends before them.
    pub fn wants(&self, query: &UsageQuery, span: Span) -> bool {
        let last = self.groups.keys().next_back().filter(|_| self.groups.len() > PAGE);
        let Some(full) = last.and_then(|name| name.hour) else { return true };
        query.time(begins(span)).is_some_and(|hour| hour <= full)
    }

    /// Adds what an account has not put into a row yet.
    pub fn add_current(&mut self, query: &UsageQuery, hours: &Hours, refusals: &Refusals) {
        for Finished { hour, cells, .. } in hours.finished().iter().cloned().chain([hours.now()]) {
            self.add(query, Span::Hour(hour), cells);
        }
        refusals.cells().for_each(|(hour, cell)| self.add(query, hour, [cell]));
    }

    /// The page.
    pub fn report(mut self) -> UsageReport {
        let is_cut = self.groups.len() > PAGE;
        if is_cut {
            self.groups.pop_last();
        }
        let group = |(name, (sum, refused))| Group { name, sum, refused };
        UsageReport { groups: self.groups.into_iter().map(group).collect(), is_cut }
    }
}

impl UsageQuery {
    /// Whether it is told apart by this.
    pub fn is_by(&self, by: By) -> bool {
        self.by.contains(&by)
    }

    /// Which hours have anything for this page: what is told apart by time begins where the page before ended.
    pub fn hours_of_page(&self) -> Range<u64> {
        let after = self.after.as_ref().and_then(|after| after.hour).unwrap_or(0);
        self.hours.start.max(after)..self.hours.end
    }

    fn time(&self, hour: u64) -> Option<u64> {
        match (self.is_by(By::Hour), self.is_by(By::Day)) {
            (true, _) => Some(hour),
            (_, true) => Some(hour / DAY_HOURS * DAY_HOURS),
            _ => None,
        }
    }

    fn name(&self, hour: u64, whose: Whose) -> GroupName {
        GroupName {
            hour: self.time(hour),
            key: whose.key.filter(|_| self.is_by(By::Key)),
            model: whose.model.filter(|_| self.is_by(By::Model)),
            endpoint: whose.endpoint.filter(|_| self.is_by(By::Endpoint)),
            user: Some(whose.user).filter(|_| self.is_by(By::User)),
        }
    }
}

/// The first hour of a row's time.
fn begins(span: Span) -> u64 {
    match span {
        Span::Hour(hour) => hour,
        Span::Day(day) => day.saturating_mul(DAY_HOURS),
    }
}

/// How many groups a page has at most.
pub const PAGE: usize = 1_000;
