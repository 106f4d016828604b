//! What Meters keep of requests, decided again: by the plans in force it is what was decided, by others what they would have
//! done; whatever became of reports and of Meters, and at the cost of one row each.

use crate::platform;
use crate::platform::rows::{Rows, number};
use crate::platform::scripted::{Caller, Faults};
use crate::tests::for_seeds;
use crate::tests::origin::Fate;
use crate::tests::stage::{ADMIN_TOKEN, Stage, json_of, plan};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sluice_protocol::id::hex;
use sluice_protocol::limit::plan::{MAX_TABLE_BYTES, PlanTable};
use sluice_protocol::measures::METERS;
use sluice_protocol::replay::request::Decision;
use sluice_replay::replay::{Named, replay};
use sluice_replay::{json as told_of, log};
use std::cell::Cell;
use std::collections::BTreeMap;

fn address(number: u64) -> String {
    format!("203.0.113.{}", 1 + number)
}

/// Someone asks, from an address of their own.
fn ask(stage: &Stage, from: u64, user: u64) -> Caller {
    let body = json!({
        "model": "tiny", "max_tokens": 8, "user": user.to_string(), "stream": user == 0,
        "messages": [{"role": "user", "content": "x"}],
    });
    let address = address(from);
    let headers = [("cf-connecting-ip", address.as_str())];
    stage.send(stage.place(), "POST", "/v1/chat/completions", &headers, body.to_string())
}

fn asked(stage: &Stage, table: &str) -> Caller {
    let asked = stage.admin(stage.place(), "POST", "/plans/replay", None, table);
    stage.finish(&asked);
    asked
}

fn replayed(stage: &Stage, table: &Value) -> Value {
    let asked = asked(stage, &table.to_string());
    let told = json_of(&asked);
    assert_eq!(asked.status(), Some(200), "{told}");
    told
}

/// What the tool makes of the log, of the same members; and of how many refusals the log does not say which of two limits it
/// was: that may depend on which of several was first that came at once.
fn by_tool(stage: &Stage, plans: &Value) -> (Value, u64) {
    let text: Vec<String> = stage.world.log().into_iter().map(|(_, line)| line).collect();
    let log = log::read(text.join("\n").as_bytes(), |_| {}).expect("each line is one of ours");
    let table = PlanTable::parse(&plans.to_string()).expect("they are in force");
    let told = replay(&log, Named { name: "plans", table: &table }, None, |_, _| {}).expect("a log of ours");
    let is_at_once = |at: u64| log.requests.iter().filter(|request| request.at == at).count() > 1;
    let unsure = log.requests.iter().filter(|one| one.decision == Decision::Limited && is_at_once(one.at)).count();
    (told_of::of(&told, [Some(&table), None])["candidate"].clone(), unsure as u64)
}

#[test]
fn by_the_plans_in_force_it_is_what_was_decided_whatever_becomes_of_reports_and_of_meters() {
    let (refused, counted) = (Cell::new(0), Cell::new(0));
    for_seeds(40, |seed| {
        let plans = json!({
            "plans": {"open": {"lease": "30s", "limits": [
                {"name": "requests", "kind": "window", "limit": 9, "window": "30s"},
                {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 90, "window": "10s", "per": "user"},
                {"name": "day", "kind": "budget", "unit": "tokens", "limit": 900, "period": "day", "zone": "Europe/Zurich"},
                {"name": "parallel", "kind": "parallel", "limit": 2}]}},
            "anonymous": "open",
        });
        let stage = Stage::new(seed, &plans);
        let calm = Faults { delay_ms: 9, ..Faults::default() };
        let fates = [Fate::Well, Fate::Well, Fate::Longer, Fate::Full, Fate::Cut];
        for _ in 0..12 {
            stage.world.set_faults(calm);
            let fate = fates[stage.world.below(fates.len() as u64) as usize];
            stage.origin.always.set(Some(fate));
            let more = if fate == Fate::Well { stage.world.below(4) } else { 0 };
            let crowd: Vec<_> = (0..=more).map(|_| ask(&stage, stage.world.below(3), stage.world.below(3))).collect();
            crowd.iter().for_each(|caller| stage.finish(caller));
            // Settles have come to their Gates. What is sent now is sent to Meters.
            stage.world.run_for(1_000);
            stage.world.set_faults(Faults { lost: 300, answer_lost: 300, repeated: 300, write_lost: 300, ..calm });
            stage.world.run_for(3_000 + stage.world.below(6_000));
            if stage.world.below(3) == 0 {
                stage.world.end_object("METER", &format!("meter-{}", stage.world.below(METERS)));
            }
        }
        stage.calm();
        // Whoever was last handed on what was left before.
        for place in &stage.places {
            stage.finish(&stage.chat(*place, "x", false));
        }
        stage.calm();
        let told = replayed(&stage, &plans);
        let kept = &told["kept"];
        assert_eq!(
            (kept["one_in"].as_u64(), kept["lost"].as_u64(), kept["left_out"].as_u64()),
            (Some(1), Some(0), Some(0))
        );
        assert_eq!(
            (told["lines"]["replayed"].as_u64(), told["lines"]["unknown_plan"].as_u64()),
            (kept["lines"].as_u64(), Some(0))
        );
        assert_eq!(told["candidate"], told["against"]);
        let nothing = json!({"newly_refused": 0, "newly_let_through": 0, "accounts": {}, "other_accounts": 0});
        assert_eq!(told["difference"], nothing);
        // The same as its lines give, which have been held to the decisions themselves.
        let mut report = told["against"].clone();
        assert_eq!(report.as_object_mut().and_then(|report| report.remove("other_accounts")), Some(json!(0)));
        let (by_tool, unsure) = by_tool(&stage, &plans);
        assert_eq!(report, by_tool);
        let number = |value: &Value| value.as_u64().expect("a number");
        refused.set(refused.get() + number(&report["all"]["refused_by_limits"]));
        counted.set(counted.get() + stage.lines().iter().filter(|(_, line)| !line["counted"].is_null()).count());
        assert!(number(&report["as_logged"]) + unsure >= number(&report["all"]["asked"]), "{unsure}: {report}");
        assert!(number(&report["all"]["let_through"]) > 5, "{report}");
    });
    assert!(refused.get() > 0 && counted.get() > 0, "{} and {}", refused.get(), counted.get());
}

