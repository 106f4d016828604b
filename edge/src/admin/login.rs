//! Who administers: the holder of an admin token, or somebody for whom Cloudflare Access vouches. Who fails too often is not
//! heard for a while, unless with what nobody can guess, and failures are written down.

use crate::auth::admins::find_admin;
use crate::auth::find_credential;
use crate::auth::principal::address;
use crate::call::Call;
use crate::hop::registry;
use crate::platform::{self, Env, isolate_local};
use crate::request::header as header_of;
use crate::telemetry::{self, measures};
use core::net::IpAddr;
use sluice_protocol::admin::access::AdminScopes;
use sluice_protocol::admin::failed_logins::{Failures, is_certain};
use sluice_protocol::admin::{RegistryAnswer, RegistryCall};
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::telemetry::Line;
use sluice_protocol::wire::header;
use std::cell::RefCell;

/// An admin that has proved who it is.
pub struct Admin {
    /// What the log and the audit log call it: `token:<name>`, `access:<e-mail>` or `access:<client id>`.
    pub actor: String,
    /// What it may do.
    pub scopes: AdminScopes,
    /// From where it comes, if the platform says.
    pub address: Option<IpAddr>,
}

/// The admin that calls. Whoever sends no credentials is refused and nothing more; wrong ones are counted and written down.
pub async fn admin(call: &Call<'_>) -> Result<Admin, Refusal> {
    let (head, config) = (&call.incoming.head, call.config);
    let address = address(head);
    let assertion = config.admin_access.as_ref().and_then(|_| header_of(call.incoming, header::ACCESS_ASSERTION));
    // A token goes first: Access puts its own on every request of a browser that it has let in.
    let found = match (find_credential(head.get(header::AUTHORIZATION), None), assertion.as_deref()) {
        (Ok(Some(token)), _) => find_admin(token, &config.admin_tokens)
            .map(|admin| (format!("token:{}", admin.name), admin.scopes, is_certain(token))),
        (Ok(None), Some(assertion)) => match &config.admin_access {
            // Nobody guesses a signature.
            Some(access) => access.admin(assertion, call.context).await.map(|(actor, scopes)| (actor, scopes, true)),
            None => return Err(refuse()),
        },
        (Ok(None), None) => return Err(refuse()),
        (Err(_), _) => None,
    };
    let wait = FAILURES.with_borrow(|failures| failures.wait(address, platform::now()));
    match (found, wait) {
        // Whatever others do from the same address, or in its name.
        (Some((actor, scopes, is_certain)), wait) if is_certain || wait.is_none() => {
            Ok(Admin { actor, scopes, address })
        }
        // Also with a good token, if it is short: an answer would tell whoever guesses that it is one.
        (_, Some(wait)) => Err(not_heard(wait)),
        (_, None) => Err(failed(call.env, address).await),
    }
}

/// Counts a failure here and at the Registry, which hears of those elsewhere, too.
async fn failed(env: &Env, address: Option<IpAddr>) -> Refusal {
    measures::login_failed();
    let verdict = FAILURES.with_borrow_mut(|failures| failures.fail(address, platform::now()));
    let Some(unnoted) = verdict.note else { return refuse() };
    match registry::ask(env, &RegistryCall::LoginFailed { address, unnoted }).await {
        Ok(RegistryAnswer::LoginFailed(Some(wait))) => {
            FAILURES.with_borrow_mut(|failures| failures.block(address, wait, platform::now()));
        }
        Ok(_) => {}
        Err(refusal) => {
            telemetry::write(&Line::trouble("a failed login is not written down", refusal.detail.unwrap_or_default()));
        }
    }
    refuse()
}

fn refuse() -> Refusal {
    Refusal::new(Reason::InvalidAdminToken, "This route needs a valid admin token.")
}

fn not_heard(wait: u64) -> Refusal {
    let message = "Too many failed logins. Nothing is heard from here until then.";
    Refusal::new(Reason::Flooding, message).with_retry_after_ms(wait)
}

isolate_local! {
    static FAILURES: RefCell<Failures> = RefCell::default();
}
