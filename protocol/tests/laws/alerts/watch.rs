//! Incidents: when they open, and when they are over.

use super::{MINUTE, START, budget, reading, refused, rules, seeing, webhooks};
use crate::golden::golden;
use sluice_protocol::alerts::call::{AlertsAnswer, AlertsCall, decode_answer, decode_call, encode_answer, encode_call};
use sluice_protocol::alerts::watch::{MAX_INCIDENTS, MAX_OF_RULE, Phase, Sent, Watch};
use sluice_protocol::id::hex;
use sluice_protocol::limit::plan::{AlertRule, PlanTable};
use sluice_protocol::measures::meter::Reading;
use sluice_protocol::measures::series::{Label, Series};
use sluice_protocol::telemetry::RequestOutcome;

const HOUR: u64 = 60 * MINUTE;

/// A watch by these rules, whose webhooks take everything at once.
struct Scene {
    watch: Watch,
    rules: Vec<AlertRule>,
}

impl Scene {
    fn new(list: &str) -> Self {
        Self { watch: Watch::default(), rules: rules(list) }
    }

    /// Looks, and returns what one of the webhooks is told: phase and text.
    fn look(&mut self, reading: &Reading, now: u64) -> Vec<(Phase, String)> {
        let webhooks = webhooks();
        let changed = self.watch.look(&self.rules, &webhooks, reading, now);
        let before = self.watch.clone();
        assert!(!self.watch.look(&self.rules, &webhooks, reading, now), "the same again changes nothing");
        assert_eq!(self.watch, before);
        assert_eq!(Watch::decode(&self.watch.encode()).as_ref(), Ok(&before));
        let due = self.watch.due(now);
        assert!(changed || due.is_empty());
        due.iter().for_each(|delivery| self.watch.sent(delivery.id, Sent::Taken, now));
        let of_one = due.into_iter().filter(|delivery| delivery.webhook == "ops");
        of_one.map(|delivery| (delivery.notice.phase, delivery.notice.text)).collect()
    }

    fn texts(&mut self, reading: &Reading, now: u64) -> Vec<String> {
        self.look(reading, now).into_iter().map(|(phase, text)| format!("{}: {text}", phase.name())).collect()
    }
}

fn requests(outcome: RequestOutcome) -> Series {
    Series::Requests { outcome, model: Label::of("m"), plan: Label::of("free") }
}

#[test]
fn the_built_in_rule_tells_of_a_key_that_is_refused_more_than_50_times_in_an_hour() {
    let mut scene = Scene { watch: Watch::default(), rules: PlanTable::built_in().alerts };
    let fifty = reading(&[(START, refused("a1", "k1"), 50), (START, refused("a1", "k2"), 50)]);
    assert_eq!(scene.texts(&fifty, START), [""; 0]);
    assert_eq!(scene.watch.next_at(START), None);
    let more = reading(&[(START, refused("a1", "k1"), 50), (START + MINUTE, refused("a1", "k1"), 1)]);
    let now = START + MINUTE;
    assert_eq!(scene.texts(&more, now), ["opened: Key k1 of account a1 was refused 51 times."]);
    assert_eq!(scene.watch.next_at(now), Some(now + 10_000));
    // It is told once, however it goes on.
    let yet_more = reading(&[(START, refused("a1", "k1"), 50), (START + MINUTE, refused("a1", "k1"), 900)]);
    assert_eq!(scene.texts(&yet_more, now + 10_000), [""; 0]);
    // An hour later it is below, and over once it has been so for a minute.
    let later = START + HOUR + 2 * MINUTE;
    assert_eq!(scene.texts(&Reading::default(), later), [""; 0]);
    assert_eq!(scene.texts(&Reading::default(), later + MINUTE - 1), [""; 0]);
    let over = "over: Key k1 of account a1 is refused less often again. It lasted 1 h 2 min.";
    assert_eq!(scene.texts(&Reading::default(), later + MINUTE), [over]);
    assert_eq!(scene.watch.next_at(later + MINUTE), None);
    // And again it is another incident.
    let again = reading(&[(later + 2 * MINUTE, refused("a1", "k1"), 51)]);
    assert_eq!(scene.texts(&again, later + 2 * MINUTE).len(), 1);
}