/// The oracle is the edge itself, with the candidate in force while the same is asked again.
#[test]
fn a_stricter_table_names_those_whom_it_would_have_refused() {
    let named = Cell::new(0);
    for_seeds(25, |seed| {
        let limits = |most: u64| json!([{"name": "hourly", "kind": "window", "limit": most, "window": "1h"}]);
        let (loose, strict) = (plan(&limits(1_000), &json!("refuse")), plan(&limits(2), &json!("refuse")));
        // Whom an isolate refuses from memory does not come to its Gate: nobody else is to hear of it either.
        let run = |plans: &Value| {
            let stage = Stage::new(seed, plans);
            stage.world.set_faults(Faults { delay_ms: 9, ..Faults::default() });
            let mut random = seed;
            let mut refused: BTreeMap<String, u64> = BTreeMap::new();
            for _ in 0..20 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let from = (random >> 33) % 7;
                let caller = ask(&stage, from, 1);
                stage.finish(&caller);
                if caller.status() == Some(429) {
                    *refused.entry(format!("ip:{}", address(from))).or_default() += 1;
                }
                stage.world.run_for(500 + (random >> 40) % 20_000);
            }
            stage.calm();
            (stage, refused)
        };
        let (stage, nobody) = run(&loose);
        assert_eq!(nobody, BTreeMap::new());
        let told = replayed(&stage, &strict);
        drop(stage);
        let (stage, expected) = run(&strict);
        let found: BTreeMap<String, u64> = told["difference"]["accounts"]
            .as_object()
            .expect("an object")
            .iter()
            .map(|(account, change)| (account.clone(), change["newly_refused"].as_u64().expect("a number")))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(told["difference"]["newly_refused"], expected.values().sum::<u64>());
        assert_eq!(told["against"]["all"]["let_through"], 20);
        named.set(named.get() + expected.len());
        // And the other way round: whom it would have let through that were refused.
        let told = replayed(&stage, &loose);
        let decided = told["against"]["all"]["refused_by_limits"].as_u64().expect("a number");
        assert_eq!(told["difference"]["newly_let_through"], decided);
        assert_eq!(told["candidate"]["all"]["assumed"], decided);
    });
    assert!(named.get() > 20, "{}", named.get());
}

