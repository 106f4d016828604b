//! The watch against a model that keeps everything and counts anew each time.

use super::{START, budget, reading, refused, rules, seeing, webhooks};
use proptest::prelude::*;
use sluice_protocol::alerts::watch::{Notice, Phase, Sent, Watch};
use sluice_protocol::measures::series::Series;
use sluice_protocol::telemetry::RequestOutcome;
use std::collections::{BTreeMap, BTreeSet};

const RULES: &str = r#"[
    {"name":"keys","when":{"kind":"key_refused","more_than":3,"within":"2m"}},
    {"name":"money","when":{"kind":"budget","percent":[80,100]},"send":["ops"]},
    {"name":"down","when":{"kind":"origin_down","for":"30s"},"send":["ops","slack"]},
    {"name":"errors","when":{"kind":"errors","percent":50,"of_at_least":4,"within":"1m"}},
    {"name":"lapsed","when":{"kind":"lapsed","more_than":1,"within":"1m"},"send":["gone"]},
    {"name":"logins","when":{"kind":"failed_logins","more_than":2,"within":"10s"},"send":["slack"]}]"#;

/// One step: what is counted, what is seen, what becomes of what is due, and how much time passes.
#[derive(Clone, Debug)]
struct Step {
    counts: Vec<(u8, u64)>,
    is_up: [bool; 2],
    /// 0: taken, 1: unreached, 2: refused for good, 3: its answer is lost.
    results: Vec<u8>,
    passes: i64,
    is_restarted: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let passes = prop_oneof![6 => 0..40_000_i64, 2 => 60_000..200_000_i64, 1 => Just(4_000_000), 1 => -90_000..0_i64, 1 => Just(-7_200_000)];
    (
        prop::collection::vec((0..9_u8, 1..4_u64), 0..6),
        any::<[bool; 2]>(),
        prop::collection::vec(0..4_u8, 1..8),
        passes,
        any::<bool>(),
    )
        .prop_map(|(counts, is_up, results, passes, is_restarted)| Step {
            counts,
            is_up,
            results,
            passes,
            is_restarted,
        })
}

fn series(number: u8) -> Series {
    let requests = |outcome| Series::Requests { outcome, model: Default::default(), plan: Default::default() };
    match number {
        0 => refused("a", "k1"),
        1 => refused("a", "k2"),
        2 => budget("a", 50, START + 400_000),
        3 => budget("a", 90, START + 400_000),
        4 => budget("b", 100, 0),
        5 => requests(RequestOutcome::Served),
        6 => requests(RequestOutcome::Failed),
        7 => Series::Lapsed,
        _ => Series::FailedLogins,
    }
}

