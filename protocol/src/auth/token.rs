//! Tokens: JWTs of issuers that an operator names. What a token may look like, which key it must be signed with and what its
//! claims mean is decided here; whether the signature is good, the edge asks the platform, or a library.
//!
//! RFC 8725 in short: algorithm and keys are pinned for each issuer and nothing in a token's own header chooses them; a
//! token that brings a key along, or says something twice, is refused.

mod claims;
mod denial;
mod fetch;
mod issuer;
mod keys;
mod pace;
mod short;

use crate::wire::json;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

pub use claims::{Checked, ClaimPath, Rules};
pub use denial::{CreateDenial, Denial, DenialId, DenialKind, DenialList, Denials, MAX_DENIALS};
pub use fetch::{KeyFetch, MAX_KEY_SET_BYTES, Need};
pub use issuer::{IssuerSettings, KeySource, is_safe_url};
pub use keys::{Algorithm, KeySet, Material, TokenKey};
pub use pace::{BURST, EVERY_MS, Pace};
pub use short::{CheckedShort, Granted, MAX_TTL_S, SHORT_ISSUER, ShortClaims, TokenAnswer, TokenRequest};

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// The longest `kid`, subject or `jti`, in bytes.
pub const MAX_NAME_BYTES: usize = 256;

/// A token whose form is right, and nothing else is known of it.
#[derive(Clone, Debug)]
pub struct Unverified<'t> {
    /// What is signed: header and claims as they came.
    pub signed: &'t str,
    /// The signature, base64url.
    pub signature: &'t str,
    /// What its header says that it was signed with.
    pub algorithm: Algorithm,
    /// Which of its issuer's keys, if it says so. Only ever compared.
    pub kid: Option<String>,
    /// Who claims to have issued it.
    pub issuer: String,
    claims: Map<String, Value>,
}

/// Why a token is refused. What it holds is never a part of this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// More than [`MAX_TOKEN_BYTES`].
    #[error("it is too long")]
    TooLong,
    /// Not three parts of base64url, of which two are JSON objects, or something is in one of them twice.
    #[error("it is not a token")]
    Malformed,
    /// Its algorithm is not one that is served, or not its issuer's.
    #[error("its algorithm is not its issuer's")]
    Algorithm,
    /// Its header brings a key, or says where to find one.
    #[error("it brings its own key")]
    OwnKey,
    /// Its header has a critical extension, or is of another type than a JWT's.
    #[error("its header asks for what is not served")]
    Header,
    /// Nobody whom the operator names has issued it.
    #[error("its issuer is not known here")]
    Issuer,
    /// Its issuer has no such key.
    #[error("its key is not known here")]
    Key,
    /// The signature is wrong.
    #[error("its signature is wrong")]
    Signature,
    /// A claim is missing, or of the wrong type or length.
    #[error("its claim `{0}` is missing or wrong")]
    Claim(&'static str),
    /// It is for somebody else.
    #[error("it is for another audience")]
    Audience,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time has not come, or it was issued in the future.
    #[error("it is not valid yet")]
    TooEarly,
    /// It lives longer than its issuer's tokens may.
    #[error("it lives too long")]
    Lifetime,
    /// It lacks what its issuer's tokens must have to be let in here.
    #[error("it lacks a required value")]
    Required,
    /// No plan is named for it.
    #[error("there is no plan for it")]
    Plan,
    /// It, or its subject, is on the list of those that are refused.
    #[error("it has been revoked")]
    Denied,
}

impl<'t> Unverified<'t> {
    /// Reads a token's form.
    pub fn parse(token: &'t str) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        if claims.contains('.') {
            return Err(TokenError::Malformed);
        }
        let header = object(header)?;
        let (algorithm, kid) = read_header(&header)?;
        let claims = object(claims)?;
        let issuer = claims.get("iss").and_then(Value::as_str).ok_or(TokenError::Claim("iss"))?.to_owned();
        Ok(Self { signed, signature, algorithm, kid, issuer, claims })
    }

    /// Its claims, once somebody has checked the signature.
    pub const fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }
}

impl TokenError {
    /// What its holder is told. Before the signature is checked nobody is told anything: it is anybody's token.
    pub const fn told(self) -> &'static str {
        match self {
            Self::Expired => "This token has expired. Get a new one.",
            Self::TooEarly => "This token is not valid yet: its `nbf` or `iat` is in the future.",
            Self::Audience => "This token is for another audience. Ask its issuer for one for this service.",
            Self::Lifetime => "This token lives longer than tokens may here. Ask its issuer for a shorter one.",
            Self::Required | Self::Plan => "This token does not let its holder in here. Ask whoever runs this service.",
            Self::Denied => "This token has been revoked. Get a new one.",
            Self::TooLong
            | Self::Malformed
            | Self::Algorithm
            | Self::OwnKey
            | Self::Header
            | Self::Issuer
            | Self::Key
            | Self::Signature
            | Self::Claim(_) => "This token is not valid here. Get a new one.",
        }
    }
}

fn read_header(header: &Map<String, Value>) -> Result<(Algorithm, Option<String>), TokenError> {
    // RFC 8725, sections 3.1 and 3.10. `x5t` names a certificate and brings none.
    if ["jwk", "jku", "x5u", "x5c"].iter().any(|name| header.contains_key(*name)) {
        return Err(TokenError::OwnKey);
    }
    // RFC 7515, section 4.1.11: what is critical and not understood is refused.
    if header.contains_key("crit") || header.contains_key("b64") || header.contains_key("zip") {
        return Err(TokenError::Header);
    }
    match header.get("typ") {
        None => {}
        Some(Value::String(kind)) if is_token_type(kind) => {}
        Some(_) => return Err(TokenError::Header),
    }
    let algorithm =
        header.get("alg").and_then(Value::as_str).and_then(Algorithm::parse).ok_or(TokenError::Algorithm)?;
    let kid = match header.get("kid") {
        None => None,
        Some(Value::String(kid)) if (1..=MAX_NAME_BYTES).contains(&kid.len()) => Some(kid.clone()),
        Some(_) => return Err(TokenError::Header),
    };
    Ok((algorithm, kid))
}

/// A JWT, or an access token (RFC 9068); not an ID of another kind, such as a logout token.
fn is_token_type(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    matches!(kind.strip_prefix("application/").unwrap_or(&kind), "jwt" | "at+jwt")
}

fn object(part: &str) -> Result<Map<String, Value>, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)?;
    json::object(&bytes).ok_or(TokenError::Malformed)
}
