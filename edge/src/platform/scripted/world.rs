//! One world: an edge, its isolates and objects, servers and callers.

use super::callers::{Caller, Sent};
use super::course::Course;
use super::course::faults::Faults;
use super::course::tasks::Home;
use super::env::{Context, Env};
use super::http::{Request, Response};
use super::objects::{self, Kinds, State};
use super::servers::{self, Server};
use crate::platform::Fault;
use crate::platform::objects::Object;
use sluice_protocol::telemetry::Severity;
use sluice_protocol::time::Millis;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

/// A world of this thread. There is one at a time; it ends when this is dropped.
pub struct World {
    course: Rc<Course>,
    serve: Rc<Serve>,
    env: Env,
    /// The isolate of each place.
    places: RefCell<Vec<u64>>,
}

/// Where requests go that one isolate serves, until it ends and another one takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(usize);

/// A task that a test has begun.
#[derive(Clone, Copy, Debug)]
pub struct Task(usize);

/// What the edge is to a world.
pub struct Edge {
    serve: Rc<Serve>,
    kinds: Kinds,
}

type Serve = dyn Fn(Request, Env, Context) -> Serving;
type Serving = Pin<Box<dyn Future<Output = Result<Response, Fault>>>>;

impl Edge {
    /// An edge that serves requests so.
    pub fn new(serve: impl Fn(Request, Env, Context) -> Serving + 'static) -> Self {
        Self { serve: Rc::new(serve), kinds: Kinds::default() }
    }

    /// With objects of this kind; its binding is its name in capitals.
    #[must_use]
    pub fn with_objects<T: Object>(mut self, kind: &str) -> Self {
        self.kinds.add::<T>(&kind.to_uppercase());
        self
    }
}

impl World {
    /// A world in which nothing has happened and nothing goes wrong yet.
    pub fn new(seed: u64, edge: Edge, vars: BTreeMap<String, String>) -> Self {
        let (course, env) = (Course::begin(seed), Env(Rc::new(vars)));
        objects::begin(edge.kinds, env.clone());
        Self { course, serve: edge.serve, env, places: RefCell::default() }
    }

    /// What goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.course.faults.set(faults);
    }

    /// Loses the next messages to objects, so many, and no others but by chance.
    pub fn lose_next(&self, count: u32) {
        self.course.lost_next.set(count);
    }

    /// Takes a time zone away, as a runtime with other tables would, and ends all isolates and objects.
    pub fn lose_zone(&self, zone: &str) {
        self.course.lost_zones.borrow_mut().insert(zone.to_owned());
    }

    /// Who answers the edge's requests from now on.
    pub fn set_server(&self, server: Server) {
        servers::set(Some(server));
    }

    /// A place with an isolate.
    pub fn place(&self) -> Place {
        let isolate = self.course.new_isolate();
        let mut places = self.places.borrow_mut();
        places.push(isolate);
        Place(places.len() - 1)
    }

    /// Sends a request to the isolate of a place.
    pub fn send(&self, place: Place, sent: Sent) -> Caller {
        let caller = Caller::new();
        let home = self.home_at(place);
        let request = caller.request(sent);
        let serving = self.course.run_in(home, || (self.serve)(request, self.env.clone(), Context(home)));
        caller.is_served_by(self.course.spawn(home, caller.clone().serve(serving)));
        caller
    }

    /// Ends the isolate of a place, and all that runs in it.
    pub fn end_isolate(&self, place: Place) {
        let isolate = self.places.borrow()[place.0];
        self.course.end_isolate(isolate);
    }

    /// Ends an object as it runs; what it has stored stays.
    pub fn end_object(&self, kind: &str, name: &str) {
        if let Some(instance) = objects::slot(kind, name).instance() {
            self.course.end_instance(instance);
        }
    }

    /// Lets an object's disk take so many writes more; any number if `None`.
    pub fn set_room(&self, kind: &str, name: &str, writes: Option<u32>) {
        objects::slot(kind, name).disk().room.set(writes);
    }

    /// The names of all objects of a kind that were ever called.
    pub fn objects(&self, kind: &str) -> Vec<String> {
        objects::names(kind)
    }

    /// What an object has stored, as an object would see it that started now. It is not started.
    pub fn stored<T>(&self, kind: &str, name: &str, read: impl FnOnce(&State) -> T) -> T {
        read(&objects::slot(kind, name).state())
    }

    /// When an object's alarm rings, if it is set.
    pub fn alarm(&self, kind: &str, name: &str) -> Option<Millis> {
        objects::slot(kind, name).alarm()
    }

    /// How many messages have reached objects of a kind.
    pub fn delivered(&self, kind: &str) -> u64 {
        objects::delivered(kind)
    }

    /// Runs a task outside of the edge.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.course.spawn(Home::Outside, task);
    }

    /// Runs what a test does in an isolate, such as a call of one module.
    pub fn spawn_in(&self, place: Place, task: impl Future<Output = ()> + 'static) -> Task {
        Task(self.course.spawn(self.home_at(place), task))
    }

    /// Never lets a task go on, as the platform does with what a request waits for that it has ended.
    pub fn abandon(&self, task: Task) {
        self.course.abandon(task.0);
    }

    /// The settings and secrets.
    pub fn env(&self) -> Env {
        self.env.clone()
    }

    /// A random number below this one.
    pub fn below(&self, bound: u64) -> u64 {
        self.course.rng.borrow_mut().below(bound)
    }

    /// All lines of the log, with how bad they are.
    pub fn log(&self) -> Vec<(Severity, String)> {
        self.course.log.borrow().clone()
    }

    /// A sum over all that has happened, in order: two worlds that differ in anything differ in it.
    pub fn trace(&self) -> u64 {
        self.course.trace()
    }

    /// Lets things happen until this is so, for so many milliseconds at most; whether it is so.
    pub fn run_until(&self, ms: Millis, is_done: impl Fn() -> bool) -> bool {
        let end = self.course.now.get() + ms;
        for _ in 0..MAX_STEPS {
            if is_done() {
                return true;
            }
            if !self.course.go_on(end) {
                self.course.now.set(end.max(self.course.now.get()));
                return is_done();
            }
        }
        panic!("after {MAX_STEPS} steps there is no end");
    }

    /// Sets all clocks forward by so many milliseconds, or back. Timers go on as they were.
    pub fn set_clocks(&self, by: i64) {
        let ahead = &self.course.clocks_are_ahead;
        ahead.set(ahead.get() + by);
    }

    /// Lets so many milliseconds pass.
    pub fn run_for(&self, ms: Millis) {
        self.run_until(ms, || false);
    }

    /// Where a place's isolate is; a new one if the one before has ended.
    fn home_at(&self, place: Place) -> Home {
        let mut places = self.places.borrow_mut();
        let isolate = &mut places[place.0];
        if !self.course.has_isolate(*isolate) {
            *isolate = self.course.new_isolate();
        }
        Home::Isolate(*isolate)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.course.end();
        objects::end();
        servers::set(None);
    }
}

/// More steps than any test's world takes.
const MAX_STEPS: usize = 5_000_000;
