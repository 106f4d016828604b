//! queue, the decisions: who runs, who waits, who is refused. Pure: time is an argument, in milliseconds of any origin.
//!
//! At most `slots` places run and at most `queue` wait. A free slot goes to the highest priority; within a priority the
//! accounts take turns; within an account first come, first served. A slot is never free while somebody waits.

use sluice_protocol::Millis;
use sluice_protocol::capacity::Capacity;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// All places of an origin.
#[derive(Debug)]
pub(crate) struct Admission {
    slots: usize,
    queue: usize,
    next: u64,
    running: HashMap<Ticket, Millis>,
    waiting: HashMap<Ticket, Waiting>,
    levels: BTreeMap<Reverse<u8>, Level>,
    hold: Option<f64>,
}

/// Names one place. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// The answer to somebody who asks for a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// There is a slot.
    Run(Ticket),
    /// There is a place in the queue.
    Wait(Ticket),
    /// All is taken; this long until it would not be, if that is known.
    Full(Option<u64>),
}

#[derive(Debug)]
struct Waiting {
    account: String,
    priority: u8,
    deadline: Millis,
}

/// The accounts of one priority in the order of their turns, each with what it waits for.
#[derive(Debug, Default)]
struct Level {
    turns: VecDeque<String>,
    tickets: HashMap<String, VecDeque<Ticket>>,
}

/// Weight of the newest slot time in the average.
const NEWEST: f64 = 0.2;
/// No caller is sent away for longer than this: by then the estimate is worth nothing.
const MAX_RETRY_MS: u64 = 30_000;

impl Admission {
    /// `slots` at least 1; `queue` may be 0.
    pub(crate) fn new(slots: usize, queue: usize) -> Self {
        Self {
            slots,
            queue,
            next: 0,
            running: HashMap::new(),
            waiting: HashMap::new(),
            levels: BTreeMap::new(),
            hold: None,
        }
    }

    /// Asks for a place. Whoever gets one has to give it back with [`Self::leave`], unless it expires.
    pub(crate) fn ask(&mut self, account: &str, priority: u8, deadline: Millis, now: Millis) -> Answer {
        // Nobody waits while a slot is free, so this overtakes nobody.
        if self.running.len() < self.slots {
            let ticket = self.ticket();
            self.running.insert(ticket, now);
            return Answer::Run(ticket);
        }
        if self.waiting.len() >= self.queue {
            return Answer::Full(self.retry_after());
        }
        let ticket = self.ticket();
        let level = self.levels.entry(Reverse(priority)).or_default();
        let tickets = level.tickets.entry(account.to_owned()).or_default();
        if tickets.is_empty() {
            level.turns.push_back(account.to_owned());
        }
        tickets.push_back(ticket);
        self.waiting.insert(ticket, Waiting { account: account.to_owned(), priority, deadline });
        Answer::Wait(ticket)
    }

    /// Gives a place back, running or waiting. Returns whose turn it is now, if that freed a slot for somebody.
    ///
    /// `served`: whether something ran in the slot; only such places say how long a slot is held. A ticket that has no
    /// place (any more) changes nothing.
    pub(crate) fn leave(&mut self, ticket: Ticket, served: bool, now: Millis) -> Option<Ticket> {
        if let Some(waiting) = self.waiting.remove(&ticket) {
            self.forget(ticket, &waiting);
            return None;
        }
        let since = self.running.remove(&ticket)?;
        if served {
            // A clock that went back counts as no time.
            let held = now.saturating_sub(since) as f64;
            self.hold = Some(self.hold.map_or(held, |hold| hold + NEWEST * (held - hold)));
        }
        let next = self.next_in_line()?;
        self.running.insert(next, now);
        Some(next)
    }

    /// How many are served before this place, as the queue stands; `None` if it does not wait.
    pub(crate) fn ahead(&self, ticket: Ticket) -> Option<usize> {
        let waiting = self.waiting.get(&ticket)?;
        let count = |level: &Level| level.tickets.values().map(VecDeque::len).sum::<usize>();
        let higher: usize = self.levels.range(..Reverse(waiting.priority)).map(|(_, level)| count(level)).sum();
        let level = self.levels.get(&Reverse(waiting.priority))?;
        let own = level.tickets.get(&waiting.account)?.iter().position(|other| *other == ticket)?;
        let turn = level.turns.iter().position(|account| *account == waiting.account)?;
        // Of every other account as many as have their turn before: one more of those that come first in the round.
        let others = level.turns.iter().enumerate().filter(|(at, _)| *at != turn).map(|(at, account)| {
            let waiting = level.tickets.get(account).map_or(0, VecDeque::len);
            waiting.min(own + usize::from(at < turn))
        });
        Some(higher + own + others.sum::<usize>())
    }

