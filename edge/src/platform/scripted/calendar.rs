//! A small calendar: UTC, and two zones with the European Union's summer time. A test may take zones away.

use super::course;
use sluice_protocol::limit::calendar::{Cycle, Period, Span};
use sluice_protocol::time::Millis;

/// The period of a cycle that a time lies in; `None` for a time zone that this platform does not know.
pub fn period(cycle: Cycle, at: Millis) -> Option<Span> {
    let zone = cycle.zone.name();
    if course::of_thread(|course| course.lost_zones.borrow().contains(zone)).unwrap_or(false) {
        return None;
    }
    let standard = ZONES.iter().find(|(name, _)| *name == zone)?.1;
    let ahead = |at: Millis| match standard {
        Standard::Utc => 0,
        Standard::Hours(hours) => (hours + u64::from(is_summer(at))) * HOUR,
    };
    let day = (at + ahead(at)) / DAY;
    let (year, month, date) = date_of(day);
    let first = match cycle.period {
        Period::Week => day - (day + 3) % 7,
        Period::Month => day - (date - 1),
        Period::Day | Period::Ever => day,
    };
    let next = match cycle.period {
        Period::Week => first + 7,
        Period::Month => first + days_of(year, month),
        Period::Day | Period::Ever => first + 1,
    };
    // Nobody here sets clocks at midnight.
    let begins = |day: u64| {
        let midnight = day * DAY;
        midnight - ahead(midnight - ahead(midnight))
    };
    Some(Span { began: begins(first), ends: begins(next) })
}

/// How far a zone's clocks are ahead.
#[derive(Clone, Copy)]
enum Standard {
    Utc,
    /// So many hours in winter.
    Hours(u64),
}

const ZONES: [(&str, Standard); 3] =
    [("UTC", Standard::Utc), ("Europe/Zurich", Standard::Hours(1)), ("Europe/Helsinki", Standard::Hours(2))];

/// From the last Sunday of March to that of October, 01:00 UTC each (Directive 2000/84/EC).
fn is_summer(at: Millis) -> bool {
    let (year, ..) = date_of(at / DAY);
    let turn = |month: u64| {
        let last = first_day(year, month) + days_of(year, month) - 1;
        // Day 0 was a Thursday.
        (last - (last + 4) % 7) * DAY + HOUR
    };
    (turn(3)..turn(10)).contains(&at)
}

/// Year, month and day of the month, counted one after the other.
fn date_of(day: u64) -> (u64, u64, u64) {
    let year = (1970..).find(|year| first_day(year + 1, 1) > day).unwrap_or(1970);
    let month = (1..12).find(|month| first_day(year, month + 1) > day).unwrap_or(12);
    (year, month, day - first_day(year, month) + 1)
}

fn first_day(year: u64, month: u64) -> u64 {
    let leap_days = |before: u64| (before / 4) - (before / 100) + (before / 400);
    let days = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969);
    days + (1..month).map(|month| days_of(year, month)).sum::<u64>()
}

fn days_of(year: u64, month: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

const HOUR: Millis = 3_600_000;
const DAY: Millis = 24 * HOUR;
