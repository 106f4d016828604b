//! traces: each request is told to a collector once, as what it was, in its caller's trace; whatever the collector does is in
//! nobody's way; and nothing is told of what anybody said.

mod collector;
mod ends;

use crate::platform::scripted::{Asked, Caller, Closed, Faults, Server};
use crate::tests::origin::{Fate, Mood};
use crate::tests::route::Several;
use crate::tests::stage::{ADDRESS, Stage, json_of, plan};
use crate::tests::{for_seeds, jobs};
use collector::{Answers, Collector, HEADERS, SECRET, URL};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// What the edge is asked of an origin: the `traceparent` and `tracestate` of each request for an answer.
type Heard = Rc<RefCell<Vec<(Option<String>, Option<String>)>>>;

fn plans() -> Value {
    let limits = json!([
        {"name": "hourly", "kind": "window", "limit": 100, "window": "1h"},
        {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 10_000_000, "window": "1h"},
    ]);
    plan(&limits, &json!("refuse"))
}

/// A stage whose edge exports to this collector.
fn stage(seed: u64, plans: &Value, more: &[(&str, &str)]) -> (Stage, Rc<Collector>, Heard) {
    let settings = [("ORIGIN_URL", "http://origin.test"), ("OTLP_ENDPOINT", URL), ("OTLP_HEADERS", HEADERS)];
    let settings: Vec<_> = settings.into_iter().chain(more.iter().copied()).collect();
    let stage = Stage::with(seed, plans, &settings);
    let (collector, heard) = (Rc::new(Collector::default()), Heard::default());
    stage.world.set_server(listening(collector.clone().server(stage.origin.clone().server()), heard.clone()));
    (stage, collector, heard)
}

/// The same server; what it hears of traces is kept.
fn listening(server: Server, heard: Heard) -> Server {
    Rc::new(move |asked: Asked| {
        if asked.method == "POST" && !asked.url.starts_with(URL) {
            let header = |name: &str| asked.headers.get(name).cloned();
            heard.borrow_mut().push((header("traceparent"), header("tracestate")));
        }
        server(asked)
    })
}

fn chat(stage: &Stage, stream: bool, more: &[(&str, &str)]) -> Caller {
    let body = json!({
        "model": "tiny", "max_tokens": 8, "stream": stream, "messages": [{"role": "user", "content": "<prompt>"}],
    });
    let headers: Vec<_> = [("cf-connecting-ip", ADDRESS)].into_iter().chain(more.iter().copied()).collect();
    stage.send(stage.places[0], "POST", "/v1/chat/completions", &headers, body.to_string())
}

/// An attribute's value, whatever it is.
fn told(span: &Value, key: &str) -> Option<Value> {
    let all = span["attributes"].as_array().expect("a list");
    let value = all.iter().find(|one| one["key"] == key)?["value"].as_object().expect("an object");
    value.values().next().cloned()
}

fn of_kind(spans: &[Value], kind: u8) -> Vec<&Value> {
    spans.iter().filter(|span| span["kind"] == kind).collect()
}

/// The span of the only request, and those below it.
fn one(collector: &Collector) -> (Value, Vec<Value>) {
    let spans = collector.spans();
    let (servers, below): (Vec<_>, Vec<_>) = spans.into_iter().partition(|span| span["kind"] == 2);
    let [server] = &servers[..] else { panic!("one request has one span: {servers:#?}") };
    for span in &below {
        assert_eq!((&span["traceId"], &span["parentSpanId"]), (&server["traceId"], &server["spanId"]), "{span}");
    }
    (server.clone(), below)
}