#[test]
fn what_rises_and_falls_about_its_threshold_is_told_once() {
    let mut scene = Scene::new(r#"[{"name":"l","when":{"kind":"lapsed","more_than":1,"within":"1m"}}]"#);
    let mut told = 0;
    for step in 0..60 {
        let now = START + step * 30_000;
        let reading = reading(&[(now, Series::Lapsed, 1 + step % 2)]);
        told += scene.look(&reading, now).len();
    }
    assert_eq!(told, 1);
}

#[test]
fn those_that_are_not_told_apart_are_not_one_key() {
    let mut scene = Scene::new(
        r#"[{"name":"k","when":{"kind":"key_refused","more_than":0,"within":"1m"}},
            {"name":"b","when":{"kind":"budget","percent":[80]}}]"#,
    );
    let others = [refused("a", "b").other(), budget("a", 100, 0).other()].map(|series| (START, series, 1_000));
    assert_eq!(scene.texts(&reading(&others), START), [""; 0]);
}

#[test]
fn a_budget_is_told_at_its_steps_and_until_its_period_ends() {
    let until = START + 5 * HOUR;
    let mut scene = Scene::new(r#"[{"name":"b","when":{"kind":"budget","percent":[80,100]}}]"#);
    let at = |percent: u8| reading(&[(START, budget("a1", percent, until), 1)]);
    assert_eq!(scene.texts(&at(50), START), [""; 0]);
    let ends = "Its period ends at 2026-09-21T19:13:20.000Z.";
    // What has reached 90 has reached 80.
    let told = format!("opened: Budget month of plan team, account a1: 80 % of it are used up. {ends}");
    assert_eq!(scene.texts(&at(90), START), [told]);
    assert_eq!(scene.watch.next_at(START), Some(until));
    let told = format!("opened: Budget month of plan team, account a1: 100 % of it are used up. {ends}");
    assert_eq!(scene.texts(&at(100), START + MINUTE), [told]);
    // Nobody asks for hours: it is as used up as it was.
    assert_eq!(scene.texts(&Reading::default(), START + 3 * HOUR), [""; 0]);
    let over = "over: Budget month of plan team, account a1: its period has ended. It lasted 5 h.";
    let told = scene.texts(&at(100), until);
    assert_eq!((told.len(), told[0].as_str()), (2, over));
    // The end of this period has been told, whatever the clock says then; the next one is another.
    assert_eq!(scene.texts(&at(100), until - 1), [""; 0]);
    let next = reading(&[(until, budget("a1", 100, until + 5 * HOUR), 1)]);
    assert_eq!(scene.look(&next, until).len(), 1, "of the highest step alone");
}

#[test]
fn credits_are_over_when_nobody_has_met_them_for_an_hour() {
    let mut scene = Scene::new(r#"[{"name":"b","when":{"kind":"budget","percent":[80,100]}}]"#);
    let met = |at: u64, percent: u8| reading(&[(at, budget("a1", percent, 0), 1)]);
    assert_eq!(scene.look(&met(START, 80), START).len(), 1);
    // It goes on to 100, which keeps the other open.
    let later = START + 2 * HOUR;
    assert_eq!(scene.look(&met(later, 100), later).len(), 1);
    assert_eq!(scene.look(&met(later, 100), later + HOUR).len(), 0);
    let silent = later + HOUR + MINUTE;
    assert_eq!(scene.look(&Reading::default(), silent).len(), 0);
    assert_eq!(scene.look(&Reading::default(), silent + MINUTE).len(), 2);
}

#[test]
fn an_origin_is_down_once_it_has_been_so_for_a_while() {
    let mut scene = Scene::new(r#"[{"name":"d","when":{"kind":"origin_down","for":"1m"}}]"#);
    let see = |origins: &[(&str, bool)]| seeing(Reading::default(), origins, START);
    assert_eq!(scene.texts(&see(&[("a", true), ("b", true)]), START), [""; 0]);
    assert_eq!(scene.watch.next_at(START), None);
    let down = see(&[("a", true), ("b", false)]);
    assert_eq!(scene.texts(&down, START), [""; 0]);
    assert_eq!(scene.watch.next_at(START), Some(START + 10_000), "it is looked at");
    assert_eq!(scene.texts(&down, START + MINUTE - 1), [""; 0]);
    // It came back in between: from the beginning.
    assert_eq!(scene.texts(&see(&[("a", true), ("b", true)]), START + MINUTE), [""; 0]);
    assert_eq!(scene.texts(&down, START + 2 * MINUTE), [""; 0]);
    assert_eq!(scene.texts(&down, START + 3 * MINUTE), ["opened: Origin b takes no requests."]);
    let over = "over: Origin b takes requests again, or is not there any more. It lasted 60 s.";
    assert_eq!(scene.texts(&see(&[("a", true)]), START + 4 * MINUTE), [over]);
    // Where nobody says how it is, it is as it was, and after an hour nobody looks every ten seconds.
    let mut silent = Scene::new(r#"[{"name":"d","when":{"kind":"origin_down","for":"0s"}}]"#);
    assert_eq!(silent.texts(&down, START).len(), 1);
    for at in [START + MINUTE, START + HOUR - 1, START + 9 * HOUR] {
        assert_eq!(silent.texts(&Reading::default(), at), [""; 0]);
        let wait = if at < START + HOUR { 10_000 } else { 5 * MINUTE };
        let until_told = silent.watch.due(at).iter().map(|delivery| delivery.id).collect::<Vec<_>>();
        until_told.into_iter().for_each(|id| silent.watch.sent(id, Sent::Taken, at));
        assert_eq!(silent.watch.next_at(at), Some(at + wait));
    }
    let back = silent.texts(&see(&[("a", true), ("b", true)]), START + 10 * HOUR);
    assert_eq!(back.len(), 1, "{back:?}");
    // One alone has no name.
    let alone = see(&[("", false)]);
    scene.look(&alone, START + 5 * MINUTE);
    assert_eq!(scene.texts(&alone, START + 6 * MINUTE), ["opened: The origin takes no requests."]);
}

#[test]
fn errors_are_a_share_of_enough_requests() {
    let list = r#"[{"name":"e","when":{"kind":"errors","percent":5,"of_at_least":20,"within":"5m"}}]"#;
    let counted = |served: u64, failed: u64, cut: u64| {
        let [ok, bad, broke] = [RequestOutcome::Served, RequestOutcome::Failed, RequestOutcome::Cut].map(requests);
        reading(&[(START, ok, served), (START, bad, failed), (START, broke, cut)])
    };
    for (served, failed, cut, is_told) in
        [(17, 2, 0, false), (18, 1, 0, false), (18, 1, 1, true), (19, 0, 1, false), (95, 5, 0, false), (94, 5, 1, true)]
    {
        let told = Scene::new(list).texts(&counted(served, failed, cut), START);
        let text = format!("opened: {} of {} requests failed or were cut.", failed + cut, served + failed + cut);
        assert_eq!(told, if is_told { vec![text] } else { Vec::new() }, "{served} {failed} {cut}");
    }
    // What a caller is refused for, or leaves, is no error of ours, but is one of the requests.
    let [refused, left, bad] = [RequestOutcome::Refused, RequestOutcome::Left, RequestOutcome::Failed].map(requests);
    let told = Scene::new(list).texts(&reading(&[(START, refused, 90), (START, left, 5), (START, bad, 5)]), START);
    assert_eq!(told, [""; 0]);
}

#[test]
fn leases_and_logins_are_counted() {
    let mut scene = Scene::new(
        r#"[{"name":"l","when":{"kind":"lapsed","more_than":0,"within":"10s"}},
            {"name":"f","when":{"kind":"failed_logins","more_than":2,"within":"10s"}}]"#,
    );
    let both = reading(&[(START, Series::Lapsed, 1), (START - 10_000, Series::FailedLogins, 3)]);
    let expected = [
        "opened: 1 leases ended by themselves: nobody said what became of their requests.",
        "opened: 3 logins of admins failed. GET /admin/v1/failed-logins says from where.",
    ];
    assert_eq!(scene.texts(&both, START), expected);
    // What lies ten years ahead was left there by a wrong clock.
    let ahead = reading(&[(START + 3_650 * 24 * HOUR, Series::Lapsed, 1)]);
    assert_eq!(
        Scene::new(r#"[{"name":"l","when":{"kind":"lapsed","more_than":0,"within":"10s"}}]"#).look(&ahead, START),
        []
    );
}

#[test]
fn a_rule_that_is_muted_or_gone_or_another_says_nothing() {
    let list = |muted: bool| {
        format!(r#"[{{"name":"l","when":{{"kind":"lapsed","more_than":0,"within":"1h"}},"muted":{muted}}}]"#)
    };
    let lapsed = reading(&[(START, Series::Lapsed, 1)]);
    for other in [
        list(true),
        "[]".to_owned(),
        r#"[{"name":"l","when":{"kind":"failed_logins","more_than":0,"within":"1h"}}]"#.to_owned(),
    ] {
        let mut scene = Scene::new(&list(false));
        assert_eq!(scene.look(&lapsed, START).len(), 1);
        scene.rules = rules(&other);
        assert_eq!(scene.look(&lapsed, START + MINUTE), []);
        assert_eq!(scene.look(&Reading::default(), START + 3 * HOUR), []);
        assert_eq!(scene.watch.next_at(START + 3 * HOUR), None);
        let view = scene.watch.view(&scene.rules, &webhooks(), START);
        assert_eq!((view.open.len(), view.over.len()), (0, 1));
        // It speaks again: what still holds opens again.
        scene.rules = rules(&list(false));
        assert_eq!(scene.look(&lapsed, START + MINUTE).len(), 1);
    }
}

#[test]
fn ten_thousand_subjects_have_a_bound_and_leave_room_for_other_rules() {
    let key =
        |name: &str| format!(r#"{{"name":"{name}","when":{{"kind":"key_refused","more_than":0,"within":"1m"}}}}"#);
    let mut scene = Scene::new(&format!(
        r#"[{},{},{},{{"name":"d","when":{{"kind":"origin_down","for":"0s"}}}}]"#,
        key("k1"),
        key("k2"),
        key("k3")
    ));
    let webhooks = webhooks();
    let long = "模".repeat(64);
    let mut largest = 0;
    for round in 0..(200 / crate::one_in() as u64).max(40) {
        let now = START + round * 3 * MINUTE;
        // Names are cut, so that they differ at their beginning.
        let name = |n: u64| format!("{}{long}", round * 50 + n);
        let named: Vec<_> = (0..50).map(|n| (now, refused(&name(n), &name(n)), 1)).collect();
        let reading = seeing(reading(&named), &[("a", round % 2 == 0)], now);
        scene.watch.look(&scene.rules, &webhooks, &reading, now);
        let open = scene.watch.view(&scene.rules, &webhooks, now).open;
        assert_eq!(open.iter().any(|one| one.rule == "d"), round % 2 == 1, "the origin has no room");
        scene.watch.look(&scene.rules, &webhooks, &Reading::default(), now + MINUTE);
        let due = scene.watch.due(now);
        assert!(due.len() <= 512, "{}", due.len());
        // Half of them come.
        due.iter().step_by(2).for_each(|delivery| scene.watch.sent(delivery.id, Sent::Taken, now));
        largest = largest.max(scene.watch.encode().len());
        let view = scene.watch.view(&scene.rules, &webhooks, now);
        assert!(view.open.len() + view.over.len() <= MAX_INCIDENTS);
        scene.watch.look(&scene.rules, &webhooks, &Reading::default(), now + 2 * MINUTE);
    }
    assert!(largest < 512 * 1024, "{largest}");
    // All at once: no more of one rule than it may have.
    let mut scene = Scene::new(&format!("[{}]", key("k")));
    let all: Vec<_> = (0..10_000).map(|n| (START + n / 50 * 5_000, refused("a", &n.to_string()), 1)).collect();
    let reading = reading(&all);
    let now = START + 10_000 / 50 * 5_000;
    scene.rules = rules(r#"[{"name":"k","when":{"kind":"key_refused","more_than":0,"within":"1h"}}]"#);
    assert_eq!(scene.look(&reading, now).len(), MAX_OF_RULE);
    let view = scene.watch.view(&scene.rules, &webhooks, now);
    assert_eq!((view.open.len(), view.rules[0].is_full), (MAX_OF_RULE, true));
}

#[test]
fn what_is_watched_is_told_as_json() {
    let list = r#"[
        {"name":"keys","when":{"kind":"key_refused","more_than":50,"within":"1h"},"send":["ops","gone"]},
        {"name":"money","when":{"kind":"budget","percent":[80,100]}},
        {"name":"down","when":{"kind":"origin_down","for":"1m"},"muted":true},
        {"name":"errors","when":{"kind":"errors","percent":5,"of_at_least":20,"within":"5m"},"send":["slack"]},
        {"name":"lapsed","when":{"kind":"lapsed","more_than":0,"within":"10m"},"send":["ops"]},
        {"name":"logins","when":{"kind":"failed_logins","more_than":10,"within":"10m"},"send":["wecom"]}]"#;
    let (rules, webhooks) = (rules(list), webhooks());
    let mut watch = Watch::default();
    let counts = [
        (START, refused("a1", "k\u{202e}\n1"), 51),
        (START, budget("a1", 80, START + HOUR), 1),
        (START, Series::Lapsed, 2),
        (START, Series::FailedLogins, 11),
        (START, requests(RequestOutcome::Failed), 30),
    ];
    assert!(watch.look(&rules, &webhooks, &reading(&counts), START));
    for delivery in watch.due(START) {
        let result = match (delivery.webhook.as_str(), delivery.notice.rule.as_str()) {
            ("ops", "lapsed") | ("wecom", "logins") => Sent::Taken,
            ("ops", _) => Sent::Unreached,
            ("slack", _) => Sent::Refused(404),
            _ => Sent::Refused(503),
        };
        watch.sent(delivery.id, result, START + 1_000);
    }
    let now = START + 12 * MINUTE;
    for at in [now - MINUTE, now] {
        watch.look(&rules, &webhooks, &reading(&counts), at);
    }
    for (delivery, at) in [watch.due(now), watch.due(now), watch.due(now)].into_iter().flatten().zip(now..) {
        if delivery.webhook == "slack" {
            watch.sent(delivery.id, Sent::Refused(404), at);
        }
    }
    let view = watch.view(&rules, &webhooks, now);
    golden("admin_alerts.json", &(serde_json::to_string_pretty(&view).unwrap() + "\n"));
    golden("alerts_row.hex", &(hex(&watch.encode()) + "\n"));
}

#[test]
fn what_the_edge_asks_is_as_it_was() {
    let calls = [AlertsCall::Look, AlertsCall::View, AlertsCall::Test { webhook: "ops".into() }];
    let answers = [
        AlertsAnswer::Looking,
        AlertsAnswer::View("{}".into()),
        AlertsAnswer::Tested(Sent::Taken),
        AlertsAnswer::Tested(Sent::Refused(503)),
        AlertsAnswer::Tested(Sent::Unreached),
        AlertsAnswer::NoSuchWebhook,
    ];
    let mut told = String::new();
    for call in calls {
        assert_eq!(decode_call(&encode_call(&call)).as_ref(), Ok(&call));
        told += &format!("{} {call:?}\n", hex(&encode_call(&call)));
    }
    for answer in answers {
        assert_eq!(decode_answer(&encode_answer(&answer)).as_ref(), Ok(&answer));
        told += &format!("{} {answer:?}\n", hex(&encode_answer(&answer)));
    }
    golden("alerts_call.txt", &told);
    for wrong in [&[][..], &[2, 0], &[1, 9], &[1, 0, 0]] {
        assert!(decode_call(wrong).is_err());
    }
}
