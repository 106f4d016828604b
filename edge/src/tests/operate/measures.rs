//! measures: what the Meters tell is what callers were told and what the origin computed, whatever becomes of messages and of
//! Meters; and it costs no request anything.

mod endings;
mod kept;

use crate::platform;
use crate::platform::rows::Rows;
use crate::platform::scripted::{Caller, Closed, Faults};
use crate::tests::for_seeds;
use crate::tests::origin::Fate;
use crate::tests::stage::{ADDRESS, ADMIN_TOKEN, Stage, json_of, plan};
use serde_json::{Value, json};
use sluice_protocol::measures::{HAND_OVER_MS, METERS, SHORT_MS};
use std::collections::BTreeMap;

fn plans(limit: u64) -> Value {
    let limits = json!([
        {"name": "hourly", "kind": "window", "limit": limit, "window": "1h"},
        // Without it the origin of these tests answers with no tokens at all.
        {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 10_000_000, "window": "1h"},
    ]);
    plan(&limits, &json!("refuse"))
}

fn live(stage: &Stage, query: &str) -> Value {
    let asked = stage.admin(stage.places[0], "GET", &format!("/live{query}"), None, "");
    stage.finish(&asked);
    let told = json_of(&asked);
    assert_eq!(asked.status(), Some(200), "{told}");
    told
}

/// What Prometheus reads: each sample by its name and labels.
fn metrics(stage: &Stage) -> BTreeMap<String, u64> {
    let authorization = format!("Bearer {ADMIN_TOKEN}");
    let headers = [("authorization", authorization.as_str())];
    let asked = stage.send(stage.places[1], "GET", "/metrics", &headers, String::new());
    stage.finish(&asked);
    assert_eq!(asked.status(), Some(200), "{}", asked.body());
    let body = asked.body();
    let samples = body.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
    samples.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
}

fn ask(stage: &Stage) -> Caller {
    stage.chat(stage.place(), "x", stage.world.below(2) == 0)
}

/// What callers were told became of their requests. Of those who left, nobody knows whether they left before the end.
fn check_outcomes(told: &Value, callers: &[Caller], left: u64) {
    let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
    for caller in callers {
        let is_whole = caller.closed() == Some(Closed::Whole);
        let outcome = match caller.status() {
            Some(200) if is_whole && !caller.body().contains("\"error\"") => "served",
            Some(200) if is_whole => "failed",
            Some(429 | 400 | 413) => "refused", // not a status: what callers were told
            Some(500..) => "failed",            // not a status: what callers were told
            _ => "left or broken",
        };
        *expected.entry(outcome).or_default() += 1;
    }
    let told = outcomes(told);
    assert_eq!(told.values().sum::<u64>(), callers.len() as u64, "{told:?} {expected:?}");
    let of = |name: &str| told.get(name).copied().unwrap_or(0);
    assert!(of("left") <= left, "{told:?} {expected:?}");
    for outcome in ["served", "refused"] {
        let least = expected.get(outcome).copied().unwrap_or(0);
        assert!((least..=least + left).contains(&of(outcome)), "{outcome}: {told:?} {expected:?}");
    }
    // One that broke off without a word was failed, or cut by its caller.
    let broken = expected.get("left or broken").copied().unwrap_or(0);
    let failed = expected.get("failed").copied().unwrap_or(0);
    assert!((failed..=failed + broken + left).contains(&(of("failed") + of("cut"))), "{told:?} {expected:?}");
}

fn outcomes(told: &Value) -> BTreeMap<String, u64> {
    let all = told["total"]["requests"].as_object().expect("an object");
    let count = |(name, count): (&String, &Value)| (name.clone(), count.as_u64().expect("a number"));
    all.iter().map(count).filter(|(_, count)| *count > 0).collect()
}

fn sum(samples: &BTreeMap<String, u64>, name: &str) -> u64 {
    let is_of = |sample: &&String| sample.split('{').next() == Some(name);
    samples.iter().filter(|(sample, _)| is_of(sample)).map(|(_, count)| count).sum()
}

