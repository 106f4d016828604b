//! What admins write, read into what it can be: names, lists, times, and the two headers of theirs.

use crate::auth::pattern::Pattern;
use crate::auth::permission::{Scopes, parse_addresses, parse_models};
use crate::auth::principal::{Network, is_name};
use crate::limit::plan::PlanTable;
use crate::refusal::{Reason, Refusal};
use crate::time::Millis;
use crate::wire::json::parse_unique;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Reads an admin's body; an empty one is an empty object. No object in it may have a member twice.
pub(super) fn read<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<T, Refusal> {
    let refuse = |error: serde_json::Error| {
        let reason = if error.is_data() { Reason::InvalidRequest } else { Reason::InvalidJson };
        Refusal::new(reason, format!("The body is not {what}: {error}"))
    };
    let text = if body.is_empty() { Ok("{}") } else { std::str::from_utf8(body) };
    let text =
        text.map_err(|_| Refusal::new(Reason::InvalidJson, "The body is not valid UTF-8. Send JSON as UTF-8."))?;
    serde_json::from_value(parse_unique(text).map_err(refuse)?).map_err(refuse)
}

pub(super) fn invalid(param: impl Into<Cow<'static, str>>, message: String) -> Refusal {
    Refusal::new(Reason::InvalidRequest, message).with_param(param)
}

/// A text for people. Nothing in it that cannot be seen: a list of keys must not read differently from what it holds.
pub(super) fn check_text(param: &'static str, text: String) -> Result<String, Refusal> {
    if text.len() > MAX_TEXT || text.chars().any(is_hidden) {
        let message =
            format!("`{param}` is at most {MAX_TEXT} bytes without control characters and marks that cannot be seen.");
        return Err(invalid(param, message));
    }
    Ok(text)
}

pub(super) fn check_plan(plan: String, plans: &PlanTable) -> Result<String, Refusal> {
    if plans.get(&plan).is_none() {
        let known: Vec<_> = plans.names().collect();
        return Err(invalid("plan", format!("There is no plan of this name. Known: {}.", known.join(", "))));
    }
    Ok(plan)
}

pub(super) fn check_overrides(raw: BTreeMap<String, Value>) -> Result<BTreeMap<String, u32>, Refusal> {
    if raw.len() > MAX_OVERRIDES {
        return Err(invalid("overrides", format!("`overrides` holds at most {MAX_OVERRIDES} numbers.")));
    }
    let mut overrides = BTreeMap::new();
    for (name, value) in raw {
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        let Some(number) = number.filter(|number| is_name(&name) && (1..=MAX_OVERRIDE).contains(number)) else {
            let message = format!("`overrides` maps names of limits to whole numbers from 1 to {MAX_OVERRIDE}.");
            return Err(invalid(format!("overrides.{name}"), message));
        };
        overrides.insert(name, number);
    }
    Ok(overrides)
}

pub(super) fn check_scopes(names: &[String]) -> Result<Scopes, Refusal> {
    let known = "`scopes` is a list of `chat`, `completions`, `models`, `images`, `tokens`; leave it out for all.";
    if names.is_empty() {
        return Err(invalid("scopes", known.into()));
    }
    Scopes::parse(names.iter().map(String::as_str)).map_err(|_| invalid("scopes", known.into()))
}

pub(super) fn check_models(names: &[String]) -> Result<Vec<Pattern>, Refusal> {
    let models = parse_models(names.iter().map(String::as_str)).ok();
    models.filter(|models| (1..=MAX_MODELS).contains(&models.len())).ok_or_else(|| {
        let message = format!(
            "`models` is a list of 1 to {MAX_MODELS} names of models, or beginnings of names and `*`; null for all."
        );
        invalid("models", message)
    })
}

pub(super) fn check_addresses(texts: &[String]) -> Result<Vec<Network>, Refusal> {
    let addresses = parse_addresses(texts.iter().map(String::as_str)).ok();
    addresses.filter(|addresses| addresses.len() <= MAX_ADDRESSES).ok_or_else(|| {
        let message = format!(
            "`addresses` is a list of at most {MAX_ADDRESSES} addresses or ranges such as 203.0.113.0/24 and 2001:db8::/32."
        );
        invalid("addresses", message)
    })
}

pub(super) fn check_expiry(at: Millis, now: Millis) -> Result<Millis, Refusal> {
    if (now.saturating_add(1)..=LAST_MS).contains(&at) {
        return Ok(at);
    }
    Err(invalid("expires_at", "`expires_at` is a time to come, in milliseconds since 1970.".into()))
}

pub(super) fn check_metadata(raw: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Refusal> {
    let bytes: usize = raw.iter().map(|(name, value)| name.len() + value.len()).sum();
    let is_good = |text: &String| !text.chars().any(is_hidden);
    let good = raw.len() <= MAX_PAIRS
        && bytes <= MAX_METADATA
        && raw.iter().all(|(name, value)| !name.is_empty() && name.len() <= 64 && is_good(name) && is_good(value));
    if good {
        return Ok(raw);
    }
    let message = format!(
        "`metadata` holds at most {MAX_PAIRS} texts by names of 1 to 64 bytes, {MAX_METADATA} bytes in all, without control characters."
    );
    Err(invalid("metadata", message))
}

/// Reads `Idempotency-Key`.
pub fn idempotency_key(header: Option<&str>) -> Result<Option<&str>, Refusal> {
    let Some(key) = header else { return Ok(None) };
    if (1..=255).contains(&key.len()) && key.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
        return Ok(Some(key));
    }
    let message = "`Idempotency-Key` is 1 to 255 visible ASCII characters without spaces, such as a UUID.";
    Err(Refusal::new(Reason::InvalidRequest, message))
}

/// Reads `If-Match` for a key or an account: the version that is to be changed; `None` for whichever it has. What cannot be
/// the `etag` of any version is refused as another one.
pub fn version_of_etag(header: Option<&str>) -> Result<Option<u32>, Refusal> {
    let Some(etag) = header.map(str::trim).filter(|etag| *etag != "*") else { return Ok(None) };
    // Whatever is between may have made it a weak one.
    let number = etag.strip_prefix("W/").unwrap_or(etag);
    let number = number.strip_prefix('"').and_then(|number| number.strip_suffix('"'));
    let number = number.and_then(|text| text.parse::<u32>().ok().filter(|number| number.to_string() == text));
    number.map(Some).ok_or_else(|| {
        let message = "`If-Match` is not an etag of this. GET it, and change what is there now.";
        Refusal::new(Reason::PreconditionFailed, message)
    })
}

/// Characters that change how a text looks without being seen themselves. Joiners of scripts and emoji are not among them.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}')
}

const MAX_TEXT: usize = 128;
const MAX_OVERRIDES: usize = 16;
const MAX_OVERRIDE: u32 = 1_000_000_000;
const MAX_MODELS: usize = 32;
const MAX_ADDRESSES: usize = 64;
const MAX_PAIRS: usize = 16;
const MAX_METADATA: usize = 1_024;
/// The end of the year 9999.
const LAST_MS: Millis = 253_402_300_799_999;
