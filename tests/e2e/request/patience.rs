//! A wait of hours is told, and no client sleeps through it: OpenAI's own clients, with their defaults, come back with the
//! refusal within seconds.

use harness::caller::clients::{run_client, run_node_client};
use harness::caller::{MODEL, hello};
use harness::{Answer, RunningStack, Stack};
use serde_json::Value;
use sluice_protocol::refusal::{Reason, Refusal};
use std::time::Duration;

fn used_up(limit: &str) -> (RunningStack, String) {
    let stack = Stack::new().limit(limit).start();
    stack.script().allow_all();
    let key = stack.key().key;
    stack.edge.chat(Some(&key), &hello(4)).ok();
    (stack, key)
}

fn check(came: &Value) {
    for kind in ["whole", "streamed"] {
        let came = &came[kind];
        assert_eq!((&came["status"], &came["code"]), (&429.into(), &"rate_limit_exceeded".into()), "{came}");
        let wait: u64 = came["retry_after"].as_str().and_then(|text| text.parse().ok()).expect("the wait is told");
        assert!((86_000..=86_400).contains(&wait), "{came}");
        assert!(came["seconds"].as_f64().expect("a number") < 10.0, "{came}");
    }
    assert_eq!(came["model"], MODEL, "a model is looked up by its name");
}

#[test]
fn openais_python_client_does_not_sleep_for_a_day() {
    let (stack, key) = used_up("1 per 1d");
    check(&run_client("chat/openai_patience.py", &[&stack.edge.base_url(), &key, MODEL]));
}

#[test]
fn openais_node_client_does_not_sleep_for_a_day() {
    let (stack, key) = used_up("1 per 1d");
    check(&run_node_client("chat/openai_patience.mjs", &[&stack.edge.base_url(), &key, MODEL]));
}

/// How long OpenAI's client for Go sleeps before it sends a request again, after openai-go 3.52.0,
/// internal/requestconfig/requestconfig.go, `shouldRetry` and `parseRetryAfterHeader`: the header decides, then the status; a
/// told wait is cut to `DefaultMaxServerDelay`. `None`: it does not.
fn go_sleeps(status: u16, header: impl Fn(&str) -> Option<String>) -> Option<Duration> {
    match header("x-should-retry").as_deref() {
        Some("true") => {}
        Some("false") => return None,
        _ if matches!(status, 408 | 409 | 429) || status >= Reason::Internal.row().status => {}
        _ => return None,
    }
    let told = |name: &str, unit: u32| Some(Duration::from_millis(1) * unit * header(name)?.parse().ok()?);
    let wait = told("retry-after-ms", 1).or_else(|| told("retry-after", 1_000)).unwrap_or(Duration::from_millis(500));
    Some(wait.min(Duration::from_secs(8)))
}

#[test]
fn openais_go_client_does_not_sleep_for_a_day_either() {
    let (stack, key) = used_up("1 per 1d");
    let refused = stack.edge.chat(Some(&key), &hello(4)).refused(Reason::RateLimited);
    let sleeps = |answer: &Answer| go_sleeps(answer.status, |name| answer.header(name).map(str::to_owned));
    assert_eq!(sleeps(&refused), None);
    // Whatever is refused, for as long as it may last.
    for reason in Reason::ALL {
        for wait in [None, Some(0), Some(999), Some(60_000), Some(60_001), Some(86_400_000)] {
            let refusal = Refusal::new(*reason, "no");
            let refusal = wait.into_iter().fold(refusal, Refusal::with_retry_after_ms);
            let headers = refusal.headers();
            let header = |name: &str| headers.iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone());
            let slept = go_sleeps(refusal.status(), header);
            // Two times at most, unless it is told not to: all in all less than it takes a person to wonder.
            assert!(slept.is_none_or(|slept| 2 * slept <= Duration::from_secs(16)), "{reason:?}: {slept:?}");
            assert!(wait.is_none_or(|wait| wait <= 60_000) || slept.is_none(), "{reason:?}, {wait:?}: {slept:?}");
        }
    }
}
