//! How fast short tokens are made for a key: many at once, and then a few a second. Tokens are made by backends for
//! their users, so a key has plenty.

use crate::id::KeyId;
use crate::time::{Millis, pace};

/// How many tokens a key is given at once.
pub const BURST: u64 = 100;
/// How many milliseconds later it is given one more.
pub const EVERY_MS: Millis = 100;
/// How many keys are kept.
const MAX_KEYS: usize = 10_000;

/// What was made for which key.
pub type Pace = pace::Pace<KeyId, BURST, EVERY_MS, MAX_KEYS>;
