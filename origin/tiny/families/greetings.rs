//! Greetings, thanks, and questions about the model itself.

mod closing;
mod opening;

use crate::dialogue::{Dialogue, Split};
use crate::random::Random;

/// One of the talks.
pub(super) fn greeting(random: &mut Random, split: Split) -> Dialogue {
    let talks: Vec<_> = opening::TALKS.iter().chain(closing::TALKS).collect();
    let (phrases, answer) = random.choose(&talks);
    Dialogue::new(phrases.pick(random, split), *answer)
}

/// A greeting alone.
pub(super) fn hello(random: &mut Random, split: Split) -> Dialogue {
    let (phrases, answer) = &opening::TALKS[0];
    Dialogue::new(phrases.pick(random, split), *answer)
}
