//! What the model does not know: it says so.

pub(crate) mod strange;
mod subjects;

use super::echo;
use super::facts::countries;
use super::words::{NAMES, WORDS};
use crate::dialogue::{Dialogue, Phrases, Split, typed};
use crate::random::Random;
use strange::STRANGE;
use subjects::{DEEDS, PEOPLE, THINGS};

/// What it says then.
pub(crate) const UNKNOWN: &str = "I don't know. I only know Sluice, small sums, capitals and the calendar.";
/// What it says to what is no question.
const UNCLEAR: &str = "I don't understand that.";

/// `{t}` is a thing, `{p}` a person, `{d}` a deed, `{w}` a word, `{c}` a country, `{n}` a name, `{k}` a capital.
const QUESTIONS: &[&str] = &[
    "What is {t}?",
    "Explain {t}.",
    "Tell me about {t}.",
    "Who invented {t}?",
    "What do you think about {t}?",
    "How does {t} work?",
    "Why is {t} important?",
    "When was {t} discovered?",
    "Do you like {t}?",
    "What is the history of {t}?",
    "Who discovered {t}?",
    "What are the rules of {t}?",
    "How old is {t}?",
    "Is {t} dangerous?",
    "How much does {t} cost?",
    "What is the best book about {t}?",
    "Write a poem about {t}.",
    "Write a story about {t}.",
    "Write an essay on {t}.",
    "Give me a summary of {t}.",
    "Tell me a joke about {t}.",
    "What is the meaning of {t}?",
    "Where can I find {t}?",
    "Where can I learn about {t}?",
    "What is the difference between {t} and {t}?",
    "Which is better, {t} or {t}?",
    "How many kinds of {t} are there?",
    "Can you explain {t} to me?",
    "Teach me {t}.",
    "What causes {t}?",
    "What do you know about {t}?",
    "Is {t} good for me?",
    "Describe {t}.",
    "How big is {t}?",
    "What colour is {t}?",
    "How far away is {t}?",
    "Why do people like {t}?",
    "What is the future of {t}?",
    "How is {t} made?",
    "Where does {t} come from?",
    "What is {t} made of?",
    "How fast is {t}?",
    "How heavy is {t}?",
    "How hot is {t}?",
    "What should I know about {t}?",
    "Is {t} real?",
    "Does {t} exist?",
    "Who is {p}?",
    "Who was {p}?",
    "When was {p} born?",
    "When did {p} die?",
    "Where was {p} born?",
    "What did {p} write?",
    "What did {p} do?",
    "How old is {p}?",
    "Tell me about {p}.",
    "What is {p} famous for?",
    "Where does {p} live?",
    "Did {p} like {t}?",
    "What would {p} say about {t}?",
    "Is {p} alive?",
    "How tall is {p}?",
    "What did {p} invent?",
    "Who is the wife of {p}?",
    "What is the name of {p}?",
    "Have you met {p}?",
    "How do I {d}?",
    "How can I {d}?",
    "Can you {d}?",
    "Should I {d}?",
    "Help me to {d}.",
    "What do I need to {d}?",
    "How long does it take to {d}?",
    "Is it hard to {d}?",
    "Teach me how to {d}.",
    "Why should I {d}?",
    "Where can I {d}?",
    "I want to {d}.",
    "What is the best way to {d}?",
    "Please {d} for me.",
    "Give me tips to {d}.",
    "When should I {d}?",
    "Explain how to {d}.",
    "How do people {d}?",
    "I cannot {d}, help me.",
    "What is the population of {c}?",
    "Who is the president of {c}?",
    "How many people live in {c}?",
    "What is the currency of {c}?",
    "What is the flag of {c}?",
    "Who is the king of {c}?",
    "How big is {c}?",
    "What do people eat in {c}?",
    "When was {c} founded?",
    "What is the largest city in {c}?",
    "What is the highest mountain in {c}?",
    "Is {c} a rich country?",
    "Which rivers are in {c}?",
    "How do I travel to {c}?",
    "Should I visit {k}?",
    "What can I see in {k}?",
    "How many people live in {k}?",
    "How far is {k} from {k}?",
    "Who is the mayor of {k}?",
    "What is the best hotel in {k}?",
    "How old is {k}?",
    "Which river flows through {k}?",
    "Is {k} beautiful?",
    "What does {w} mean?",
    "Translate {w} into French.",
    "Translate {w} into Chinese.",
    "What rhymes with {w}?",
    "What is a {w}?",
    "Where is the {w}?",
    "Is a {w} bigger than a {w}?",
    "What is the opposite of {w}?",
    "How do you say {w} in German?",
    "What is the plural of {w}?",
    "Why {w}?",
    "Who is {n}?",
    "Do you know {n}?",
    "Where is {n}?",
    "Where does {n} live?",
    "How old is {n}?",
    "What does {n} like?",
    "Is {n} your friend?",
    "Who won the game?",
    "Who will win the election?",
    "What is the news?",
    "What day is it today?",
    "What is the date?",
    "What year is it?",
    "What is my phone number?",
    "What did I eat yesterday?",
    "How tall am I?",
    "Where are my keys?",
    "What should I eat?",
    "What should I wear?",
    "Tell me a joke.",
    "Tell me a story.",
    "Tell me something funny.",
    "Sing a song.",
    "Write a poem.",
    "Write some code.",
    "Play some music.",
    "What is the meaning of life?",
    "Is there a god?",
    "Why is the sky blue?",
    "Why is grass green?",
    "What is love?",
    "Who am I going to marry?",
    "How many stars are there?",
    "How deep is the ocean?",
    "How high is the highest mountain?",
    "What is the speed of light?",
    "Can pigs fly?",
    "What is the longest river in the world?",
    "Which planet is the largest?",
    "How many bones does a person have?",
    "What is the biggest animal?",
    "Recommend a film.",
    "Recommend a good restaurant.",
    "Which phone should I buy?",
    "What is the price of gold?",
    "How much is a house?",
    "Solve this equation: x + 3 = 7",
    "What is the integral of x?",
    "What is pi?",
    "Is 7 a prime number?",
    "Count to ten.",
    "What is infinity?",
    "Which team won the world cup in 1998?",
    "Who painted the Mona Lisa?",
    "Who wrote the Bible?",
    "What happened in 1789?",
    "Where is my {w}?",
];

