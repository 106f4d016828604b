//! Writing a limit as a plan table has it: what [`super::limits_from_json`] reads back as the same limit.

use super::schedule::{DAYS, Schedule, ScheduleRule};
use super::{Limit, Per, When};
use serde_json::{Map, Value, json};

/// A list of limits as JSON. Members that have their default are left out.
pub fn limits_to_json(limits: &[Limit]) -> Value {
    limits.iter().map(limit).collect()
}

fn limit(limit: &Limit) -> Value {
    let mut object = Map::new();
    object.insert("name".into(), limit.name.clone().into());
    object.insert("kind".into(), limit.kind.name().into());
    limit.kind.write(&mut object);
    let mut set = |name: &str, value: Value| object.insert(name.into(), value);
    if limit.per != Per::Account {
        set("per", json!(limit.per));
    }
    if limit.when != When::default() {
        set("when", when(&limit.when));
    }
    if !limit.schedule.rules.is_empty() {
        set("schedule", schedule(&limit.schedule));
    }
    if let Some(pressure) = limit.pressure {
        set("pressure", json!({"from": pressure.from, "percent": pressure.percent}));
    }
    if limit.shadow {
        set("shadow", true.into());
    }
    object.into()
}

fn when(when: &When) -> Value {
    let mut object = Map::new();
    if !when.classes.is_empty() {
        object.insert("class".into(), json!(when.classes));
    }
    if !when.models.is_empty() {
        object.insert("model".into(), json!(when.models));
    }
    if !when.endpoints.is_empty() {
        object.insert("endpoint".into(), json!(when.endpoints));
    }
    object.into()
}

fn schedule(schedule: &Schedule) -> Value {
    let minute = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let rule = |rule: &ScheduleRule| {
        let days: Vec<_> = (0..7).filter(|day| rule.days & (1 << day) != 0).map(|day| DAYS[day]).collect();
        json!({"days": days, "from": minute(rule.from), "to": minute(rule.to), "percent": rule.percent})
    };
    let sign = if schedule.offset_minutes < 0 { '-' } else { '+' };
    let offset = format!("{sign}{}", minute(schedule.offset_minutes.unsigned_abs() as u16));
    json!({"utc_offset": offset, "rules": schedule.rules.iter().map(rule).collect::<Vec<_>>()})
}
