//! Group commit: what several requests of one account want of its Gate travels in one message.
//!
//! An ask goes at once, unless another ask to the same Gate is under way: what comes meanwhile goes in the next hop, all
//! together. A settle lets a moment pass, so that the next ask takes it along; its caller has its answer already. The moment
//! is short where somebody may miss what the settle gives back. An ask of this isolate never does: it is done after it.
//! The Gate decides each call on its own, in order, and writes one row for all of them.
//!
//! # How does a call learn that another request has carried it?
//!
//! It looks, on a timer of its own. The platform lets a request touch only what is its own and may end it at any time, so
//! requests share plain memory and nothing else. (A promise that one request resolves and another waits for is continued
//! in the context of its waiter, unless V8 has optimised its making, seconds into the load; then all of the waiters run in
//! the context of the other, and fail.) Nobody relies on another either: whoever waits too long, or was in a hop that
//! failed with others in it, goes alone, once: unless the Gate has too much to do already. Admit and settle are keyed by the
//! request's id, so a call that arrives twice is done once. Settles that nobody misses are the exception: [`watch`].

mod watch;

use crate::hop;
use crate::platform::objects::{Cause, Unanswered};
use crate::platform::{self, Env, isolate_local, sleep};
use crate::telemetry::measures;
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::hop::gate_call::{Answer, Answers, Call, Envelope, decode_answers, encode_envelope};
use sluice_protocol::id::Version;
use sluice_protocol::time::Millis;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::rc::Rc;
use watch::Watch;

/// Asks an account's Gate: at once, or with the next hop. Several calls are done right after one another. The error is for
/// the log.
pub async fn ask(
    env: &Env,
    table: Version,
    account: &AccountName,
    calls: Vec<Call>,
) -> Result<Vec<Answer>, Unanswered> {
    let place = queue(table, account, calls, Kind::Ask);
    travel(env, account, &place).await
}

/// Tells an account's Gate that a request has ended: with the next ask, or when it is due. The error is for the log.
pub async fn settle(env: &Env, table: Version, account: &AccountName, call: Call, due: Due) -> Result<(), Unanswered> {
    let place = queue(table, account, vec![call], Kind::Settle);
    let is_crowded = with_lane(account, |lane| lane.places.len() >= CROWD);
    sleep(if is_crowded || due == Due::Soon { SOON_MS } else { LATER_MS }).await;
    travel(env, account, &place).await.map(drop)
}

/// Leaves the settle of a request to the account's next ask or to a request that stays for several, where nobody misses what
/// it gives back. If none does: the task that stays, to be run to its end.
pub fn leave(env: &Env, table: Version, account: &AccountName, call: Call) -> Option<impl Future<Output = ()> + use<>> {
    let place = queue(table, account, vec![call], Kind::Settle);
    watch::leave(env, account, place)
}

/// How long a settle may wait for an ask that takes it along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// What it gives back may be missed: a few milliseconds.
    Soon,
    /// There is plenty of what it gives back: a moment, in which a busy account asks again.
    Later,
}

/// Waits until somebody has carried the calls, or nobody else is on the way and it goes itself, with all that wait.
async fn travel(env: &Env, account: &AccountName, place: &Rc<Place>) -> Result<Vec<Answer>, Unanswered> {
    let mut waited = 0;
    loop {
        if let Some(group) = board(account, place) {
            let carried = carry(env, account, &group).await;
            // Who carried others goes alone like them: it need not be what the hop failed for. Who went alone did so already.
            if group.len() == 1 {
                carried?;
            }
        }
        match place.state.take() {
            State::Answered(answers) => return Ok(answers),
            State::Failed(Cause::Overloaded) => {
                return Err(Unanswered { cause: Cause::Overloaded, why: "the hop that it was in was too much".into() });
            }
            State::Failed(_) => return alone(env, account, place).await,
            state @ (State::Waits | State::UnderWay) => place.state.replace(state),
        };
        if waited >= PATIENCE_MS {
            // Its answer, if there will be one, finds nobody.
            with_lane(account, |lane| lane.places.retain(|other| !Rc::ptr_eq(other, place)));
            return alone(env, account, place).await;
        }
        let pause = pause(account);
        sleep(pause).await;
        waited += pause;
    }
}

/// How long to wait before the next look, in milliseconds: till the hop that is under way should be over, if it takes as long
/// as the last one did, and then for a part of that.
fn pause(account: &AccountName) -> u32 {
    let took = TOOK_MS.get();
    let since = with_lane(account, |lane| lane.asking_since);
    let rest = since.map_or(0, |since| (since + Millis::from(took)).saturating_sub(now()));
    u32::try_from(rest).unwrap_or(MAX_PAUSE_MS).max(took / LOOKS).clamp(1, MAX_PAUSE_MS)
}

/// One hop for all of them. Each finds its answers in its place, or that it must go alone.
async fn carry(env: &Env, account: &AccountName, group: &[Rc<Place>]) -> Result<(), Unanswered> {
    let calls: Vec<_> = group.iter().flat_map(|place| place.calls.iter().cloned()).collect();
    // Plans that changed while they waited hold for all of them. A settle needs none: its own are those of its beginning.
    let last_ask = group.iter().rev().find(|place| place.kind == Kind::Ask);
    let table = last_ask.or(group.last()).map(|place| place.table).unwrap_or_default();
    let began = now();
    let result = exchange(env, account, table, calls).await;
    TOOK_MS.set(u32::try_from(now().saturating_sub(began)).unwrap_or(u32::MAX));
    if group.iter().any(|place| place.kind == Kind::Ask) {
        with_lane(account, |lane| lane.asking_since = None);
    }
    match result {
        Ok(answers) => {
            let mut answers = answers.into_iter();
            for place in group {
                let own = answers.by_ref().take(place.calls.len()).collect();
                place.state.replace(State::Answered(own));
            }
            Ok(())
        }
        Err(error) => {
            group.iter().for_each(|place| drop(place.state.replace(State::Failed(error.cause))));
            Err(error)
        }
    }
}

