//! What was used, as `GET /admin/v1/usage` and `GET /v1/usage` tell it: the query, and the answer as JSON and as CSV.

mod pace;
mod view;

use super::filter::each;
use super::text::invalid;
use crate::auth::principal::{AccountName, Mark};
use crate::id::{KeyId, hex, parse_hex_all};
use crate::refusal::Refusal;
use crate::time::{Millis, parse_utc};
use crate::usage::report::{By, GroupName, UsageQuery};
use crate::usage::row::{DAYS_KEPT, HOURS_KEPT_DAYS, old_hours};
use crate::usage::{DAY_HOURS, HOUR_MS};
use std::ops::Range;

pub use pace::{BURST, EVERY_MS, UsagePace};
pub use view::{Told, UsageLine, UsageView, UsedView};

/// What is asked for, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageAsked {
    /// Of this account; of all that are listed where none is named.
    pub account: Option<AccountName>,
    /// From where a page goes on, where it does.
    pub after: Option<After>,
    /// What each account is asked for.
    pub query: UsageQuery,
    /// As CSV, and not as JSON.
    pub is_csv: bool,
}

/// Where a page ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// Of which hours it was.
    pub hours: Range<u64>,
    /// With this account.
    pub account: AccountName,
    /// With this group of it; with all of it where none is named.
    pub group: Option<GroupName>,
}

/// Who may ask for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// An admin: for every account.
    Admin,
    /// A caller: for itself.
    Caller,
}

