//! No collector is waited for, whatever it does, and what it does not take is counted.

use super::collected;
use super::collector::{FakeCollector, Manner};
use crate::harness::{Harness, chat, text_of, until, until_then};
use serde_json::Value;
use sluice_origin::config::{Collector, Config, HeadersSecret};
use std::net::TcpListener;
use std::time::{Duration, Instant};

async fn answers(harness: &Harness) {
    harness.script.allow_all();
    let response = harness.post(&chat("hi")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(text_of(&response.json::<Value>().await.unwrap()), "ok");
}

/// How many spans had this outcome.
async fn counted(harness: &Harness, outcome: &str) -> u64 {
    let text = harness.get("/metrics").send().await.unwrap().text().await.unwrap();
    let name = format!("sluice_exported_spans_total{{outcome=\"{outcome}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
}

async fn until_counted(harness: &Harness, outcome: &str, count: u64) {
    until_then(&format!("{count} {outcome}"), async || counted(harness, outcome).await == count).await;
}

#[tokio::test]
async fn what_is_taken_is_counted() {
    let collector = FakeCollector::start(Manner::Takes);
    let harness = Harness::with(collected(&collector)).await;
    answers(&harness).await;
    until_counted(&harness, "sent", 5).await;
    assert_eq!((counted(&harness, "failed").await, counted(&harness, "dropped").await), (0, 0));
}

/// An end of it that is no end for the origin: requests are answered, and spans are counted as lost.
#[tokio::test]
async fn what_is_refused_is_counted_and_nobody_else_is_told() {
    let elsewhere = FakeCollector::start(Manner::Takes);
    let moved = format!("location: {}/v1/traces\r\n", elsewhere.url);
    let manners = [
        Manner::Says(400, String::new()),
        Manner::Says(401, String::new()),
        Manner::Says(500, String::new()),
        Manner::Says(302, moved.clone()),
        Manner::Says(307, moved),
        Manner::Babbles,
    ];
    for manner in manners {
        let collector = FakeCollector::start(manner.clone());
        let harness = Harness::with(collected(&collector)).await;
        answers(&harness).await;
        until_counted(&harness, "failed", 5).await;
        answers(&harness).await;
        until_counted(&harness, "failed", 10).await;
        assert_eq!((counted(&harness, "sent").await, elsewhere.messages()), (0, 0), "{manner:?}");
    }
}

#[tokio::test]
async fn what_may_pass_later_is_tried_again() {
    for manner in [Manner::Says(503, String::new()), Manner::Cuts] {
        let collector = FakeCollector::start(manner.clone());
        let harness = Harness::with(collected(&collector)).await;
        answers(&harness).await;
        until(&format!("{manner:?} is asked again"), || collector.messages() >= 2).await;
        answers(&harness).await;
        until_counted(&harness, "failed", 10).await;
    }
}

#[tokio::test]
async fn nobody_is_there() {
    // A port that was free a moment ago.
    let url = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let collector = Collector::new(&url, &HeadersSecret::default(), 1.0).unwrap();
    let harness = Harness::with(Config { collector: Some(collector), ..Config::local() }).await;
    answers(&harness).await;
    until_counted(&harness, "failed", 5).await;
    answers(&harness).await;
}

#[tokio::test]
async fn one_that_hangs_holds_up_neither_requests_nor_the_end() {
    let collector = FakeCollector::start(Manner::Hangs);
    let mut harness = Harness::with(collected(&collector)).await;
    answers(&harness).await;
    until("it hangs", || collector.messages() == 1).await;
    let begun = Instant::now();
    for _ in 0..20 {
        answers(&harness).await;
    }
    // Less than any of the waits for a collector.
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let (origin, begun) = (harness.origin.take().unwrap(), Instant::now());
    origin.drain().await;
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn who_ends_without_a_word_waits_for_no_collector() {
    let collector = FakeCollector::start(Manner::Hangs);
    let mut harness = Harness::with(collected(&collector)).await;
    answers(&harness).await;
    until("it hangs", || collector.messages() == 1).await;
    let begun = Instant::now();
    harness.origin = None;
    until_then("it is gone", async || harness.get("/health").send().await.is_err()).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_origin_that_stops_tells_its_last_requests_first() {
    let collector = FakeCollector::start(Manner::Takes);
    let mut harness = Harness::with(collected(&collector)).await;
    answers(&harness).await;
    harness.origin.take().unwrap().drain().await;
    assert_eq!(collector.spans().len(), 5);
}
