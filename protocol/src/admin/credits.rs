//! `POST /admin/v1/accounts/{id}/credits`: adding to a budget that lasts for ever.

use super::text::{invalid, read};
use crate::auth::principal::is_name;
use crate::hop::gate_call::Credit;
use crate::hop::gate_call::own_key::Told;
use crate::limit::kind::Unit;
use crate::limit::kind::budget::most_credits;
use crate::refusal::Refusal;
use crate::request::cost::money::{Currency, MAX_WHOLE, parse_decimal};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The request, checked. Whether there is such a budget, the account's Gate knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCredits {
    /// The budget's name.
    pub limit: String,
    /// How much, at least 1; money is in nano-units.
    pub amount: u64,
    /// Of which currency, if it is money.
    pub currency: Option<Currency>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCredits {
    limit: String,
    amount: Value,
    currency: Option<String>,
}

/// What was added to an account's credits of one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditView {
    /// In all; of money a decimal.
    pub amount: Told,
    /// Of what: `requests`, `tokens` or `cost`.
    pub unit: Unit,
    /// Of which currency, if it is money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
}

impl AddCredits {
    /// Reads the body: `{"limit", "amount", "currency"}`. Money is a decimal in quotes and has a currency, everything else a
    /// whole number without one.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let raw: RawCredits = read(body, "credits to add")?;
        if !is_name(&raw.limit) {
            return Err(invalid("limit", "`limit` is the name of a budget: 1 to 32 of a-z, 0-9 and -.".into()));
        }
        let bad_currency = || invalid("currency", "`currency` is three capital letters such as \"USD\".".into());
        let currency =
            raw.currency.as_deref().map(|name| Currency::parse(name).ok_or_else(bad_currency)).transpose()?;
        let amount = match currency {
            Some(_) => raw.amount.as_str().and_then(parse_decimal),
            None => raw.amount.as_u64().filter(|amount| *amount <= most_credits(Unit::Requests)),
        };
        let amount = amount.filter(|amount| *amount > 0).ok_or_else(|| {
            let most = most_credits(Unit::Requests);
            let message = format!(
                "`amount` is above 0: a decimal in quotes such as \"25.00\", up to {MAX_WHOLE}, of a `currency`; or without \
                 one a whole number up to {most}."
            );
            invalid("amount", message)
        })?;
        Ok(Self { limit: raw.limit, amount, currency })
    }
}

impl CreditView {
    /// From what the account's Gate keeps.
    pub fn new(credit: &Credit) -> Self {
        let Credit { unit, currency, amount } = *credit;
        Self { amount: Told::new(amount, currency), unit: unit.named(), currency }
    }
}
