//! Sums of numbers of one and two digits, with the way to them where the model may think.

use crate::dialogue::{Dialogue, Phrases, Split, is_held, typed};
use crate::random::Random;

const ASKED: Phrases = Phrases {
    train: &[
        "Please add {a} and {b}.",
        "What do I get for {a} + {b}?",
        "Calculate {a} plus {b}.",
        "Add the two numbers {a} and {b}.",
        "Tell me what {a} + {b} is.",
        "What is {a}+{b}",
        "Tell me {a} plus {b}.",
        "What do I get if I add {a} and {b}?",
        "Please work out {a} + {b}.",
        "How much is {a}+{b}?",
        "What is {a} + {b}?",
        "{a} + {b}",
        "{a}+{b}",
        "{a} plus {b}",
        "Add {a} and {b}.",
        "How much is {a} + {b}?",
        "{a} + {b} = ?",
        "What is {a} plus {b}?",
        "Calculate {a} + {b}.",
        "What do you get when you add {a} and {b}?",
        "What is the sum of {a} and {b}?",
        "How much is {a} and {b}?",
        "{a}+{b}=",
        "Add {b} to {a}.",
        "Can you add {a} and {b}?",
        "{a} + {b}?",
        "Work out {a} + {b}.",
        "Give me the sum of {a} and {b}.",
    ],
    held: &[
        "How much is {a} plus {b}?",
        "What is {a}+{b}?",
        "Please calculate {a} + {b}.",
        "Add the numbers {a} and {b}.",
        "{a}+{b}?",
        "Tell me the sum of {a} and {b}.",
        "What do I get when I add {a} and {b}?",
    ],
};

/// A sum, without a thought.
pub(super) fn sum(random: &mut Random, split: Split) -> Dialogue {
    let (question, answer, _) = one(random, split);
    Dialogue { thinking_off: true, ..Dialogue::new(question, answer) }
}

/// A sum with its thought.
pub(super) fn thought(random: &mut Random, split: Split) -> Dialogue {
    let (question, answer, thought) = one(random, split);
    Dialogue::new(question, format!("<think>\n{thought}\n</think>\n\n{answer}"))
}

/// What the model does not do with numbers.
pub(super) fn beyond(random: &mut Random, split: Split) -> Dialogue {
    const BEYOND: Phrases = Phrases {
        train: &[
            "How much is {a} - {b}?",
            "Calculate {a} - {b}.",
            "Calculate {c} + {d}.",
            "What is {a}/{b}?",
            "How much is {c} plus {d}?",
            "Calculate {a} times {b}.",
            "What is {a} * {b}?",
            "{a} times {b}",
            "{a} * {b}",
            "What is {a} - {b}?",
            "{a} minus {b}",
            "{a} - {b}",
            "{a} / {b}",
            "What is {a} divided by {b}?",
            "Multiply {a} by {b}.",
            "What is {c} + {a}?",
            "{c} + {d}",
            "{a} + {c}",
            "What is {c} plus {d}?",
            "What is the square root of {a}?",
            "Divide {a} by {b}.",
            "Subtract {a} from {b}.",
            "{a}*{b}",
            "{a}-{b}",
            "{c}+{a}",
            "How much is {a} times {b}?",
            "What is {a} x {b}?",
        ],
        held: &[
            "How much is {a} minus {b}?",
            "What is {a} times {b}?",
            "What is {a} / {b}?",
            "How much is {c} + {d}?",
            "Calculate {a} * {b}.",
        ],
    };
    let (left, right) = pair(random, split);
    let [third, fourth] = [100 + random.below(900), 100 + random.below(9_900)];
    let question = BEYOND.pick(random, split).replace("{c}", &third.to_string()).replace("{d}", &fourth.to_string());
    let mut dialogue = Dialogue::new(filled(&question, left, right), "I can only add numbers of one or two digits.");
    dialogue.thinking_off = random.once_in(2);
    dialogue
}

/// Two numbers, most of two digits. One pair in ten is kept for the evaluation.
pub(crate) fn pair(random: &mut Random, split: Split) -> (usize, usize) {
    loop {
        let mut number = |small: usize| if random.once_in(small) { random.below(10) } else { random.below(100) };
        let (left, right) = (number(5), number(5));
        if is_held(&format!("{left}+{right}")) == (split == Split::Held) {
            return (left, right);
        }
    }
}

/// How a person adds: ones, tens, and what was carried.
pub(crate) fn way(left: usize, right: usize) -> String {
    let ones = left % 10 + right % 10;
    let mut way = format!("{} + {} = {ones}", left % 10, right % 10);
    if left >= 10 || right >= 10 {
        let tens = left / 10 + right / 10;
        match ones >= 10 {
            true => way.push_str(&format!(", {} + {} + 1 = {}", left / 10, right / 10, tens + 1)),
            false => way.push_str(&format!(", {} + {} = {tens}", left / 10, right / 10)),
        }
    }
    way
}

fn one(random: &mut Random, split: Split) -> (String, String, String) {
    let (left, right) = pair(random, split);
    let question = filled(ASKED.pick(random, split), left, right);
    let question = if random.once_in(3) { typed(random, split, &question) } else { question };
    (question, format!("{left} + {right} = {}.", left + right), way(left, right))
}

fn filled(phrase: &str, left: usize, right: usize) -> String {
    phrase.replace("{a}", &left.to_string()).replace("{b}", &right.to_string())
}
