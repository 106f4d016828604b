//! Reading what requests cost: formulas in units of the operator's own, and prices in money.

use crate::limit::fields::Reader;
use crate::limit::plan::{CostRule, Formula};
use crate::request::cost::Rate;
use crate::request::cost::money::Currency;
use crate::request::cost::price::Price;
use serde_json::{Map, Value};

/// How many rules a table may have.
const MAX_RULES: usize = 64;
const WEIGHTS: [&str; 6] =
    ["request", "prompt_token", "completion_token", "thinking_token", "image_step", "image_kilopixel"];
/// The members of a price that no formula has.
const PRICES: [&str; 5] = ["currency", "prompt", "cached", "completion", "per"];
/// A member of both: a formula's is a whole number, and a price has a currency.
const KILOPIXEL_STEP: &str = "image_kilopixel_step";
/// For how many tokens a price may be told.
const PER: [(&str, u32); 3] = [("1", 1), ("1K", 1_000), ("1M", 1_000_000)];

impl Reader {
    /// All rules, in order. The currency of a table is that of its first price.
    pub(super) fn costs(&mut self, value: Option<&Value>) -> Vec<CostRule> {
        self.list("costs", value, MAX_RULES, Self::cost)
    }

    fn cost(&mut self, at: &str, value: &Value) -> Option<CostRule> {
        let members = [WEIGHTS.as_slice(), &PRICES, &[KILOPIXEL_STEP, "when"]].concat();
        let object = self.object(at, value, &members)?;
        let when = object.get("when").map(|when| self.when(&format!("{at}.when"), when)).unwrap_or_default();
        let has = |names: &[&str]| names.iter().any(|name| object.contains_key(*name));
        let formula = match (has(&WEIGHTS), has(&PRICES)) {
            (true, true) => {
                self.mistake(at, "is a formula in units of your own or a price in money: make two rules of it");
                return None;
            }
            (_, false) => Formula::Units(self.weights(at, object)),
            (false, true) => Formula::Money(self.price(at, object)?),
        };
        Some(CostRule { when, formula })
    }

    fn weights(&mut self, at: &str, object: &Map<String, Value>) -> Rate {
        let mut weight = |name| self.optional(at, object, name, 0, 1_000_000).unwrap_or(0);
        let [request, prompt_token, completion_token, thinking_token, image_step, image_kilopixel] =
            WEIGHTS.map(&mut weight);
        let price = Price::default();
        let image_kilopixel_step = weight(KILOPIXEL_STEP);
        let rate = Rate {
            request,
            prompt_token,
            completion_token,
            thinking_token,
            image_step,
            image_kilopixel,
            image_kilopixel_step,
            price,
        };
        if rate == Rate::default() {
            let weights = WEIGHTS.join(", ");
            self.mistake(at, format!("needs at least one of {weights}, {KILOPIXEL_STEP}, or a price"));
        }
        rate
    }

    fn price(&mut self, at: &str, object: &Map<String, Value>) -> Option<Price> {
        if object.contains_key("currency") {
            self.currency(at, object, true);
        } else {
            self.mistake(&format!("{at}.currency"), "must be three capital letters such as \"USD\"");
        }
        let mut decimal = |name, otherwise: Option<u64>| match otherwise {
            Some(otherwise) if !object.contains_key(name) => Some(otherwise),
            _ => self.decimal(at, object, name, 0),
        };
        let image_kilopixel_step = decimal(KILOPIXEL_STEP, Some(0));
        // What has a price for pictures needs none for texts.
        let no_texts = object.contains_key(KILOPIXEL_STEP).then_some(0);
        let (prompt, completion) = (decimal("prompt", no_texts), decimal("completion", no_texts));
        let cached = if object.contains_key("cached") { decimal("cached", None) } else { prompt };
        let per = match object.contains_key("per") {
            true => self.one_of(at, object, "per", &PER),
            false => Some(1_000_000),
        };
        Some(Price {
            prompt: prompt?,
            cached: cached?,
            completion: completion?,
            image_kilopixel_step: image_kilopixel_step?,
            per: per?,
        })
    }
}

/// The currency of a table: that of its first price.
pub(super) fn currency_of(costs: Option<&Value>) -> Option<Currency> {
    let mut named = costs?.as_array()?.iter().filter_map(|rule| rule.get("currency")?.as_str());
    named.find_map(Currency::parse)
}