#[test]
fn what_is_told_is_what_happened_whatever_becomes_of_messages_and_of_meters() {
    for_seeds(40, |seed| {
        let stage = Stage::new(seed, &plans(30));
        let fates = [Fate::Well, Fate::Well, Fate::Longer, Fate::Full, Fate::Gone, Fate::Cut, Fate::Failed];
        let (mut callers, mut left) = (Vec::new(), 0);
        for _ in 0..25 {
            // What is sent to Meters is lost more often than what others are sent.
            stage.world.set_faults(Faults { delay_ms: 20, lost: 10, repeated: 10, ..Faults::default() });
            stage.origin.always.set(Some(fates[stage.world.below(fates.len() as u64) as usize]));
            let crowd: Vec<_> = (0..=stage.world.below(3)).map(|_| ask(&stage)).collect();
            if stage.world.below(8) == 0 {
                stage.world.run_for(stage.world.below(300));
                crowd[0].leave();
                left += 1;
            }
            callers.extend(crowd);
            stage.world.run_for(stage.world.below(12_000));
            if stage.world.below(4) == 0 {
                stage.world.end_object("METER", &format!("meter-{}", stage.world.below(METERS)));
            }
        }
        stage.calm();
        // Whoever was last handed on what was left before.
        let last: Vec<_> = stage.places.iter().map(|place| stage.chat(*place, "x", false)).collect();
        last.iter().for_each(|caller| stage.finish(caller));
        callers.extend(last);
        stage.calm();
        let (told, samples) = (live(&stage, "?span=hour"), metrics(&stage));
        check_outcomes(&told, &callers, left);
        let requests = samples.iter().filter(|(name, _)| name.starts_with("sluice_requests_total{"));
        assert_eq!(requests.map(|(_, count)| count).sum::<u64>(), stage.lines().len() as u64);
        // By minutes and by five seconds it is the same.
        assert_eq!(live(&stage, "?span=day")["total"]["requests"], told["total"]["requests"]);
        assert_eq!(told["in_flight"], 0);
        // Tokens: of each line what it says.
        let tokens =
            |member: &str| -> u64 { stage.lines().iter().map(|(_, line)| line[member].as_u64().unwrap_or(0)).sum() };
        for (kind, member) in [("prompt", "prompt_tokens"), ("completion", "completion_tokens")] {
            assert_eq!(told["total"]["tokens"][kind], tokens(member), "{kind}");
        }
        assert_eq!(
            sum(&samples, "sluice_answer_seconds_count"),
            told["total"]["answer_ms"]["count"].as_u64().unwrap_or(0)
        );
    });
}

/// Those that never reach a Gate, too.
#[test]
fn refusals_are_told_by_their_limits() {
    for_seeds(20, |seed| {
        let stage = Stage::new(seed, &plans(3));
        let asked = stage.world.delivered("GATE");
        let mut refused = 0;
        for _ in 0..30 {
            let caller = ask(&stage);
            stage.finish(&caller);
            refused += u64::from(caller.status() == Some(429));
            stage.world.run_for(stage.world.below(300));
        }
        assert!(stage.world.delivered("GATE") - asked < 30, "some were refused without a Gate");
        // Somebody whom nobody knows.
        let stranger = stage.send(
            stage.places[0],
            "POST",
            "/v1/chat/completions",
            &[("authorization", "Bearer sk-x")],
            "{}".into(),
        );
        stage.finish(&stranger);
        stage.world.run_for(5_000);
        let (told, samples) = (live(&stage, ""), metrics(&stage));
        assert_eq!(told["total"]["refused_by"], json!([{"plan": "open", "limit": "hourly", "count": refused}]));
        assert_eq!(samples["sluice_limit_refusals_total{plan=\"open\",limit=\"hourly\"}"], refused);
        // Whom an isolate refuses by what it remembers is not asked for which model.
        let of_models = ["", "tiny"].map(|model| {
            let name = format!("sluice_requests_total{{outcome=\"refused\",model=\"{model}\",plan=\"open\"}}");
            samples.get(&name).copied().unwrap_or(0)
        });
        assert_eq!(of_models.iter().sum::<u64>(), refused);
        assert_eq!(sum(&samples, "sluice_refusals_total"), refused + 1);
        assert_eq!(samples["sluice_requests_total{outcome=\"served\",model=\"tiny\",plan=\"open\"}"], 3);
    });
}

/// Nobody waits for a Meter, and who is idle says nothing.
#[test]
fn a_meter_that_cannot_be_reached_is_in_nobodys_way_and_nothing_is_lost() {
    let stage = Stage::new(1, &plans(1_000));
    stage.world.set_room("METER", "meter-0", Some(0));
    (1..METERS).for_each(|number| stage.world.set_room("METER", &format!("meter-{number}"), Some(0)));
    for _ in 0..20 {
        let caller = ask(&stage);
        stage.finish(&caller);
        assert_eq!((caller.status(), caller.closed()), (Some(200), Some(Closed::Whole)));
        stage.world.run_for(1_000);
    }
    (0..METERS).for_each(|number| stage.world.set_room("METER", &format!("meter-{number}"), None));
    for place in &stage.places {
        stage.finish(&stage.chat(*place, "x", false));
    }
    stage.world.run_for(4 * HAND_OVER_MS);
    assert_eq!(outcomes(&live(&stage, "")), [("served".to_owned(), 22)].into());
    stage.calm();
    let before = stage.world.delivered("METER");
    stage.world.run_for(3_600_000);
    assert_eq!(stage.world.delivered("METER"), before, "an idle isolate says nothing");
}

