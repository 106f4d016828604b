//! Time, as both gates tell it.

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

/// Milliseconds of each, the smallest first.
const UNITS: [(u64, &str); 5] = [(1, "ms"), (1_000, "s"), (60_000, "m"), (3_600_000, "h"), (86_400_000, "d")];

#[cfg(test)]
mod tests {
    use super::*;

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
}
