use super::*;

const LONG: Duration = Duration::from_secs(60);

/// A queue of which the line for texts has these bounds, and the one for pictures some.
pub(super) fn texts(slots: usize, queue: usize, patience: Duration) -> Arc<Queue> {
    let texts = Bounds { slots, queue, patience };
    Queue::new(texts, Bounds { slots: 1, queue: 2, patience })
}

#[tokio::test]
async fn a_slot_goes_to_the_next_on_every_exit() {
    let queue = texts(1, 2, LONG);
    let first = queue.ask(Lane::Texts, "a", Rank::Live(0), None).unwrap().ready().await.unwrap();
    let leaver = queue.ask(Lane::Texts, "a", Rank::Live(0), None).unwrap();
    let waiter = queue.ask(Lane::Texts, "a", Rank::Live(0), None).unwrap();
    assert_eq!(queue.capacity().queued, 2);
    assert_eq!(
        queue.ask(Lane::Texts, "a", Rank::Live(0), None).err().map(|refusal| refusal.reason),
        Some(Reason::Overloaded)
    );
    drop(leaver);
    assert_eq!(queue.capacity().queued, 1);
    drop(first);
    let second = waiter.ready().await.unwrap();
    assert_eq!(queue.capacity().free, 0);
    drop(second);
    queue.idle().await;
    assert_eq!(queue.capacity().free, 1);
}

#[tokio::test]
async fn a_turn_that_comes_while_its_owner_leaves_is_passed_on() {
    let queue = texts(1, 2, LONG);
    let first = queue.ask(Lane::Texts, "a", Rank::Live(0), None).unwrap();
    let leaver = queue.ask(Lane::Texts, "a", Rank::Live(0), None).unwrap();
    let waiter = queue.ask(Lane::Texts, "a", Rank::Live(0), None).unwrap();
    // The leaver's turn has come, and nobody has looked at it.
    drop(first);
    drop(leaver);
    assert!(waiter.ready().await.is_ok());
}

#[tokio::test]
async fn whichever_ends_first_gives_the_slot_back_once() {
    let queue = texts(1, 0, LONG);
    for engine_first in [true, false] {
        let permit = queue.ask(Lane::Texts, "a", Rank::Live(0), None).unwrap().ready().await.unwrap();
        let guard = permit.release_on_end();
        if engine_first {
            drop(guard);
            assert_eq!(queue.capacity().free, 1);
            drop(permit);
        } else {
            drop(permit);
            assert_eq!(queue.capacity().free, 1);
            drop(guard);
        }
        assert_eq!(queue.capacity().free, 1);
    }
}

#[tokio::test]
async fn patience_and_deadline_end_the_wait() {
    let queue = texts(1, 2, Duration::ZERO);
    let _first = queue.ask(Lane::Texts, "a", Rank::Live(0), None).unwrap();
    let waiter = queue.ask(Lane::Texts, "a", Rank::Live(0), None).unwrap();
    assert_eq!(waiter.ready().await.err().map(|refusal| refusal.reason), Some(Reason::QueueTimeout));
    let waiter = queue.ask(Lane::Texts, "a", Rank::Live(0), Some(Instant::now())).unwrap();
    assert_eq!(waiter.ready().await.err().map(|refusal| refusal.reason), Some(Reason::DeadlineExceeded));
    assert_eq!(queue.capacity().queued, 0);
}

#[tokio::test]
async fn closing_refuses_who_waits_and_who_comes() {
    let queue = texts(1, 2, LONG);
    let first = queue.ask(Lane::Texts, "a", Rank::Live(0), None).unwrap().ready().await;
    let waiter = queue.ask(Lane::Texts, "a", Rank::Live(0), None).unwrap();
    queue.close();
    assert_eq!(waiter.ready().await.err().map(|refusal| refusal.reason), Some(Reason::Draining));
    assert_eq!(
        queue.ask(Lane::Texts, "a", Rank::Live(0), None).err().map(|refusal| refusal.reason),
        Some(Reason::Draining)
    );
    assert!(first.is_ok());
}

#[tokio::test]
async fn pictures_and_texts_take_no_places_of_each_other() {
    let queue = texts(1, 0, LONG);
    let text = queue.ask(Lane::Texts, "a", Rank::Live(0), None).unwrap();
    let first = queue.ask(Lane::Pictures, "a", Rank::Live(0), None).unwrap().ready().await.unwrap();
    let waits: Vec<_> = (0..2).map(|_| queue.ask(Lane::Pictures, "a", Rank::Live(0), None).unwrap()).collect();
    let full = queue.ask(Lane::Pictures, "a", Rank::Live(0), None).err().unwrap();
    assert_eq!((full.reason, full.retry_after_ms), (Reason::Overloaded, None));
    assert_eq!(waits[1].position().ahead(), Some(1));
    assert_eq!((queue.capacity().queued, queue.picture_capacity().queued), (0, 2));
    drop(text);
    assert_eq!(queue.picture_capacity().queued, 2);
    let mut waits = waits.into_iter();
    drop(first);
    let second = waits.next().unwrap().ready().await.unwrap();
    drop(second);
    drop(waits.next().unwrap().ready().await.unwrap());
    queue.idle().await;
}