/// One message for a span of time, however many requests. How many rows that is, `kept.rs` says.
#[test]
fn what_is_handed_on_is_little() {
    let stage = Stage::new(3, &plans(100_000));
    let place = stage.places[0];
    for _ in 0..100 {
        let crowd: Vec<_> = (0..5).map(|_| stage.chat(place, "x", false)).collect();
        crowd.iter().for_each(|caller| stage.finish(caller));
        stage.world.run_for(50);
    }
    stage.calm();
    let spans = (platform::now() - 1_790_000_000_000) / HAND_OVER_MS;
    assert!(stage.world.delivered("METER") <= spans, "{} in {spans}", stage.world.delivered("METER"));
    let meter = stage.world.objects("METER").remove(0);
    let slots =
        stage.world.stored("METER", &meter, |storage| Rows::new(storage, "meter_short").all().expect("rows").len());
    assert!(slots as u64 <= (platform::now() - 1_790_000_000_000) / SHORT_MS + 1, "{slots}");
}

/// A stream of events tells again and again what has changed, and ends when its reader has left.
#[test]
fn events_tell_what_is_new_until_their_reader_has_left() {
    let stage = Stage::new(5, &plans(1_000));
    let look = stage.admin(stage.places[0], "GET", "/live/stream?span=5m", None, "");
    assert!(stage.world.run_until(1_000, || look.body().contains("\n\n")), "the first comes at once");
    for _ in 0..4 {
        let caller = stage.chat(stage.places[0], "x", true);
        stage.finish(&caller);
        stage.world.run_for(SHORT_MS);
    }
    stage.world.run_for(2 * SHORT_MS);
    let body = look.body();
    let events: Vec<Value> = body
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("event: live\ndata: "))
        .map(|data| serde_json::from_str(data).expect("JSON"))
        .collect();
    assert!((14..=18).contains(&events.len()), "{}", events.len());
    // The last word on each slot, added up, is what there is.
    let mut slots = BTreeMap::new();
    for slot in events.iter().flat_map(|event| event["slots"].as_array().expect("a list")) {
        slots.insert(slot["at"].as_u64(), slot["requests"]["served"].as_u64().expect("a number"));
    }
    assert_eq!(slots.values().sum::<u64>(), 4);
    let asked = stage.world.delivered("METER");
    look.leave();
    stage.world.run_for(60_000);
    assert!(stage.world.delivered("METER") - asked <= METERS + 1, "it goes on for nobody");
    // One that nobody leaves ends by itself.
    let look = stage.admin(stage.places[0], "GET", "/live/stream", None, "");
    stage.world.run_for(660_000);
    assert_eq!(look.closed(), Some(Closed::Whole));
}

/// A token for measures opens nothing else, and nothing opens without one.
#[test]
fn measures_have_a_scope_of_their_own() {
    use sha2::{Digest, Sha256};
    use sluice_protocol::id::hex;
    let token = "a-token-for-whoever-draws-curves-of-measures";
    let admins =
        format!("ops:{},prometheus:{}:metrics", hex(&Sha256::digest(ADMIN_TOKEN)), hex(&Sha256::digest(token)));
    let stage = Stage::with(7, &plans(9), &[("ORIGIN_URL", "http://origin.test"), ("ADMIN_TOKENS", &admins)]);
    let ask = |path: &str, token: Option<&str>| {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        let asked = stage.send(stage.places[0], "GET", path, &headers, String::new());
        stage.finish(&asked);
        asked.status()
    };
    assert_eq!(ask("/metrics", Some(token)), Some(200));
    for path in ["/admin/v1/live", "/admin/v1/live/stream", "/admin/v1/keys", "/admin/v1/usage", "/admin/v1/audit"] {
        assert_eq!(ask(path, Some(token)), Some(403), "{path}");
    }
    assert_eq!(ask("/metrics", None), Some(401));
    assert_eq!(ask("/metrics", Some("another")), Some(401));
    assert_eq!(ask("/metrics", Some(&format!("ip:{ADDRESS}"))), Some(401));
}
