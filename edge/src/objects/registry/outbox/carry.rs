//! Carrying: what is written down goes to its Gates, in order for each.

use super::Outbox;
use crate::hop;
use crate::objects::registry::commands::{Row, Unreadable, Written};
use crate::objects::registry::records::RegistryRecords;
use crate::platform::objects::Cause;
use crate::platform::{self, Result, sleep};
use crate::telemetry::{self, measures};
use futures_util::StreamExt;
use sluice_protocol::hop::gate_call::command::MAX_CARRIED;
use sluice_protocol::hop::gate_call::{Call, Envelope, decode_answers, encode_envelope};
use sluice_protocol::telemetry::Line;
use sluice_protocol::time::Millis;

impl Outbox {
    /// Carries what waits for these accounts, to a few at once. Whether all of it has arrived.
    pub(super) async fn carry_to(&self, records: &RegistryRecords, accounts: Vec<String>) -> bool {
        let carried = futures_util::stream::iter(accounts)
            .map(|account| async move {
                let carried = self.carry(records, &account).await;
                // What is wrong with one account is in no other's way.
                carried.unwrap_or_else(|error| {
                    telemetry::write(&Line::trouble(format!("commands for {account} wait"), error.to_string()));
                    false
                })
            })
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>();
        carried.await.into_iter().all(|one| one)
    }

    /// Carries what waits for one account, in order. Whether all of it has arrived.
    async fn carry(&self, records: &RegistryRecords, account: &str) -> Result<bool> {
        let began = platform::now();
        // One by one, once several have failed together: one of them may be what its Gate fails over.
        let mut most = MAX_CARRIED;
        loop {
            let mut batch = Vec::new();
            for row in self.written.next(account, most)? {
                match row {
                    Row::Command(written) => batch.push(written),
                    // Its turn comes when those before it are done.
                    Row::Unreadable(_) if !batch.is_empty() => break,
                    Row::Unreadable(unreadable) if self.give_up(records, account, &unreadable)? => {}
                    Row::Unreadable(_) => return Ok(false),
                }
            }
            if batch.is_empty() {
                if self.written.count(account)? == 0 {
                    return Ok(true);
                }
                continue;
            }
            if !self.take_turn(account) {
                if platform::now().abs_diff(began) > TURN_MS {
                    return Ok(false);
                }
                sleep(LOOK_MS).await;
                continue;
            }
            let calls = batch.iter().map(|written| Call::Do(Box::new(written.command.clone()))).collect();
            let message = encode_envelope(&Envelope { account: account.to_owned(), table: records.version()?, calls });
            let answered = hop::call(&records.env, "GATE", account, &message).await;
            self.under_way.borrow_mut().remove(account);
            let (is_its_own, why) = match answered.map(|answer| decode_answers(&answer)) {
                Ok(Ok(told)) if told.answers.len() == batch.len() => {
                    measures::lapsed(told.lapsed);
                    if self.settle_all(records, account, &batch, told.answers)? {
                        continue;
                    }
                    return Ok(false);
                }
                Ok(_) => (true, "it answers something else".to_owned()),
                Err(failed) => (matches!(failed.cause, Cause::Own | Cause::Reset), failed.why),
            };
            telemetry::write(&Line::trouble(format!("commands for {account} wait"), why));
            match batch.pop() {
                Some(_) if is_its_own && !batch.is_empty() => most = 1,
                Some(Written { id, note, request, .. }) if is_its_own => {
                    if !self.give_up(records, account, &Unreadable { id, note: Some(note), request })? {
                        return Ok(false);
                    }
                }
                _ => return Ok(false),
            }
        }
    }

    /// Nobody else carries anything to this account now. A turn whose holder has vanished ends by itself.
    fn take_turn(&self, account: &str) -> bool {
        let now = platform::now();
        let mut under_way = self.under_way.borrow_mut();
        if under_way.get(account).is_some_and(|since| now.abs_diff(*since) < TURN_MS) {
            return false;
        }
        under_way.insert(account.to_owned(), now);
        true
    }
}

/// How long a hop may take before somebody else goes, in milliseconds.
const TURN_MS: Millis = 10_000;
/// How often one looks whether it is its turn, in milliseconds.
const LOOK_MS: u32 = 5;
/// To how many accounts something is carried at once: the platform allows six open connections.
const AT_ONCE: usize = 6;
