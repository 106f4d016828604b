//! Who is sent nothing: by what requests met, by probes, and by what other isolates found out.

use super::board::{MODEL, origins, shut, wanted};
use proptest::prelude::*;
use sluice_protocol::route::board::{Board, Place};
use sluice_protocol::route::breaker::{FIRST_MS, IN_A_ROW};
use sluice_protocol::route::door::Probe;
use sluice_protocol::route::fact::Facts;
use sluice_protocol::route::met::Met;
use sluice_protocol::time::Millis;

/// A request that goes to this origin, by trying conversations.
fn at(board: &mut Board, origin: usize, now: Millis) -> Option<Place> {
    (0..200).find_map(|key| {
        let place = board.choose(&wanted(Some(key), now), &[], now).unwrap();
        if place.origin() == origin {
            return Some(place);
        }
        board.over(place, now);
        None
    })
}

fn meets(board: &mut Board, origin: usize, met: Met, now: Millis) {
    let mut place = at(board, origin, now).unwrap();
    board.met(&mut place, met, now);
    board.over(place, now);
}

#[test]
fn one_that_fails_is_left_alone_and_then_tried_by_one_request() {
    let mut board = Board::new(&origins(&[1, 1, 1]));
    (0..IN_A_ROW).for_each(|_| meets(&mut board, 1, Met::Broken, 0));
    assert!(at(&mut board, 1, 0).is_none() && at(&mut board, 1, FIRST_MS - 1).is_none());
    let mut trial = at(&mut board, 1, FIRST_MS).unwrap();
    assert!(at(&mut board, 1, FIRST_MS).is_none(), "one is let through");
    board.met(&mut trial, Met::Served, FIRST_MS);
    assert!(at(&mut board, 1, FIRST_MS).is_some());
}

#[test]
fn one_that_tried_and_met_nothing_lets_another_one_try() {
    let mut board = Board::new(&origins(&[1, 1]));
    (0..IN_A_ROW).for_each(|_| meets(&mut board, 0, Met::Broken, 0));
    let trial = at(&mut board, 0, FIRST_MS).unwrap();
    board.over(trial, FIRST_MS);
    assert!(at(&mut board, 0, FIRST_MS).is_some());
}

#[test]
fn what_fails_for_one_model_serves_others() {
    let list = r#"[{"name":"a","url":"https://a"},{"name":"b","url":"https://b"}]"#;
    let mut board = Board::new(&sluice_protocol::route::setting::parse(list).unwrap());
    (0..IN_A_ROW).for_each(|_| meets(&mut board, 0, Met::Broken, 0));
    assert!(at(&mut board, 0, 0).is_none());
    let other = sluice_protocol::route::board::Wanted { model: "other", ..wanted(None, 0) };
    let there = (0..20).map(|_| board.choose(&other, &[], 0).unwrap().origin()).filter(|origin| *origin == 0).count();
    assert!(there > 0, "{MODEL} fails there, and not the other");
}

#[test]
fn one_that_is_not_reached_is_probed_and_not_tried_by_callers() {
    let mut board = Board::new(&origins(&[1, 1]));
    (0..2).for_each(|_| meets(&mut board, 0, Met::Unreached, 0));
    assert!(at(&mut board, 0, 100_000).is_none(), "as long as it answers no probe");
    assert_eq!(board.due_probes(0), [0]);
    assert!(board.due_probes(0).is_empty(), "one probes for all");
    board.probed(0, Probe::Dead, 100);
    assert_eq!(board.due_probes(5_000), [0]);
    board.probed(0, Probe::Ready, 5_010);
    assert!(at(&mut board, 0, 5_010).is_some());
}

#[test]
fn one_that_stops_gets_nothing_new_and_is_not_dead() {
    let mut board = Board::new(&origins(&[1, 1]));
    let runs = at(&mut board, 0, 0).unwrap();
    meets(&mut board, 0, Met::NotReady, 0);
    assert!(at(&mut board, 0, 0).is_none() && !board.is_dead(0));
    board.probed(0, Probe::NotReady, 1_000);
    assert!(!board.is_dead(0), "what it has goes on");
    board.over(runs, 2_000);
    board.probed(0, Probe::Dead, 3_000);
    board.probed(0, Probe::Dead, 4_000);
    assert!(board.is_dead(0));
}

#[test]
fn one_without_room_is_left_alone_for_a_moment_unless_all_are_full() {
    let mut board = Board::new(&origins(&[1, 1]));
    meets(&mut board, 0, Met::Full(Some(400)), 0);
    assert!(at(&mut board, 0, 399).is_none() && at(&mut board, 0, 400).is_some());
    let mut board = Board::new(&origins(&[1, 1]));
    (0..2).for_each(|origin| meets(&mut board, origin, Met::Full(Some(400)), 0));
    assert!(at(&mut board, 0, 1).is_some() && at(&mut board, 1, 1).is_some());
}

#[test]
fn where_all_are_down_one_is_tried_all_the_same_and_opens_what_it_finds_well() {
    let mut board = Board::new(&origins(&[1, 1]));
    (0..2).for_each(|origin| shut(&mut board, origin, 0));
    let mut place = board.choose(&wanted(None, 10), &[], 10).unwrap();
    let origin = place.origin();
    assert!(board.choose(&wanted(None, 10), &[origin], 10).is_err(), "nobody else is up");
    board.met(&mut place, Met::Served, 20);
    assert!(!board.is_shut(origin) && at(&mut board, origin, 20).is_some());
}

proptest! {
    #[test]
    fn an_isolate_that_is_new_sends_nothing_to_whom_another_one_found_down(dead in 0_usize..3, by_model: bool) {
        let settings = origins(&[1, 1, 1]);
        let (mut old, mut new, mut facts) = (Board::new(&settings), Board::new(&settings), Facts::default());
        match by_model {
            true => (0..IN_A_ROW).for_each(|_| meets(&mut old, dead, Met::Broken, 0)),
            false => (0..2).for_each(|_| meets(&mut old, dead, Met::Unreached, 0)),
        }
        facts.add(old.take_news(), 0);
        new.learn(&facts.all(), 5);
        prop_assert!(at(&mut new, dead, 5).is_none());
        let probes = new.due_probes(5);
        prop_assert_eq!(probes, if by_model { vec![] } else { vec![dead] }, "it asks for itself");
        // It is well again: the one that finds out tells the others, who ask at once.
        old.probed(dead, Probe::Ready, 2_000);
        let mut trial = at(&mut old, dead, 2_000).unwrap();
        old.met(&mut trial, Met::Served, 2_000);
        facts.add(old.take_news(), 2_000);
        new.learn(&facts.all(), 2_010);
        if !by_model {
            prop_assert_eq!(new.due_probes(2_010), vec![dead]);
            new.probed(dead, Probe::Ready, 2_020);
        }
        prop_assert!(at(&mut new, dead, 2_020).is_some());
    }

    #[test]
    fn what_an_isolate_found_out_itself_is_not_overtaken_by_what_is_older(ready_at in 1_000_u64..10_000) {
        let mut board = Board::new(&origins(&[1, 1]));
        let mut other = board.clone();
        shut(&mut other, 0, 0);
        let old = other.take_news();
        shut(&mut board, 0, 0);
        board.probed(0, Probe::Ready, ready_at);
        board.learn(&old, ready_at);
        prop_assert!(!board.is_shut(0));
    }
}
