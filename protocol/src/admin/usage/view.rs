//! The answer, as JSON and as CSV.

use crate::auth::principal::{AccountName, Mark};
use crate::id::{KeyId, hex};
use crate::limit::plan::PlanTable;
use crate::request::cost::money::{Currency, write_decimal};
use crate::request::endpoint::Endpoint;
use crate::time::rfc3339;
use crate::usage::report::{By, Group, GroupName, UsageQuery};
use crate::usage::{HOUR_MS, RefusedBy, Sum, User};
use serde::Serialize;
use std::fmt::Write;

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
    /// `chat`, `completions`, `embeddings` or `images`.
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
    /// Pictures that were begun.
    pub images: u64,
    /// Steps of them that were run.
    pub image_steps: u64,
    /// In units of the plans' prices.
    pub cost: u64,
    /// In the plans' currency.
    pub money: String,
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
                used.images,
                used.image_steps,
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
const CSV_MEMBERS: &str = "served,failed,lapsed,prompt_tokens,cached_tokens,completion_tokens,thinking_tokens,images,image_steps,cost,money,refused";

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
            images: sum.images,
            image_steps: sum.image_steps,
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
        Endpoint::Images => "images",
    }
}
