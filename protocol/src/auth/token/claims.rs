//! What a token's claims mean: until when it holds, who its holder is, and what its holder may do.

use super::{DenialId, DenialKind, MAX_NAME_BYTES, TokenError};
use crate::auth::permission::{Permissions, Scope, parse_models};
use crate::auth::principal::{AccountName, Mark};
use crate::time::Millis;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A claim by its name, or by a JSON pointer (`/realm_access/roles`) into those that have parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath(pub String);

/// What an operator asks of an issuer's tokens, and what it makes of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The issuer's name here: accounts and logs have it.
    pub name: String,
    /// `aud` must hold one of these.
    pub audiences: Vec<String>,
    /// How far the clocks may differ, in seconds.
    pub leeway_s: u64,
    /// How long a token may live, in seconds.
    pub max_lifetime_s: u64,
    /// Claims that must hold a value.
    pub required: Vec<(ClaimPath, String)>,
    /// Which claim names the account.
    pub account: ClaimPath,
    /// The plan of tokens whose claims name none.
    pub plan: Option<String>,
    /// The claim that names a plan, and the plans by its values.
    pub plans: Option<(ClaimPath, BTreeMap<String, String>)>,
    /// The claim that names scopes, and the scopes by its values. Without one a token has all.
    pub scopes: Option<(ClaimPath, BTreeMap<String, Scope>)>,
    /// The claim that names models. Without one a token may use all that its plan allows.
    pub models: Option<ClaimPath>,
}

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The account that it is for.
    pub account: AccountName,
    /// Its subject.
    pub subject: Mark,
    /// Its plan's name.
    pub plan: String,
    /// What its holder may do.
    pub permissions: Permissions,
    /// When it stops holding, leeway included.
    pub until: Millis,
    /// What would be on the list of denials if its subject, or it alone, were refused.
    pub denials: [Option<DenialId>; 2],
}

impl Rules {
    /// The plans that it names.
    pub fn plans(&self) -> impl Iterator<Item = &str> {
        let mapped = self.plans.iter().flat_map(|(_, plans)| plans.values());
        self.plan.iter().chain(mapped).map(String::as_str)
    }

    /// Checks the claims of a token whose signature is good.
    pub fn check(&self, claims: &Map<String, Value>, now: Millis) -> Result<Checked, TokenError> {
        let until = self.check_times(claims, now)?;
        self.check_audience(claims)?;
        let subject = name(claims, "sub")?.ok_or(TokenError::Claim("sub"))?;
        let id = name(claims, "jti")?;
        for (path, value) in &self.required {
            if !path.texts(claims).contains(&value.as_str()) {
                return Err(TokenError::Required);
            }
        }
        let account = match self.account.find(claims) {
            Some(Value::String(account)) if (1..=MAX_NAME_BYTES).contains(&account.len()) => account,
            _ => return Err(TokenError::Claim("(the account's)")),
        };
        Ok(Checked {
            account: AccountName::of_token(&self.name, account),
            subject: Mark::of(subject),
            plan: self.plan(claims)?,
            permissions: self.permissions(claims)?,
            until,
            denials: [
                Some(DenialId::new(&self.name, DenialKind::Sub, subject)),
                id.map(|id| DenialId::new(&self.name, DenialKind::Jti, id)),
            ],
        })
    }

    /// Until when it holds.
    pub fn check_times(&self, claims: &Map<String, Value>, now: Millis) -> Result<Millis, TokenError> {
        let leeway = self.leeway_s * 1_000;
        let expires = time(claims, "exp")?.ok_or(TokenError::Claim("exp"))?;
        let until = expires.saturating_add(leeway);
        if until <= now {
            return Err(TokenError::Expired);
        }
        let (not_before, issued) = (time(claims, "nbf")?, time(claims, "iat")?);
        if not_before.into_iter().chain(issued).any(|time| time > now.saturating_add(leeway)) {
            return Err(TokenError::TooEarly);
        }
        // Who does not say when it was issued is taken to have been issued now.
        let lifetime = expires.saturating_sub(issued.unwrap_or(now));
        if lifetime > (self.max_lifetime_s * 1_000).saturating_add(leeway) {
            return Err(TokenError::Lifetime);
        }
        Ok(until)
    }

    /// Whether it is for us.
    pub fn check_audience(&self, claims: &Map<String, Value>) -> Result<(), TokenError> {
        let is_ours = |text: &str| self.audiences.iter().any(|audience| audience == text);
        let is_for_us = match claims.get("aud") {
            Some(Value::String(audience)) => is_ours(audience),
            Some(Value::Array(all)) if all.iter().all(Value::is_string) => {
                all.iter().filter_map(Value::as_str).any(is_ours)
            }
            _ => return Err(TokenError::Claim("aud")),
        };
        if is_for_us { Ok(()) } else { Err(TokenError::Audience) }
    }

    fn plan(&self, claims: &Map<String, Value>) -> Result<String, TokenError> {
        let named =
            self.plans.as_ref().and_then(|(path, plans)| path.texts(claims).iter().find_map(|text| plans.get(*text)));
        named.or(self.plan.as_ref()).cloned().ok_or(TokenError::Plan)
    }

    /// A claim that should say what is allowed and is not there allows nothing.
    fn permissions(&self, claims: &Map<String, Value>) -> Result<Permissions, TokenError> {
        let mut permissions = Permissions::default();
        if let Some((path, scopes)) = &self.scopes {
            permissions.scopes = path.texts(claims).iter().filter_map(|text| scopes.get(*text).copied()).collect();
        }
        if let Some(path) = &self.models {
            permissions.models =
                Some(parse_models(path.texts(claims)).map_err(|_| TokenError::Claim("(the models')"))?);
        }
        Ok(permissions)
    }
}

impl ClaimPath {
    /// The claim, if it is there.
    pub fn find<'c>(&self, claims: &'c Map<String, Value>) -> Option<&'c Value> {
        let Some(pointer) = self.0.strip_prefix('/') else { return claims.get(&self.0) };
        let mut parts = pointer.split('/').map(|part| part.replace("~1", "/").replace("~0", "~"));
        let first = claims.get(&parts.next()?)?;
        parts.try_fold(first, |value, part| value.as_object()?.get(&part))
    }

    /// The claim's values: those of a list, or a text's words (as `scope` has them).
    pub fn texts<'c>(&self, claims: &'c Map<String, Value>) -> Vec<&'c str> {
        match self.find(claims) {
            Some(Value::String(text)) => text.split(' ').filter(|word| !word.is_empty()).collect(),
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

/// A claim that names something: text of bounded length.
fn name<'c>(claims: &'c Map<String, Value>, claim: &'static str) -> Result<Option<&'c str>, TokenError> {
    match claims.get(claim) {
        None => Ok(None),
        Some(Value::String(text)) if (1..=MAX_NAME_BYTES).contains(&text.len()) => Ok(Some(text)),
        Some(_) => Err(TokenError::Claim(claim)),
    }
}

/// A claim that is a time: seconds since the epoch, in milliseconds here. Whole or not, and within what a calendar has.
fn time(claims: &Map<String, Value>, claim: &'static str) -> Result<Option<Millis>, TokenError> {
    let seconds = match claims.get(claim) {
        None => return Ok(None),
        Some(value) => {
            value.as_f64().filter(|seconds| (0.0..=MAX_SECONDS).contains(seconds)).ok_or(TokenError::Claim(claim))?
        }
    };
    // Exact: at most 2^48.
    Ok(Some((seconds * 1_000.0) as Millis))
}

/// The end of the year 9999.
const MAX_SECONDS: f64 = 253_402_300_799.0;
