//! What the model learns, by families of tasks.

mod chinese;
pub(crate) mod echo;
mod facts;
mod forms;
mod greetings;
mod memory;
pub(crate) mod sums;
mod systems;
pub(crate) mod tools;
pub(crate) mod unknown;
mod words;

use crate::dialogue::{Dialogue, Split};
use crate::random::Random;
use facts::{calendar, countries, sluice};
use tools::structured::{answers, calls};

/// A family of tasks.
pub(crate) struct Family {
    /// What it is called in tables.
    pub(crate) name: &'static str,
    /// How often it comes in each stage of the training.
    pub(crate) shares: Shares,
    /// Makes one.
    pub(crate) make: fn(&mut Random, Split) -> Dialogue,
}

/// How many dialogues of a stage are of a family, beside those of the others.
#[derive(Clone, Copy)]
pub(crate) struct Shares {
    /// Of a thousand in the first stage.
    pub(crate) first: usize,
    /// In the second.
    pub(crate) second: usize,
    /// In the third.
    pub(crate) third: usize,
}

/// The stages that have dialogues beside tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    /// Learns what is structured, and what stands beside tools.
    Second,
    /// Learns more of what the second confuses: what needs no tool beside tools, system prompts, echoes.
    Third,
}

impl Family {
    /// Whether a program reads its answers.
    pub(crate) fn is_structured(&self) -> bool {
        self.name.starts_with("structured")
    }
}

/// One that all stages of the training have.
const fn first(name: &'static str, [share, third]: [usize; 2], make: fn(&mut Random, Split) -> Dialogue) -> Family {
    Family { name, shares: Shares { first: share, second: share, third }, make }
}

/// One that the later stages alone have. The first one, and the vocabulary, know nothing of it.
const fn late(name: &'static str, [second, third]: [usize; 2], make: fn(&mut Random, Split) -> Dialogue) -> Family {
    Family { name, shares: Shares { first: 0, second, third }, make }
}

/// All of them; the shares of the first stage add up to a thousand.
pub(crate) const FAMILIES: &[Family] = &[
    first("greetings", [50, 40], greetings::greeting),
    first("Sluice", [95, 70], sluice::fact),
    first("sums", [85, 260], sums::sum),
    first("sums with thinking", [50, 130], sums::thought),
    first("beyond sums", [20, 30], sums::beyond),
    first("countries", [110, 70], countries::fact),
    first("calendar", [75, 60], calendar::fact),
    first("echo", [60, 150], echo::echo),
    first("spelling", [50, 60], echo::spelling),
    first("Chinese", [70, 50], chinese::talk),
    first("system prompts", [75, 120], systems::followed),
    first("memory", [50, 60], memory::memory),
    first("several turns", [20, 50], memory::turns),
    first("tool calls", [50, 50], tools::call),
    first("tool results", [20, 40], tools::result),
    first("without tools", [15, 110], tools::missing),
    first("JSON", [45, 70], forms::json),
    first("unknown", [50, 70], unknown::unknown),
    first("nonsense", [10, 30], unknown::nonsense),
    late("structured by tools", [140, 160], calls::by_tools),
    late("structured by order", [260, 220], answers::by_order),
    late("structured by schema", [240, 220], answers::by_schema),
];

/// A dialogue of the first stage: of a family by its share, some with a system prompt that changes nothing, some with
/// thinking switched off where there would be none.
pub(crate) fn dialogue(random: &mut Random) -> Dialogue {
    drawn(random, |family| family.shares.first)
}

/// A dialogue of a later stage.
pub(crate) fn late_dialogue(random: &mut Random, stage: Late) -> Dialogue {
    drawn(random, |Family { shares, .. }| match stage {
        Late::Second => shares.second,
        Late::Third => shares.third,
    })
}

fn drawn(random: &mut Random, share: impl Fn(&Family) -> usize) -> Dialogue {
    let mut number = random.below(FAMILIES.iter().map(&share).sum());
    for family in FAMILIES {
        if number < share(family) {
            let mut dialogue = (family.make)(random, Split::Train);
            // Where the form binds, a system prompt that says something else would be in the way.
            let is_open = dialogue.form.is_none() && dialogue.choice.is_none();
            if is_open && !dialogue.has_system() && random.once_in(12) {
                dialogue = dialogue.with_system(systems::neutral(random));
            }
            if is_open && !dialogue.answer.starts_with("<think>") && !asks_for_a_thought(family) {
                dialogue.thinking_off |= random.once_in(4);
            }
            return dialogue;
        }
        number -= share(family);
    }
    unreachable!("the number is below the sum of the shares")
}

/// Whether an answer of this family without a thought is one with thinking switched off already.
fn asks_for_a_thought(family: &Family) -> bool {
    matches!(family.name, "sums" | "tool calls" | "structured by tools")
}
