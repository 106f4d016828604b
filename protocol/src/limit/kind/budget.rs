//! At most so much in a day, a week or a month of a calendar, or for ever.
//!
//! A period is half open, `[began, ends)`: what was counted in it stops counting when it ends, all of it at once. What a
//! request uses counts in the period in which it was admitted, whenever it is settled: that is where it was reserved, and
//! where what it did not use is given back. So no period is ever exceeded by what a later one finds out.
//!
//! A sum keeps when its period ends, so nothing but counting needs a calendar, and a calendar that changes its mind (a
//! country its summer time) changes nothing that was counted.

mod log;

use super::{
    AnyLogKind, CountInLog, Counting, DescribeRefused, DescribeStanding, Fit, Form, Kind, Log, LogKind, RefusedKind,
    StandingKind, Tally, Unit,
};
use crate::limit::calendar::{Cycle, Period, Span, Zone};
use crate::limit::fields::Reader;
use crate::limit::per::Per;
use crate::refusal::Reason;
use crate::request::cost::money::{Currency, MAX_WHOLE, UNIT, write_decimal};
use crate::time::{Millis, rfc3339};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;

pub(super) use log::PackedBudget;
pub use log::{BudgetLog, BudgetLogKind};

/// At most `limit` in each period of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Of what.
    pub unit: Unit,
    /// At least 1; credits, which last for ever, may begin with 0. Money is in nano-units.
    pub limit: u64,
    /// In which currency, if it is money.
    pub currency: Option<Currency>,
    /// In which periods.
    pub cycle: Cycle,
}

/// A budget that refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedBudget {
    /// With what it lets through at the time of the decision.
    pub budget: Budget,
    /// Whose it is.
    pub per: Per,
}

/// How a budget stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetStanding {
    /// In which periods.
    pub cycle: Cycle,
    /// In which currency, if it is money.
    pub currency: Option<Currency>,
    /// The period of now, if the calendar told.
    pub span: Option<Span>,
}

const NAME: &str = "budget";

pub(super) const FORM: Form = Form {
    name: NAME,
    members: &["unit", "limit", "currency", "period", "zone"],
    read: |reader, at, object| Budget::read(reader, at, object).map(Into::into),
};

/// The most that a budget lets through of what is not money: what a structured field of HTTP can say.
const MAX_LIMIT: u64 = 999_999_999_999_999;
/// In how many nano-units headers tell money: they know whole numbers of 15 digits.
const TOLD_IN: u64 = 1_000;

impl Budget {
    fn read(reader: &mut Reader, at: &str, object: &Map<String, Value>) -> Option<Self> {
        let unit = Unit::read(reader, at, object);
        let currency = reader.currency(at, object, unit == Unit::Cost);
        let unit = if currency.is_some() { Unit::Money } else { unit };
        let period = reader.one_of(at, object, "period", &Period::ALL);
        if !object.contains_key("period") {
            reader.mistake(&format!("{at}.period"), "must be one of day, week, month, ever");
        }
        let least = u64::from(period != Some(Period::Ever));
        let limit = match object.get("limit") {
            None if least == 0 => Some(0),
            _ if object.contains_key("currency") => reader.decimal(at, object, "limit", least),
            limit => reader.number(&format!("{at}.limit"), limit.unwrap_or(&Value::Null), least, MAX_LIMIT),
        };
        let zone = reader.zone(at, object, period != Some(Period::Ever));
        let cycle = if least == 0 { Cycle::EVER } else { Cycle { period: period?, zone: zone? } };
        Some(Self { unit, limit: limit?, currency, cycle })
    }

    /// An amount of it, as people read it.
    fn told(&self, amount: u64) -> String {
        match self.currency {
            Some(currency) => format!("{} {currency}", write_decimal(amount)),
            None => format!("{amount} {}", self.unit.text()),
        }
    }

    const fn log(&self) -> BudgetLogKind {
        BudgetLogKind { cycle: self.cycle, currency: self.currency }
    }
}

