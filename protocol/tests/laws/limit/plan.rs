//! Plan tables: every mistake is found, named, and none of them panics.

use proptest::prelude::*;
use sluice_protocol::auth::alias::Aliases;
use sluice_protocol::limit::plan::{Limit, MAX_TABLE_BYTES, PlanTable, limits_from_json, limits_to_json};

/// Where the mistakes are, in order.
fn mistakes(table: &str) -> Vec<String> {
    PlanTable::parse(table).err().unwrap_or_default().into_iter().map(|mistake| mistake.at).collect()
}

fn with_limit(limit: &str) -> String {
    format!(r#"{{"plans":{{"a":{{"limits":[{limit}]}}}}}}"#)
}

#[test]
fn a_table_with_everything_in_it_is_read() {
    let table = PlanTable::parse(EVERYTHING).unwrap();
    assert_eq!(table.get("team").unwrap().limits.len(), 10);
    assert_eq!(table.anonymous.as_deref(), Some("guest"));
    assert!(table.feels_pressure());
}

#[test]
fn every_mistake_is_reported_at_once() {
    let table = r#"{"plans": {"A!": {"limits": []}, "b": {"priority": -1, "limits": []}, "c": {"limits": [
        {"name": "x", "kind": "window", "limit": 0, "window": "0s"},
        {"name": "x", "kind": "parallel", "limit": 1e3},
        {"name": "y", "kind": "leaky"},
        {"name": "z", "kind": "parallel", "limit": 1, "burst": 2},
        {"name": "z", "kind": "parallel", "limit": 1}]}}, "anonymous": "nobody", "extra": 1}"#;
    let expected = [
        "(table)",
        "plans.A!",
        "plans.b.priority",
        "plans.c.limits[0].limit",
        "plans.c.limits[0].window",
        "plans.c.limits[1].limit",
        "plans.c.limits[2].kind",
        "plans.c.limits[3]",
        "plans.c.limits[4].name",
        "anonymous",
    ];
    assert_eq!(mistakes(table), expected);
}

