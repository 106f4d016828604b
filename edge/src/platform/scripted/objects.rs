//! Objects: who has which name, how messages reach them, and what is kept of what they write.

use super::sql::{Disk, Sql};
use super::tasks::Home;
use super::world::{self, Inner, Timer};
use crate::platform::objects::{Cause, Object, Unanswered};
use crate::platform::{Env, Fault, now, sleep};
use futures_channel::oneshot::{self, Receiver, Sender};
use sluice_protocol::time::Millis;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

/// What an object is given at its start.
pub struct State(Rc<Storage>);

/// An object's transactions and its alarm.
pub struct Storage {
    disk: Rc<Disk>,
    /// Whose.
    name: Name,
}

/// A kind and a name.
pub(super) type Name = (String, String);

/// One object: what it has stored, and what runs of it.
pub(super) struct Slot {
    pub(super) disk: Rc<Disk>,
    alarm: RefCell<Option<(Millis, Timer)>>,
    pub(super) running: RefCell<Option<Running>>,
}

/// A start of an object.
#[derive(Clone)]
pub(super) struct Running {
    pub(super) isolate: u64,
    pub(super) instance: u64,
    object: Rc<dyn Erased>,
}

/// How objects of a kind start.
pub(super) type Start = Rc<dyn Fn(State, Env) -> Rc<dyn Erased>>;

type Local<T> = Pin<Box<dyn Future<Output = T>>>;

/// An [`Object`] of any type.
pub(super) trait Erased {
    fn answer(self: Rc<Self>, message: Vec<u8>) -> Local<Result<Vec<u8>, Fault>>;
    fn alarm(self: Rc<Self>) -> Local<Result<(), Fault>>;
}

impl<T: Object> Erased for T {
    fn answer(self: Rc<Self>, message: Vec<u8>) -> Local<Result<Vec<u8>, Fault>> {
        Box::pin(async move {
            match self.answer_at_once(&message)? {
                Some(answer) => Ok(answer),
                None => Object::answer(self.as_ref(), message).await,
            }
        })
    }

    fn alarm(self: Rc<Self>) -> Local<Result<(), Fault>> {
        Box::pin(async move { Object::alarm(self.as_ref()).await })
    }
}

impl State {
    pub(super) fn of(disk: Rc<Disk>, name: Name) -> Self {
        Self(Rc::new(Storage { disk, name }))
    }

    /// Its SQLite.
    pub fn sql(&self) -> Sql {
        Sql(self.0.disk.clone())
    }

    /// Its transactions and its alarm.
    pub fn storage(&self) -> Rc<Storage> {
        self.0.clone()
    }
}

impl Storage {
    /// When the alarm rings, if it is set.
    pub async fn alarm(&self) -> Result<Option<Millis>, Fault> {
        sleep(0).await;
        let alarm = world::of_thread(|world| world.slot(&self.name).alarm.borrow().as_ref().map(|(at, _)| *at));
        Ok(alarm.flatten())
    }

    /// Sets the alarm to this many milliseconds from now, and to no other time.
    pub async fn set_alarm(&self, wait: Millis) -> Result<(), Fault> {
        let (name, at) = (self.name.clone(), now() + wait);
        world::after_turn(move || set_alarm(name, at));
        sleep(0).await;
        Ok(())
    }

    /// Runs a function whose writes are kept all together, or not at all if it fails.
    pub fn transaction(&self, body: &mut dyn FnMut() -> Result<(), Fault>) -> Result<(), Fault> {
        self.disk.transaction(body)
    }
}

/// Sends a message to the object of this name, once, and returns what it answers.
pub async fn call_object(_env: &Env, kind: &'static str, name: &str, message: &[u8]) -> Result<Vec<u8>, Unanswered> {
    let (tell, told) = oneshot::channel();
    let (name, message) = ((kind.to_owned(), name.to_owned()), message.to_vec());
    world::after_turn(move || world::spawn(Home::Outside, carry(name, message, tell)));
    told.await.unwrap_or_else(|_| Err(unanswered(Cause::Unreachable, "the message is lost")))
}

