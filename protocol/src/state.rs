//! How a [`GateState`] is kept: one packed row. A version byte, then postcard with every time as the distance from the
//! one before it, which takes three to four bytes an entry.

use crate::Millis;
use crate::gate::{GateState, Mark, Totals};
use crate::id::RequestId;
use crate::lease::{Counted, Lease};
use crate::window::{Entry, Window};
use serde::{Deserialize, Serialize};

/// The version this code writes. It reads this one and refuses others: a newer Gate's state is not to be guessed at.
pub const VERSION: u8 = 1;

/// Why a row is not a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Written by a newer version, or not a state at all.
    #[error("the state has version {0}, this code reads version {VERSION}")]
    Version(u8),
    /// Cut off, or bytes that no version of ours writes.
    #[error("the state is damaged")]
    Damaged,
}

#[derive(Serialize, Deserialize)]
struct Packed {
    last_now: u64,
    windows: Vec<PackedWindow>,
    leases: Vec<PackedLease>,
    closed: Vec<(u64, Mark)>,
    totals: Totals,
}

#[derive(Serialize, Deserialize)]
struct PackedWindow {
    limit: String,
    gone: u64,
    /// Distances in time, the first one from `gone`, and amounts.
    entries: Vec<(u64, u32)>,
}

#[derive(Serialize, Deserialize)]
struct PackedLease {
    request: RequestId,
    at: u64,
    lasts: u64,
    counted: Vec<Counted>,
}

/// Packs a state.
pub fn encode(state: &GateState) -> Vec<u8> {
    let windows = state
        .windows
        .iter()
        .filter(|(_, window)| !window.is_empty())
        .map(|(name, window)| PackedWindow {
            limit: name.clone(),
            gone: window.gone(),
            entries: deltas(window.gone(), window.entries().map(|entry| (entry.at, entry.amount))),
        })
        .collect();
    let leases = state
        .leases
        .iter()
        .map(|lease| PackedLease {
            request: lease.request,
            at: lease.at,
            lasts: lease.deadline.saturating_sub(lease.at),
            counted: lease.counted.clone(),
        })
        .collect();
    let packed = Packed {
        last_now: state.last_now,
        windows,
        leases,
        closed: deltas(0, state.closed.iter().copied()),
        totals: state.totals,
    };
    postcard::to_extend(&packed, vec![VERSION]).expect("writing to a Vec does not fail")
}

/// Unpacks a state. Never panics, whatever the bytes.
pub fn decode(bytes: &[u8]) -> Result<GateState, StateError> {
    let (version, packed) = bytes.split_first().ok_or(StateError::Damaged)?;
    if *version != VERSION {
        return Err(StateError::Version(*version));
    }
    let packed: Packed = postcard::from_bytes(packed).map_err(|_| StateError::Damaged)?;
    let mut state = GateState { last_now: packed.last_now, totals: packed.totals, ..GateState::default() };
    for packed in packed.windows {
        let entries = times(packed.gone, packed.entries).into_iter().map(|(at, amount)| Entry { at, amount });
        let window = Window::from_parts(packed.gone, entries).ok_or(StateError::Damaged)?;
        if state.windows.insert(packed.limit, window).is_some() {
            return Err(StateError::Damaged);
        }
    }
    state.leases = packed
        .leases
        .into_iter()
        .map(|lease| Lease {
            request: lease.request,
            at: lease.at,
            deadline: lease.at.saturating_add(lease.lasts),
            counted: lease.counted,
        })
        .collect();
    state.closed = times(0, packed.closed).into();
    Ok(state)
}

fn deltas<T>(start: Millis, entries: impl Iterator<Item = (Millis, T)>) -> Vec<(u64, T)> {
    let mut last = start;
    entries
        .map(|(at, value)| {
            let delta = at.saturating_sub(last);
            last = at;
            (delta, value)
        })
        .collect()
}

fn times<T>(start: Millis, entries: Vec<(u64, T)>) -> Vec<(Millis, T)> {
    let mut last = start;
    entries
        .into_iter()
        .map(|(delta, value)| {
            last = last.saturating_add(delta);
            (last, value)
        })
        .collect()
}
