//! What is asked of usage, and what is told.

use super::{HOUR, START, sum_of, whose};
use crate::golden::golden;
use proptest::collection::vec;
use proptest::prelude::*;
use sluice_protocol::admin::usage::{After, Audience, UsageAsked, UsageView};
use sluice_protocol::auth::principal::{AccountName, Mark};
use sluice_protocol::id::AccountId;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::request::endpoint::Endpoint;
use sluice_protocol::usage::report::{By, Group, GroupName, Tally, UsageQuery, UsageReport};
use sluice_protocol::usage::row::Span;
use sluice_protocol::usage::{Cell, DAY_HOURS, HOUR_MS, Sum, User, Whose};
use std::collections::BTreeMap;

fn cells() -> impl Strategy<Value = Vec<(Span, Vec<Cell>)>> {
    let cell = ([0u8..3, 0u8..3, 0u8..40], 0u64..9, 0u64..5).prop_map(|(who, served, refused)| Cell {
        whose: whose(who),
        sum: Sum { served, prompt_tokens: 7 * served, ..Sum::default() },
        refused: if refused > 0 { [("minute".into(), refused)].into() } else { BTreeMap::new() },
    });
    let span = prop_oneof![
        (0u64..60).prop_map(|hour| Span::Hour(HOUR + hour)),
        (0u64..3).prop_map(|day| Span::Day(HOUR / DAY_HOURS + day)),
    ];
    vec((span, vec(cell, 0..60)), 0..60)
}

fn by() -> impl Strategy<Value = Vec<By>> {
    proptest::sample::subsequence(By::ALL.map(|(_, by)| by).to_vec(), 0..=4)
        .prop_filter("hours or days", |by| !(by.contains(&By::Hour) && by.contains(&By::Day)))
}

/// A page, read as a Gate reads it: days first, each in order of time, and no more than it takes.
fn page_of(query: &UsageQuery, rows: &[(Span, Vec<Cell>)]) -> UsageReport {
    let mut tally = Tally::default();
    let begins = |span: &Span| match span {
        Span::Hour(hour) => *hour,
        Span::Day(day) => *day * DAY_HOURS,
    };
    let of_page = query.hours_of_page();
    for is_day in [true, false] {
        let is_asked =
            |(span, _): &&(Span, Vec<Cell>)| matches!(span, Span::Day(_)) == is_day && of_page.contains(&begins(span));
        let mut asked: Vec<_> = rows.iter().filter(is_asked).collect();
        asked.sort_by_key(|(span, _)| begins(span));
        for (span, cells) in asked {
            if !tally.wants(query, *span) {
                break;
            }
            tally.add(query, *span, cells.iter().cloned());
        }
    }
    tally.report()
}

proptest! {
    #![proptest_config(crate::cases(64))]

    /// Whatever it is told apart by: pages hold each group once and in order, groups hold each line once, and their sums are
    /// those of a plain sum over all lines of the hours that were asked for.
    #[test]
    fn pages_hold_everything_once(rows in cells(), by in by(), from in 0u64..30, hours in 1u64..40, key in 0u8..5) {
        let key = (key < 2).then(|| Mark::of_key([key; 4]));
        let mut query = UsageQuery { hours: HOUR + from..HOUR + from + hours, by, key, after: None };
        let begins = |span: &Span| match span { Span::Hour(hour) => *hour, Span::Day(day) => *day * DAY_HOURS };
        let asked = rows.iter().filter(|(span, _)| query.hours.contains(&begins(span))).flat_map(|(_, cells)| cells);
        let asked: Vec<&Cell> = asked.filter(|cell| key.is_none() || cell.whose.key == key).collect();
        let mut groups: Vec<Group> = Vec::new();
        for page in 0.. {
            prop_assert!(page < 100);
            let report = page_of(&query, &rows);
            groups.extend(report.groups);
            if !report.is_cut {
                break;
            }
            query.after = groups.last().map(|group| group.name.clone());
        }
        prop_assert!(groups.is_sorted_by(|one, next| one.name < next.name), "in order, each once");
        let mut all = Sum::default();
        groups.iter().for_each(|group| all.add(&group.sum));
        prop_assert_eq!(all, sum_of(asked.iter().copied()));
        let refused = |one: &BTreeMap<String, u64>| one.values().sum::<u64>();
        prop_assert_eq!(
            groups.iter().map(|group| refused(&group.refused)).sum::<u64>(),
            asked.iter().map(|cell| refused(&cell.refused)).sum::<u64>()
        );
        // One group, looked at alone.
        if let Some(group) = groups.first() {
            let is_its = |cell: &&&Cell| {
                let Whose { key, model, endpoint, user } = &cell.whose;
                let name = &group.name;
                (!query.is_by(By::Key) || name.key == *key)
                    && (!query.is_by(By::Model) || name.model == *model)
                    && (!query.is_by(By::Endpoint) || name.endpoint == *endpoint)
                    && (!query.is_by(By::User) || name.user == Some(*user))
            };
            if !query.is_by(By::Hour) && !query.is_by(By::Day) {
                prop_assert_eq!(group.sum, sum_of(asked.iter().filter(is_its).copied()));
            }
        }
    }
}

