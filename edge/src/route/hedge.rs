//! A hedge: a stream that has not begun by the time in which 95 of 100 do is sent to a second origin, too, if that is
//! set (`ORIGINS_HEDGE`). The first to begin serves it; the other is ended by its id, and what it computed counts for nobody.

use super::place::AtOrigin;
use super::{CANCEL_MS, Origins, Tried, attempt, choose, lease_left, now};
use crate::forward::{self, Outgoing, Ticket};
use crate::platform::sleep;
use crate::route::Journey;
use futures_util::future::{Either, select};
use sluice_protocol::time::Millis;
use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;

/// What came of a request and its hedge.
pub(super) struct Hedged<'o> {
    /// The one that serves, or that failed last.
    pub(super) tried: Tried<'o>,
    /// Another origin at which it failed, too.
    pub(super) besides: Option<usize>,
}

/// When a request is to be hedged, in milliseconds from now, if it is.
pub(super) fn after(origins: &Origins, journey: &Journey<'_>, outgoing: Outgoing<'_>) -> Option<u32> {
    let may_be = origins.hedges && outgoing.may_be_hedged();
    let board = origins.board.as_ref().filter(|_| may_be)?;
    u32::try_from(board.borrow().hedge_after(journey.model)?).ok()
}

/// Sends a request to `first`, and after so many milliseconds to a second origin, if there is one and budget for it.
pub(super) async fn race<'o>(
    origins: &'o Rc<Origins>,
    journey: &Journey<'_>,
    (ticket, outgoing): (&Ticket, Outgoing<'_>),
    first: AtOrigin<'o>,
    after: u32,
) -> Hedged<'o> {
    let (began, index) = (now(), first.index());
    let first = pin!(attempt(origins, journey, (ticket, outgoing), first));
    let first = match select(first, pin!(sleep(after))).await {
        Either::Left((tried, _)) => return Hedged { tried, besides: None },
        Either::Right(((), first)) => first,
    };
    let Some(second) = second(origins, journey, ticket, index) else {
        return Hedged { tried: first.await, besides: None };
    };
    let (other, hedged_at) = (second.index(), now());
    let second = pin!(attempt(origins, journey, (ticket, outgoing), second));
    let (tried, loser, since) = match select(first, second).await {
        Either::Left((tried, second)) => match tried.result {
            Err(_) if !outgoing.left.is_aborted() => return failed(origins, journey, (ticket, index), second.await),
            _ => (tried, other, hedged_at),
        },
        Either::Right((tried, first)) => match tried.result {
            Err(_) if !outgoing.left.is_aborted() => return failed(origins, journey, (ticket, other), first.await),
            _ => (tried, index, began),
        },
    };
    if let Some(board) = &origins.board {
        board.borrow_mut().waited(journey.model, now().saturating_sub(since));
    }
    end(origins, journey, ticket, loser);
    Hedged { tried, besides: None }
}

/// One of both has failed: what came of the other one.
fn failed<'o>(
    origins: &Rc<Origins>,
    journey: &Journey<'_>,
    (ticket, at): (&Ticket, usize),
    tried: Tried<'o>,
) -> Hedged<'o> {
    // It may run there all the same.
    end(origins, journey, ticket, at);
    Hedged { tried, besides: Some(at) }
}

fn second<'o>(origins: &'o Rc<Origins>, journey: &Journey<'_>, ticket: &Ticket, first: usize) -> Option<AtOrigin<'o>> {
    let board: &RefCell<_> = origins.board.as_ref()?;
    let at = choose(board, journey, ticket, &[first], None).ok().filter(|_| lease_left(ticket) > CANCEL_MS)?;
    let has_budget = board.borrow_mut().may_try_again(now());
    has_budget.then_some(at)
}

/// Ends a request at an origin. Nobody waits for it.
fn end(origins: &Rc<Origins>, journey: &Journey<'_>, ticket: &Ticket, at: usize) {
    let (origins, ticket) = (origins.clone(), forward::again(ticket, now() + Millis::from(CANCEL_MS)));
    journey.context.wait_until(async move {
        forward::cancel(&origins.all[at], &ticket, CANCEL_MS).await;
    });
}
