//! One request sees to the settles of several, where nobody misses what they give back.
//!
//! Most are taken along by the account's next ask. A request that stays until then keeps a timer and all that the platform
//! holds for it: at two thousand requests a second that was a tenth of what each of them cost. So one stays, and the others
//! leave their settles to it. It looks every [`LATER_MS`], and goes when nothing was left to it since its last look, or when
//! it has stayed for long enough.
//!
//! # What if it does not come to its end?
//!
//! The platform may end a request without a word, and its own settle with it: what was left to it waits for the account's
//! next call in this isolate, or for the lease's own end. Nothing waits for longer than two looks, so that it is seldom
//! much. Where the Gate does not answer, it gives up, as each of them would: nobody stays longer than a few hops may take.

use super::{Kind, LATER_MS, MAX_GROUP, PATIENCE_MS, Place, State, exchange, now, with_lane};
use crate::platform::objects::{Cause, Unanswered};
use crate::platform::{Env, sleep};
use crate::telemetry;
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::hop::gate_call::Call;
use sluice_protocol::telemetry::Line;
use sluice_protocol::time::Millis;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A request that stays.
pub(super) struct Watch {
    /// When it looked last.
    looked: Cell<Millis>,
    /// What others have left to it since.
    left: RefCell<Vec<Rc<Place>>>,
}

impl Watch {
    /// Whether it may look again: it may have vanished, and clocks may have been set.
    fn is_kept(&self) -> bool {
        let looked = self.looked.get();
        (looked..looked + Millis::from(LATER_MS + PATIENCE_MS)).contains(&now())
    }
}

/// Sees to a settle in [`LATER_MS`], or leaves that to the request which stays, for twice as long at most. The log says where
/// that fails.
pub(super) async fn settle(env: &Env, account: &AccountName, place: Rc<Place>) {
    match entrust(account, &place) {
        Trust::Left => {}
        Trust::Full => {
            sleep(LATER_MS).await;
            see_to(env, account, &[place]).await;
        }
        Trust::Own(watch) => stay(env, account, place, &watch).await,
    }
}

/// Who sees to a settle.
enum Trust {
    /// Another request, which stays already.
    Left,
    /// Its own, which stays for others, too.
    Own(Rc<Watch>),
    /// Its own: another one stays, and has enough.
    Full,
}

fn entrust(account: &AccountName, place: &Rc<Place>) -> Trust {
    with_lane(account, |lane| match lane.watch.as_ref().filter(|watch| watch.is_kept()) {
        Some(watch) if watch.left.borrow().len() < MAX_LEFT => {
            watch.left.borrow_mut().push(place.clone());
            Trust::Left
        }
        Some(_) => Trust::Full,
        None => {
            // What was left to one that is gone is not lost.
            let left = lane.watch.take().map(|gone| gone.left.take()).unwrap_or_default();
            let watch = Rc::new(Watch { looked: Cell::new(now()), left: RefCell::new(left) });
            lane.watch = Some(watch.clone());
            Trust::Own(watch)
        }
    })
}

/// Sees to its own, and to what others leave to it.
async fn stay(env: &Env, account: &AccountName, own: Rc<Place>, watch: &Rc<Watch>) {
    let mut due = vec![own];
    for look in 1..=MAX_LOOKS {
        sleep(LATER_MS).await;
        let is_well = see_to(env, account, &due).await;
        let goes_on = is_well && look < MAX_LOOKS && !watch.left.borrow().is_empty();
        if !goes_on {
            with_lane(account, |lane| drop(lane.watch.take_if(|last| Rc::ptr_eq(last, watch))));
        }
        watch.looked.set(now());
        // The last of them have hardly waited for an ask.
        due = watch.left.take();
        if !goes_on {
            break;
        }
    }
    due.retain(|place| !place.is_answered());
    if !due.is_empty() {
        sleep(LATER_MS).await;
        see_to(env, account, &due).await;
    }
}

/// Settles what no ask has taken along, and whatever else waits with it; whether its Gate answers. Where it does not, no more
/// is tried for what is due: those leases end by themselves.
async fn see_to(env: &Env, account: &AccountName, due: &[Rc<Place>]) -> bool {
    let due: Vec<_> = due.iter().filter(|place| !place.is_answered()).cloned().collect();
    if due.is_empty() {
        return true;
    }
    let is_due = |place: &Rc<Place>| due.iter().any(|other| Rc::ptr_eq(other, place));
    let mut waiting = due.clone();
    with_lane(account, |lane| {
        let others = lane.places.iter().filter(|place| place.kind == Kind::Settle && !is_due(place));
        waiting.extend(others.cloned());
    });
    let mut result = Ok(());
    for group in waiting.chunks(MAX_GROUP) {
        result = settled(env, account, group).await;
        if result.is_err() {
            break;
        }
    }
    // What an ask takes along meanwhile is done twice, which changes nothing.
    with_lane(account, |lane| lane.places.retain(|place| !place.is_answered() && !is_due(place)));
    if let Err(error) = &result {
        due.iter().filter(|place| !place.is_answered()).for_each(|place| note(place, error));
    }
    result.is_ok()
}

/// One hop, and once more if its Gate was not reached.
async fn settled(env: &Env, account: &AccountName, group: &[Rc<Place>]) -> Result<(), Unanswered> {
    let calls: Vec<Call> = group.iter().flat_map(|place| place.calls.iter().cloned()).collect();
    let table = group.last().map(|place| place.table).unwrap_or_default();
    let mut answered = exchange(env, account, table, calls.clone()).await;
    if answered.as_ref().is_err_and(|error| error.cause != Cause::Overloaded) {
        answered = exchange(env, account, table, calls).await;
    }
    answered?;
    group.iter().for_each(|place| drop(place.state.replace(State::Answered(Vec::new()))));
    Ok(())
}

fn note(place: &Place, error: &Unanswered) {
    for call in &place.calls {
        if let Call::Settle { request, .. } = call {
            telemetry::write(&Line::trouble_of(*request, "it is not settled", error.why.clone()));
        }
    }
}

impl Place {
    fn is_answered(&self) -> bool {
        let state = self.state.take();
        let is_answered = matches!(state, State::Answered(_));
        self.state.replace(state);
        is_answered
    }
}

/// How often a request looks at most, before the next one stays.
const MAX_LOOKS: u32 = 8;
/// How much may be left to one between two looks.
const MAX_LEFT: usize = 1_024;
