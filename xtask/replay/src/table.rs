//! What is found out, as a table for people: what is most, and how much there is besides.

use crate::replay::Replayed;
use jiff::Timestamp;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::replay::tally::{ByName, Difference, LimitTally, Report, Tally};
use sluice_protocol::request::cost::money::write_decimal;
use sluice_protocol::time::Millis;
use std::fmt::Write;

/// What is told of a replay. `names` are what the tables are called.
pub fn of(replayed: &Replayed, names: [&str; 2], tables: [Option<&PlanTable>; 2]) -> String {
    let mut text = String::new();
    let seen = replayed.seen;
    line(
        &mut text,
        &format!(
            "{} lines: {} requests are replayed, {} were decided by no plan, {} passed without a Gate, {} are of other events",
            number(seen.lines),
            number(replayed.part.candidate.all.asked),
            number(seen.undecided),
            number(seen.without_gate),
            number(seen.others),
        ),
    );
    let (first, last) = replayed.span;
    line(
        &mut text,
        &format!("from {} to {}, {} accounts", time(first), time(last), replayed.part.candidate.accounts.len()),
    );
    report(&mut text, names[0], &replayed.part.candidate, tables[0]);
    if tables[1].is_some() {
        report(&mut text, names[1], &replayed.part.against, tables[1]);
        difference(&mut text, names, &replayed.part.difference);
    }
    text
}

fn report(text: &mut String, name: &str, report: &Report, table: Option<&PlanTable>) {
    let money = table.and_then(|table| table.currency).map(|currency| currency.to_string());
    line(text, "");
    let asked = number(report.all.asked);
    line(text, &format!("By {name}: {} of {asked} decisions are as the log has them", number(report.as_logged)));
    let mut rows = vec![tally_head("plan", money.as_deref())];
    rows.extend(report.plans.iter().map(|(plan, tally)| tally_row(plan, tally, money.is_some())));
    rows.push(tally_row("all", &report.all, money.is_some()));
    columns(text, &rows);
    let all = report.all;
    if all.assumed > 0 {
        line(
            text,
            &format!(
                "{} of those let through were refused in the log: what they use is assumed: their account's mean",
                number(all.assumed)
            ),
        );
    }
    if all.unknown > 0 {
        line(text, &format!("what {} of those let through have used is not in the log", number(all.unknown)));
    }
    if all.cut > 0 {
        line(text, &format!("{} have fewer tokens than they used", number(all.cut)));
    }
    if report.limits.is_empty() {
        return;
    }
    line(text, "");
    let mut rows =
        vec![cells(&["plan", "limit", "refused", "never pass", "accounts", "first", "last", "longest wait"])];
    for (plan, limits) in report.limits.iter() {
        rows.extend(limits.iter().map(|(limit, tally)| {
            let mut row = vec![plan.clone(), limit.clone()];
            row.extend(limit_row(tally));
            row
        }));
    }
    columns(text, &rows);
    line(text, "");
    let mut most: Vec<_> = report.accounts.iter().filter(|(_, account)| account.tally.refused() > 0).collect();
    most.sort_by_key(|(_, account)| std::cmp::Reverse(account.tally.refused()));
    let mut rows = vec![cells(&["account", "asked", "let through", "refused", "by"])];
    rows.extend(most.iter().take(MOST).map(|(name, account)| {
        let tally = &account.tally;
        let by = by(&account.limits, tally.forbidden);
        vec![name.clone(), number(tally.asked), number(tally.through), number(tally.refused()), by]
    }));
    columns(text, &rows);
    more(text, most.len());
}

fn difference(text: &mut String, [candidate, other]: [&str; 2], difference: &Difference) {
    line(text, "");
    line(
        text,
        &format!(
            "{candidate} refuses {} that {other} lets through, and lets {} through that {other} refuses",
            number(difference.newly_refused),
            number(difference.newly_through),
        ),
    );
    if difference.accounts.is_empty() {
        return;
    }
    let mut most: Vec<_> = difference.accounts.iter().collect();
    most.sort_by_key(|(_, change)| std::cmp::Reverse(change.newly_refused.max(change.newly_through)));
    let mut rows = vec![cells(&["account", "newly refused", "by", "newly let through"])];
    rows.extend(most.iter().take(MOST).map(|(name, change)| {
        let limited = by(&change.by_limit, change.newly_forbidden);
        vec![name.clone(), number(change.newly_refused), limited, number(change.newly_through)]
    }));
    columns(text, &rows);
    more(text, most.len());
}

fn tally_head(first: &str, money: Option<&str>) -> Vec<String> {
    let mut head =
        cells(&[first, "asked", "let through", "refused", "not allowed", "prompt tokens", "completion tokens"]);
    head.push("cost".to_owned());
    head.extend(money.map(str::to_owned));
    head
}

fn tally_row(name: &str, tally: &Tally, has_money: bool) -> Vec<String> {
    let numbers = [
        tally.asked,
        tally.through,
        tally.limited,
        tally.forbidden,
        tally.prompt_tokens,
        tally.completion_tokens,
        tally.units,
    ];
    let mut row = vec![name.to_owned()];
    row.extend(numbers.map(number));
    row.extend(has_money.then(|| write_decimal(tally.money)));
    row
}

fn limit_row(tally: &LimitTally) -> [String; 6] {
    let LimitTally { refused, never, accounts, first, last, longest_wait_ms } = *tally;
    [number(refused), number(never), number(accounts), time(first), time(last), wait(longest_wait_ms)]
}

/// `minute 12, day 3`.
fn by(limits: &ByName<LimitTally>, forbidden: u64) -> String {
    let mut named: Vec<_> = limits.iter().map(|(name, tally)| (tally.refused, name.as_str())).collect();
    named.extend((forbidden > 0).then_some((forbidden, "(not allowed)")));
    named.sort_by_key(|(refused, _)| std::cmp::Reverse(*refused));
    named.iter().map(|(refused, name)| format!("{name} {}", number(*refused))).collect::<Vec<_>>().join(", ")
}

fn more(text: &mut String, count: usize) {
    if count > MOST {
        line(text, &format!("and {} more accounts, which --json has", number((count - MOST) as u64)));
    }
}

/// The first column begins at the left, as a last one with words does; numbers end at the right.
fn columns(text: &mut String, rows: &[Vec<String>]) {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
    let is_word = |column: usize| {
        let is_number = |cell: &String| cell.starts_with(|first: char| first.is_ascii_digit());
        column == 0 || rows.iter().skip(1).filter_map(|row| row.get(column)).any(|cell| !is_number(cell))
    };
    let words: Vec<bool> = (0..count).map(is_word).collect();
    for row in rows {
        let padded = row.iter().enumerate().map(|(column, cell)| match words[column] {
            true => format!("{cell:<width$}", width = widths[column]),
            false => format!("{cell:>width$}", width = widths[column]),
        });
        let padded = padded.collect::<Vec<_>>().join("  ");
        line(text, padded.trim_end());
    }
}

fn cells(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn line(text: &mut String, line: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "{line}");
}

/// `1,234,567`.
fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// In UTC, to the second.
fn time(at: Millis) -> String {
    let second = i64::try_from(at / 1_000).ok().and_then(|second| Timestamp::from_second(second).ok());
    second.map_or_else(|| at.to_string(), |second| second.to_string())
}

fn wait(ms: Millis) -> String {
    if ms == 0 { "-".to_owned() } else { sluice_protocol::time::wait(ms) }
}

/// How many accounts a table lists.
const MOST: usize = 20;
