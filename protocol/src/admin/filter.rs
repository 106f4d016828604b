//! Which keys and accounts are listed: the query of `GET /admin/v1/keys` and `/admin/v1/accounts`.

use super::text::invalid;
use super::{AccountEntry, KeyEntry};
use crate::auth::principal::{AccountName, is_name};
use crate::id::{AccountId, KeyId};
use crate::refusal::Refusal;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Which keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFilter {
    /// Those of this account.
    pub account: Option<AccountId>,
    /// Those of this plan.
    pub plan: Option<String>,
    /// Those that are refused for now, or those that are not.
    pub disabled: Option<bool>,
    /// Those whose name begins so.
    pub name: Option<String>,
    /// Those that end before this time, milliseconds since the epoch.
    pub expires_before: Option<u64>,
}

/// A page of keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPage {
    /// Which keys.
    pub filter: KeyFilter,
    /// Those whose ids come after this one.
    pub after: Option<KeyId>,
    /// How many at most: 1 to [`PAGE`].
    pub limit: u32,
}

/// Which accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountFilter {
    /// Those of this plan.
    pub plan: Option<String>,
    /// Those that are refused for now, or those that are not.
    pub disabled: Option<bool>,
    /// Those whose name begins so.
    pub name: Option<String>,
    /// Those of exactly this owner.
    pub owner: Option<String>,
}

/// A page of accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountPage {
    /// Which accounts.
    pub filter: AccountFilter,
    /// Those whose ids come after this one.
    pub after: Option<String>,
    /// How many at most: 1 to [`PAGE`].
    pub limit: u32,
}

impl KeyFilter {
    /// Whether a key is one of those.
    pub fn matches(&self, entry: &KeyEntry) -> bool {
        self.account.is_none_or(|account| account == entry.id.account)
            && self.plan.as_ref().is_none_or(|plan| *plan == entry.plan)
            && self.disabled.is_none_or(|disabled| disabled == entry.disabled)
            && self.name.as_ref().is_none_or(|name| entry.name.starts_with(name.as_str()))
            && self.expires_before.is_none_or(|before| entry.expires_at.is_some_and(|at| at < before))
    }
}

impl AccountFilter {
    /// Whether an account is one of those.
    pub fn matches(&self, entry: &AccountEntry) -> bool {
        self.plan.as_ref().is_none_or(|plan| entry.plan.as_ref() == Some(plan))
            && self.disabled.is_none_or(|disabled| disabled == entry.disabled)
            && self.name.as_ref().is_none_or(|name| entry.name.starts_with(name.as_str()))
            && self.owner.as_ref().is_none_or(|owner| *owner == entry.owner)
    }
}

impl KeyPage {
    /// Reads a query. A parameter that is not known, or is there twice, is refused.
    pub fn parse(query: &str) -> Result<Self, Refusal> {
        let mut page = Self { filter: KeyFilter::default(), after: None, limit: PAGE };
        each(query, |name, value| {
            let Self { filter, after, limit } = &mut page;
            match name {
                "after" => *after = Some(KeyId::parse(value).ok_or_else(bad_cursor)?),
                "limit" => *limit = number(value)?,
                "account" => {
                    let message = "`account` is 16 hexadecimal digits.";
                    let account = AccountId::parse(value).ok_or_else(|| invalid("account", message.into()))?;
                    filter.account = Some(account);
                }
                "plan" => filter.plan = Some(plan(value)?),
                "disabled" => filter.disabled = Some(flag(value)?),
                "name" => filter.name = Some(value.to_owned()),
                "expires_before" => {
                    let message = "`expires_before` is a time in milliseconds since 1970.";
                    filter.expires_before = Some(value.parse().map_err(|_| invalid("expires_before", message.into()))?);
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(page)
    }
}

impl AccountPage {
    /// Reads a query. A parameter that is not known, or is there twice, is refused.
    pub fn parse(query: &str) -> Result<Self, Refusal> {
        let mut page = Self { filter: AccountFilter::default(), after: None, limit: PAGE };
        each(query, |name, value| {
            let Self { filter, after, limit } = &mut page;
            match name {
                "after" => *after = Some(AccountName::parse(value).ok_or_else(bad_cursor)?.to_string()),
                "limit" => *limit = number(value)?,
                "plan" => filter.plan = Some(plan(value)?),
                "disabled" => filter.disabled = Some(flag(value)?),
                "name" => filter.name = Some(value.to_owned()),
                "owner" => filter.owner = Some(value.to_owned()),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(page)
    }
}

/// Refuses a query where none is read.
pub fn no_query(query: &str) -> Result<(), Refusal> {
    each(query, |_, _| Ok(false))
}

/// How many keys or accounts a page of a list holds at most.
pub const PAGE: u32 = 100;
/// How many are looked at for one page at most: a filter that few match gives short pages and not long waits.
pub const MAX_EXAMINED: u32 = 1_000;

/// Reads each parameter once; `take` says whether it knows it.
pub(super) fn each(query: &str, mut take: impl FnMut(&str, &str) -> Result<bool, Refusal>) -> Result<(), Refusal> {
    if query.len() > MAX_QUERY {
        return Err(invalid("query", format!("The query is longer than {MAX_QUERY} bytes.")));
    }
    let mut seen: Vec<Cow<'_, str>> = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if seen.contains(&name) {
            return Err(invalid(shown(&name), "A parameter of the query is there twice.".into()));
        }
        if !take(&name, &value)? {
            return Err(invalid(shown(&name), "The query has a parameter that is not known here.".into()));
        }
        seen.push(name);
    }
    Ok(())
}

/// A parameter's name as it may be told: what is no name could be anything, a key as well.
fn shown(name: &str) -> String {
    if is_name(&name.replace('_', "-")) { name.to_owned() } else { "query".into() }
}

fn number(value: &str) -> Result<u32, Refusal> {
    let number = value.parse().ok().filter(|number| (1..=PAGE).contains(number));
    number.ok_or_else(|| invalid("limit", format!("`limit` is a whole number from 1 to {PAGE}.")))
}

fn flag(value: &str) -> Result<bool, Refusal> {
    value.parse().map_err(|_| invalid("disabled", "`disabled` is `true` or `false`.".into()))
}

/// Also one that the table no longer has: keys may still name it.
fn plan(value: &str) -> Result<String, Refusal> {
    let message = "`plan` is the name of a plan: 1 to 32 of a-z, 0-9 and -.";
    is_name(value).then(|| value.to_owned()).ok_or_else(|| invalid("plan", message.into()))
}

fn bad_cursor() -> Refusal {
    invalid("after", "`after` is the `next` of the page before.".into())
}

const MAX_QUERY: usize = 2_048;
