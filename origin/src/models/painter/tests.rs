//! The painter on a model with made-up weights, as small as its parts allow.

use super::*;
use crate::models::qwen::precision::Precision;
use crate::models::z_image::checkpoint::made_up::MadeUp;
use crate::models::z_image::size::Size;
use std::sync::Mutex;

const SIDE: usize = 64;
/// No wait in these tests is longer.
const BOUND: Duration = Duration::from_secs(30);

fn model() -> ZImage {
    let directory = tempfile::tempdir().unwrap();
    MadeUp::smallest().write(directory.path(), 2).unwrap();
    ZImage::load(directory.path(), Precision::F32).unwrap()
}

fn order(seed: u64, steps: usize) -> Order {
    Order { prompt: "a red square".into(), size: Size { width: SIDE, height: SIDE }, steps, seed }
}

fn job(orders: Vec<Order>) -> PictureJob {
    PictureJob {
        orders,
        tokens: 7,
        previews: 0,
        deadline: None,
        state: Arc::new(JobState::new()),
        did: Box::new(|_, _, _| {}),
        guard: Box::new(()),
    }
}

/// All that is told of a request.
async fn told(mut painting: Painting) -> (Vec<PictureEvent>, Cause) {
    let mut events = Vec::new();
    loop {
        match painting.next().await {
            PictureEvent::End(cause) => return (events, cause),
            event => events.push(event),
        }
    }
}

fn pictures(events: Vec<PictureEvent>) -> Vec<(usize, Picture)> {
    let picture = |event| match event {
        PictureEvent::Picture { index, picture } => Some((index, picture)),
        _ => None,
    };
    events.into_iter().filter_map(picture).collect()
}

#[tokio::test]
async fn each_picture_has_the_bits_that_it_has_alone_whatever_texts_compute() {
    let mut alone = model();
    let expected: Vec<Picture> = [3, 4].map(|seed| alone.draw(&order(seed, 3)).unwrap()).into();
    let turns = Arc::new(Turns::with_burst(30, Duration::from_micros(100)));
    let painter = Painter::start(alone, Arc::clone(&turns)).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let texts = {
        let (turns, over) = (Arc::clone(&turns), Arc::clone(&over));
        thread::spawn(move || {
            turns.busy(true);
            while !over.load(Ordering::Relaxed) {
                let _step = turns.step(|| {});
                std::hint::black_box((0..20_000).sum::<u64>());
            }
            turns.busy(false);
        })
    };
    let (events, cause) = told(painter.submit(job(vec![order(3, 3), order(4, 3)]))).await;
    over.store(true, Ordering::Relaxed);
    texts.join().unwrap();
    assert_eq!(cause, Cause::Stop);
    let drawn: Vec<(usize, Picture)> = pictures(events);
    assert_eq!(drawn, expected.into_iter().enumerate().collect::<Vec<_>>());
    assert_eq!((painter.steps(), painter.pictures()), (6, 2));
}

