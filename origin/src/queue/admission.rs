//! queue, the decisions: which request runs, waits or is refused. Pure: time is an argument, in milliseconds since
//! any moment.
//!
//! At most `slots` places run and at most `queue` wait. A free slot goes to the highest priority; within a priority the
//! accounts take turns; within an account first come, first served. A slot is never free while somebody waits. Whoever
//! takes idle time only never waits, and leaves a slot free.

use sluice_protocol::forward::capacity::Capacity;
use sluice_protocol::time::Millis;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// All places of an origin.
#[derive(Debug)]
pub(crate) struct Admission {
    slots: usize,
    queue: usize,
    next: u64,
    running: HashMap<Ticket, Millis>,
    /// Those that run and take idle time only.
    idle: HashSet<Ticket>,
    waiting: HashMap<Ticket, Waiting>,
    levels: BTreeMap<Reverse<u8>, Level>,
    hold: Option<f64>,
}

/// Names one place. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// The answer to a request for a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// There is a slot.
    Run(Ticket),
    /// There is a place in the queue.
    Wait(Ticket),
    /// All is taken. Until a place should be free it takes this long, if that is known.
    Full(Option<u64>),
}

#[derive(Debug)]
struct Waiting {
    account: String,
    priority: u8,
    deadline: Millis,
}

/// The accounts of one priority in the order of their turns, each with its waiting requests.
#[derive(Debug, Default)]
struct Level {
    turns: VecDeque<String>,
    tickets: HashMap<String, VecDeque<Ticket>>,
}

/// Weight of the newest slot time in the average.
const NEWEST: f64 = 0.2;
/// The longest time that a caller is told to stay away: beyond it the estimate is worth nothing.
const MAX_RETRY_MS: u64 = 30_000;

impl Admission {
    /// `slots` at least 1; `queue` may be 0.
    pub(crate) fn new(slots: usize, queue: usize) -> Self {
        Self {
            slots,
            queue,
            next: 0,
            running: HashMap::new(),
            idle: HashSet::new(),
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

    /// Asks for a place for whoever takes idle time only, and is below all others. It runs if nobody waits, and leaves a
    /// slot free for whoever comes next; all of its kind have half of the slots at most. Otherwise there is none, and it
    /// does not wait. Where there is one slot in all, it takes it if nothing else runs.
    pub(crate) fn ask_idle(&mut self, now: Millis) -> Answer {
        let most = (self.slots / 2).max(1);
        let leaves_one = self.running.len() + 1 < self.slots || (self.slots == 1 && self.running.is_empty());
        if !self.waiting.is_empty() || !leaves_one || self.idle.len() >= most {
            return Answer::Full(self.retry_after());
        }
        let ticket = self.ticket();
        self.running.insert(ticket, now);
        self.idle.insert(ticket);
        Answer::Run(ticket)
    }

    /// Gives a place back, running or waiting. Returns whose turn it is now, if that freed a slot for somebody.
    ///
    /// `served`: whether something ran in the slot. Only such places say how long a slot is held. A ticket without a
    /// place changes nothing.
    pub(crate) fn leave(&mut self, ticket: Ticket, served: bool, now: Millis) -> Option<Ticket> {
        if let Some(waiting) = self.waiting.remove(&ticket) {
            self.forget(ticket, &waiting);
            return None;
        }
        let since = self.running.remove(&ticket)?;
        self.idle.remove(&ticket);
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

    /// All that wait, in the order in which they are served, as the queue stands.
    pub(crate) fn line(&self) -> Vec<Ticket> {
        let mut line = Vec::with_capacity(self.waiting.len());
        for level in self.levels.values() {
            let accounts: Vec<_> = level.turns.iter().filter_map(|account| level.tickets.get(account)).collect();
            let rounds = accounts.iter().map(|tickets| tickets.len()).max().unwrap_or(0);
            for round in 0..rounds {
                line.extend(accounts.iter().filter_map(|tickets| tickets.get(round)));
            }
        }
        line
    }

    /// All that run, in the order in which they came.
    pub(crate) fn running(&self) -> Vec<Ticket> {
        let mut running: Vec<_> = self.running.keys().copied().collect();
        running.sort_unstable();
        running
    }

    /// Whether this place runs.
    #[cfg(test)]
    fn runs(&self, ticket: Ticket) -> bool {
        self.running.contains_key(&ticket)
    }

    /// Takes those out of the queue whose deadline has come.
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

    /// How long a request that finds no place now should stay away: the time in which the present queue is served.
    /// `None` until a slot was held once. Between 1 ms and 30 s.
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
            mem: None,
        }
    }

    /// Whether no place is taken.
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
mod tests;