/// Sends its calls in a hop of their own.
async fn alone(env: &Env, account: &AccountName, place: &Place) -> Result<Vec<Answer>, Unanswered> {
    exchange(env, account, place.table, place.calls.clone()).await
}

async fn exchange(
    env: &Env,
    account: &AccountName,
    table: Version,
    calls: Vec<Call>,
) -> Result<Vec<Answer>, Unanswered> {
    let asked = calls.len();
    let message = encode_envelope(&Envelope { account: account.name().to_owned(), table, calls });
    let answer = hop::call_within(env, "GATE", account.name(), &message, GATE_MS).await?;
    let Answers { answers, rows_written, lapsed } =
        decode_answers(&answer).map_err(|error| Unanswered::own(error.to_string()))?;
    measures::gate_called(rows_written, lapsed);
    if answers.len() != asked {
        return Err(Unanswered::own(format!("{asked} calls and {} answers", answers.len())));
    }
    Ok(answers)
}

/// Calls on their way, in order.
struct Place {
    calls: Vec<Call>,
    table: Version,
    kind: Kind,
    queued_at: Millis,
    state: RefCell<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Somebody waits for the answer.
    Ask,
    /// Nobody does.
    Settle,
}

#[derive(Default)]
enum State {
    #[default]
    Waits,
    UnderWay,
    Answered(Vec<Answer>),
    /// The hop that it was in failed.
    Failed(Cause),
}

/// What goes to one Gate.
#[derive(Default)]
struct Lane {
    /// Since when asks are under way.
    asking_since: Option<Millis>,
    /// What waits for the next hop, oldest first.
    places: VecDeque<Rc<Place>>,
    /// Who sees to settles that nobody misses.
    watch: Option<Rc<Watch>>,
}

isolate_local! {
    /// The Gates to which something goes.
    static LANES: RefCell<HashMap<AccountName, Lane>> = RefCell::default();
    /// How long the last hop took.
    static TOOK_MS: Cell<u32> = const { Cell::new(1) };
}

fn queue(table: Version, account: &AccountName, calls: Vec<Call>, kind: Kind) -> Rc<Place> {
    let place = Rc::new(Place { calls, table, kind, queued_at: now(), state: RefCell::default() });
    with_lane(account, |lane| lane.places.push_back(place.clone()));
    place
}

/// All that wait, if this one is among them and nobody is on the way.
fn board(account: &AccountName, place: &Rc<Place>) -> Option<Vec<Rc<Place>>> {
    let now = now();
    let is_lost = |since: Millis| !(since..since + Millis::from(PATIENCE_MS)).contains(&now);
    with_lane(account, |lane| {
        if lane.asking_since.is_some_and(|since| !is_lost(since)) {
            return None;
        }
        // Nobody would settle what is admitted for a request that is gone.
        lane.places.retain(|place| place.kind == Kind::Settle || !is_lost(place.queued_at));
        let count = lane.places.len().min(MAX_GROUP);
        if !lane.places.range(..count).any(|other| Rc::ptr_eq(other, place)) {
            return None;
        }
        let group: Vec<_> = lane.places.drain(..count).collect();
        group.iter().for_each(|place| drop(place.state.replace(State::UnderWay)));
        if group.iter().any(|place| place.kind == Kind::Ask) {
            lane.asking_since = Some(now);
        }
        Some(group)
    })
}

fn with_lane<T>(account: &AccountName, change: impl FnOnce(&mut Lane) -> T) -> T {
    LANES.with_borrow_mut(|lanes| {
        if !lanes.contains_key(account) {
            lanes.insert(account.clone(), Lane::default());
        }
        let lane = lanes.get_mut(account).expect("inserted above");
        let result = change(lane);
        let is_idle = lane.asking_since.is_none() && lane.places.is_empty();
        if is_idle && lane.watch.as_ref().is_none_or(|watch| watch.is_over()) {
            lanes.remove(account);
        }
        result
    })
}

fn now() -> Millis {
    platform::now()
}

/// How long a Gate may take to answer, in milliseconds. It answers within a few, and a new one within a second.
const GATE_MS: u32 = 10_000;
/// How many calls travel together at most: a few kilobytes.
const MAX_GROUP: usize = 64;
/// How long a settle that may be missed waits for an ask that takes it along, in milliseconds.
const SOON_MS: u32 = 5;
/// How long one waits that nobody misses, in milliseconds.
const LATER_MS: u32 = 250;
/// How many may wait: a hop takes [`MAX_GROUP`] along, and the ask that comes behind them is to be one of those.
const CROWD: usize = MAX_GROUP / 4;
/// How long a call waits for others before it goes alone, in milliseconds.
const PATIENCE_MS: u32 = 2_000;
/// What part of a hop's time a look waits for that came too early.
const LOOKS: u32 = 4;
/// How long it waits at most between two looks, in milliseconds.
const MAX_PAUSE_MS: u32 = 25;
