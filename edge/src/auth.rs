//! auth: credentials and address -> a principal, or a refusal, before anything is read or stored.

pub mod admins;
pub mod denials;
pub mod issuers;
pub mod principal;
pub mod remote_keys;
pub mod reporters;
pub mod short_tokens;
mod signature;
mod token;
pub mod token_cache;

use crate::auth::issuers::Issuers;
use crate::auth::principal::Credential;
use crate::auth::short_tokens::ShortTokens;
use crate::platform::head::Head;
use crate::platform::{Context, Env};
use sluice_protocol::auth::key::{ApiKey, PREFIX, Peppers};
use sluice_protocol::hop::gate_call::refuse_key;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::wire::header;

/// What this step is set to.
pub struct Settings {
    /// For the tags of keys.
    pub peppers: Peppers,
    /// Whose tokens are taken.
    pub issuers: Issuers,
    /// What short tokens are signed with, if there are any.
    pub short_tokens: Option<ShortTokens>,
}

/// What was sent, checked. Looks at `Authorization: Bearer` and `x-api-key` and nowhere else. What is not authentic touches no
/// object.
pub async fn credential(head: &Head, env: &Env, context: &Context, settings: &Settings) -> Result<Credential, Refusal> {
    let sent = find_credential(head.get(header::AUTHORIZATION), head.get(header::API_KEY))?;
    let Some(text) = sent else { return Ok(Credential::None) };
    if !is_ours(text) {
        return Err(foreign());
    }
    if text.starts_with(PREFIX) || (settings.issuers.is_empty() && settings.short_tokens.is_none()) {
        let key = ApiKey::parse(text, &settings.peppers);
        return key.map(Credential::Key).map_err(|error| refuse_key().with_detail(error.to_string()));
    }
    token::verify(text, env, context, settings).await.map(Credential::Token)
}

/// Whether a credential looks like a key or a token (three parts with dots between them) at all.
fn is_ours(text: &str) -> bool {
    text.starts_with(PREFIX) || text.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// What a placeholder, or another service's key, is told.
fn foreign() -> Refusal {
    let message = "This is no API key of this gate; those begin with `slc_`. Ask whoever runs it for one.";
    Refusal::new(Reason::InvalidKey, message)
}

/// The one credential that was sent, if any.
pub fn find_credential<'h>(
    authorization: Option<&'h str>,
    api_key: Option<&'h str>,
) -> Result<Option<&'h str>, Refusal> {
    let ambiguous = || Refusal::new(Reason::AmbiguousKey, "More than one credential was sent. Send one.");
    let bearer = match authorization {
        None => None,
        // Neither a key nor a token holds a comma: this is two headers, joined.
        Some(value) if value.contains(',') => return Err(ambiguous()),
        Some(value) => match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(token.trim()),
            _ => return Err(refuse_key().with_detail("the Authorization header is not a Bearer token")),
        },
    };
    match (bearer, api_key) {
        (Some(bearer), Some(api_key)) if bearer != api_key => Err(ambiguous()),
        (_, Some(api_key)) if api_key.contains(',') => Err(ambiguous()),
        (one, other) => Ok(one.or(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_gate_of_ours_gave_out_is_told_so() {
        for foreign in ["EMPTY", "", "none", "sk-proj-abcdef", "sk-ant-api03-x", "hf_x", "slc", "a.b"] {
            assert!(!is_ours(foreign), "{foreign}");
        }
        for ours in ["slc_", "slc_0", "a.b.c", "eyJhbGciOiJub25lIn0..", "slc_a.b"] {
            assert!(is_ours(ours), "{ours}");
        }
        assert!(foreign().message.contains("`slc_`"));
    }

    #[test]
    fn one_credential_is_found_wherever_it_is() {
        let text = Some;
        let reason = |a, b| find_credential(a, b).map_err(|refusal| refusal.reason);
        assert_eq!(reason(text("Bearer x"), None), Ok(text("x")));
        assert_eq!(reason(text("bearer  x "), None), Ok(text("x")));
        assert_eq!(reason(None, text("x")), Ok(text("x")));
        assert_eq!(reason(text("Bearer x"), text("x")), Ok(text("x")));
        assert_eq!(reason(text("Bearer x"), text("y")), Err(Reason::AmbiguousKey));
        assert_eq!(reason(text("Bearer x, Bearer x"), None), Err(Reason::AmbiguousKey));
        assert_eq!(reason(None, text("x, y")), Err(Reason::AmbiguousKey));
        assert_eq!(reason(text("Basic x"), None), Err(Reason::InvalidKey));
        assert_eq!(reason(None, None), Ok(None));
    }
}
