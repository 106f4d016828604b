//! The rules of a table: all mistakes together, each with its place.

use sluice_protocol::limit::plan::alert::{BUDGET_PERCENT, Condition, MAX_WITHIN_MS};
use sluice_protocol::limit::plan::{AlertRule, PlanTable};
use sluice_protocol::measures::series::BUDGET_STEPS;
use sluice_protocol::measures::{SHORT_KEPT_MS, SHORT_MS};

fn parse(alerts: &str) -> Result<Vec<AlertRule>, Vec<String>> {
    let table = format!(r#"{{"plans":{{"a":{{"limits":[]}}}},"alerts":{alerts}}}"#);
    let table = PlanTable::parse(&table);
    table.map(|table| table.alerts).map_err(|all| all.iter().map(ToString::to_string).collect())
}

#[test]
fn every_kind_is_read() {
    let read = parse(
        r#"[
        {"name": "keys", "when": {"kind": "key_refused", "more_than": 50, "within": "1h"}},
        {"name": "money", "when": {"kind": "budget", "percent": [100, 80]}, "send": ["ops"]},
        {"name": "half", "when": {"kind": "budget", "percent": 50}, "send": []},
        {"name": "down", "when": {"kind": "origin_down", "for": "0s"}, "muted": true},
        {"name": "errors", "when": {"kind": "errors", "percent": 5, "of_at_least": 20, "within": "5m"}, "send": ["ops", "b"]},
        {"name": "lapsed", "when": {"kind": "lapsed", "more_than": 0, "within": "10s"}},
        {"name": "logins", "when": {"kind": "failed_logins", "more_than": 10, "within": "10m"}, "muted": false}]"#,
    );
    let rule = |name: &str, when: Condition, send: &[&str], muted: bool| AlertRule {
        name: name.into(),
        when,
        send: send.iter().map(|name| (*name).into()).collect(),
        muted,
    };
    let expected = [
        rule("keys", Condition::KeyRefused { more_than: 50, within_ms: 3_600_000 }, &[], false),
        rule("money", Condition::BudgetUsed { percent: vec![80, 100] }, &["ops"], false),
        rule("half", Condition::BudgetUsed { percent: vec![50] }, &[], false),
        rule("down", Condition::OriginDown { for_ms: 0 }, &[], true),
        rule("errors", Condition::Errors { percent: 5, of_at_least: 20, within_ms: 300_000 }, &["ops", "b"], false),
        rule("lapsed", Condition::Lapsed { more_than: 0, within_ms: 10_000 }, &[], false),
        rule("logins", Condition::FailedLogins { more_than: 10, within_ms: 600_000 }, &[], false),
    ];
    assert_eq!(read.unwrap(), expected);
    let kinds: Vec<_> = expected.iter().map(|rule| rule.when.kind()).collect();
    assert_eq!(kinds, ["key_refused", "budget", "budget", "origin_down", "errors", "lapsed", "failed_logins"]);
}

#[test]
fn a_table_without_rules_has_the_built_in_one_and_one_with_none_has_none() {
    let when = Condition::KeyRefused { more_than: 50, within_ms: MAX_WITHIN_MS };
    let built_in = [AlertRule { name: "key-refused".into(), when, send: Vec::new(), muted: false }];
    assert_eq!(PlanTable::built_in().alerts, built_in);
    assert_eq!(PlanTable::parse(r#"{"plans":{"a":{"limits":[]}}}"#).unwrap().alerts, built_in);
    assert_eq!(parse("[]").unwrap(), []);
}

/// What may be said of a budget is what is counted of it, and no rule looks further than is kept.
#[test]
fn rules_look_at_what_there_is() {
    assert_eq!(BUDGET_PERCENT, BUDGET_STEPS);
    assert_eq!(MAX_WITHIN_MS, SHORT_KEPT_MS);
    const { assert!(sluice_protocol::limit::plan::alert::MIN_WITHIN_MS >= SHORT_MS) };
}

#[test]
fn every_mistake_is_told_at_once() {
    let mistakes = parse(
        r#"[
        {"name": "A", "when": {"kind": "leaky"}, "send": "ops", "mute": true},
        {"name": "b", "when": {"kind": "errors", "percent": 100, "of_at_least": 0, "within": "2h"}},
        {"name": "b", "when": {"kind": "lapsed", "more_than": -1, "within": "9s", "for": "1m"}, "muted": "yes"},
        {"when": {"kind": "budget", "percent": [80, 80]}, "send": ["ops", "ops", "B"]},
        {"name": "d"},
        {"name": "e", "when": {"kind": "key_refused"}},
        {"name": "f", "when": {"more_than": 1}},
        {"name": "g", "when": {"kind": "origin_down", "for": 60}},
        {"name": "h", "when": {"kind": "budget", "percent": []}},
        {"name": "i", "when": {"kind": "budget", "percent": 70, "color": 1}},
        {"name": "j", "when": {"kind": "failed_logins", "more_than": 1e3, "within": "10s"}},
        17]"#,
    )
    .unwrap_err();
    let expected = [
        "alerts[0]: has an unknown member `mute`",
        "alerts[0].name: a name is",
        "alerts[0].send: must be a list of at most 16",
        "alerts[0].when.kind: must be one of key_refused, budget",
        "alerts[1].when.of_at_least: must be a whole number from 1",
        "alerts[1].when.percent: must be a whole number from 1 to 99",
        "alerts[1].when.within: must be a duration",
        "alerts[2].muted: must be true or false",
        "alerts[2].name: stands twice",
        "alerts[2].when.more_than: must be a whole number from 0",
        "alerts[2].when.within: must be a duration",
        "alerts[2].when: has `for`, which `lapsed` does not take",
        "alerts[3].name: a name is",
        "alerts[3].send[1]: stands twice",
        "alerts[3].send[2]: a name is",
        "alerts[3].when.percent: must be one or more of 50, 80, 90 and 100",
        "alerts[4]: needs a member `when`",
        "alerts[5].when: needs `more_than`",
        "alerts[5].when: needs `within`",
        "alerts[6].when: needs a member `kind`",
        "alerts[7].when.for: must be a duration",
        "alerts[8].when.percent: must be one or more",
        "alerts[9].when.percent: must be one or more",
        "alerts[9].when: has an unknown member `color`",
        "alerts[10].when.more_than: must be a whole number",
        "alerts[11]: must be an object",
    ];
    for told in expected {
        assert!(mistakes.iter().any(|mistake| mistake.starts_with(told)), "{told} is not in {mistakes:#?}");
    }
    assert_eq!(mistakes.len(), expected.len(), "{mistakes:#?}");
}

#[test]
fn a_table_has_at_most_32_rules() {
    let rule =
        |number: usize| format!(r#"{{"name":"r{number}","when":{{"kind":"lapsed","more_than":0,"within":"1m"}}}}"#);
    let of = |count: usize| format!("[{}]", (0..count).map(rule).collect::<Vec<_>>().join(","));
    assert_eq!(parse(&of(32)).unwrap().len(), 32);
    assert_eq!(parse(&of(33)).unwrap_err(), ["alerts: must be a list of at most 32"]);
    for wrong in ["null", "{}", "\"all\"", "1"] {
        assert_eq!(parse(wrong).unwrap_err(), ["alerts: must be a list of at most 32"], "{wrong}");
    }
}
