//! What a plan says of answers that are kept for the same question.

use crate::limit::fields::Reader;
use crate::time::Millis;
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
