//! alerts: what is amiss is told to each webhook once, and when it is over, whatever becomes of messages, of webhooks and of
//! the object that looks; and nothing goes where a webhook has no business.

use crate::platform::scripted::{Asked, Faults, Reply, Server};
use crate::tests::for_seeds;
use crate::tests::origin::Fate;
use crate::tests::stage::{Stage, json_of};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A webhook's side of it: what came there, and what it answers.
#[derive(Default)]
struct Hook {
    came: RefCell<Vec<Value>>,
    /// What is answered next, oldest first; then 200. `None`: nobody is there.
    answers: RefCell<Vec<Option<u16>>>,
    is_silent: Cell<bool>,
}

impl Hook {
    /// Which came, as `<rule> <phase>`.
    fn told(&self) -> Vec<String> {
        let told = |notice: &Value| {
            format!("{} {}", notice["rule"].as_str().expect("a rule"), notice["phase"].as_str().expect("a phase"))
        };
        self.came.borrow().iter().map(told).collect()
    }

    /// Each, however often it came.
    fn ids(&self) -> Vec<String> {
        let mut ids: Vec<_> =
            self.came.borrow().iter().map(|notice| notice["id"].as_str().expect("an id").to_owned()).collect();
        ids.sort();
        ids.dedup();
        ids
    }
}

const SECRET: &str = "a secret that both of them know";

fn webhooks() -> String {
    json!({"ops": {"url": "https://hooks.example/sluice", "form": "json", "secret": SECRET}}).to_string()
}

fn plans() -> Value {
    json!({
        "plans": {"open": {"lease": "30s", "limits": [{"name": "few", "kind": "window", "limit": 3, "window": "1m"}]}},
        "anonymous": "open",
        "alerts": [
            {"name": "refused", "when": {"kind": "key_refused", "more_than": 5, "within": "5m"}},
            {"name": "errors", "when": {"kind": "errors", "percent": 50, "of_at_least": 3, "within": "1m"}},
            {"name": "quiet", "when": {"kind": "key_refused", "more_than": 1, "within": "5m"}, "muted": true},
            {"name": "logins", "when": {"kind": "failed_logins", "more_than": 2, "within": "5m"}, "send": ["ops"]},
        ],
    })
}

fn stage(seed: u64) -> (Stage, Rc<Hook>) {
    stage_with(seed, &plans()["alerts"])
}

/// The same with these rules.
fn stage_with(seed: u64, rules: &Value) -> (Stage, Rc<Hook>) {
    let mut plans = plans();
    plans["alerts"] = rules.clone();
    stage_of(seed, &plans)
}

/// The same with these plans.
fn stage_of(seed: u64, plans: &Value) -> (Stage, Rc<Hook>) {
    let stage = Stage::with(seed, plans, &[("ORIGIN_URL", "http://origin.test"), ("ALERT_WEBHOOKS", &webhooks())]);
    let hook = Rc::new(Hook::default());
    let (origin, own) = (stage.origin.clone().server(), hook.clone());
    let server: Server = Rc::new(move |asked: Asked| {
        if !asked.url.starts_with("https://hooks.example") {
            return origin(asked);
        }
        let own = own.clone();
        Box::pin(async move {
            assert_eq!((asked.method.as_str(), asked.url.as_str()), ("POST", "https://hooks.example/sluice"));
            check_signature(&asked);
            let answer = match own.answers.borrow_mut() {
                mut answers if !answers.is_empty() => answers.remove(0),
                _ => Some(200),
            }?;
            if (200..300).contains(&answer) {
                own.came.borrow_mut().push(serde_json::from_slice(&asked.body).expect("JSON"));
            }
            if own.is_silent.get() {
                std::future::pending::<()>().await;
            }
            // Whoever follows this comes to somebody else.
            Some(Reply::whole(answer, &[("location", "https://elsewhere.example/")], "secret words of the webhook's"))
        })
    });
    stage.world.set_server(server);
    (stage, hook)
}

fn check_signature(asked: &Asked) {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length");
    mac.update(asked.headers["x-sluice-timestamp"].as_bytes());
    mac.update(b".");
    mac.update(&asked.body);
    let signature = sluice_protocol::id::hex(&mac.finalize().into_bytes());
    assert_eq!(asked.headers["x-sluice-signature"], format!("v1={signature}"));
}

/// So many requests, of which three pass in a minute.
fn ask(stage: &Stage, count: u32) {
    for _ in 0..count {
        stage.finish(&stage.chat(stage.places[0], "x", false));
        stage.world.run_for(100);
    }
}

