//! Tokens that this isolate has checked a moment ago: a signature costs more to check than all the rest of a token.
//!
//! What is kept is what a token says, by the SHA-256 of its text. It holds no longer than the token, and its subject is looked up on
//! the list of denials each time.

use crate::platform::isolate_local;
use crate::recent::Recent;
use sha2::{Digest, Sha256};
use sluice_protocol::auth::token::{Checked, CheckedShort, DenialId};
use sluice_protocol::time::Millis;
use std::cell::RefCell;
use std::rc::Rc;

/// What a good token says.
pub enum Token {
    /// One of an issuer that the operator names.
    Issued(Checked),
    /// One of our own.
    Short(CheckedShort),
}

impl Token {
    /// Until when it holds.
    pub const fn until(&self) -> Millis {
        match self {
            Self::Issued(token) => token.until,
            Self::Short(token) => token.until,
        }
    }

    /// What would be on the list of denials.
    pub const fn denials(&self) -> &[Option<DenialId>; 2] {
        match self {
            Self::Issued(token) => &token.denials,
            Self::Short(token) => &token.denials,
        }
    }
}

/// Names a token's text.
pub fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// What this token says, if it was checked here and still holds.
pub fn get(digest: &[u8; 32], now: Millis) -> Option<Rc<Token>> {
    let found = SEEN.with_borrow(|seen| seen.tokens.get(digest).cloned());
    found.filter(|token| now < token.until())
}

/// How often all of them have been forgotten: to be asked before a token is checked.
pub fn generation() -> u64 {
    SEEN.with_borrow(|seen| seen.generation)
}

/// Remembers a good token whose check began in this generation. In a later one the key that it was checked with may be gone, and it is
/// left out.
pub fn put(digest: [u8; 32], token: Rc<Token>, generation: u64) {
    SEEN.with_borrow_mut(|seen| {
        if seen.generation == generation {
            seen.tokens.put(digest, token);
        }
    });
}

/// Forgets all of them: some may no longer be good.
pub fn forget_all() {
    SEEN.with_borrow_mut(|seen| *seen = Seen { generation: seen.generation + 1, ..Seen::default() });
}

struct Seen {
    tokens: Recent<[u8; 32], Rc<Token>>,
    /// How often all of them have been forgotten.
    generation: u64,
}

impl Default for Seen {
    fn default() -> Self {
        Self { tokens: Recent::of(MAX_SEEN), generation: 0 }
    }
}

isolate_local! {
    static SEEN: RefCell<Seen> = RefCell::default();
}

/// Some hundreds of bytes each.
const MAX_SEEN: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_protocol::auth::permission::Permissions;
    use sluice_protocol::auth::principal::{AccountName, Mark};

    fn token(until: Millis) -> Rc<Token> {
        let account = AccountName::of_token("corp", "ann");
        let (permissions, denials) = (Permissions::default(), [None, None]);
        Rc::new(Token::Issued(Checked {
            account,
            subject: Mark::of("ann"),
            plan: "p".into(),
            permissions,
            until,
            denials,
        }))
    }

    #[test]
    fn a_token_is_remembered_for_as_long_as_it_holds() {
        put(digest("a"), token(1_000), generation());
        assert!(get(&digest("a"), 999).is_some());
        assert!(get(&digest("a"), 1_000).is_none());
        assert!(get(&digest("b"), 0).is_none());
        forget_all();
        assert!(get(&digest("a"), 0).is_none());
    }

    #[test]
    fn what_was_checked_with_keys_of_before_is_not_remembered() {
        let before = generation();
        forget_all();
        put(digest("c"), token(1_000), before);
        assert!(get(&digest("c"), 0).is_none());
        put(digest("c"), token(1_000), generation());
        assert!(get(&digest("c"), 0).is_some());
    }
}
