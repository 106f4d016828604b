//! Dialogues beside tools that none of them needs.

use super::idle;
use super::structured::calls::Kit;
use crate::dialogue::{Dialogue, Split};
use crate::families::{Late, late_dialogue, systems, tools};
use crate::random::Random;
use serde_json::Value;

/// Dialogues that begin alike: with the same tools, and with the same system prompt or none.
pub(crate) struct Crowd {
    /// Which of the tools no dialogue needs, in their order.
    pub(crate) idle: Vec<bool>,
    /// At least one.
    pub(crate) dialogues: Vec<Dialogue>,
}

/// The most idle tools of a crowd.
const IDLE: usize = 3;

/// Up to so many dialogues beside idle tools.
pub(crate) fn crowd(random: &mut Random, most: usize, stage: Late) -> Crowd {
    let (needed, mut dialogues) = match (stage, random.below(10)) {
        (Late::Second, 0 | 1) | (Late::Third, 0) => weather(random, most),
        (_, 1..=3) => {
            let kit = Kit::any(random, Split::Train);
            let dialogues = (0..most).map(|_| kit.question(random, Split::Train)).collect();
            (kit.definitions(random), dialogues)
        }
        // A system prompt stands before the tools, so that dialogues with one of their own share nothing.
        (Late::Second, 4) => (Vec::new(), vec![without_tools(random, stage, true)]),
        (Late::Third, 4) => (Vec::new(), systems::together(random, most)),
        _ => (Vec::new(), (0..most).map(|_| without_tools(random, stage, false)).collect()),
    };
    let mut all: Vec<(Value, bool)> = needed.into_iter().map(|tool| (tool, false)).collect();
    let count = 1 + random.below(IDLE);
    all.extend(idle::tools(random, Split::Train, count).into_iter().map(|tool| (tool, true)));
    random.shuffle(&mut all);
    let (tools, idle): (Vec<Value>, Vec<bool>) = all.into_iter().unzip();
    let is_open = dialogues.len() > 1 && !dialogues[0].has_system();
    let system = (is_open && random.once_in(4)).then(|| systems::neutral(random));
    for dialogue in &mut dialogues {
        dialogue.tools.clone_from(&tools);
        if let Some(system) = system {
            *dialogue = dialogue.clone().with_system(system);
        }
    }
    Crowd { idle, dialogues }
}

/// Calls of the two tools of that family and what they gave, and some questions that need neither.
fn weather(random: &mut Random, most: usize) -> (Vec<Value>, Vec<Dialogue>) {
    let both = tools::both(random);
    let mut dialogues = Vec::new();
    while dialogues.len() < most {
        dialogues.push(match random.below(3) {
            0 => tools::result(random, Split::Train),
            _ => tools::call(random, Split::Train),
        });
    }
    (both, dialogues)
}

/// A dialogue of a later stage that calls nothing, with a system prompt of its own or without.
fn without_tools(random: &mut Random, stage: Late, has_system: bool) -> Dialogue {
    loop {
        let dialogue = late_dialogue(random, stage);
        if dialogue.tools.is_empty() && dialogue.has_system() == has_system {
            return dialogue;
        }
    }
}
