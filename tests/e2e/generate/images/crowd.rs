//! Many callers at once: never two pictures at a time, nobody is lost, and whoever is refused comes back when it was told.

use super::ask;
use harness::caller::Caller;
use harness::wait::{Over, SOON};
use harness::{RunningStack, Stack};
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};

const CALLERS: usize = 50;
/// How often one may be refused: the first time, and again where a loaded machine draws slower than it was measured.
const REFUSED_AT_MOST: usize = 3;

fn picture() -> Value {
    json!({"size": "128x128", "num_inference_steps": 20})
}

/// How many pictures the origin draws at this moment, and how many it has drawn.
fn drawn(stack: &RunningStack) -> (f64, f64) {
    let origin = Caller::new(stack.origin_address());
    let text = origin.send(|http, base| http.get(format!("{base}/metrics"))).text().to_owned();
    let value = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}"));
        line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()).expect("a number")
    };
    (value("sluice_image_requests_running"), value("sluice_origin_images_total"))
}

#[test]
fn fifty_at_once_are_each_drawn_when_they_come_as_they_were_told() {
    let stack = Stack::new().drawing_origin().limit("1000 per 1m").start();
    let keys: Vec<_> = (0..CALLERS).map(|_| stack.key().key).collect();
    // What it takes is measured while pictures are drawn.
    ask(&stack, &keys[0], &picture()).ok();
    let over = Over::default();
    let (refused, most) = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = 0.0_f64;
            while !over.is_over() {
                most = most.max(drawn(&stack).0);
                thread::sleep(Duration::from_millis(5));
            }
            most
        });
        let end = over.at_the_end();
        let callers: Vec<_> = keys.iter().map(|key| scope.spawn(|| come_until_drawn(&stack, key))).collect();
        let refused: Vec<usize> = callers.into_iter().map(|caller| caller.join().expect("it is drawn")).collect();
        drop(end);
        (refused, watcher.join().expect("it looks on"))
    });
    assert_eq!(most, 1.0, "never two at a time");
    assert_eq!(drawn(&stack).1, CALLERS as f64 + 1.0, "each is drawn once");
    // One is drawn and sixteen wait: the others find no place when all come at once.
    assert!(refused.iter().filter(|times| **times > 0).count() >= 10, "nobody was refused: {refused:?}");
    assert!(refused.iter().all(|times| *times <= REFUSED_AT_MOST), "told times did not hold: {refused:?}");
}

/// Asks, and again when it is told to, until there is a picture; returns how often it was refused.
fn come_until_drawn(stack: &RunningStack, key: &str) -> usize {
    let begun = Instant::now();
    for refused in 0.. {
        let answer = ask(stack, key, &picture());
        if answer.status == 200 {
            return refused;
        }
        let wait = answer.retry_after_ms().unwrap_or_else(|| panic!("no time is told: {answer:?}"));
        assert!(begun.elapsed() < 12 * SOON, "still refused: {answer:?}");
        // A client's own manners.
        thread::sleep(Duration::from_millis(wait));
    }
    unreachable!("it has asked without an end")
}
