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
//! much.

use super::{LATER_MS, PATIENCE_MS, Place, State, now, travel, with_lane};
use crate::platform::objects::Unanswered;
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

/// Sees to a settle in [`LATER_MS`], or leaves that to the request which stays, for twice as long at most. The error is for
/// the log, and of this one.
pub(super) async fn settle(env: &Env, account: &AccountName, place: &Rc<Place>) -> Result<(), Unanswered> {
    match entrust(account, place) {
        Trust::Left => Ok(()),
        Trust::Full => {
            sleep(LATER_MS).await;
            travel(env, account, place).await.map(drop)
        }
        Trust::Own(watch) => {
            sleep(LATER_MS).await;
            let own = travel(env, account, place).await.map(drop);
            stay(env, account, &watch).await;
            own
        }
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

/// Looks after what others leave to it.
async fn stay(env: &Env, account: &AccountName, watch: &Rc<Watch>) {
    let mut due = Vec::new();
    for look in 1..=MAX_LOOKS {
        see_to(env, account, &due).await;
        let goes_on = look < MAX_LOOKS && !watch.left.borrow().is_empty();
        if !goes_on {
            with_lane(account, |lane| drop(lane.watch.take_if(|last| Rc::ptr_eq(last, watch))));
        }
        watch.looked.set(now());
        // The last of them have hardly waited for an ask.
        due = watch.left.take();
        due.retain(|place| !place.is_answered());
        if !goes_on && due.is_empty() {
            return;
        }
        sleep(LATER_MS).await;
        if !goes_on {
            break;
        }
    }
    see_to(env, account, &due).await;
}

async fn see_to(env: &Env, account: &AccountName, due: &[Rc<Place>]) {
    for place in due.iter().filter(|place| !place.is_answered()) {
        if let Err(error) = travel(env, account, place).await {
            note(place, &error);
        }
    }
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
