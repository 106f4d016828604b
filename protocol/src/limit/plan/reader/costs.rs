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
const PRICES: [&str; 5] = ["currency", "prompt", "cached", "completion", "per"];
/// For how many tokens a price may be told.
const PER: [(&str, u32); 3] = [("1", 1), ("1K", 1_000), ("1M", 1_000_000)];

impl Reader {
    /// All rules, in order. The currency of a table is that of its first price.
    pub(super) fn costs(&mut self, value: Option<&Value>) -> Vec<CostRule> {
        self.list("costs", value, MAX_RULES, Self::cost)
    }

    fn cost(&mut self, at: &str, value: &Value) -> Option<CostRule> {
        let members = [WEIGHTS.as_slice(), &PRICES, &["when"]].concat();
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
        let rate = Rate { request, prompt_token, completion_token, thinking_token, image_step, image_kilopixel, price };
        if rate == Rate::default() {
            self.mistake(at, format!("needs at least one of {}, or a price", WEIGHTS.join(", ")));
        }
        rate
    }

    fn price(&mut self, at: &str, object: &Map<String, Value>) -> Option<Price> {
        if object.contains_key("currency") {
            self.currency(at, object, true);
        } else {
            self.mistake(&format!("{at}.currency"), "must be three capital letters such as \"USD\"");
        }
        let (prompt, completion) = (self.decimal(at, object, "prompt", 0), self.decimal(at, object, "completion", 0));
        let cached = match object.contains_key("cached") {
            true => self.decimal(at, object, "cached", 0),
            false => prompt,
        };
        let per = match object.contains_key("per") {
            true => self.one_of(at, object, "per", &PER),
            false => Some(1_000_000),
        };
        Some(Price { prompt: prompt?, cached: cached?, completion: completion?, per: per? })
    }
}

/// The currency of a table: that of its first price.
pub(super) fn currency_of(costs: Option<&Value>) -> Option<Currency> {
    let mut named = costs?.as_array()?.iter().filter_map(|rule| rule.get("currency")?.as_str());
    named.find_map(Currency::parse)
}
