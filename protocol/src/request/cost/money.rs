//! Money: whole billionths of a currency's unit (nano-units), and decimals as people write them. Integers only.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;

/// A currency by its three capital letters, as ISO 4217 has them: `USD`. Which ones there are is not looked at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Reads three capital letters; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let letters: [u8; 3] = text.as_bytes().try_into().ok()?;
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|letter| fmt::Write::write_char(f, char::from(*letter)))
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("not a currency"))
    }
}

/// Reads a decimal of at most nine places, in nano-units: `25`, `25.00`, `0.000000001`. `None` for signs, exponents, leading
/// zeros, more places, and more than [`MAX_WHOLE`].
pub fn parse_decimal(text: &str) -> Option<u64> {
    let (whole, part) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some((whole, part)) => (whole, part),
        None => (text, ""),
    };
    let is_plain = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    let is_long = whole.len() > 9 || part.len() > PLACES || (whole.len() > 1 && whole.starts_with('0'));
    if whole.is_empty() || is_long || !is_plain(whole) || !is_plain(part) {
        return None;
    }
    // At most nine digits each: neither overflows.
    let nano = whole.parse::<u64>().ok()? * UNIT + format!("{part:0<PLACES$}").parse::<u64>().ok()?;
    (nano <= MAX_WHOLE * UNIT).then_some(nano)
}

/// What [`parse_decimal`] reads as so many nano-units, with two places at least: `25.00`, `0.0031`.
pub fn write_decimal(nano: u64) -> String {
    let part = format!("{:0PLACES$}", nano % UNIT);
    let kept = part.trim_end_matches('0').len().max(2);
    format!("{}.{}", nano / UNIT, &part[..kept])
}

/// The most that a price, a budget or a credit may be, in whole units of its currency.
pub const MAX_WHOLE: u64 = 100_000_000;
/// How many nano-units a unit has.
pub const UNIT: u64 = 1_000_000_000;
const PLACES: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_read_as_it_was_written() {
        for (text, nano, written) in [
            ("0", 0, "0.00"),
            ("25", 25 * UNIT, "25.00"),
            ("25.00", 25 * UNIT, "25.00"),
            ("0.1", UNIT / 10, "0.10"),
            ("0.0031", 3_100_000, "0.0031"),
            ("0.000000001", 1, "0.000000001"),
            ("100000000", MAX_WHOLE * UNIT, "100000000.00"),
        ] {
            assert_eq!(parse_decimal(text), Some(nano), "{text}");
            assert_eq!(write_decimal(nano), written);
            assert_eq!(parse_decimal(written), Some(nano));
        }
        for wrong in [
            "",
            ".",
            ".5",
            "5.",
            "-1",
            "+1",
            "1e3",
            "01",
            "00",
            "1_0",
            "1,5",
            " 1",
            "1 ",
            "0.0000000001",
            "100000000.01",
            "999999999999999999999999999999",
            "0.111111111111111111111111111111",
            "NaN",
            "1.-1",
            "1.+1",
        ] {
            assert_eq!(parse_decimal(wrong), None, "{wrong}");
        }
        assert_eq!(write_decimal(u64::MAX), "18446744073.709551615");
    }

    #[test]
    fn a_currency_is_three_capital_letters() {
        assert_eq!(Currency::parse("USD").map(|currency| currency.to_string()).as_deref(), Some("USD"));
        for wrong in ["", "US", "usd", "USDT", "US1", "\u{20ac}"] {
            assert_eq!(Currency::parse(wrong), None, "{wrong}");
        }
    }
}
