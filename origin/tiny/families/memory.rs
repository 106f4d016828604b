//! What was said earlier in a conversation.

use super::facts::{calendar, countries};
use super::words::CITIES;
use super::{greetings, sums, systems};
use crate::dialogue::{Dialogue, Phrases, Split};
use crate::random::Random;

/// What can be told and asked again: tellings, what is answered to them, askings, what is answered to those.
struct Memory {
    told: Phrases,
    noted: &'static str,
    asked: Phrases,
    recalled: &'static str,
    unknown: &'static str,
}

const NAME: Memory = Memory {
    told: Phrases {
        train: &[
            "My name is {}.",
            "I am {}.",
            "I'm {}.",
            "Call me {}.",
            "Hello, my name is {}.",
            "Hi, I am {}.",
            "Hi, I'm {}!",
            "Hello! I am {}.",
            "You can call me {}.",
            "my name is {}",
            "I am called {}.",
            "The name is {}.",
            "My name's {}.",
            "People call me {}.",
            "Hello, you can call me {}.",
            "Hello, I am called {}.",
            "Hey, I'm {}.",
            "Hello there, I am {}.",
            "Hey, my name is {}.",
            "Hi! I am {}.",
            "Please call me by my name: {}.",
            "Hello there, my name's {}.",
            "Please just call me {}.",
            "Hello, call me {}.",
        ],
        held: &[
            "Hi! My name is {}.",
            "Hello, I'm {}.",
            "Please call me {}.",
            "Hey, I am {}.",
            "Hello there, my name is {}.",
        ],
    },
    noted: "Nice to meet you, {}!",
    asked: Phrases {
        train: &[
            "What is my name?",
            "What's my name?",
            "Who am I?",
            "Do you know my name?",
            "Do you remember my name?",
            "what is my name",
            "Tell me my name.",
            "Say my name.",
            "What am I called?",
            "How am I called?",
            "Can you tell me my name?",
            "Do you know who I am?",
            "Can you say who I am?",
            "So who am I?",
            "Do you still know who I am?",
            "Tell me what I am called.",
            "Please say my name.",
            "Can you still tell me my name?",
        ],
        held: &[
            "Can you say my name?",
            "Please tell me my name.",
            "So what is my name?",
            "Do you still know my name?",
            "Tell me who I am.",
        ],
    },
    recalled: "Your name is {}.",
    unknown: "I don't know your name yet.",
};
const CITY: Memory = Memory {
    told: Phrases {
        train: &[
            "I live in {}.",
            "I am from {}.",
            "My home is {}.",
            "I come from {}.",
            "I'm from {}.",
            "My city is {}.",
            "I am at home in {}.",
            "I now live in {}.",
            "Hello, I am from {}.",
            "Hi, I live in {}.",
            "Hello, I come from {}.",
            "I am living near {}.",
            "Hi, I come from {}.",
            "i live in {}",
        ],
        held: &["I am living in {}.", "Hello, I live in {}.", "Hi, I'm from {}."],
    },
    noted: "I will remember that you live in {}.",
    asked: Phrases {
        train: &[
            "Where do I live?",
            "Where am I from?",
            "What is my city?",
            "Which city do I live in?",
            "Do you remember my city?",
            "Tell me where I am from.",
            "What city am I from?",
            "Do you still know where I live?",
            "In what city do I live?",
            "where do I live",
            "Do you know where I live?",
        ],
        held: &["Do you remember where I live?", "Tell me where I live.", "What city do I live in?"],
    },
    recalled: "You live in {}.",
    unknown: "I don't know where you live.",
};
const COLOUR: Memory = Memory {
    told: Phrases {
        train: &[
            "My favourite colour is {}.",
            "I like {} best.",
            "My favorite color is {}.",
            "The colour that I like is {}.",
            "I love the colour {}.",
            "Hi, my favourite colour is {}.",
            "Hello, I like the color {}.",
            "I like {}, the colour.",
            "My favourite color of all is {}.",
            "Hello, the colour that I like is {}.",
        ],
        held: &["My favourite color is {}.", "I like the colour {}.", "Hello, my favourite colour is {}."],
    },
    noted: "{} is a nice colour.",
    asked: Phrases {
        train: &[
            "What is my favourite colour?",
            "What is my favorite color?",
            "Which colour do I like?",
            "What colour do I like best?",
            "What's my favourite colour?",
            "Do you remember what colour I like?",
            "Which colour is my favourite?",
            "Which color do I like?",
            "Tell me my favourite colour.",
        ],
        held: &["Which is my favourite colour?", "Do you remember my favourite colour?", "Which color do I like best?"],
    },
    recalled: "Your favourite colour is {}.",
    unknown: "I don't know your favourite colour.",
};
const NUMBER: Memory = Memory {
    told: Phrases {
        train: &[
            "Remember the number {}.",
            "My number is {}.",
            "The number is {}.",
            "Please remember {}.",
            "Keep the number {} in mind.",
            "Remember this: {}.",
            "Note down {}.",
            "This is my number: {}.",
            "Please keep the number {} in mind.",
            "Note this number down: {}.",
            "Please note {}.",
            "Remember {}.",
        ],
        held: &["Please remember the number {}.", "Note the number {}.", "Remember this number: {}."],
    },
    noted: "I will remember {}.",
    asked: Phrases {
        train: &[
            "What is the number?",
            "Which number was it?",
            "What number did I say?",
            "What was the number?",
            "Tell me the number.",
            "Do you still know the number?",
            "Which number did I give you?",
            "Please say the number.",
            "Do you remember my number?",
            "What is my number?",
        ],
        held: &["Which number did I say?", "Do you remember the number?", "Please tell me the number."],
    },
    recalled: "The number is {}.",
    unknown: "I don't know which number you mean.",
};
const COLOURS: &[&str] = &[
    "red", "blue", "green", "yellow", "black", "white", "orange", "purple", "pink", "brown", "grey", "violet",
    "silver", "gold",
];

