//! A Gate, an isolate that remembers its refusals, and the messages between them.

use super::{ADDRESSES, AHEAD, NAME, Step, callers, change};
use sluice_protocol::account::{Account, DecisionContext, History};
use sluice_protocol::auth::permission::Denied;
use sluice_protocol::auth::principal::{self, Mark};
use sluice_protocol::hop::gate_call::command::Command;
use sluice_protocol::hop::gate_call::description::StorageCounters;
use sluice_protocol::hop::gate_call::remembered::{Asked, Asker, REMEMBER_MS, Remembered, Want};
use sluice_protocol::hop::gate_call::{Answer, Ask, Call, Caller, Identity};
use sluice_protocol::id::{CommandId, RequestId};
use sluice_protocol::limit::calendar::Calendar;
use sluice_protocol::limit::decision::{Blanket, Outcome, Passes, Refused};
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::request::bodies::chat::Usage;
use sluice_protocol::request::endpoint::Endpoint;
use std::net::IpAddr;

/// A refusal that came: who was refused, from where, and when this isolate had asked.
pub(super) type Given = (Identity, Option<IpAddr>, Answer, u64);

pub(super) struct World {
    pub(super) table: PlanTable,
    pub(super) gate: Account,
    pub(super) remembered: Remembered,
    pub(super) now: u64,
    pub(super) next: u64,
    pub(super) admitted: Vec<RequestId>,
    /// Answers under way: to whom, from where, what, and when it was asked.
    pub(super) under_way: Vec<(Caller, Option<IpAddr>, Answer, u64)>,
    pub(super) given: Vec<Given>,
    /// When something was changed at another isolate.
    pub(super) changed_elsewhere: Option<u64>,
    pub(super) hits: usize,
}

impl World {
    pub(super) fn setting(&self) -> DecisionContext<'_> {
        DecisionContext {
            account: NAME,
            table: &self.table,
            calendar: Calendar::NONE,
            storage: StorageCounters::default(),
            history: History::NONE,
        }
    }

    pub(super) fn tell(&mut self, call: &Call) -> Answer {
        let mut gate = std::mem::take(&mut self.gate);
        let (answer, _) = gate.answer(call, self.setting(), self.now + AHEAD);
        self.gate = gate;
        answer
    }

    pub(super) fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn take(&mut self, step: &Step) {
        let account = principal::AccountName::parse(NAME).unwrap();
        match *step {
            Step::Ask { who, address, chat, model, tokens, user, ago } => {
                let caller = callers().swap_remove(who);
                let address = ADDRESSES[address].map(|address| address.parse().unwrap());
                let mut request = [0; 16];
                request[..8].copy_from_slice(&self.id().to_le_bytes());
                let ask = Ask {
                    request: RequestId(request),
                    endpoint: if chat { Endpoint::Chat } else { Endpoint::Completions },
                    model: if model { "m" } else { "n" }.into(),
                    max_tokens: Some(tokens),
                    user: user.then(|| Mark::of("u")),
                    address,
                    ..Ask::smallest(caller)
                };
                self.ask(&ask, &account, ago);
            }
            Step::Arrive if !self.under_way.is_empty() => {
                let (caller, address, answer, at) = self.under_way.remove(0);
                let asker = Asker { account: &account, caller: &caller, address, table: self.table.version() };
                self.remembered.put(&asker, &answer, Asked { at, answered_at: self.now });
                self.given.push((caller.identity(), address, answer, at));
            }
            Step::Arrive => {}
            Step::Tick(ms) => self.now += ms,
            Step::Settle(served) => {
                let Some(request) = self.admitted.pop() else { return };
                let outcome = if served { Outcome::Served(Some(Usage::new(1, 1).into())) } else { Outcome::NotServed };
                self.tell(&Call::Settle { request, outcome });
                if !served {
                    self.remembered.forget(&account, self.now);
                }
            }
            Step::Change { what, number, here } => {
                let id = CommandId(self.id().to_le_bytes());
                self.tell(&Call::Do(Box::new(Command { id, expects: None, at: 0, action: change(what, number) })));
                match here {
                    true => self.remembered.forget(&account, self.now),
                    false => self.changed_elsewhere = Some(self.now),
                }
            }
        }
    }

    pub(super) fn ask(&mut self, ask: &Ask, account: &principal::AccountName, ago: u64) {
        let asker = Asker { account, caller: &ask.caller, address: ask.address, table: self.table.version() };
        let found = self.remembered.get(&asker, Want::Admission, self.now);
        let of_identity = self.remembered.get(&asker, Want::Identity, self.now);
        assert!(of_identity.is_none() || of_identity == found, "whoever is not known is not let in either");
        let mut gate = self.gate.clone();
        let (now, _) = gate.answer(&Call::Admit(Box::new(ask.clone())), self.setting(), self.now + AHEAD);
        let Some(found) = found else {
            let answer = self.tell(&Call::Admit(Box::new(ask.clone())));
            if matches!(answer, Answer::Admitted(_)) {
                self.admitted.push(ask.request);
            }
            self.under_way.push((ask.caller.clone(), ask.address, answer, self.now.saturating_sub(ago)));
            return;
        };
        self.hits += 1;
        self.check_source(ask, &found);
        // A change elsewhere is not known here; what was asked before it is gone a second later.
        if self.changed_elsewhere.is_none_or(|at| self.now >= at + REMEMBER_MS) {
            check_same(&found, &now, self.now + AHEAD);
        }
    }

    /// Whatever happened elsewhere: the very same caller was refused so within the last second, and from the same address
    /// where that matters.
    pub(super) fn check_source(&self, ask: &Ask, found: &Answer) {
        let identity = ask.caller.identity();
        let is_source = |(who, address, answer, asked_at): &Given| {
            let is_same = match (found, answer) {
                (Answer::Limited { refused, .. }, Answer::Limited { refused: given, .. }) => {
                    let at_address = refused.iter().any(|refused| refused.blanket == Blanket::Address);
                    refused == given && (!at_address || *address == ask.address)
                }
                (Answer::Denied(Denied::Address), answer) => answer == found && *address == ask.address,
                _ => answer == found,
            };
            *who == identity && is_same && self.now - asked_at < REMEMBER_MS
        };
        assert!(self.given.iter().any(is_source), "{found:?} for {ask:?}, of {:?}", self.given);
    }
}

/// What is told from memory is what the Gate says now, or what it says of everything that this caller may ask for.
fn check_same(found: &Answer, gate: &Answer, gate_now: u64) {
    match (found, gate) {
        // The request itself is not one that this caller may send: it is refused in any case.
        (Answer::Limited { .. }, Answer::Denied(Denied::Scope(_) | Denied::Model) | Answer::NotAllowed { .. }) => {}
        (Answer::Limited { refused, now, .. }, Answer::Limited { refused: again, .. }) => {
            assert!(*now <= gate_now, "the wait is never too short");
            let is_there = |one: &Refused| again.iter().any(|now| now.limit == one.limit && at(now) >= at(one));
            // Of several limits one may let through before the others: then those still refuse.
            let mut binding = refused.iter().filter(|one| at(one) > gate_now).peekable();
            assert!(binding.peek().is_some() && binding.all(is_there), "{refused:?} and {again:?} at {gate_now}");
        }
        _ => assert_eq!(found, gate),
    }
}

fn at(refused: &Refused) -> u64 {
    match refused.passes {
        Passes::At(at) => at,
        Passes::LessFull | Passes::Never => u64::MAX,
    }
}
