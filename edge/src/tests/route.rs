//! Several origins, whatever they do: refuse, reset, stand still, drain, fail, die. No request is at two of them at
//! once, none is charged twice, every lease comes back, and what had not begun to be answered is answered by another
//! one.

mod health;
mod hedge;
mod storm;

use super::origin::{Mood, Origin};
use super::stage::{Stage, plan};
use crate::platform::scripted::{Asked, Caller, Server};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A stage with several origins, named after letters.
pub(super) struct Several {
    pub(super) stage: Stage,
    pub(super) origins: Vec<Rc<Origin>>,
}

impl Several {
    pub(super) fn new(seed: u64, count: usize) -> Self {
        Self::hedged(seed, count, "off")
    }

    /// The same, with what is set of hedges.
    fn hedged(seed: u64, count: usize, hedge: &str) -> Self {
        Self::with(seed, count, hedge, &[])
    }

    /// The same, with further settings.
    pub(super) fn with(seed: u64, count: usize, hedge: &str, more: &[(&str, &str)]) -> Self {
        let names: Vec<String> = ["a", "b", "c", "d"][..count].iter().map(|name| (*name).to_owned()).collect();
        let one = |name: &String| {
            let models = json!(["tiny", "large"]);
            json!({"name": name, "url": format!("http://{name}.test"), "private": true, "models": models})
        };
        let list = Value::from(names.iter().map(one).collect::<Vec<_>>()).to_string();
        let settings: Vec<_> =
            [("ORIGINS", list.as_str()), ("ORIGINS_HEDGE", hedge)].into_iter().chain(more.iter().copied()).collect();
        let stage = Stage::with(seed, &plan(&limits(), &json!("refuse")), &settings);
        let origin = |name: &String| {
            let mut origin = Origin::new(stage.world.below(u64::MAX));
            origin.name = Some(name.clone());
            origin.is_late.set(true);
            origin.is_hedged.set(hedge == "p95");
            (name.clone(), Rc::new(origin))
        };
        let origins: BTreeMap<String, Rc<Origin>> = names.iter().map(origin).collect();
        let several = Self { stage, origins: origins.into_values().collect() };
        several.stage.world.set_server(several.server());
        several
    }

    /// Whoever answers: the origin of each host.
    pub(super) fn server(&self) -> Server {
        let named = |origin: &Rc<Origin>| (origin.name.clone().expect("each has a name"), origin.clone());
        let by_name: BTreeMap<String, Rc<Origin>> = self.origins.iter().map(named).collect();
        Rc::new(move |asked: Asked| {
            let host = asked.url.strip_prefix("http://").and_then(|rest| rest.split('.').next());
            let origin = by_name[host.expect("origins are known by their hosts")].clone();
            origin.server()(asked)
        })
    }

    /// So many callers at once, at any isolate, half of them with streams; each has a mark of its own.
    pub(super) fn callers(&self, count: u64) -> Vec<(Caller, String)> {
        let one = |_| {
            let mark = format!("<{:016x}>", self.stage.world.below(u64::MAX));
            (self.stage.chat(self.stage.place(), &mark, self.stage.world.below(2) == 0), mark)
        };
        (0..count).map(one).collect()
    }

    /// Everybody is well again, and all that began comes to its end.
    pub(super) fn calm(&self) {
        self.origins.iter().for_each(|origin| origin.mood.set(Mood::Well));
        self.stage.calm();
    }

    pub(super) fn computed(&self) -> u64 {
        self.origins.iter().map(|origin| origin.computed()).sum()
    }
}

/// Limits that nobody reaches.
fn limits() -> Value {
    json!([
        {"name": "requests", "kind": "window", "limit": 1_000, "window": "1d"},
        {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 100_000, "window": "1d"},
        {"name": "parallel", "kind": "parallel", "limit": 64},
    ])
}