impl Slot {
    pub(super) fn new() -> Self {
        Self { disk: Rc::new(Disk::new()), alarm: RefCell::default(), running: RefCell::default() }
    }
}

/// One message on its way, there and back.
async fn carry(name: Name, message: Vec<u8>, tell: Sender<Result<Vec<u8>, Unanswered>>) {
    let Some(faults) = world::of_thread(|world| world.faults.get()) else { return };
    let happens = |chance| world::of_thread(|world| world.rng.borrow_mut().per_mille(chance)).unwrap_or_default();
    world::delay().await;
    let result = if happens(faults.lost) {
        Err(unanswered(Cause::Unreachable, "the object is not reached"))
    } else if happens(faults.overloaded) {
        Err(unanswered(Cause::Overloaded, "the object has too much to do"))
    } else {
        let told = deliver(&name, message.clone());
        if happens(faults.repeated) {
            let name = name.clone();
            world::spawn(Home::Outside, async move {
                world::delay().await;
                drop(deliver(&name, message).await);
            });
        }
        match told.await {
            Ok(Ok(answer)) if happens(faults.answer_lost) => {
                drop(answer);
                Err(unanswered(Cause::Unreachable, "the answer is lost"))
            }
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(fault)) => Err(unanswered(Cause::Own, &fault.to_string())),
            Err(_) if happens(500) => Err(unanswered(Cause::Reset, "the object was started anew")),
            Err(_) => Err(unanswered(Cause::Unreachable, "the object is gone")),
        }
    };
    world::delay().await;
    // It is for nobody if whoever asked is gone.
    drop(tell.send(result));
}

/// Hands a message to the object, which is started if it does not run. The answer leaves when what was written before it
/// is kept; there is none if the object ends before.
fn deliver(name: &Name, message: Vec<u8>) -> Receiver<Result<Vec<u8>, Fault>> {
    world::of_thread(|world| *world.delivered.borrow_mut().entry(name.0.clone()).or_default() += 1);
    run(name, |object| object.answer(message))
}

fn run<T: 'static>(name: &Name, act: impl FnOnce(Rc<dyn Erased>) -> Local<T>) -> Receiver<T> {
    let (tell, told) = oneshot::channel();
    world::of_thread(|world| {
        let Running { isolate, instance, object } = running(world, name);
        let answer = act(object);
        world.spawn(Home::Object { isolate, instance }, async move {
            let answer = answer.await;
            world::after_turn(move || drop(tell.send(answer)));
        });
    });
    told
}

/// The object, as it runs. It may share an isolate with others, or have one of its own.
fn running(world: &Rc<Inner>, name: &Name) -> Running {
    let slot = world.slot(name);
    if let Some(running) = slot.running.borrow().as_ref() {
        return running.clone();
    }
    let (isolate, instance) = (world.isolate_for_object(), world.number());
    let start = world.edge.start_of(&name.0);
    let state = State::of(slot.disk.clone(), name.clone());
    let object = world.run_in(Home::Object { isolate, instance }, || start(state, world.env()));
    let running = Running { isolate, instance, object };
    slot.running.replace(Some(running.clone()));
    running
}

fn set_alarm(name: Name, at: Millis) {
    world::of_thread(|world| {
        let slot = world.slot(&name);
        let timer = {
            let name = name.clone();
            world::at(at, move || world::spawn(Home::Outside, ring(name)))
        };
        if let Some((_, before)) = slot.alarm.replace(Some((at, timer))) {
            world::forget(before);
        }
    });
}

/// An alarm rings. It rings again if what it was for failed, or ended before it was done.
async fn ring(name: Name) {
    world::of_thread(|world| world.slot(&name).alarm.replace(None));
    if !matches!(run(&name, Erased::alarm).await, Ok(Ok(()))) {
        let is_set = world::of_thread(|world| world.slot(&name).alarm.borrow().is_some());
        if is_set == Some(false) {
            set_alarm(name, now() + AGAIN_MS);
        }
    }
}

fn unanswered(cause: Cause, why: &str) -> Unanswered {
    Unanswered { cause, why: why.to_owned() }
}

/// How long after it failed an alarm rings again, in milliseconds.
const AGAIN_MS: Millis = 2_000;
