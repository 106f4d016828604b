//! Single cases of who goes, and all of them against a naive list.

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
