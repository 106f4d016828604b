//! A request at one of several origins: its place there, and whether it waits in vain.

use super::care::probe_for;
use super::{Origins, now};
use crate::forward::Watch;
use crate::platform::Context;
use crate::platform::head::Head;
use sluice_protocol::forward::capacity::Capacity;
use sluice_protocol::route::board::{Board, Place};
use sluice_protocol::route::met::Met;
use sluice_protocol::wire::header;
use std::cell::RefCell;
use std::rc::Rc;

/// A place on the board, which is given back when this is dropped.
pub(super) struct AtOrigin<'o> {
    board: &'o RefCell<Board>,
    place: Option<Place>,
    index: usize,
}

impl<'o> AtOrigin<'o> {
    pub(super) fn new(board: &'o RefCell<Board>, place: Place) -> Self {
        Self { board, index: place.origin(), place: Some(place) }
    }

    pub(super) const fn index(&self) -> usize {
        self.index
    }

    pub(super) const fn board(&self) -> &'o RefCell<Board> {
        self.board
    }

    pub(super) fn met(&mut self, met: Met) {
        if let Some(place) = &mut self.place {
            self.board.borrow_mut().met(place, met, now());
        }
    }
}

impl Drop for AtOrigin<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.board.borrow_mut().over(place, now());
        }
    }
}

/// Looks after a request that waits for its answer to begin.
pub(super) struct Watching<'a> {
    origins: &'a Rc<Origins>,
    board: &'a RefCell<Board>,
    index: usize,
    context: &'a Context,
}

impl<'a> Watching<'a> {
    pub(super) const fn new(
        origins: &'a Rc<Origins>,
        board: &'a RefCell<Board>,
        index: usize,
        context: &'a Context,
    ) -> Self {
        Self { origins, board, index, context }
    }
}

impl Watch for Watching<'_> {
    fn is_in_vain(&self) -> bool {
        let (is_dead, is_due) = {
            let mut board = self.board.borrow_mut();
            (board.is_dead(self.index), board.is_due_for_who_waits(self.index, now()))
        };
        if is_due && !is_dead {
            self.context.wait_until(probe_for(self.origins.clone(), self.index));
        }
        is_dead
    }

    fn saw(&self, head: &Head) {
        if let Some(capacity) = head.get(header::CAPACITY).and_then(Capacity::parse) {
            self.board.borrow_mut().said(self.index, capacity, now());
            self.origins.all[self.index].pressure.said(capacity);
        }
    }
}
