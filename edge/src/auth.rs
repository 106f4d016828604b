//! auth: credentials -> an authentic key, or a refusal, before anything is read or stored.

use crate::config::{AdminToken, Config};
use sha2::{Digest, Sha256};
use sluice_protocol::gate_call::{Caller, refuse_key};
use sluice_protocol::header;
use sluice_protocol::key::ApiKey;
use sluice_protocol::refusal::{Reason, Refusal};
use subtle::ConstantTimeEq;
use web_sys::Headers;

/// The caller's key, its tag checked. Looks at `Authorization: Bearer` and `x-api-key` and nowhere else.
pub fn key(headers: &Headers, config: &Config) -> Result<ApiKey, Refusal> {
    let text = credential(get(headers, header::AUTHORIZATION), get(headers, header::API_KEY))?;
    ApiKey::parse(&text, &config.peppers).map_err(|error| refuse_key().with_detail(error.to_string()))
}

/// What the caller's Gate compares.
pub fn caller(key: &ApiKey) -> Caller {
    Caller { key: key.id.key, secret_hash: key.secret_hash() }
}

/// The admin that calls.
pub fn admin<'c>(headers: &Headers, config: &'c Config) -> Result<&'c AdminToken, Refusal> {
    let refuse = || Refusal::new(Reason::InvalidAdminToken, "This route needs a valid admin token.");
    let text = credential(get(headers, header::AUTHORIZATION), None).map_err(|_| refuse())?;
    find_admin(&text, &config.admin_tokens).ok_or_else(refuse)
}

/// One header's value; several of one name arrive joined by commas.
pub fn get(headers: &Headers, name: &str) -> Option<String> {
    // The only error is a name that is not a header's; ours are constants.
    headers.get(name).ok().flatten()
}

/// The one credential that was sent.
fn credential(authorization: Option<String>, api_key: Option<String>) -> Result<String, Refusal> {
    let ambiguous = || Refusal::new(Reason::AmbiguousKey, "More than one credential was sent. Send one.");
    let bearer = match authorization {
        None => None,
        // Neither a key nor a token holds a comma: this is two headers, joined.
        Some(value) if value.contains(',') => return Err(ambiguous()),
        Some(value) => match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(token.trim().to_owned()),
            _ => return Err(refuse_key().with_detail("the Authorization header is not a Bearer token")),
        },
    };
    match (bearer, api_key) {
        (Some(bearer), Some(api_key)) if bearer != api_key => Err(ambiguous()),
        (_, Some(api_key)) if api_key.contains(',') => Err(ambiguous()),
        (Some(one), _) | (None, Some(one)) => Ok(one),
        (None, None) => {
            Err(Refusal::new(Reason::MissingKey, "No API key was sent. Send it as `Authorization: Bearer slc_...`."))
        }
    }
}

/// Compares with every token, so that the time does not tell which one was nearly right.
fn find_admin<'c>(text: &str, tokens: &'c [AdminToken]) -> Option<&'c AdminToken> {
    let hash = Sha256::digest(text);
    tokens.iter().fold(None, |found, token| if bool::from(token.hash.ct_eq(&hash)) { Some(token) } else { found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_credential_is_found_wherever_it_is() {
        let text = |text: &str| Some(text.to_owned());
        let reason = |a, b| credential(a, b).map_err(|refusal| refusal.reason);
        assert_eq!(reason(text("Bearer x"), None), Ok("x".into()));
        assert_eq!(reason(text("bearer  x "), None), Ok("x".into()));
        assert_eq!(reason(None, text("x")), Ok("x".into()));
        assert_eq!(reason(text("Bearer x"), text("x")), Ok("x".into()));
        assert_eq!(reason(text("Bearer x"), text("y")), Err(Reason::AmbiguousKey));
        assert_eq!(reason(text("Bearer x, Bearer x"), None), Err(Reason::AmbiguousKey));
        assert_eq!(reason(None, text("x, y")), Err(Reason::AmbiguousKey));
        assert_eq!(reason(text("Basic x"), None), Err(Reason::InvalidKey));
        assert_eq!(reason(None, None), Err(Reason::MissingKey));
    }

    #[test]
    fn an_admin_is_known_by_its_token_only() {
        let hash = |text: &str| Sha256::digest(text).into();
        let tokens =
            [("a", "one"), ("b", "two")].map(|(name, token)| AdminToken { name: name.into(), hash: hash(token) });
        assert_eq!(find_admin("two", &tokens).unwrap().name, "b");
        assert!(find_admin("three", &tokens).is_none());
    }
}
