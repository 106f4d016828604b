//! Each ending of a request, on the whole walk: one span, with what its caller was told and with what became of it.

use super::{chat, of_kind, one, plans, stage, told};
use crate::platform::scripted::{Caller, Faults};
use crate::tests::for_seeds;
use crate::tests::origin::Fate;
use crate::tests::stage::{ADDRESS, Stage, plan};
use serde_json::{Value, json};

/// The status, the outcome and the code of the only request's span.
fn end(server: &Value) -> (Option<Value>, Option<Value>, Option<Value>) {
    (told(server, "http.response.status_code"), told(server, "sluice.outcome"), told(server, "error.type"))
}

fn expected(status: u16, outcome: &str, code: Option<&str>) -> (Option<Value>, Option<Value>, Option<Value>) {
    (Some(json!(status.to_string())), Some(json!(outcome)), code.map(|code| json!(code)))
}

#[test]
fn an_ending_is_told_as_what_it_was() {
    for (fate, streams, status, outcome, code, tries) in [
        (Fate::Well, true, 200, "served", None, 1),
        (Fate::Well, false, 200, "served", None, 1),
        (Fate::Longer, true, 200, "served", None, 2),
        (Fate::Full, false, 503, "failed", Some("server_is_overloaded"), 1), // not a status: what is told of one
        (Fate::Gone, true, 502, "failed", Some("origin_failed"), 1),         // not a status: what is told of one
        (Fate::NoModel, false, 404, "refused", Some("model_not_found"), 1),  // not a status: what is told of one
        // These have begun.
        (Fate::Cut, true, 200, "failed", Some("origin_failed"), 1),
        (Fate::Failed, true, 200, "failed", Some("draining"), 1),
        (Fate::Silent, true, 200, "failed", Some("origin_silent"), 1),
        // This one has not: it would have come whole.
        (Fate::Cut, false, 502, "failed", Some("origin_failed"), 1), // not a status: what is told of one
    ] {
        let met = (0..6).filter(|seed| {
            let seed = *seed;
            let of_thread = move || {
                let (stage, collector, heard) = stage(seed, &plans(), &[("REQUEST_LOG", "off")]);
                stage.origin.always.set(Some(fate));
                let caller = chat(&stage, streams, &[]);
                stage.finish(&caller);
                // An answer without a token ends before anything can become of it.
                let is_done = caller.body().contains("[DONE]");
                stage.calm();
                let (server, below) = one(&collector);
                let (status, outcome, code) = if is_done { (200, "served", None) } else { (status, outcome, code) };
                assert_eq!(caller.status(), Some(status), "{fate:?} {streams} {}", caller.body());
                assert_eq!(end(&server), expected(status, outcome, code), "{fate:?} {streams} {server:#}");
                assert_eq!(server["status"]["code"] == 2, outcome == "failed");
                assert_eq!(server["name"], "POST /v1/chat/completions");
                assert_eq!(told(&server, "http.route"), Some(json!("/v1/chat/completions")));
                assert_eq!(told(&server, "sluice.account"), Some(json!(format!("ip:{ADDRESS}"))));
                assert_eq!(told(&server, "sluice.plan"), Some(json!("open")));
                assert_eq!(told(&server, "gen_ai.operation.name"), Some(json!("chat")));
                assert_eq!(told(&server, "gen_ai.request.model"), Some(json!("tiny")));
                assert_eq!(told(&server, "gen_ai.request.max_tokens"), Some(json!("8")));
                let used = stage.origin.work().values().fold((0, 0), |(input, output), work| {
                    (input + work.used.prompt_tokens, output + work.used.completion_tokens)
                });
                let number = |key: &str| {
                    told(&server, key).map_or(0, |told| told.as_str().expect("a text").parse().expect("a number"))
                };
                assert_eq!(
                    (number("gen_ai.usage.input_tokens"), number("gen_ai.usage.output_tokens")),
                    used,
                    "{fate:?}"
                );
                let has_begun = streams && caller.body().contains("<prompt>");
                assert_eq!(told(&server, "gen_ai.response.time_to_first_chunk").is_some(), has_begun, "{server:#}");
                let (clients, gates) = (of_kind(&below, 3), of_kind(&below, 1));
                // Its Gate is asked again where the origin has counted.
                assert_eq!((clients.len(), gates.len(), heard.borrow().len()), (tries, tries, tries), "{below:#?}");
                let last =
                    clients.iter().max_by_key(|span| span["startTimeUnixNano"].to_string()).expect("there is one");
                assert_eq!(told(last, "error.type"), code.map(|code| json!(code)), "{last:#}");
                assert_eq!(told(last, "server.address"), Some(json!("origin.test")));
                let ended = |span: &Value| span["endTimeUnixNano"].as_str().map(str::to_owned);
                assert!(ended(last) <= ended(&server), "{last:#}");
                collector.holds_no_secret();
                assert!(stage.lines().is_empty(), "the log is off");
                !is_done
            };
            std::thread::spawn(of_thread).join().expect("it is so")
        });
        assert!(met.count() > 0 || outcome == "served", "{fate:?}, {streams}");
    }
}

