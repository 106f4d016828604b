//! Which origin a request goes to: nobody starves, what is removed moves only what it must, and no load exceeds its
//! bound.

use proptest::prelude::*;
use sluice_protocol::forward::capacity::Capacity;
use sluice_protocol::route::beginning::Beginning;
use sluice_protocol::route::board::choice::most;
use sluice_protocol::route::board::{Board, NoOrigin, Place, Wanted};
use sluice_protocol::route::door::Probe;
use sluice_protocol::route::met::Met;
use sluice_protocol::route::setting::{OriginSetting, Region, parse};
use sluice_protocol::time::Millis;

pub(super) const MODEL: &str = "m";

/// Origins of these weights, which have [`MODEL`].
pub(super) fn origins(weights: &[u8]) -> Vec<OriginSetting> {
    let one = |(index, weight): (usize, &u8)| {
        format!(r#"{{"name":"o{index}","url":"https://o{index}","models":["m"],"weight":{weight}}}"#)
    };
    let list: Vec<String> = weights.iter().enumerate().map(one).collect();
    parse(&format!("[{}]", list.join(","))).unwrap()
}

pub(super) fn wanted(beginning: Option<u64>, now: Millis) -> Wanted<'static> {
    let otherwise = Beginning::of_nothing(beginning.unwrap_or(now));
    let beginning = beginning.map(Beginning::of_nothing);
    Wanted { model: MODEL, beginning, otherwise, region: None, until: now + 60_000, again: None }
}

/// Where a request goes that is over at once.
fn goes_to(board: &mut Board, beginning: u64, now: Millis) -> usize {
    let place = board.choose(&wanted(Some(beginning), now), &[], now).unwrap();
    let origin = place.origin();
    board.over(place, now);
    origin
}

pub(super) fn shut(board: &mut Board, origin: usize, now: Millis) {
    board.probed(origin, Probe::NotReady, now);
}

fn weights() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1_u8..5, 2..6)
}

proptest! {
    #![proptest_config(crate::cases(64))]

    #[test]
    fn no_healthy_origin_starves(weights in weights(), seed: u64, knows: bool) {
        let mut board = Board::new(&origins(&weights));
        let all: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let mut got = vec![0_u64; weights.len()];
        let mut running = Vec::new();
        let requests = 4_000;
        for number in 0..requests {
            let beginning = knows.then(|| seed.wrapping_add(number));
            let place = board.choose(&wanted(beginning, number), &[], number).unwrap();
            got[place.origin()] += 1;
            running.push(place);
            if running.len() > 20 {
                board.over(running.remove(0), number);
            }
        }
        for (got, weight) in got.iter().zip(&weights) {
            let share = requests * u64::from(*weight) / all;
            prop_assert!(*got * 2 >= share && *got <= share * 2, "{got} of a share of {share}");
        }
    }

    #[test]
    fn many_requests_of_one_conversation_do_not_all_wait_for_one_origin(weights in weights(), beginning: u64) {
        let mut board = Board::new(&origins(&weights));
        let running: Vec<Place> =
            (0..200).map(|_| board.choose(&wanted(Some(beginning), 0), &[], 0).unwrap()).collect();
        let first = running[0].origin();
        for origin in 0..weights.len() {
            let has = running.iter().filter(|place| place.origin() == origin).count() as u64;
            prop_assert!(has > 0 || origin != first);
            let all = weights.iter().map(|weight| u64::from(*weight)).sum();
            prop_assert!(has <= most(200, weights[origin].into(), all), "{has} at one");
        }
    }

    #[test]
    fn the_bound_holds_whatever_begins_and_ends(
        weights in weights(),
        steps in prop::collection::vec((any::<Option<u64>>(), any::<u8>()), 1..400),
    ) {
        let mut board = Board::new(&origins(&weights));
        let all: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let mut running: Vec<Place> = Vec::new();
        for (beginning, ends) in steps {
            let place = board.choose(&wanted(beginning.map(|one| one % 7), 0), &[], 0).unwrap();
            let origin = place.origin();
            running.push(place);
            let there = running.iter().filter(|place| place.origin() == origin).count() as u64;
            let bound = most(running.len() as u64, weights[origin].into(), all);
            prop_assert!(there <= bound, "{there} of {} where {bound} may be", running.len());
            if ends % 2 == 0 {
                board.over(running.swap_remove(usize::from(ends) % running.len()), 0);
            }
        }
    }

    #[test]
    fn an_origin_that_goes_moves_only_what_it_had_and_gets_it_back(weights in weights(), seed: u64, gone in 0_usize..6) {
        let mut board = Board::new(&origins(&weights));
        let gone = gone % weights.len();
        let keys: Vec<u64> = (0..300).map(|number| seed.wrapping_add(number)).collect();
        let before: Vec<usize> = keys.iter().map(|key| goes_to(&mut board, *key, 0)).collect();
        shut(&mut board, gone, 0);
        for (key, was) in keys.iter().zip(&before) {
            let is = goes_to(&mut board, *key, 1);
            prop_assert!(is != gone && (*was == gone || *was == is));
        }
        board.probed(gone, Probe::Ready, 2);
        let after: Vec<usize> = keys.iter().map(|key| goes_to(&mut board, *key, 3)).collect();
        prop_assert_eq!(before, after);
    }

    #[test]
    fn whoever_was_tried_is_not_tried_again_and_somebody_always_is_first(
        weights in weights(),
        down in prop::collection::vec(any::<bool>(), 6),
        beginning: Option<u64>,
    ) {
        let mut board = Board::new(&origins(&weights));
        let down: Vec<usize> = (0..weights.len()).filter(|origin| down[*origin]).collect();
        down.iter().for_each(|origin| shut(&mut board, *origin, 0));
        let mut tried = Vec::new();
        while let Ok(place) = board.choose(&wanted(beginning, 0), &tried, 0) {
            prop_assert!(!tried.contains(&place.origin()));
            let all_are_down = down.len() == weights.len();
            prop_assert!(!down.contains(&place.origin()) || all_are_down && tried.is_empty());
            tried.push(place.origin());
        }
        prop_assert_eq!(tried.len(), (weights.len() - down.len()).max(1));
    }
}