#[test]
fn a_request_goes_on_in_its_callers_trace_and_so_does_the_origin() {
    for (traceparent, tracestate, is_taken) in [
        (Some(format!("00-{TRACE}-{PARENT}-01")), Some("a=1,b=2".to_owned()), true),
        // Whether it is exported, this deployment decides.
        (Some(format!("00-{TRACE}-{PARENT}-00")), Some("a".repeat(513)), true),
        (Some(format!("cc-{TRACE}-{PARENT}-01-more")), None, true),
        (Some(format!("00-{}-{PARENT}-01", TRACE.to_uppercase())), Some("a=1".to_owned()), false),
        (None, Some("a=1".to_owned()), false),
    ] {
        let seen = std::thread::spawn(move || {
            let (stage, collector, heard) = stage(1, &plans(), &[]);
            let headers = [("traceparent", &traceparent), ("tracestate", &tracestate)];
            let headers: Vec<_> = headers.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
            stage.finish(&chat(&stage, true, &headers));
            stage.calm();
            let (server, below) = one(&collector);
            let passes = tracestate.filter(|text| is_taken && text.len() < 512);
            assert_eq!(server["traceId"] == TRACE, is_taken, "{server}");
            assert_eq!(server["parentSpanId"], if is_taken { json!(PARENT) } else { Value::Null });
            assert_eq!(server["traceState"].as_str(), passes.as_deref());
            let [client] = of_kind(&below, 3)[..] else { panic!("{below:#?}") };
            let trace = server["traceId"].as_str().expect("a text");
            let expected = format!("00-{trace}-{}-01", client["spanId"].as_str().expect("a text"));
            assert_eq!(*heard.borrow(), [(Some(expected), passes)]);
        });
        seen.join().expect("it is so");
    }
}

#[test]
fn where_nothing_is_exported_a_callers_place_is_passed_on_as_it_is() {
    let state = "a=1,b=2";
    for (traceparent, tracestate, expected) in [
        (Some(format!("00-{TRACE}-{PARENT}-01")), Some(state), Some(Some(state))),
        (Some(format!("cc-{TRACE}-{PARENT}-00-more")), None, Some(None)),
        (Some(format!("00-{TRACE}-{PARENT}")), Some(state), None),
        (None, Some(state), None),
    ] {
        std::thread::spawn(move || {
            let (stage, heard) = (Stage::new(1, &plans()), Heard::default());
            stage.world.set_server(listening(stage.origin.clone().server(), heard.clone()));
            let headers = [("traceparent", traceparent.as_deref()), ("tracestate", tracestate)];
            let headers: Vec<_> = headers.iter().filter_map(|(name, value)| Some((*name, (*value)?))).collect();
            stage.finish(&chat(&stage, false, &headers));
            stage.calm();
            let state = expected.flatten().map(str::to_owned);
            assert_eq!(*heard.borrow(), [(traceparent.filter(|_| expected.is_some()), state)]);
        })
        .join()
        .expect("it is so");
    }
}

#[test]
fn a_trace_is_exported_whole_or_not_at_all_and_the_origin_is_told_which() {
    for_seeds(6, |seed| {
        let (stage, collector, heard) = stage(seed, &plans(), &[("OTLP_SAMPLE", "0.5")]);
        for _ in 0..20 {
            stage.finish(&chat(&stage, false, &[]));
        }
        stage.calm();
        let all = heard.borrow().clone();
        let (taken, left): (Vec<_>, Vec<_>) =
            all.iter().map(|(told, _)| told.as_deref().expect("each is told")).partition(|told| told.ends_with("-01"));
        assert!(taken.len() >= 2 && left.len() >= 2 && left.iter().all(|told| told.ends_with("-00")), "{all:?}");
        let spans = collector.spans();
        let mut traces: Vec<_> =
            of_kind(&spans, 2).iter().map(|span| span["traceId"].as_str().expect("a text")).collect();
        let mut expected: Vec<_> = taken.iter().map(|told| &told[3..35]).collect();
        traces.sort_unstable();
        expected.sort_unstable();
        assert_eq!(traces, expected);
        assert_eq!((of_kind(&spans, 3).len(), of_kind(&spans, 1).len()), (taken.len(), taken.len()));
    });
}

