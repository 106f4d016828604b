//! One world: its clock, its isolates, its order.

use super::env::{Context, Env};
use super::memory::Memory;
use super::network::Server;
use super::objects::{Erased, Name, Slot, Start, State};
use super::rng::Rng;
use super::sql::Disk;
use super::tasks::{Home, Run, Tasks};
use crate::platform::objects::Object;
use crate::platform::{Fault, Request, Response, sleep};
use sluice_protocol::telemetry::Severity;
use sluice_protocol::time::Millis;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

/// A world of this thread. There is one at a time; it ends when this is dropped.
pub struct World(Rc<Inner>);

/// Where requests go that one isolate serves, until it ends and another one takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(usize);

/// A task that a test has begun.
#[derive(Clone, Copy, Debug)]
pub struct Task(usize);

/// What goes wrong, and how often: in so many of a thousand cases.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// How long a message takes at most, in milliseconds.
    pub delay_ms: u32,
    /// A message does not reach its object.
    pub lost: u32,
    /// A message reaches its object, and its answer is lost.
    pub answer_lost: u32,
    /// A message reaches its object twice.
    pub repeated: u32,
    /// An object has too much to do.
    pub overloaded: u32,
    /// A server is not reached.
    pub unreachable: u32,
    /// A server has the request, and its answer is lost.
    pub reply_lost: u32,
    /// An isolate ends, at any await of a task in it.
    pub isolate_ends: u32,
    /// An object ends, at any await, with what it wrote kept.
    pub object_ends: u32,
    /// An object ends before what it wrote is kept.
    pub write_lost: u32,
}

/// What the edge is to a world.
pub struct Edge {
    pub(super) serve: Rc<Serve>,
    kinds: BTreeMap<String, Start>,
}

type Serve = dyn Fn(Request, Env, Context) -> Pin<Box<dyn Future<Output = Result<Response, Fault>>>>;

impl Edge {
    /// An edge that serves requests so.
    pub fn new(
        serve: impl Fn(Request, Env, Context) -> Pin<Box<dyn Future<Output = Result<Response, Fault>>>> + 'static,
    ) -> Self {
        Self { serve: Rc::new(serve), kinds: BTreeMap::new() }
    }

    /// With objects of this kind; its binding is its name in capitals.
    #[must_use]
    pub fn with_objects<T: Object>(mut self, kind: &str) -> Self {
        let start: Start = Rc::new(|state: State, env: Env| -> Rc<dyn Erased> { Rc::new(T::new(state, env)) });
        self.kinds.insert(kind.to_uppercase(), start);
        self
    }

    pub(super) fn start_of(&self, kind: &str) -> Start {
        self.kinds.get(kind).cloned().unwrap_or_else(|| panic!("there are no objects of the kind {kind}"))
    }
}

/// A timer that was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timer {
    at: Millis,
    number: u64,
}

/// What a world is.
pub(super) struct Inner {
    pub(super) edge: Edge,
    env: RefCell<Env>,
    pub(super) now: Cell<Millis>,
    pub(super) rng: RefCell<Rng>,
    pub(super) faults: Cell<Faults>,
    pub(super) server: RefCell<Option<Server>>,
    pub(super) log: RefCell<Vec<(Severity, String)>>,
    pub(super) tasks: RefCell<Tasks>,
    timers: RefCell<BTreeMap<Timer, Box<dyn FnOnce()>>>,
    numbers: Cell<u64>,
    /// Where what runs now is.
    home: Cell<Home>,
    /// What is to happen when what was written in this turn is kept.
    effects: RefCell<Vec<Box<dyn FnOnce()>>>,
    memories: RefCell<BTreeMap<u64, Memory>>,
    places: RefCell<Vec<u64>>,
    objects: RefCell<BTreeMap<Name, Rc<Slot>>>,
    /// How many messages have reached objects, by kind.
    pub(super) delivered: RefCell<BTreeMap<String, u64>>,
    /// A sum over all that happened, in order.
    trace: Cell<u64>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Inner>>> = const { RefCell::new(None) };
    /// The memory of what runs in no world: tests of one module.
    static LONE: RefCell<Memory> = RefCell::default();
}

/// When a world begins.
pub(super) const BEGIN: Millis = 1_790_000_000_000;