/// Something told, perhaps other talk, and then asked again; or only told; or only asked.
pub(super) fn memory(random: &mut Random, split: Split) -> Dialogue {
    let memory = match random.below(6) {
        0..=2 => &NAME,
        3 => &CITY,
        4 => &COLOUR,
        _ => &NUMBER,
    };
    let thing = thing(random, memory);
    let begun = thing[..1].to_uppercase() + &thing[1..];
    let noted = memory.noted.replace("{}", if memory.noted.starts_with("{}") { &begun } else { &thing });
    let told = memory.told.pick(random, split).replace("{}", &thing);
    let asked = memory.asked.pick(random, split);
    match random.below(8) {
        0 => return Dialogue::new(told, noted),
        1 => {
            let mut dialogue = small_talk(random, split);
            if random.once_in(2) {
                dialogue = Dialogue::new(asked, memory.unknown);
            } else {
                dialogue = dialogue.then(asked, memory.unknown);
            }
            return dialogue;
        }
        _ => {}
    }
    let mut dialogue = match random.once_in(4) {
        true => small_talk(random, split).then(told, noted),
        false => Dialogue::new(told, noted),
    };
    for _ in 0..random.below(3) {
        let between = small_talk(random, split);
        let question = between.messages[0]["content"].as_str().unwrap_or_default().to_owned();
        let answer = between.answer;
        dialogue = dialogue.then(question, answer);
    }
    dialogue.then(asked, memory.recalled.replace("{}", &thing))
}

/// A talk of several turns whose last answer depends on the last question alone.
pub(super) fn turns(random: &mut Random, split: Split) -> Dialogue {
    let mut dialogue = small_talk(random, split);
    for _ in 0..=random.below(2) {
        let next = small_talk(random, split);
        let question = next.messages[0]["content"].as_str().unwrap_or_default().to_owned();
        let answer = next.answer;
        dialogue = dialogue.then(question, answer);
    }
    dialogue
}

fn small_talk(random: &mut Random, split: Split) -> Dialogue {
    match random.below(4) {
        0 => greetings::greeting(random, split),
        1 => countries::fact(random, split),
        2 => calendar::fact(random, split),
        _ => sums::thought(random, split),
    }
}

fn thing(random: &mut Random, memory: &Memory) -> String {
    if std::ptr::eq(memory, &NUMBER) {
        return random.below(1_000).to_string();
    }
    if std::ptr::eq(memory, &COLOUR) {
        return (*random.choose(COLOURS)).to_owned();
    }
    if std::ptr::eq(memory, &NAME) {
        return systems::name(random).to_owned();
    }
    match random.once_in(4) {
        true => random.choose(countries::COUNTRIES).1.to_owned(),
        false => random.pick(CITIES).to_owned(),
    }
}