/// Each try has a span: one that failed, and one that was given up for a faster one.
#[test]
fn each_try_at_an_origin_has_a_span() {
    for (hedge, mood) in [("off", Mood::Dead), ("p95", Mood::Still)] {
        for_seeds(6, |seed| {
            let several = Several::with(seed, 2, hedge, &[("OTLP_ENDPOINT", URL), ("OTLP_HEADERS", HEADERS)]);
            let (collector, heard, stage) = (Rc::new(Collector::default()), Heard::default(), &several.stage);
            stage.world.set_server(listening(collector.clone().server(several.server()), heard.clone()));
            stage.world.set_faults(Faults { delay_ms: 5, ..Faults::default() });
            // Until it is known how soon streams begin.
            for _ in 0..25 {
                stage.finish(&chat(stage, true, &[]));
            }
            several.origins[0].mood.set(mood);
            for _ in 0..8 {
                let caller = chat(stage, true, &[]);
                stage.finish(&caller);
                assert_eq!(caller.status(), Some(200), "{}", caller.body());
            }
            several.calm();
            let (spans, heard) = (collector.spans(), heard.borrow());
            let servers = of_kind(&spans, 2);
            assert_eq!(servers.len(), 33);
            let tries = of_kind(&spans, 3);
            // A hedge may be given up while its grant is signed.
            assert!(tries.len() >= heard.len(), "{} of {}", tries.len(), heard.len());
            assert!(tries.len() > servers.len(), "some were tried twice");
            let mut twice = 0;
            for server in servers {
                let own: Vec<_> = tries.iter().filter(|one| one["parentSpanId"] == server["spanId"]).collect();
                let (well, ill): (Vec<_>, Vec<_>) = own.into_iter().partition(|one| told(one, "error.type").is_none());
                assert_eq!((well.len(), told(server, "sluice.outcome")), (1, Some(json!("served"))), "{well:#?}");
                assert_eq!(told(well[0], "http.response.status_code"), Some(json!("200")));
                for one in ill {
                    twice += 1;
                    let (origin, address) = (told(one, "sluice.origin"), told(one, "server.address"));
                    let (why, status) = (told(one, "error.type"), one["status"]["code"].as_u64().unwrap_or(0));
                    let has_failed = (why.clone(), status) == (Some(json!("origin_failed")), 2);
                    // One that is well may be slower than its hedge, too.
                    let is_given_up = hedge == "p95" && (why, status) == (Some(json!("given_up")), 0);
                    assert!(has_failed || is_given_up, "{one:#}");
                    assert!(is_given_up || (origin, address) == (Some(json!("a")), Some(json!("a.test"))), "{one:#}");
                }
            }
            assert!(twice > 0);
            for (traceparent, _) in heard.iter() {
                let id = &traceparent.as_deref().expect("each is told")[36..52];
                assert_eq!(tries.iter().filter(|one| one["spanId"] == id).count(), 1, "each is told its own span");
            }
        });
    }
}

/// Its lines have no caller's trace, and whoever carries them sets no timer.
#[test]
fn jobs_are_told_as_such_and_once() {
    for_seeds(6, |seed| {
        let (stage, collector, _) = stage(seed, &plans(), &[]);
        stage.world.set_faults(Faults { delay_ms: 5, ..Faults::default() });
        let id = jobs::batch(&stage, jobs::ME, &jobs::lines(5));
        jobs::wait(&stage, jobs::ME, &id, 3_600_000);
        let asked = json!({"model": "tiny", "max_output_tokens": 8, "input": "x", "store": true, "background": true});
        let begun = stage.send(stage.places[0], "POST", "/v1/responses", &[jobs::ME], asked.to_string());
        stage.finish(&begun);
        assert_eq!(json_of(&begun)["status"], "queued");
        stage.calm();
        let spans = collector.spans();
        let named = |name: &str, kind: u8| of_kind(&spans, kind).iter().filter(|span| span["name"] == name).count();
        assert_eq!((named("JOB /v1/chat/completions", 1), named("JOB /v1/responses", 1)), (5, 1));
        assert_eq!((named("POST /v1/responses", 2), named("POST /v1/responses", 3)), (1, 1));
        let of_jobs = spans.iter().filter(|span| span["name"].as_str().is_some_and(|name| name.starts_with("JOB ")));
        for span in of_jobs {
            assert_eq!((&span["kind"], &span["parentSpanId"]), (&json!(1), &Value::Null), "{span}");
            assert_eq!(told(span, "sluice.outcome"), Some(json!("served")));
            let own: Vec<_> = spans.iter().filter(|one| one["parentSpanId"] == span["spanId"]).collect();
            assert_eq!(own.iter().filter(|one| one["kind"] == 3).count(), 1, "{own:#?}");
        }
        collector.holds_no_secret();
    });
}

