//! What was used, as `GET /admin/v1/usage` and `GET /v1/usage` tell it: the query, and the answer as JSON and as CSV.

use super::filter::each;
use super::text::invalid;
use crate::auth::principal::{AccountName, Mark};
use crate::id::{KeyId, hex, parse_hex_all};
use crate::limit::plan::PlanTable;
use crate::refusal::Refusal;
use crate::request::cost::money::{Currency, write_decimal};
use crate::request::endpoint::Endpoint;
use crate::time::{Millis, parse_utc, rfc3339};
use crate::usage::report::{By, Group, GroupName, UsageQuery};
use crate::usage::row::{DAYS_KEPT, HOURS_KEPT_DAYS, old_hours};
use crate::usage::{DAY_HOURS, HOUR_MS, RefusedBy, Sum, User};
use serde::Serialize;
use std::fmt::Write;
use std::ops::Range;

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

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UsageView {
    /// The first moment that is told of.
    pub from: String,
    /// The first moment after it.
    pub to: String,
    /// Of which currency `money` is, if the plans have prices.
    pub currency: Option<Currency>,
    /// One for each group, in order.
    pub data: Vec<UsageLine>,
    /// Accounts that could not be asked, or whose rows cannot be read: they are in no line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
    /// Pass it as `after` to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One group. What it was not told apart by is absent; what was not told apart when it was counted is null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UsageLine {
    /// The account.
    pub account: String,
    /// When the hour began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hour: Option<String>,
    /// The day, of UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
    /// `key_...`, or `subject:` and the mark of who has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Told>,
    /// The model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Told>,
    /// `chat`, `completions` or `embeddings`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Told>,
    /// The mark of an end user, `none` or `others`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Told>,
    /// What was used.
    #[serde(flatten)]
    pub used: UsedView,
    /// How many requests each limit refused.
    pub refused: RefusedBy,
}

/// A name, or null for what was not told apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Told(pub Option<String>);

/// [`Sum`], with money as a decimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UsedView {
    /// Requests that the origin took up.
    pub served: u64,
    /// Good requests that were given back to every limit.
    pub failed: u64,
    /// Requests of which nobody said what became of them.
    pub lapsed: u64,
    /// Tokens of prompts.
    pub prompt_tokens: u64,
    /// Those of them that were remembered.
    pub cached_tokens: u64,
    /// Tokens of answers.
    pub completion_tokens: u64,
    /// Those of them that were thinking.
    pub thinking_tokens: u64,
    /// In units of the plans' prices.
    pub cost: u64,
    /// In the plans' currency.
    pub money: String,
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

impl UsageView {
    /// An answer without groups yet.
    pub fn new(query: &UsageQuery, table: &PlanTable) -> Self {
        let moment = |hour: u64| rfc3339(hour.saturating_mul(HOUR_MS));
        let (from, to) = (moment(query.hours.start), moment(query.hours.end));
        Self { from, to, currency: table.currency, data: Vec::new(), unread: Vec::new(), next: None }
    }

    /// Adds an account's groups.
    pub fn add(&mut self, account: &AccountName, query: &UsageQuery, groups: Vec<Group>) {
        self.data.extend(groups.into_iter().map(|group| UsageLine::new(account, query, group)));
    }

    /// As CSV: a line of names, then one for each group, each ended with CR LF (RFC 4180). The page's `next` is not in it.
    pub fn to_csv(&self, query: &UsageQuery) -> String {
        let of = |by: By| query.is_by(by);
        let names: Vec<&str> = By::ALL.into_iter().filter(|(_, by)| of(*by)).map(|(name, _)| name).collect();
        let mut csv = String::from("account,");
        for name in names {
            csv.push_str(name);
            csv.push(',');
        }
        csv.push_str(CSV_MEMBERS);
        csv.push_str("\r\n");
        for line in &self.data {
            let UsageLine { account, hour, day, key, model, endpoint, user, used, refused } = line;
            field(&mut csv, account);
            for text in [hour, day].into_iter().flatten() {
                field(&mut csv, text);
            }
            for told in [key, model, endpoint, user].into_iter().flatten() {
                field(&mut csv, told.0.as_deref().unwrap_or_default());
            }
            for number in [
                used.served,
                used.failed,
                used.lapsed,
                used.prompt_tokens,
                used.cached_tokens,
                used.completion_tokens,
                used.thinking_tokens,
                used.cost,
            ] {
                let _ = write!(csv, "{number},");
            }
            csv.push_str(&used.money);
            csv.push(',');
            let refused: Vec<String> = refused.iter().map(|(limit, count)| format!("{limit}={count}")).collect();
            csv.push_str(&refused.join(" "));
            csv.push_str("\r\n");
        }
        csv
    }
}

/// What every line of CSV ends with. Names of limits have neither commas nor quotes.
const CSV_MEMBERS: &str =
    "served,failed,lapsed,prompt_tokens,cached_tokens,completion_tokens,thinking_tokens,cost,money,refused";

/// One field in quotes, and its comma. A caller chooses models' names: none is to be a formula where a sheet reads it,
/// whichever sign parts its fields.
fn field(csv: &mut String, text: &str) {
    let is_formula =
        text.trim_start().starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    let guard = if is_formula || text.starts_with(char::is_whitespace) { "'" } else { "" };
    let _ = write!(csv, "\"{guard}{}\",", text.replace('"', "\"\""));
}

impl UsageLine {
    fn new(account: &AccountName, query: &UsageQuery, group: Group) -> Self {
        let Group { name: GroupName { hour, key, model, endpoint, user }, sum, refused } = group;
        let told = |by: By, name: Option<String>| query.is_by(by).then_some(Told(name));
        let moment = |by: By| hour.filter(|_| query.is_by(by)).map(|hour| rfc3339(hour.saturating_mul(HOUR_MS)));
        let mut day = moment(By::Day);
        if let Some(day) = &mut day {
            day.truncate("2026-11-30".len());
        }
        Self {
            account: account.to_string(),
            hour: moment(By::Hour),
            day,
            key: told(By::Key, key.map(|key| key_name(account, key))),
            model: told(By::Model, model),
            endpoint: told(By::Endpoint, endpoint.map(|endpoint| endpoint_name(endpoint).to_owned())),
            user: told(By::User, user.map(user_name)),
            used: UsedView::from(sum),
            refused,
        }
    }
}

impl From<Sum> for UsedView {
    fn from(sum: Sum) -> Self {
        Self {
            served: sum.served,
            failed: sum.failed,
            lapsed: sum.lapsed,
            prompt_tokens: sum.prompt_tokens,
            cached_tokens: sum.cached_tokens,
            completion_tokens: sum.completion_tokens,
            thinking_tokens: sum.thinking_tokens,
            cost: sum.cost,
            money: write_decimal(sum.money),
        }
    }
}

/// A key by its id, whether or not there still is one; who has none, by its mark.
fn key_name(account: &AccountName, key: Mark) -> String {
    let Mark([a, b, c, d, ..]) = key;
    match account.key_account() {
        Some(account) => KeyId { account, key: [a, b, c, d] }.to_string(),
        None => format!("subject:{}", hex(&key.0)),
    }
}

fn user_name(user: User) -> String {
    match user {
        User::None => "none".into(),
        User::One(mark) => hex(&mark.0),
        User::Others => "others".into(),
    }
}

const fn endpoint_name(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Chat => "chat",
        Endpoint::Completions => "completions",
        Endpoint::Embeddings => "embeddings",
    }
}
