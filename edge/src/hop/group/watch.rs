//! One request sees to the settles of several, where nobody misses what they give back.
//!
//! Most are taken along by the account's next ask. A request that stays until then keeps a timer and all that the platform
//! holds for it: at two thousand requests a second that was a tenth of what each of them cost. So one stays, in a task beside
//! its own, and the others leave their settles to it. It looks every [`LATER_MS`], and goes when nothing was left to it since
//! its last look, or when it has stayed for long enough.
//!
//! # What if it does not come to its end?
//!
//! The platform may end a request without a word, and its own settle with it. Nothing is left to it any more when it is late
//! by [`LATE_MS`]. What was left to it before goes with the account's next call in this isolate, or else its lease ends by
//! itself. Where the Gate does not answer, it gives up, as each of them would: nobody stays longer than a few hops may take.

use super::{CROWD, Kind, LATER_MS, MAX_GROUP, PATIENCE_MS, Place, SOON_MS, State, exchange, now, with_lane};
use crate::platform::objects::{Cause, Unanswered};
use crate::platform::{Env, sleep};
use crate::telemetry;
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::hop::gate_call::Call;
use sluice_protocol::id::Version;
use sluice_protocol::telemetry::Line;
use sluice_protocol::time::Millis;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;

/// A request that stays.
pub(super) struct Watch {
    /// Since when it has not been heard of.
    since: Cell<Millis>,
    /// Till when it should be.
    back_by: Cell<Millis>,
    /// What it sees to when it looks next.
    due: RefCell<Places>,
    /// What others have left to it since it looked.
    left: RefCell<Places>,
}

type Places = Vec<Rc<Place>>;

impl Watch {
    /// It should be heard of again in so many milliseconds.
    fn back_in(&self, ms: u32) {
        self.since.set(now());
        self.back_by.set(now() + Millis::from(ms + LATE_MS));
    }

    /// Whether it may look again: it may have vanished, and clocks may have been set.
    fn is_kept(&self) -> bool {
        (self.since.get()..self.back_by.get()).contains(&now())
    }

    /// Whether it has vanished, and nothing of what was left to it waits any more.
    pub(super) fn is_over(&self) -> bool {
        let is_answered = |places: &RefCell<Places>| places.borrow().iter().all(|place| place.is_answered());
        !self.is_kept() && is_answered(&self.due) && is_answered(&self.left)
    }
}

/// Leaves it to the request that stays. If none does: what stays, to be run to its end. The log says where that fails.
pub(super) fn leave(env: &Env, account: &AccountName, place: Rc<Place>) -> Option<impl Future<Output = ()> + use<>> {
    let seer = entrust(account, &place)?;
    let (env, account) = (env.clone(), account.clone());
    Some(async move {
        match seer {
            Seer::Stays(watch) => stay(&env, &account, &watch).await,
            Seer::Alone(ms) => {
                sleep(ms).await;
                see_to(&env, &account, &[place]).await;
            }
        }
    })
}

/// How a request sees to its own settle.
enum Seer {
    /// It stays for others, too.
    Stays(Rc<Watch>),
    /// In so many milliseconds, as so many wait already.
    Alone(u32),
}

/// Nothing, if another request sees to it.
fn entrust(account: &AccountName, place: &Rc<Place>) -> Option<Seer> {
    with_lane(account, |lane| {
        if lane.places.len() >= CROWD {
            return Some(Seer::Alone(SOON_MS));
        }
        if let Some(watch) = lane.watch.as_ref().filter(|watch| watch.is_kept()) {
            if watch.left.borrow().len() >= MAX_LEFT {
                return Some(Seer::Alone(LATER_MS));
            }
            watch.left.borrow_mut().push(place.clone());
            return None;
        }
        // What was left to one that is gone is not lost.
        let gone = lane.watch.take();
        let mut due = gone.map(|gone| [gone.due.take(), gone.left.take()].concat()).unwrap_or_default();
        due.push(place.clone());
        let watch =
            Watch { since: Cell::new(0), back_by: Cell::new(0), due: RefCell::new(due), left: RefCell::default() };
        watch.back_in(LATER_MS);
        let watch = Rc::new(watch);
        lane.watch = Some(watch.clone());
        Some(Seer::Stays(watch))
    })
}

/// Sees to its own, and to what others leave to it.
async fn stay(env: &Env, account: &AccountName, watch: &Rc<Watch>) {
    for look in 1..=MAX_LOOKS {
        sleep(LATER_MS).await;
        watch.back_in(PATIENCE_MS);
        let due = watch.due.borrow().clone();
        let is_well = see_to(env, account, &due).await;
        // The last of those that were left since have hardly waited for an ask: they are for the next look.
        watch.due.replace(watch.left.take());
        let goes_on = is_well && look < MAX_LOOKS && !watch.due.borrow().is_empty();
        if goes_on {
            watch.back_in(LATER_MS);
            continue;
        }
        with_lane(account, |lane| drop(lane.watch.take_if(|last| Rc::ptr_eq(last, watch))));
        if is_well {
            sleep(LATER_MS).await;
        }
        see_to(env, account, &watch.due.take()).await;
        return;
    }
}

/// Settles what no ask has taken along, and whatever else waits with it; whether its Gate answers. Where it does not, no more
/// is tried for what is due: those leases end by themselves.
async fn see_to(env: &Env, account: &AccountName, due: &[Rc<Place>]) -> bool {
    let due: Places = due.iter().filter(|place| !place.is_answered()).cloned().collect();
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

/// One hop, and another one if that was not too much for the Gate and did not take long: without naming plans, which a settle
/// does not need, and which its object may be unable to ask for.
async fn settled(env: &Env, account: &AccountName, group: &[Rc<Place>]) -> Result<(), Unanswered> {
    let calls: Vec<Call> = group.iter().flat_map(|place| place.calls.iter().cloned()).collect();
    let table = group.last().map(|place| place.table).unwrap_or_default();
    let began = now();
    let mut answered = exchange(env, account, table, calls.clone()).await;
    let failed_soon = now().abs_diff(began) < Millis::from(PATIENCE_MS);
    if answered.as_ref().is_err_and(|error| error.cause != Cause::Overloaded) && failed_soon {
        answered = exchange(env, account, Version::UNKNOWN, calls).await;
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
/// How late a look may come, in milliseconds.
const LATE_MS: u32 = 250;
/// How much may be left to one between two looks.
const MAX_LEFT: usize = 1_024;
