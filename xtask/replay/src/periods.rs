//! The calendar: which day, week or month it is in a time zone, by the IANA's tables (jiff has them).

use anyhow::{Result, bail};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use sluice_protocol::limit::calendar::{Period, Span, Zone};
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::replay::drive::Calendars;
use sluice_protocol::replay::periods::Periods;
use sluice_protocol::time::Millis;

/// The calendars of a table's zones. `name` is what the table is called.
pub fn of(table: &PlanTable, name: &str) -> Result<impl Calendars + use<>> {
    let mut zones: Vec<(Zone, TimeZone)> = Vec::new();
    for cycle in table.cycles().filter(|cycle| !cycle.is_ever()) {
        if zones.iter().all(|(known, _)| *known != cycle.zone) {
            let zone = cycle.zone.name();
            let Ok(found) = TimeZone::get(zone) else { bail!("{name}: there is no time zone `{zone}`") };
            zones.push((cycle.zone, found));
        }
    }
    Ok(Periods::new(table, move |cycle, at| {
        let (_, zone) = zones.iter().find(|(zone, _)| *zone == cycle.zone)?;
        span(cycle.period, zone, at)
    }))
}

/// Whether there is a time zone of this name.
pub fn is_zone(zone: Zone) -> bool {
    TimeZone::get(zone.name()).is_ok()
}

/// The period that a time lies in.
fn span(period: Period, zone: &TimeZone, at: Millis) -> Option<Span> {
    let date = Timestamp::from_millisecond(i64::try_from(at).ok()?).ok()?.to_zoned_datetime(zone.clone()).date();
    let (first, next) = match period {
        Period::Day => (date, date.checked_add(1.day()).ok()?),
        Period::Week => {
            let monday = date.checked_sub(i64::from(date.weekday().to_monday_zero_offset()).days()).ok()?;
            (monday, monday.checked_add(7.days()).ok()?)
        }
        Period::Month => (date.first_of_month(), date.first_of_month().checked_add(1.month()).ok()?),
        Period::Ever => return Some(Span::EVER),
    };
    let begins = |day: Date| {
        let day = day.to_zoned_datetime(zone.clone()).ok()?.start_of_day().ok()?;
        u64::try_from(day.timestamp().as_millisecond()).ok()
    };
    Some(Span { began: begins(first)?, ends: begins(next)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_protocol::replay::periods::MAX_SPANS;

    #[test]
    fn periods_begin_and_end_by_the_clocks_of_their_zone() {
        let zone = TimeZone::get("Europe/Zurich").expect("a zone");
        let at = |text: &str| text.parse::<Timestamp>().expect("a time").as_millisecond() as Millis;
        // The Sunday on which summer time ends, in a week that began on Monday the 19th.
        for (period, began, ends) in [
            (Period::Day, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            (Period::Week, "2026-10-18T22:00:00Z", "2026-10-25T23:00:00Z"),
            (Period::Month, "2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z"),
        ] {
            let expected = Span { began: at(began), ends: at(ends) };
            for time in [expected.began, at("2026-10-25T01:30:00Z"), expected.ends - 1] {
                assert_eq!(span(period, &zone, time), Some(expected), "{period:?}");
            }
            assert_ne!(span(period, &zone, expected.ends), Some(expected), "{period:?}");
        }
    }

    /// However many there are, and however far apart: what is looked through stays short.
    #[test]
    fn a_calendar_stays_short_and_has_what_is_asked_for() {
        let limit = |zone: &str| {
            format!(r#"{{"name": "{zone}", "kind": "budget", "limit": 1, "period": "day", "zone": "Etc/GMT+{zone}"}}"#)
        };
        let limits: Vec<_> = (1..=12).map(|zone| limit(&zone.to_string())).collect();
        let plans = ["a", "b", "c", "d"].map(|plan| format!(r#""{plan}": {{"limits": [{}]}}"#, limits.join(",")));
        let table = PlanTable::parse(&format!(r#"{{"plans": {{{}}}}}"#, plans.join(","))).expect("a table");
        let mut periods = of(&table, "table").expect("zones that exist");
        for day in 0..300 {
            let now = 1_790_000_000_000 + day * 86_400_000;
            let calendar = periods.at([now, now + 1]).clone();
            assert!(calendar.len() <= MAX_SPANS);
            assert!(table.cycles().all(|cycle| calendar.span(cycle, now).is_some()));
        }
    }
}
