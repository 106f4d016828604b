//! What an admin may do: scopes, and which one a route needs.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing that an admin may be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdminScope {
    /// Look at everything, the audit log too.
    Read,
    /// Make, change and end keys, accounts and denials; look at them.
    Keys,
    /// Put plans in force; look at them.
    Plans,
}

/// What one admin may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdminScopes(u8);

impl AdminScope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Read, Self::Keys, Self::Plans];

    /// As settings and messages have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Keys => "keys",
            Self::Plans => "plans",
        }
    }

    /// The scope that a route needs: the first part of its path below `/admin/v1/`, and the method.
    pub fn needed(kind: &str, method: &str) -> Self {
        match (method, kind) {
            ("GET" | "HEAD", _) => Self::Read,
            (_, "plans") => Self::Plans,
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
            "plans" => self.has(AdminScope::Plans),
            "keys" | "accounts" | "denials" => self.has(AdminScope::Keys),
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

const fn bit(scope: AdminScope) -> u8 {
    match scope {
        AdminScope::Read => 1,
        AdminScope::Keys => 2,
        AdminScope::Plans => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_read_back_and_nothing_else_does() {
        for text in ["read", "keys", "plans", "read+keys", "read+keys+plans"] {
            assert_eq!(AdminScopes::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(AdminScopes::parse("plans+read+keys"), Some(AdminScopes::all()));
        for bad in ["", "+", "read+", "read+read", "write", "Read", "read,keys", "read keys"] {
            assert_eq!(AdminScopes::parse(bad), None, "{bad}");
        }
    }

    /// The whole table: who may do what where.
    #[test]
    fn each_scope_opens_its_own_routes_and_no_others() {
        let open = |scopes: &str| {
            let scopes = AdminScopes::parse(scopes).unwrap();
            let mut open = String::new();
            for kind in ["keys", "accounts", "denials", "plans", "audit", "other"] {
                for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
                    open.push(if scopes.allow(kind, method) { 'x' } else { '-' });
                }
                open.push(' ');
            }
            open
        };
        assert_eq!(open("read"), "xx---- xx---- xx---- xx---- xx---- xx---- ");
        assert_eq!(open("keys"), "xxxxxx xxxxxx xxxxxx ------ --xxxx --xxxx ");
        assert_eq!(open("plans"), "------ ------ ------ xxxxxx ------ ------ ");
        assert_eq!(open("read+keys+plans"), "xxxxxx ".repeat(6));
    }
}
