//! Spans that wait: bounded, in order, each sent once or counted as dropped, and nobody left to send them who is not there.

use proptest::prelude::*;
use sluice_protocol::telemetry::trace::parent::{SpanId, TraceId};
use sluice_protocol::telemetry::trace::queue::{BATCH, MAX_WAITING, Pace, Queue, WAIT_MS};
use sluice_protocol::telemetry::trace::span::{Kind, Span};

const START: u64 = 1_790_000_000_000;

fn span(number: u64) -> Span {
    Span {
        trace: TraceId::of([7; 16]),
        id: SpanId::of([7; 8]),
        parent: None,
        state: None,
        kind: Kind::Internal,
        name: String::new(),
        start: number,
        end: number,
        attributes: Vec::new(),
        has_failed: false,
    }
}

fn filled(count: usize) -> Queue {
    let mut queue = Queue::default();
    (0..count).for_each(|number| queue.put(span(number as u64)));
    queue
}

#[test]
fn one_waits_and_one_goes_at_once_where_a_batch_is_full() {
    let mut queue = Queue::default();
    assert_eq!(queue.begin(START), None, "there is nothing");
    queue.put(span(0));
    assert_eq!(queue.begin(START), Some(Pace::Later));
    assert_eq!(queue.begin(START), None, "somebody is about to");
    (1..BATCH as u64).for_each(|number| queue.put(span(number)));
    assert_eq!(queue.begin(START), Some(Pace::Now));
    assert_eq!(queue.begin(START), None, "there are two at most");
    assert_eq!(queue.take(Pace::Now, START).len(), BATCH);
    assert!(!queue.sent(Pace::Now, 0, true, START));
    assert_eq!(queue.take(Pace::Later, START), []);
    assert!(!queue.sent(Pace::Later, 0, true, START), "whoever has nothing left ends");
    queue.put(span(1));
    assert_eq!(queue.begin(START), Some(Pace::Later));
}

#[test]
fn what_finds_no_room_is_counted_and_nothing_else_is_lost() {
    let mut queue = filled(MAX_WAITING + 5);
    assert_eq!((queue.waiting(), queue.take_dropped(), queue.take_dropped()), (MAX_WAITING, 5, 0));
    let pace = queue.begin(START).unwrap();
    let mut seen = Vec::new();
    loop {
        seen.extend(queue.take(pace, START).into_iter().map(|span| span.start));
        if !queue.sent(pace, 0, true, START) {
            break;
        }
    }
    assert_eq!(seen, (0..MAX_WAITING as u64).collect::<Vec<_>>(), "in order");
}

#[test]
fn a_sender_that_is_lost_is_replaced_and_what_it_had_is_counted() {
    let mut queue = filled(3);
    assert_eq!(queue.begin(START), Some(Pace::Later));
    assert_eq!(queue.take(Pace::Later, START + WAIT_MS).len(), 3);
    queue.put(span(9));
    assert_eq!(queue.begin(START + WAIT_MS + 15_000), None, "it may take as long as it waits and tries twice");
    assert_eq!(queue.begin(START + WAIT_MS + 60_000), Some(Pace::Later));
    assert_eq!(queue.take_dropped(), 3);
    // Also where clocks were set back by an hour.
    let mut queue = filled(1);
    queue.begin(START);
    assert_eq!(queue.begin(START - 3_600_000), Some(Pace::Later));
}

#[test]
fn an_object_sends_when_it_is_time_or_when_it_is_the_last() {
    let mut queue = filled(1);
    assert_eq!(queue.begin_now(false, START), Some(Pace::Later), "nobody has for long");
    queue.take(Pace::Later, START);
    queue.sent(Pace::Later, 0, false, START);
    queue.put(span(1));
    assert_eq!(queue.begin_now(false, START + 100), None, "somebody is in flight, and comes by");
    assert_eq!(queue.begin_now(true, START + 100), Some(Pace::Later));
    queue.sent(Pace::Later, 0, false, START + 100);
    assert_eq!(queue.begin_now(false, START + WAIT_MS), Some(Pace::Later));
    assert_eq!(filled(0).begin_now(true, START), None, "there is nothing");
}

/// What happens to a queue.
#[derive(Clone, Debug)]
enum Step {
    Put(u8),
    Begin,
    /// The sender of this pace, if there is one, sends a batch, of which so many are lost.
    Send(bool, u8),
    /// It is lost.
    Lose(bool),
    Pass(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1_u8..200).prop_map(Step::Put),
        3 => Just(Step::Begin),
        3 => (any::<bool>(), 0_u8..4).prop_map(|(now, lost)| Step::Send(now, lost)),
        1 => any::<bool>().prop_map(Step::Lose),
        2 => (0_u32..40_000).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #![proptest_config(crate::cases(500))] // not a status: cases

    #[test]
    fn each_span_is_sent_or_waits_or_is_counted(steps in steps()) {
        let (mut queue, mut now) = (Queue::default(), START);
        let (mut put, mut sent, mut dropped) = (0_u64, 0_u64, 0_u64);
        // Who sends, by pace, and how many spans a lost one had.
        let (mut senders, mut since, mut gone) = ([false; 2], [START; 2], [0_u64; 2]);
        for step in steps {
            match step {
                Step::Put(count) => (0..count).for_each(|_| {
                    queue.put(span(put));
                    put += 1;
                }),
                Step::Begin => if let Some(pace) = queue.begin(now) {
                    prop_assert!(queue.waiting() > 0);
                    let is_lost = now - since[pace as usize] >= 30_000;
                    prop_assert!(!senders[pace as usize] || is_lost, "two of one pace");
                    prop_assert!(pace == Pace::Later || queue.waiting() >= BATCH);
                    (senders[pace as usize], since[pace as usize]) = (true, now);
                    gone[pace as usize] = 0;
                },
                Step::Send(is_now, lost) => {
                    let pace = if is_now { Pace::Now } else { Pace::Later };
                    if senders[pace as usize] {
                        let batch = queue.take(pace, now).len() as u64;
                        prop_assert!(batch <= BATCH as u64);
                        let lost = u64::from(lost).min(batch);
                        sent += batch - lost;
                        (senders[pace as usize], since[pace as usize]) = (queue.sent(pace, lost, lost < 3, now), now);
                    }
                }
                Step::Lose(is_now) => {
                    let pace = if is_now { Pace::Now } else { Pace::Later };
                    if senders[pace as usize] {
                        gone[pace as usize] = queue.take(pace, now).len() as u64;
                        senders[pace as usize] = false;
                    }
                }
                Step::Pass(ms) => now += u64::from(ms),
            }
            prop_assert!(queue.waiting() <= MAX_WAITING);
            dropped += queue.take_dropped();
            let on_their_way: u64 = gone.iter().sum();
            let known = sent + dropped + queue.waiting() as u64;
            // What a lost sender had is counted once somebody takes its place.
            prop_assert!(known <= put && put <= known + on_their_way, "{put}: {sent} {dropped} {}", queue.waiting());
        }
    }
}
