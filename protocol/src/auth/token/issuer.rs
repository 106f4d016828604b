//! `JWT_ISSUERS`: who may issue tokens, as an operator writes it.

use super::{Algorithm, ClaimPath, KeySet, Rules, SHORT_ISSUER, TokenKey};
use crate::auth::permission::Scope;
use crate::auth::principal::is_name;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One issuer, checked. Does not print.
pub struct IssuerSettings {
    /// `iss` of its tokens.
    pub issuer: String,
    /// What its tokens are signed with.
    pub algorithm: Algorithm,
    /// Where its keys are.
    pub keys: KeySource,
    /// What is asked of its tokens.
    pub rules: Rules,
}

/// Where an issuer's keys are.
pub enum KeySource {
    /// In the settings.
    Fixed(KeySet),
    /// Behind a URL, as a JWK set.
    Url(String),
}

/// As it is written. Does not print.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawIssuer {
    name: String,
    issuer: String,
    audience: OneOrMore,
    algorithm: String,
    key: Option<Map<String, Value>>,
    keys: Option<Vec<Map<String, Value>>>,
    pem: Option<String>,
    secret: Option<String>,
    jwks_url: Option<String>,
    plan: Option<String>,
    plan_claim: Option<String>,
    plans: Option<BTreeMap<String, String>>,
    scope_claim: Option<String>,
    scopes: Option<BTreeMap<String, Scope>>,
    model_claim: Option<String>,
    account_claim: Option<String>,
    require: Option<BTreeMap<String, OneOrMore>>,
    leeway_s: Option<u64>,
    max_lifetime_s: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl IssuerSettings {
    /// Reads the whole list. Each name and each issuer may be there once. The error never shows a value: it may be a key.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        let raw: Vec<RawIssuer> = serde_json::from_str(text)
            .map_err(|error| format!("is not a list of issuers (line {}, column {})", error.line(), error.column()))?;
        // Subjects of one name share accounts, and of two entries for one issuer only the first would ever be asked.
        for (place, entry) in raw.iter().enumerate() {
            let before = &raw[..place];
            let is_twice = |member: fn(&RawIssuer) -> &str| before.iter().any(|other| member(other) == member(entry));
            if is_twice(|entry| &entry.name) || is_twice(|entry| &entry.issuer) {
                return Err(format!("has an entry {} with the `name` or `issuer` of one before it", place + 1));
            }
        }
        raw.into_iter().map(Self::new).collect()
    }

    fn new(raw: RawIssuer) -> Result<Self, String> {
        if !is_name(&raw.name) || raw.name == SHORT_ISSUER {
            return Err(format!("has an issuer whose name is not 1 to 32 of a-z, 0-9 and -, or is `{SHORT_ISSUER}`"));
        }
        let name = raw.name.clone();
        Self::check(raw).map_err(|problem| format!("has an issuer `{name}`, which {problem}"))
    }

    fn check(raw: RawIssuer) -> Result<Self, &'static str> {
        let algorithm = Algorithm::parse(&raw.algorithm).ok_or("needs an algorithm: HS256, RS256, ES256 or EdDSA")?;
        let keys = KeySource::new(&raw, algorithm)?;
        let audiences = raw.audience.into_list();
        if raw.issuer.is_empty()
            || raw.issuer == SHORT_ISSUER
            || audiences.is_empty()
            || audiences.contains(&String::new())
        {
            return Err("needs an `issuer` of its own and an `audience`");
        }
        let plans = match (raw.plan_claim, raw.plans) {
            (Some(claim), Some(plans)) if !plans.is_empty() => Some((claim_path(claim)?, plans)),
            (None, None) => None,
            _ => return Err("needs both `plan_claim` and `plans`, or neither"),
        };
        if raw.plan.is_none() && plans.is_none() {
            return Err("needs a `plan`, or `plan_claim` and `plans`");
        }
        let scopes = match (raw.scope_claim, raw.scopes) {
            (Some(claim), scopes) => {
                let own = || Scope::ALL.map(|scope| (scope.name().to_owned(), scope)).into();
                Some((claim_path(claim)?, scopes.unwrap_or_else(own)))
            }
            (None, None) => None,
            (None, Some(_)) => return Err("needs a `scope_claim` for its `scopes`"),
        };
        let required = raw.require.unwrap_or_default().into_iter().flat_map(|(claim, values)| {
            values.into_list().into_iter().map(move |value| Ok((claim_path(claim.clone())?, value)))
        });
        let (leeway_s, max_lifetime_s) =
            (raw.leeway_s.unwrap_or(LEEWAY_S), raw.max_lifetime_s.unwrap_or(MAX_LIFETIME_S));
        if leeway_s > MAX_LEEWAY_S || !(1..=MOST_LIFETIME_S).contains(&max_lifetime_s) {
            return Err("needs a `leeway_s` of at most 300 and a `max_lifetime_s` of 1 to 31622400");
        }
        let rules = Rules {
            audiences,
            leeway_s,
            max_lifetime_s,
            required: required.collect::<Result<_, &'static str>>()?,
            account: claim_path(raw.account_claim.unwrap_or_else(|| "sub".into()))?,
            plan: raw.plan,
            plans,
            scopes,
            models: raw.model_claim.map(claim_path).transpose()?,
            name: raw.name,
        };
        Ok(Self { issuer: raw.issuer, algorithm, keys, rules })
    }
}