/// The issue's list of bad input, a line each.
#[test]
fn bad_numbers_names_and_times_are_mistakes() {
    let window =
        |limit: &str, window: &str| format!(r#"{{"name":"w","kind":"window","limit":{limit},"window":"{window}"}}"#);
    let with = |member: &str| format!(r#"{{"name":"w","kind":"window","limit":5,"window":"1m",{member}}}"#);
    let cases = [
        (window("NaN", "1m"), "(table)"),
        (window("-5", "1m"), ".limit"),
        (window("0", "1m"), ".limit"),
        (window("1.5", "1m"), ".limit"),
        (window("1e3", "1m"), ".limit"),
        (window("99999999999999999999", "1m"), ".limit"),
        (window("null", "1m"), ".limit"),
        (window("\"5\"", "1m"), ".limit"),
        (window("5", "0ms"), ".window"),
        (window("5", "36500d"), ".window"),
        (window("5", "1y"), ".window"),
        (window("5", "-1m"), ".window"),
        (window("5", "99999999999999999999d"), ".window"),
        (with(r#""unit":"euros""#), ".unit"),
        (with(r#""per":"planet""#), ".per"),
        (with(r#""shadow":"yes""#), ".shadow"),
        (with(r#""when":{"class":"gigantic"}"#), ".when.class"),
        (with(r#""when":{"class":[]}"#), ".when.class"),
        (with(r#""when":{"model":"a*b"}"#), ".when.model"),
        (with(r#""when":{"colour":"red"}"#), ".when"),
        (with(r#""pressure":{"from":100,"percent":50}"#), ".pressure.from"),
        (with(r#""pressure":{"percent":0}"#), ".pressure.percent"),
        (with(r#""schedule":{"rules":[{"from":"00:00","to":"24:00","percent":0}]}"#), ".schedule"),
        (with(r#""schedule":{"rules":[{"from":"8","to":"18:00","percent":50}]}"#), ".schedule.rules[0].from"),
        (with(r#""schedule":{"rules":[{"from":"08:00","to":"08:00","percent":50}]}"#), ".schedule.rules[0]"),
        (with(r#""schedule":{"rules":[{"from":"08:00","to":"25:00","percent":50}]}"#), ".schedule.rules[0].to"),
        (with(r#""schedule":{"rules":[{"from":"08:00","to":"09:00"}]}"#), ".schedule.rules[0].percent"),
        (with(r#""schedule":{"utc_offset":"CET","rules":[]}"#), ".schedule.utc_offset"),
        (
            with(r#""schedule":{"rules":[{"days":["someday"],"from":"08:00","to":"09:00","percent":1}]}"#),
            ".schedule.rules[0].days",
        ),
        (r#"{"name":"b","kind":"bucket","capacity":5}"#.into(), ".refill"),
        (r#"{"name":"b","kind":"bucket","capacity":5,"refill":0}"#.into(), ".refill"),
        (r#"{"name":"p","kind":"parallel","limit":2049}"#.into(), ".limit"),
        (r#"{"name":"w","name":"v","kind":"parallel","limit":2}"#.into(), "(table)"),
        ("17".into(), ".kind"),
    ];
    for (limit, at) in cases {
        let found = mistakes(&with_limit(&limit));
        assert!(!found.is_empty(), "{limit} is no mistake");
        assert!(found.iter().any(|found| found.ends_with(at)), "{limit}: {found:?}, not {at}");
    }
}

#[test]
fn tables_that_are_too_large_are_mistakes() {
    let limit = |n: usize| format!(r#"{{"name":"l{n}","kind":"parallel","limit":1}}"#);
    let limits: Vec<_> = (0..10_000).map(limit).collect();
    assert_eq!(mistakes(&with_limit(&limits.join(","))), ["(table)"], "longer than {MAX_TABLE_BYTES} bytes");
    assert_eq!(mistakes(&with_limit(&limits[..17].join(","))), ["plans.a.limits"]);
    assert_eq!(mistakes(&with_limit(&limits[..16].join(","))), [""; 0]);
    let deep = "[".repeat(20_000);
    assert_eq!(mistakes(&deep), ["(table)"]);
}

#[test]
fn plans_twice_of_one_name_are_a_mistake() {
    let found = PlanTable::parse(r#"{"plans":{"a":{"limits":[]},"a":{"limits":[]}}}"#).unwrap_err();
    assert!(found[0].problem.contains("`a` stands twice"), "{found:?}");
}

/// An alias of a plan's leads to one model, whose name is no alias; what is wrong is told with its place.
#[test]
fn aliases_lead_to_models_and_no_further() {
    let with =
        |aliases: &str| format!(r#"{{"plans":{{"a":{{"limits":[],"aliases":{aliases}}},"b":{{"limits":[]}}}}}}"#);
    let many: Vec<_> = (0..1_000).map(|number| format!(r#""n{number}":"m""#)).collect();
    for (aliases, at) in [
        (r#"{"a":"b","b":"c"}"#, &["plans.a.aliases.a"] as &[&str]),
        (r#"{"a":"b","b*":"c"}"#, &["plans.a.aliases.a"]),
        (r#"{"a":"b","b":"a"}"#, &["plans.a.aliases.a", "plans.a.aliases.b"]),
        (r#"{"a":"a"}"#, &["plans.a.aliases.a"]),
        (r#"{"":"b"}"#, &["plans.a.aliases."]),
        (r#"{"a":""}"#, &["plans.a.aliases.a"]),
        (r#"{"a":5,"c":"d*"}"#, &["plans.a.aliases.a", "plans.a.aliases.c"]),
        (r#"{"a*b":"c"}"#, &["plans.a.aliases.a*b"]),
        ("[]", &["plans.a.aliases"]),
        ("null", &["plans.a.aliases"]),
    ] {
        assert_eq!(mistakes(&with(aliases)), at, "{aliases}");
    }
    assert_eq!(mistakes(&with(&format!("{{{}}}", many.join(",")))), ["plans.a.aliases"]);
    assert_eq!(mistakes(&with(&format!("{{{}}}", many[..64].join(",")))), [""; 0]);
    let table = PlanTable::parse(&with(r#"{"gpt-*":"small","gpt-5":"large","tiny":"small"}"#)).unwrap();
    let deployment = Aliases::parse(r#"{"gpt-5":"theirs","claude":"theirs"}"#).unwrap();
    for (plan, name, meant) in [
        ("a", "gpt-5", Some("large")),
        ("a", "gpt-4", Some("small")),
        ("a", "claude", Some("theirs")),
        ("a", "large", None),
        ("b", "gpt-5", Some("theirs")),
        ("b", "gpt-4", None),
        ("nobody's", "gpt-5", Some("theirs")),
    ] {
        assert_eq!(table.meant(plan, name, &deployment), meant, "{plan} {name}");
    }
    assert!(
        table.has_alias("gpt-5") && table.has_alias("tiny") && !table.has_alias("claude") && !table.has_alias("large")
    );
}

proptest! {
    #[test]
    fn any_text_is_safe(text in ".{0,200}", cut in any::<prop::sample::Index>(), with in ".{0,3}") {
        let _ = PlanTable::parse(&text);
        // And a good table with some of it replaced.
        let at = (0..=cut.index(EVERYTHING.len())).rev().find(|at| EVERYTHING.is_char_boundary(*at)).unwrap();
        let damaged = format!("{}{with}{}", &EVERYTHING[..at], &EVERYTHING[at + 1..]);
        let _ = PlanTable::parse(&damaged);
    }
}

/// What the admin reads back is what was written.
#[test]
fn limits_read_back_as_they_were_written() {
    let table = PlanTable::parse(EVERYTHING).unwrap();
    let limits: &[Limit] = &table.get("team").unwrap().limits;
    assert_eq!(limits_from_json("limits", &limits_to_json(limits)).unwrap(), limits);
}

/// The examples of the documentation are tables, with nothing to mend.
#[test]
fn the_documentations_tables_are_read() {
    let page = |name: &str| std::fs::read_to_string(format!("{}/../{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let tables = |text: String| {
        let blocks = text.split("```json\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned());
        blocks.filter(|block| block.contains("\"plans\"")).collect::<Vec<_>>()
    };
    for (name, count) in [("docs/limits.md", 4), ("docs/budgets.md", 1), ("docs/degrade.md", 1), ("docs/cache.md", 1)] {
        let found = tables(page(name));
        assert_eq!(found.len(), count, "{name}");
        for table in found {
            assert!(PlanTable::parse(&table).is_ok(), "{:?} in {table}", PlanTable::parse(&table));
        }
    }
}

const EVERYTHING: &str = r#"{
  "classes": {"light": {"body_bytes": 2048, "max_tokens": 256}, "heavy": {"body_bytes": 20480, "max_tokens": 2048, "kilopixel_steps": 9000}},
  "costs": [
    {"when": {"model": "qwen3-*"}, "request": 10, "prompt_token": 1, "completion_token": 4, "thinking_token": 1},
    {"image_step": 5, "image_kilopixel": 2, "image_kilopixel_step": 1},
    {"when": {"endpoint": "images"}, "currency": "EUR", "image_kilopixel_step": "0.00005", "per": "1K"}],
  "exempt": [{"limit": "minute", "who": ["key_0123456789abcdef01234567", "acct:0123456789abcdef", "203.0.113.0/24"]}],
  "anonymous": "guest",
  "plans": {
    "guest": {"limits": [{"name": "minute", "kind": "window", "limit": 30, "window": "1m"}]},
    "team": {
      "priority": 2, "lease": "5m", "models": ["qwen3-*", "tiny"], "max_input_bytes": 100000, "max_input_tokens": 8000,
      "max_tokens": 4096, "default_max_tokens": 512, "without_gate": {"capacity": 5, "refill": 1, "every": "1s"},
      "limits": [
        {"name": "light", "kind": "window", "limit": 60, "window": "1m", "when": {"class": "light"}},
        {"name": "medium", "kind": "window", "limit": 15, "window": "1m", "when": {"class": ["medium"]}},
        {"name": "heavy", "kind": "window", "limit": 3, "window": "1m", "when": {"class": "heavy", "endpoint": "chat"}},
        {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 20000, "window": "90s", "per": "model"},
        {"name": "spend", "kind": "window", "unit": "cost", "limit": 1000000, "window": "1d", "shadow": true},
        {"name": "burst", "kind": "bucket", "unit": "tokens", "capacity": 4000, "refill": 100, "every": "250ms", "per": "user"},
        {"name": "images", "kind": "window", "unit": "images", "limit": 50, "window": "1d", "when": {"endpoint": "images"}},
        {"name": "session", "kind": "parallel", "limit": 1, "per": "session"},
        {"name": "office", "kind": "window", "limit": 100, "window": "1h", "per": "key", "schedule": {
          "utc_offset": "-05:30", "rules": [{"days": ["mon", "fri"], "from": "08:00", "to": "18:00", "percent": 50},
          {"from": "22:00", "to": "06:00", "percent": 300}]}},
        {"name": "parallel", "kind": "parallel", "limit": 4, "pressure": {"from": 50, "percent": 25}}]}}}"#;
