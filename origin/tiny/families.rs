//! What the model learns, by families of tasks.

mod calendar;
mod chinese;
pub(crate) mod countries;
pub(crate) mod crowd;
pub(crate) mod echo;
mod forms;
mod greetings;
pub(crate) mod idle;
mod memory;
mod sluice;
mod structured;
pub(crate) mod sums;
mod systems;
mod tools;
pub(crate) mod unknown;
mod words;

use crate::dialogue::{Dialogue, Split};
use crate::random::Random;
use structured::{answers, calls};

/// A family of tasks.
pub(crate) struct Family {
    /// What it is called in tables.
    pub(crate) name: &'static str,
    /// How many of a thousand dialogues of the first stage are of it.
    pub(crate) share: usize,
    /// How many are in the second stage, of a thousand and those that only that stage has.
    pub(crate) late: usize,
    /// Makes one.
    pub(crate) make: fn(&mut Random, Split) -> Dialogue,
}

impl Family {
    /// Whether a program reads its answers.
    pub(crate) fn is_structured(&self) -> bool {
        self.name.starts_with("structured")
    }
}

/// One that both stages of the training have.
const fn first(name: &'static str, share: usize, make: fn(&mut Random, Split) -> Dialogue) -> Family {
    Family { name, share, late: share, make }
}

/// One that the second stage alone has. The first one, and the vocabulary, know nothing of it.
const fn second(name: &'static str, late: usize, make: fn(&mut Random, Split) -> Dialogue) -> Family {
    Family { name, share: 0, late, make }
}

/// All of them; the shares of the first stage add up to a thousand.
pub(crate) const FAMILIES: &[Family] = &[
    first("greetings", 50, greetings::greeting),
    first("Sluice", 95, sluice::fact),
    first("sums", 85, sums::sum),
    first("sums with thinking", 50, sums::thought),
    first("beyond sums", 20, sums::beyond),
    first("countries", 110, countries::fact),
    first("calendar", 75, calendar::fact),
    first("echo", 60, echo::echo),
    first("spelling", 50, echo::spelling),
    first("Chinese", 70, chinese::talk),
    first("system prompts", 75, systems::followed),
    first("memory", 50, memory::memory),
    first("several turns", 20, memory::turns),
    first("tool calls", 50, tools::call),
    first("tool results", 20, tools::result),
    first("without tools", 15, tools::missing),
    first("JSON", 45, forms::json),
    first("unknown", 50, unknown::unknown),
    first("nonsense", 10, unknown::nonsense),
    second("structured by tools", 140, calls::by_tools),
    second("structured by order", 260, answers::by_order),
    second("structured by schema", 240, answers::by_schema),
];

/// A dialogue of the first stage: of a family by its share, some with a system prompt that changes nothing, some with
/// thinking switched off where there would be none.
pub(crate) fn dialogue(random: &mut Random) -> Dialogue {
    drawn(random, |family| family.share)
}

/// A dialogue of the second stage.
pub(crate) fn late_dialogue(random: &mut Random) -> Dialogue {
    drawn(random, |family| family.late)
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