#[tokio::test]
async fn steps_and_previews_are_told_in_their_order() {
    let painter = Painter::start(model(), Arc::new(Turns::new(50))).unwrap();
    for (steps, previews, expected) in
        [(4, 1, vec![2]), (4, 3, vec![1, 2, 3]), (8, 3, vec![2, 4, 6]), (1, 3, vec![]), (2, 3, vec![1]), (4, 0, vec![])]
    {
        let (events, cause) = told(painter.submit(PictureJob { previews, ..job(vec![order(1, steps)]) })).await;
        assert_eq!(cause, Cause::Stop);
        let mut done = 0;
        let mut shown = Vec::new();
        for event in &events {
            match event {
                PictureEvent::Step { index: 0, done: now } => {
                    assert_eq!(*now, done + 1);
                    done = *now;
                }
                PictureEvent::Preview { index: 0, picture } => {
                    assert_eq!(picture.pixels.len(), 3 * SIDE * SIDE);
                    shown.push(done);
                }
                PictureEvent::Picture { index: 0, .. } => assert_eq!(done, steps),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((done, shown), (steps, expected), "{steps} steps, {previews} previews");
        assert_eq!(pictures(events).len(), 1);
    }
}

/// Ends a request behind each of its blocks, in one of the ways to end one.
async fn ended(way: usize) -> (usize, Cause) {
    let mut model = model();
    let of_blocks = model.begin(&order(1, 2)).unwrap().progress().of_blocks;
    let again = model.draw(&order(9, 1)).unwrap();
    let painter = Arc::new(Painter::start(model, Arc::new(Turns::new(50))).unwrap());
    let mut cause = Cause::Stop;
    for left_at in 0..of_blocks - 1 {
        let state = Arc::new(JobState::new());
        let painting = Arc::new(Mutex::new(None::<Painting>));
        let (begin, begins) = std_mpsc::channel::<()>();
        let (gone, is_gone) = tokio::sync::oneshot::channel::<()>();
        let blocks = Arc::new(AtomicU64::new(0));
        let did = {
            let (state, painting, blocks) = (Arc::clone(&state), Arc::clone(&painting), Arc::clone(&blocks));
            move |_, count, _| {
                // The first block waits until the reader is there to be dropped.
                let before = blocks.fetch_add(count as u64, Ordering::Relaxed);
                if before == 0 {
                    let _ = begins.recv();
                }
                if before == left_at as u64 {
                    match way {
                        0 => state.cancel(),
                        _ => drop(painting.lock().unwrap().take()),
                    }
                }
            }
        };
        let job = PictureJob {
            state: Arc::clone(&state),
            did: Box::new(did),
            guard: Box::new(gone),
            ..job(vec![order(1, 2)])
        };
        let running = painter.submit(job);
        match way {
            0 => {
                begin.send(()).unwrap();
                cause = told(running).await.1;
            }
            _ => {
                *painting.lock().unwrap() = Some(running);
                begin.send(()).unwrap();
                cause = Cause::Left;
            }
        }
        // Its guard is dropped: whoever holds the other end of it hears of that.
        let gone = tokio::time::timeout(BOUND, is_gone).await.expect("it holds what it is to give back");
        assert!(gone.is_err());
        assert_eq!(blocks.load(Ordering::Relaxed), left_at as u64 + 1, "one block more than it had to");
        assert!(!state.is_whole());
    }
    // Nothing of all of them is left.
    let (events, end) = told(painter.submit(job(vec![order(9, 1)]))).await;
    assert_eq!(end, Cause::Stop);
    assert_eq!(pictures(events), [(0, again)]);
    (of_blocks, cause)
}

#[tokio::test]
async fn who_cancels_or_leaves_frees_the_painter_within_a_block() {
    let (blocks, cause) = ended(0).await;
    assert_eq!(cause, Cause::Cancelled);
    assert!(blocks > 10);
    assert_eq!(ended(1).await.1, Cause::Left);
}

#[tokio::test]
async fn a_deadline_a_drain_and_an_order_that_cannot_be_drawn_end_it() {
    let painter = Painter::start(model(), Arc::new(Turns::new(50))).unwrap();
    let late = PictureJob { deadline: Some(Instant::now()), ..job(vec![order(1, 2)]) };
    assert_eq!(told(painter.submit(late)).await.1, Cause::Deadline);
    let odd = Order { size: Size { width: 63, height: 64 }, ..order(1, 1) };
    let (events, cause) = told(painter.submit(job(vec![order(1, 1), odd]))).await;
    assert!(matches!(cause, Cause::Failed(_)), "{cause:?}");
    assert_eq!(pictures(events).len(), 1, "the one before it is drawn");
    let (events, cause) = told(painter.submit(job(vec![order(2, 1)]))).await;
    assert_eq!((pictures(events).len(), cause), (1, Cause::Stop));
    painter.end_all();
    assert_eq!(told(painter.submit(job(vec![order(1, 2)]))).await.1, Cause::Draining);
    assert_eq!(painter.beat_age(), Duration::ZERO);
}
