//! The refusals of a moment ago, as far as they still hold: a flood by one refused caller does not reach its Gate. What is
//! remembered, and who is given it again, [`sluice_protocol::hop::gate_call::remembered`] decides.

use crate::auth::principal::Principal;
use crate::platform::{self, isolate_local};
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::hop::gate_call::Answer;
use sluice_protocol::hop::gate_call::remembered::{Asked, Asker, Remembered, Want};
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::time::Millis;
use std::cell::RefCell;

/// Remembers what a Gate has just said, if it is a refusal of whatever this caller asks for. `asked_at`: when this isolate asked.
pub fn remember(table: &PlanTable, principal: &Principal, answer: &Answer, asked_at: Millis) {
    let asked = Asked { at: asked_at, answered_at: platform::now() };
    REMEMBERED.with_borrow_mut(|remembered| remembered.put(&asker(table, principal), answer, asked));
}

/// The refusal that this caller was given a moment ago, if it would certainly be given it again.
pub fn of(table: &PlanTable, principal: &Principal, want: Want) -> Option<Refusal> {
    let found = REMEMBERED.with_borrow(|remembered| match remembered.is_empty() {
        true => None,
        false => remembered.get(&asker(table, principal), want, platform::now()),
    });
    found?.refusal()
}

/// Forgets what an account was refused: something about it has changed, and its next request asks its Gate.
///
/// Other isolates still refuse for a second at most; they refuse what was refused, and let nothing through.
pub fn forget(account: &AccountName) {
    REMEMBERED.with_borrow_mut(|remembered| remembered.forget(account, platform::now()));
}

isolate_local! {
    static REMEMBERED: RefCell<Remembered> = RefCell::default();
}

fn asker<'a>(table: &PlanTable, principal: &'a Principal) -> Asker<'a> {
    let Principal { account, caller, address, .. } = principal;
    Asker { account, caller, address: *address, table: table.version() }
}