/// More groups than a page holds: none is lost between pages, and none is told in part, whichever comes first.
#[test]
fn many_users_are_several_pages() {
    let cell = |user: u32| Cell {
        whose: Whose { user: User::One(Mark::of(&user.to_string())), ..whose([1, 1, 1]) },
        sum: Sum { served: 1, ..Sum::default() },
        refused: BTreeMap::new(),
    };
    let mut query = UsageQuery { hours: HOUR..HOUR + 9, by: vec![By::User], key: None, after: None };
    let mut told = Vec::new();
    for _ in 0..4 {
        let mut tally = Tally::default();
        // Twice each, far apart and in two orders.
        tally.add(&query, Span::Hour(HOUR), (0..2_500).map(cell));
        tally.add(&query, Span::Hour(HOUR + 1), (0..2_500).rev().map(cell));
        let report = tally.report();
        assert!(report.groups.iter().all(|group| group.sum.served == 2));
        assert_eq!(report.is_cut, told.len() < 2_000);
        query.after = report.groups.last().map(|group| group.name.clone());
        told.extend(report.groups.into_iter().map(|group| group.name));
        if !report.is_cut {
            break;
        }
    }
    told.dedup();
    assert_eq!(told.len(), 2_500);
}

/// What is told apart by time: a page reads the rows that it tells of, and no others.
#[test]
fn a_page_reads_no_more_than_it_tells() {
    let cells = |hour: u64| {
        (0..300u32).map(move |user| Cell {
            whose: Whose { user: User::One(Mark::of(&format!("{user}"))), ..whose([1, 1, 1]) },
            sum: Sum { served: hour, ..Sum::default() },
            refused: BTreeMap::new(),
        })
    };
    let rows: Vec<(Span, Vec<Cell>)> =
        (0..48).map(|hour| (Span::Hour(HOUR + hour), cells(HOUR + hour).collect())).collect();
    let mut query = UsageQuery { hours: HOUR..HOUR + 48, by: vec![By::Hour, By::User], key: None, after: None };
    let (mut told, mut read) = (Vec::new(), 0);
    loop {
        let mut tally = Tally::default();
        for (span, cells) in &rows {
            let Span::Hour(hour) = span else { continue };
            if query.hours_of_page().contains(hour) && tally.wants(&query, *span) {
                tally.add(&query, *span, cells.iter().cloned());
                read += 1;
            }
        }
        let report = tally.report();
        told.extend(report.groups);
        if !report.is_cut {
            break;
        }
        query.after = told.last().map(|group| group.name.clone());
    }
    assert_eq!(told.len(), 48 * 300);
    assert!(told.iter().all(|group| Some(group.sum.served) == group.name.hour));
    assert!(read <= 48 + 2 * 15, "each row once, and those that a page ends in twice: {read}");
}

const NOW: u64 = START + 1_000;

fn parse(query: &str) -> Result<UsageAsked, String> {
    UsageAsked::parse(query, Audience::Admin, NOW).map_err(|refusal| refusal.param.unwrap_or_default().into_owned())
}

/// Each bad query is refused for the parameter that is wrong.
#[test]
fn bad_queries_are_refused_by_name() {
    for (query, param) in [
        ("from=2026-09-20&to=2026-09-19", "to"),
        ("from=2026-09-20&to=2026-09-20", "to"),
        ("from=1926-01-01", "from"),
        ("from=1970-01-01", "from"),
        ("from=2025-08-01", "from"),
        ("from=2027-01-01", "from"),
        ("from=9999-12-31&to=2026-01-01", "from"),
        ("from=99999999999999999999", "from"),
        ("from=18446744073709551615", "from"),
        ("from=-1", "from"),
        ("from=yesterday", "from"),
        ("to=2026-02-30", "to"),
        ("from=2026-06-01&by=hour", "from"),
        ("by=", "by"),
        ("by=colour", "by"),
        ("by=day,", "by"),
        ("by=day,day", "by"),
        ("by=account,account", "by"),
        ("by=day,hour", "by"),
        ("by=day&by=key", "by"),
        ("format=xml", "format"),
        ("account=nobody", "account"),
        ("key=slc_secret", "key"),
        ("account=0101010101010101&key=key_a1a1a1a1a1a1a1a1b2b2b2b2", "key"),
        ("account=0101010101010101&after=a1a1a1a1a1a1a1a1~497222-497223", "after"),
        ("after=a1a1a1a1a1a1a1a1", "after"),
        ("after=a1a1a1a1a1a1a1a1~497222", "after"),
        ("after=a1a1a1a1a1a1a1a1~497223-497222", "after"),
        ("after=a1a1a1a1a1a1a1a1~1-497222", "after"),
        ("after=a1a1a1a1a1a1a1a1~497222-497225", "after"),
        ("after=a1a1a1a1a1a1a1a1~497222-497223~zz", "after"),
        ("after=a1a1a1a1a1a1a1a1~497222-497223~00", "after"),
        ("after=a1a1a1a1a1a1a1a1~497222-497223~~", "after"),
        ("limit=5", "limit"),
    ] {
        assert_eq!(parse(query), Err(param.to_owned()), "{query}");
    }
    for query in ["account=a1a1a1a1a1a1a1a1", "key=key_a1a1a1a1a1a1a1a1b2b2b2b2", "by=account", "by=key"] {
        let refusal = UsageAsked::parse(query, Audience::Caller, NOW).unwrap_err();
        assert_eq!(refusal.reason.row().status, 400, "a caller asks for itself: {query}");
    }
}

