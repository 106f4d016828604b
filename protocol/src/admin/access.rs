//! What an admin may do: scopes, and which one a route needs.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// One thing that an admin may be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdminScope {
    /// Look at everything, the audit log too.
    Read,
    /// Make, change and end keys, accounts and denials, and end batches; look at them.
    Keys,
    /// Put plans in force; look at them.
    Plans,
    /// Say which origins there are, and so where questions go; look at them.
    Origins,
    /// Look at measures, and at nothing else: for whoever draws curves of them.
    Metrics,
}

/// What one admin may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdminScopes(u8);

impl AdminScope {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Read, Self::Keys, Self::Plans, Self::Origins, Self::Metrics];

    /// As settings and messages have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Keys => "keys",
            Self::Plans => "plans",
            Self::Origins => "origins",
            Self::Metrics => "metrics",
        }
    }

    /// The scope that a route needs: the first part of its path below `/admin/v1/`, and the method.
    pub fn needed(kind: &str, method: &str) -> Self {
        match (method, kind) {
            ("GET" | "HEAD", _) => Self::Read,
            (_, "plans" | "alerts") => Self::Plans,
            (_, "origins") => Self::Origins,
            _ => Self::Keys,
        }
    }
}

impl AdminScopes {
    /// Everything.
    pub fn all() -> Self {
        AdminScope::ALL.into_iter().collect()
    }

    /// Reads `read+keys`. `None` for a name that is none, twice the same, or nothing at all.
    pub fn parse(text: &str) -> Option<Self> {
        text.split('+').try_fold(Self::default(), |scopes, name| {
            let scope = AdminScope::ALL.into_iter().find(|scope| scope.name() == name)?;
            (!scopes.has(scope)).then(|| Self(scopes.0 | bit(scope)))
        })
    }

    /// Whether a route may be used: see [`AdminScope::needed`]. Whoever may change something may look at it.
    pub fn allow(self, kind: &str, method: &str) -> bool {
        let needed = AdminScope::needed(kind, method);
        let looks_at_own = match kind {
            "plans" | "alerts" => self.has(AdminScope::Plans),
            "origins" => self.has(AdminScope::Origins),
            "metrics" => self.has(AdminScope::Metrics),
            "keys" | "accounts" | "denials" | "jobs" => self.has(AdminScope::Keys),
            _ => false,
        };
        self.has(needed) || (needed == AdminScope::Read && looks_at_own)
    }

    const fn has(self, scope: AdminScope) -> bool {
        self.0 & bit(scope) != 0
    }
}

impl FromIterator<AdminScope> for AdminScopes {
    fn from_iter<I: IntoIterator<Item = AdminScope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |all, scope| all | bit(scope)))
    }
}

impl fmt::Display for AdminScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> =
            AdminScope::ALL.iter().filter(|scope| self.has(**scope)).map(|scope| scope.name()).collect();
        f.write_str(&names.join("+"))
    }
}

/// For whom Cloudflare Access vouches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vouched {
    /// Somebody who has logged in, by e-mail address, in lower case.
    Person(String),
    /// A program with a service token, by the token's client id, letter by letter.
    Service(String),
}

impl Vouched {
    /// Reads the claims of a token whose signature, audience and time are good. A person has a subject and an address; a service has
    /// neither, and a `common_name`. What looks like both is a person.
    pub fn read(claims: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if claims.contains_key("email") {
            text("sub")?;
            let email = text("email").filter(|email| is_person(email))?;
            return Some(Self::Person(email.to_lowercase()));
        }
        if text("sub").is_some() {
            return None;
        }
        text("common_name").filter(|name| is_service(name)).map(|name| Self::Service(name.to_owned()))
    }
}

impl fmt::Display for Vouched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(name) | Self::Service(name) => write!(f, "access:{name}"),
        }
    }
}

/// Whether this is a person's e-mail address, as far as it can be told from a service's name.
pub fn is_person(name: &str) -> bool {
    name.contains('@') && is_visible(name)
}