impl KeySource {
    fn new(raw: &RawIssuer, algorithm: Algorithm) -> Result<Self, &'static str> {
        let sources =
            [raw.key.is_some(), raw.keys.is_some(), raw.pem.is_some(), raw.secret.is_some(), raw.jwks_url.is_some()];
        if sources.into_iter().filter(|is_there| *is_there).count() != 1 {
            return Err("needs exactly one of `key`, `keys`, `pem`, `secret` and `jwks_url`");
        }
        let mut set = KeySet::default();
        for key in raw.key.iter().chain(raw.keys.iter().flatten()) {
            set.add(TokenKey::from_jwk(key, algorithm)?)?;
        }
        if let Some(pem) = &raw.pem {
            set.add(TokenKey::from_pem(pem, algorithm)?)?;
        }
        if let Some(secret) = &raw.secret {
            if algorithm != Algorithm::Hs256 {
                return Err("has a `secret`, which only HS256 has");
            }
            set.add(TokenKey::from_secret(secret)?)?;
        }
        match &raw.jwks_url {
            None if set.is_empty() => Err("needs at least one key"),
            None => Ok(Self::Fixed(set)),
            // Nobody publishes a secret.
            Some(_) if algorithm == Algorithm::Hs256 => Err("has a `jwks_url`, where no HS256 secret can be"),
            Some(url) if is_safe_url(url) => Ok(Self::Url(url.clone())),
            Some(_) => Err("needs a `jwks_url` that begins with https://, or with http:// on this machine"),
        }
    }
}

impl OneOrMore {
    fn into_list(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::More(texts) => texts,
        }
    }
}

/// Whether keys may be fetched from there: over TLS, or from this machine, as in tests.
pub fn is_safe_url(url: &str) -> bool {
    let has_host = |rest: &str| !rest.is_empty() && !rest.starts_with('/') && !rest.contains([' ', '@', '#']);
    let is_local = |rest: &str| {
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        matches!(host, "127.0.0.1" | "localhost" | "[::1]")
    };
    match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => has_host(rest),
        (_, Some(rest)) => has_host(rest) && is_local(rest),
        (None, None) => false,
    }
}

fn claim_path(text: String) -> Result<ClaimPath, &'static str> {
    if text.is_empty() || text == "/" { Err("has an empty name of a claim") } else { Ok(ClaimPath(text)) }
}

/// Clocks differ a little.
const LEEWAY_S: u64 = 10;
const MAX_LEEWAY_S: u64 = 300;
const MAX_LIFETIME_S: u64 = 24 * 60 * 60;
const MOST_LIFETIME_S: u64 = 366 * 24 * 60 * 60;
