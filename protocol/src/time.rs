//! Time, as both gates tell it.

pub mod pace;

/// Milliseconds since the Unix epoch. Clocks stall and go back: whoever keeps time in a state clamps it to its own past.
pub type Millis = u64;

/// A whole number and a unit (`ms`, `s`, `m`, `h`, `d`), in milliseconds. `None` for anything else or an overflow.
pub fn parse_duration(text: &str) -> Option<u64> {
    let split = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let (unit, _) = UNITS.into_iter().find(|(_, name)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// What [`parse_duration`] reads as so many milliseconds, in the largest unit that has no rest.
pub fn write_duration(ms: u64) -> String {
    let unit = UNITS.into_iter().rev().find(|(unit, _)| ms >= *unit && ms.is_multiple_of(*unit));
    let (unit, name) = unit.unwrap_or(UNITS[0]);
    format!("{}{name}", ms / unit)
}

/// So many milliseconds in seconds, for people.
pub(crate) fn seconds(ms: u64) -> String {
    if ms.is_multiple_of(1000) { format!("{} s", ms / 1000) } else { format!("{}.{:03} s", ms / 1000, ms % 1000) }
}

/// How long to wait, for people: `2.417 s`, `59 min 53 s`, `3 h 5 min`, `29 d 4 h`. Never less than it is; headers tell it
/// exactly.
pub fn wait(ms: u64) -> String {
    // The smaller unit is rounded up, which may make the larger one whole.
    let two = |unit_ms: u64, unit: &str, part_ms: u64, part: &str| {
        let parts = ms.div_ceil(part_ms);
        let (whole, rest) = (parts / (unit_ms / part_ms), parts % (unit_ms / part_ms));
        if rest == 0 { format!("{whole} {unit}") } else { format!("{whole} {unit} {rest} {part}") }
    };
    match ms {
        0..=60_000 => seconds(ms),
        60_001..3_600_000 => two(60_000, "min", 1_000, "s"),
        3_600_000..86_400_000 => two(3_600_000, "h", 60_000, "min"),
        _ => two(86_400_000, "d", 3_600_000, "h"),
    }
}

/// Milliseconds of each, the smallest first.
const UNITS: [(u64, &str); 5] = [(1, "ms"), (1_000, "s"), (60_000, "m"), (3_600_000, "h"), (86_400_000, "d")];

/// A time as RFC 3339 has it, in UTC: `2026-11-28T12:00:00.000Z`. Of times after the year 9999, which it cannot say, their
/// beginning.
pub fn rfc3339(at: Millis) -> String {
    let at = at.min(LAST);
    let (seconds, ms) = (at / 1_000, at % 1_000);
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant's days_from_civil, turned round: years begin in March, so that the day that is not always there is
    // the last one.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2); // not a status: years
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// What [`rfc3339`] writes, also without its milliseconds, its seconds, or all of its time of day: `2026-11-28`,
/// `2026-11-28T12:00Z`. `None` for anything else, for other zones and for days that there are not.
pub fn parse_utc(text: &str) -> Option<Millis> {
    let (date, of_day) = match text.split_once('T') {
        Some((date, time)) => (date, parse_of_day(time.strip_suffix('Z')?)?),
        None => (text, 0),
    };
    let [year, month, day] = numbers(date, '-', &[4, 2, 2])?;
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // The other way of what rfc3339 does.
    let (year_of_march, month_of_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year_of_era) = (year_of_march / 400, year_of_march % 400); // not a status: years
    let of_year = (153 * month_of_march + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468;
    let at = days * 86_400_000 + of_day;
    // A day that its month does not have is another one's.
    rfc3339(at).starts_with(date).then_some(at)
}

/// `12:00`, `12:00:59` or `12:00:59.999`, in milliseconds since midnight.
fn parse_of_day(text: &str) -> Option<u64> {
    let (text, ms) = match text.split_once('.') {
        Some((text, ms)) if ms.len() == 3 && text.len() == 8 => (text, numbers::<1>(ms, '.', &[3])?[0]),
        Some(_) => return None,
        None => (text, 0),
    };
    let [hour, minute, second] = match text.len() {
        5 => numbers::<2>(text, ':', &[2, 2]).map(|[hour, minute]| [hour, minute, 0])?,
        _ => numbers::<3>(text, ':', &[2, 2, 2])?,
    };
    (hour < 24 && minute < 60 && second < 60).then_some(((hour * 60 + minute) * 60 + second) * 1_000 + ms)
}

/// Numbers of so many digits each.
fn numbers<const N: usize>(text: &str, between: char, digits: &[usize; N]) -> Option<[u64; N]> {
    let mut parts = text.split(between);
    let mut numbers = [0; N];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == *digits && part.bytes().all(|one| one.is_ascii_digit()))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// The last moment of the year 9999.
const LAST: Millis = 253_402_300_799_999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_units_of_people_and_is_never_too_short() {
        let cases = [
            (0, "0 s"),
            (2_417, "2.417 s"),
            (60_000, "60 s"),
            (60_001, "1 min 1 s"),
            (119_001, "2 min"),
            (3_592_049, "59 min 53 s"),
            (3_599_001, "60 min"),
            (3_600_001, "1 h 1 min"),
            (86_400_000, "1 d"),
            (86_400_001, "1 d 1 h"),
            (2_592_000_000, "30 d"),
        ];
        for (ms, text) in cases {
            assert_eq!(wait(ms), text, "{ms}");
        }
        assert!(wait(u64::MAX).starts_with("213503982334 d"));
    }

    #[test]
    fn a_duration_is_read_as_it_was_written() {
        let cases = [(0, "0ms"), (999, "999ms"), (1_000, "1s"), (90_000, "90s"), (7_200_000, "2h"), (86_400_000, "1d")];
        for (ms, text) in cases {
            assert_eq!(write_duration(ms), text);
            assert_eq!(parse_duration(text), Some(ms));
        }
        assert_eq!(parse_duration(&write_duration(u64::MAX)), Some(u64::MAX));
        for wrong in ["", "1", "s", "1.5s", "-1s", "1 s", "1S", "1w", "213503982335d", "99999999999999999999ms"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }

    /// A calendar that counts one day after the other.
    #[test]
    fn each_day_of_four_centuries_has_its_date() {
        let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..150_000 {
            let at = days * 86_400_000;
            let date = format!("{year:04}-{month:02}-{day:02}");
            assert_eq!(rfc3339(at), format!("{date}T00:00:00.000Z"));
            assert_eq!(parse_utc(&date), Some(at), "{date}");
            let length = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1];
            day += 1;
            if day > length {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
        assert_eq!(rfc3339(1_795_867_199_007), "2026-11-28T11:59:59.007Z");
        for (text, at) in [
            ("2026-11-28T11:59:59.007Z", Some(1_795_867_199_007)),
            ("2026-11-28T11:59:59Z", Some(1_795_867_199_000)),
            ("2026-11-28T11:59Z", Some(1_795_867_140_000)),
            ("9999-12-31T23:59:59.999Z", Some(LAST)),
            ("2026-02-29", None),
            ("2100-02-29", None),
            ("2026-04-31", None),
            ("2026-00-10", None),
            ("2026-13-01", None),
            ("1969-12-31", None),
            ("2026-1-01", None),
            ("2026-11-28T24:00Z", None),
            ("2026-11-28T11:60Z", None),
            ("2026-11-28T11:59:59.7Z", None),
            ("2026-11-28T11:59.007Z", None),
            ("2026-11-28T11:59+01:00", None),
            ("2026-11-28T11:59", None),
            ("2026-11-28T", None),
            ("2026-11-28-01", None),
            ("+026-11-28", None),
            ("", None),
        ] {
            assert_eq!(parse_utc(text), at, "{text}");
        }
        assert_eq!(rfc3339(LAST), "9999-12-31T23:59:59.999Z");
        assert_eq!(rfc3339(Millis::MAX), rfc3339(LAST));
    }
}