/// A batch that is larger than its limit waits, over and over: that is no request of anybody's.
#[test]
fn lines_that_wait_are_not_told() {
    let limits = json!([{"name": "few", "kind": "window", "limit": 3, "window": "1h"}]);
    let (stage, collector, _) = stage(5, &plan(&limits, &json!("refuse")), &[]);
    stage.world.set_faults(Faults { delay_ms: 5, ..Faults::default() });
    let id = jobs::batch(&stage, jobs::ME, &jobs::lines(7));
    jobs::wait(&stage, jobs::ME, &id, 5 * 3_600_000);
    stage.calm();
    let spans = collector.spans();
    let outcomes: Vec<_> = spans
        .iter()
        .filter(|span| span["name"] == "JOB /v1/chat/completions")
        .map(|span| told(span, "sluice.outcome"))
        .collect();
    assert_eq!(outcomes, vec![Some(json!("served")); 7]);
}

#[test]
fn whatever_ends_meanwhile_a_request_is_told_once_at_most_and_nothing_that_was_said() {
    for_seeds(120, |seed| {
        let (stage, collector, _) = stage(seed, &plans(), &[]);
        stage.origin.odd.set(300);
        stage.world.set_faults(Faults {
            delay_ms: 40,
            lost: 40,
            answer_lost: 40,
            repeated: 40,
            overloaded: 20,
            unreachable: 40,
            reply_lost: 40,
            isolate_ends: 2,
            object_ends: 10,
            ..Faults::default()
        });
        let moods = [Answers::Well, Answers::Well, Answers::Status(503, None), Answers::Nothing]; // not a status: a mood
        let mut callers = Vec::new();
        for _ in 0..6 {
            collector.answers.set(moods[stage.world.below(4) as usize]);
            callers.extend((0..3).map(|_| chat(&stage, stage.world.below(2) == 0, &[])));
            stage.world.run_for(stage.world.below(3_000));
            callers.iter().filter(|_| stage.world.below(9) == 0).for_each(Caller::leave);
        }
        collector.answers.set(Answers::Well);
        stage.calm();
        assert!(callers.iter().all(|caller| caller.closed().is_some()));
        let mut requests = BTreeMap::new();
        for span in of_kind(&collector.spans(), 2) {
            *requests.entry(told(span, "sluice.request.id").expect("each has one").to_string()).or_insert(0) += 1;
        }
        // A batch whose answer was lost on its way is not sent again.
        assert!(requests.values().all(|count| *count == 1), "{requests:?}");
        assert!(requests.len() <= callers.len());
        let lines: Vec<_> = stage.lines().into_iter().map(|(id, _)| format!("\"{id}\"")).collect();
        assert!(requests.keys().all(|id| lines.contains(id)), "what is told has a line");
        collector.holds_no_secret();
        let log = stage.world.log();
        assert!(log.iter().all(|(_, line)| !line.contains(SECRET)), "{log:?}");
    });
}

#[test]
fn a_collector_that_is_not_well_is_in_nobodys_way() {
    let moods = [
        Answers::Nothing,
        Answers::Nobody,
        Answers::Status(500, None),       // not a status: a mood
        Answers::Status(429, Some(3600)), // not a status: a mood
        Answers::Status(307, None),
        Answers::Long,
        Answers::Endless,
    ];
    for (number, mood) in moods.into_iter().enumerate() {
        let seen = std::thread::spawn(move || {
            let (stage, collector, _) = stage(number as u64, &plan(&json!([]), &json!("refuse")), &[]);
            collector.answers.set(mood);
            for _ in 0..60 {
                let began = crate::platform::now();
                let crowd: Vec<_> = (0..10).map(|_| stage.chat(stage.places[0], "<prompt>", true)).collect();
                crowd.iter().for_each(|caller| stage.finish(caller));
                let took = crate::platform::now() - began;
                assert!(took < 400, "{mood:?}: {took} ms");
                assert!(
                    crowd.iter().all(|caller| (caller.status(), caller.closed()) == (Some(200), Some(Closed::Whole)))
                );
            }
            stage.world.run_for(20_000);
            assert!(collector.most_at_once.get() <= 2, "{mood:?}: {} at once", collector.most_at_once.get());
            collector.answers.set(Answers::Well);
            stage.world.run_for(40_000);
            stage.finish(&stage.chat(stage.places[0], "<prompt>", false));
            stage.calm();
            // Each span has come, or is counted.
            let spans = 601 * 3;
            let dropped = dropped(&stage);
            let came = collector.spans().len() as u64;
            assert_eq!(came + dropped, spans, "{mood:?}: {came} and {dropped}");
            let told = stage.world.log().into_iter().filter(|(_, line)| line.contains("spans are lost")).count();
            match mood {
                // Its status is all that counts.
                Answers::Long => assert_eq!((dropped, told), (0, 0), "{mood:?}"),
                // What it takes it keeps; and it is as slow as it may be.
                Answers::Endless => assert!(came > spans / 4 && told == 0, "{mood:?}: {came}"),
                _ => {
                    assert!(dropped > 0 && came >= 3 && (1..=3).contains(&told), "{mood:?}: {came}, {dropped}, {told}")
                }
            }
            assert!(collector.elsewhere.get() == 0, "{mood:?}: a redirect was followed");
        });
        seen.join().expect("it is so");
    }
}

