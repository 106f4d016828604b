//! The refusals of a moment ago, as far as they still hold: a flood by one refused caller does not reach its Gate. What is
//! remembered, and who is given it again, [`sluice_protocol::hop::gate_call::remembered`] decides.

use crate::auth::principal::Principal;
use crate::platform::{self, isolate_local, random};
use crate::telemetry::measures;
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::hop::gate_call::remembered::{Asked, Asker, MAX_REMEMBERED, Remembered, Want};
use sluice_protocol::hop::gate_call::{Answer, Call};
use sluice_protocol::id::RequestId;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::time::Millis;
use sluice_protocol::usage::Whose;
use sluice_protocol::usage::refusals::Refusals;
use std::cell::RefCell;
use std::collections::HashMap;

/// Remembers what a Gate has just said, if it is a refusal of whatever this caller asks for. `asked_at`: when this isolate asked.
pub fn remember(table: &PlanTable, principal: &Principal, answer: &Answer, asked_at: Millis) {
    let asked = Asked { at: asked_at, answered_at: platform::now() };
    REMEMBERED.with_borrow_mut(|remembered| remembered.put(&asker(table, principal), answer, asked));
}

/// The answer that refused this caller a moment ago, if it would certainly be given it again.
pub fn of(table: &PlanTable, principal: &Principal, want: Want) -> Option<Answer> {
    if REMEMBERED.with_borrow(Remembered::is_empty) {
        return None;
    }
    let now = platform::now();
    let found = REMEMBERED.with_borrow(|remembered| remembered.get(&asker(table, principal), want, now))?;
    if let Answer::Limited { refused, .. } = &found {
        measures::decided(&found, false, principal.account.name(), || principal.subject());
        note(principal, refused.iter().map(|refused| refused.limit.as_str()), now);
    }
    Some(found)
}

/// What this isolate has refused of an account by itself, for its Gate to note: to be sent with what is sent anyway. What nobody
/// fetches until the isolate ends is not told.
pub fn given(account: &AccountName) -> Option<Call> {
    let refusals = GIVEN.with_borrow_mut(|given| given.remove(account));
    refusals.map(|mut refusals| Call::NoteRefusals { id: RequestId(random()), refusals: refusals.take_until(u64::MAX) })
}

fn note<'l>(principal: &Principal, limits: impl Iterator<Item = &'l str>, now: Millis) {
    let whose = Whose::of_key(principal.caller.counted_as());
    GIVEN.with_borrow_mut(|given| {
        if let Some(refusals) = given.get_mut(&principal.account) {
            return refusals.note(&whose, limits, now);
        }
        // Those who never come again make room for others.
        if given.len() >= MAX_REMEMBERED {
            given.clear();
        }
        given.entry(principal.account.clone()).or_default().note(&whose, limits, now);
    });
}

/// Forgets what an account was refused: something about it has changed, and its next request asks its Gate.
///
/// Other isolates still refuse for a second at most; they refuse what was refused, and let nothing through.
pub fn forget(account: &AccountName) {
    REMEMBERED.with_borrow_mut(|remembered| remembered.forget(account, platform::now()));
}

isolate_local! {
    static REMEMBERED: RefCell<Remembered> = RefCell::default();
    /// Refusals that were given from memory, and that no Gate knows of yet.
    static GIVEN: RefCell<HashMap<AccountName, Refusals>> = RefCell::default();
}

fn asker<'a>(table: &PlanTable, principal: &'a Principal) -> Asker<'a> {
    let Principal { account, caller, address, .. } = principal;
    Asker { account, caller, address: *address, table: table.version() }
}
