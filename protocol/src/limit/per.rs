//! Whose requests share one count.

use serde::{Deserialize, Serialize};

/// Whose requests share one count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// All of the account's.
    #[default]
    Account,
    /// Those of one key, or of one token's subject.
    Key,
    /// Those for one model.
    Model,
    /// Those of one session: `x-session-id`.
    Session,
    /// Those for one end user: OpenAI's `user`.
    User,
}
