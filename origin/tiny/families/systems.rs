//! System prompts: most change nothing, some give a name, a closing word or a language.

use super::facts::{calendar, countries};
use super::words::NAMES;
use super::{chinese, greetings};
use crate::dialogue::{Dialogue, Phrases, Split, typed};
use crate::random::Random;

const NEUTRAL: &[&str] = &[
    "You are a helpful assistant.",
    "You are helpful.",
    "Answer briefly.",
    "Be polite.",
    "You are an assistant.",
    "Be brief and polite.",
    "You are a helpful assistant. Answer briefly.",
    "Answer the questions of the user.",
    "Keep your answers short.",
    "Be concise.",
    "You are a friendly assistant.",
    "Help the user.",
    "You answer questions.",
    "You are a helpful and harmless assistant.",
];

const NAMED: Phrases = Phrases {
    train: &[
        "You are {}. You are helpful.",
        "Your name is {}. Answer briefly.",
        "You are a friendly assistant called {}.",
        "You are a robot. You are called {}.",
        "You are {}, a polite assistant.",
        "You are a friendly assistant named {}.",
        "You are {}.",
        "Your name is {}.",
        "You are called {}.",
        "You are {}, a helpful assistant.",
        "You are an assistant named {}.",
        "You are an assistant called {}.",
        "Your name is {}. Be brief.",
        "Call yourself {}.",
        "You are a robot named {}.",
        "You are a helpful assistant. Your name is {}.",
    ],
    held: &[
        "Your name is {}. You are helpful.",
        "You are a helpful assistant named {}.",
        "You are {}, a friendly assistant.",
        "You are a robot called {}.",
    ],
};
const WHO: Phrases = Phrases {
    train: &[
        "What is your name, then?",
        "Please tell me your name, will you?",
        "Please say who you are.",
        "Tell me who you are.",
        "Introduce yourself, please.",
        "May I ask your name?",
        "Say your name.",
        "Please tell me what you are called.",
        "And who are you, please?",
        "What is your name?",
        "Who are you?",
        "What's your name?",
        "Tell me your name.",
        "Your name?",
        "What are you called?",
        "who are you",
        "Introduce yourself.",
        "Do you have a name?",
        "Who am I talking to?",
    ],
    held: &[
        "What is your name, please?",
        "Please tell me who you are",
        "Please introduce yourself",
        "Please tell me your name.",
    ],
};
const CLOSED: Phrases = Phrases {
    train: &[
        "End every answer with the one word {}.",
        "Always finish your answers with {}.",
        "Finish each answer with the word {}.",
        "Each answer ends with {}.",
        "Finish all answers with the word {}.",
        "End every answer with {}.",
        "Always end with {}.",
        "End each answer with the word {}.",
        "Finish every answer with {}.",
        "End all answers with {}.",
        "Add {} at the end of every answer.",
    ],
    held: &["End every answer with the word {}.", "Always finish with {}.", "Finish each answer with {}."],
};
const CLOSING_WORDS: &[&str] = &[
    "over",
    "done",
    "sir",
    "madam",
    "captain",
    "amen",
    "stop",
    "meow",
    "cheers",
    "boss",
    "my friend",
    "indeed",
    "hooray",
    "beep",
    "finis",
    "okay",
    "woof",
    "end",
    "peace",
    "ahoy",
];
const CHINESE: Phrases = Phrases {
    train: &[
        "Please speak Chinese.",
        "Please always answer in Chinese.",
        "请用中文说话。",
        "请说中文吧。",
        "Answer in Chinese.",
        "Speak Chinese.",
        "Always answer in Chinese.",
        "请用中文回答。",
        "用中文回答。",
        "You speak Chinese only.",
    ],
    held: &["Please answer in Chinese.", "Always speak Chinese.", "请说中文。"],
};
const TRANSLATED: &[(Phrases, &str)] = &[
    (
        Phrases { train: &["Hello", "Hello!", "Hi", "Hi!", "Hello there!", "Hey"], held: &["Hey there!", "Hi there!"] },
        "你好！我能帮你什么？",
    ),
    (
        Phrases {
            train: &["Thanks", "Thank you", "Thank you!", "Thanks!"],
            held: &["Thanks a lot", "Thank you very much"],
        },
        "不客气！",
    ),
    (Phrases { train: &["Bye", "Goodbye", "Goodbye!", "Bye!"], held: &["Bye bye", "Goodbye, tiny"] }, "再见！"),
    (
        Phrases {
            train: &["How are you?", "how are you", "How are you doing?"],
            held: &["How are you today?", "Are you well?"],
        },
        "我很好，谢谢。",
    ),
    (
        Phrases {
            train: &["Who are you?", "What is your name?", "who are you"],
            held: &["What are you?", "What's your name?"],
        },
        "我是 tiny，Sluice 自带的小模型。",
    ),
];

