//! Who may administer: holders of tokens, and people for whom Cloudflare Access vouches. Settings, and what proves them.

use crate::auth::issuers::Issuer;
use crate::platform::Context;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use sluice_protocol::admin::access::{AdminScope, AdminScopes, Vouched, is_person, is_service};
use sluice_protocol::auth::principal::is_name;
use sluice_protocol::auth::token::{IssuerSettings, Unverified};
use sluice_protocol::id::parse_hex;
use std::collections::BTreeMap;
use subtle::ConstantTimeEq;

/// One admin token: a name for the log, the SHA-256 of the token, and what its holder may do. Does not print.
pub struct AdminToken {
    /// For people.
    pub name: String,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// What its holder may do.
    pub scopes: AdminScopes,
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
    pub async fn admin(&self, token: &str, context: &Context) -> Option<(String, AdminScopes)> {
        let token = Unverified::parse(token).ok()?;
        self.team.check_form(&token, context).await.ok()?;
        let vouched = Vouched::read(token.claims())?;
        let (Vouched::Person(name) | Vouched::Service(name)) = &vouched;
        let scopes = *self.by_name.get(name)?;
        Some((vouched.to_string(), scopes))
    }
}

/// Reads the setting `ADMIN_TOKENS`.
pub fn parse_admin_tokens(text: &str) -> Result<Vec<AdminToken>, String> {
    let mut tokens: Vec<AdminToken> = Vec::new();
    for entry in text.split(',') {
        let (name, rest) = entry.trim().split_once(':').ok_or("must be `<name>:<SHA-256 in hex>`")?;
        let (hash, scopes) = rest.split_once(':').map_or((rest, None), |(hash, scopes)| (hash, Some(scopes)));
        let hash = parse_hex(hash).ok_or("needs a SHA-256 of 64 lower-case hexadecimal digits")?;
        if !is_name(name) || tokens.iter().any(|token| token.name == name) {
            return Err("needs names of 1 to 32 of a-z, 0-9 and -, each there once".into());
        }
        let scopes = match scopes {
            None => AdminScopes::all(),
            Some(text) => {
                let names = AdminScope::ALL.map(|scope| format!("`{}`", scope.name())).join(", ");
                AdminScopes::parse(text).ok_or_else(|| format!("has other scopes than {names}, joined by +"))?
            }
        };
        tokens.push(AdminToken { name: name.to_owned(), hash, scopes });
    }
    Ok(tokens)
}

/// Compares with every token, so that the time does not tell which one was nearly right.
pub fn find_admin<'c>(text: &str, tokens: &'c [AdminToken]) -> Option<&'c AdminToken> {
    let hash = Sha256::digest(text);
    tokens.iter().fold(None, |found, token| if bool::from(token.hash.ct_eq(&hash)) { Some(token) } else { found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_tokens_have_names_and_scopes() {
        let hash = "cd".repeat(32);
        let parse = |text: &str| {
            let tokens = parse_admin_tokens(&text.replace('#', &hash))?;
            Ok::<_, String>(tokens.iter().map(|token| format!("{} {}", token.name, token.scopes)).collect::<Vec<_>>())
        };
        assert_eq!(parse("ops:#").unwrap(), ["ops read+keys+plans+origins+metrics"]);
        assert_eq!(
            parse("ops:#, board:#:read,ci:#:plans+keys").unwrap(),
            ["ops read+keys+plans+origins+metrics", "board read", "ci keys+plans"]
        );
        for bad in [
            "ops",
            "ops:ab",
            ":#",
            "Ops:#",
            "a b:#",
            "ops:#:",
            "ops:#:write",
            "ops:#:read+read",
            "ops:#,ops:#",
            "ops:#,",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

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
