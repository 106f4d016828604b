//! Crowds that leave at once, at every stage, streaming or not: places come back before the engine moves, its slots with
//! its next step.

use crate::harness::{Harness, chat_with, until, until_then};
use crate::models::network::splitmix;
use serde_json::{Value, json};
use sluice_origin::models::scripted::{Say, Script};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::JoinHandle;

const CLIENTS: usize = 1_000;
const SLOTS: usize = 4;
const QUEUE: usize = 60;
/// A long prompt, in characters, which are tokens: read in a dozen chunks.
const LONG: usize = 3_000;

/// How far a client had come when it left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Queued,
    /// It had a slot, and the engine had seen nothing of its prompt.
    Permitted,
    Reading,
    Answering,
}

struct Client {
    stream: bool,
    prompt: usize,
    task: JoinHandle<()>,
}

struct Crowd {
    harness: Harness,
    draws: Box<dyn Iterator<Item = u64>>,
    /// Who is there, by a number that stands in its prompt.
    there: BTreeMap<usize, Client>,
    came: usize,
    /// Streams whose head has come.
    heads: Arc<AtomicUsize>,
    /// Who left before the model had seen anything of them: it never must.
    never: BTreeSet<usize>,
    left: BTreeMap<(Stage, bool), usize>,
}

/// A thousand clients: four with slots and sixty behind them, of whom half leave at once, half of the rest, and then all,
/// while the model takes one step at a time. In the first round those who wait have been told so before anybody leaves.
#[tokio::test]
async fn a_thousand_leave_and_every_slot_is_back_within_one_step() {
    let mut crowd = Crowd::new(Harness::open(SLOTS, QUEUE).await);
    let mut rounds = 0;
    while crowd.came < CLIENTS {
        crowd.come(SLOTS).await;
        let waiting = QUEUE.min(CLIENTS - crowd.came);
        crowd.come(waiting).await;
        until("the model stands in its first step", || crowd.harness.script.is_blocked()).await;
        if rounds == 0 {
            crowd.heads_are_there().await;
        }
        // In every other round those with slots leave before the model has seen most of them.
        if rounds % 2 != 0 {
            crowd.all_with_slots_run().await;
        }
        crowd.leave(2).await;
        crowd.all_with_slots_run().await;
        crowd.leave(2).await;
        crowd.all_with_slots_run().await;
        crowd.leave(1).await;
        rounds += 1;
    }
    crowd.over().await;
}

impl Crowd {
    fn new(harness: Harness) -> Self {
        for _ in 0..CLIENTS {
            harness.script.say(Say::endless("x"));
        }
        Self {
            harness,
            draws: Box::new(splitmix(1_000, 1 << 20)),
            there: BTreeMap::new(),
            came: 0,
            heads: Arc::default(),
            never: BTreeSet::new(),
            left: BTreeMap::new(),
        }
    }

    fn draw(&mut self, bound: usize) -> usize {
        (self.draws.next().unwrap() % bound as u64) as usize
    }

    /// So many more come, and each has a place.
    async fn come(&mut self, count: usize) {
        for _ in 0..count {
            let (stream, long) = (self.draw(2) == 0, self.draw(2) == 0);
            let number = self.came;
            let content = format!("<{number}>{}", if long { "x".repeat(LONG) } else { String::new() });
            let request = self.harness.post(&chat_with(&content, &json!({"stream": stream, "max_tokens": 800})));
            let heads = Arc::clone(&self.heads);
            let task = tokio::spawn(async move {
                let response = request.send().await.unwrap();
                assert_eq!(response.status(), 200);
                heads.fetch_add(usize::from(stream), Ordering::Relaxed);
                // Reads for as long as it is there.
                let _ = response.bytes().await;
            });
            self.there.insert(number, Client { stream, prompt: content.len(), task });
            self.came += 1;
        }
        self.places_are_right().await;
    }

    fn script(&self) -> &Script {
        &self.harness.script
    }

    /// How many of those who are there have slots.
    fn with_slots(&self) -> usize {
        self.there.len().min(SLOTS)
    }

    async fn places_are_right(&self) {
        let (running, waiting) = (self.with_slots(), self.there.len() - self.with_slots());
        self.harness.until_places((SLOTS - running) as u64, waiting as u64).await;
    }

    /// Waits until those who stream know that they do: with a slot, or after two seconds without.
    async fn heads_are_there(&self) {
        let streams = self.there.values().filter(|client| client.stream).count();
        until("every stream has its head", || self.heads.load(Ordering::Relaxed) == streams).await;
    }

