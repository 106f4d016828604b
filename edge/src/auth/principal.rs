//! Who calls, for whom it counts, and what its credentials say that it may do.

use crate::auth::token_cache::Token;
use crate::hop::gate::unavailable;
use crate::platform::head::Head;
use core::net::IpAddr;
use sluice_protocol::auth::key::ApiKey;
use sluice_protocol::auth::permission::{Access, Denied, Permissions, Scope};
use sluice_protocol::auth::principal::{AccountName, Mark, subject};
use sluice_protocol::hop::gate_call::Caller;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::wire::header;
use std::rc::Rc;

/// Who calls: the account that its request counts for, and the key, token or address that calls for it.
pub struct Principal {
    /// Whose limits.
    pub account: AccountName,
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

/// Who calls. Whoever sends no credentials is an address, if the plans have one for those.
pub fn principal(credential: &Credential, head: &Head, table: &PlanTable) -> Result<Principal, Refusal> {
    let address = address(head);
    Ok(match credential {
        Credential::Key(key) => Principal {
            account: AccountName::of_key(key.id.account),
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
        Credential::None if table.is_unknown() => return Err(unavailable("the plans cannot be asked for")),
        Credential::None => {
            let plan = table.anonymous.clone().ok_or_else(missing)?;
            // Without an address there is nobody to count for.
            let account = address.map(AccountName::of_address).ok_or_else(missing)?;
            let caller = Caller::Known { subject: Mark::default(), plan };
            Principal { account, caller, key: None, address, permissions: Permissions::default() }
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
