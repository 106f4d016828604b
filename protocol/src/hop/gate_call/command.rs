//! What an admin does to one account. The Registry writes it down, carries it to the account's Gate until it has arrived,
//! and the Gate does it once, however often it comes.

use crate::auth::key::SecretHash;
use crate::hop::gate_call::description::{AccountDescription, KeyDescription};
use crate::hop::gate_call::{AccountChange, KeyChange, KeyRecord};
use crate::id::CommandId;
use crate::request::cost::money::Currency;
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// One command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Which.
    pub id: CommandId,
    /// The version of the key or the account that it is to change; `None` for whichever it has.
    pub expects: Option<u32>,
    /// When the admin sent it, milliseconds since the epoch.
    pub at: Millis,
    /// What to do.
    pub action: Action,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Make the account. One that is there is changed.
    CreateAccount(AccountChange),
    /// Change what is set for the account.
    ChangeAccount(AccountChange),
    /// Forget the account, its keys and what they did.
    DeleteAccount,
    /// Add a key. One of the same number is left as it is.
    CreateKey(Box<KeyRecord>),
    /// Change what is kept about a key.
    ChangeKey {
        /// Which of the account's keys.
        key: [u8; 4],
        /// What.
        change: Box<KeyChange>,
    },
    /// Give a key another secret.
    RotateKey {
        /// Which of the account's keys.
        key: [u8; 4],
        /// The new secret's hash.
        secret_hash: SecretHash,
        /// Until when the secrets before it are still good, milliseconds since the epoch.
        until: Millis,
    },
    /// Remove a key.
    DeleteKey {
        /// Which of the account's keys.
        key: [u8; 4],
    },
    /// Add to credits.
    AddCredits {
        /// The budget's name.
        limit: String,
        /// How much: money is in nano-units.
        amount: u64,
        /// Of which currency, if it is money.
        currency: Option<Currency>,
    },
}

/// What a command has led to: how what it was about stands now, also where the command was done before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// The key.
    Key(Box<KeyDescription>),
    /// The account.
    Account(Box<AccountDescription>),
    /// It is gone; whether this removed it.
    Gone(bool),
}

/// How often the Gate has failed over a command: not because it could not be reached, but over this very message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failing {
    /// How many times.
    pub count: u32,
    /// Since when, milliseconds since the epoch.
    pub since: Millis,
}

impl Failing {
    /// Whether it is given up, so that the commands behind it get their turn: it has failed often, and for longer than
    /// a failure of the Gate's own would last.
    pub const fn is_hopeless(self, now: Millis) -> bool {
        self.count >= MAX_FAILURES && now.saturating_sub(self.since) >= HOPELESS_MS
    }
}

impl Action {
    /// Whether it can be done without knowing the plans, because it only ends something.
    pub const fn ends_something(&self) -> bool {
        matches!(self, Self::DeleteKey { .. } | Self::DeleteAccount)
    }

    /// The plan that it names, if it does.
    pub fn plan(&self) -> Option<&str> {
        match self {
            Self::CreateAccount(change) | Self::ChangeAccount(change) => change.plan.as_ref()?.as_deref(),
            Self::CreateKey(record) => Some(&record.plan),
            Self::ChangeKey { change, .. } => change.plan.as_deref(),
            Self::RotateKey { .. } | Self::DeleteKey { .. } | Self::DeleteAccount | Self::AddCredits { .. } => None,
        }
    }
}

/// How many commands a Gate remembers. Those of one account are carried in order, a few at a time, and the next ones only
/// when those before them have arrived: what comes late is one of the last few.
pub const REMEMBERED: usize = 32;
/// How many commands are carried in one message.
pub const MAX_CARRIED: usize = 16;
/// How often a command fails at least before it is given up.
pub const MAX_FAILURES: u32 = 8;
/// For how long it fails at least before that, in milliseconds.
pub const HOPELESS_MS: Millis = 10 * 60 * 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_given_up_when_it_has_failed_often_and_for_long() {
        let is_hopeless = |count, now| Failing { count, since: 1_000 }.is_hopeless(now);
        assert!(is_hopeless(MAX_FAILURES, 1_000 + HOPELESS_MS));
        assert!(!is_hopeless(MAX_FAILURES - 1, 1_000 + HOPELESS_MS), "not often");
        assert!(!is_hopeless(MAX_FAILURES, 1_000 + HOPELESS_MS - 1), "not for long");
        assert!(!is_hopeless(u32::MAX, 0), "a clock that went back");
    }
}
