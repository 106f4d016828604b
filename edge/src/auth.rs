//! auth: credentials and address -> a principal, or a refusal, before anything is read or stored.

use crate::config::Config;
use crate::platform::Head;
use crate::{plans, shield};
use core::net::IpAddr;
use sluice_protocol::gate_call::{Caller, refuse_key};
use sluice_protocol::header;
use sluice_protocol::key::{ApiKey, PREFIX};
use sluice_protocol::plan::PlanTable;
use sluice_protocol::principal::{Account, Mark, subject};
use sluice_protocol::refusal::{Reason, Refusal};
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
}

/// Credentials that prove themselves without a lookup.
pub enum Credential {
    /// A key whose tag is good.
    Key(ApiKey),
    /// A token whose signature and claims are good.
    Token {
        /// The account that it is for.
        account: Account,
        /// Its subject.
        subject: Mark,
        /// Its issuer's plan.
        plan: String,
    },
    /// None were sent.
    None,
}

impl Principal {
    /// What grants and logs call it.
    pub fn subject(&self) -> String {
        subject(&self.account, self.key)
    }
}

/// The whole of this step, for requests that need no more of it: who calls, and the plans that decide.
pub async fn caller(
    head: &Head,
    env: &Env,
    context: &Context,
    config: &Config,
) -> Result<(Rc<PlanTable>, Principal), Refusal> {
    shield::pass(env, head).await?;
    let credential = credential(head, config)?;
    let table = plans::current(env, config, context).await?;
    let principal = principal(&credential, head, &table)?;
    Ok((table, principal))
}

/// What was sent, checked. Looks at `Authorization: Bearer` and `x-api-key` and nowhere else; touches nothing.
pub fn credential(head: &Head, config: &Config) -> Result<Credential, Refusal> {
    let sent = find_credential(head.get(header::AUTHORIZATION), head.get(header::API_KEY))?;
    let Some(text) = sent else { return Ok(Credential::None) };
    if text.starts_with(PREFIX) || config.issuers.is_empty() {
        let key = ApiKey::parse(text, &config.peppers);
        return key.map(Credential::Key).map_err(|error| refuse_key().with_detail(error.to_string()));
    }
    config.issuers.verify(text)
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
        },
        Credential::Token { account, subject, plan } => Principal {
            account: account.clone(),
            caller: Caller::Known { subject: *subject, plan: plan.clone() },
            key: None,
            address,
        },
        Credential::None => {
            let plan = table.anonymous.clone().ok_or_else(missing)?;
            // Without an address there is nobody to count for.
            let account = address.map(Account::of_address).ok_or_else(missing)?;
            Principal { account, caller: Caller::Known { subject: Mark::default(), plan }, key: None, address }
        }
    })
}

/// The caller's address, as the platform tells it.
pub fn address(head: &Head) -> Option<IpAddr> {
    head.get(header::CONNECTING_IP)?.trim().parse().ok()
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
