//! Short tokens: a key's holder exchanges it for a token of ours that may do a part of what the key may, for a while, and that
//! ends with its key.

use super::{Checked, ClaimPath, DenialId, Rules, TokenError};
use crate::auth::key::SecretHash;
use crate::auth::pattern::Pattern;
use crate::auth::permission::{Bounds, Denied, Permissions, Scope, Scopes, parse_models};
use crate::auth::principal::AccountName;
use crate::id::{KeyId, hex, parse_hex};
use crate::refusal::{Reason, Refusal};
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `iss` and `aud` of short tokens, and the name that denials have for their issuer.
pub const SHORT_ISSUER: &str = "sluice";
/// The longest that one may live, in seconds: two hours.
pub const MAX_TTL_S: u64 = 2 * 60 * 60;

/// What a short token says. It is signed by the edge with EdDSA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShortClaims {
    /// Always [`SHORT_ISSUER`].
    pub iss: String,
    /// Always [`SHORT_ISSUER`].
    pub aud: String,
    /// The key's id.
    pub sub: String,
    /// Its own id.
    pub jti: String,
    /// Since when, in seconds.
    pub iat: u64,
    /// Until when, in seconds.
    pub exp: u64,
    /// Its scopes, with spaces between them.
    pub scope: String,
    /// Its models; absent for all that its key may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<Pattern>>,
    /// Which secret of its key it was made with: see [`SecretHash::mark`]. When the key loses that secret, it ends.
    pub key: String,
}

/// What a good short token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedShort {
    /// The key that it is for.
    pub key: KeyId,
    /// Which secret of it.
    pub mark: [u8; 8],
    /// What its holder may do, if its key may.
    pub permissions: Permissions,
    /// When it stops holding.
    pub until: Millis,
    /// What would be on the list of denials.
    pub denials: [Option<DenialId>; 2],
}

/// `POST /v1/auth/token`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// For how long, in seconds.
    pub ttl_s: u64,
    /// Its scopes, if it names any.
    pub scopes: Option<Scopes>,
    /// Its models, if it names any.
    pub models: Option<Vec<Pattern>>,
}

/// What a new token is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// What its holder may do: no more than its key may now.
    pub permissions: Permissions,
    /// For how many seconds: no longer than its key's secret is good.
    pub ttl_s: u64,
}

/// The answer, in the form of OAuth (RFC 6749, section 5.1).
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct TokenAnswer {
    /// The token. This is the only time that it is shown.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// For how many seconds it holds.
    pub expires_in: u64,
    /// Its scopes, with spaces between them.
    pub scope: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawToken {
    ttl_s: Option<u64>,
    scopes: Option<Vec<String>>,
    models: Option<Vec<String>>,
}

impl TokenRequest {
    /// Reads the body; an empty one asks for all that the caller may, for a quarter of an hour.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let body = if body.is_empty() { b"{}" } else { body };
        let raw: RawToken = serde_json::from_slice(body).map_err(|error| {
            let reason = if error.is_data() { Reason::InvalidRequest } else { Reason::InvalidJson };
            Refusal::new(reason, format!("The body is not a request for a token: {error}"))
        })?;
        let invalid = |param: &'static str, message: &'static str| {
            Refusal::new(Reason::InvalidRequest, message).with_param(param)
        };
        let ttl_s = raw.ttl_s.unwrap_or(DEFAULT_TTL_S);
        if !(1..=MAX_TTL_S).contains(&ttl_s) {
            return Err(invalid("ttl_s", "`ttl_s` is a number of seconds, from 1 to 7200."));
        }
        let scopes = raw.scopes.map(|names| Scopes::parse(names.iter().map(String::as_str)).map_err(drop)).transpose();
        let scopes = scopes.map_err(|()| {
            invalid("scopes", "`scopes` is a list of `chat`, `completions`, `models`, `images` and `tokens`.")
        })?;
        let models = raw.models.map(|names| {
            if names.len() > MAX_MODELS {
                Err(())
            } else {
                parse_models(names.iter().map(String::as_str)).map_err(drop)
            }
        });
        let models = models.transpose().map_err(|()| {
            invalid("models", "`models` is a list of at most 64 names of models, or of beginnings of names and `*`.")
        })?;
        Ok(Self { ttl_s, scopes, models })
    }

    /// What the token is given, for a caller whose credentials allow this and whose key is bounded so. What it asks for by name
    /// must be allowed by both; what it does not name is whatever both allow. A list of models that only the key has is the key's
    /// to change, and no part of the token.
    pub fn granted(&self, own: &Permissions, key: Option<&Bounds>, now: Millis) -> Result<Granted, Refusal> {
        let of_key = key.map(|key| key.permissions.clone()).unwrap_or_default();
        let mut permissions = self.permissions(own).map_err(Denied::refusal)?;
        match self.scopes {
            None => {
                permissions.scopes = permissions.scopes.iter().filter(|scope| of_key.scopes.contains(*scope)).collect()
            }
            Some(asked) => {
                let missing = asked.iter().find(|scope| !of_key.scopes.contains(*scope));
                missing.map_or(Ok(()), |scope| Err(Denied::Scope(scope).refusal()))?;
            }
        }
        if let Some(models) = &self.models {
            let asked = Permissions { scopes: Scopes::NONE, models: Some(models.clone()), addresses: Vec::new() };
            of_key.covers(&asked).map_err(Denied::refusal)?;
        }
        let left = key.map_or(u64::MAX, |key| key.until.saturating_sub(now) / 1_000);
        Ok(Granted { permissions, ttl_s: self.ttl_s.min(left.max(1)) })
    }

    /// What the token may do, for a caller who may do this; what it asks for too much, if it does.
    pub fn permissions(&self, own: &Permissions) -> Result<Permissions, Denied> {
        let asked = Permissions {
            scopes: self.scopes.unwrap_or(own.scopes),
            models: self.models.clone().or_else(|| own.models.clone()),
            // Its key's record says from where it may be used; it is asked, too.
            addresses: Vec::new(),
        };
        own.covers(&asked)?;
        Ok(asked)
    }
}