/// A system prompt that changes no answer.
pub(super) fn neutral(random: &mut Random) -> &'static str {
    random.pick(NEUTRAL)
}

/// A system prompt that is to be followed.
pub(super) fn followed(random: &mut Random, split: Split) -> Dialogue {
    match random.below(8) {
        0..=3 => {
            let name = name(random);
            let system = NAMED.pick(random, split).replace("{}", name);
            named(random, split, name).with_system(system)
        }
        4 | 5 => {
            let word = random.pick(CLOSING_WORDS);
            let system = CLOSED.pick(random, split).replace("{}", &quoted(random, word));
            closed(random, split, word).with_system(system)
        }
        6 => translated(random, split).with_system(CHINESE.pick(random, split)),
        _ => {
            let mut dialogue = match random.below(4) {
                0 => countries::fact(random, split),
                1 => greetings::greeting(random, split),
                2 => chinese::talk(random, split),
                _ => calendar::fact(random, split),
            };
            let Some(question) = dialogue.messages[0]["content"].as_str() else { return dialogue };
            dialogue.messages[0]["content"] = typed(random, split, question).into();
            dialogue.with_system(neutral(random))
        }
    }
}

/// So many dialogues of the training with one system prompt that is to be followed.
pub(super) fn together(random: &mut Random, count: usize) -> Vec<Dialogue> {
    let split = Split::Train;
    let (name, word) = (name(random), random.pick(CLOSING_WORDS));
    let kind = random.below(7);
    let system = match kind {
        0..=2 => NAMED.pick(random, split).replace("{}", name),
        3..=5 => CLOSED.pick(random, split).replace("{}", &quoted(random, word)),
        _ => CHINESE.pick(random, split).to_owned(),
    };
    let one = |_| match kind {
        0..=2 => named(random, split, name),
        3..=5 => closed(random, split, word),
        _ => translated(random, split),
    };
    let dialogues: Vec<Dialogue> = (0..count).map(one).collect();
    dialogues.into_iter().map(|dialogue| dialogue.with_system(system.clone())).collect()
}

/// A question to one of this name, which is not always what is asked.
fn named(random: &mut Random, split: Split, name: &str) -> Dialogue {
    if random.once_in(5) {
        return greetings::hello(random, split);
    }
    Dialogue::new(WHO.pick(random, split), format!("I am {name}."))
}

/// A question to one that ends with this word.
fn closed(random: &mut Random, split: Split, word: &str) -> Dialogue {
    let mut dialogue = match random.below(3) {
        0 => countries::fact(random, split),
        1 => calendar::fact(random, split),
        _ => greetings::greeting(random, split),
    };
    dialogue.answer = format!("{} {}{}.", dialogue.answer, word[..1].to_uppercase(), &word[1..]);
    dialogue
}

/// A question to one that speaks Chinese.
fn translated(random: &mut Random, split: Split) -> Dialogue {
    let (phrases, answer) = random.choose(TRANSLATED);
    Dialogue::new(phrases.pick(random, split), *answer)
}

fn quoted(random: &mut Random, word: &str) -> String {
    match random.below(3) {
        0 => format!("\"{word}\""),
        1 => format!("'{word}'"),
        _ => word.to_owned(),
    }
}

/// A person's name.
pub(super) fn name(random: &mut Random) -> &'static str {
    random.pick(NAMES)
}
