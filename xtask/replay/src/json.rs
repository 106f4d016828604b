//! What is found out, as JSON: all of it.

use crate::replay::Replayed;
use crate::tally::{AccountTally, Change, Difference, LimitTally, Report, Tally};
use serde_json::{Map, Value, json};
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::request::cost::money::write_decimal;
use std::collections::BTreeMap;

/// All of it. `tables` are those that were replayed by.
pub fn of(replayed: &Replayed, tables: [Option<&PlanTable>; 2]) -> Value {
    let seen = replayed.seen;
    let currency = |table: Option<&PlanTable>| table.and_then(|table| table.currency).map(|one| one.to_string());
    let [candidate, against] = tables.map(currency);
    let mut all = json!({
        "lines": {
            "read": seen.lines,
            "replayed": replayed.candidate.all.asked,
            "of_other_events": seen.others,
            "undecided": seen.undecided,
            "without_gate": seen.without_gate,
        },
        "first": replayed.span.0,
        "last": replayed.span.1,
        "candidate": report(&replayed.candidate, candidate.as_deref()),
    });
    if let Some((other, change)) = &replayed.against {
        all["against"] = report(other, against.as_deref());
        all["difference"] = difference(change);
    }
    all
}

fn report(report: &Report, currency: Option<&str>) -> Value {
    let tally = |tally: &Tally| self::tally(tally, currency);
    let account = |account: &AccountTally| {
        let mut value = tally(&account.tally);
        value["refused_by"] = limits(&account.limits);
        value
    };
    let of_limit = |((plan, limit), tally): (&(String, String), &LimitTally)| {
        let mut value = json!({"plan": plan, "limit": limit, "accounts": tally.accounts});
        merge(&mut value, self::limit(tally));
        value
    };
    json!({
        "as_logged": report.as_logged,
        "all": tally(&report.all),
        "plans": named(&report.plans, tally),
        "limits": report.limits.iter().map(of_limit).collect::<Vec<_>>(),
        "accounts": named(&report.accounts, account),
    })
}

fn tally(tally: &Tally, currency: Option<&str>) -> Value {
    let mut value = json!({
        "asked": tally.asked,
        "let_through": tally.through,
        "refused_by_limits": tally.limited,
        "not_allowed": tally.forbidden,
        "assumed": tally.assumed,
        "unknown": tally.unknown,
        "cut_short": tally.cut,
        "prompt_tokens": tally.prompt_tokens,
        "completion_tokens": tally.completion_tokens,
        "cost": tally.units,
    });
    if let Some(currency) = currency {
        value["money"] = json!({"amount": write_decimal(tally.money), "currency": currency});
    }
    value
}

fn limit(tally: &LimitTally) -> Value {
    json!({
        "refused": tally.refused,
        "never_pass": tally.never,
        "first": tally.first,
        "last": tally.last,
        "longest_wait_ms": tally.longest_wait_ms,
    })
}

fn limits(limits: &BTreeMap<String, LimitTally>) -> Value {
    named(limits, limit)
}

fn difference(difference: &Difference) -> Value {
    let change = |change: &Change| {
        json!({
            "newly_refused": change.newly_refused,
            "newly_not_allowed": change.newly_forbidden,
            "refused_by": limits(&change.by_limit),
            "newly_let_through": change.newly_through,
        })
    };
    json!({
        "newly_refused": difference.newly_refused,
        "newly_let_through": difference.newly_through,
        "accounts": named(&difference.accounts, change),
    })
}

fn named<T>(all: &BTreeMap<String, T>, value: impl Fn(&T) -> Value) -> Value {
    all.iter().map(|(name, one)| (name.clone(), value(one))).collect::<Map<_, _>>().into()
}

fn merge(value: &mut Value, more: Value) {
    if let (Value::Object(value), Value::Object(more)) = (value, more) {
        value.extend(more);
    }
}