impl World {
    /// A world in which nothing has happened and nothing goes wrong yet.
    pub fn new(seed: u64, edge: Edge, vars: BTreeMap<String, String>) -> Self {
        let inner = Rc::new(Inner {
            edge,
            env: RefCell::new(Env(Rc::new(vars))),
            now: Cell::new(BEGIN),
            rng: RefCell::new(Rng::new(seed)),
            faults: Cell::default(),
            server: RefCell::default(),
            log: RefCell::default(),
            tasks: RefCell::default(),
            timers: RefCell::default(),
            numbers: Cell::new(1),
            home: Cell::new(Home::Outside),
            effects: RefCell::default(),
            memories: RefCell::default(),
            places: RefCell::default(),
            objects: RefCell::default(),
            delivered: RefCell::default(),
            trace: Cell::new(seed),
        });
        let before = CURRENT.replace(Some(inner.clone()));
        assert!(before.is_none(), "a thread has one world at a time");
        Self(inner)
    }

    pub(super) const fn inner(&self) -> &Rc<Inner> {
        &self.0
    }

    /// What goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.0.faults.set(faults);
    }

    /// Who answers the edge's requests from now on.
    pub fn set_server(&self, server: Server) {
        self.0.server.replace(Some(server));
    }

    /// A place with an isolate.
    pub fn place(&self) -> Place {
        let isolate = self.0.new_isolate();
        let mut places = self.0.places.borrow_mut();
        places.push(isolate);
        Place(places.len() - 1)
    }

    /// Ends the isolate of a place, and all that runs in it.
    pub fn end_isolate(&self, place: Place) {
        let isolate = self.0.places.borrow()[place.0];
        self.0.end_isolate(isolate);
    }

    /// Ends an object as it runs; what it has stored stays.
    pub fn end_object(&self, kind: &str, name: &str) {
        let running = self.0.slot(&(kind.to_owned(), name.to_owned())).running.borrow().clone();
        if let Some(running) = running {
            self.0.end_instance(running.instance);
        }
    }

    /// Lets an object's disk take so many writes more; any number if `None`.
    pub fn set_room(&self, kind: &str, name: &str, writes: Option<u32>) {
        self.0.slot(&(kind.to_owned(), name.to_owned())).disk.room.set(writes);
    }

    /// The names of all objects of a kind that were ever called.
    pub fn objects(&self, kind: &str) -> Vec<String> {
        let objects = self.0.objects.borrow();
        objects.keys().filter(|(of, _)| of == kind).map(|(_, name)| name.clone()).collect()
    }

    /// What an object has stored, as an object would see it that started now. It is not started.
    pub fn stored<T>(&self, kind: &str, name: &str, read: impl FnOnce(&State) -> T) -> T {
        let name = (kind.to_owned(), name.to_owned());
        read(&State::of(self.0.slot(&name).disk.clone(), name))
    }

    /// Runs a task outside of the edge.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.0.spawn(Home::Outside, task);
    }

    /// Runs what a test does in an isolate, such as a call of one module.
    pub fn spawn_in(&self, place: Place, task: impl Future<Output = ()> + 'static) -> Task {
        Task(self.0.spawn(Home::Isolate(self.0.isolate_at(place)), task))
    }

    /// Never lets a task go on, as the platform does with what a request waits for that it has ended.
    pub fn abandon(&self, task: Task) {
        std::mem::forget(self.0.tasks.borrow_mut().end(task.0));
    }

    /// How many messages have reached objects of a kind.
    pub fn delivered(&self, kind: &str) -> u64 {
        self.0.delivered.borrow().get(kind).copied().unwrap_or_default()
    }

    /// The settings and secrets.
    pub fn env(&self) -> Env {
        self.0.env()
    }

    /// A random number below this one.
    pub fn below(&self, bound: u64) -> u64 {
        self.0.rng.borrow_mut().below(bound)
    }

    /// All lines of the log, with how bad they are.
    pub fn log(&self) -> Vec<(Severity, String)> {
        self.0.log.borrow().clone()
    }

    /// A sum over all that has happened, in order: two worlds that differ in anything differ in it.
    pub fn trace(&self) -> u64 {
        self.0.trace.get()
    }

    /// Lets things happen until this is so, for so many milliseconds at most; whether it is so.
    pub fn run_until(&self, ms: Millis, is_done: impl Fn() -> bool) -> bool {
        let end = self.0.now.get() + ms;
        for _ in 0..MAX_STEPS {
            if is_done() {
                return true;
            }
            if !self.0.step() && !self.0.ring_next(end) {
                self.0.now.set(end.max(self.0.now.get()));
                return is_done();
            }
        }
        panic!("after {MAX_STEPS} steps there is no end");
    }

    /// Lets so many milliseconds pass.
    pub fn run_for(&self, ms: Millis) {
        self.run_until(ms, || false);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // What is dropped may look at the world.
        drop(self.0.tasks.borrow_mut().end_all(|_| true));
        self.0.timers.take();
        self.0.effects.take();
        self.0.objects.take();
        self.0.server.take();
        self.0.memories.take();
        CURRENT.take();
    }
}