/// A rule, and what its incident is about.
type About = (&'static str, String);

/// What the model knows of one.
#[derive(Clone, Debug, Default)]
struct Known {
    since: u64,
    is_open: bool,
    unmet_since: Option<u64>,
}

#[derive(Default)]
struct Model {
    known: BTreeMap<About, Known>,
    /// Periods of budgets that are over.
    told: BTreeSet<About>,
    happened: BTreeMap<(About, &'static str), usize>,
}

impl Model {
    /// By all that has come, at which time each.
    fn look(&mut self, all: &[(u64, u8, u64)], is_up: [bool; 2], now: u64) {
        let slot = |at: u64| at / 5_000;
        let within = |ms: u64| {
            let (first, last) = (slot(now - ms), slot(now + 60_000));
            all.iter().filter(move |(at, ..)| (first..=last).contains(&slot(*at)))
        };
        let count = |ms: u64, number: u8| within(ms).filter(|one| one.1 == number).map(|one| one.2).sum::<u64>();
        // By rule and subject: whether it holds, and whether it opens.
        let mut met: BTreeMap<About, bool> = BTreeMap::new();
        for (number, key) in [(0, "k1"), (1, "k2")] {
            if count(120_000, number) > 3 {
                met.insert(("keys", key.into()), true);
            }
        }
        if now < START + 400_000 && count(3_600_000, 3) > 0 {
            met.insert(("money", "a 80".into()), true);
        }
        if count(3_600_000, 4) > 0 {
            met.insert(("money", "b 100".into()), true);
            met.insert(("money", "b 80".into()), false);
        }
        for (is_up, name) in is_up.into_iter().zip(["x", "y"]) {
            if !is_up {
                met.insert(("down", name.into()), true);
            }
        }
        let (served, failed) = (count(60_000, 5), count(60_000, 6));
        if served + failed >= 4 && 2 * failed > served + failed {
            met.insert(("errors", String::new()), true);
        }
        if count(60_000, 7) > 1 {
            met.insert(("lapsed", String::new()), true);
        }
        if count(10_000, 8) > 2 {
            met.insert(("logins", String::new()), true);
        }
        for known in self.known.values_mut() {
            known.unmet_since = known.unmet_since.map(|since| since.min(now));
            if !known.is_open {
                known.since = known.since.min(now);
            }
        }
        for (about, opens) in &met {
            let is_new = !self.known.contains_key(about);
            if is_new && (!opens || self.told.contains(about)) {
                continue;
            }
            let known = self.known.entry(about.clone()).or_insert(Known { since: now, ..Known::default() });
            known.unmet_since = None;
            let waits = if about.0 == "down" { 30_000 } else { 0 };
            if !known.is_open && now - known.since >= waits {
                known.is_open = true;
                *self.happened.entry((about.clone(), "opened")).or_default() += 1;
            }
        }
        let mut over = Vec::new();
        for (about, known) in self.known.iter_mut().filter(|(about, _)| !met.contains_key(*about)) {
            let is_over = match about.0 {
                _ if !known.is_open => true,
                "down" => true,
                "money" if about.1.starts_with('a') => now >= START + 400_000,
                _ => now - *known.unmet_since.get_or_insert(now) >= 60_000,
            };
            if is_over {
                over.push((about.clone(), known.is_open));
            }
        }
        for (about, was_open) in over {
            self.known.remove(&about);
            if was_open {
                *self.happened.entry((about.clone(), "over")).or_default() += 1;
            }
            if about.1 == "a 80" {
                self.told.insert(about);
            }
        }
    }

    fn open(&self) -> BTreeSet<About> {
        self.known.iter().filter(|(_, known)| known.is_open).map(|(about, _)| about.clone()).collect()
    }
}

fn about(rule: &str, facts: &BTreeMap<String, String>) -> About {
    let fact = |name: &str| facts.get(name).cloned().unwrap_or_default();
    match rule {
        "keys" => ("keys", fact("key")),
        "money" => ("money", format!("{} {}", fact("account"), fact("percent"))),
        "down" => ("down", fact("origin")),
        "errors" => ("errors", String::new()),
        "lapsed" => ("lapsed", String::new()),
        _ => ("logins", String::new()),
    }
}

/// What the webhooks have.
#[derive(Default)]
struct Received {
    /// By webhook and incident: what has come, and how often.
    came: BTreeMap<(String, String), Vec<Phase>>,
    /// By delivery: what it says.
    said: BTreeMap<u64, Notice>,
    ids: BTreeSet<(String, String)>,
}

impl Received {
    fn tried(&mut self, id: u64, notice: &Notice) {
        let said = self.said.entry(id).or_insert_with(|| notice.clone());
        assert_eq!(said, notice, "a try says something else than the one before");
    }

    fn came(&mut self, webhook: &str, notice: &Notice) {
        let incident = notice.id.trim_end_matches("-opened").trim_end_matches("-over").to_owned();
        assert_eq!(notice.id, format!("{incident}-{}", notice.phase.name()));
        // A message whose answer was lost comes again, and under the same id.
        if self.ids.insert((webhook.to_owned(), notice.id.clone())) {
            let came = self.came.entry((webhook.to_owned(), incident)).or_default();
            came.push(notice.phase);
            assert!(matches!(came[..], [Phase::Opened] | [Phase::Opened, Phase::Over]), "{came:?}");
        }
    }
}

proptest! {
    /// What opens and what is over is what a model finds that counts anew, whatever the clock does and whenever the row
    /// is read back; and whatever becomes of messages, nobody hears of an end without a beginning, or of anything
    /// twice.
    #[test]
    fn what_is_told_is_what_happens(steps in prop::collection::vec(step(), 1..60)) {
        let (rules, webhooks) = (rules(RULES), webhooks());
        let (mut watch, mut model, mut received) = (Watch::default(), Model::default(), Received::default());
        let (mut all, mut now) = (Vec::new(), START);
        for step in steps {
            now = now.saturating_add_signed(step.passes);
            all.extend(step.counts.iter().map(|(number, count)| (now, *number, *count)));
            // As Meters forget.
            all.retain(|(at, ..)| (now.saturating_sub(3_600_000) / 5_000..=(now + 60_000) / 5_000).contains(&(at / 5_000)));
            let counts: Vec<_> = all.iter().map(|(at, number, count)| (*at, series(*number), *count)).collect();
            let reading = seeing(reading(&counts), &[("x", step.is_up[0]), ("y", step.is_up[1])], now);
            model.look(&all, step.is_up, now);
            watch.look(&rules, &webhooks, &reading, now);
            prop_assert!(!watch.look(&rules, &webhooks, &reading, now));
            if step.is_restarted {
                let read = Watch::decode(&watch.encode()).unwrap();
                prop_assert_eq!(&read, &watch);
                watch = read;
            }
            let view = watch.view(&rules, &webhooks, now);
            let open: BTreeSet<_> = view.open.iter().map(|incident| about(&incident.rule, &incident.facts)).collect();
            prop_assert_eq!(open.len(), view.open.len(), "one is open twice");
            prop_assert_eq!(open, model.open());
            let due = watch.due(now);
            let next = watch.next_at(now);
            prop_assert_eq!(next.is_some_and(|next| next <= now), !due.is_empty());
            prop_assert!(next.is_some() || model.known.is_empty());
            for (delivery, result) in due.iter().zip(step.results.iter().cycle()) {
                prop_assert!(delivery.webhook != "gone");
                received.tried(delivery.id, &delivery.notice);
                match result {
                    0 => {
                        received.came(&delivery.webhook, &delivery.notice);
                        watch.sent(delivery.id, Sent::Taken, now);
                    }
                    1 => watch.sent(delivery.id, Sent::Unreached, now),
                    2 => watch.sent(delivery.id, Sent::Refused(410), now),
                    _ => received.came(&delivery.webhook, &delivery.notice),
                }
            }
        }
        // Each incident once, as often as there were.
        let view = watch.view(&rules, &webhooks, now);
        let (opened, over) = model.happened.iter().fold((0, 0), |(opened, over), ((_, phase), count)| match *phase {
            "opened" => (opened + count, over),
            _ => (opened, over + count),
        });
        prop_assert_eq!(view.open.len(), opened - over);
        prop_assert_eq!(view.over.len(), over.min(50));
    }

    /// Whatever bytes a row has, nothing panics.
    #[test]
    fn bytes_that_are_no_row_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(watch) = Watch::decode(&[vec![1], bytes].concat()) {
            let _ = (watch.due(START), watch.next_at(START), watch.view(&[], &[], START));
        }
        prop_assert!(Watch::decode(&[2, 0]).is_err());
    }
}
