//! Hours that are over, days that are made of them, and what becomes of them where rows cannot be read and clocks are wrong.

use super::{ADDRESS, HOUR_MS, ask, plans, spans, sum, usage};
use crate::platform;
use crate::platform::rows::Rows;
use crate::tests::stage::Stage;
use sluice_protocol::usage::row::{Span, hour_id};

/// One request on each of these days, and then so many hours with one each.
fn days(stage: &Stage, days: &[u64], hours: u64) {
    let begin = platform::now();
    for day in days {
        stage.world.run_for((begin + day * 24 * HOUR_MS).saturating_sub(platform::now()));
        assert_eq!(ask(stage, "ann"), Some(200));
        stage.world.run_for(HOUR_MS);
    }
    for _ in 0..hours {
        assert_eq!(ask(stage, "ann"), Some(200));
        stage.world.run_for(HOUR_MS);
    }
}

fn days_of(stage: &Stage) -> Vec<u64> {
    spans(stage).into_iter().filter_map(|span| if let Span::Day(day) = span { Some(day) } else { None }).collect()
}

/// What is told of the last days that anything is kept of.
fn served(stage: &Stage, by: &str) -> u64 {
    let since = platform::now() - 399 * 24 * HOUR_MS;
    sum(&usage(stage, &format!("account=ip:{ADDRESS}&by={by}&from={since}")), "served")
}

#[test]
fn old_hours_become_days_and_old_days_are_forgotten() {
    let stage = Stage::new(3, &plans(1_000));
    let begin = platform::now() / HOUR_MS / 24;
    days(&stage, &[0, 0, 1, 20, 60], 3);
    assert_eq!(days_of(&stage), [begin, begin + 1, begin + 20], "a day for each hour that ended since");
    assert_eq!((served(&stage, "day"), served(&stage, "user,day")), (8, 8));
    let hours = spans(&stage).len() - 3;
    assert_eq!(hours, 3, "the last one stands in the hour that is counted in");
    days(&stage, &[380], 3);
    // The first days were 440 days ago, and day 60 is 380 days old.
    assert_eq!(days_of(&stage), [begin + 60], "what is older than 400 days is forgotten");
    assert_eq!(served(&stage, "day"), 8, "four of day 60, and four of today");
}

/// An hour that comes back, by a clock that was ahead and is put right, belongs to a day that is made already.
#[test]
fn a_day_is_made_of_all_its_hours_whenever_they_come() {
    let stage = Stage::new(7, &plans(1_000));
    days(&stage, &[0, 40], 2);
    let first = days_of(&stage);
    assert_eq!(first.len(), 1);
    // Another hour of that day, as one that a clock has come back to would lie there.
    stage.world.stored("GATE", &format!("ip:{ADDRESS}"), |storage| {
        let rows = Rows::new(storage, "usage");
        let (_, day) = rows.all().expect("rows are read").pop().expect("the day is the last");
        let [hour, other] = [3, 9].map(|hour| first[0] * 24 + hour);
        rows.put(hour_id(hour, 77), &day).expect("it is written");
        rows.put(hour_id(other, 78), &day).expect("it is written");
    });
    let before = served(&stage, "day");
    days(&stage, &[0], 2);
    assert_eq!(days_of(&stage), first);
    assert_eq!(served(&stage, "day"), before + 3, "neither lost nor told twice");
}

/// What a later version wrote, or a disk has damaged, holds nobody up, and nothing else is lost by it.
#[test]
fn a_row_that_cannot_be_read_holds_nobody_up() {
    let stage = Stage::new(8, &plans(1_000));
    days(&stage, &[0], 2);
    stage.world.stored("GATE", &format!("ip:{ADDRESS}"), |storage| {
        let rows = Rows::new(storage, "usage");
        let (id, _) = rows.all().expect("rows are read").remove(0);
        rows.put(id, &[9, 9, 9]).expect("it is written");
    });
    // Another day behind it, which is made all the same.
    days(&stage, &[1], 0);
    let before = spans(&stage);
    days(&stage, &[50], 3);
    assert!(spans(&stage).starts_with(&before[..2]), "what was there is there");
    assert_eq!(days_of(&stage).len(), 1);
    let told = usage(&stage, &format!("account=ip:{ADDRESS}&by=day"));
    assert_eq!(sum(&told, "served"), 4);
    let since = platform::now() - 100 * 24 * HOUR_MS;
    let path = format!("/usage?account=ip:{ADDRESS}&from={since}");
    let asked = stage.admin(stage.places[0], "GET", &path, None, "");
    stage.finish(&asked);
    assert_eq!(asked.status(), Some(503), "{}", asked.body());
    let trouble = stage.world.log().into_iter().filter(|(_, line)| line.contains("old usage is not made into days"));
    assert_eq!(trouble.count(), 3, "and somebody is told");
}

/// A clock that was ahead once takes nothing with it.
#[test]
fn a_clock_that_is_ahead_once_forgets_nothing() {
    let stage = Stage::new(9, &plans(1_000));
    days(&stage, &[0, 10], 2);
    let before = (spans(&stage), served(&stage, "day"));
    let ahead = 500 * 24 * i64::try_from(HOUR_MS).expect("it is small");
    stage.world.set_clocks(ahead);
    assert_eq!(ask(&stage, "ann"), Some(200));
    stage.world.set_clocks(-ahead);
    for _ in 0..2 {
        assert!(ask(&stage, "ann").is_some());
        stage.world.run_for(1_000);
    }
    assert!(spans(&stage).starts_with(&before.0), "{:?} after {:?}", spans(&stage), before.0);
    assert!(served(&stage, "day") >= before.1);
}
