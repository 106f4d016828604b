//! Which entries of the audit log are told: the query of `GET /admin/v1/audit`.

use super::filter::each;
use super::text::invalid;
use crate::admin::audit::{AuditAction, AuditPage, Entry, PAGE};
use crate::auth::principal::AccountName;
use crate::refusal::Refusal;
use serde::{Deserialize, Serialize};

/// Which entries, and in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditQuery {
    /// From where on.
    pub from: From,
    /// Those that say this was done.
    pub action: Option<AuditAction>,
    /// Those about this account or a key of it, by the account's name.
    pub account: Option<String>,
}

/// From where on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum From {
    /// Forwards, from the entry behind this number on.
    After(u64),
    /// Backwards, from the entry before this number on.
    Before(u64),
}

/// The numbers that are looked at for one page: those above `above`, up to `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Not this one.
    pub above: u64,
    /// This one, too.
    pub to: u64,
    /// Whether the highest comes first.
    pub is_backwards: bool,
}

impl Default for From {
    fn default() -> Self {
        Self::After(0)
    }
}

impl AuditQuery {
    /// Reads a query. A parameter that is not known, or is there twice, is refused.
    pub fn parse(query: &str) -> Result<Self, Refusal> {
        let (mut asked, mut from) = (Self::default(), None);
        each(query, |name, value| {
            let number = |param: &'static str| {
                let message = format!("`{param}` is the number of an entry.");
                value.parse().map_err(|_| invalid(param, message))
            };
            let place = match (name, value) {
                ("after", _) => From::After(number("after")?),
                ("before", "end") => From::Before(u64::MAX),
                ("before", _) => From::Before(number("before")?),
                ("action", name) => {
                    let action = serde_json::from_value(name.into()).map_err(|_| {
                        invalid("action", "`action` is what an entry says was done, such as `key.rotate`.".into())
                    })?;
                    asked.action = Some(action);
                    return Ok(true);
                }
                ("account", name) => {
                    let message = "`account` is 16 hexadecimal digits, `jwt:<issuer>:<hash>` or `ip:<address>`.";
                    let account = AccountName::parse(name).ok_or_else(|| invalid("account", message.into()))?;
                    asked.account = Some(account.to_string());
                    return Ok(true);
                }
                _ => return Ok(false),
            };
            if from.replace(place).is_some() {
                return Err(invalid("before", "`after` goes forwards and `before` backwards: send one.".into()));
            }
            Ok(true)
        })?;
        Ok(Self { from: from.unwrap_or_default(), ..asked })
    }

    /// The numbers to look at in a log that ends with `last`: no more than [`AUDIT_EXAMINED`], so that a filter that few
    /// entries match gives short pages and not long waits.
    pub fn span(&self, last: u64) -> Span {
        match self.from {
            From::After(after) => {
                Span { above: after, to: after.saturating_add(AUDIT_EXAMINED).min(last), is_backwards: false }
            }
            From::Before(before) => {
                let to = before.saturating_sub(1).min(last);
                Span { above: to.saturating_sub(AUDIT_EXAMINED), to, is_backwards: true }
            }
        }
    }

    /// How a key's id begins, where the entries of an account are asked for.
    pub fn keys_begin(&self) -> Option<String> {
        self.account.as_ref().map(|account| format!("key_{account}"))
    }
}

impl Span {
    /// The page with what was found in it, in order, of which there may be one more than a page holds.
    pub fn page(self, mut found: Vec<Entry>, last: u64) -> AuditPage {
        let is_full = found.len() > PAGE;
        found.truncate(PAGE);
        let next = match found.last() {
            Some(entry) if is_full => Some(entry.number),
            _ if self.is_backwards => (self.above > 0).then_some(self.above + 1),
            _ => (self.to < last && self.above < self.to).then_some(self.to),
        };
        AuditPage { data: found, next }
    }
}

/// How many entries are looked at for one page at most.
pub const AUDIT_EXAMINED: u64 = 1_000;
