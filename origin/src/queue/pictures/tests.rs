//! What whoever waits for a picture is told, against a machine that draws in virtual time.

use super::*;
use crate::models::z_image::effort::tests_effort;
use crate::queue::admission::Answer;
use proptest::prelude::*;

const FAR: Millis = Millis::MAX;
/// Nanoseconds of one multiplication.
const NS: f64 = 0.0001;

fn takes(steps: usize) -> u64 {
    let effort = tests_effort(steps);
    let each = |part| effort.left(part).blocks as f64 * effort.left(part).each;
    (Part::ALL.into_iter().map(each).sum::<f64>() * NS / 1e6).round() as u64
}

/// A machine that draws one picture after another.
struct Machine {
    pictures: Pictures,
    steps: HashMap<Ticket, usize>,
    /// Who draws, and since when.
    draws: Option<(Ticket, Millis)>,
    begun: HashMap<Ticket, Millis>,
    now: Millis,
}

impl Machine {
    fn new(queue: usize) -> Self {
        Self { pictures: Pictures::new(queue), steps: HashMap::new(), draws: None, begun: HashMap::new(), now: 0 }
    }

    /// One asks for a picture of so many steps.
    fn ask(&mut self, account: &str, priority: u8, steps: usize) -> Result<Ticket, Option<u64>> {
        let ticket = match self.pictures.line.ask(account, priority, FAR, self.now) {
            Answer::Run(ticket) => {
                self.begin(ticket);
                ticket
            }
            Answer::Wait(ticket) => ticket,
            Answer::Full(_) => return Err(self.pictures.promise(self.now)),
        };
        self.pictures.expects(ticket, tests_effort(steps));
        self.steps.insert(ticket, steps);
        Ok(ticket)
    }

    fn begin(&mut self, ticket: Ticket) {
        assert!(self.draws.is_none(), "two are drawn at once");
        self.draws = Some((ticket, self.now));
        self.begun.insert(ticket, self.now);
    }

    /// Draws until then; what was drawn of a picture is noted by its parts when it is done.
    fn until(&mut self, then: Millis) {
        while let Some((ticket, since)) = self.draws {
            let end = since + takes(self.steps[&ticket]);
            if end > then {
                break;
            }
            self.now = end;
            let effort = tests_effort(self.steps[&ticket]);
            for part in Part::ALL {
                let left = effort.left(part);
                let took = Duration::from_nanos((left.blocks as f64 * left.each * NS) as u64);
                self.pictures.did(ticket, part, left.blocks, took);
            }
            self.draws = None;
            if let Some(next) = self.pictures.leave(ticket, self.now) {
                self.begin(next);
            }
        }
        self.now = then;
    }
}

#[test]
fn nobody_is_told_a_time_before_anything_was_measured() {
    let mut machine = Machine::new(1);
    machine.ask("a", 0, 8).unwrap();
    let waits = machine.ask("a", 0, 8).unwrap();
    assert_eq!(machine.pictures.begins_in(waits), None);
    assert_eq!(machine.ask("a", 0, 8), Err(None));
    machine.until(takes(8));
    assert_eq!(machine.pictures.begins_in(waits), None, "it draws");
    let waits = machine.ask("a", 0, 8).unwrap();
    assert!(machine.pictures.begins_in(waits).unwrap().abs_diff(takes(8)) < 2);
}

#[test]
fn whoever_is_refused_is_told_a_time_although_all_others_are_being_read() {
    let mut pictures = Pictures::new(1);
    let place = |answer| match answer {
        Answer::Run(ticket) | Answer::Wait(ticket) => ticket,
        Answer::Full(_) => panic!("full"),
    };
    let first = place(pictures.line.ask("a", 0, FAR, 0));
    pictures.expects(first, tests_effort(8));
    pictures.did(first, Part::Steps, 8, Duration::from_millis(80));
    pictures.leave(first, 80);
    // Nothing is known of these two yet.
    place(pictures.line.ask("a", 0, FAR, 80));
    let waits = place(pictures.line.ask("a", 0, FAR, 80));
    assert!(pictures.begins_in(waits).is_some());
    assert!(pictures.promise(80).is_some());
}

