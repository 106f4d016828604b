//! Every way that lines and their batch can go: kills between any two steps, answers that are lost, messages that come
//! twice, somebody who cancels, a clock that runs out. What is kept is written and read again after each step.

use proptest::prelude::*;
use sluice_protocol::auth::permission::Permissions;
use sluice_protocol::auth::principal::Mark;
use sluice_protocol::hop::gate_call::Caller;
use sluice_protocol::id::RequestId;
use sluice_protocol::jobs::batch::{Batch, NewBatch, Status, WINDOW_MS, decode_batch, encode_batch};
use sluice_protocol::jobs::line::BatchDoor;
use sluice_protocol::jobs::name::{BatchId, FileId};
use sluice_protocol::jobs::owner::Owner;
use sluice_protocol::jobs::work::{
    After, Found, MAX_TRIES, Outcome, Stage, Why, Work, after, decode_work, encode_work,
};
use sluice_protocol::refusal::{Reason, Refusal};
use std::collections::BTreeMap;

/// What happens next, to some line.
#[derive(Clone, Copy, Debug)]
enum Step {
    Send,
    /// Its try is answered, or refused for good.
    Tell(bool),
    /// The same message once more, of a try that is over.
    TellLate,
    Settle,
    /// There was no room, or it failed.
    Wait(bool),
    /// All that was in memory is gone: what is under way is found out about.
    Kill(Found),
    Cancel,
    Revoke,
    Clock(u64),
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let found = prop_oneof![Just(Found::Whole), Just(Found::NotWhole), Just(Found::Unknown)];
    let step = prop_oneof![
        6 => Just(Step::Send),
        4 => any::<bool>().prop_map(Step::Tell),
        1 => Just(Step::TellLate),
        4 => Just(Step::Settle),
        2 => any::<bool>().prop_map(Step::Wait),
        3 => found.prop_map(Step::Kill),
        1 => Just(Step::Cancel),
        1 => Just(Step::Revoke),
        1 => (0..WINDOW_MS / 4).prop_map(Step::Clock),
    ];
    proptest::collection::vec((0usize..LINES, step), 0..200)
}

pub(super) fn owner() -> Owner {
    Owner {
        account: "ip:203.0.113.7".into(),
        caller: Caller::Known { subject: Mark::default(), plan: "open".into() },
        key: None,
        address: "203.0.113.7".parse().ok(),
        permissions: Permissions::default(),
        subject: "ip:203.0.113.7".into(),
    }
}

pub(super) fn batch() -> Batch {
    let asked = NewBatch {
        id: BatchId([1; 16]),
        owner: owner(),
        door: BatchDoor::Chat,
        input: FileId([2; 16]),
        metadata: BTreeMap::from([("run".to_owned(), "7".to_owned())]),
    };
    Batch::new(asked, NOW)
}

/// A batch and its lines, as an object keeps them.
struct Kept {
    batch: Batch,
    lines: Vec<Work>,
    now: u64,
    next: u128,
    /// The tries that were ever sent, by line.
    sent: Vec<Vec<RequestId>>,
}

impl Kept {
    fn new() -> Self {
        let mut batch = batch();
        batch.validated(LINES as u32, Vec::new(), NOW);
        let lines = (0..LINES).map(|line| Work::new(line.to_string(), "{}".into())).collect();
        Self { batch, lines, now: NOW, next: 0, sent: vec![Vec::new(); LINES] }
    }

    fn step(&mut self, line: usize, step: Step) {
        match step {
            Step::Send if self.batch.may_send() => {
                self.next += 1;
                let request = RequestId(self.next.to_be_bytes());
                let is_sent = self.change(line, |work, now| work.send(request, now, now + 1));
                if is_sent {
                    self.sent[line].push(request);
                }
            }
            Step::Send => {}
            Step::Tell(is_answer) => {
                let Some(tried) = self.lines[line].under_way() else { return };
                let request = tried.request;
                let body = "{}".to_owned();
                let outcome = match is_answer {
                    true => Outcome::Answered { request, body },
                    false => Outcome::Refused { request, status: 1, body },
                };
                self.change(line, |work, _| work.tell(request, outcome.clone()));
            }
            Step::TellLate => {
                let current = self.lines[line].under_way().map(|tried| tried.request);
                let late = self.sent[line].iter().copied().find(|request| Some(*request) != current);
                let Some(request) = late else { return };
                let before = self.lines[line].clone();
                let outcome = Outcome::Answered { request, body: "late".into() };
                self.change(line, |work, _| work.tell(request, outcome.clone()));
                assert_eq!(self.lines[line], before, "a try that is over says nothing more");
            }
            Step::Settle => _ = self.change(line, |work, _| work.settle()),
            Step::Wait(counts) => {
                let Some(tried) = self.lines[line].under_way() else { return };
                self.change(line, |work, _| work.wait(tried.request, counts));
            }
            Step::Kill(found) => (0..LINES).for_each(|line| self.change(line, |work, _| work.find(found))),
            Step::Cancel => {
                let was_over = self.batch.is_over() || self.batch.status == Status::Finalizing;
                assert_eq!(self.batch.cancel(self.now).is_err(), was_over);
            }
            Step::Revoke => self.batch.revoke(),
            Step::Clock(by) => {
                self.now += by;
                self.batch.look(self.now);
            }
        }
        if let Some(why) = self.batch.ends {
            (0..LINES).for_each(|line| _ = self.change(line, |work, _| work.give_up(why)));
        }
        self.batch = decode_batch(&encode_batch(&self.batch)).expect("a row is read as it was written");
    }