/// A report costs its Meter three rows, however many requests it brings; and a minute that is over one more.
#[test]
fn what_is_kept_costs_one_row_a_report() {
    let stage = Stage::new(3, &plan(&json!([]), &json!("refuse")));
    let place = stage.places[0];
    stage.finish(&stage.chat(place, "x", false));
    stage.calm();
    let meter = stage.world.objects("METER").remove(0);
    let written = || {
        stage.world.stored("METER", &meter, |state| {
            let rows = Rows::new(state, "meter_kept").exec("SELECT total_changes()", Vec::new()).expect("it is asked");
            number(&rows[0][0]).expect("a number") as u64
        })
    };
    let (before, began, messages) = (written(), platform::now(), stage.world.delivered("METER"));
    for _ in 0..60 {
        let crowd: Vec<_> = (0..5).map(|_| stage.chat(place, "x", false)).collect();
        crowd.iter().for_each(|caller| stage.finish(caller));
        stage.world.run_for(900);
    }
    stage.world.run_for(5_000);
    let (written, messages) = (written() - before, stage.world.delivered("METER") - messages);
    let minutes = (platform::now() - began) / 60_000 + 1;
    assert!(messages > 10 && written <= 3 * messages + minutes, "{written} rows over {messages} messages");
    assert!(written >= 3 * messages - 3, "{written} rows over {messages} messages");
    let rows = stage.world.stored("METER", &meter, |state| Rows::new(state, "meter_kept").all().expect("rows").len());
    assert_eq!(rows, 1, "it is added to");
    assert_eq!(replayed(&stage, &plan(&json!([]), &json!("refuse")))["kept"]["lines"], 301);
}

#[test]
fn who_is_newly_refused_most_is_told_by_name_and_the_others_are_counted() {
    let limits = |most: u64| json!([{"name": "daily", "kind": "window", "limit": most, "window": "1d"}]);
    let stage = Stage::new(4, &plan(&limits(100), &json!("refuse")));
    for from in 0..120 {
        // Twenty ask twice, and ten of them thrice.
        (0..1 + u64::from(from >= 100) + u64::from(from >= 110)).for_each(|_| stage.finish(&ask(&stage, from, 1)));
    }
    stage.calm();
    let names = |report: &Value| -> Vec<String> {
        report["accounts"].as_object().expect("an object").keys().cloned().collect()
    };
    let told = replayed(&stage, &plan(&limits(1), &json!("refuse")));
    assert_eq!(told["difference"]["accounts"].as_object().map(serde_json::Map::len), Some(20));
    assert_eq!((&told["difference"]["other_accounts"], &told["difference"]["newly_refused"]), (&json!(0), &json!(30)));
    for report in ["candidate", "against"] {
        let names = names(&told[report]);
        assert_eq!((names.len(), &told[report]["other_accounts"]), (100, &json!(20)));
        assert!((100..120).all(|from| names.contains(&format!("ip:{}", address(from)))), "{names:?}");
        assert_eq!(told[report]["all"]["asked"], 150, "all are counted");
    }
    // All are refused, and those who asked most are told of.
    let nothing = json!({"plans": {"open": {"models": ["another"], "limits": []}}, "anonymous": "open"});
    let told = replayed(&stage, &nothing);
    let named = names(&told["difference"]);
    assert_eq!((named.len(), &told["difference"]["other_accounts"]), (100, &json!(20)));
    assert!((100..120).all(|from| named.contains(&format!("ip:{}", address(from)))), "{named:?}");
}

/// What had a plan that one of the tables does not have is left out of both, and told.
#[test]
fn a_plan_that_is_gone_is_no_mistake() {
    let stage = Stage::new(5, &plan(&json!([]), &json!("refuse")));
    (0..6).for_each(|from| stage.finish(&ask(&stage, from, 1)));
    stage.calm();
    let other = json!({"plans": {"another": {"limits": []}}, "anonymous": "another"});
    let told = replayed(&stage, &other);
    assert_eq!(told["lines"], json!({"read": 6, "replayed": 0, "unknown_plan": 6}));
    assert_eq!((&told["first"], &told["against"]["all"]["asked"]), (&json!(0), &json!(0)));
    // Nothing was put in force, and nothing is to be told of in the audit log.
    let admin = |path: &str| {
        let asked = stage.admin(stage.places[1], "GET", path, None, "");
        stage.finish(&asked);
        json_of(&asked)
    };
    assert_eq!(admin("/plans"), plan(&json!([]), &json!("refuse")));
    assert_eq!(admin("/audit")["data"], json!([]));
    drop(stage);
    // Of one to whom nothing has happened yet.
    let stage = Stage::new(6, &other);
    let told = replayed(&stage, &other);
    assert_eq!((&told["kept"]["lines"], &told["kept"]["one_in"]), (&json!(0), &json!(1)));
}

