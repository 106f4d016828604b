//! A GPU whose memory goes makes its origin fuller at the edge, and what is unknown does not.

#[path = "../../../../origin/tests/nvml/stand_in.rs"]
pub(super) mod stand_in;

use super::{of_edge, of_origin};
use harness::caller::hello;
use harness::wait::{SOON, until_true};
use harness::{RunningStack, Stack};
use stand_in::{StandIn, TOTAL, UUID};
use std::time::Duration;

#[test]
fn memory_that_goes_is_seen_at_the_edge() {
    let driver = StandIn::new();
    let stack = Stack::new().on_gpu(driver.library()).start();
    stack.script().allow_all();
    let key = stack.key();
    until_true("the driver was asked", SOON, || of_origin(&stack).contains(UUID));
    let is_as_full = |ratio: f64| {
        until_true(&format!("the origin is as full as {ratio}"), PATIENCE, || {
            // It says so with each answer, and the edge hands it on within 2.5 seconds.
            stack.edge.chat(Some(&key.key), &hello(8)).ok();
            of_edge(&stack).all("sluice_origin_in_use_ratio", &[("origin", "")]) == [ratio]
        });
    };
    is_as_full(places(&stack));
    // Half was free, and three quarters of that are gone: it presses from the half of it on.
    driver.memory(TOTAL / 8, None);
    is_as_full(0.5);
    assert_eq!(stack.capacity().mem, Some(50));
    // A GPU that is lost says nothing. Its origin is as full as its places are.
    driver.say("fail.all", 15);
    is_as_full(places(&stack));
    assert_eq!(stack.capacity().mem, None);
    driver.unsay("fail.all");
    is_as_full(0.5);
    assert!(driver.calls("nvmlInit_v2") >= 2, "it was looked for again");
}

/// How full an origin is by its places that answers one request: an answer's head comes while it runs.
fn places(stack: &RunningStack) -> f64 {
    let capacity = stack.capacity();
    f64::from(100 / (capacity.slots + capacity.queue)) / 100.0
}

/// How long what is counted may take until it is told.
const PATIENCE: Duration = Duration::from_secs(20);