/// Fifty ask at once, and those that find no place come back when they were told; each asks for so many steps. Gives how often
/// each was refused, and how long the last one stayed away for each millisecond that was drawn by then.
fn fifty(steps: impl Fn(usize) -> usize) -> (Vec<usize>, f64) {
    let mut machine = Machine::new(4);
    machine.ask("first", 0, steps(0)).unwrap();
    machine.until(takes(steps(0)) + 1);
    let begun = machine.now;
    let mut coming: Vec<(Millis, usize)> = (0..50).map(|caller| (begun, caller)).collect();
    let mut refused = vec![0; 50];
    let mut last = begun;
    while !coming.is_empty() {
        coming.sort_unstable();
        let (when, caller) = coming.remove(0);
        machine.until(when);
        match machine.ask(&caller.to_string(), 0, steps(caller)) {
            Ok(_) => last = when,
            Err(wait) => {
                refused[caller] += 1;
                coming.push((when + wait.unwrap(), caller));
            }
        }
    }
    let all: u64 = (0..45).map(|caller| takes(steps(caller))).sum();
    machine.until(last + 10 * takes(8));
    assert_eq!(machine.begun.len(), 51, "each is drawn");
    (refused, (last - begun) as f64 / all as f64)
}

#[test]
fn fifty_at_once_are_each_drawn_when_they_come_as_they_were_told() {
    let (refused, longer) = fifty(|_| 4);
    assert_eq!(refused.iter().filter(|times| **times == 0).count(), 5);
    assert!(refused.iter().all(|times| *times <= 1), "the time that was told holds: {refused:?}");
    assert!(longer < 1.2, "nobody is kept away longer than that: {longer}");
    // What those will draw who come then is known to nobody: where pictures differ, a few come twice.
    let (refused, longer) = fifty(|caller| 1 + caller % 8);
    assert!(refused.iter().all(|times| *times <= 3), "{refused:?}");
    assert!(longer < 1.5, "{longer}");
}

proptest! {
    #[test]
    fn who_waits_begins_when_it_was_told(
        waiting in proptest::collection::vec((0_u8..4, 0_u8..3, 1_usize..20), 1..12),
    ) {
        let mut machine = Machine::new(20);
        machine.ask("first", 0, 3).unwrap();
        machine.until(takes(3) + 1);
        machine.ask("draws", 0, 12).unwrap();
        let mut tickets = Vec::new();
        for (account, priority, steps) in waiting {
            tickets.push(machine.ask(&account.to_string(), priority, steps).unwrap());
        }
        let told: Vec<u64> = tickets.iter().map(|ticket| machine.pictures.begins_in(*ticket).unwrap()).collect();
        let since = machine.now;
        machine.until(since + 1_000_000);
        for (ticket, told) in tickets.iter().zip(told) {
            let begun = machine.begun[ticket] - since;
            prop_assert!(begun.abs_diff(told) <= 2 + begun / 100, "{begun} ms, told {told}");
        }
    }

    #[test]
    fn the_line_is_in_the_order_in_which_it_is_served(
        waiting in proptest::collection::vec((0_u8..4, 0_u8..3), 1..15),
    ) {
        let mut machine = Machine::new(20);
        let first = machine.ask("first", 0, 1).unwrap();
        for (account, priority) in waiting {
            machine.ask(&account.to_string(), priority, 1).unwrap();
        }
        let line = machine.pictures.line.line();
        for (at, ticket) in line.iter().enumerate() {
            prop_assert_eq!(machine.pictures.line.ahead(*ticket), Some(at));
        }
        let mut runs = first;
        for expected in line {
            let next = machine.pictures.leave(runs, 0).expect("somebody waits");
            prop_assert_eq!(next, expected);
            runs = next;
        }
    }
}
