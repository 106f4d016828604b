//! `GET /v1/key`: what a caller sees of its own key.

use crate::auth::principal::{AccountName, subject};
use crate::hop::gate_call::description::CallerDescription;
use crate::limit::calendar::{Period, Zone};
use crate::limit::decision::Totals;
use crate::limit::kind::Unit;
use crate::limit::plan::Per;
use crate::limit::standing::Standing;
use crate::request::cost::money::{Currency, write_decimal};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnKey {
    /// `key_...`; for a caller without a key, its account.
    pub id: String,
    /// Its account: limits are the account's.
    pub account: String,
    /// For people.
    pub name: String,
    /// The plan's name.
    pub plan: String,
    /// Its limits, in the plan's order.
    pub limits: Vec<OwnLimit>,
    /// Requests that run or wait now.
    pub live_leases: u32,
    /// What the account has used in all.
    pub used: Totals,
    /// In how many milliseconds the next request passes at the latest, 0 for now; null if never. A request that asks for many
    /// tokens may have to wait longer. If a limit on requests at
    /// once is full, that is when the first of them reaches its deadline; it most likely ends sooner.
    pub next_request_in_ms: Option<u64>,
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnLimit {
    /// Its name, as refusals name it.
    pub name: String,
    /// `window`, `bucket`, `parallel` or `budget`.
    pub kind: Cow<'static, str>,
    /// What it counts: `requests`, `tokens` or `cost`.
    pub unit: Unit,
    /// Whose requests share its count; for `model`, `session` and `user` the fullest count is shown.
    pub per: Per,
    /// The currency of its amounts, if it counts money: they are decimals then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// For a budget: `day`, `week`, `month` or `ever`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// For a budget of a calendar: by the clocks of which time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Zone>,
    /// The most that it lets through now.
    pub limit: Told,
    /// For a window: its span. For a bucket: the time in which it fills. For a budget: how long this period is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_ms: Option<u64>,
    /// What counts now.
    pub used: Told,
    /// What is left.
    pub remaining: Told,
    /// In how many milliseconds there will be more, if anything counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_in_ms: Option<u64>,
    /// In how many milliseconds it will be whole again, if anything counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole_in_ms: Option<u64>,
    /// For a limit that is only watched and never refuses: how many requests it would have refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_have_refused: Option<u64>,
}

/// An amount, as callers and admins read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Told {
    /// Of requests, tokens or units.
    Number(u64),
    /// Of money: a decimal.
    Decimal(String),
}

impl Told {
    /// An amount of this currency, or of none.
    pub fn new(amount: u64, currency: Option<Currency>) -> Self {
        match currency {
            Some(_) => Self::Decimal(write_decimal(amount)),
            None => Self::Number(amount),
        }
    }

    /// What is not money.
    pub const fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Decimal(_) => None,
        }
    }
}

impl PartialEq<u64> for Told {
    fn eq(&self, other: &u64) -> bool {
        self.number() == Some(*other)
    }
}

impl OwnKey {
    /// From what the key's Gate says.
    pub fn new(account: &AccountName, key: Option<[u8; 4]>, described: CallerDescription) -> Self {
        let now = described.now;
        Self {
            id: subject(account, key),
            account: account.to_string(),
            name: described.name,
            plan: described.plan,
            limits: described.standings.into_iter().map(|standing| OwnLimit::new(standing, now)).collect(),
            live_leases: described.live_leases,
            used: described.used,
            next_request_in_ms: described.passes_at.map(|at| at.saturating_sub(now)),
        }
    }
}

impl OwnLimit {
    /// As a standing is told at `now`.
    pub fn new(standing: Standing, now: crate::time::Millis) -> Self {
        let currency = standing.kind.currency();
        let told = |amount| Told::new(amount, currency);
        let cycle = standing.kind.cycle();
        let from_now = |at: Option<crate::time::Millis>| at.map(|at| at.saturating_sub(now));
        Self {
            remaining: told(standing.remaining()),
            currency,
            period: cycle.map(|cycle| cycle.period),
            zone: cycle.filter(|cycle| !cycle.is_ever()).map(|cycle| cycle.zone),
            name: standing.limit,
            kind: standing.kind.name().into(),
            unit: standing.unit.named(),
            per: standing.per,
            limit: told(standing.quota),
            window_ms: standing.kind.span_ms(),
            used: told(standing.used),
            more_in_ms: from_now(standing.more_at),
            whole_in_ms: from_now(standing.whole_at),
            would_have_refused: standing.shadowed,
        }
    }
}
