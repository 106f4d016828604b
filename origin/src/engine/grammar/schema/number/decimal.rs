//! Numbers of JSON as they were written, without a float in between: 2^53 + 1 is not 2^53, and 10^25 is itself.

use std::cmp::Ordering;

/// An exact decimal number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    /// Without zeros in front and behind; empty: zero.
    digits: String,
    /// The value is `0.digits` times ten to this.
    point: i32,
}

/// How many places before or behind the point a number may need: those of every `f64`.
const MAX_POINT: i64 = 400; // not a status: digits
/// How many digits a number may have, zeros in front and behind not counted.
const MAX_DIGITS: usize = 400; // not a status: digits

impl Decimal {
    pub(crate) fn zero() -> Self {
        Self { negative: false, digits: String::new(), point: 0 }
    }

    /// Reads a number of JSON; `None`: it is none, or larger, smaller or longer than we handle.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: String = [whole, fraction].concat();
        if whole.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let leading = digits.len() - digits.trim_start_matches('0').len();
        let digits = digits.trim_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self::zero());
        }
        let exponent: i64 = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
        let point = i64::try_from(whole.len()).ok()?.checked_sub(leading as i64)?.checked_add(exponent)?;
        let held = point.abs() <= MAX_POINT && digits.len() <= MAX_DIGITS;
        held.then_some(Self { negative, digits, point: point as i32 })
    }

    pub(crate) fn of(integer: i128) -> Self {
        // An integer is a number of JSON, and has at most forty digits.
        Self::read(&integer.to_string()).unwrap_or_else(Self::zero)
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    pub(crate) fn is_negative(&self) -> bool {
        self.negative
    }

    pub(crate) fn is_integer(&self) -> bool {
        self.digits.len() as i64 <= i64::from(self.point.max(0)) || self.is_zero()
    }

    pub(crate) fn negated(&self) -> Self {
        Self { negative: !self.negative && !self.is_zero(), ..self.clone() }
    }

    /// The place of its first digit before the point; 0 and less: behind it.
    pub(crate) fn point(&self) -> i32 {
        self.point
    }

    /// Digits from the first that is not zero to the last.
    pub(crate) fn significant(&self) -> usize {
        self.digits.len()
    }

    /// Digits before the point, without a sign: at least one.
    pub(crate) fn whole(&self) -> String {
        let Ok(point) = usize::try_from(self.point) else { return "0".into() };
        match self.digits.get(..point) {
            _ if point == 0 => "0".into(),
            Some(whole) => whole.to_owned(),
            None => format!("{:0<point$}", self.digits),
        }
    }

    /// Digits behind the point, without zeros at the end.
    pub(crate) fn fraction(&self) -> String {
        match usize::try_from(self.point) {
            Ok(point) => self.digits.get(point..).unwrap_or_default().to_owned(),
            Err(_) => format!("{}{}", "0".repeat(self.point.unsigned_abs() as usize), self.digits),
        }
    }

    /// As plain JSON, in all of its digits.
    pub(crate) fn text(&self) -> String {
        let (sign, fraction) = (if self.negative { "-" } else { "" }, self.fraction());
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{}{point}{fraction}", self.whole())
    }

    /// Itself, if it is an integer of at most 37 digits.
    pub(crate) fn integer(&self) -> Option<i128> {
        (self.is_integer() && self.point <= 37).then(|| self.text().parse().ok()).flatten()
    }

    /// The largest integer that is not larger; `None`: it has more than 37 digits.
    pub(crate) fn floor(&self) -> Option<i128> {
        if self.point > 37 {
            return None;
        }
        let whole: i128 = self.whole().parse().ok()?;
        let down = self.negative && !self.is_integer();
        Some(if self.negative { -whole } else { whole } - i128::from(down))
    }

    /// As an integer and how many of its digits are behind the point; `None`: it has too many digits.
    pub(crate) fn scaled(&self) -> Option<(i128, u32)> {
        let behind = self.fraction();
        let digits = [self.whole(), behind.clone()].concat();
        let value: i128 = (digits.len() <= 30).then(|| digits.parse().ok()).flatten()?;
        Some((if self.negative { -value } else { value }, behind.len() as u32))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.is_zero(), number.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        // Without zeros behind, what is the beginning of another is the smaller one.
        let size = || self.point.cmp(&other.point).then_with(|| self.digits.cmp(&other.digits));
        sign(self).cmp(&sign(other)).then_with(|| match sign(self) {
            0 => Ordering::Equal,
            1 => size(),
            _ => size().reverse(),
        })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_all_of_their_digits() {
        for (text, plain) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.00", "0"),
            ("10000000000000000000000000", "10000000000000000000000000"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("9007199254740993", "9007199254740993"),
            ("1e3", "1000"),
            ("1.50E+1", "15"),
            ("0.00100", "0.001"),
            ("-12.5e-3", "-0.0125"),
            ("100", "100"),
        ] {
            assert_eq!(Decimal::read(text).unwrap().text(), plain, "{text}");
        }
        for text in ["", "-", "1e999", "1e-999", "1e99999999999999999999", "x", ".5"] {
            assert_eq!(Decimal::read(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_in_order() {
        let order =
            ["-1e30", "-10", "-9.5", "-9", "-0.1", "-0.01", "0", "1e-30", "0.1", "0.11", "0.2", "9", "10", "1e30"];
        for (left, one) in order.iter().enumerate() {
            for (right, other) in order.iter().enumerate() {
                let (one, other) = (Decimal::read(one).unwrap(), Decimal::read(other).unwrap());
                assert_eq!(one.cmp(&other), left.cmp(&right), "{one:?} {other:?}");
            }
        }
        let floor = |text: &str| Decimal::read(text).unwrap().floor();
        assert_eq!([floor("2.5"), floor("-2.5"), floor("-2"), floor("0.1")], [Some(2), Some(-3), Some(-2), Some(0)]);
    }
}
