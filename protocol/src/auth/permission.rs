//! What a principal may do, whatever proves who it is: a key's record or a token's claims. Where both apply (a token that
//! was made for a key) both are asked, and both must say yes.

use crate::auth::pattern::{Pattern, pattern};
use crate::auth::principal::Network;
use crate::refusal::{Reason, Refusal};
use crate::request::endpoint::Endpoint;
use crate::time::Millis;
use core::net::IpAddr;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// One group of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// `POST /v1/chat/completions`.
    Chat,
    /// `POST /v1/completions`.
    Completions,
    /// `GET /v1/models`.
    Models,
    /// `POST /v1/images/generations`.
    Images,
    /// `POST /v1/auth/token`.
    Tokens,
    /// `POST /v1/embeddings`.
    Embeddings,
}

/// A set of scopes. As JSON a list of their names, in the order of [`Scope::ALL`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

/// What a principal may do. The default allows everything that its plan allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permissions {
    /// Which routes. `GET /v1/key` needs none: everybody may look at itself.
    pub scopes: Scopes,
    /// Which models, by name or by the beginning of a name and `*`; `None` for all that the plan allows.
    pub models: Option<Vec<Pattern>>,
    /// From which addresses; empty for all.
    pub addresses: Vec<Network>,
}

/// What is about to be done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Access<'a> {
    /// On which kind of route; `None` for one that needs no scope.
    pub scope: Option<Scope>,
    /// With which model, if with one.
    pub model: Option<&'a str>,
    /// From where, if the platform told. It must be the platform's own word, never a header that a caller can send.
    pub address: Option<IpAddr>,
}

/// What a principal may not do. The first of these that applies, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Denied {
    /// Call from this address, or from one that nobody knows.
    Address,
    /// Call this kind of route.
    Scope(Scope),
    /// Use this model.
    Model,
}

impl Permissions {
    /// Whether this may be done, and if not, why.
    pub fn check(&self, access: &Access<'_>) -> Result<(), Denied> {
        let is_from_here = |address: IpAddr| self.addresses.iter().any(|network| network.contains(address));
        if !self.addresses.is_empty() && !access.address.is_some_and(is_from_here) {
            return Err(Denied::Address);
        }
        if let Some(scope) = access.scope.filter(|scope| !self.scopes.contains(*scope)) {
            return Err(Denied::Scope(scope));
        }
        match access.model {
            Some(model) if !self.allows_model(model) => Err(Denied::Model),
            _ => Ok(()),
        }
    }

    /// Whether a model of this name may be used.
    pub fn allows_model(&self, name: &str) -> bool {
        self.models.as_ref().is_none_or(|models| models.iter().any(|pattern| pattern.matches(name)))
    }

    /// Whether everything that `other` allows is allowed here, too, as far as scopes and models go; if not, what is not.
    /// Whoever hands out a part of what it may asks this. Addresses are not compared: each set is checked by itself.
    pub fn covers(&self, other: &Self) -> Result<(), Denied> {
        if let Some(scope) = other.scopes.iter().find(|scope| !self.scopes.contains(*scope)) {
            return Err(Denied::Scope(scope));
        }
        let Some(models) = &self.models else { return Ok(()) };
        let is_covered = |part: &Pattern| models.iter().any(|whole| covers(whole, part));
        match &other.models {
            Some(parts) if parts.iter().all(is_covered) => Ok(()),
            _ => Err(Denied::Model),
        }
    }

    /// Whether everything is allowed.
    pub fn is_unbounded(&self) -> bool {
        *self == Self::default()
    }
}

impl Denied {
    /// What the caller is told.
    pub fn refusal(self) -> Refusal {
        let refusal = |message: String| Refusal::new(Reason::NotAllowed, message);
        match self {
            Self::Address => refusal("These credentials may not be used from this address.".into()),
            Self::Scope(scope) => refusal(format!("These credentials lack the scope `{}`.", scope.name())),
            Self::Model => refusal("This key may not use this model; GET /v1/models lists what is served.".into())
                .with_param("model"),
        }
    }
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Chat, Self::Completions, Self::Models, Self::Images, Self::Tokens, Self::Embeddings];

    /// Its name, in JSON and in tokens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completions => "completions",
            Self::Models => "models",
            Self::Images => "images",
            Self::Tokens => "tokens",
            Self::Embeddings => "embeddings",
        }
    }

    /// The scope of this name, letter by letter.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Chat => 1,
            Self::Completions => 2,
            Self::Models => 4,
            Self::Images => 8,
            Self::Tokens => 16,
            Self::Embeddings => 32,
        }
    }
}

impl From<Endpoint> for Scope {
    fn from(endpoint: Endpoint) -> Self {
        match endpoint {
            Endpoint::Chat => Self::Chat,
            Endpoint::Completions => Self::Completions,
            Endpoint::Embeddings => Self::Embeddings,
            Endpoint::Images => Self::Images,
        }
    }
}

impl Scopes {
    /// Every scope, also those that later versions have.
    pub const ALL: Self = Self(u8::MAX);
    /// None: nothing but `GET /v1/key`.
    pub const NONE: Self = Self(0);

    /// Those with these names; the first that is not a scope's, if there is one.
    pub fn parse<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Self, &'n str> {
        names.into_iter().map(|name| Scope::parse(name).ok_or(name)).collect()
    }

    /// Whether it is one of these.
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// All of these, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }
}

impl Default for Scopes {
    fn default() -> Self {
        Self::ALL
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_seq(self.iter())
        } else {
            serializer.serialize_u8(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let names = Vec::<String>::deserialize(deserializer)?;
            return Self::parse(names.iter().map(String::as_str)).map_err(|_| de::Error::custom("not a scope"));
        }
        u8::deserialize(deserializer).map(Self)
    }
}

/// Reads a list of models as plans have them; the first that is none, if there is one.
pub fn parse_models<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Vec<Pattern>, &'n str> {
    names.into_iter().map(|name| pattern(name).ok_or(name)).collect()
}

/// Reads a list of addresses and ranges (CIDR); the first that is none, if there is one.
pub fn parse_addresses<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Vec<Network>, &'n str> {
    names.into_iter().map(|name| Network::parse(name).ok_or(name)).collect()
}

/// Whether every name that `part` means is meant by `whole`.
fn covers(whole: &Pattern, part: &Pattern) -> bool {
    match (whole.0.strip_suffix('*'), part.0.strip_suffix('*')) {
        (Some(whole), Some(part)) => part.starts_with(whole),
        (None, Some(_)) => false,
        (_, None) => whole.matches(&part.0),
    }
}

/// What bounds a key besides its plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// What it may be used for.
    pub permissions: Permissions,
    /// When the secret that was sent is no longer good, milliseconds since the epoch.
    pub until: Millis,
}
