//! The scripted platform keeps what a platform promises, or the other laws would say nothing.

use super::for_seeds;
use super::stage::{Stage, plan};
use crate::platform::deadline::{Deadline, with_one_timer};
use crate::platform::objects::{Cause, Object, Unanswered};
use crate::platform::rows::{Rows, integer, number};
use crate::platform::scripted::{Edge, Faults, World};
use crate::platform::{Env, Fault, State, Storage, call_object, isolate_local, now, sleep};
use futures_util::future::join_all;
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::pending;
use std::rc::Rc;

/// Counts: `+` one more and says how many, `!` one more and then fails, `t` one more in a transaction that fails.
struct Counter {
    rows: Rows,
    storage: Rc<Storage>,
}

impl Object for Counter {
    fn new(state: State, _env: Env) -> Self {
        Self { rows: Rows::new(&state, "counter"), storage: state.storage() }
    }

    async fn answer(&self, message: Vec<u8>) -> Result<Vec<u8>, Fault> {
        sleep(1).await;
        match message.as_slice() {
            b"t" => {
                let undone = self.storage.transaction(&mut || {
                    self.add()?;
                    Err("never mind".into())
                });
                assert!(undone.is_err());
                self.rows.forget();
            }
            b"!" => {
                self.add()?;
                return Err("as it was told".into());
            }
            _ => self.add()?,
        }
        Ok(count(&self.rows)?.to_string().into_bytes())
    }
}

impl Counter {
    fn add(&self) -> Result<(), Fault> {
        self.rows.make("(id INTEGER PRIMARY KEY, count INTEGER NOT NULL)")?;
        let add = "INSERT INTO counter (id, count) VALUES (0, 1) ON CONFLICT (id) DO UPDATE SET count = count + ?";
        self.rows.exec(add, vec![integer(1)]).map(drop)
    }
}

fn count(rows: &Rows) -> Result<i64, Fault> {
    if !rows.exists()? {
        return Ok(0);
    }
    let rows = rows.exec("SELECT count FROM counter", Vec::new())?;
    Ok(rows.first().and_then(|row| number(row.first()?)).unwrap_or_default())
}

fn world(seed: u64) -> World {
    let edge =
        Edge::new(|_, _, _| Box::pin(async { Err("nothing is served".into()) })).with_objects::<Counter>("Counter");
    World::new(seed, edge, BTreeMap::new())
}

/// What a message to the counter is answered.
fn tell(world: &World, message: &'static [u8]) -> Result<i64, Unanswered> {
    let answered = Rc::<RefCell<Option<Result<_, Unanswered>>>>::default();
    let (env, place, to) = (world.env(), world.place(), answered.clone());
    world.spawn_in(place, async move {
        let answer = call_object(&env, "COUNTER", "one", message).await;
        to.replace(Some(answer));
    });
    assert!(world.run_until(10_000, || answered.borrow().is_some()));
    let answer = answered.take().expect("it is there");
    answer.map(|answer: Vec<u8>| String::from_utf8_lossy(&answer).parse().expect("a number"))
}

fn stored(world: &World) -> i64 {
    world.stored("COUNTER", "one", |state| count(&Rows::new(state, "counter")).expect("rows are read"))
}

#[test]
fn with_the_same_seed_everything_happens_again() {
    let run = |seed| {
        let limits = json!([{"name": "parallel", "kind": "parallel", "limit": 2}]);
        let stage = Stage::new(seed, &plan(&limits, &json!("refuse")));
        stage.origin.odd.set(500);
        let faults =
            Faults { delay_ms: 20, lost: 100, repeated: 100, isolate_ends: 5, object_ends: 20, ..Faults::default() };
        stage.world.set_faults(faults);
        let callers: Vec<_> = (0..6).map(|_| stage.chat(stage.place(), "x", true)).collect();
        stage.calm();
        (stage.world.trace(), callers.iter().map(|caller| caller.body()).collect::<Vec<_>>())
    };
    for_seeds(20, |seed| assert_eq!(run(seed), run(seed)));
    assert_ne!(run(1).0, run(2).0);
}

#[test]
fn what_an_object_wrote_is_there_when_its_answer_is_and_when_it_starts_again() {
    for_seeds(200, |seed| {
        let world = world(seed);
        world.set_faults(Faults { delay_ms: 3, object_ends: 200, write_lost: 200, ..Faults::default() });
        let mut told = 0;
        let mut sent = 0;
        for _ in 0..20 {
            sent += 1;
            if let Ok(count) = tell(&world, b"+") {
                assert!(count > told, "an answer of before");
                told = count;
            }
            assert!((told..=sent).contains(&stored(&world)), "{} of {told} to {sent}", stored(&world));
        }
    });
}

#[test]
fn what_was_written_before_an_exception_stays_and_in_a_transaction_it_does_not() {
    let world = world(1);
    assert_eq!(tell(&world, b"+").map_err(|unanswered| unanswered.cause), Ok(1));
    assert_eq!(tell(&world, b"!").map_err(|unanswered| unanswered.cause), Err(Cause::Own));
    assert_eq!(stored(&world), 2);
    assert_eq!(tell(&world, b"t").map_err(|unanswered| unanswered.cause), Ok(2));
    world.set_room("COUNTER", "one", Some(0));
    assert_eq!(tell(&world, b"+").map_err(|unanswered| unanswered.cause), Err(Cause::Own), "its disk is full");
    world.set_room("COUNTER", "one", None);
    world.end_object("COUNTER", "one");
    assert_eq!(tell(&world, b"+").map_err(|unanswered| unanswered.cause), Ok(3));
}

isolate_local! {
    static SEEN: Cell<u32> = Cell::new(0);
}

#[test]
fn isolates_share_no_memory_and_one_that_ends_forgets() {
    let world = world(1);
    let (one, other) = (world.place(), world.place());
    let seen: Rc<RefCell<Vec<u32>>> = Rc::default();
    let look = |place| {
        let seen = seen.clone();
        world.spawn_in(place, async move {
            SEEN.set(SEEN.get() + 1);
            seen.borrow_mut().push(SEEN.get());
        });
        world.run_for(1);
    };
    look(one);
    look(one);
    look(other);
    world.end_isolate(one);
    look(one);
    look(other);
    assert_eq!(*seen.borrow(), [1, 2, 1, 1, 2]);
}

#[test]
fn deadlines_of_one_timer_end_each_at_its_own_time() {
    for_seeds(200, |seed| {
        let world = world(seed);
        let began = now();
        let ended = Rc::<RefCell<Vec<(u64, u64)>>>::default();
        let one = |_| {
            let [begin, wait] = [world.below(300), 1 + world.below(500)];
            // Some are set again before they end, for the same time.
            let again = if world.below(3) == 0 { wait / 2 } else { 0 };
            let ended = ended.clone();
            async move {
                let ms = |ms| u32::try_from(ms).expect("below a second");
                sleep(ms(begin)).await;
                let deadline = Deadline::new(None).expect("a timer is there");
                deadline.set(ms(wait));
                if again > 0 {
                    sleep(ms(again)).await;
                    deadline.set(ms(wait));
                }
                assert_eq!(deadline.limit(pending::<()>()).await, None);
                ended.borrow_mut().push((begin + again + wait, now() - began));
            }
        };
        let all: Vec<_> = (0..8).map(one).collect();
        world.spawn(async move { drop(with_one_timer(join_all(all)).await) });
        world.run_for(2_000);
        let ended = ended.borrow();
        assert_eq!(ended.len(), 8, "each ends");
        assert!(ended.iter().all(|(expected, at)| expected == at), "{ended:?}");
    });
}