    /// Tokens that the model has seen of the prompts of all who ever came.
    fn seen(&self) -> BTreeMap<usize, usize> {
        let number = |text: &str| text.split_once('<')?.1.split_once('>')?.0.parse().ok();
        self.script().prompts().iter().filter_map(|text| Some((number(text)?, text.len()))).collect()
    }

    /// One step, and the model stands before the next.
    async fn step(&self) {
        let before = self.script().steps();
        self.script().allow(1);
        until("one step", || self.script().steps() == before + 1 && self.script().is_blocked()).await;
    }

    /// Steps until the model has begun with everybody who has a slot, and then some more.
    async fn all_with_slots_run(&mut self) {
        let mut steps = 0;
        loop {
            let seen = self.seen();
            if self.there.keys().filter(|number| seen.contains_key(number)).count() == self.with_slots() {
                break;
            }
            self.step().await;
            steps += 1;
            assert!(steps < 100, "a slot was never used");
        }
        for _ in 0..self.draw(5) {
            self.step().await;
        }
    }

    /// One of so many leaves, drawn by lot. All of them leave at once, and then the model takes one step.
    async fn leave(&mut self, one_of: usize) {
        let seen = self.seen();
        // Until somebody has run, those with slots are those who came first.
        let begun = self.there.keys().any(|number| seen.contains_key(number));
        let first = *self.there.keys().next().unwrap();
        let numbers: Vec<usize> = self.there.keys().copied().collect();
        let mut permitted = Vec::new();
        for number in numbers {
            if self.draw(one_of) > 0 {
                continue;
            }
            let client = self.there.remove(&number).unwrap();
            client.task.abort();
            let stage = match seen.get(&number) {
                // Chat's own tokens come with its characters.
                Some(tokens) if *tokens < client.prompt => Stage::Reading,
                Some(_) => Stage::Answering,
                None if !begun && number < first + SLOTS => Stage::Permitted,
                None => Stage::Queued,
            };
            match stage {
                Stage::Queued => drop(self.never.insert(number)),
                Stage::Permitted => permitted.push(number),
                Stage::Reading | Stage::Answering => {}
            }
            *self.left.entry((stage, client.stream)).or_default() += 1;
        }
        let before = self.script().steps();
        self.places_are_right().await;
        assert_eq!(self.script().steps(), before, "places come back before the engine moves");
        self.script().allow(1);
        until("one step", || {
            let stands = self.there.is_empty() || self.script().is_blocked();
            self.script().steps() == before + 1 && stands
        })
        .await;
        if self.there.is_empty() {
            // Nothing is left to compute: the engine clears up and waits.
            until("every slot is free", || self.script().occupied() == 0).await;
            assert_eq!(self.script().steps(), before + 1);
        }
        // The step is over and the next is planned: who left has no slot, and who is next has not begun.
        let seen = self.seen();
        let stay = self.there.keys().filter(|number| seen.contains_key(number)).count();
        assert_eq!(self.script().occupied(), stay, "of {} who are there", self.there.len());
        // Of those who had just got a slot, no more are begun with than that step had planned.
        self.never.extend(permitted.into_iter().filter(|number| !seen.contains_key(number)));
    }

    async fn over(mut self) {
        self.script().allow_all();
        let seen = self.seen();
        let served: Vec<_> = self.never.iter().filter(|number| seen.contains_key(number)).collect();
        assert!(served.is_empty(), "left, and were begun with: {served:?}");
        assert_eq!(seen.len(), self.script().prompts().len(), "a prompt came twice");
        assert_eq!(self.left.values().sum::<usize>(), CLIENTS);
        for stage in [Stage::Queued, Stage::Permitted, Stage::Reading, Stage::Answering] {
            for stream in [false, true] {
                let count = self.left.remove(&(stage, stream)).unwrap_or(0);
                assert!(count >= 3, "{count} left at the stage {stage:?}, stream: {stream}");
            }
        }
        // What comes next is served by all slots at once.
        let body = chat_with("next", &json!({"max_tokens": 600}));
        let next: Vec<_> = (0..SLOTS).map(|_| self.harness.start(&body)).collect();
        for answer in next {
            let (status, answer) = answer.await.unwrap();
            assert_eq!((status, &answer["usage"]["completion_tokens"]), (200, &json!(600)));
        }
        until_then("nobody is there", async || {
            let capacity: Value = self.harness.capacity().await;
            capacity["free"] == SLOTS && capacity["queued"] == 0
        })
        .await;
    }
}
