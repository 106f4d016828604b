//! alerts: what is amiss is told once, and once that it is over; whoever is told is somebody that may be.

mod messages;
mod model;
mod queue;
mod rules;
mod watch;
mod webhooks;

use sluice_protocol::alerts::webhook::{Webhook, parse_webhooks};
use sluice_protocol::limit::plan::{AlertRule, PlanTable};
use sluice_protocol::measures::SHORT_MS;
use sluice_protocol::measures::meter::{IsolateSeen, Reading};
use sluice_protocol::measures::report::{IsolateState, OriginSeen};
use sluice_protocol::measures::series::{Label, Series};

const START: u64 = 1_790_000_000_000;
const MINUTE: u64 = 60_000;

/// The rules of a table with this list.
fn rules(alerts: &str) -> Vec<AlertRule> {
    PlanTable::parse(&format!(r#"{{"plans":{{"a":{{"limits":[]}}}},"alerts":{alerts}}}"#)).unwrap().alerts
}

/// One of each form, by its name.
fn webhooks() -> Vec<Webhook> {
    parse_webhooks(
        r#"{
        "ding": {"url": "https://oapi.dingtalk.com/robot/send?access_token=T0K", "form": "dingtalk", "secret": "SECabc"},
        "ops": {"url": "https://hooks.example.com/sluice", "form": "json", "secret": "0123456789abcdef"},
        "slack": {"url": "https://hooks.slack.com/services/T/B/X", "form": "slack"},
        "wecom": {"url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=K", "form": "wecom"}}"#,
    )
    .unwrap()
}

fn refused(account: &str, key: &str) -> Series {
    Series::KeyRefused { account: Label::of(account), key: Label::of(key) }
}

fn budget(account: &str, percent: u8, until: u64) -> Series {
    let [account, plan, budget] = [account, "team", "month"].map(Label::of);
    Series::BudgetUsed { account, plan, budget, percent, until }
}

/// What the Meters tell if all of this came at those times.
fn reading(counts: &[(u64, Series, u64)]) -> Reading {
    let mut reading = Reading::default();
    for (at, series, count) in counts {
        reading.slots.at(at / SHORT_MS).add(series.clone(), *count);
    }
    reading
}

/// The same, where one isolate has just seen these origins.
fn seeing(mut reading: Reading, origins: &[(&str, bool)], at: u64) -> Reading {
    let seen = |(name, takes_requests): &(&str, bool)| OriginSeen {
        name: (*name).into(),
        takes_requests: *takes_requests,
        said: None,
    };
    let state = IsolateState { in_flight: 0, origins: origins.iter().map(seen).collect() };
    reading.isolates.push(IsolateSeen { at, state });
    reading
}
