//! auth: credentials and address -> a principal, or a refusal, before anything is read or stored.

use crate::config::Config;
use crate::platform::Head;
use crate::seen::Token;
use crate::{denial, limit, plans, shield, token};
use core::net::IpAddr;
use sluice_protocol::gate_call::{Caller, refuse_key};
use sluice_protocol::header;
use sluice_protocol::key::{ApiKey, PREFIX};
use sluice_protocol::permission::{Access, Denied, Permissions, Scope};
use sluice_protocol::plan::PlanTable;
use sluice_protocol::principal::{Account, Mark, subject};
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::remembered::Want;
use std::rc::Rc;
use worker::{Context, Env};

/// Who calls: the account that its request counts for, and the key, token or address that calls for it.
pub struct Principal {
    /// Whose limits.
    pub account: Account,
    /// What its Gate compares.
    pub caller: Caller,
    /// The key, of those who have one.
    pub key: Option<[u8; 4]>,
    /// From where, if the platform says.
    pub address: Option<IpAddr>,
    /// What its credentials say that it may do. What a key may do, its Gate says.
    pub permissions: Permissions,
}

/// Credentials that prove themselves without a lookup.
pub enum Credential {
    /// A key whose tag is good.
    Key(ApiKey),
    /// A token whose signature and claims are good.
    Token(Rc<Token>),
    /// None were sent.
    None,
}

impl Principal {
    /// What grants and logs call it.
    pub fn subject(&self) -> String {
        subject(&self.account, self.key)
    }

    /// Refuses what its credentials do not allow.
    pub fn check(&self, scope: Option<Scope>, model: Option<&str>) -> Result<(), Refusal> {
        let access = Access { scope, model, address: self.address };
        self.permissions.check(&access).map_err(Denied::refusal)
    }
}

/// The whole of this step, for requests that need no more of it: who calls, and the plans that decide. Whom its Gate did not
/// know a moment ago is refused without asking again.
pub async fn caller(
    head: &Head,
    env: &Env,
    context: &Context,
    config: &Config,
) -> Result<(Rc<PlanTable>, Principal), Refusal> {
    shield::pass(env, head).await?;
    let credential = credential(head, env, context, config).await?;
    let table = plans::for_caller(env, config, context).await;
    let principal = principal(&credential, head, &table)?;
    match denial::of(&table, &principal, Want::Identity) {
        Some(refusal) => Err(refusal),
        None => Ok((table, principal)),
    }
}

/// What was sent, checked. Looks at `Authorization: Bearer` and `x-api-key` and nowhere else. What is not authentic touches no
/// object.
pub async fn credential(head: &Head, env: &Env, context: &Context, config: &Config) -> Result<Credential, Refusal> {
    let sent = find_credential(head.get(header::AUTHORIZATION), head.get(header::API_KEY))?;
    let Some(text) = sent else { return Ok(Credential::None) };
    if !is_ours(text) {
        return Err(foreign());
    }
    if text.starts_with(PREFIX) || (config.issuers.is_empty() && config.short_tokens.is_none()) {
        let key = ApiKey::parse(text, &config.peppers);
        return key.map(Credential::Key).map_err(|error| refuse_key().with_detail(error.to_string()));
    }
    token::verify(text, env, context, config).await.map(Credential::Token)
}

/// Who calls. Whoever sends no credentials is an address, if the plans have one for those.
pub fn principal(credential: &Credential, head: &Head, table: &PlanTable) -> Result<Principal, Refusal> {
    let address = address(head);
    Ok(match credential {
        Credential::Key(key) => Principal {
            account: Account::of_key(key.id.account),
            caller: Caller::Key { key: key.id.key, secret_hash: key.secret_hash() },
            key: Some(key.id.key),
            address,
            permissions: Permissions::default(),
        },
        Credential::Token(token) => match token.as_ref() {
            Token::Issued(token) => Principal {
                account: token.account.clone(),
                caller: Caller::Known { subject: token.subject, plan: token.plan.clone() },
                key: None,
                address,
                permissions: token.permissions.clone(),
            },
            Token::Short(token) => Principal {
                account: token.account(),
                caller: Caller::Short { key: token.key.key, mark: token.mark },
                key: Some(token.key.key),
                address,
                permissions: token.permissions.clone(),
            },
        },
        // Whether there is a plan for those, nobody knows.
        Credential::None if table.is_unknown() => return Err(limit::unavailable("the plans cannot be asked for")),
        Credential::None => {
            let plan = table.anonymous.clone().ok_or_else(missing)?;
            // Without an address there is nobody to count for.
            let account = address.map(Account::of_address).ok_or_else(missing)?;
            let caller = Caller::Known { subject: Mark::default(), plan };
            Principal { account, caller, key: None, address, permissions: Permissions::default() }
        }
    })
}

/// The caller's address, as the platform tells it.
pub fn address(head: &Head) -> Option<IpAddr> {
    head.get(header::CONNECTING_IP)?.trim().parse().ok()
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

fn missing() -> Refusal {
    Refusal::new(Reason::MissingKey, "No API key was sent. Send it as `Authorization: Bearer slc_...`.")
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
