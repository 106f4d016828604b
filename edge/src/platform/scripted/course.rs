//! The course of a world: its time, its tasks, and the order in which they go on.

pub(super) mod faults;
pub(super) mod rng;
pub(super) mod tasks;

use self::faults::Faults;
use self::rng::Rng;
use self::tasks::{Home, Run, Tasks};
use super::sql::Disk;
use crate::platform::sleep;
use sluice_protocol::telemetry::Severity;
use sluice_protocol::time::Millis;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;
use std::rc::Rc;
use std::task::{Context, Poll};

/// What happens, and when.
pub(super) struct Course {
    pub(super) now: Cell<Millis>,
    /// By how much clocks have been set forward, in milliseconds.
    pub(super) clocks_are_ahead: Cell<i64>,
    pub(super) rng: RefCell<Rng>,
    pub(super) faults: Cell<Faults>,
    /// How many of the next messages to objects are lost, whatever chance says.
    pub(super) lost_next: Cell<u32>,
    /// The time zones that are not known any more.
    pub(super) lost_zones: RefCell<BTreeSet<String>>,
    pub(super) log: RefCell<Vec<(Severity, String)>>,
    /// What the cache has.
    pub(super) cache: RefCell<BTreeMap<String, Cached>>,
    tasks: RefCell<Tasks>,
    timers: RefCell<BTreeMap<Timer, Box<dyn FnOnce()>>>,
    numbers: Cell<u64>,
    /// Where what runs now is.
    home: Cell<Home>,
    /// What is to happen when what was written in this turn is kept.
    effects: RefCell<Vec<Box<dyn FnOnce()>>>,
    isolates: RefCell<BTreeMap<u64, Memory>>,
    /// The objects that run.
    instances: RefCell<BTreeMap<u64, Instance>>,
    /// A sum over all that happened, in order.
    trace: Cell<u64>,
}

/// All that one isolate remembers, by the places of its keys.
pub(super) type Memory = HashMap<usize, Rc<dyn Any>>;

/// An object that runs.
struct Instance {
    isolate: u64,
    disk: Rc<Disk>,
}

/// A timer that was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timer {
    at: Millis,
    number: u64,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Course>>> = const { RefCell::new(None) };
    /// The memory of what runs in no world: tests of one module.
    static LONE: RefCell<Memory> = RefCell::default();
}

/// One body that the cache keeps.
#[derive(Clone)]
pub(super) struct Cached {
    pub(super) until: u64,
    pub(super) note: String,
    pub(super) body: Vec<u8>,
}

impl Course {
    /// Begins; this thread has none before it ends.
    pub(super) fn begin(seed: u64) -> Rc<Self> {
        let course = Rc::new(Self {
            now: Cell::new(BEGIN),
            clocks_are_ahead: Cell::new(0),
            rng: RefCell::new(Rng::new(seed)),
            faults: Cell::default(),
            lost_next: Cell::default(),
            lost_zones: RefCell::default(),
            log: RefCell::default(),
            cache: RefCell::default(),
            tasks: RefCell::default(),
            timers: RefCell::default(),
            numbers: Cell::new(1),
            home: Cell::new(Home::Outside),
            effects: RefCell::default(),
            isolates: RefCell::default(),
            instances: RefCell::default(),
            trace: Cell::new(seed),
        });
        let before = CURRENT.replace(Some(course.clone()));
        assert!(before.is_none(), "a thread has one world at a time");
        course
    }

    /// Ends.
    pub(super) fn end(&self) {
        // What is dropped may look at the world.
        drop(self.tasks.borrow_mut().end_all(|_| true));
        drop(self.timers.take());
        drop(self.effects.take());
        drop(self.isolates.take());
        drop(self.instances.take());
        CURRENT.take();
    }

    pub(super) fn trace(&self) -> u64 {
        self.trace.get()
    }

    /// A number that nothing else has.
    pub(super) fn number(&self) -> u64 {
        self.numbers.replace(self.numbers.get() + 1)
    }

    pub(super) fn new_isolate(&self) -> u64 {
        let isolate = self.number();
        self.isolates.borrow_mut().insert(isolate, Memory::default());
        isolate
    }

    pub(super) fn has_isolate(&self, isolate: u64) -> bool {
        self.isolates.borrow().contains_key(&isolate)
    }

    /// Starts an object of this disk, among others in an isolate, or alone.
    pub(super) fn new_instance(&self, disk: Rc<Disk>) -> Home {
        let known: Vec<u64> = self.isolates.borrow().keys().copied().filter(|isolate| *isolate != 0).collect();
        let choice = self.rng.borrow_mut().below(known.len() as u64 + 1) as usize;
        let isolate = known.get(choice).copied().unwrap_or_else(|| self.new_isolate());
        let instance = self.number();
        self.instances.borrow_mut().insert(instance, Instance { isolate, disk });
        Home::Object { isolate, instance }
    }

    /// Whether what is there runs.
    pub(super) fn lives(&self, home: Home) -> bool {
        match home {
            Home::Outside => true,
            Home::Isolate(isolate) => self.has_isolate(isolate),
            Home::Object { instance, .. } => self.instances.borrow().contains_key(&instance),
        }
    }

    pub(super) fn spawn(&self, home: Home, task: impl Future<Output = ()> + 'static) -> usize {
        self.tasks.borrow_mut().add(home, Box::pin(task))
    }

    /// Never lets a task go on, as the platform does with what a request waits for that it has ended.
    pub(super) fn abandon(&self, task: usize) {
        let ended = self.tasks.borrow_mut().end(task);
        std::mem::forget(ended);
    }