impl Kind for Budget {
    fn name(&self) -> &'static str {
        NAME
    }

    fn unit(&self) -> Unit {
        self.unit
    }

    fn quota(&self) -> u64 {
        self.limit
    }

    fn write(&self, object: &mut Map<String, Value>) {
        match self.currency {
            Some(currency) => {
                object.insert("unit".into(), "cost".into());
                object.insert("currency".into(), currency.to_string().into());
                object.insert("limit".into(), write_decimal(self.limit).into());
            }
            None => {
                self.unit.write(object);
                object.insert("limit".into(), self.limit.into());
            }
        }
        object.insert("period".into(), self.cycle.period.name().into());
        if self.cycle.zone != Zone::UTC {
            object.insert("zone".into(), self.cycle.zone.name().into());
        }
    }

    fn in_log(&self) -> Option<&dyn CountInLog> {
        Some(self)
    }

    fn used(&self, tally: Tally<'_>, now: Millis) -> u64 {
        tally.log.and_then(Log::of::<BudgetLog>).map_or(0, |log| log.used(now))
    }

    fn ends(&self, tally: Tally<'_>, now: Millis) -> Option<(Millis, Millis)> {
        tally.log.and_then(Log::of::<BudgetLog>)?.ends(now)
    }

    fn fit(&self, tally: Tally<'_>, now: Millis, quota: u64, amount: u64) -> Fit {
        match tally.log.map(Log::of::<BudgetLog>) {
            None => Fit::Now,
            Some(log) => log.map_or(Fit::Never, |log| log.fit(now, quota, amount)),
        }
    }

    fn refused(&self, quota: u64, per: Per) -> RefusedKind {
        RefusedBudget { budget: Self { limit: quota, ..*self }, per }.into()
    }

    fn standing(&self, _: u64, span: Option<Span>) -> StandingKind {
        BudgetStanding { cycle: self.cycle, currency: self.currency, span }.into()
    }

    fn cycle(&self) -> Option<Cycle> {
        Some(self.cycle)
    }

    fn currency(&self) -> Option<Currency> {
        self.currency
    }
}

impl CountInLog for Budget {
    fn log_kind(&self) -> LogKind {
        LogKind(AnyLogKind::Budget(self.log()))
    }

    fn starting(&self, _: Millis) -> Log {
        BudgetLog::new(self.log()).into()
    }

    fn add(&self, log: &mut Log, amount: u64, counting: Counting) -> Millis {
        if let Some(log) = log.of_mut::<BudgetLog>() {
            // Whoever decides has seen that there is a calendar. Without one nobody could say when it ends.
            log.add(counting.span.unwrap_or(Span { began: counting.now, ends: Millis::MAX }), amount);
        }
        counting.now
    }
}

impl DescribeRefused for RefusedBudget {
    fn unit(&self) -> Unit {
        self.budget.unit
    }

    fn quota(&self) -> u64 {
        self.budget.limit
    }

    fn text(&self) -> String {
        let whose = match self.per {
            Per::Account => "account",
            Per::Key => "key",
            Per::Model => "model",
            Per::Session => "session",
            Per::User => "end user",
        };
        let most = self.budget.told(self.budget.limit);
        let Cycle { period, zone } = self.budget.cycle;
        match period {
            Period::Ever => format!("credits of {most} of this {whose}"),
            _ => format!("a budget of {most} a {} ({}) of this {whose}", period.name(), zone.name()),
        }
    }

    fn told(&self, amount: u64) -> String {
        match self.budget.currency {
            Some(_) => self.budget.told(amount),
            None => amount.to_string(),
        }
    }

    fn is_closed(&self) -> bool {
        false
    }

    fn opens(&self, at: Millis) -> Option<String> {
        Some(format!("it opens again at {}", rfc3339(at)))
    }

    fn reason(&self) -> Reason {
        Reason::BudgetExceeded
    }

    fn awaits(&self) -> Option<&'static str> {
        self.budget.cycle.is_ever().then_some("when there are more credits")
    }

    fn never(&self) -> Reason {
        match self.budget.cycle.period {
            Period::Ever => Reason::InsufficientCredits,
            _ => Reason::NeverFits,
        }
    }
}

impl DescribeStanding for BudgetStanding {
    fn name(&self) -> &'static str {
        NAME
    }

    fn span_ms(&self) -> Option<u64> {
        let span = self.span.filter(|_| !self.cycle.is_ever())?;
        Some(span.ends.saturating_sub(span.began))
    }

    fn cycle(&self) -> Option<Cycle> {
        Some(self.cycle)
    }

    fn currency(&self) -> Option<Currency> {
        self.currency
    }

    fn in_headers(&self, amount: u64) -> u64 {
        let amount = if self.currency.is_some() { amount / TOLD_IN } else { amount };
        amount.min(MAX_LIMIT)
    }

    fn quota_unit(&self, unit: Unit) -> Option<Cow<'static, str>> {
        match self.currency {
            Some(currency) => Some(format!("micro-{currency}").into()),
            None => unit.quota_unit().map(Cow::from),
        }
    }
}

/// The most that credits may be, of each unit.
pub const fn most_credits(unit: Unit) -> u64 {
    match unit {
        Unit::Money => MAX_WHOLE * UNIT,
        Unit::Requests | Unit::Tokens | Unit::Cost | Unit::Images => MAX_LIMIT,
    }
}

#[cfg(test)]
mod tests;
