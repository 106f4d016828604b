//! Who administers: the holder of an admin token. Who fails too often is not heard for a while, and failures are
//! written down.

use crate::auth::{address, find_credential};
use crate::config::{AdminToken, Config};
use crate::platform::{self, Head};
use crate::registry;
use core::net::IpAddr;
use sha2::{Digest, Sha256};
use sluice_protocol::access::AdminScopes;
use sluice_protocol::admin::{RegistryAnswer, RegistryCall};
use sluice_protocol::audit::{Action, Note};
use sluice_protocol::failures::Failures;
use sluice_protocol::header;
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::{Reason, Refusal};
use std::cell::RefCell;
use subtle::ConstantTimeEq;
use worker::Env;

/// An admin that has proved who it is.
pub struct Admin {
    /// What the log and the audit log call it: `token:<name>`.
    pub actor: String,
    /// What it may do.
    pub scopes: AdminScopes,
    /// From where it comes, if the platform says.
    pub address: Option<IpAddr>,
}

/// The admin that calls. Whoever sends no credentials is refused and nothing more; wrong ones are counted and written down.
pub async fn admin(head: &Head, env: &Env, config: &Config, id: RequestId) -> Result<Admin, Refusal> {
    let address = address(head);
    if let Some(wait) = FAILURES.with_borrow(|failures| failures.wait(address, platform::now())) {
        // Also with a good token: an answer would tell whoever guesses that it is one.
        return Err(not_heard(wait));
    }
    let Some(sent) = find_credential(head.get(header::AUTHORIZATION), None).transpose() else { return Err(refuse()) };
    let found = sent.ok().and_then(|token| find_admin(token, &config.admin_tokens));
    match found {
        Some(token) => Ok(Admin { actor: format!("token:{}", token.name), scopes: token.scopes, address }),
        None => Err(failed(env, address, id).await),
    }
}

/// Counts a failure here and at the Registry, which hears of those elsewhere, too.
async fn failed(env: &Env, address: Option<IpAddr>, id: RequestId) -> Refusal {
    let verdict = FAILURES.with_borrow_mut(|failures| failures.fail(address, platform::now()));
    let Some(unnoted) = verdict.note else { return refuse() };
    let note = Note::new("unknown", Action::LoginFailed, "", id).from_address(address);
    match registry::ask(env, &RegistryCall::LoginFailed { note, unnoted }).await {
        Ok(RegistryAnswer::LoginFailed(Some(wait))) => {
            FAILURES.with_borrow_mut(|failures| failures.block(address, wait, platform::now()));
        }
        Ok(_) => {}
        Err(refusal) => {
            worker::console_warn!("a failed login is not written down: {}", refusal.detail.unwrap_or_default());
        }
    }
    refuse()
}

/// Compares with every token, so that the time does not tell which one was nearly right.
fn find_admin<'c>(text: &str, tokens: &'c [AdminToken]) -> Option<&'c AdminToken> {
    let hash = Sha256::digest(text);
    tokens.iter().fold(None, |found, token| if bool::from(token.hash.ct_eq(&hash)) { Some(token) } else { found })
}

fn refuse() -> Refusal {
    Refusal::new(Reason::InvalidAdminToken, "This route needs a valid admin token.")
}

fn not_heard(wait: u64) -> Refusal {
    let message = "Too many failed logins from this address. It is not heard until then.";
    Refusal::new(Reason::Flooding, message).with_retry_after_ms(wait)
}

thread_local! {
    static FAILURES: RefCell<Failures> = RefCell::default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admin_is_known_by_its_token_only() {
        let hash = |text: &str| Sha256::digest(text).into();
        let token =
            |(name, text): (&str, &str)| AdminToken { name: name.into(), hash: hash(text), scopes: AdminScopes::all() };
        let tokens = [("a", "one"), ("b", "two")].map(token);
        assert_eq!(find_admin("two", &tokens).unwrap().name, "b");
        assert!(find_admin("three", &tokens).is_none());
    }
}