#[test]
fn an_incident_is_told_once_and_when_it_is_over() {
    for_seeds(15, |seed| {
        let (stage, hook) = stage(seed);
        stage.world.set_faults(Faults { delay_ms: 20, lost: 10, repeated: 10, ..Faults::default() });
        ask(&stage, 12);
        stage.world.run_for(40_000);
        assert_eq!(hook.told(), ["refused opened"]);
        // It goes on, and nobody is told again; whoever looks and tells may end meanwhile.
        for _ in 0..6 {
            ask(&stage, 4);
            stage.world.run_for(stage.world.below(20_000));
            stage.world.end_object("ALERTS", "alerts");
        }
        assert_eq!(hook.told(), ["refused opened"]);
        stage.world.set_faults(Faults::default());
        stage.world.run_for(900_000);
        assert_eq!(hook.told(), ["refused opened", "refused over"]);
        // Nothing is open, and nobody asks: it sleeps.
        let delivered = stage.world.delivered("METER");
        stage.world.run_for(3_600_000);
        assert_eq!(stage.world.delivered("METER"), delivered);
        assert_eq!(hook.ids().len(), 2);
    });
}

/// The platform takes an object out of memory where it has nothing to do for ten seconds, which is as long as it waits between
/// two looks.
#[test]
fn what_happens_after_a_look_is_told_though_the_object_has_slept_since_and_nobody_asks_any_more() {
    let (stage, hook) = stage(3);
    let sleeps_for = |ms: u64| {
        for _ in 0..ms / 1_000 {
            stage.world.run_for(1_000);
            stage.world.end_object("ALERTS", "alerts");
        }
    };
    ask(&stage, 1);
    sleeps_for(15_000);
    ask(&stage, 12);
    sleeps_for(30_000);
    assert_eq!(hook.told(), ["refused opened"]);
    sleeps_for(900_000);
    assert_eq!(hook.told(), ["refused opened", "refused over"]);
    let delivered = stage.world.delivered("METER");
    sleeps_for(600_000);
    assert_eq!(stage.world.delivered("METER"), delivered, "it sleeps for good");
}

#[test]
fn a_webhook_that_is_slow_or_fails_is_told_later_and_nothing_is_told_of_what_it_says() {
    let (stage, hook) = stage(1);
    *hook.answers.borrow_mut() = vec![None, Some(500), Some(302), Some(429)];
    ask(&stage, 12);
    stage.world.run_for(200_000);
    assert_eq!(hook.told(), ["refused opened"]);
    assert!(hook.answers.borrow().is_empty());
    let log: Vec<_> = stage.world.log().into_iter().map(|(_, line)| line).collect();
    assert!(log.iter().all(|line| !line.contains("secret words") && !line.contains(SECRET)), "{log:?}");
}

/// It is told again, by the same id.
#[test]
fn a_webhook_that_takes_a_message_and_says_nothing_can_tell_that_it_came_before() {
    let (stage, hook) = stage(2);
    hook.is_silent.set(true);
    ask(&stage, 12);
    stage.world.run_for(60_000);
    hook.is_silent.set(false);
    stage.world.run_for(100_000);
    assert!(hook.told().len() > 1, "{:?}", hook.told());
    assert_eq!(hook.ids().len(), 1, "{:?}", hook.ids());
}

#[test]
fn errors_and_failed_logins_are_told() {
    let (stage, hook) = stage(3);
    stage.origin.always.set(Some(Fate::Gone));
    for _ in 0..4 {
        ask(&stage, 1);
        stage.world.run_for(1_000);
    }
    for _ in 0..4 {
        let headers = [("authorization", "Bearer wrong")];
        stage.finish(&stage.send(stage.places[1], "GET", "/admin/v1/keys", &headers, String::new()));
    }
    ask(&stage, 1);
    stage.world.run_for(30_000);
    let mut told = hook.told();
    told.sort();
    assert_eq!(told, ["errors opened", "logins opened"]);
}

