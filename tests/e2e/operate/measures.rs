//! What is counted is what happened: `/metrics` of both gates, held to what answers said, and who may read it. Whether
//! Prometheus understands it, it is asked itself.

mod gpu;
mod prometheus;
mod told;

use gpu::stand_in::{StandIn, UUID};
use harness::caller::{Caller, MODEL, hello, hello_stream};
use harness::origin::DRAWS;
use harness::secrets::{ADMIN_TOKEN, admin_tokens, forged_tag};
use harness::wait::{SOON, until, until_true};
use harness::{Answer, PLAN, RunningStack, Stack};
use serde_json::json;
use sha2::{Digest, Sha256};
use sluice_origin::models::scripted::Say;
use sluice_protocol::id::{AccountId, hex};
use sluice_protocol::measures::prometheus::MEASURES;
use sluice_protocol::refusal::Reason;
use std::time::Duration;
use told::Told;

/// The token of an admin who may look at measures and at nothing else.
const SCRAPER: &str = "e2e-scraper-token-5a0c-which-nobody-guesses";

/// `ADMIN_TOKENS` of three: one for everything, the scraper, and one for keys.
fn admins() -> String {
    let one = |name: &str, token: &str, scope: &str| format!("{name}:{}:{scope}", hex(&Sha256::digest(token)));
    [admin_tokens(), one("scraper", SCRAPER, "metrics"), one("keys", KEYS_ADMIN, "keys")].join(",")
}

const KEYS_ADMIN: &str = "e2e-keys-admin-token-77e1-which-nobody-guesses";

fn metrics_as(stack: &RunningStack, token: Option<&str>) -> Answer {
    stack.edge.get("/metrics", token)
}

/// What the edge tells.
fn of_edge(stack: &RunningStack) -> Told {
    let answer = metrics_as(stack, Some(ADMIN_TOKEN)).ok();
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    Told::read(answer.text())
}

/// What the origin tells.
fn of_origin(stack: &RunningStack) -> String {
    let answer = Caller::new(stack.origin_address()).send(|http, base| http.get(format!("{base}/metrics"))).ok();
    answer.text().to_owned()
}

/// What is not counted where nothing goes wrong and nothing is drawn: no request is lost here, and no span.
pub(super) const NOT_HERE: [&str; 7] = [
    "sluice_leases_lapsed_total",
    "sluice_spans_dropped_total",
    "sluice_exported_spans_total",
    "sluice_images_total",
    "sluice_image_steps_total",
    "sluice_origin_images_total",
    "sluice_origin_image_steps_total",
];