    fn change<T>(&mut self, line: usize, change: impl FnOnce(&mut Work, u64) -> T) -> T {
        let mut work = decode_work(&encode_work(&self.lines[line])).expect("a row is read as it was written");
        let before = work.outcome().cloned();
        let told = change(&mut work, self.now);
        match (&before, work.outcome()) {
            (None, Some(outcome)) => self.batch.line_is_over(outcome, self.now),
            (Some(before), outcome) => assert_eq!(Some(before), outcome, "a result changes"),
            (None, None) => {}
        }
        assert!(work.tries <= MAX_TRIES, "{work:?}");
        self.lines[line] = work;
        told
    }

    fn check(&self) {
        let over: Vec<_> = self.lines.iter().filter_map(Work::outcome).collect();
        let answers = over.iter().filter(|outcome| outcome.is_answer()).count();
        let counts = self.batch.counts;
        assert_eq!((counts.total as usize, counts.completed as usize), (LINES, answers));
        assert_eq!(counts.failed as usize, over.len() - answers);
        let is_done = matches!(self.batch.status, Status::Finalizing) || self.batch.is_over();
        assert_eq!(is_done, over.len() == LINES, "{:?}", self.batch.status);
    }
}

proptest! {
    #[test]
    fn each_line_has_one_result_and_the_counts_agree(steps in steps()) {
        let mut kept = Kept::new();
        for (line, step) in steps {
            kept.step(line, step);
            kept.check();
        }
        // Nothing goes wrong any more: what is left is answered, or has its reason.
        for round in 0..2 {
            for line in 0..LINES {
                kept.step(line, Step::Kill(Found::NotWhole));
                for step in [Step::Send, Step::Tell(true), Step::Settle] {
                    kept.step(line, step);
                }
            }
            prop_assert!(round == 0 || kept.batch.status == Status::Finalizing, "{:?}", kept.batch);
        }
        kept.check();
        let mut ended = kept.batch.clone();
        ended.finalize(kept.now);
        prop_assert!(ended.is_over());
        let has = |why| kept.lines.iter().any(|work| work.outcome() == Some(&Outcome::Unanswered(why)));
        let expected = match ended.ends {
            Some(Why::Expired) if has(Why::Expired) => Some(Status::Expired),
            Some(Why::Cancelled) if has(Why::Cancelled) => Some(Status::Cancelled),
            Some(Why::Revoked) if has(Why::Revoked) => Some(Status::Failed),
            None => Some(Status::Completed),
            // Nothing was left that it could have ended.
            Some(_) => None,
        };
        prop_assert!(expected.is_none_or(|expected| expected == ended.status), "{:?}", ended);
        prop_assert!(ended.cancel(kept.now).is_err());
    }
}

#[test]
fn what_a_refusal_means_for_a_line_is_decided_for_every_reason() {
    for reason in Reason::ALL {
        let refusal = |wait: Option<u64>| Refusal { retry_after_ms: wait, ..Refusal::new(*reason, "") };
        match after(&refusal(None)) {
            After::Later(wait) => {
                assert!(wait > 0, "{reason:?}");
                // What was refused for want of room was not answered, and costs nothing.
                assert!(reason.row().status == 429 || reason.row().status >= 500, "{reason:?}");
            }
            After::Stop => assert!(matches!(reason.row().status, 401 | 403), "{reason:?}"),
            // What the gates say to each other alone is theirs to mend.
            After::Again => assert!(reason.row().status >= 500 || !reason.passes_edge(), "{reason:?}"),
            After::Over => assert!(!reason.is_refunded(), "{reason:?}"),
        }
    }
    let limited = Refusal::new(Reason::RateLimited, "").with_retry_after_ms(90_000_000);
    assert_eq!(after(&limited), After::Later(90_000_000), "a limit says exactly when");
}

#[test]
fn a_line_that_ends_everything_is_given_up_and_one_without_room_is_not() {
    let request = RequestId([1; 16]);
    let mut work = Work::new("a".into(), "{}".into());
    for _ in 0..1_000 {
        assert!(work.send(request, 0, 1));
        work.wait(request, false);
    }
    for _ in 0..MAX_TRIES {
        assert!(work.send(request, 0, 1));
        work.find(Found::NotWhole);
    }
    assert_eq!(work.stage, Stage::Over(Outcome::Unanswered(Why::Tries)));
}

const LINES: usize = 5;
const NOW: u64 = 1_790_000_000_000;