    /// Whether this place runs.
    #[cfg(test)]
    fn runs(&self, ticket: Ticket) -> bool {
        self.running.contains_key(&ticket)
    }

    /// Takes out of the queue whoever has waited until its deadline.
    pub(crate) fn expire(&mut self, now: Millis) -> Vec<Ticket> {
        let due = |waiting: &Waiting| waiting.deadline <= now;
        let mut expired: Vec<_> = self.waiting.iter().filter(|(_, waiting)| due(waiting)).map(|(t, _)| *t).collect();
        expired.sort_unstable();
        for ticket in &expired {
            if let Some(waiting) = self.waiting.remove(ticket) {
                self.forget(*ticket, &waiting);
            }
        }
        expired
    }

    /// How long somebody who came now and found no place should stay away: the time in which the queue of this moment is
    /// served. `None` until a slot was held once. Between 1 ms and 30 s.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        let wait = (self.waiting.len() + 1) as f64 * self.hold? / self.slots as f64;
        // The cast saturates; it cannot be NaN, as a hold time is finite.
        Some((wait.ceil() as u64).clamp(1, MAX_RETRY_MS))
    }

    /// The places of this moment.
    pub(crate) fn capacity(&self) -> Capacity {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let free = self.slots - self.running.len();
        let est_ms = if free > 0 { Some(0) } else { self.retry_after() };
        Capacity {
            slots: count(self.slots),
            free: count(free),
            queued: count(self.waiting.len()),
            queue: count(self.queue),
            est_ms,
        }
    }

    /// Whether nobody has a place.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    fn ticket(&mut self) -> Ticket {
        self.next += 1;
        Ticket(self.next)
    }

    /// Takes the next one out of the queue: highest priority, then the account whose turn it is.
    fn next_in_line(&mut self) -> Option<Ticket> {
        let mut first = self.levels.first_entry()?;
        let level = first.get_mut();
        let account = level.turns.pop_front().expect("a level without accounts is removed");
        let tickets = level.tickets.get_mut(&account).expect("an account in turn has tickets");
        let ticket = tickets.pop_front().expect("an account without tickets has no turn");
        if tickets.is_empty() {
            level.tickets.remove(&account);
        } else {
            level.turns.push_back(account);
        }
        if level.turns.is_empty() {
            first.remove();
        }
        self.waiting.remove(&ticket);
        Some(ticket)
    }

    /// Takes a ticket out of its level; the account keeps its turn if it waits for more.
    fn forget(&mut self, ticket: Ticket, waiting: &Waiting) {
        let Some(level) = self.levels.get_mut(&Reverse(waiting.priority)) else { return };
        let Some(tickets) = level.tickets.get_mut(&waiting.account) else { return };
        tickets.retain(|other| *other != ticket);
        if tickets.is_empty() {
            level.tickets.remove(&waiting.account);
            level.turns.retain(|account| *account != waiting.account);
        }
        if level.turns.is_empty() {
            self.levels.remove(&Reverse(waiting.priority));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    const FAR: Millis = Millis::MAX;

    fn place(answer: Answer) -> Ticket {
        match answer {
            Answer::Run(ticket) | Answer::Wait(ticket) => ticket,
            Answer::Full(_) => panic!("full"),
        }
    }

    #[test]
    fn the_wait_is_unknown_until_a_slot_was_held() {
        let mut admission = Admission::new(2, 1);
        let first = place(admission.ask("a", 0, FAR, 0));
        let second = place(admission.ask("a", 0, FAR, 0));
        assert_eq!(admission.capacity().est_ms, None);
        place(admission.ask("a", 0, FAR, 0));
        assert_eq!(admission.ask("a", 0, FAR, 0), Answer::Full(None));
        // A place in which nothing ran says nothing.
        assert!(admission.leave(first, false, 5).is_some());
        place(admission.ask("a", 0, FAR, 5));
        assert_eq!(admission.ask("a", 0, FAR, 5), Answer::Full(None));
        admission.leave(second, true, 1_000);
        place(admission.ask("a", 0, FAR, 1_000));
        // Two in line (the one that waits and the asker), 1,000 ms each, two slots.
        assert_eq!(admission.ask("a", 0, FAR, 1_000), Answer::Full(Some(1_000)));
        assert_eq!(admission.capacity().est_ms, Some(1_000));
    }

    #[test]
    fn the_wait_is_capped() {
        let mut admission = Admission::new(1, 0);
        let first = place(admission.ask("a", 0, FAR, 0));
        admission.leave(first, true, 10_000_000);
        place(admission.ask("a", 0, FAR, 0));
        assert_eq!(admission.ask("a", 0, FAR, 0), Answer::Full(Some(MAX_RETRY_MS)));
    }

    #[test]
    fn priority_first_then_turns_then_first_come() {
        let mut admission = Admission::new(1, 16);
        let mut current = place(admission.ask("x", 0, FAR, 0));
        let mut names = HashMap::new();
        for (name, account, priority) in [
            ("a1", "a", 1),
            ("a2", "a", 1),
            ("a3", "a", 1),
            ("b1", "b", 1),
            ("c1", "c", 0),
            ("d1", "d", 9),
            ("b2", "b", 1),
        ] {
            names.insert(place(admission.ask(account, priority, FAR, 0)), name);
        }
        let mut order = Vec::new();
        while let Some(next) = admission.leave(current, true, 0) {
            order.push(names[&next]);
            current = next;
        }
        assert_eq!(order, ["d1", "a1", "b1", "a2", "b2", "a3", "c1"]);
    }

    #[test]
    fn whoever_waited_too_long_is_taken_out() {
        let mut admission = Admission::new(1, 2);
        let first = place(admission.ask("a", 0, FAR, 0));
        let short = place(admission.ask("b", 0, 10, 0));
        let long = place(admission.ask("c", 0, 20, 0));
        assert_eq!(admission.expire(9), []);
        assert_eq!(admission.expire(10), [short]);
        assert_eq!(admission.leave(short, false, 10), None);
        assert_eq!(admission.leave(first, true, 11), Some(long));
        assert!(admission.runs(long));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Ask {
            account: u8,
            priority: u8,
            patience: u64,
        },
        Leave(prop::sample::Index, bool),
        Expire,
        /// May go back.
        Clock(i64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            5 => (0u8..4, 0u8..3, 0u64..200).prop_map(|(account, priority, patience)| Step::Ask { account, priority, patience }),
            4 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(which, served)| Step::Leave(which, served)),
            1 => Just(Step::Expire),
            2 => (-50i64..100).prop_map(Step::Clock),
        ];
        proptest::collection::vec(step, 1..120)
    }

    proptest! {
        /// Against a list that is searched from the front: bounds, nobody lost, no idle slot, right order.
        #[test]
        fn as_a_naive_queue_does(slots in 1usize..4, queue in 0usize..5, steps in steps()) {
            let mut admission = Admission::new(slots, queue);
            let mut running: Vec<Ticket> = Vec::new();
            let mut waiting: Vec<(Ticket, u8, u8, Millis)> = Vec::new();
            // Per priority: accounts in the order of their turns.
            let mut turns: HashMap<u8, Vec<u8>> = HashMap::new();
            let mut now: Millis = 1_000;
            for step in steps {
                match step {
                    Step::Clock(by) => now = now.saturating_add_signed(by),
                    Step::Ask { account, priority, patience } => {
                        let deadline = now + patience;
                        match admission.ask(&account.to_string(), priority, deadline, now) {
                            Answer::Run(ticket) => {
                                prop_assert!(running.len() < slots && waiting.is_empty());
                                running.push(ticket);
                            }
                            Answer::Wait(ticket) => {
                                prop_assert!(running.len() == slots && waiting.len() < queue);
                                let turns = turns.entry(priority).or_default();
                                if !turns.contains(&account) { turns.push(account); }
                                waiting.push((ticket, account, priority, deadline));
                            }
                            Answer::Full(wait) => {
                                prop_assert!(running.len() == slots && waiting.len() == queue);
                                prop_assert!(wait.is_none_or(|wait| (1..=MAX_RETRY_MS).contains(&wait)));
                            }
                        }
                    }
                    Step::Leave(which, served) => {
                        let all: Vec<_> = running.iter().copied().chain(waiting.iter().map(|w| w.0)).collect();
                        if all.is_empty() { continue; }
                        let ticket = all[which.index(all.len())];
                        let next = admission.leave(ticket, served, now);
                        if let Some(at) = running.iter().position(|other| *other == ticket) {
                            running.remove(at);
                            let expected = waiting.iter().map(|w| w.2).max().map(|priority| {
                                let turns = turns.get_mut(&priority).unwrap();
                                let account = turns.remove(0);
                                let mine = |w: &(Ticket, u8, u8, Millis)| w.1 == account && w.2 == priority;
                                let at = waiting.iter().position(mine).unwrap();
                                let taken = waiting.remove(at).0;
                                if waiting.iter().any(mine) { turns.push(account); }
                                taken
                            });
                            prop_assert_eq!(next, expected);
                            running.extend(next);
                        } else {
                            prop_assert_eq!(next, None);
                            waiting.retain(|w| w.0 != ticket);
                        }
                        prop_assert_eq!(admission.leave(ticket, served, now), None);
                    }
                    Step::Expire => {
                        let expired: HashSet<_> = admission.expire(now).into_iter().collect();
                        let due: HashSet<_> = waiting.iter().filter(|w| w.3 <= now).map(|w| w.0).collect();
                        prop_assert_eq!(&expired, &due);
                        waiting.retain(|w| !expired.contains(&w.0));
                    }
                }
                for (priority, turns) in &mut turns {
                    turns.retain(|account| waiting.iter().any(|w| w.1 == *account && w.2 == *priority));
                }
                let capacity = admission.capacity();
                prop_assert_eq!(capacity.free as usize, slots - running.len());
                prop_assert_eq!(capacity.queued as usize, waiting.len());
                prop_assert!(running.len() <= slots && waiting.len() <= queue);
                prop_assert!(capacity.free == 0 || capacity.queued == 0, "a slot is free while somebody waits");
                prop_assert!(running.iter().all(|ticket| admission.runs(*ticket)));
                prop_assert_eq!(admission.is_idle(), running.is_empty() && waiting.is_empty());
            }
        }

        /// What everybody is told is the order in which they are then served.
        #[test]
        fn those_ahead_are_served_before(asks in proptest::collection::vec((0u8..4, 0u8..3), 1..40), served in 0usize..10) {
            let mut admission = Admission::new(1, asks.len());
            let mut current = place(admission.ask("first", 0, FAR, 0));
            let tickets: Vec<_> = asks.iter().map(|(account, priority)| {
                place(admission.ask(&account.to_string(), *priority, FAR, 0))
            }).collect();
            for _ in 0..served {
                let Some(next) = admission.leave(current, true, 0) else { break };
                current = next;
            }
            prop_assert_eq!(admission.ahead(current), None, "it runs");
            let mut told: Vec<_> = tickets.iter().filter_map(|t| Some((admission.ahead(*t)?, *t))).collect();
            told.sort_unstable();
            let told: Vec<_> = told.into_iter().enumerate().map(|(at, (ahead, ticket))| {
                assert_eq!(at, ahead, "two are told the same");
                ticket
            }).collect();
            let mut order = Vec::new();
            while let Some(next) = admission.leave(current, true, 0) {
                order.push(next);
                current = next;
            }
            prop_assert_eq!(told, order);
        }

        /// While several accounts of one priority always wait, none is served twice before another is served once.
        #[test]
        fn accounts_take_turns(accounts in 2usize..5, each in 2usize..5) {
            let mut admission = Admission::new(1, accounts * each);
            let mut current = place(admission.ask("first", 0, FAR, 0));
            let mut owner = HashMap::new();
            for account in 0..accounts {
                for _ in 0..each {
                    owner.insert(place(admission.ask(&account.to_string(), 0, FAR, 0)), account);
                }
            }
            let mut served = vec![0usize; accounts];
            while let Some(next) = admission.leave(current, true, 0) {
                served[owner[&next]] += 1;
                current = next;
                let (least, most) = (served.iter().min().unwrap(), served.iter().max().unwrap());
                prop_assert!(most - least <= 1, "{:?}", served);
            }
            prop_assert!(served.iter().all(|n| *n == each));
        }
    }
}