/// Hours are whole, and days where only those are kept.
#[test]
fn ranges_are_made_whole() {
    let day = |days_ago: u64| (HOUR / DAY_HOURS - days_ago) * DAY_HOURS;
    let ago = |hours: u64| (HOUR - hours) * HOUR_MS;
    for (query, hours) in [
        (String::new(), HOUR + 1 - 24..HOUR + 1),
        (format!("from={}", ago(3) + 1), HOUR - 3..HOUR + 1),
        (format!("from={}&to={}", ago(3), ago(1)), HOUR - 3..HOUR - 1),
        (format!("from={}&to={}", ago(3), ago(1) + 1), HOUR - 3..HOUR),
        (format!("from={}&to=2030-01-01", ago(3)), HOUR - 3..HOUR + 1),
        (format!("from={}", day(31) * HOUR_MS + 5 * HOUR_MS), day(31) + 5..HOUR + 1),
        // Before that there are days only.
        (format!("from={}", day(32) * HOUR_MS + 5 * HOUR_MS), day(32)..HOUR + 1),
        (format!("from={}&to={}", day(40) * HOUR_MS + 1, day(39) * HOUR_MS + 1), day(40)..day(38)),
        (format!("from={}", day(400) * HOUR_MS), day(400)..HOUR + 1),
    ] {
        assert_eq!(parse(&query).map(|asked| asked.query.hours), Ok(hours), "{query}");
    }
    let asked = parse("from=2026-09-21T07:30Z&by=model,day&format=csv&key=key_a1a1a1a1a1a1a1a1b2b2b2b2").unwrap();
    assert_eq!((asked.query.by.as_slice(), asked.is_csv), (&[By::Model, By::Day][..], true));
    assert_eq!(asked.query.key, Some(Mark::of_key([0xb2; 4])));
    assert_eq!(asked.account, Some(AccountName::of_key(AccountId([0xa1; 8]))));
}

fn view() -> (UsageQuery, UsageView) {
    let by = vec![By::Day, By::Key, By::Model, By::Endpoint, By::User];
    let query = UsageQuery { hours: HOUR..HOUR + 2, by, key: None, after: None };
    let table = r#"{"plans":{"p":{"limits":[]}},"costs":[{"currency":"USD","prompt":"0.10","completion":"0.40"}]}"#;
    let table = PlanTable::parse(table).unwrap();
    let name = |model: Option<&str>, user: User| GroupName {
        hour: Some(HOUR / DAY_HOURS * DAY_HOURS),
        key: Some(Mark::of_key([0xb2; 4])),
        model: model.map(str::to_owned),
        endpoint: model.map(|_| Endpoint::Chat),
        user: Some(user),
    };
    let sum =
        Sum { served: 3, prompt_tokens: 12, completion_tokens: 4, cost: 16, money: 1_230_000_000, ..Sum::default() };
    let refused: BTreeMap<String, u64> = [("day".into(), 1), ("minute".into(), 7)].into();
    let group = |name| Group { name, sum, refused: refused.clone() };
    let mut view = UsageView::new(&query, &table);
    let [keys, subjects] = [AccountName::of_key(AccountId([0xa1; 8])), AccountName::of_token("corp", "ann")];
    view.add(&keys, &query, vec![group(name(Some("tiny"), User::None)), group(name(None, User::Others))]);
    view.add(&subjects, &query, vec![group(name(Some("=HYPERLINK(\"x\"),1"), User::One(Mark::of("bob"))))]);
    let after = After { hours: HOUR..HOUR + 1, account: subjects, group: Some(name(Some("tiny"), User::None)) };
    view.next = Some(after.write());
    let read = parse(&format!("account={}&after={}", after.account, after.write())).unwrap();
    assert_eq!(read.after, Some(after), "a page goes on where the one before ended");
    (query, view)
}

#[test]
fn usage_as_an_admin_sees_it() {
    let (query, view) = view();
    golden("admin_usage.json", &format!("{}\n", serde_json::to_string_pretty(&view).unwrap()));
    golden("admin_usage.csv", &view.to_csv(&query));
}