impl Inner {
    pub(super) fn env(&self) -> Env {
        self.env.borrow().clone()
    }

    /// A number that nothing else has.
    pub(super) fn number(&self) -> u64 {
        self.numbers.replace(self.numbers.get() + 1)
    }

    pub(super) fn new_isolate(&self) -> u64 {
        let isolate = self.number();
        self.memories.borrow_mut().insert(isolate, Memory::default());
        isolate
    }

    /// The isolate of a place; a new one if the one before has ended.
    pub(super) fn isolate_at(&self, place: Place) -> u64 {
        let isolate = self.places.borrow()[place.0];
        if self.memories.borrow().contains_key(&isolate) {
            return isolate;
        }
        let isolate = self.new_isolate();
        self.places.borrow_mut()[place.0] = isolate;
        isolate
    }

    /// Where an object starts: among others, or alone.
    pub(super) fn isolate_for_object(&self) -> u64 {
        let known: Vec<u64> = self.memories.borrow().keys().copied().filter(|isolate| *isolate != 0).collect();
        let choice = self.rng.borrow_mut().below(known.len() as u64 + 1) as usize;
        known.get(choice).copied().unwrap_or_else(|| self.new_isolate())
    }

    pub(super) fn slot(&self, name: &Name) -> Rc<Slot> {
        self.objects.borrow_mut().entry(name.clone()).or_insert_with(|| Rc::new(Slot::new())).clone()
    }

    pub(super) fn spawn(&self, home: Home, task: impl Future<Output = ()> + 'static) -> usize {
        self.tasks.borrow_mut().add(home, Box::pin(task))
    }

    /// Does this as what runs there.
    pub(super) fn run_in<T>(&self, home: Home, act: impl FnOnce() -> T) -> T {
        let before = self.home.replace(home);
        let done = act();
        self.home.set(before);
        done
    }

    /// Lets one task go on; false if none can.
    fn step(&self) -> bool {
        let taken = self.tasks.borrow_mut().take(|count| self.rng.borrow_mut().below(count as u64) as usize);
        let Some((id, home, mut run)) = taken else { return self.tasks.borrow().are_ready() };
        self.note(id as u64);
        let waker = self.tasks.borrow().waker(id);
        let polled = self.run_in(home, || run.as_mut().poll(&mut std::task::Context::from_waker(&waker)));
        let over = match polled {
            Poll::Ready(()) => {
                let ended = self.tasks.borrow_mut().end(id);
                debug_assert!(ended.is_none(), "it was taken out to run");
                Some(run)
            }
            Poll::Pending => self.tasks.borrow_mut().put_back(id, run),
        };
        self.run_in(home, || drop(over));
        self.end_turn(home);
        true
    }

    /// What may happen between two awaits.
    fn end_turn(&self, home: Home) {
        let faults = self.faults.get();
        let happens = |chance| self.rng.borrow_mut().per_mille(chance);
        match home {
            Home::Outside => {}
            Home::Isolate(isolate) => {
                if happens(faults.isolate_ends) {
                    self.end_isolate(isolate);
                }
            }
            Home::Object { instance, .. } => {
                let is_kept = !happens(faults.write_lost);
                if let Some(disk) = self.disk_of(instance) {
                    disk.end_turn(is_kept);
                }
                let effects = self.effects.take();
                if is_kept {
                    effects.into_iter().for_each(|effect| effect());
                } else {
                    drop(effects);
                }
                if !is_kept || happens(faults.object_ends) {
                    self.end_instance(instance);
                }
            }
        }
    }

