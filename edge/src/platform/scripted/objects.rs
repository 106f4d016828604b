//! Objects: who has which name, how messages reach them, and what is kept of what they write.

use super::course::tasks::Home;
use super::course::{self, Timer, happens, is_lost};
use super::sql::{Disk, Sql};
use super::time::passed;
use crate::platform::objects::{Cause, Object, Unanswered};
use crate::platform::{Env, Fault, now, sleep};
use futures_channel::oneshot::{self, Receiver, Sender};
use sluice_protocol::time::Millis;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{Future, pending};
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
type Name = (String, String);

/// One object: what it has stored, and what runs of it.
pub(super) struct Slot {
    name: Name,
    disk: Rc<Disk>,
    alarm: RefCell<Option<(Millis, Timer)>>,
    running: RefCell<Option<Running>>,
}

/// A start of an object.
#[derive(Clone)]
struct Running {
    home: Home,
    object: Rc<dyn Erased>,
}

/// How objects of each kind start.
#[derive(Default)]
pub(super) struct Kinds(BTreeMap<String, Start>);

type Start = Rc<dyn Fn(State, Env) -> Rc<dyn Erased>>;

/// All objects of a world.
#[derive(Default)]
struct Objects {
    kinds: Kinds,
    env: Option<Env>,
    slots: BTreeMap<Name, Rc<Slot>>,
    /// How many messages have reached objects, by kind.
    delivered: BTreeMap<String, u64>,
}

thread_local! {
    /// Those of this thread's world.
    static OBJECTS: RefCell<Objects> = RefCell::default();
}

type Local<T> = Pin<Box<dyn Future<Output = T>>>;

/// An [`Object`] of any type.
trait Erased {
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

impl Kinds {
    /// Adds a kind.
    pub(super) fn add<T: Object>(&mut self, kind: &str) {
        let start: Start = Rc::new(|state: State, env: Env| -> Rc<dyn Erased> { Rc::new(T::new(state, env)) });
        self.0.insert(kind.to_owned(), start);
    }
}

/// A world begins, with objects of these kinds.
pub(super) fn begin(kinds: Kinds, env: Env) {
    OBJECTS.set(Objects { kinds, env: Some(env), ..Objects::default() });
}

/// It ends.
pub(super) fn end() {
    drop(OBJECTS.take());
}

/// The object of this kind and name; it need not run.
pub(super) fn slot(kind: &str, name: &str) -> Rc<Slot> {
    slot_of(&(kind.to_owned(), name.to_owned()))
}

/// The names of all objects of a kind that were ever called.
pub(super) fn names(kind: &str) -> Vec<String> {
    let names =
        |objects: &Objects| objects.slots.keys().filter(|(of, _)| of == kind).map(|(_, name)| name.clone()).collect();
    OBJECTS.with_borrow(names)
}

/// How many messages have reached objects of a kind.
pub(super) fn delivered(kind: &str) -> u64 {
    OBJECTS.with_borrow(|objects| objects.delivered.get(kind).copied().unwrap_or_default())
}

impl State {
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
        let alarm = slot_of(&self.name).alarm.borrow().as_ref().map(|(at, _)| *at);
        Ok(alarm.map(|at| now() + at.saturating_sub(passed())))
    }

    /// Sets the alarm to this many milliseconds from now, and to no other time.
    pub async fn set_alarm(&self, wait: Millis) -> Result<(), Fault> {
        let (name, at) = (self.name.clone(), passed() + wait);
        course::after_turn(move || set_alarm(name, at));
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
    course::after_turn(move || course::spawn(Home::Outside, carry(name, message, tell)));
    told.await.unwrap_or_else(|_| Err(unanswered(Cause::Unreachable, "the message is lost")))
}

impl Slot {
    fn new(name: Name) -> Self {
        Self { name, disk: Rc::new(Disk::new()), alarm: RefCell::default(), running: RefCell::default() }
    }

    /// What it has stored.
    pub(super) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// The same, as an object is given it.
    pub(super) fn state(&self) -> State {
        State(Rc::new(Storage { disk: self.disk.clone(), name: self.name.clone() }))
    }

    /// When its alarm rings, if it is set.
    pub(super) fn alarm(&self) -> Option<Millis> {
        self.alarm.borrow().as_ref().map(|(at, _)| *at)
    }