/// Twelve requests: three whole answers, three streams, five that a limit refuses, and one with a forged key.
#[test]
fn what_is_told_is_what_was_answered() {
    let mut stack = Stack::new().limit("6 per 1h").setting("ADMIN_TOKENS", admins()).start();
    stack.script().allow_all();
    let key = stack.key();
    let before = stack.edge.view(key.id).storage;
    let (mut prompt, mut completion, mut cached) = (0, 0, 0);
    let mut streamed = hello_stream(64);
    streamed["stream_options"] = json!({"include_usage": true});
    for number in 0..3 {
        stack.script().say(Say::text(&"whole ".repeat(1 + number)));
        let whole = stack.edge.chat(Some(&key.key), &hello(64)).ok().completion().usage;
        cached += whole.prompt_tokens_details.cached_tokens;
        stack.script().say(Say::text(&"streamed ".repeat(1 + number)));
        let stream = stack.edge.chat(Some(&key.key), &streamed).ok().stream().whole();
        let last = stream.chunks.last().and_then(|chunk| chunk.usage).expect("it was asked for");
        cached += last.prompt_tokens_details.cached_tokens;
        for usage in [whole.usage, last.usage] {
            prompt += usage.prompt_tokens;
            completion += usage.completion_tokens;
        }
    }
    for _ in 0..5 {
        stack.edge.chat(Some(&key.key), &hello(8)).refused(Reason::RateLimited);
    }
    stack.edge.chat(Some(&forged_tag(AccountId([3; 8]))), &hello(8)).refused(Reason::InvalidKey);
    stack.edge.admin_as("not the token", "GET", "/keys", None).refused(Reason::InvalidAdminToken);
    until_true("all is settled", SOON, || stack.edge.view(key.id).used.served == 6);
    let after = stack.edge.view(key.id).storage;
    let (rows, calls) = (after.rows_written - before.rows_written, after.calls - before.calls);
    // What was counted last may be told last: it need not all be handed on together.
    let least = [
        ("sluice_requests_total", 12),
        ("sluice_failed_logins_total", 1),
        ("sluice_gate_rows_written_total", rows),
        ("sluice_gate_calls_total", calls),
    ];
    let is_all = |told: &Told| {
        let is_idle = told.sum("sluice_requests_in_flight", &[]) == 0;
        is_idle && least.iter().all(|(name, least)| told.sum(name, &[]) >= *least)
    };
    let (told, _) = until("all is told", PATIENCE, || Some(of_edge(&stack)).filter(is_all));

    let requests = |labels: &[(&str, &str)]| told.sum("sluice_requests_total", labels);
    assert_eq!(requests(&[]), 12, "{told:?}");
    assert_eq!(requests(&[("outcome", "served"), ("model", MODEL), ("plan", PLAN)]), 6, "{told:?}");
    assert_eq!(requests(&[("outcome", "refused"), ("plan", PLAN)]), 5, "{told:?}");
    assert_eq!(requests(&[("outcome", "refused")]), 6, "{told:?}");
    let refused = |reason: Reason| told.sum("sluice_refusals_total", &[("code", reason.row().code)]);
    assert_eq!((refused(Reason::RateLimited), refused(Reason::InvalidKey)), (5, 1), "{told:?}");
    assert_eq!(told.sum("sluice_refusals_total", &[]), 6, "{told:?}");
    assert_eq!(told.sum("sluice_limit_refusals_total", &[("plan", PLAN), ("limit", "window-0")]), 5, "{told:?}");
    assert_eq!(told.sum("sluice_limit_refusals_total", &[]), 5, "{told:?}");

    let tokens = |kind| told.sum("sluice_tokens_total", &[("model", MODEL), ("kind", kind)]);
    assert_eq!((tokens("prompt"), tokens("completion")), (prompt, completion), "{told:?}");
    assert_eq!((tokens("cached"), tokens("thinking")), (cached, 0), "{told:?}");

    for (name, count) in [("sluice_time_to_first_token_seconds", 3), ("sluice_answer_seconds", 6)] {
        assert_eq!(told.sum(&format!("{name}_count"), &[]), count, "{told:?}");
        let buckets = told.all(&format!("{name}_bucket"), &[("model", MODEL)]);
        assert!(buckets.len() == 15 && buckets.is_sorted(), "{name}: {buckets:?}");
        assert_eq!(told.sum(&format!("{name}_bucket"), &[("le", "+Inf")]), count, "{told:?}");
    }

    // The Gate's own counts: of rows since its key was made, and of all messages, that one among them.
    assert_eq!(told.sum("sluice_gate_rows_written_total", &[]), rows, "{told:?}");
    assert!((7..=12).contains(&rows), "six served requests, and none for a refusal: {rows}");
    let told_calls = told.sum("sluice_gate_calls_total", &[]);
    assert!((calls..=after.calls).contains(&told_calls), "{told_calls}: {before:?} {after:?}");
    assert_eq!(told.sum("sluice_failed_logins_total", &[]), 1, "{told:?}");

    assert_eq!(told.all("sluice_origin_up", &[("origin", "")]), [1.0]);
    assert!(told.sum("sluice_isolates", &[]) >= 1);
    for measure in MEASURES.into_iter().filter(|measure| !NOT_HERE.contains(&measure.name)) {
        assert_eq!(told.kind(measure.name), Some(measure.kind), "{} is not told: {told:?}", measure.name);
    }

    // The console's view is of the same counts.
    let live = stack.edge.admin("GET", "/live?span=hour", None).ok().json();
    let total = &live["total"];
    assert_eq!((&total["requests"]["served"], &total["requests"]["refused"]), (&json!(6), &json!(6)), "{total}");
    assert_eq!((&total["tokens"]["prompt"], &total["tokens"]["completion"]), (&json!(prompt), &json!(completion)));
    assert_eq!((&total["gate_rows"], &total["failed_logins"]), (&json!(rows), &json!(1)), "{total}");
    assert_eq!(total["refused_by"], json!([{"plan": PLAN, "limit": "window-0", "count": 5}]), "{total}");

    // Isolates end, and counters do not begin anew.
    stack.restart_edge();
    let again = of_edge(&stack);
    for name in ["sluice_requests_total", "sluice_refusals_total", "sluice_tokens_total", "sluice_answer_seconds_sum"] {
        assert_eq!(again.all(name, &[]), told.all(name, &[]), "{name}");
    }
    assert!(again.sum("sluice_gate_calls_total", &[]) >= told_calls);
    let text = again.text();
    assert!(!text.contains(&key.key) && !text.contains(&key.account), "who it was is told nowhere: {text}");
}