impl ShortClaims {
    /// The claims of a new token. `id` is 16 fresh random bytes.
    pub fn new(key: KeyId, mark: [u8; 8], permissions: &Permissions, ttl_s: u64, id: [u8; 16], now: Millis) -> Self {
        let issued = now / 1_000;
        Self {
            iss: SHORT_ISSUER.into(),
            aud: SHORT_ISSUER.into(),
            sub: key.to_string(),
            jti: hex(&id),
            iat: issued,
            exp: issued + ttl_s,
            scope: permissions.scopes.iter().map(Scope::name).collect::<Vec<_>>().join(" "),
            models: permissions.models.clone(),
            key: hex(&mark),
        }
    }

    /// Checks the claims of a token whose signature is good.
    pub fn check(claims: &Map<String, Value>, now: Millis) -> Result<CheckedShort, TokenError> {
        // Whoever has issued it has the same clock: there is no leeway.
        let rules = Rules {
            name: SHORT_ISSUER.into(),
            audiences: vec![SHORT_ISSUER.into()],
            leeway_s: 0,
            max_lifetime_s: MAX_TTL_S,
            required: Vec::new(),
            account: ClaimPath("sub".into()),
            plan: Some(String::new()),
            plans: None,
            scopes: Some((ClaimPath("scope".into()), Scope::ALL.map(|scope| (scope.name().to_owned(), scope)).into())),
            models: claims.contains_key("models").then(|| ClaimPath("models".into())),
        };
        // The clocks of two machines of the edge may differ by less than this: it is not valid too early, but may seem so.
        let Checked { permissions, until, denials, .. } = Rules { leeway_s: 1, ..rules }.check(claims, now)?;
        let text = |name: &'static str| claims.get(name).and_then(Value::as_str).ok_or(TokenError::Claim(name));
        let until = until - 1_000;
        if until <= now {
            return Err(TokenError::Expired);
        }
        let key = KeyId::parse(text("sub")?).ok_or(TokenError::Claim("sub"))?;
        let mark = parse_hex(text("key")?).ok_or(TokenError::Claim("key"))?;
        Ok(CheckedShort { key, mark, permissions, until, denials })
    }
}

impl CheckedShort {
    /// The account that it counts for: its key's.
    pub fn account(&self) -> AccountName {
        AccountName::of_key(self.key.account)
    }
}

impl SecretHash {
    /// What a short token says of the secret that it was made with: enough to tell it from others, and not enough to be taken for it.
    pub fn mark(&self) -> [u8; 8] {
        use sha2::{Digest, Sha256};
        let digest = Sha256::new().chain_update("sluice-short-token\n").chain_update(self.bytes()).finalize();
        digest[..8].try_into().expect("32 bytes hold 8")
    }
}

const DEFAULT_TTL_S: u64 = 15 * 60;
const MAX_MODELS: usize = 64;