#[test]
fn who_may_not_or_asks_for_what_cannot_be_is_refused() {
    let scopes = ["read", "keys", "origins", "metrics", "plans"];
    let token = |scope: &str| format!("a-token-for-{scope}-which-nobody-guesses");
    let one = |scope: &str| format!("{scope}:{}:{scope}", hex(&Sha256::digest(token(scope))));
    let all = format!("ops:{}", hex(&Sha256::digest(ADMIN_TOKEN)));
    let admins = scopes.iter().map(|scope| one(scope)).chain([all]).collect::<Vec<_>>().join(",");
    let table = plan(&json!([]), &json!("refuse"));
    let stage = Stage::with(7, &table, &[("ORIGIN_URL", "http://origin.test"), ("ADMIN_TOKENS", &admins)]);
    let send = |method: &str, path: &str, token: Option<&str>, body: &str| {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        let asked = stage.send(stage.places[0], method, &format!("/admin/v1{path}"), &headers, body.to_owned());
        stage.finish(&asked);
        asked
    };
    let good = table.to_string();
    for scope in scopes {
        let expected = if scope == "plans" { 200 } else { 403 };
        assert_eq!(send("POST", "/plans/replay", Some(&token(scope)), &good).status(), Some(expected), "{scope}");
    }
    assert_eq!(send("POST", "/plans/replay", None, &good).status(), Some(401));
    let ask = |body: &str| send("POST", "/plans/replay", Some(ADMIN_TOKEN), body);
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let refused = send(method, "/plans/replay", Some(ADMIN_TOKEN), "");
        assert_eq!((refused.status(), refused.header("allow")), (Some(405), Some("POST".to_owned())), "{method}");
    }
    assert_eq!(send("POST", "/plans/other", Some(ADMIN_TOKEN), &good).status(), Some(404));
    assert_eq!(send("POST", "/plans/replay?x=1", Some(ADMIN_TOKEN), &good).status(), Some(400));
    // Each mistake at its place, as when it is put.
    let bad = json!({"plans": {"a": {"limits": [{"name": "w", "kind": "window", "limit": -1, "window": "1h"}]}, "B": {}},
        "anonymous": "nobody"});
    let refused = ask(&bad.to_string());
    let message = json_of(&refused)["error"]["message"].to_string();
    assert_eq!(refused.status(), Some(400), "{message}");
    for place in ["plans.a.limits[0].limit", "plans.B", "anonymous"] {
        assert!(message.contains(place), "{place}: {message}");
    }
    assert!(!message.contains("the old one stays"), "{message}");
    let zone = json!([{"name": "b", "kind": "budget", "limit": 1, "period": "day", "zone": "Europe/Nowhere"}]);
    assert_eq!(ask(&plan(&zone, &json!("refuse")).to_string()).status(), Some(400));
    for (body, status) in [("", 400), ("{", 400), ("[]", 400)] {
        assert_eq!(ask(body).status(), Some(status), "{body}");
    }
    assert_eq!(ask(&" ".repeat(MAX_TABLE_BYTES + 1)).status(), Some(413));
    // All Meters or none: what one has belongs to accounts of the others.
    stage.world.set_faults(Faults { overloaded: 1_000, ..Faults::default() });
    assert_eq!(ask(&good).status(), Some(503));
    stage.world.set_faults(Faults::default());
    assert_eq!(ask(&good).status(), Some(200));
    // Two at once in one isolate: one of them comes again. One whose caller has left is in nobody's way for long.
    stage.world.set_faults(Faults { delay_ms: 30, ..Faults::default() });
    let send = || stage.admin(stage.places[0], "POST", "/plans/replay", None, &good);
    let both = [send(), send()];
    both.iter().for_each(|caller| stage.finish(caller));
    let mut statuses = both.map(|caller| caller.status());
    statuses.sort_unstable();
    assert_eq!(statuses, [Some(200), Some(429)]);
    let leaves = send();
    stage.world.run_for(40);
    leaves.leave();
    stage.world.run_for(31_000);
    assert_eq!(ask(&good).status(), Some(200));
}

/// Whatever the log is set to.
#[test]
fn what_is_kept_is_set_in_hours_and_by_nothing_else() {
    let table = plan(&json!([]), &json!("refuse"));
    let origin = ("ORIGIN_URL", "http://origin.test");
    let run = |settings: &[(&str, &str)]| {
        let stage = Stage::with(8, &table, settings);
        stage.world.set_server(stage.origin.clone().server());
        for _ in 0..3 {
            stage.finish(&ask(&stage, 1, 1));
            stage.world.run_for(3_600_000);
        }
        stage.finish(&ask(&stage, 1, 1));
        stage.world.run_for(10_000);
        let asked = asked(&stage, &table.to_string());
        let lines = stage.lines().len();
        (asked.status(), json_of(&asked)["kept"]["lines"].as_u64(), lines)
    };
    assert_eq!(run(&[origin, ("REQUEST_LOG", "off")]), (Some(200), Some(4), 0));
    assert_eq!(run(&[origin, ("REQUEST_LOG", "off"), ("REPLAY_HOURS", "2")]), (Some(200), Some(2), 0));
    assert_eq!(run(&[origin, ("REPLAY_HOURS", "0")]), (Some(404), None, 4));
}