    /// Does this as what runs there.
    pub(super) fn run_in<T>(&self, home: Home, act: impl FnOnce() -> T) -> T {
        let before = self.home.replace(home);
        let done = act();
        self.home.set(before);
        done
    }

    /// Lets one task go on, or else time until the next timer, if it rings by then; false if neither can.
    pub(super) fn go_on(&self, end: Millis) -> bool {
        self.step() || self.ring_next(end)
    }

    /// Whether this happens, which does in so many of a thousand cases.
    pub(super) fn happens(&self, chance: u32) -> bool {
        self.rng.borrow_mut().per_mille(chance)
    }

    /// Ends an isolate and all that runs in it.
    pub(super) fn end_isolate(&self, isolate: u64) {
        self.note(isolate);
        self.end_all(Home::Isolate(isolate), |home| home.isolate() == isolate);
        self.isolates.borrow_mut().remove(&isolate);
        self.instances.borrow_mut().retain(|_, instance| instance.isolate != isolate);
    }

    /// Ends an object as it runs.
    pub(super) fn end_instance(&self, instance: u64) {
        self.note(instance);
        let of_it = |home| matches!(home, Home::Object { instance: other, .. } if other == instance);
        self.end_all(Home::Outside, of_it);
        self.instances.borrow_mut().remove(&instance);
    }

    fn step(&self) -> bool {
        let taken = self.tasks.borrow_mut().take(|count| self.rng.borrow_mut().below(count as u64) as usize);
        let Some((id, home, mut run)) = taken else { return self.tasks.borrow().are_ready() };
        self.note(id as u64);
        let waker = self.tasks.borrow().waker(id);
        let polled = self.run_in(home, || run.as_mut().poll(&mut Context::from_waker(&waker)));
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
        match home {
            Home::Outside => {}
            Home::Isolate(isolate) => {
                if self.happens(faults.isolate_ends) {
                    self.end_isolate(isolate);
                }
            }
            Home::Object { instance, .. } => {
                let is_kept = !self.happens(faults.write_lost);
                let disk = self.instances.borrow().get(&instance).map(|running| running.disk.clone());
                if let Some(disk) = disk {
                    disk.end_turn(is_kept);
                }
                let effects = self.effects.take();
                if is_kept {
                    effects.into_iter().for_each(|effect| effect());
                } else {
                    drop(effects);
                }
                if !is_kept || self.happens(faults.object_ends) {
                    self.end_instance(instance);
                }
            }
        }
    }

    fn end_all(&self, home: Home, is_over: impl Fn(Home) -> bool) {
        let ended: Vec<Run> = self.tasks.borrow_mut().end_all(is_over);
        self.run_in(home, || drop(ended));
    }

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

/// Looks at this thread's course, if there is one.
pub(super) fn of_thread<T>(look: impl FnOnce(&Rc<Course>) -> T) -> Option<T> {
    let course = CURRENT.with_borrow(Clone::clone)?;
    Some(look(&course))
}

/// Looks at the memory of the isolate that runs.
pub(super) fn with_memory<T>(look: impl FnOnce(&mut Memory) -> T) -> T {
    match CURRENT.with_borrow(Clone::clone) {
        Some(course) => look(course.isolates.borrow_mut().entry(course.home.get().isolate()).or_default()),
        None => LONE.with_borrow_mut(look),
    }
}

/// Runs a task there.
pub(super) fn spawn(home: Home, task: impl Future<Output = ()> + 'static) {
    of_thread(|course| course.spawn(home, task));
}

/// Where what runs now is.
pub(super) fn home() -> Home {
    of_thread(|course| course.home.get()).unwrap_or(Home::Outside)
}

/// Runs a task where we are.
pub(super) fn spawn_here(task: impl Future<Output = ()> + 'static) {
    of_thread(|course| course.spawn(course.home.get(), task));
}

/// Does this when what an object has written in this turn is kept; at once, if no object runs.
pub(super) fn after_turn(effect: impl FnOnce() + 'static) {
    let is_object = of_thread(|course| matches!(course.home.get(), Home::Object { .. }));
    if is_object == Some(true) {
        of_thread(|course| course.effects.borrow_mut().push(Box::new(effect)));
    } else {
        effect();
    }
}

/// Does this at a time.
pub(super) fn at(at: Millis, ring: impl FnOnce() + 'static) -> Timer {
    let set = of_thread(|course| {
        let timer = Timer { at, number: course.number() };
        course.timers.borrow_mut().insert(timer, Box::new(ring));
        timer
    });
    set.unwrap_or(Timer { at, number: 0 })
}

/// Does that not.
pub(super) fn forget(timer: Timer) {
    // What it would have done is dropped where nothing is borrowed.
    drop(of_thread(|course| course.timers.borrow_mut().remove(&timer)));
}

/// Whether this happens, which does in so many of a thousand cases.
pub(super) fn happens(chance: impl FnOnce(&Faults) -> u32) -> bool {
    of_thread(|course| course.happens(chance(&course.faults.get()))).unwrap_or_default()
}

/// Whether a message to an object is lost.
pub(super) fn is_lost() -> bool {
    let is_next = of_thread(|course| {
        let left = course.lost_next.get();
        course.lost_next.set(left.saturating_sub(1));
        left > 0
    });
    is_next == Some(true) || happens(|faults| faults.lost)
}

/// As long as a message takes.
pub(super) async fn delay() {
    let ms = of_thread(|course| {
        let most = u64::from(course.faults.get().delay_ms);
        course.rng.borrow_mut().below(most + 1) as u32
    });
    sleep(ms.unwrap_or_default()).await;
}

/// When a world begins.
pub(super) const BEGIN: Millis = 1_790_000_000_000;
