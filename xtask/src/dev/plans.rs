//! The plan table that `dev` starts the edge with, and which of its plans `dev`'s own key is on.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// The plans that the edge has without any configuration.
const BUILT_IN: &str = include_str!("../../../protocol/src/limit/built_in.json");
/// The plan of a key for which none was named.
const DEFAULT_PLAN: &str = "registered";
/// A plan for trying out, added to the built-in ones: quick enough for front ends that ask four things at once, and without
/// a limit that a person would have to wait a day for.
const TRIAL: &str = "trial";
/// The plan of callers without a key, if the table has it.
const ANONYMOUS: &str = "anonymous";

/// The table's text: that of a file, or the built-in plans and [`TRIAL`]. With `anonymous`, callers without a key are let in.
/// What else may be wrong with it, the edge says: [`mistakes`].
pub(super) fn table(file: Option<&Path>, anonymous: bool) -> Result<String> {
    let (mut table, name) = match file {
        None => (built_in(), "the table".to_owned()),
        Some(path) => {
            let name = format!("--plans {}", path.display());
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
            (serde_json::from_str(&text).with_context(|| format!("{name} is not JSON"))?, name)
        }
    };
    if anonymous && let Some(members) = table.as_object_mut() {
        let is_there = members.get("plans").and_then(|plans| plans.get(ANONYMOUS)).is_some();
        if !is_there && !members.contains_key("anonymous") {
            bail!("--anonymous wants a plan `{ANONYMOUS}` in {name}, or a member `anonymous` that names another");
        }
        members.entry("anonymous").or_insert_with(|| ANONYMOUS.into());
    }
    // Without line breaks, so that it fits on a command line.
    Ok(table.to_string())
}

/// What the edge wrote down about its settings, each mistake in a line of its own; nothing if it wrote nothing of that.
pub(super) fn mistakes(log: &str) -> Option<String> {
    let lines = log
        .lines()
        .rev()
        .filter_map(|line| serde_json::from_str::<Value>(line.get(line.find('{')?..=line.rfind('}')?)?).ok());
    let detail = lines
        .filter(|line| line["code"] == "misconfigured")
        .find_map(|line| line["detail"].as_str().map(str::to_owned))?;
    Some(detail.split("; ").map(|mistake| format!("  {mistake}")).collect::<Vec<_>>().join("\n"))
}

/// The built-in plans and the one for trying out. `anonymous` is as roomy as that: one machine is one address.
fn built_in() -> Value {
    let mut table: Value =
        serde_json::from_str(BUILT_IN).expect("the built-in table is valid: protocol's tests read it");
    let window = |name, limit: u32, span| json!({"name": name, "kind": "window", "limit": limit, "window": span});
    let trial = json!({"priority": 1, "limits": [
        window("second", 20, "1s"), window("minute", 600, "1m"), {"name": "parallel", "kind": "parallel", "limit": 8},
    ]});
    table["plans"][ANONYMOUS] = trial.clone();
    table["plans"][TRIAL] = trial;
    table
}

/// The plan of `dev`'s key in the table that is in force: the one for trying out, else the default, else the first.
pub(super) fn for_key(table: &Value) -> &str {
    let Some(plans) = table["plans"].as_object() else { return DEFAULT_PLAN };
    let known = [TRIAL, DEFAULT_PLAN].into_iter().find(|name| plans.contains_key(*name));
    known.or_else(|| plans.keys().map(String::as_str).next()).unwrap_or(DEFAULT_PLAN)
}

/// What is left of a key's limits, by its answer of `GET /v1/key`: of each that is used at all.
pub(super) fn left(own: &Value) -> String {
    let limits = own["limits"].as_array().map(Vec::as_slice).unwrap_or_default();
    let used = limits.iter().filter(|limit| limit["used"].as_u64() > Some(0));
    let told = used.map(|limit| {
        let text = |name: &str| limit[name].to_string();
        format!("{} of {} left of `{}`", text("remaining"), text("limit"), limit["name"].as_str().unwrap_or_default())
    });
    let told: Vec<_> = told.collect();
    let plan = own["plan"].as_str().unwrap_or_default();
    match told.as_slice() {
        [] => format!("plan {plan}, all of it left"),
        _ => format!("plan {plan}, {}", told.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, anonymous: bool) -> Result<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plans.json");
        std::fs::write(&path, text).unwrap();
        table(Some(&path), anonymous)
    }

    #[test]
    fn nobody_waits_a_day_to_try_it() {
        let value = |anonymous| serde_json::from_str::<Value>(&table(None, anonymous).unwrap()).unwrap();
        assert_eq!(value(false)["anonymous"], Value::Null);
        let value = value(true);
        assert_eq!(value["anonymous"], ANONYMOUS);
        assert_eq!(for_key(&value), TRIAL);
        for plan in [TRIAL, ANONYMOUS] {
            let limits = value["plans"][plan]["limits"].as_array().unwrap();
            assert!(limits.iter().all(|limit| limit["window"] != "1d"), "{limits:?}");
        }
    }

    #[test]
    fn every_mistake_is_named() {
        let log = "ready\n\u{1b}[33mWARNING\u{1b}[0m {\"request\":\"r\",\"code\":\"misconfigured\",\"detail\":\"PLANS is not a plan table: a: b; c: d\"}\u{1b}[0m\n";
        assert_eq!(mistakes(log).unwrap(), "  PLANS is not a plan table: a: b\n  c: d");
        assert_eq!(mistakes("ready\n{\"code\":\"overloaded\"}"), None);
        assert!(of("{", false).unwrap_err().to_string().contains("is not JSON"));
        assert!(of(r#"{"plans": {"a": {"limits": []}}}"#, true).unwrap_err().to_string().contains("--anonymous"));
    }

    #[test]
    fn a_key_is_on_a_plan_that_is_there() {
        let table = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(for_key(&table(r#"{"plans": {"b": {}, "registered": {}}}"#)), "registered");
        assert_eq!(for_key(&table(r#"{"plans": {"b": {}, "c": {}}}"#)), "b");
    }

    #[test]
    fn what_is_left_is_told_of_what_is_used() {
        let own = json!({"plan": "team", "limits": [
            {"name": "day", "used": 57, "remaining": 143, "limit": 200}, {"name": "second", "used": 0, "remaining": 5, "limit": 5},
        ]});
        assert_eq!(left(&own), "plan team, 143 of 200 left of `day`");
        assert_eq!(left(&json!({"plan": "team", "limits": []})), "plan team, all of it left");
    }
}
