//! What the model learns, by families of tasks.

mod calendar;
mod chinese;
pub(crate) mod countries;
pub(crate) mod echo;
mod forms;
mod greetings;
mod memory;
mod sluice;
pub(crate) mod sums;
mod systems;
mod tools;
pub(crate) mod unknown;
mod words;

use crate::dialogue::{Dialogue, Split};
use crate::random::Random;

/// A family of tasks.
pub(crate) struct Family {
    /// What it is called in tables.
    pub(crate) name: &'static str,
    /// How many of a thousand dialogues are of it.
    pub(crate) share: usize,
    /// Makes one.
    pub(crate) make: fn(&mut Random, Split) -> Dialogue,
}

/// All of them; the shares add up to a thousand.
pub(crate) const FAMILIES: &[Family] = &[
    Family { name: "greetings", share: 50, make: greetings::greeting },
    Family { name: "Sluice", share: 95, make: sluice::fact },
    Family { name: "sums", share: 85, make: sums::sum },
    Family { name: "sums with thinking", share: 50, make: sums::thought },
    Family { name: "beyond sums", share: 20, make: sums::beyond },
    Family { name: "countries", share: 110, make: countries::fact },
    Family { name: "calendar", share: 75, make: calendar::fact },
    Family { name: "echo", share: 60, make: echo::echo },
    Family { name: "spelling", share: 50, make: echo::spelling },
    Family { name: "Chinese", share: 70, make: chinese::talk },
    Family { name: "system prompts", share: 75, make: systems::followed },
    Family { name: "memory", share: 50, make: memory::memory },
    Family { name: "several turns", share: 20, make: memory::turns },
    Family { name: "tool calls", share: 50, make: tools::call },
    Family { name: "tool results", share: 20, make: tools::result },
    Family { name: "without tools", share: 15, make: tools::missing },
    Family { name: "JSON", share: 45, make: forms::json },
    Family { name: "unknown", share: 50, make: unknown::unknown },
    Family { name: "nonsense", share: 10, make: unknown::nonsense },
];

/// A dialogue to train on: of a family by its share, some with a system prompt that changes nothing, some with thinking
/// switched off where there would be none.
pub(crate) fn dialogue(random: &mut Random) -> Dialogue {
    let mut number = random.below(FAMILIES.iter().map(|family| family.share).sum());
    for family in FAMILIES {
        if number < family.share {
            let mut dialogue = (family.make)(random, Split::Train);
            if !dialogue.has_system() && random.once_in(12) {
                dialogue = dialogue.with_system(systems::neutral(random));
            }
            if !dialogue.answer.starts_with("<think>") && !asks_for_a_thought(family) {
                dialogue.thinking_off |= random.once_in(4);
            }
            return dialogue;
        }
        number -= family.share;
    }
    unreachable!("the number is below the sum of the shares")
}

/// Whether an answer of this family without a thought is one with thinking switched off already.
fn asks_for_a_thought(family: &Family) -> bool {
    matches!(family.name, "sums" | "tool calls")
}
