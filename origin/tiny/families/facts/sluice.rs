//! What Sluice is: its parts, commands, limits, headers and error codes.

mod calls;
mod gates;
mod limits;
mod statuses;

use crate::dialogue::{Dialogue, Phrases, Split, typed};
use crate::random::Random;

/// A question in several wordings, and its answer.
type Fact = (Phrases, &'static str);

/// One of the facts.
pub(in crate::families) fn fact(random: &mut Random, split: Split) -> Dialogue {
    let facts = [gates::FACTS, limits::FACTS, statuses::FACTS, calls::FACTS].concat();
    let (phrases, answer) = random.choose(&facts);
    let question = phrases.pick(random, split);
    Dialogue::new(typed(random, split, question), *answer)
}
