//! Weekdays and months.

use crate::dialogue::{Dialogue, Phrases, Split, typed};
use crate::random::Random;

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [(&str, &str); 12] = [
    ("January", "31"),
    ("February", "28 or 29"),
    ("March", "31"),
    ("April", "30"),
    ("May", "31"),
    ("June", "30"),
    ("July", "31"),
    ("August", "31"),
    ("September", "30"),
    ("October", "31"),
    ("November", "30"),
    ("December", "31"),
];
const ORDINALS: [&str; 12] = [
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth",
];

const AFTER: Phrases = Phrases {
    train: &[
        "After {}, what {unit} is it?",
        "After {}, what {unit} comes?",
        "Which {unit} comes directly after {}?",
        "What {unit} is right after {}?",
        "Say the {unit} after {}.",
        "Please say which {unit} follows {}.",
        "Tell me which {unit} follows {}.",
        "Tell me what {unit} comes after {}.",
        "Say which {unit} comes after {}.",
        "Say what {unit} is after {}.",
        "Which {unit} comes after {}?",
        "What {unit} comes after {}?",
        "What comes after {}?",
        "Which {unit} follows {}?",
        "What {unit} follows {}?",
        "What is the {unit} after {}?",
        "Which {unit} is after {}?",
        "After {} comes what {unit}?",
        "Name the {unit} after {}.",
        "What follows {}?",
        "What {unit} is after {}?",
        "Which is the {unit} after {}?",
        "The {unit} after {}?",
    ],
    held: &[
        "Tell me the {unit} after {}.",
        "Which {unit} comes right after {}?",
        "After {}, which {unit} comes?",
        "Say what {unit} follows {}.",
    ],
};
const BEFORE: Phrases = Phrases {
    train: &[
        "Before {}, what {unit} is it?",
        "Before {}, what {unit} comes?",
        "Which {unit} comes directly before {}?",
        "What {unit} is right before {}?",
        "Say the {unit} before {}.",
        "Please say which {unit} precedes {}.",
        "Tell me which {unit} precedes {}.",
        "Tell me what {unit} comes before {}.",
        "Say which {unit} comes before {}.",
        "Say what {unit} is before {}.",
        "What {unit} precedes {}?",
        "Which {unit} comes before {}?",
        "What {unit} comes before {}?",
        "What comes before {}?",
        "Which {unit} precedes {}?",
        "What is the {unit} before {}?",
        "Which {unit} is before {}?",
        "Before {} comes what {unit}?",
        "Name the {unit} before {}.",
        "What {unit} is before {}?",
        "Which is the {unit} before {}?",
        "The {unit} before {}?",
        "What precedes {}?",
    ],
    held: &[
        "Tell me the {unit} before {}.",
        "Which {unit} comes right before {}?",
        "Before {}, which {unit} comes?",
        "Say what {unit} precedes {}.",
    ],
};
const LENGTH: Phrases = Phrases {
    train: &[
        "How many days are there in the month {}?",
        "Say the number of days in {}.",
        "The month of {} has how many days?",
        "What number of days has {}?",
        "Tell me how many days are in the month of {}.",
        "How many days does the month of {} have?",
        "Say how many days are in {}.",
        "How many days are in the month of {}?",
        "How many days does {} have?",
        "How many days has {}?",
        "How many days are in {}?",
        "How many days are there in {}?",
        "How long is {}?",
        "What is the number of days in {}?",
        "Days in {}?",
        "Tell me how many days {} has.",
        "How many days in {}?",
    ],
    held: &[
        "{} has how many days?",
        "Say how many days {} has.",
        "How many days are there in the month of {}?",
        "What number of days does {} have?",
    ],
};
const WHICH: Phrases = Phrases {
    train: &[
        "Say the {} month.",
        "Which month of the year is the {}?",
        "What month is the {} of the year?",
        "Tell me which month is the {} one.",
        "What is the {} month of the year?",
        "Which month is the {} one?",
        "What is the {} month?",
        "Name the {} month of the year.",
        "Which is the {} month?",
        "Which month is the {} of the year?",
        "The {} month of the year?",
        "Tell me the {} month.",
    ],
    held: &[
        "Which is the {} month of the year?",
        "Name the {} month.",
        "What month is the {} one?",
        "Tell me the {} month of the year.",
    ],
};
const WHOLE: &[(Phrases, &str)] = &[
    (
        Phrases {
            train: &[
                "How many days are in a week?",
                "How many days has a week?",
                "How many days does a week have?",
                "Say how many days a week has.",
                "How many days are there in one week?",
                "One week has how many days?",
                "How long is a week?",
                "Days in a week?",
            ],
            held: &[
                "How many days are there in a week?",
                "A week has how many days?",
                "Tell me how many days a week has.",
            ],
        },
        "A week has 7 days.",
    ),
    (
        Phrases {
            train: &[
                "How many months are in a year?",
                "How many months has a year?",
                "How many months does a year have?",
                "Say how many months a year has.",
                "How many months are there in one year?",
                "One year has how many months?",
                "Months in a year?",
            ],
            held: &[
                "How many months are there in a year?",
                "A year has how many months?",
                "Tell me how many months a year has.",
            ],
        },
        "A year has 12 months.",
    ),
    (
        Phrases {
            train: &[
                "How many days are in a year?",
                "How many days has a year?",
                "How many days does a year have?",
                "Say how many days a year has.",
                "How many days are there in one year?",
                "One year has how many days?",
                "How long is a year?",
                "Days in a year?",
            ],
            held: &[
                "How many days are there in a year?",
                "A year has how many days?",
                "Tell me how many days a year has.",
            ],
        },
        "A year has 365 days, a leap year 366.",
    ),
    (
        Phrases {
            train: &[
                "Name the days of the week.",
                "What are the days of the week?",
                "List the weekdays.",
                "Tell me the weekdays.",
                "Say the days of the week.",
                "Which are the weekdays?",
                "Name all days of the week.",
                "Which days has a week?",
                "List the days of the week.",
            ],
            held: &["Tell me the days of the week.", "Which are the days of the week?", "Name the weekdays."],
        },
        "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday.",
    ),
    (
        Phrases {
            train: &[
                "Name the months of the year.",
                "What are the months of the year?",
                "List the months.",
                "Tell me the months.",
                "Say the months of the year.",
                "Which are the months?",
                "Name all months of the year.",
                "Which months has a year?",
                "Name all months.",
            ],
            held: &["Tell me the months of the year.", "Which are the months of the year?", "Name the months."],
        },
        "January, February, March, April, May, June, July, August, September, October, November, December.",
    ),
];

