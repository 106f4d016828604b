//! What is sent: again until it is taken or given up, and nothing that misleads.

use super::{MINUTE, START, reading, rules, webhooks};
use sluice_protocol::alerts::watch::{Phase, Sent, Watch};
use sluice_protocol::alerts::webhook::Webhook;
use sluice_protocol::limit::plan::AlertRule;
use sluice_protocol::measures::meter::Reading;
use sluice_protocol::measures::series::Series;

const HOUR: u64 = 60 * MINUTE;

fn rule() -> Vec<AlertRule> {
    rules(r#"[{"name":"l","when":{"kind":"lapsed","more_than":0,"within":"1h"},"send":["ops"]}]"#)
}

fn lapsed() -> Reading {
    reading(&[(START, Series::Lapsed, 1)])
}

/// A watch with one incident that has just opened.
fn opened() -> Watch {
    let mut watch = Watch::default();
    assert!(watch.look(&rule(), &webhooks(), &lapsed(), START));
    watch
}

/// Lets it be over.
fn end(watch: &mut Watch, now: u64) {
    watch.look(&rule(), &webhooks(), &Reading::default(), now - MINUTE);
    watch.look(&rule(), &webhooks(), &Reading::default(), now);
}

/// When it was tried, counted from the beginning, if each try fails like this.
fn tries(failure: Sent) -> (Vec<u64>, Watch) {
    let (mut watch, mut now, mut tries) = (opened(), START, Vec::new());
    let first = watch.due(START).remove(0).notice;
    while let Some(delivery) = watch.due(now).pop() {
        assert_eq!((&delivery.notice, delivery.tries as usize), (&first, tries.len()), "each try says the same");
        tries.push((now - START) / 1_000);
        watch.sent(delivery.id, failure, now);
        let next = watch.due(now + HOUR).first().map(|waiting| waiting.next_at);
        let Some(next) = next else { break };
        assert!(watch.due(next - 1).is_empty());
        now = next;
    }
    (tries, watch)
}

#[test]
fn a_try_is_repeated_twelve_times_with_longer_and_longer_waits() {
    let waits = [0, 5, 15, 35, 75, 155, 315, 635, 1_275, 2_175, 3_075, 3_975];
    for failure in [Sent::Unreached, Sent::Refused(503), Sent::Refused(200), Sent::Refused(408), Sent::Refused(429)] {
        let (times, watch) = tries(failure);
        assert_eq!(times, waits, "{failure:?}");
        let view = watch.view(&rule(), &webhooks(), START);
        assert_eq!((view.given_up.len(), view.given_up[0].tries), (1, 12));
    }
    let (times, watch) = tries(Sent::Refused(404));
    assert_eq!(times, waits[..3]);
    let view = watch.view(&rule(), &webhooks(), START);
    assert_eq!((view.given_up[0].result, view.given_up[0].status), ("refused", Some(404)));
    let ops = view.webhooks.iter().find(|webhook| webhook.name == "ops").unwrap();
    assert_eq!((ops.waiting, ops.last.as_ref().unwrap().result), (0, "refused"));
}

#[test]
fn a_day_is_enough() {
    let mut watch = opened();
    let id = watch.due(START)[0].id;
    watch.sent(id, Sent::Unreached, START + 24 * HOUR - 1);
    assert_eq!(watch.view(&rule(), &webhooks(), START).given_up.len(), 0);
    watch.sent(id, Sent::Unreached, START + 24 * HOUR);
    assert_eq!(watch.view(&rule(), &webhooks(), START).given_up.len(), 1);
}

#[test]
fn who_was_not_told_that_it_opened_is_not_told_that_it_is_over() {
    // It waits, it was tried, or it was given up.
    let given_up = |watch: &mut Watch| {
        for _ in 0..3 {
            let id = watch.due(START + HOUR)[0].id;
            watch.sent(id, Sent::Refused(400), START);
        }
    };
    let tried = |watch: &mut Watch| watch.sent(watch.due(START)[0].id, Sent::Unreached, START);
    let ways: [&dyn Fn(&mut Watch); 3] = [&|_| {}, &tried, &given_up];
    for way in ways {
        let mut watch = opened();
        way(&mut watch);
        end(&mut watch, START + 2 * HOUR);
        assert_eq!(watch.due(START + 3 * HOUR), []);
        assert_eq!(watch.next_at(START + 2 * HOUR), None);
        let view = watch.view(&rule(), &webhooks(), START);
        assert_eq!((view.open.len(), view.over.len()), (0, 1), "it is shown all the same");
    }
}

#[test]
fn what_was_under_way_when_it_ended_is_told_to_its_end() {
    let mut watch = opened();
    let under_way = watch.due(START).remove(0);
    end(&mut watch, START + 2 * HOUR);
    assert_eq!(watch.due(START + 2 * HOUR), []);
    watch.sent(under_way.id, Sent::Taken, START + 2 * HOUR);
    let due = watch.due(START + 2 * HOUR);
    assert_eq!((due.len(), due[0].notice.phase), (1, Phase::Over));
    assert_eq!(due[0].notice.id, under_way.notice.id.replace("-opened", "-over"));
    // If it did not come, it is gone with what it was about: nothing of it is kept.
    let mut watch = opened();
    let under_way = watch.due(START).remove(0);
    end(&mut watch, START + 2 * HOUR);
    let before = watch.encode().len();
    watch.sent(under_way.id, Sent::Unreached, START + 2 * HOUR);
    assert!(watch.encode().len() < before - 8, "it is struck out");
    assert_eq!(watch.due(START + 9 * HOUR), []);
    // Long afterwards nothing is under way.
    let mut watch = opened();
    end(&mut watch, START + 2 * HOUR);
    watch.look(&rule(), &webhooks(), &Reading::default(), START + 3 * HOUR);
    watch.sent(under_way.id, Sent::Taken, START + 3 * HOUR);
    assert_eq!(watch.due(START + 3 * HOUR), []);
}

#[test]
fn a_rule_tells_those_that_it_names_or_all() {
    let all = rules(r#"[{"name":"l","when":{"kind":"lapsed","more_than":0,"within":"1h"}}]"#);
    let some =
        rules(r#"[{"name":"l","when":{"kind":"lapsed","more_than":0,"within":"1h"},"send":["gone","slack","ops"]}]"#);
    for (rules, told) in [(all, vec!["ding", "ops", "slack", "wecom"]), (some, vec!["ops", "slack"])] {
        let mut watch = Watch::default();
        watch.look(&rules, &webhooks(), &lapsed(), START);
        let due: Vec<_> = watch.due(START).into_iter().map(|delivery| delivery.webhook).collect();
        assert_eq!(due, told);
    }
}

#[test]
fn what_is_for_a_webhook_that_is_gone_is_forgotten() {
    let mut watch = opened();
    watch.sent(watch.due(START)[0].id, Sent::Unreached, START);
    let others: Vec<Webhook> = webhooks().into_iter().filter(|webhook| webhook.name != "ops").collect();
    assert!(watch.look(&rule(), &others, &lapsed(), START));
    assert_eq!(watch.due(START + HOUR), []);
    assert_eq!(watch.view(&rule(), &others, START).rules[0].unknown, ["ops"]);
    // Whoever was told, and is gone, is not told the end either, even if it comes back.
    let mut watch = opened();
    watch.sent(watch.due(START)[0].id, Sent::Taken, START);
    watch.look(&rule(), &others, &lapsed(), START);
    end(&mut watch, START + 2 * HOUR);
    assert_eq!(watch.due(START + 3 * HOUR), []);
}

#[test]
fn a_clock_that_was_ahead_makes_nobody_wait() {
    let ahead = START + 3_650 * 24 * HOUR;
    let mut watch = Watch::default();
    watch.look(&rule(), &webhooks(), &reading(&[(ahead, Series::Lapsed, 1)]), ahead);
    watch.sent(watch.due(ahead)[0].id, Sent::Unreached, ahead);
    assert_eq!(watch.due(START).len(), 1);
    assert_eq!(watch.next_at(START), Some(START));
    watch.sent(watch.due(START)[0].id, Sent::Taken, START);
    end(&mut watch, START + MINUTE);
    let due = watch.due(START + MINUTE);
    assert_eq!((due.len(), due[0].notice.phase), (1, Phase::Over));
    // One whose end was begun to be counted in the future ends in time, too.
    let mut watch = opened();
    watch.sent(watch.due(START)[0].id, Sent::Taken, START);
    watch.look(&rule(), &webhooks(), &Reading::default(), ahead);
    end(&mut watch, START + 2 * HOUR);
    assert_eq!(watch.due(START + 2 * HOUR).len(), 1);
}

#[test]
fn a_test_is_sent_once_and_its_outcome_is_shown() {
    let (mut watch, webhooks) = (Watch::default(), webhooks());
    let test = watch.test(&webhooks[1], START, 0xabc);
    assert_eq!((test.notice.id.as_str(), test.notice.phase), ("test-0000000000000abc", Phase::Test));
    assert_eq!((watch.due(START), watch.next_at(START)), (Vec::new(), None));
    watch.sent(test.id, Sent::Refused(500), START);
    let view = watch.view(&[], &webhooks, START);
    assert_eq!(view.webhooks[1].last.as_ref().and_then(|last| last.status), Some(500));
    assert_eq!((watch.due(START + HOUR), view.given_up), (Vec::new(), Vec::new()));
    for nonce in 0..100 {
        watch.test(&webhooks[0], START, nonce);
    }
    assert!(watch.encode().len() < 500, "{}", watch.encode().len());
}

#[test]
fn what_does_not_fit_is_given_up() {
    let many: Vec<_> = (0..16).map(|n| format!(r#""w{n}":{{"url":"https://a.example/","form":"slack"}}"#)).collect();
    let webhooks = sluice_protocol::alerts::webhook::parse_webhooks(&format!("{{{}}}", many.join(","))).unwrap();
    let rules = rules(r#"[{"name":"k","when":{"kind":"key_refused","more_than":0,"within":"1h"}}]"#);
    let counts: Vec<_> = (0..60).map(|n| (START, super::refused("a", &n.to_string()), 1)).collect();
    let mut watch = Watch::default();
    watch.look(&rules, &webhooks, &reading(&counts), START);
    assert_eq!(watch.due(START).len(), 512);
    let view = watch.view(&rules, &webhooks, START);
    assert_eq!((view.given_up.len(), view.given_up[0].result), (50, "no_room"));
}
