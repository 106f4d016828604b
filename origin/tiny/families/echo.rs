//! Repeating and spelling.

use super::words::{CITIES, NAMES, WORDS};
use crate::dialogue::{Dialogue, Phrases, Split};
use crate::random::Random;

const ECHO: Phrases = Phrases {
    train: &[
        "Please write this: {}",
        "Repeat the following: {}",
        "Please repeat these: {}",
        "Echo these words: {}",
        "Say these words: {}",
        "Write the words: {}",
        "please repeat after me {}",
        "Repeat: {}",
        "Repeat after me: {}",
        "Say: {}",
        "Echo: {}",
        "Please repeat: {}",
        "Repeat this: {}",
        "Say this: {}",
        "echo {}",
        "Repeat the words: {}",
        "Write: {}",
        "Say exactly: {}",
        "Please say: {}",
        "repeat: {}",
        "Repeat \"{}\"",
        "Say \"{}\"",
        "Answer with: {}",
        "Say only: {}",
        "Print: {}",
        "Please write: {}",
        "say {}",
    ],
    held: &[
        "Please echo: {}",
        "Repeat these words: {}",
        "Write this: {}",
        "Say the words: {}",
        "Please repeat after me: {}",
        "Write \"{}\"",
    ],
};
const SPELL: Phrases = Phrases {
    train: &[
        "Please spell {} for me.",
        "How would I spell {}?",
        "Can you spell {} for me?",
        "How is the word {} spelt?",
        "Would you spell {}?",
        "Tell me how {} is spelled.",
        "Spell {}.",
        "Spell the word {}.",
        "How do you spell {}?",
        "How is {} spelled?",
        "Spell: {}",
        "Please spell {}.",
        "spell {}",
        "Can you spell {}?",
        "Spell out {}.",
        "How do I spell {}?",
        "How is {} spelt?",
        "Spell the word {} for me.",
    ],
    held: &[
        "Please spell the word {}.",
        "How would you spell {}?",
        "Spell {} for me.",
        "Can you spell the word {}?",
        "How is the word {} spelled?",
    ],
};

/// Some words to repeat.
pub(super) fn echo(random: &mut Random, split: Split) -> Dialogue {
    let count = 1 + random.below(5);
    let words: Vec<String> = (0..count).map(|_| anything(random)).collect();
    let text = words.join(" ");
    Dialogue::new(ECHO.pick(random, split).replace("{}", &text), text)
}

/// A word to spell: its letters, parted by hyphens.
pub(super) fn spelling(random: &mut Random, split: Split) -> Dialogue {
    let word = match random.below(3) {
        0 if split == Split::Train => syllables(random),
        _ => word(random),
    };
    let question = SPELL.pick(random, split).replace("{}", &word);
    Dialogue::new(question, letters(&word))
}

/// The letters of a word, parted by hyphens.
pub(crate) fn letters(word: &str) -> String {
    let letters: Vec<String> = word.chars().map(String::from).collect();
    letters.join("-")
}

fn anything(random: &mut Random) -> String {
    match random.below(8) {
        0 => random.below(10_000).to_string(),
        1 => syllables(random),
        2 => random.pick(CITIES).to_owned(),
        3 => {
            let word = word(random);
            random.pick(&["{}!", "{}.", "{}?", "({})", "{},", "#{}", "{}-{}", "{}_1"]).replace("{}", &word)
        }
        _ => word(random),
    }
}

/// A word or a name, without a space.
pub(crate) fn word(random: &mut Random) -> String {
    loop {
        let list = if random.once_in(3) { NAMES } else { WORDS };
        let word = *random.choose(list);
        if !word.contains(' ') {
            return word.to_owned();
        }
    }
}

/// What sounds like a word and is none.
pub(crate) fn syllables(random: &mut Random) -> String {
    const SOUNDS: &[&str] = &[
        "ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu", "an", "er", "in", "or", "um", "sta", "gra", "pli",
        "tch", "ow", "y", "ing", "ble", "ous", "qu", "x", "sh", "th", "ck", "ll", "oo", "ee", "ai", "p", "d", "f", "g",
        "w", "h", "j", "m", "c",
    ];
    let mut word: String = (0..2 + random.below(3)).map(|_| *random.choose(SOUNDS)).collect();
    if random.once_in(8) {
        word = word.to_uppercase();
    }
    word
}