/// What `/metrics` says.
fn dropped(stage: &Stage) -> u64 {
    let authorization = format!("Bearer {}", crate::tests::stage::ADMIN_TOKEN);
    let asked = stage.send(stage.places[1], "GET", "/metrics", &[("authorization", &authorization)], String::new());
    stage.finish(&asked);
    let body = asked.body();
    let sample = body.lines().find_map(|line| line.strip_prefix("sluice_spans_dropped_total "));
    sample.map_or(0, |count| count.parse().expect("a number"))
}

#[test]
fn a_batch_that_may_come_again_comes_once_more_and_no_span_comes_twice() {
    let (stage, collector, _) = stage(3, &plans(), &[]);
    *collector.first.borrow_mut() = vec![Answers::Status(503, Some(2))]; // not a status: a mood
    stage.finish(&chat(&stage, false, &[]));
    let sent_at = crate::platform::now();
    assert!(stage.world.run_until(10_000, || !collector.spans().is_empty()));
    let took = crate::platform::now() - sent_at;
    assert!((4_000..=4_700).contains(&took), "after {took} ms"); // not a status: milliseconds
    stage.calm();
    assert_eq!((collector.spans().len(), collector.batches.get(), dropped(&stage)), (3, 2, 0));
}

#[test]
fn what_is_rejected_is_counted() {
    let (stage, collector, _) = stage(4, &plans(), &[]);
    collector.rejects.set(2);
    stage.finish(&chat(&stage, false, &[]));
    stage.calm();
    // Whoever comes next hands on what is counted.
    collector.rejects.set(0);
    stage.finish(&chat(&stage, false, &[]));
    stage.calm();
    assert_eq!(dropped(&stage), 2);
}

/// Little is sent, and an isolate without requests says nothing.
#[test]
fn spans_go_together() {
    let (stage, collector, _) = stage(6, &plan(&json!([]), &json!("refuse")), &[]);
    let begun = crate::platform::now();
    for _ in 0..100 {
        stage.finish(&chat(&stage, false, &[]));
        stage.world.run_for(100);
    }
    stage.calm();
    let spans = (crate::platform::now() - begun) / 2_500 + 1;
    assert!(u64::from(collector.batches.get()) <= spans, "{} in {spans}", collector.batches.get());
    assert_eq!((collector.spans().len(), dropped(&stage)), (300, 0)); // not a status: spans
    let before = collector.batches.get();
    stage.world.run_for(3_600_000);
    assert_eq!(collector.batches.get(), before);
    assert!(collector.most_in_one.get() <= 128);
}

/// As many as fill a batch do not wait.
#[test]
fn a_crowd_loses_nothing() {
    let (stage, collector, _) = stage(7, &plan(&json!([]), &json!("refuse")), &[]);
    for _ in 0..40 {
        let crowd: Vec<_> = (0..20).map(|_| chat(&stage, true, &[])).collect();
        crowd.iter().for_each(|caller| stage.finish(caller));
    }
    stage.calm();
    assert_eq!((collector.spans().len(), dropped(&stage)), (2_400, 0));
    assert!(collector.most_in_one.get() <= 128);
}

#[test]
fn without_a_collector_nobody_is_asked() {
    let stage = Stage::new(8, &plans());
    let (collector, heard) = (Rc::new(Collector::default()), Heard::default());
    stage.world.set_server(listening(collector.clone().server(stage.origin.clone().server()), heard.clone()));
    stage.origin.always.set(Some(Fate::Well));
    stage.finish(&chat(&stage, false, &[]));
    stage.calm();
    assert_eq!((collector.batches.get(), heard.borrow().len()), (0, 1));
    assert_eq!(heard.borrow()[0], (None, None));
}