/// A question about weekdays or months.
pub(in crate::families) fn fact(random: &mut Random, split: Split) -> Dialogue {
    let (question, answer) = match random.below(10) {
        0..=5 => neighbours(random, split),
        6 | 7 => {
            let (month, days) = *random.choose(&MONTHS);
            (LENGTH.pick(random, split).replace("{}", month), format!("{month} has {days} days."))
        }
        8 => {
            let number = random.below(12);
            let question = WHICH.pick(random, split).replace("{}", ORDINALS[number]);
            (question, format!("The {} month is {}.", ORDINALS[number], MONTHS[number].0))
        }
        _ => {
            let (phrases, answer) = random.choose(WHOLE);
            (phrases.pick(random, split).to_owned(), (*answer).to_owned())
        }
    };
    Dialogue::new(typed(random, split, &question), answer)
}

fn neighbours(random: &mut Random, split: Split) -> (String, String) {
    let month = random.once_in(2);
    let all: Vec<&str> = if month { MONTHS.iter().map(|(name, _)| *name).collect() } else { DAYS.to_vec() };
    let (here, after) = (random.below(all.len()), random.once_in(2));
    let step = if after { 1 } else { all.len() - 1 };
    let there = all[(here + step) % all.len()];
    let phrases = if after { AFTER } else { BEFORE };
    let question =
        phrases.pick(random, split).replace("{unit}", if month { "month" } else { "day" }).replace("{}", all[here]);
    (question, format!("{there} comes {} {}.", if after { "after" } else { "before" }, all[here]))
}