#[test]
fn an_admin_sees_what_is_amiss_and_may_send_a_test() {
    let (stage, hook) = stage(4);
    ask(&stage, 12);
    stage.world.run_for(30_000);
    let ask_admin = |method: &str, path: &str, body: &str| {
        let asked = stage.admin(stage.places[0], method, path, None, body);
        stage.finish(&asked);
        (asked.status(), json_of(&asked))
    };
    let (status, view) = ask_admin("GET", "/alerts", "");
    assert_eq!(status, Some(200));
    let text = view.to_string();
    assert!(text.contains("refused") && text.contains("ip:203.0.113.7"), "{text}");
    assert!(!text.contains(SECRET) && !text.contains("/sluice"), "no secret is shown: {text}");
    *hook.answers.borrow_mut() = vec![Some(403), None];
    for expected in [json!({"taken": false, "status": 403}), json!({"taken": false}), json!({"taken": true})] {
        assert_eq!(ask_admin("POST", "/alerts/test", r#"{"webhook": "ops"}"#), (Some(200), expected));
    }
    assert_eq!(hook.told().last().map(String::as_str), Some("test test"));
    assert_eq!(ask_admin("POST", "/alerts/test", r#"{"webhook": "nobody"}"#).0, Some(404));
    for body in ["", "{}", "[]", r#"{"webhook": 1}"#, r#"{"webhook": "ops", "more": 1}"#] {
        assert_eq!(ask_admin("POST", "/alerts/test", body).0, Some(400), "{body}");
    }
}

/// The lone origin cannot be reached. That it was seen down is kept while nothing is told of it yet.
#[test]
fn an_origin_is_down_for_a_while_before_anybody_is_told_whatever_ends_meanwhile() {
    let rules = json!([{"name": "down", "when": {"kind": "origin_down", "for": "1m"}}]);
    let (stage, hook) = stage_with(6, &rules);
    stage.origin.always.set(Some(Fate::Gone));
    for second in 0..9 {
        assert_eq!(hook.told(), [""; 0], "after {} s", second * 6);
        ask(&stage, 1);
        stage.world.run_for(6_000);
        stage.world.end_object("ALERTS", "alerts");
    }
    for _ in 0..4 {
        ask(&stage, 1);
        stage.world.run_for(6_000);
        stage.world.end_object("ALERTS", "alerts");
    }
    assert_eq!(hook.told(), ["down opened"]);
    // Silence says nothing, also when nobody is known any more who could.
    stage.world.run_for(2 * 3_600_000);
    assert_eq!(hook.told(), ["down opened"]);
    stage.origin.always.set(Some(Fate::Well));
    ask(&stage, 2);
    stage.world.run_for(180_000);
    assert_eq!(hook.told(), ["down opened", "down over"]);
}

/// Its alarm is set to the end of the budget's month then, and what happens before is told all the same.
#[test]
fn an_open_budget_puts_nobody_to_sleep() {
    let rules = json!([
        {"name": "money", "when": {"kind": "budget", "percent": [80]}},
        {"name": "refused", "when": {"kind": "key_refused", "more_than": 5, "within": "5m"}},
    ]);
    let limits = json!([{"name": "month", "kind": "budget", "limit": 3, "period": "month"}]);
    let plans = json!({"plans": {"open": {"limits": limits}}, "anonymous": "open", "alerts": rules});
    let (stage, hook) = stage_of(8, &plans);
    ask(&stage, 3);
    stage.world.run_for(30_000);
    assert_eq!(hook.told(), ["money opened"]);
    stage.world.run_for(3_600_000);
    ask(&stage, 12);
    stage.world.run_for(30_000);
    assert_eq!(hook.told(), ["money opened", "refused opened"]);
}

/// What one Meter alone knows would seem to be over where that one cannot be asked.
#[test]
fn nothing_is_over_because_a_meter_cannot_be_asked() {
    for_seeds(15, |seed| {
        let (stage, hook) = stage(seed);
        ask(&stage, 12);
        stage.world.run_for(40_000);
        assert_eq!(hook.told(), ["refused opened"]);
        // It lasts for five minutes, and is taken for over after one in which it is not seen.
        stage.world.set_faults(Faults { overloaded: 950, ..Faults::default() });
        stage.world.run_for(150_000);
        assert_eq!(hook.told(), ["refused opened"]);
        stage.world.set_faults(Faults::default());
        stage.world.run_for(30_000);
        assert_eq!(hook.told(), ["refused opened"]);
    });
}

/// Several incidents at once, and a webhook that takes each message and says nothing: it is asked one thing in a turn, and
/// looks go on meanwhile.
#[test]
fn a_silent_webhook_is_told_one_thing_at_a_time() {
    let rules: Vec<_> = (1..=8)
        .map(|number| json!({"name": format!("rule-{number}"), "when": {"kind": "key_refused", "more_than": number, "within": "5m"}}))
        .collect();
    let (stage, hook) = stage_with(7, &json!(rules));
    hook.is_silent.set(true);
    ask(&stage, 14);
    let looks = stage.world.delivered("METER");
    stage.world.run_for(60_000);
    assert!(hook.came.borrow().len() <= 6, "{:?}", hook.told());
    assert!(stage.world.delivered("METER") - looks >= 8, "nobody looks meanwhile");
    hook.is_silent.set(false);
    stage.world.run_for(600_000);
    assert_eq!(hook.ids().iter().filter(|id| id.ends_with("-opened")).count(), 8);
}

/// Where nobody is to be told, nobody looks.
#[test]
fn without_webhooks_nothing_is_asked() {
    let stage = Stage::new(5, &plans());
    ask(&stage, 12);
    stage.world.run_for(60_000);
    assert_eq!(stage.world.delivered("ALERTS"), 0);
}
