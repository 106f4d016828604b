//! How fast buckets are refilled. Integers only: a debt is kept in parts of `1/every`.

use super::MAX_SPAN_MS;
use crate::limit::fields::{MAX_AMOUNT, Reader};
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How fast a bucket drains: `refill` every `every_ms` milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "AnyRefill")]
pub struct Refill {
    /// At least 1.
    pub amount: u32,
    /// At least 1.
    pub every_ms: u64,
}

/// As it travels: a bucket that never drains is refused with the message that it came in, before it divides by zero.
#[derive(Deserialize)]
struct AnyRefill {
    amount: u32,
    every_ms: u64,
}

impl TryFrom<AnyRefill> for Refill {
    type Error = &'static str;

    fn try_from(AnyRefill { amount, every_ms }: AnyRefill) -> Result<Self, Self::Error> {
        if amount == 0 || every_ms == 0 {
            return Err("a bucket must be refilled");
        }
        Ok(Self { amount, every_ms })
    }
}

impl Refill {
    /// The members of a bucket that say how it is refilled.
    pub(in crate::limit) fn read(reader: &mut Reader, at: &str, object: &Map<String, Value>) -> Option<Self> {
        let amount = reader.required(at, object, "refill", MAX_AMOUNT);
        let every_ms = match object.get("every") {
            None => Some(1_000),
            Some(value) => reader.duration(&format!("{at}.every"), value, 1, MAX_SPAN_MS),
        };
        Some(Self { amount: amount?, every_ms: every_ms? })
    }

    /// In how many milliseconds as much is refilled, rounded up.
    pub(super) fn fills_in_ms(self, amount: u32) -> u64 {
        u64::from(amount).saturating_mul(self.every_ms).div_ceil(u64::from(self.amount))
    }

    /// In so many parts of a whole a debt is kept.
    pub(super) fn parts(self) -> u128 {
        u128::from(self.every_ms)
    }

    /// The debt that drains between two times.
    pub(super) fn drained(self, from: Millis, to: Millis) -> u128 {
        u128::from(to.saturating_sub(from)) * u128::from(self.amount)
    }

    /// The time at which `debt` has drained.
    pub(super) fn after(self, now: Millis, debt: u128) -> Millis {
        now.saturating_add(u64::try_from(debt.div_ceil(u128::from(self.amount))).unwrap_or(u64::MAX))
    }

    /// A debt in the parts of another rate, rounded up.
    pub(super) fn convert(self, debt: u128, to: Self) -> u128 {
        if self.every_ms == to.every_ms {
            return debt;
        }
        let (amount, rest) = (debt / self.parts(), debt % self.parts());
        amount.saturating_mul(to.parts()).saturating_add((rest * to.parts()).div_ceil(self.parts()))
    }
}