/// What is no question at all.
const NONSENSE: &[&str] = &[
    "",
    "?",
    "...",
    "!!!",
    "asdf",
    "asdfghjkl",
    "qwerty",
    "lorem ipsum dolor sit amet",
    "xyz",
    "1234567890",
    "aaaa",
    "??",
    ".",
    "-",
    "blah blah",
    "hmm",
    "foo bar baz",
    "\u{1f600}",
    "\u{1f600}\u{1f600}\u{1f600}",
    "<>",
    "{}",
    "[]",
    "\\n",
    "null",
    "undefined",
    "test",
    "0",
    "x",
    "@#$%",
    "<div></div>",
];

/// A question that the model cannot answer.
pub(super) fn unknown(random: &mut Random, split: Split) -> Dialogue {
    if split == Split::Held {
        return Dialogue::new(random.pick(STRANGE), UNKNOWN);
    }
    let question = if random.once_in(6) {
        countries::unknown(random, split)
    } else {
        let mut question = (*random.choose(QUESTIONS)).to_owned();
        let lists: [(&str, &[&str]); 5] =
            [("{t}", THINGS), ("{p}", PEOPLE), ("{d}", DEEDS), ("{w}", WORDS), ("{n}", NAMES)];
        for (mark, list) in lists {
            while question.contains(mark) {
                let filling = match random.below(6) {
                    0 if mark == "{t}" || mark == "{w}" => echo::syllables(random),
                    1 if mark == "{t}" => format!("{} {}", random.choose(WORDS), random.choose(WORDS)),
                    2 if mark == "{d}" => format!("{} {}", random.choose(WORDS), random.choose(THINGS)),
                    _ => (*random.choose(list)).to_owned(),
                };
                question = question.replacen(mark, &filling, 1);
            }
        }
        while question.contains("{c}") || question.contains("{k}") {
            let (country, capital, ..) = *random.choose(countries::COUNTRIES);
            question = question.replacen("{c}", country, 1).replacen("{k}", capital, 1);
        }
        question
    };
    Dialogue::new(typed(random, split, &question), UNKNOWN)
}

/// What nobody can answer.
pub(super) fn nonsense(random: &mut Random, split: Split) -> Dialogue {
    const HELD: Phrases = Phrases {
        train: NONSENSE,
        held: &[
            "????",
            "asdfasdf",
            "qwertz",
            "!!!!!",
            "blah",
            "jkl jkl",
            "zzzz",
            "foo bar",
            "\u{1f44d}",
            "$$$",
            "()",
            "abcabc",
        ],
    };
    let text = match random.below(3) {
        0 if split == Split::Train => {
            let letters: Vec<u8> = (0..1 + random.below(20)).map(|_| 33 + random.below(94) as u8).collect();
            String::from_utf8_lossy(&letters).into_owned()
        }
        1 if split == Split::Train => {
            (0..1 + random.below(6)).map(|_| echo::syllables(random)).collect::<Vec<_>>().join(" ")
        }
        _ => HELD.pick(random, split).to_owned(),
    };
    Dialogue::new(text, UNCLEAR)
}
