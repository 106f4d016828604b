use super::*;

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_slot_goes_to_the_next_on_every_exit() {
    let queue = Queue::new(1, 2, LONG);
    let first = queue.ask("a", Rank::Live(0), None).unwrap().ready().await.unwrap();
    let leaver = queue.ask("a", Rank::Live(0), None).unwrap();
    let waiter = queue.ask("a", Rank::Live(0), None).unwrap();
    assert_eq!(queue.capacity().queued, 2);
    assert_eq!(queue.ask("a", Rank::Live(0), None).err().map(|refusal| refusal.reason), Some(Reason::Overloaded));
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
    let queue = Queue::new(1, 2, LONG);
    let first = queue.ask("a", Rank::Live(0), None).unwrap();
    let leaver = queue.ask("a", Rank::Live(0), None).unwrap();
    let waiter = queue.ask("a", Rank::Live(0), None).unwrap();
    // The leaver's turn has come, and nobody has looked at it.
    drop(first);
    drop(leaver);
    assert!(waiter.ready().await.is_ok());
}

#[tokio::test]
async fn whichever_ends_first_gives_the_slot_back_once() {
    let queue = Queue::new(1, 0, LONG);
    for engine_first in [true, false] {
        let permit = queue.ask("a", Rank::Live(0), None).unwrap().ready().await.unwrap();
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
    let queue = Queue::new(1, 2, Duration::ZERO);
    let _first = queue.ask("a", Rank::Live(0), None).unwrap();
    let waiter = queue.ask("a", Rank::Live(0), None).unwrap();
    assert_eq!(waiter.ready().await.err().map(|refusal| refusal.reason), Some(Reason::QueueTimeout));
    let waiter = queue.ask("a", Rank::Live(0), Some(Instant::now())).unwrap();
    assert_eq!(waiter.ready().await.err().map(|refusal| refusal.reason), Some(Reason::DeadlineExceeded));
    assert_eq!(queue.capacity().queued, 0);
}

#[tokio::test]
async fn closing_refuses_who_waits_and_who_comes() {
    let queue = Queue::new(1, 2, LONG);
    let first = queue.ask("a", Rank::Live(0), None).unwrap().ready().await;
    let waiter = queue.ask("a", Rank::Live(0), None).unwrap();
    queue.close();
    assert_eq!(waiter.ready().await.err().map(|refusal| refusal.reason), Some(Reason::Draining));
    assert_eq!(queue.ask("a", Rank::Live(0), None).err().map(|refusal| refusal.reason), Some(Reason::Draining));
    assert!(first.is_ok());
}
