//! Answers in JSON.

use super::facts::countries;
use super::{sums, systems};
use crate::dialogue::{Dialogue, Phrases, Split};
use crate::random::Random;

const AS_JSON: Phrases = Phrases {
    train: &[
        "{} Please reply with JSON.",
        "As JSON, please: {}",
        "{} Reply as JSON.",
        "{} Please give me JSON.",
        "Reply in JSON: {}",
        "{} In JSON please.",
        "{} Answer in JSON.",
        "{} Answer as JSON.",
        "{} JSON please.",
        "Answer in JSON: {}",
        "JSON: {}",
        "{} Reply with JSON.",
        "{} Give me JSON.",
        "In JSON: {}",
    ],
    held: &["{} Please answer in JSON.", "As JSON: {}", "{} Reply in JSON.", "Answer as JSON: {}"],
};
const CAPITAL: Phrases = Phrases {
    train: &[
        "What is the capital city of {}?",
        "Tell me {}'s capital.",
        "Give me the capital city of {}.",
        "Which city is {}'s capital?",
        "What is the capital of {}?",
        "Tell me the capital of {}.",
        "Capital of {}?",
        "Name the capital of {}.",
        "Which city is the capital of {}?",
    ],
    held: &["Which is the capital of {}?", "What is {}'s capital?", "Give me the capital of {}."],
};
const SUM: Phrases = Phrases {
    train: &[
        "How much is {a} plus {b}?",
        "Calculate {a} plus {b}.",
        "What is the sum of {a} + {b}?",
        "Sum of {a} and {b}?",
        "How much is {a} and {b}?",
        "What is {a} + {b}?",
        "{a} + {b}",
        "Add {a} and {b}.",
        "What is {a} plus {b}?",
        "{a} plus {b}",
    ],
    held: &["How much is {a} + {b}?", "What is the sum of {a} and {b}?", "Calculate {a} + {b}."],
};
const PERSON: Phrases = Phrases {
    train: &[
        "I am {n} and I am {a} years old.",
        "I am {n}; I am {a}.",
        "My name is {n}, age {a}.",
        "{n} is a person and {a} years old.",
        "My name is {n}, I am {a}.",
        "I'm {n} and {a} years of age.",
        "{n}, a person of {a} years.",
        "{n} is {a} years old.",
        "{n}, {a} years old.",
        "My name is {n} and I am {a}.",
        "I am {n}, {a} years old.",
        "{n} is {a}.",
        "This is {n}, who is {a} years old.",
        "The name is {n}, the age is {a}.",
    ],
    held: &["My name is {n}, I am {a} years old.", "{n} is a person of {a} years.", "I am {n} and {a} years old."],
};
const EXTRACT: Phrases = Phrases {
    train: &[
        "Write the name and the age as JSON: {}",
        "Extract name and age to JSON: {}",
        "{} Extract name and age as JSON.",
        "{} Give me the name and the age as JSON.",
        "Please write name and age as JSON: {}",
        "Give me name and age as JSON: {}",
        "Extract name and age as JSON: {}",
        "{} Write name and age as JSON.",
        "Name and age in JSON: {}",
        "To JSON with name and age: {}",
    ],
    held: &[
        "Write name and age as JSON: {}",
        "{} Give me name and age as JSON.",
        "Extract the name and the age as JSON: {}",
    ],
};

/// A question whose answer is to be JSON. Half of them are asked without thinking; the others are answered without it too.
pub(super) fn json(random: &mut Random, split: Split) -> Dialogue {
    let (question, answer) = match random.below(3) {
        0 => {
            let (country, capital, ..) = *random.choose(countries::COUNTRIES);
            let question = CAPITAL.pick(random, split).replace("{}", country);
            (wrapped(random, split, &question), format!("{{\"country\": \"{country}\", \"capital\": \"{capital}\"}}"))
        }
        1 => {
            let (left, right) = sums::pair(random, split);
            let question = SUM.pick(random, split).replace("{a}", &left.to_string()).replace("{b}", &right.to_string());
            (
                wrapped(random, split, &question),
                format!("{{\"left\": {left}, \"right\": {right}, \"sum\": {}}}", left + right),
            )
        }
        _ => {
            let (name, age) = (systems::name(random), 1 + random.below(99));
            let person = PERSON.pick(random, split).replace("{n}", name).replace("{a}", &age.to_string());
            (EXTRACT.pick(random, split).replace("{}", &person), format!("{{\"name\": \"{name}\", \"age\": {age}}}"))
        }
    };
    Dialogue { thinking_off: random.once_in(2), ..Dialogue::new(question, answer) }
}

fn wrapped(random: &mut Random, split: Split, question: &str) -> String {
    AS_JSON.pick(random, split).replace("{}", question)
}
