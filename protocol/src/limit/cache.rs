//! Answers that are kept for the same question: what a plan and a caller say of it, by what an answer is found again
//! ([`KeyParts`]), and what is known of one that is kept ([`Entry`]).

mod entry;
mod key;

pub use entry::Entry;
pub use key::{KeyParts, Purges, Scope};

use crate::limit::fields::Reader;
use crate::refusal::{Reason, Refusal};
use crate::time::Millis;
use crate::wire::header;
use serde_json::Value;

/// How the answers of a plan are cached. One that exists is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachePlan {
    /// How long an answer is given again, in milliseconds: whole seconds.
    pub ttl_ms: Millis,
    /// Whether all accounts of the plan share their answers.
    pub is_shared: bool,
    /// How many percent of its tokens an answer costs that is given again.
    pub price: u8,
}

/// The longest time that an answer is given again, in milliseconds: a day. What forgets answers relies on it.
pub const MAX_TTL_MS: Millis = 24 * 60 * 60 * 1_000;

/// How one request takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheWish {
    /// How old an answer may be that is given to it, and how long its own is kept, in milliseconds.
    pub ttl_ms: Millis,
    /// Whether all accounts of its plan share it.
    pub is_shared: bool,
    /// How many percent of its tokens an answer costs that is given again.
    pub price: u8,
}

/// What a caller says of it in the header [`header::CACHE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheAsked {
    /// Nothing: its plan decides.
    Nothing,
    /// It wants an answer of its own.
    None,
    /// It takes one that is so old at most, in milliseconds.
    For(Millis),
}

impl CacheAsked {
    /// Reads the header: whole seconds, 1 to a day, or `none`. Refuses all else by its name.
    pub fn read(header: Option<&str>) -> Result<Self, Refusal> {
        let Some(text) = header.map(str::trim) else { return Ok(Self::Nothing) };
        if text == "none" {
            return Ok(Self::None);
        }
        let seconds = text.parse::<u64>().ok().filter(|seconds| seconds.to_string() == text);
        let ms = seconds.and_then(|seconds| seconds.checked_mul(1_000)).filter(|ms| (1_000..=MAX_TTL_MS).contains(ms));
        ms.map(Self::For).ok_or_else(|| {
            let message =
                format!("`{}` is `none`, or a number of seconds from 1 to {}.", header::CACHE, MAX_TTL_MS / 1_000);
            Refusal::new(Reason::InvalidRequest, message).with_param(header::CACHE)
        })
    }

    /// How a request of this plan takes part, if it does. A caller may ask for less than its plan, or without it: its own
    /// account's answers are its own. They are shared as its plan says, and no longer than that says.
    pub fn wish(self, plan: Option<&CachePlan>) -> Option<CacheWish> {
        match (self, plan) {
            (Self::None, _) | (Self::Nothing, None) => None,
            (Self::Nothing, Some(plan)) => {
                Some(CacheWish { ttl_ms: plan.ttl_ms, is_shared: plan.is_shared, price: plan.price })
            }
            (Self::For(ttl_ms), Some(plan)) => {
                let is_shared = plan.is_shared && ttl_ms <= plan.ttl_ms;
                Some(CacheWish { ttl_ms, is_shared, price: plan.price })
            }
            (Self::For(ttl_ms), None) => Some(CacheWish { ttl_ms, is_shared: false, price: 0 }),
        }
    }
}

impl Reader {
    /// `{"ttl": "10m", "shared": false, "price": 0}`.
    pub(in crate::limit) fn cache(&mut self, at: &str, value: &Value) -> Option<CachePlan> {
        let object = self.object(at, value, &["ttl", "shared", "price"])?;
        if !object.contains_key("ttl") {
            self.mistake(at, "needs a member `ttl`: how long an answer is given again");
        }
        let ttl_ms = self.duration(&format!("{at}.ttl"), object.get("ttl")?, 1_000, MAX_TTL_MS);
        if ttl_ms.is_some_and(|ms| ms % 1_000 != 0) {
            self.mistake(&format!("{at}.ttl"), "must be whole seconds");
        }
        let is_shared = match object.get("shared") {
            None => false,
            Some(Value::Bool(is_shared)) => *is_shared,
            Some(_) => {
                self.mistake(&format!("{at}.shared"), "must be true or false");
                false
            }
        };
        let price = self.optional(at, object, "price", 0, 100).unwrap_or(0);
        Some(CachePlan { ttl_ms: ttl_ms?, is_shared, price: u8::try_from(price).unwrap_or(u8::MAX) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_asks_for_less_than_its_plan_or_without_it() {
        let plan = CachePlan { ttl_ms: 60_000, is_shared: true, price: 10 };
        let wish = |header, plan: Option<&CachePlan>| CacheAsked::read(header).expect("well formed").wish(plan);
        assert_eq!(wish(None, None), None);
        assert_eq!(wish(Some("none"), Some(&plan)), None);
        assert_eq!(wish(None, Some(&plan)), Some(CacheWish { ttl_ms: 60_000, is_shared: true, price: 10 }));
        assert_eq!(wish(Some("5"), Some(&plan)), Some(CacheWish { ttl_ms: 5_000, is_shared: true, price: 10 }));
        assert_eq!(wish(Some(" 90 "), Some(&plan)), Some(CacheWish { ttl_ms: 90_000, is_shared: false, price: 10 }));
        assert_eq!(wish(Some("90"), None), Some(CacheWish { ttl_ms: 90_000, is_shared: false, price: 0 }));
        for wrong in ["", "0", "-1", "1.5", "05", "86401", "99999999999999999999", "yes", "5s"] {
            let refused = CacheAsked::read(Some(wrong)).err();
            assert_eq!(refused.map(|refusal| refusal.reason), Some(Reason::InvalidRequest), "{wrong}");
        }
    }
}
