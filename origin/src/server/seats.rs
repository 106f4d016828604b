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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn peer(last: u8) -> Peer {
        Peer::of(IpAddr::from([10, 0, 0, last]))
    }

    #[test]
    fn a_peer_is_an_address_or_a_network_of_ipv6() {
        let of = |text: &str| Peer::of(text.parse().unwrap());
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.2"), of("10.0.0.1"));
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::9"));
        assert_ne!(of("2001:db8:0:2::1"), of("2001:db8:0:1::1"));
    }

    #[test]
    fn every_place_has_a_seat_beside_all_who_are_silent() {
        for places in [1, 20, 127, 128, 129, 1_000, 100_000, usize::MAX] {
            let Bounds { all, idle, peer } = Bounds::of(places);
            assert!(peer >= places && idle >= peer && all >= idle.saturating_add(places), "{places}");
        }
        assert_eq!(Bounds::of(20), Bounds { all: 768, idle: 384, peer: 128 });
    }

    #[test]
    fn the_oldest_of_a_loud_peer_goes_and_then_the_oldest_of_all() {
        let mut seats = Seats::new(Bounds { all: 10, idle: 4, peer: 2 });
        let other = seats.arrive(peer(9));
        let own: Vec<Seat> = (0..3).map(|_| seats.arrive(peer(1))).collect();
        assert_eq!(seats.excess(peer(1)), Some(own[0]), "and not the other's, which is older");
        assert_eq!(seats.excess(peer(1)), None);
        assert!(seats.is_leaving(own[0]));
        // A head that comes in this very moment is heard.
        seats.work(own[0]);
        assert!(!seats.is_leaving(own[0]));
        seats.rest(own[0]);
        assert_eq!(seats.excess(peer(1)), Some(own[1]), "who was busy is the youngest now");
        let third = [seats.arrive(peer(2)), seats.arrive(peer(3))];
        assert_eq!(seats.excess(peer(3)), Some(other), "five are idle");
        seats.work(third[0]);
        assert_eq!(seats.excess(peer(3)), None);
        assert_eq!((seats.shed(), seats.shed(), seats.shed()), (Some(own[2]), Some(own[0]), Some(third[1])));
        assert_eq!(seats.shed(), None, "who is busy stays");
    }

    #[test]
    fn a_full_house_sends_the_idle_away_and_nobody_else() {
        let mut seats = Seats::new(Bounds { all: 3, idle: 3, peer: 3 });
        let all: Vec<Seat> = (0..3).map(|_| seats.arrive(peer(1))).collect();
        seats.work(all[0]);
        assert!(seats.is_full());
        assert_eq!((seats.excess(peer(1)), seats.excess(peer(1))), (Some(all[1]), None));
        seats.leave(all[1]);
        assert!(!seats.is_full());
    }

    #[test]
    fn a_crowd_of_strangers_closes_no_connection_of_a_gate_that_shares_its_address() {
        let mut seats = Seats::new(Bounds { all: 100, idle: 48, peer: 16 });
        let known: Vec<Seat> = (0..12).map(|_| seats.arrive(peer(1))).collect();
        for seat in &known {
            seats.work(*seat);
            seats.know(*seat);
            seats.rest(*seat);
        }
        for _ in 0..1_000 {
            seats.arrive(peer(1));
            while let Some(gone) = seats.excess(peer(1)) {
                assert!(!known.contains(&gone));
                seats.leave(gone);
            }
        }
        assert_eq!(seats.all.len(), 16);
        // A stranger that has just come has time for its head, though all others are known.
        let mut seats = Seats::new(Bounds { all: 100, idle: 48, peer: 16 });
        let known: Vec<Seat> = (0..16).map(|_| seats.arrive(peer(1))).collect();
        for seat in &known {
            seats.work(*seat);
            seats.know(*seat);
            seats.rest(*seat);
        }
        let new = seats.arrive(peer(1));
        assert_eq!((seats.excess(peer(1)), seats.excess(peer(1))), (Some(known[0]), None));
        assert!(!seats.is_leaving(new));
    }

    proptest! {
        /// Whatever comes, works, rests and goes: who works is never sent away, the bounds hold once the excess is gone, who goes
        /// has been idle for longest (of its peer, or of all; of strangers, or of the known), and nothing is left of who has left.
        #[test]
        fn bounds_hold_and_the_busy_stay(
            moves in proptest::collection::vec((0u8..5, any::<u8>(), 0u8..4), 1..200),
            bounds in (1usize..12, 1usize..8, 1usize..5),
        ) {
            struct Model { seat: Seat, peer: u8, is_idle: bool, is_known: bool }
            let bounds = Bounds { all: bounds.0, idle: bounds.1, peer: bounds.2 };
            let mut seats = Seats::new(bounds);
            // Longest idle first.
            let mut model: Vec<Model> = Vec::new();
            for (kind, pick, last) in moves {
                let at = (!model.is_empty()).then(|| usize::from(pick) % model.len());
                match (kind, at) {
                    (0, _) if !seats.is_full() => {
                        model.push(Model { seat: seats.arrive(peer(last)), peer: last, is_idle: true, is_known: false });
                    }
                    (1, Some(at)) => {
                        seats.work(model[at].seat);
                        model[at].is_idle = false;
                    }
                    (2, Some(at)) => {
                        let mut entry = model.remove(at);
                        seats.rest(entry.seat);
                        entry.is_idle = true;
                        model.push(entry);
                    }
                    (3, Some(at)) => seats.leave(model.remove(at).seat),
                    (4, Some(at)) => {
                        seats.know(model[at].seat);
                        model[at].is_known |= !model[at].is_idle;
                    }
                    _ => {}
                }
                while let Some(gone) = seats.excess(peer(last)) {
                    let is_own = model.iter().filter(|one| one.is_idle && one.peer == last).count() > bounds.peer;
                    let among: Vec<_> = model.iter().filter(|one| one.is_idle && (!is_own || one.peer == last)).collect();
                    let first = |is_known| among.iter().find(|one| one.is_known == is_known).map(|one| one.seat);
                    let strangers = among.iter().filter(|one| !one.is_known).count();
                    let most = if is_own { bounds.peer } else { bounds.idle };
                    let order = if strangers > most / 4 { [false, true] } else { [true, false] };
                    prop_assert_eq!(Some(gone), order.into_iter().find_map(first));
                    prop_assert!(seats.is_leaving(gone));
                    seats.leave(gone);
                    model.retain(|one| one.seat != gone);
                }
                let idle = |of: &dyn Fn(&Model) -> bool| model.iter().filter(|one| one.is_idle && of(one)).count();
                prop_assert!(idle(&|_| true) <= bounds.idle && idle(&|one| one.peer == last) <= bounds.peer);
                prop_assert_eq!(seats.all.len(), model.len());
                prop_assert_eq!(seats.idle.len(), idle(&|_| true));
                prop_assert_eq!(seats.strangers, idle(&|one| !one.is_known));
                prop_assert_eq!(seats.peers.values().map(|idle| idle.ranks.len()).sum::<usize>(), idle(&|_| true));
                prop_assert_eq!(seats.peers.values().map(|idle| idle.strangers).sum::<usize>(), idle(&|one| !one.is_known));
            }
        }
    }
}
