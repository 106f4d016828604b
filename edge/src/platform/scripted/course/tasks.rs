//! Tasks, and an order among those that can go on.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// What a task runs.
pub(in crate::platform::scripted) type Run = Pin<Box<dyn Future<Output = ()>>>;

/// Where a task runs, and with what it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::platform::scripted) enum Home {
    /// Outside of the edge: networks, servers, callers.
    Outside,
    /// In an isolate.
    Isolate(u64),
    /// In an object, which is in an isolate.
    Object {
        /// Which.
        isolate: u64,
        /// Which start of which object.
        instance: u64,
    },
}

impl Home {
    /// The isolate whose memory it has.
    pub(in crate::platform::scripted) const fn isolate(self) -> u64 {
        match self {
            Self::Outside => 0,
            Self::Isolate(isolate) | Self::Object { isolate, .. } => isolate,
        }
    }
}

/// All tasks.
#[derive(Default)]
pub(in crate::platform::scripted) struct Tasks {
    all: Vec<Option<Task>>,
    ready: Arc<Mutex<Vec<usize>>>,
}

struct Task {
    home: Home,
    /// None while it runs.
    run: Option<Run>,
}

impl Tasks {
    /// Adds one, which can go on.
    pub(in crate::platform::scripted) fn add(&mut self, home: Home, run: Run) -> usize {
        let id = self.all.len();
        self.all.push(Some(Task { home, run: Some(run) }));
        self.wake(id);
        id
    }

    /// Takes one that can go on out, to run it: `choose` is given how many there are.
    pub(in crate::platform::scripted) fn take(
        &mut self,
        choose: impl FnOnce(usize) -> usize,
    ) -> Option<(usize, Home, Run)> {
        let id = {
            let mut ready = locked(&self.ready);
            if ready.is_empty() {
                return None;
            }
            let place = choose(ready.len());
            ready.swap_remove(place)
        };
        let task = self.all[id].as_mut()?;
        let (home, run) = (task.home, task.run.take()?);
        Some((id, home, run))
    }

    /// Whether any can go on.
    pub(in crate::platform::scripted) fn are_ready(&self) -> bool {
        !locked(&self.ready).is_empty()
    }

    /// Puts one back that is not over, unless it was ended meanwhile.
    pub(in crate::platform::scripted) fn put_back(&mut self, id: usize, run: Run) -> Option<Run> {
        match self.all[id].as_mut() {
            Some(task) => {
                task.run = Some(run);
                None
            }
            None => Some(run),
        }
    }

    /// Ends one; what it ran is handed out, to be dropped where nothing is borrowed.
    pub(in crate::platform::scripted) fn end(&mut self, id: usize) -> Option<Run> {
        self.all[id].take()?.run
    }

    /// Ends all that run in such a home.
    pub(in crate::platform::scripted) fn end_all(&mut self, is_over: impl Fn(Home) -> bool) -> Vec<Run> {
        let ended = self.all.iter_mut().filter(|task| task.as_ref().is_some_and(|task| is_over(task.home)));
        ended.filter_map(|task| task.take()?.run).collect()
    }

    /// Wakes one.
    pub(in crate::platform::scripted) fn waker(&self, id: usize) -> Waker {
        Arc::new(Ring { id, ready: self.ready.clone() }).into()
    }

    fn wake(&self, id: usize) {
        locked(&self.ready).push(id);
    }
}

struct Ring {
    id: usize,
    ready: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        let mut ready = locked(&self.ready);
        if !ready.contains(&self.id) {
            ready.push(self.id);
        }
    }
}

fn locked(ready: &Mutex<Vec<usize>>) -> std::sync::MutexGuard<'_, Vec<usize>> {
    // There is one thread.
    ready.lock().unwrap_or_else(PoisonError::into_inner)
}