    /// Which start of it runs.
    pub(super) fn instance(&self) -> Option<u64> {
        match self.running.borrow().as_ref()?.home {
            Home::Object { instance, .. } => Some(instance),
            Home::Outside | Home::Isolate(_) => None,
        }
    }
}

fn slot_of(name: &Name) -> Rc<Slot> {
    OBJECTS.with_borrow_mut(|objects| {
        objects.slots.entry(name.clone()).or_insert_with(|| Rc::new(Slot::new(name.clone()))).clone()
    })
}

/// One message on its way, there and back.
async fn carry(name: Name, message: Vec<u8>, tell: Sender<Result<Vec<u8>, Unanswered>>) {
    course::delay().await;
    let result = if is_lost() {
        Err(unanswered(Cause::Unreachable, "the object is not reached"))
    } else if happens(|faults| faults.overloaded) {
        Err(unanswered(Cause::Overloaded, "the object has too much to do"))
    } else {
        let told = deliver(&name, message.clone());
        if happens(|faults| faults.repeated) {
            let name = name.clone();
            course::spawn(Home::Outside, async move {
                course::delay().await;
                drop(deliver(&name, message).await);
            });
        }
        match told.await {
            _ if happens(|faults| faults.silent) => return pending().await,
            Ok(Ok(answer)) if happens(|faults| faults.answer_lost) => {
                drop(answer);
                Err(unanswered(Cause::Unreachable, "the answer is lost"))
            }
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(fault)) => Err(unanswered(Cause::Own, &fault.to_string())),
            Err(_) if happens(|_| 500) => Err(unanswered(Cause::Reset, "the object was started anew")),
            Err(_) => Err(unanswered(Cause::Unreachable, "the object is gone")),
        }
    };
    course::delay().await;
    // It is for nobody if whoever asked is gone.
    drop(tell.send(result));
}

/// Hands a message to the object, which is started if it does not run. The answer leaves when what was written before it
/// is kept; there is none if the object ends before.
fn deliver(name: &Name, message: Vec<u8>) -> Receiver<Result<Vec<u8>, Fault>> {
    OBJECTS.with_borrow_mut(|objects| *objects.delivered.entry(name.0.clone()).or_default() += 1);
    run(name, |object| object.answer(message))
}

fn run<T: 'static>(name: &Name, act: impl FnOnce(Rc<dyn Erased>) -> Local<T>) -> Receiver<T> {
    let (tell, told) = oneshot::channel();
    let Running { home, object } = running(name);
    let answer = act(object);
    course::spawn(home, async move {
        let answer = answer.await;
        course::after_turn(move || drop(tell.send(answer)));
    });
    told
}

/// The object as it runs; it is started if it does not.
fn running(name: &Name) -> Running {
    let slot = slot_of(name);
    let lives = |home| course::of_thread(|course| course.lives(home)) == Some(true);
    if let Some(running) = slot.running.borrow().as_ref().filter(|running| lives(running.home)) {
        return running.clone();
    }
    let (start, env) = OBJECTS.with_borrow(|objects| (objects.kinds.0.get(&name.0).cloned(), objects.env.clone()));
    let start = start.unwrap_or_else(|| panic!("there are no objects of the kind {}", name.0));
    let env = env.expect("a world has begun");
    let running = course::of_thread(|course| {
        let home = course.new_instance(slot.disk.clone());
        Running { home, object: course.run_in(home, || start(slot.state(), env)) }
    });
    let running = running.expect("a world has begun");
    slot.running.replace(Some(running.clone()));
    running
}

fn set_alarm(name: Name, at: Millis) {
    let slot = slot_of(&name);
    let timer = course::at(at, move || course::spawn(Home::Outside, ring(name)));
    if let Some((_, before)) = slot.alarm.replace(Some((at, timer))) {
        course::forget(before);
    }
}

/// An alarm rings. It rings again if what it was for failed, or ended before it was done.
async fn ring(name: Name) {
    let slot = slot_of(&name);
    slot.alarm.take();
    let is_done = matches!(run(&name, Erased::alarm).await, Ok(Ok(())));
    if !is_done && slot.alarm.borrow().is_none() {
        set_alarm(name, passed() + AGAIN_MS);
    }
}

fn unanswered(cause: Cause, why: &str) -> Unanswered {
    Unanswered { cause, why: why.to_owned() }
}

/// How long after it failed an alarm rings again, in milliseconds.
const AGAIN_MS: Millis = 2_000;
