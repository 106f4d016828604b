//! connections, the decisions: which of them stay. Pure.
//!
//! A seat is for whoever has sent a request's head. A connection that has sent none (new, still greeting, or between two
//! requests) is *idle*: it is there on sufferance, and where idle ones are too many, the one that has been idle for longest
//! goes: of one peer first, so that nobody's silence costs others their seats. A connection that is being answered never
//! goes.
//!
//! A connection that has carried a good grant is *known*: it is a gate's, which may be about to use it again, and closing it
//! in that moment costs somebody a request. The others are strangers. Strangers go before the known, as long as they are
//! more than a quarter of what may be idle: so many have just come and have had no time for a head.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

/// All connections of an origin.
#[derive(Debug)]
pub(crate) struct Seats {
    bounds: Bounds,
    next: u64,
    all: HashMap<Seat, Sitter>,
    /// Who is idle, in the order in which they go.
    idle: BTreeMap<Rank, Seat>,
    /// The same of each peer, as far as it has any.
    peers: HashMap<Peer, Idle>,
    /// How many of all idle ones are strangers.
    strangers: usize,
}

/// When an idle connection goes: strangers first, and the one that has been idle for longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    is_known: bool,
    since: u64,
}

/// The idle connections of one peer.
#[derive(Debug, Default)]
struct Idle {
    ranks: BTreeSet<Rank>,
    strangers: usize,
}

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Of all kinds. At least 1.
    pub(crate) all: usize,
    /// Idle ones.
    pub(crate) idle: usize,
    /// Idle ones of one peer.
    pub(crate) peer: usize,
}

/// Names one connection. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Seat(u64);

/// Who a connection comes from: an address, of IPv6 its /64, which is what one customer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Peer {
    Four([u8; 4]),
    Six([u8; 8]),
}

#[derive(Debug)]
struct Sitter {
    peer: Peer,
    is_known: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Since this turn.
    Idle(u64),
    /// A head has come, and its answer is not over.
    Busy,
    /// Was idle for longest when there were too many.
    Leaving,
}

/// Of one peer, where places do not say more: an edge keeps open what it may use again.
const PEER: usize = 128;
/// Of all kinds, where places do not say more: below the usual limit of 1,024 open files.
const ALL: usize = 768;
/// Of the idle ones, one in so many may be a stranger before strangers go first.
const STRANGERS: usize = 4;

impl Bounds {
    /// For an origin with so many slots and places in its queue: all of them may be busy beside all who may be idle.
    pub(crate) fn of(places: usize) -> Self {
        let peer = PEER.max(places);
        let idle = peer.saturating_mul(3);
        Self { all: ALL.max(idle.saturating_add(places).saturating_add(PEER)), idle, peer }
    }
}

impl Peer {
    /// Of a connection from this address.
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::Four(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::Six([a, b, c, d, e, f, g, h])
            }
        }
    }
}

impl Seats {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, next: 0, all: HashMap::new(), idle: BTreeMap::new(), peers: HashMap::new(), strangers: 0 }
    }

    /// Whether nobody may come until somebody has gone.
    pub(crate) fn is_full(&self) -> bool {
        self.all.len() >= self.bounds.all
    }

    /// Somebody comes, and is idle. Whoever comes has to [`Self::leave`].
    pub(crate) fn arrive(&mut self, peer: Peer) -> Seat {
        let seat = Seat(self.turn());
        self.all.insert(seat, Sitter { peer, is_known: false, state: State::Leaving });
        self.rest(seat);
        seat
    }

    /// The head of a request has come: also of one that was to go.
    pub(crate) fn work(&mut self, seat: Seat) {
        self.set(seat, State::Busy);
    }

    /// A request of it had a good grant. It works.
    pub(crate) fn know(&mut self, seat: Seat) {
        if let Some(sitter) = self.all.get_mut(&seat).filter(|sitter| sitter.state == State::Busy) {
            sitter.is_known = true;
        }
    }

    /// Its answer is over.
    pub(crate) fn rest(&mut self, seat: Seat) {
        let turn = self.turn();
        self.set(seat, State::Idle(turn));
    }

    /// It is closed.
    pub(crate) fn leave(&mut self, seat: Seat) {
        self.set(seat, State::Leaving);
        self.all.remove(&seat);
    }

    /// Whether it was told to go, and has sent no head since.
    pub(crate) fn is_leaving(&self, seat: Seat) -> bool {
        self.all.get(&seat).is_none_or(|sitter| sitter.state == State::Leaving)
    }

    /// Who has to go, if anybody: to be asked until nobody has. `peer`: whose idle ones are looked at first.
    pub(crate) fn excess(&mut self, peer: Peer) -> Option<Seat> {
        let own = self.peers.get(&peer).filter(|idle| idle.ranks.len() > self.bounds.peer);
        let rank = match own {
            Some(Idle { ranks, strangers }) => first_to_go(ranks.iter(), *strangers > self.bounds.peer / STRANGERS),
            // The last one is likely the one that has just come.
            None if self.idle.len() > self.bounds.idle || (self.is_full() && self.idle.len() > 1) => {
                first_to_go(self.idle.keys(), self.strangers > self.bounds.idle / STRANGERS)
            }
            None => None,
        };
        self.send_away(rank?)
    }

    /// The one that goes first: where something else is scarce than seats.
    pub(crate) fn shed(&mut self) -> Option<Seat> {
        let rank = *self.idle.keys().next()?;
        self.send_away(rank)
    }

    fn send_away(&mut self, rank: Rank) -> Option<Seat> {
        let seat = *self.idle.get(&rank)?;
        self.set(seat, State::Leaving);
        Some(seat)
    }

    fn turn(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn set(&mut self, seat: Seat, state: State) {
        let Some(sitter) = self.all.get_mut(&seat) else { return };
        let (peer, is_known) = (sitter.peer, sitter.is_known);
        let before = std::mem::replace(&mut sitter.state, state);
        // A busy connection becomes known; an idle one stays what it is, or it would not be found here.
        if let State::Idle(since) = before {
            self.idle.remove(&Rank { is_known, since });
            self.strangers -= usize::from(!is_known);
            if let Some(idle) = self.peers.get_mut(&peer) {
                idle.ranks.remove(&Rank { is_known, since });
                idle.strangers -= usize::from(!is_known);
                if idle.ranks.is_empty() {
                    self.peers.remove(&peer);
                }
            }
        }
        if let State::Idle(since) = state {
            self.idle.insert(Rank { is_known, since }, seat);
            self.strangers += usize::from(!is_known);
            let idle = self.peers.entry(peer).or_default();
            idle.ranks.insert(Rank { is_known, since });
            idle.strangers += usize::from(!is_known);
        }
    }
}

/// Who of these goes, which are in order: a stranger, or the first of the known. Whoever is there if the others are not.
fn first_to_go<'r>(mut ranks: impl Iterator<Item = &'r Rank>, is_stranger: bool) -> Option<Rank> {
    let first = *ranks.next()?;
    if is_stranger || first.is_known {
        return Some(first);
    }
    ranks.find(|rank| rank.is_known).copied().or(Some(first))
}

#[cfg(test)]
mod tests;