#[test]
fn measures_have_a_scope_that_opens_nothing_else() {
    let stack = Stack::new().setting("ADMIN_TOKENS", admins()).start();
    let key = stack.key();
    metrics_as(&stack, Some(SCRAPER)).ok();
    metrics_as(&stack, Some(ADMIN_TOKEN)).ok();
    metrics_as(&stack, None).refused(Reason::InvalidAdminToken);
    metrics_as(&stack, Some("wrong")).refused(Reason::InvalidAdminToken);
    metrics_as(&stack, Some(&key.key)).refused(Reason::InvalidAdminToken);
    metrics_as(&stack, Some(KEYS_ADMIN)).refused(Reason::NotAllowed);
    let head = stack.edge.send(|http, base| http.head(format!("{base}/metrics")).bearer_auth(SCRAPER)).from_edge().ok();
    assert!(head.body.is_empty());
    let post = stack.edge.send(|http, base| http.post(format!("{base}/metrics")).bearer_auth(SCRAPER)).from_edge();
    assert_eq!(post.refused(Reason::MethodNotAllowed).header("allow"), Some("GET, HEAD"));
    let as_scraper = |method: &str, path: &str| stack.edge.admin_as(SCRAPER, method, path, None);
    for (method, path) in [
        ("GET", "/keys"),
        ("GET", "/accounts"),
        ("GET", "/plans"),
        ("GET", "/origins"),
        ("GET", "/usage"),
        ("GET", "/audit"),
        ("GET", "/failed-logins"),
        ("GET", "/live"),
        ("GET", "/live/stream"),
        ("POST", "/keys"),
        ("DELETE", "/cache"),
    ] {
        let answer = as_scraper(method, path);
        assert_eq!(answer.status, Reason::NotAllowed.row().status, "{method} {path}: {}", answer.text());
        answer.refused(Reason::NotAllowed);
    }
    // Nobody's token, nobody's key.
    stack.check_logs(&[SCRAPER, KEYS_ADMIN, &key.key]);
}

/// The page lists what the origin tells, with its labels: the sources name them in too many places to be read.
#[test]
fn the_page_lists_what_the_origin_tells() {
    let driver = StandIn::new();
    // Nobody collects traces there, and what becomes of them is told all the same.
    let stack = Stack::new().on_gpu(driver.library()).collected_at(([127, 0, 0, 1], 1).into()).start();
    stack.script().allow_all();
    let key = stack.key();
    stack.edge.chat(Some(&key.key), &hello_stream(8)).ok().stream().whole();
    until_true("the driver was asked", SOON, || of_origin(&stack).contains(UUID));
    let origin = Caller::new(stack.origin_address());
    assert_eq!(origin.send(|http, base| http.get(format!("{base}/nowhere"))).status, 404);
    let mut listed = Told::read(&of_origin(&stack)).listed();
    // What is told of pictures is told where some are drawn, and the edge tells the same.
    let drawing = Stack::new().drawing_origin().start();
    let key = drawing.key();
    let body = json!({"model": DRAWS, "prompt": "a red square", "size": "64x64", "num_inference_steps": 3, "n": 2});
    let path = "/v1/images/generations";
    drawing
        .edge
        .send(|http, edge| http.post(format!("{edge}{path}")).bearer_auth(&key.key).json(&body))
        .from_edge()
        .ok();
    let told = Told::read(&of_origin(&drawing));
    let of = |told: &Told, names: [&str; 2]| names.map(|name| told.sum(name, &[]));
    assert_eq!(of(&told, ["sluice_origin_images_total", "sluice_origin_image_steps_total"]), [2, 6], "{told:?}");
    let is_told = || of(&of_edge(&drawing), ["sluice_images_total", "sluice_image_steps_total"]) == [2, 6];
    until_true("the edge tells the same", PATIENCE, is_told);
    listed.extend(told.listed().into_iter().filter(|(name, _)| name.starts_with("sluice_origin_image")));
    assert_eq!(listed, told::on_page("origin"));
    let text = of_edge(&stack);
    assert!(told::on_page("edge").contains_key("sluice_requests_total"), "{text:?}");
}

/// How long what is counted may take until it is told: an isolate hands it on every 2.5 seconds.
const PATIENCE: Duration = Duration::from_secs(20);