    fn end_isolate(&self, isolate: u64) {
        self.note(isolate);
        self.end_all(Home::Isolate(isolate), |home| home.isolate() == isolate);
        self.memories.borrow_mut().remove(&isolate);
        for slot in self.objects.borrow().values() {
            slot.running.borrow_mut().take_if(|running| running.isolate == isolate);
        }
    }

    fn end_instance(&self, instance: u64) {
        self.note(instance);
        let of_it = |home| matches!(home, Home::Object { instance: other, .. } if other == instance);
        self.end_all(Home::Outside, of_it);
        for slot in self.objects.borrow().values() {
            slot.running.borrow_mut().take_if(|running| running.instance == instance);
        }
    }

    fn end_all(&self, home: Home, is_over: impl Fn(Home) -> bool) {
        let ended: Vec<Run> = self.tasks.borrow_mut().end_all(is_over);
        self.run_in(home, || drop(ended));
    }

    fn disk_of(&self, instance: u64) -> Option<Rc<Disk>> {
        let objects = self.objects.borrow();
        let is_it = |slot: &&Rc<Slot>| slot.running.borrow().as_ref().is_some_and(|one| one.instance == instance);
        objects.values().find(is_it).map(|slot| slot.disk.clone())
    }

    /// Goes on to the next timer, if it rings by then.
    fn ring_next(&self, end: Millis) -> bool {
        let next = {
            let mut timers = self.timers.borrow_mut();
            match timers.first_entry() {
                Some(entry) if entry.key().at <= end => Some(entry.remove_entry()),
                _ => None,
            }
        };
        let Some((timer, ring)) = next else { return false };
        self.now.set(timer.at.max(self.now.get()));
        self.note(timer.at);
        ring();
        true
    }

    fn note(&self, what: u64) {
        self.trace.set((self.trace.get() ^ what).wrapping_mul(0x0100_0000_01b3).rotate_left(7));
    }
}

/// Looks at this thread's world, if there is one.
pub(super) fn of_thread<T>(look: impl FnOnce(&Rc<Inner>) -> T) -> Option<T> {
    let world = CURRENT.with_borrow(Clone::clone)?;
    Some(look(&world))
}

/// Looks at the memory of the isolate that runs.
pub(super) fn with_memory<T>(look: impl FnOnce(&mut Memory) -> T) -> T {
    match CURRENT.with_borrow(Clone::clone) {
        Some(world) => look(world.memories.borrow_mut().entry(world.home.get().isolate()).or_default()),
        None => LONE.with_borrow_mut(look),
    }
}

/// Runs a task there.
pub(super) fn spawn(home: Home, task: impl Future<Output = ()> + 'static) {
    of_thread(|world| world.spawn(home, task));
}

/// Runs a task where we are.
pub(super) fn spawn_here(task: impl Future<Output = ()> + 'static) {
    of_thread(|world| world.spawn(world.home.get(), task));
}

/// Does this when what an object has written in this turn is kept; at once, if no object runs.
pub(super) fn after_turn(effect: impl FnOnce() + 'static) {
    let is_object = of_thread(|world| matches!(world.home.get(), Home::Object { .. }));
    if is_object == Some(true) {
        of_thread(|world| world.effects.borrow_mut().push(Box::new(effect)));
    } else {
        effect();
    }
}

/// Does this at a time.
pub(super) fn at(at: Millis, ring: impl FnOnce() + 'static) -> Timer {
    of_thread(|world| {
        let timer = Timer { at, number: world.number() };
        world.timers.borrow_mut().insert(timer, Box::new(ring));
        timer
    })
    .unwrap_or(Timer { at, number: 0 })
}

/// Does that not. Whether it was yet to be done.
pub(super) fn forget(timer: Timer) -> bool {
    // What it would have done is dropped where nothing is borrowed.
    of_thread(|world| world.timers.borrow_mut().remove(&timer)).flatten().is_some()
}

/// As long as a message takes.
pub(super) async fn delay() {
    let ms = of_thread(|world| {
        let most = u64::from(world.faults.get().delay_ms);
        world.rng.borrow_mut().below(most + 1) as u32
    });
    sleep(ms.unwrap_or_default()).await;
}

/// More steps than any test's world takes.
const MAX_STEPS: usize = 5_000_000;
