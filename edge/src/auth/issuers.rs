//! Issuers of tokens: their keys, in the settings or behind a URL, and whether a token is signed with one of them.
//!
//! Keys behind a URL are fetched by one request for all of an isolate; when, `sluice_protocol::auth::token::KeyFetch` decides. Like the
//! asks of `group.rs`, who waits looks on a timer of its own.

use crate::auth::remote_keys::{Refused, RemoteKeys};
use crate::auth::signature::is_signed;
use crate::platform::{self, Context};
use sluice_protocol::auth::token::{
    Algorithm, Checked, IssuerSettings, KeySet, KeySource, Rules, TokenError, Unverified,
};
use sluice_protocol::refusal::{Reason, Refusal};

/// Who may issue tokens.
#[derive(Default)]
pub struct Issuers(Vec<Issuer>);

/// One issuer. Does not print.
pub struct Issuer {
    issuer: String,
    algorithm: Algorithm,
    keys: Keys,
    rules: Rules,
}

enum Keys {
    Fixed(KeySet),
    Remote(RemoteKeys),
}

impl Issuers {
    /// Reads the setting.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(IssuerSettings::parse_all(text)?.into_iter().map(Issuer::new).collect()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The plans that they name.
    fn plans(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|issuer| issuer.rules.plans())
    }

    /// A plan that they name and the table does not have.
    pub fn missing_plan(&self, has: impl Fn(&str) -> bool) -> Option<&str> {
        self.plans().find(|plan| !has(plan))
    }

    /// Whether one of them has this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|issuer| issuer.rules.name == name)
    }

    /// Checks a token of one of them.
    pub async fn check(&self, token: &Unverified<'_>, context: &Context) -> Result<Checked, Refused> {
        let named = self.0.iter().find(|issuer| issuer.issuer == token.issuer);
        named.ok_or(Refused::Token(TokenError::Issuer))?.check(token, context).await
    }
}

impl Issuer {
    /// One issuer.
    pub fn new(settings: IssuerSettings) -> Self {
        let IssuerSettings { issuer, algorithm, keys, rules } = settings;
        let keys = match keys {
            KeySource::Fixed(keys) => Keys::Fixed(keys),
            KeySource::Url(url) => {
                Keys::Remote(RemoteKeys::new(&rules.name, &url, move |bytes| KeySet::from_document(bytes, algorithm)))
            }
        };
        Self { issuer, algorithm, keys, rules }
    }

    /// Checks a token of this issuer: its algorithm, its signature, and then what it says.
    pub async fn check(&self, token: &Unverified<'_>, context: &Context) -> Result<Checked, Refused> {
        self.check_signature(token, context).await?;
        self.rules.check(token.claims(), platform::now()).map_err(Refused::Token)
    }

    /// Checks the issuer, the algorithm, the signature, for whom it is and until when; and nothing of its holder.
    pub async fn check_form(&self, token: &Unverified<'_>, context: &Context) -> Result<(), Refused> {
        self.check_signature(token, context).await?;
        self.rules.check_times(token.claims(), platform::now()).map_err(Refused::Token)?;
        self.rules.check_audience(token.claims()).map_err(Refused::Token)
    }

    async fn check_signature(&self, token: &Unverified<'_>, context: &Context) -> Result<(), Refused> {
        if token.issuer != self.issuer {
            return Err(Refused::Token(TokenError::Issuer));
        }
        if token.algorithm != self.algorithm {
            return Err(Refused::Token(TokenError::Algorithm));
        }
        let kid = token.kid.as_deref();
        let key = match &self.keys {
            Keys::Fixed(keys) => keys.choose(kid).cloned().ok_or(Refused::Token(TokenError::Key))?,
            Keys::Remote(keys) => keys.key(kid, context).await?,
        };
        if !is_signed(token, &key).await {
            return Err(Refused::Token(TokenError::Signature));
        }
        Ok(())
    }
}

/// What a caller is told of a token that is not taken.
pub fn refusal(refused: &Refused) -> Refusal {
    match refused {
        Refused::Token(error) => Refusal::new(Reason::InvalidKey, error.told()).with_detail(error.to_string()),
        Refused::Unavailable => {
            let message = "Your token cannot be checked just now: its issuer's keys cannot be had. Try again.";
            Refusal::new(Reason::IssuerUnavailable, message).with_detail("an issuer's keys cannot be had")
        }
    }
}
