//! Every order in which a few clients can ask, wait, run and leave, tried on the real queue: up to seven steps of three
//! clients, with slots and places from none to two.
//!
//! Each operation is atomic (one mutex), so orders of operations are all the interleavings that threads can make of
//! them. What must hold afterwards is counted from the clients' own side and not from the queue's.

use super::tests::texts;
use super::*;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

const CLIENTS: usize = 3;
const STEPS: usize = 7;

/// What one client does, or what happens to all of them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    /// Asks for a place; with a deadline that is over already if it is not patient.
    Ask { client: usize, patient: bool },
    /// Looks whether its turn has come.
    Look(usize),
    /// Its sequence ends in the engine: the engine's share of the permit is dropped.
    EndInEngine(usize),
    /// Goes, whatever it holds.
    Leave(usize),
    /// The origin refuses everybody from now on.
    Close,
}

/// What a client holds.
#[derive(Default)]
enum Client {
    #[default]
    Nothing,
    Waiting(Pin<Box<dyn Future<Output = Result<Permit, Refusal>>>>),
    Running {
        _permit: Permit,
        engine: Option<Box<dyn Send>>,
    },
}

impl Client {
    fn is_waiting(&self) -> bool {
        matches!(self, Self::Waiting(_))
    }

    /// Whether it takes up a slot: until the first of its two shares is dropped.
    fn runs(&self) -> bool {
        matches!(self, Self::Running { engine: Some(_), .. })
    }
}

struct World {
    queue: Arc<Queue>,
    clients: [Client; CLIENTS],
    impatient: [bool; CLIENTS],
    closed: bool,
    slots: usize,
    places: usize,
}

impl World {
    fn new(slots: usize, places: usize) -> Self {
        let queue = texts(slots, places, Duration::from_secs(3_600));
        Self { queue, clients: Default::default(), impatient: [false; CLIENTS], closed: false, slots, places }
    }

    /// What can happen next. Clients are alike, so a new one comes only after those before it.
    fn steps(&self, came: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        for (client, state) in self.clients.iter().enumerate() {
            match state {
                Client::Nothing if client <= came => {
                    steps.extend([true, false].map(|patient| Step::Ask { client, patient }));
                }
                Client::Nothing => {}
                Client::Waiting(_) => steps.extend([Step::Look(client), Step::Leave(client)]),
                Client::Running { engine: Some(_), .. } => {
                    steps.extend([Step::EndInEngine(client), Step::Leave(client)]);
                }
                Client::Running { engine: None, .. } => steps.push(Step::Leave(client)),
            }
        }
        if !self.closed {
            steps.push(Step::Close);
        }
        steps
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Ask { client, patient } => {
                let deadline = (!patient).then(Instant::now);
                let (running, waiting) = self.counts();
                let asked = self.queue.ask(Lane::Texts, &client.to_string(), Rank::Live(0), deadline);
                match asked {
                    Ok(place) => {
                        assert!(!self.closed, "closed, and a place was given");
                        // Those whose time is over were taken out by this very question.
                        let taken = running + self.patient();
                        assert!(taken < self.slots + self.places, "more places than there are");
                        self.impatient[client] = !patient;
                        self.clients[client] = Client::Waiting(Box::pin(place.ready()));
                    }
                    Err(refusal) if refusal.reason == Reason::Draining => assert!(self.closed),
                    Err(refusal) => {
                        assert_eq!(refusal.reason, Reason::Overloaded);
                        assert!(running + waiting >= self.slots + self.places, "refused while there was a place");
                    }
                }
            }
            Step::Look(client) => self.look(client),
            Step::EndInEngine(client) => {
                if let Client::Running { engine, .. } = &mut self.clients[client] {
                    *engine = None;
                }
            }
            Step::Leave(client) => self.clients[client] = Client::Nothing,
            Step::Close => {
                self.queue.close();
                self.closed = true;
            }
        }
    }

    fn look(&mut self, client: usize) {
        let Client::Waiting(ready) = &mut self.clients[client] else { return };
        match ready.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => {}
            Poll::Ready(Ok(permit)) => {
                let engine = Some(permit.release_on_end());
                self.clients[client] = Client::Running { _permit: permit, engine };
            }
            Poll::Ready(Err(refusal)) => {
                let expected = if self.closed { Reason::Draining } else { Reason::DeadlineExceeded };
                assert!(self.closed || self.impatient[client], "a patient client was turned away: {refusal:?}");
                // One whose time was over before the origin closed may be told either.
                assert!(refusal.reason == expected || self.impatient[client], "{refusal:?}");
                self.clients[client] = Client::Nothing;
            }
        }
    }

    fn counts(&self) -> (usize, usize) {
        let count = |is: fn(&Client) -> bool| self.clients.iter().filter(|client| is(client)).count();
        (count(Client::runs), count(Client::is_waiting))
    }

    fn patient(&self) -> usize {
        (0..CLIENTS).filter(|client| self.clients[*client].is_waiting() && !self.impatient[*client]).count()
    }

    /// What holds after every step.
    fn check(&self) {
        let (running, waiting) = self.counts();
        let capacity = self.queue.capacity();
        assert!(running <= self.slots, "more run than there are slots");
        // Whose turn has come and who has not looked yet is running for the queue and waiting for itself.
        let taken = self.slots - capacity.free as usize;
        assert!(taken >= running && taken + capacity.queued as usize <= running + waiting);
        assert!(capacity.queued as usize <= self.places);
    }

    /// Whoever waits gets its turn as soon as all that run leave, and then everything is free.
    fn finish(mut self) {
        for _ in 0..2 * CLIENTS {
            for client in 0..CLIENTS {
                match &self.clients[client] {
                    Client::Nothing => {}
                    Client::Waiting(_) => self.look(client),
                    Client::Running { .. } => self.clients[client] = Client::Nothing,
                }
            }
        }
        assert_eq!(self.counts(), (0, 0), "somebody waits for ever");
        let capacity = self.queue.capacity();
        assert_eq!((capacity.free as usize, capacity.queued), (self.slots, 0), "a place was lost");
        let mut idle = std::pin::pin!(self.queue.idle());
        assert!(idle.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }
}

/// All ways on from here. A world cannot be copied, so each way is walked from its beginning.
fn explore(slots: usize, places: usize, walked: &mut Vec<Step>, came: usize, worlds: &mut u64) {
    let replay = || {
        let mut world = World::new(slots, places);
        for step in walked.iter() {
            world.apply(*step);
            world.check();
        }
        world
    };
    let world = replay();
    let steps = if walked.len() < STEPS { world.steps(came) } else { Vec::new() };
    world.finish();
    *worlds += 1;
    for step in steps {
        let came = match step {
            Step::Ask { client, .. } => came.max(client + 1),
            _ => came,
        };
        walked.push(step);
        explore(slots, places, walked, came, worlds);
        walked.pop();
    }
}

#[tokio::test]
async fn no_order_of_events_loses_a_place_or_gives_one_twice() {
    let mut worlds = 0;
    // Without tokio's budget, which would let a look find nothing now and then.
    tokio::task::unconstrained(async {
        for (slots, places) in [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1)] {
            explore(slots, places, &mut Vec::new(), 0, &mut worlds);
        }
    })
    .await;
    println!("{worlds} orders of events");
    assert!(worlds > 100_000, "the walk ended early: {worlds}");
}
