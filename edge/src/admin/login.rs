//! Who administers: the holder of an admin token, or somebody for whom Cloudflare Access vouches. Who fails too often is not
//! heard for a while, unless with what nobody can guess, and failures are written down.

use crate::auth::{address, find_credential};
use crate::config::{AdminToken, Config};
use crate::issuers::Issuer;
use crate::platform;
use crate::registry;
use crate::request::{Incoming, header as header_of};
use core::net::IpAddr;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use sluice_protocol::access::{AdminScopes, Vouched, is_person, is_service};
use sluice_protocol::admin::{RegistryAnswer, RegistryCall};
use sluice_protocol::failures::{Failures, is_certain};
use sluice_protocol::header;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::token::{IssuerSettings, Unverified};
use std::cell::RefCell;
use std::collections::BTreeMap;
use subtle::ConstantTimeEq;
use worker::{Context, Env};

/// An admin that has proved who it is.
pub struct Admin {
    /// What the log and the audit log call it: `token:<name>`, `access:<e-mail>` or `access:<client id>`.
    pub actor: String,
    /// What it may do.
    pub scopes: AdminScopes,
    /// From where it comes, if the platform says.
    pub address: Option<IpAddr>,
}

/// Admins for whom Cloudflare Access vouches: with a signed token in a header of its own.
pub struct AccessAdmins {
    team: Issuer,
    /// By e-mail address, and by client id of a service token: an id has no `@`.
    by_name: BTreeMap<String, AdminScopes>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAccess {
    team: String,
    audience: String,
    #[serde(default)]
    admins: BTreeMap<String, String>,
    #[serde(default)]
    services: BTreeMap<String, String>,
}

impl AccessAdmins {
    /// Reads the setting `ADMIN_ACCESS`. Nothing, if it is empty.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let raw: RawAccess = serde_json::from_str(text).map_err(|error| {
            format!("is not of the form that is documented (line {}, column {})", error.line(), error.column())
        })?;
        let team = raw.team.trim_end_matches('/');
        // An application's token lives for a month at most.
        let issuer = json!([{
            "name": "access", "issuer": team, "audience": raw.audience, "algorithm": "RS256", "plan": "none",
            "jwks_url": format!("{team}/cdn-cgi/access/certs"), "account_claim": "email", "max_lifetime_s": 31 * 24 * 60 * 60,
        }]);
        let mut issuers = IssuerSettings::parse_all(&issuer.to_string())?;
        let team = Issuer::new(issuers.pop().ok_or("names no team")?);
        if !raw.admins.keys().all(|name| is_person(name)) {
            return Err("names an admin by something else than an e-mail address".into());
        }
        if !raw.services.keys().all(|name| is_service(name)) {
            return Err("names a service by something else than a client id (`<id>.access`)".into());
        }
        let people = raw.admins.into_iter().map(|(email, scopes)| (email.to_lowercase(), scopes));
        let mut by_name = BTreeMap::new();
        for (name, scopes) in people.chain(raw.services) {
            let scopes =
                AdminScopes::parse(&scopes).ok_or("has scopes other than `read`, `keys` and `plans`, joined by +")?;
            by_name.insert(name, scopes);
        }
        if by_name.is_empty() { Err("names no admin".into()) } else { Ok(Some(Self { team, by_name })) }
    }

    /// The admin of this token, if it is one.
    async fn admin(&self, token: &str, context: &Context) -> Option<(String, AdminScopes)> {
        let token = Unverified::parse(token).ok()?;
        self.team.check_form(&token, context).await.ok()?;
        let vouched = Vouched::read(token.claims())?;
        let (Vouched::Person(name) | Vouched::Service(name)) = &vouched;
        let scopes = *self.by_name.get(name)?;
        Some((vouched.to_string(), scopes))
    }
}

/// The admin that calls. Whoever sends no credentials is refused and nothing more; wrong ones are counted and written down.
pub async fn admin(incoming: &Incoming, env: &Env, context: &Context, config: &Config) -> Result<Admin, Refusal> {
    let head = &incoming.head;
    let address = address(head);
    let assertion = config.admin_access.as_ref().and_then(|_| header_of(incoming, header::ACCESS_ASSERTION));
    // A token goes first: Access puts its own on every request of a browser that it has let in.
    let found = match (find_credential(head.get(header::AUTHORIZATION), None), assertion.as_deref()) {
        (Ok(Some(token)), _) => find_admin(token, &config.admin_tokens)
            .map(|admin| (format!("token:{}", admin.name), admin.scopes, is_certain(token))),
        (Ok(None), Some(assertion)) => match &config.admin_access {
            // Nobody guesses a signature.
            Some(access) => access.admin(assertion, context).await.map(|(actor, scopes)| (actor, scopes, true)),
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
        (_, None) => Err(failed(env, address).await),
    }
}

/// Counts a failure here and at the Registry, which hears of those elsewhere, too.
async fn failed(env: &Env, address: Option<IpAddr>) -> Refusal {
    let verdict = FAILURES.with_borrow_mut(|failures| failures.fail(address, platform::now()));
    let Some(unnoted) = verdict.note else { return refuse() };
    match registry::ask(env, &RegistryCall::LoginFailed { address, unnoted }).await {
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
    let message = "Too many failed logins. Nothing is heard from here until then.";
    Refusal::new(Reason::Flooding, message).with_retry_after_ms(wait)
}

thread_local! {
    static FAILURES: RefCell<Failures> = RefCell::default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_through_access_is_named_in_full() {
        let parse = |text: &str| AccessAdmins::parse(text).map(|found| found.map(|access| access.by_name));
        assert!(parse("").unwrap().is_none());
        let good = r#"{"team": "https://t.cloudflareaccess.com/", "audience": "a", "admins": {"Ann@Example.com": "read+keys"}}"#;
        assert_eq!(parse(good).unwrap().unwrap().keys().collect::<Vec<_>>(), ["ann@example.com"]);
        let program = good.replace("\"admins\": {", "\"services\": {\"e36.access\": \"keys\"}, \"admins\": {");
        assert_eq!(parse(&program).unwrap().unwrap().keys().collect::<Vec<_>>(), ["ann@example.com", "e36.access"]);
        for wrong in ["e36", "ann@e.access", ".access", "*", ""] {
            assert!(parse(&program.replace("e36.access", wrong)).is_err(), "{wrong}");
        }
        let bad = [
            ("https://", "http://"),
            ("\"audience\": \"a\"", "\"audience\": \"\""),
            ("read+keys", "write"),
            ("Ann@Example.com", "*"),
            ("\"Ann@Example.com\": \"read+keys\"", ""),
            ("team", "teem"),
        ];
        for (from, to) in bad {
            assert!(parse(&good.replace(from, to)).is_err(), "{to}");
        }
    }

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