#[test]
fn ties_go_to_whoever_says_that_it_is_emptier() {
    let mut board = Board::new(&origins(&[1, 1, 1]));
    let says = |queued| Capacity { slots: 4, free: 0, queued, queue: 16, est_ms: Some(queued.into()), mem: None };
    for (origin, queued) in [(0, 9), (1, 2), (2, 5)] {
        board.said(origin, says(queued), 0);
    }
    assert_eq!(board.choose(&wanted(None, 0), &[], 0).unwrap().origin(), 1);
    assert_eq!(board.percent(0), ((4 + 4 + 4 + 9 + 2 + 5) * 100 / 60) as u8);
    // Whoever remembers a conversation keeps it, unless it is much fuller than the emptiest.
    let key = (0..).find(|key| goes_to(&mut board.clone(), *key, 2_000) == 2).unwrap();
    assert_eq!(goes_to(&mut board.clone(), key, 0), 2);
    board.said(2, says(16), 0);
    assert_ne!(goes_to(&mut board, key, 0), 2);
}

#[test]
fn what_is_near_goes_first_while_it_has_room() {
    let list = r#"[{"name":"a","url":"https://a","region":"EU"},{"name":"b","url":"https://b","region":"NA"}]"#;
    let mut board = Board::new(&parse(list).unwrap());
    let from = |region| Wanted { region: Region::parse(region), ..wanted(None, 0) };
    let goes = |board: &mut Board, region| board.choose(&from(region), &[], 0).map(|place| place.origin());
    for (region, origin) in [("EU", 0), ("NA", 1)] {
        assert_eq!((0..10).map(|_| goes(&mut board.clone(), region).unwrap()).max(), Some(origin));
    }
    shut(&mut board, 0, 0);
    assert_eq!(goes(&mut board, "EU"), Ok(1));
}

#[test]
fn a_model_that_nobody_has_is_refused_and_one_that_somebody_may_have_is_asked_for() {
    let mut board = Board::new(&origins(&[1, 1]));
    let other = Wanted { model: "other", ..wanted(None, 0) };
    assert_eq!(board.choose(&other, &[], 0).unwrap_err(), NoOrigin::Model);
    let list = r#"[{"name":"a","url":"https://a"},{"name":"b","url":"https://b"}]"#;
    let mut open = Board::new(&parse(list).unwrap());
    for tried in [0, 1] {
        let mut place = open.choose(&other, &[], 0).unwrap();
        assert_eq!(place.origin(), tried.max(place.origin()).min(1));
        open.met(&mut place, Met::NoModel, 0);
        open.over(place, 0);
    }
    assert_eq!(open.choose(&other, &[], 0).unwrap_err(), NoOrigin::Model, "each has said that it does not have it");
    open.listed(1, &["other".to_owned()]);
    assert_eq!(open.choose(&other, &[], 0).unwrap().origin(), 1);
}