impl UsageAsked {
    /// Reads a query at `now`. A parameter that is not known here, or is there twice, is refused.
    pub fn parse(query: &str, audience: Audience, now: Millis) -> Result<Self, Refusal> {
        let (mut account, mut key, mut after, mut by, mut is_csv) = (None, None, None, Vec::new(), false);
        let (mut from, mut to, mut is_by_account) = (None, None, false);
        each(query, |name, value| {
            match (name, audience) {
                ("from", _) => from = Some(time("from", value)?),
                ("to", _) => to = Some(time("to", value)?),
                ("by", _) => {
                    for one in value.split(',') {
                        let is_again = match By::ALL.into_iter().find(|(name, _)| *name == one) {
                            Some((_, By::Key)) if audience == Audience::Caller => return Err(bad_by(audience)),
                            Some((_, one)) => {
                                let is_again = by.contains(&one);
                                by.push(one);
                                is_again
                            }
                            None if one == "account" && audience == Audience::Admin => {
                                std::mem::replace(&mut is_by_account, true)
                            }
                            None => return Err(bad_by(audience)),
                        };
                        if is_again {
                            return Err(invalid("by", "`by` names something twice.".into()));
                        }
                    }
                }
                ("format", _) => {
                    is_csv = match value {
                        "csv" => true,
                        "json" => false,
                        _ => return Err(invalid("format", "`format` is `json` or `csv`.".into())),
                    }
                }
                ("after", _) => after = Some(After::parse(value).ok_or_else(bad_cursor)?),
                ("account", Audience::Admin) => {
                    let message = "`account` is 16 hexadecimal digits, `jwt:<issuer>:<hash>` or `ip:<address>`.";
                    account = Some(AccountName::parse(value).ok_or_else(|| invalid("account", message.into()))?);
                }
                ("key", Audience::Admin) => {
                    key = Some(KeyId::parse(value).ok_or_else(|| {
                        invalid("key", "`key` is the id of a key: `key_` and 24 hexadecimal digits.".into())
                    })?);
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        if by.contains(&By::Hour) && by.contains(&By::Day) {
            return Err(invalid("by", "`by` names hours and days: send one.".into()));
        }
        if let Some(key) = key {
            let its = AccountName::of_key(key.account);
            if account.as_ref().is_some_and(|account| *account != its) {
                return Err(invalid("key", "`key` is of another account than `account`.".into()));
            }
            account = Some(its);
        }
        let is_other = |after: &After| account.as_ref().is_some_and(|account| *account != after.account);
        if after.as_ref().is_some_and(is_other) {
            return Err(bad_cursor());
        }
        let hours = match &after {
            // What a page is about does not change while it is read.
            Some(After { hours, .. }) if is_kept(hours, now) => hours.clone(),
            Some(_) => return Err(bad_cursor()),
            None => hours(from, to, by.contains(&By::Hour), now)?,
        };
        let key = key.map(|key| Mark::of_key(key.key));
        Ok(Self { account, after, query: UsageQuery { hours, by, key, after: None }, is_csv })
    }
}

/// Which hours: whole ones, and whole days where only those are kept.
fn hours(from: Option<Millis>, to: Option<Millis>, is_by_hour: bool, now: Millis) -> Result<Range<u64>, Refusal> {
    let this = now / HOUR_MS;
    let to = to.map_or(this + 1, |to| to.div_ceil(HOUR_MS)).min(this + 1);
    let from = from.map_or_else(|| to.saturating_sub(DAY_HOURS), |from| from / HOUR_MS);
    if from > this {
        return Err(invalid("from", "`from` has not come yet.".into()));
    }
    if from >= to {
        return Err(invalid("to", "`to` is not after `from`.".into()));
    }
    if from < (this / DAY_HOURS).saturating_sub(DAYS_KEPT) * DAY_HOURS {
        return Err(invalid("from", format!("`from` is too long ago: usage is kept for {DAYS_KEPT} days.")));
    }
    let days_end = old_hours(this).end;
    if from >= days_end {
        return Ok(from..to);
    }
    if is_by_hour {
        let message = format!("`from` is too long ago: usage is kept by the hour for {HOURS_KEPT_DAYS} days.");
        return Err(invalid("from", message));
    }
    let to = if to < days_end { to.div_ceil(DAY_HOURS) * DAY_HOURS } else { to };
    Ok(from / DAY_HOURS * DAY_HOURS..to)
}

/// Whether these hours may be asked for.
fn is_kept(hours: &Range<u64>, now: Millis) -> bool {
    let this = now / HOUR_MS;
    // A page that was begun before midnight is read to its end.
    let oldest = (this / DAY_HOURS).saturating_sub(DAYS_KEPT + 1) * DAY_HOURS;
    oldest <= hours.start && hours.start < hours.end && hours.end <= this + 1
}

fn time(param: &'static str, value: &str) -> Result<Millis, Refusal> {
    parse_utc(value).or_else(|| value.parse().ok()).ok_or_else(|| {
        let message = format!(
            "`{param}` is a day such as 2026-11-30, a time such as 2026-11-30T18:00Z, or milliseconds since 1970."
        );
        invalid(param, message)
    })
}

fn bad_by(audience: Audience) -> Refusal {
    let (more, key) = if audience == Audience::Admin { ("account, ", "key, ") } else { ("", "") };
    let message =
        format!("`by` is one or more of {more}{key}model, endpoint, user, day and hour, with commas between.");
    invalid("by", message)
}

fn bad_cursor() -> Refusal {
    invalid("after", "`after` is the `next` of the page before.".into())
}

impl After {
    /// As a page's `next` says it.
    pub fn write(&self) -> String {
        let group = self.group.as_ref().map(|group| {
            let packed = postcard::to_extend(group, Vec::new()).expect("writing to a Vec does not fail");
            format!("~{}", hex(&packed))
        });
        format!("{}~{}-{}{}", self.account, self.hours.start, self.hours.end, group.unwrap_or_default())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('~');
        let account = AccountName::parse(parts.next()?)?;
        let (start, end) = parts.next()?.split_once('-')?;
        let group = match parts.next() {
            Some(group) => Some(postcard::from_bytes(&parse_hex_all(group)?).ok()?),
            None => None,
        };
        parts.next().is_none().then_some(Self { hours: start.parse().ok()?..end.parse().ok()?, account, group })
    }
}