#[test]
fn who_leaves_is_nobodys_failure() {
    for_seeds(80, |seed| {
        let (stage, collector, _) = stage(seed, &plans(), &[]);
        stage.world.set_faults(Faults { delay_ms: 5, ..Faults::default() });
        stage.origin.always.set(Some(if seed % 3 == 0 { Fate::Silent } else { Fate::Well }));
        let caller = chat(&stage, seed % 2 == 0, &[]);
        stage.world.run_for(stage.world.below(150));
        caller.leave();
        stage.calm();
        let (server, below) = one(&collector);
        let (status, outcome, code) = end(&server);
        assert!(outcome == Some(json!("left")) || outcome == Some(json!("served")), "{server:#}");
        assert_eq!((code, &server["status"]), (None, &Value::Null));
        // It was told of an answer, or of nothing.
        assert_eq!(status, caller.status().map(|status| json!(status.to_string())), "{server:#}");
        for client in of_kind(&below, 3) {
            let why = told(client, "error.type");
            assert!(why.is_none() || why == Some(json!("left")), "{client:#}");
            assert_eq!(client["status"], Value::Null);
        }
    });
}

/// A request that ends before it is sent on.
fn refused(more: &[(&str, &str)], plans: &Value, ask: impl Fn(&Stage) -> Caller) -> Value {
    let (stage, collector, heard) = stage(2, plans, more);
    stage.finish(&ask(&stage));
    stage.calm();
    let (server, below) = one(&collector);
    assert!(heard.borrow().is_empty() && of_kind(&below, 3).is_empty(), "nothing was sent on");
    collector.holds_no_secret();
    server
}

#[test]
fn what_is_refused_at_each_step_is_told() {
    let who = ("cf-connecting-ip", ADDRESS);
    let send = |path: &'static str, headers: Vec<(&'static str, &'static str)>, body: Value| {
        move |stage: &Stage| stage.send(stage.places[0], "POST", path, &headers, body.to_string())
    };
    let question = json!({"model": "tiny", "messages": [{"role": "user", "content": "<prompt>"}]});
    // auth
    let bad = refused(&[], &plans(), send("/v1/messages", vec![who, ("authorization", "Bearer sk-x")], json!({})));
    assert_eq!(end(&bad), expected(401, "refused", Some("invalid_api_key"))); // not a status: what is told of one
    assert_eq!((told(&bad, "sluice.account"), bad["name"].clone()), (None, json!("POST /v1/messages")));
    let none = refused(&[], &plans(), send("/v1/embeddings", vec![], json!({})));
    assert_eq!(end(&none).1, Some(json!("refused")), "{none:#}");
    assert_eq!(told(&none, "gen_ai.operation.name"), Some(json!("embeddings")));
    // request
    let no_json = refused(&[], &plans(), send("/v1/completions", vec![who], json!("no object")));
    assert_eq!(end(&no_json).0, Some(json!("400")), "{no_json:#}");
    let no_model = refused(&[], &plans(), send("/v1/chat/completions", vec![who], json!({"messages": []})));
    assert_eq!(end(&no_model).0, Some(json!("400")), "{no_model:#}");
    // limit, and what is remembered of it
    let none_left = json!([{"name": "none", "kind": "window", "limit": 1, "window": "1h"}]);
    let limited = plan(&none_left, &json!("refuse"));
    let (stage, collector, _) = stage(3, &limited, &[]);
    let ask = send("/v1/chat/completions", vec![who], question);
    for _ in 0..4 {
        stage.finish(&ask(&stage));
    }
    stage.calm();
    let spans = collector.spans();
    let servers = of_kind(&spans, 2);
    assert_eq!(servers.len(), 4);
    for server in servers.iter().filter(|span| told(span, "sluice.outcome") != Some(json!("served"))) {
        assert_eq!(end(server), expected(429, "refused", Some("rate_limit_exceeded"))); // not a status: what is told of one
        assert_eq!(told(server, "sluice.limits"), Some(json!({"values": [{"stringValue": "none"}]})), "{server:#}");
        assert_eq!(told(server, "sluice.account"), Some(json!(format!("ip:{ADDRESS}"))));
        assert_eq!(told(server, "sluice.plan"), Some(json!("open")));
    }
    assert!(of_kind(&spans, 1).len() < 4, "what is remembered is asked of no Gate");
    drop(stage);
    // A Gate that is not reached.
    let (stage, collector, _) = super::stage(4, &plans(), &[]);
    stage.finish(&ask(&stage));
    stage.world.run_for(20_000);
    let before = collector.spans().len();
    for gate in stage.world.objects("GATE") {
        stage.world.set_room("GATE", &gate, Some(0));
    }
    stage.finish(&ask(&stage));
    stage.calm();
    let spans = collector.spans();
    let [server] = of_kind(&spans[before..], 2)[..] else { panic!("{spans:#?}") };
    assert_eq!(end(server), expected(503, "failed", Some("gate_unavailable"))); // not a status: what is told of one
    let [gate] = of_kind(&spans[before..], 1)[..] else { panic!("{spans:#?}") };
    assert_eq!(gate["parentSpanId"], server["spanId"]);
    assert_eq!((told(gate, "error.type"), &gate["status"]["code"]), (Some(json!("gate_unavailable")), &json!(2)));
}