/// Whether this is the client id of a service token: `<hexadecimal digits>.access`.
pub fn is_service(name: &str) -> bool {
    name.strip_suffix(".access").is_some_and(|id| !id.is_empty()) && !name.contains('@') && is_visible(name)
}

fn is_visible(name: &str) -> bool {
    !name.chars().any(|letter| letter.is_control() || letter.is_whitespace())
}

const fn bit(scope: AdminScope) -> u8 {
    match scope {
        AdminScope::Read => 1,
        AdminScope::Keys => 2,
        AdminScope::Plans => 4,
        AdminScope::Origins => 8,
        AdminScope::Metrics => 16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scopes_read_back_and_nothing_else_does() {
        for text in
            ["read", "keys", "plans", "read+keys", "metrics", "read+keys+plans", "read+keys+plans+origins+metrics"]
        {
            assert_eq!(AdminScopes::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(AdminScopes::parse("origins+metrics+plans+read+keys"), Some(AdminScopes::all()));
        for bad in ["", "+", "read+", "read+read", "write", "Read", "read,keys", "read keys"] {
            assert_eq!(AdminScopes::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_person_has_an_address_and_a_service_a_client_id() {
        let read = |claims: Value| Vouched::read(claims.as_object().unwrap());
        let person = |name: &str| Some(Vouched::Person(name.into()));
        let service = |name: &str| Some(Vouched::Service(name.into()));
        assert_eq!(read(json!({"sub": "u", "email": "Ann@Example.com"})), person("ann@example.com"));
        assert_eq!(read(json!({"sub": "", "common_name": "e367826f.access"})), service("e367826f.access"));
        assert_eq!(read(json!({"common_name": "e367826f.access"})), service("e367826f.access"));
        assert_eq!(read(json!({"sub": "u", "email": "a@b.c", "common_name": "e.access"})), person("a@b.c"));
        for none in [
            json!({}),
            json!({"email": "a@b.c"}),
            json!({"sub": "", "email": "a@b.c"}),
            json!({"sub": "u", "email": ""}),
            json!({"sub": "u", "email": ["a@b.c"]}),
            json!({"sub": "u", "email": "e367826f.access"}),
            json!({"email": null, "common_name": "e.access"}),
            json!({"sub": "u", "common_name": "e.access"}),
            json!({"common_name": ""}),
            json!({"common_name": ".access"}),
            json!({"common_name": "e.access "}),
            // The name of a client's certificate, which whoever issues those has chosen.
            json!({"common_name": "a@b.c"}),
            json!({"common_name": "laptop"}),
        ] {
            assert_eq!(read(none.clone()), None, "{none}");
        }
    }

    /// The whole table: who may do what where.
    #[test]
    fn each_scope_opens_its_own_routes_and_no_others() {
        let open = |scopes: &str| {
            let scopes = AdminScopes::parse(scopes).unwrap();
            let mut open = String::new();
            for kind in
                ["keys", "accounts", "denials", "jobs", "plans", "alerts", "origins", "audit", "live", "metrics"]
            {
                for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
                    open.push(if scopes.allow(kind, method) { 'x' } else { '-' });
                }
                open.push(' ');
            }
            open
        };
        let (all, look, rest, none) = ("xxxxxx ", "xx---- ", "--xxxx ", "------ ");
        // Keys open all that is no one else's; only what there is can be reached with that.
        assert_eq!(open("read"), look.repeat(10));
        assert_eq!(open("keys"), [all.repeat(4), none.repeat(3), rest.repeat(3)].concat());
        assert_eq!(open("plans"), [none.repeat(4), all.repeat(2), none.repeat(4)].concat());
        assert_eq!(open("origins"), [&none.repeat(6), all, &none.repeat(3)].concat());
        assert_eq!(open("metrics"), [&none.repeat(9), look].concat());
        assert_eq!(open("read+keys+plans+origins"), all.repeat(10));
    }
}
