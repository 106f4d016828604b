//! Calendars: which days, weeks and months there are in a time zone.
//!
//! A pure function cannot know a country's laws, and a table of them would be larger than all of the limits. So what the
//! platform's calendar says of the time that is decided at comes as plain data: a [`Calendar`]. What it does not say is
//! not guessed at.

use crate::time::Millis;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;

/// How long a budget lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From Monday's midnight on.
    Week,
    /// From the first day's midnight on.
    Month,
    /// For ever.
    Ever,
}

/// A time zone by its name in the IANA database, such as `Europe/Zurich`. Whether there is one of this name, the platform
/// knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zone {
    name: [u8; MAX_NAME],
    length: u8,
}

/// Periods that follow one another: the months of Zurich.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cycle {
    /// How long each is.
    pub period: Period,
    /// By which clocks.
    pub zone: Zone,
}

/// One period: `[began, ends)`, in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Its first millisecond.
    pub began: Millis,
    /// The first one after it.
    pub ends: Millis,
}

/// What the platform says of some periods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    told: Vec<Told>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    cycle: Cycle,
    span: Span,
}

impl Period {
    /// As plans name them.
    pub const ALL: [(&'static str, Self); 4] =
        [("day", Self::Day), ("week", Self::Week), ("month", Self::Month), ("ever", Self::Ever)];

    /// As plans name it.
    pub const fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

impl Zone {
    /// Reads a name: 1 to 40 of letters, digits, `_`, `+`, `-` and `/`, a letter first. Anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-/".contains(&byte);
        let is_name = text.len() <= MAX_NAME && text.bytes().all(is_of_name);
        if !is_name || !text.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return None;
        }
        let mut name = [0; MAX_NAME];
        name[..text.len()].copy_from_slice(text.as_bytes());
        Some(Self { name, length: text.len() as u8 })
    }

    /// Coordinated universal time.
    pub const UTC: Self = {
        let mut name = [0; MAX_NAME];
        (name[0], name[1], name[2]) = (b'U', b'T', b'C');
        Self { name, length: 3 }
    };

    /// Its name.
    pub fn name(&self) -> &str {
        std::str::from_utf8(&self.name[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("not the name of a time zone"))
    }
}

impl Cycle {
    /// The one period that never ends.
    pub const EVER: Self = Self { period: Period::Ever, zone: Zone::UTC };

    /// Whether it has one period only.
    pub fn is_ever(self) -> bool {
        self.period == Period::Ever
    }
}

impl Span {
    /// The whole of time.
    pub const EVER: Self = Self { began: 0, ends: Millis::MAX };

    /// Whether a time lies in it.
    pub const fn contains(self, at: Millis) -> bool {
        self.began <= at && at < self.ends
    }
}

impl Calendar {
    /// It says nothing.
    pub const NONE: &'static Self = {
        static NONE: Calendar = Calendar { told: Vec::new() };
        &NONE
    };

    /// Adds what the platform says.
    pub fn add(&mut self, cycle: Cycle, span: Span) {
        self.told.push(Told { cycle, span });
    }

    /// Which of these periods a time lies in, as far as the platform has said. What lasts for ever needs no calendar.
    pub fn span(&self, cycle: Cycle, at: Millis) -> Option<Span> {
        if cycle.is_ever() {
            return Some(Span::EVER);
        }
        let found = self.told.iter().find(|told| told.cycle == cycle && told.span.contains(at));
        found.map(|told| told.span)
    }

    /// How much was said.
    pub fn len(&self) -> usize {
        self.told.len()
    }

    /// Whether nothing was.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }
}

const MAX_NAME: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_read_as_it_was_written() {
        for name in ["UTC", "Europe/Zurich", "America/Argentina/ComodRivadavia", "Etc/GMT+12", "EST5EDT"] {
            assert_eq!(Zone::parse(name).map(|zone| zone.name().to_owned()).as_deref(), Some(name));
        }
        let long = "A".repeat(MAX_NAME + 1);
        for wrong in ["", "+01:00", "Europe/Z\u{fc}rich", "Europe Zurich", "/Zurich", "1st", "a\0", long.as_str()] {
            assert_eq!(Zone::parse(wrong), None, "{wrong}");
        }
        for (name, period) in Period::ALL {
            assert_eq!(period.name(), name);
        }
    }

    #[test]
    fn a_calendar_says_what_it_was_told_and_no_more() {
        let cycle = Cycle { period: Period::Day, zone: Zone::UTC };
        let span = Span { began: 10, ends: 20 };
        let mut calendar = Calendar::default();
        calendar.add(cycle, span);
        let found = [9, 10, 19, 20].map(|at| calendar.span(cycle, at));
        assert_eq!(found, [None, Some(span), Some(span), None]);
        assert_eq!(calendar.span(Cycle { period: Period::Week, ..cycle }, 10), None);
        assert_eq!(Calendar::NONE.span(Cycle::EVER, 10), Some(Span::EVER));
    }
}