/// Those that ask whether a model is there, and those that are only begun here.
#[test]
fn what_comes_to_a_door_and_is_no_walk_is_told() {
    let who = ("cf-connecting-ip", ADDRESS);
    let (stage, collector, _) = stage(5, &plans(), &[]);
    for (body, status) in [(json!({"model": "tiny", "prompt": ""}), 200), (json!({"model": "none", "prompt": ""}), 404)]
    {
        // not a status: what is told of one
        let before = collector.spans().len();
        let caller = stage.send(stage.places[0], "POST", "/api/generate", &[who], body.to_string());
        stage.finish(&caller);
        assert_eq!(caller.status(), Some(status), "{}", caller.body());
        stage.world.run_for(20_000);
        let spans = collector.spans();
        let [server] = of_kind(&spans[before..], 2)[..] else { panic!("{spans:#?}") };
        assert_eq!(end(server).0, Some(json!(status.to_string())));
        assert_eq!(told(server, "gen_ai.operation.name"), Some(json!("text_completion")));
    }
    // What comes to no door has none.
    let before = collector.spans().len();
    for (method, path) in
        [("GET", "/v1/models"), ("GET", "/v1/chat/completions"), ("POST", "/slc_lost"), ("GET", "/healthz")]
    {
        stage.finish(&stage.send(stage.places[0], method, path, &[who], String::new()));
    }
    stage.calm();
    assert_eq!(collector.spans().len(), before);
}

/// An answer that was kept for the same question, and one that is bent.
#[test]
fn what_was_made_of_a_request_is_told() {
    let mut plans = plans();
    plans["plans"]["open"]["cache"] = json!({"ttl": "1m"});
    let (stage, collector, heard) = stage(6, &plans, &[]);
    stage.origin.always.set(Some(Fate::Well));
    let body = json!({"model": "tiny", "max_tokens": 8, "temperature": 0, "messages": [{"role": "user", "content": "<prompt>"}]});
    for _ in 0..2 {
        let who = [("cf-connecting-ip", ADDRESS)];
        stage.finish(&stage.send(stage.places[0], "POST", "/v1/chat/completions", &who, body.to_string()));
        stage.world.run_for(1_000);
    }
    stage.calm();
    let spans = collector.spans();
    let told: Vec<_> = of_kind(&spans, 2).iter().map(|span| (told(span, "sluice.cache"), end(span))).collect();
    let served = expected(200, "served", None);
    assert_eq!(told, [(Some(json!("miss")), served.clone()), (Some(json!("hit")), served)]);
    assert_eq!((of_kind(&spans, 3).len(), heard.borrow().len()), (1, 1));
}
