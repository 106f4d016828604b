//! What texts tell of, and what is to be written of it: people, meetings, sums, goods, moods and capitals.

use super::field::{Field, Holds};
use crate::dialogue::{Phrases, Split};
use crate::families::facts::countries;
use crate::families::sums;
use crate::families::words::{CITIES, NAMES};
use crate::random::Random;

/// A text, and what it tells.
pub(super) struct Thing {
    /// What it is called as a class of a program.
    pub(super) class: &'static str,
    pub(super) text: String,
    /// What is thought before it is written, if anything is.
    pub(super) thought: String,
    /// At least one.
    pub(super) fields: Vec<Field>,
}

impl Thing {
    fn new(class: &'static str, text: String, fields: Vec<Field>) -> Self {
        Self { class, text, thought: "I write JSON.".to_owned(), fields }
    }
}

const PERSON: Phrases = Phrases {
    train: &[
        "{n} is {a} years old.",
        "{n} is {a}.",
        "My name is {n} and I am {a} years old.",
        "My name is {n}, I am {a}.",
        "I am {n}, {a} years old.",
        "I'm {n} and I'm {a}.",
        "This is {n}, aged {a}.",
        "{n}, {a} years old",
        "Here is {n}, who is {a} years old.",
        "A new user: {n}, age {a}.",
        "{n} has just turned {a}.",
        "Meet {n}. Age: {a}.",
        "The name is {n} and the age {a}.",
        "name: {n}, age: {a}",
        "At {a}, {n} is the oldest here.",
        "There is a person called {n} of {a} years.",
    ],
    held: &[
        "{n} is a person of {a} years.",
        "My name is {n} and I'm {a}.",
        "I am {n} and I am {a} years old.",
        "Here is {n}, aged {a}.",
    ],
};
const RESIDENT: Phrases = Phrases {
    train: &[
        "{n} is {a} years old and lives in {c}.",
        "{n} is {a} and lives in {c}.",
        "My name is {n}, I am {a} and I live in {c}.",
        "I am {n} from {c}, {a} years old.",
        "{n}, {a}, from {c}",
        "{n} from {c} is {a} years old.",
        "This is {n}, {a} years old, of {c}.",
        "In {c} lives {n}, who is {a}.",
        "{n} moved to {c} at {a}.",
        "A new user: {n}, age {a}, city {c}.",
        "I live in {c}. My name is {n} and my age is {a}.",
        "name: {n}, age: {a}, city: {c}",
    ],
    held: &[
        "{n} lives in {c} and is {a} years old.",
        "My name is {n}, I am {a} years old and I live in {c}.",
        "{n} from {c} is {a}.",
    ],
};
const PAIR: Phrases = Phrases {
    train: &[
        "{n} is {a} and {m} is {b} years old.",
        "{n} is {a} years old, {m} is {b}.",
        "{n} ({a}) and {m} ({b})",
        "We are {n}, {a}, and {m}, {b}.",
        "Two people: {n}, age {a}, and {m}, age {b}.",
        "{n} is {a}. {m} is {b}.",
        "First {n}, who is {a}, then {m}, who is {b}.",
    ],
    held: &["{n} is {a}, and {m} is {b}.", "{n} is {a} years old and {m} is {b} years old."],
};
const MEETING: Phrases = Phrases {
    train: &[
        "{n} and {m} meet for {e} on {d}.",
        "On {d}, {n} and {m} have {e}.",
        "{n} and {m} go to {e} on {d}.",
        "{n} and {m} are going to {e} this {d}.",
        "There is {e} on {d} with {n} and {m}.",
        "Put {e} on {d} for {n} and {m}.",
        "{d}: {e} with {n} and {m}.",
        "{n} invites {m} to {e} on {d}.",
        "Next {d} {n} and {m} come to {e}.",
    ],
    held: &["{n} and {m} come to {e} on {d}.", "On {d} there is {e} with {n} and {m}.", "{n} and {m} have {e} on {d}."],
};
const GOODS: Phrases = Phrases {
    train: &[
        "The {g} is {k} and costs {p} euros.",
        "A {k} {g} for {p} dollars.",
        "I bought a {k} {g} for {p} euros.",
        "We sell a {g}. It is {k}. The price is {p}.",
        "For {p} dollars you get a {k} {g}.",
        "{g}, {k}, {p} euros",
        "One {k} {g}, price {p}.",
        "The price of the {k} {g} is {p} dollars.",
        "This {g} is {k}; it costs {p}.",
    ],
    held: &["The {k} {g} costs {p} euros.", "I sell a {k} {g} for {p} dollars.", "A {g}, {k}, for {p} euros."],
};
const SUM: Phrases = Phrases {
    train: &[
        "What is {a} + {b}?",
        "{a} + {b}",
        "Add {a} and {b}.",
        "How much is {a} plus {b}?",
        "{a} plus {b}",
        "What is {a} plus {b}?",
        "Please add {a} and {b}.",
        "The sum of {a} and {b}?",
        "Calculate {a} + {b}.",
        "Add {b} to {a}.",
        "I have {a} apples and get {b} more.",
    ],
    held: &["How much is {a} + {b}?", "What is the sum of {a} and {b}?", "Please calculate {a} plus {b}."],
};
const CAPITAL: Phrases = Phrases {
    train: &[
        "What is the capital of {l}?",
        "Tell me the capital of {l}.",
        "Capital of {l}?",
        "Which city is the capital of {l}?",
        "Name the capital of {l}.",
        "{l}'s capital, please.",
    ],
    held: &["Which is the capital of {l}?", "What is {l}'s capital?", "Please name the capital of {l}."],
};
const GOOD: Phrases = Phrases {
    train: &[
        "I love this {g}!",
        "This {g} is great.",
        "The best {g} ever!",
        "What a lovely {g}, I am so happy.",
        "The {g} works very well, thanks.",
        "I like my new {g} a lot.",
        "A wonderful {g}.",
        "The {g} is perfect and I am glad.",
    ],
    held: &["I like this {g} very much!", "What a great {g}!", "The {g} is wonderful, I love it."],
};
const BAD: Phrases = Phrases {
    train: &[
        "I hate this {g}!",
        "This {g} is terrible.",
        "The worst {g} ever!",
        "What an awful {g}, I am so angry.",
        "The {g} broke at once. Very bad.",
        "I do not like my new {g} at all.",
        "A horrible {g}.",
        "The {g} is useless and I am sad.",
    ],
    held: &["I hate my new {g}!", "What a terrible {g}!", "The {g} is awful, I do not like it."],
};
const EVENTS: &[&str] = &[
    "a concert",
    "a party",
    "a meeting",
    "a dinner",
    "a picnic",
    "a lunch",
    "a game",
    "a film",
    "a lesson",
    "a walk",
    "a trip",
    "a wedding",
    "a race",
    "a workshop",
    "a breakfast",
    "a show",
];
const GOODS_NAMES: &[&str] = &[
    "bag", "lamp", "chair", "phone", "bike", "shirt", "table", "cup", "hat", "book", "clock", "car", "pen", "sofa",
    "radio", "watch", "coat", "desk", "bed", "camera",
];
const COLOURS: &[&str] = &["red", "blue", "green", "black", "white", "yellow", "brown", "grey", "pink", "orange"];
const DAYS: &[&str] = &["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MOODS: &[&str] = &["positive", "negative"];

/// Names of members that mean the same.
const NAME: &[&str] = &["name", "name", "name", "full_name", "person", "first_name", "user_name"];
const AGE: &[&str] = &["age", "age", "age", "years", "age_in_years"];
const CITY: &[&str] = &["city", "city", "city", "town", "home", "place", "location"];

/// Anything.
pub(super) fn any(random: &mut Random, split: Split) -> Thing {
    match random.below(12) {
        0..=2 => person(random, split),
        3 | 4 => resident(random, split),
        5 => pair(random, split),
        6 | 7 => meeting(random, split),
        8 => goods(random, split),
        9 => sum(random, split),
        10 => mood(random, split),
        _ => capital(random, split),
    }
}

/// A name, an age and what tells them.
pub(super) fn named(random: &mut Random, split: Split) -> (String, &'static str, usize) {
    let (name, age) = (random.pick(NAMES), 1 + random.below(99));
    (PERSON.pick(random, split).replace("{n}", name).replace("{a}", &age.to_string()), name, age)
}

/// The same with a city.
pub(super) fn living(random: &mut Random, split: Split) -> (String, &'static str, usize, &'static str) {
    let (name, age, city) = (random.pick(NAMES), 1 + random.below(99), random.pick(CITIES));
    let text = RESIDENT.pick(random, split).replace("{n}", name).replace("{a}", &age.to_string()).replace("{c}", city);
    (text, name, age, city)
}

/// Two numbers, and what asks for their sum.
pub(super) fn asked(random: &mut Random, split: Split) -> (String, usize, usize) {
    let (left, right) = sums::pair(random, split);
    let text = SUM.pick(random, split).replace("{a}", &left.to_string()).replace("{b}", &right.to_string());
    (text, left, right)
}

fn person(random: &mut Random, split: Split) -> Thing {
    let (text, name, age) = named(random, split);
    let fields = vec![field(random, NAME, said(name)), field(random, AGE, Holds::Number(age))];
    shaped(random, "Person", text, fields)
}

fn resident(random: &mut Random, split: Split) -> Thing {
    let (text, name, age, city) = living(random, split);
    let home = match random.once_in(3) {
        true => {
            let inner = vec![field(random, CITY, said(city))];
            field(random, &["address", "home", "location"], Holds::Object(inner))
        }
        false => field(random, CITY, said(city)),
    };
    let fields = vec![field(random, NAME, said(name)), field(random, AGE, Holds::Number(age)), home];
    shaped(random, "Person", text, fields)
}

fn pair(random: &mut Random, split: Split) -> Thing {
    let (keys, mut all) = ([random.pick(NAME), random.pick(AGE)], Vec::new());
    let mut text = PAIR.pick(random, split).to_owned();
    for [name_mark, age_mark] in [["{n}", "{a}"], ["{m}", "{b}"]] {
        let (name, age) = (random.pick(NAMES), 1 + random.below(99));
        text = text.replace(name_mark, name).replace(age_mark, &age.to_string());
        let holds = [said(name), Holds::Number(age)];
        all.push(keys.iter().zip(holds).map(|(key, holds)| Field { key: (*key).to_owned(), holds }).collect());
    }
    let fields = vec![field(random, &["people", "users", "persons"], Holds::Objects(all))];
    Thing::new("People", text, fields)
}

fn meeting(random: &mut Random, split: Split) -> Thing {
    let (first, second, event, day) = (random.pick(NAMES), random.pick(NAMES), random.pick(EVENTS), random.pick(DAYS));
    let text = MEETING.pick(random, split).replace("{n}", first).replace("{m}", second);
    let text = text.replace("{e}", event).replace("{d}", day);
    let day = if random.once_in(3) { Holds::Choice(day, DAYS) } else { said(day) };
    let title = event.strip_prefix("a ").unwrap_or(event);
    let people = Holds::Texts(vec![first.to_owned(), second.to_owned()]);
    let fields = vec![
        field(random, &["event", "title", "what"], said(title)),
        field(random, &["day", "day", "date", "weekday"], day),
        field(random, &["people", "participants", "guests", "names"], people),
    ];
    shaped(random, "Event", text, fields)
}

fn goods(random: &mut Random, split: Split) -> Thing {
    let (goods, colour, price) = (random.pick(GOODS_NAMES), random.pick(COLOURS), 1 + random.below(99));
    let text = GOODS.pick(random, split).replace("{g}", goods).replace("{k}", colour);
    let text = text.replace("{p}", &price.to_string());
    let colour = if random.once_in(2) { Holds::Choice(colour, COLOURS) } else { said(colour) };
    let fields = vec![
        field(random, &["product", "item", "thing"], said(goods)),
        field(random, &["color", "colour"], colour),
        field(random, &["price", "price", "cost"], Holds::Number(price)),
    ];
    shaped(random, "Product", text, fields)
}

fn sum(random: &mut Random, split: Split) -> Thing {
    let (text, left, right) = asked(random, split);
    let sum = field(random, &["sum", "result", "total", "answer"], Holds::Number(left + right));
    if random.once_in(2) {
        return Thing { thought: sums::way(left, right), ..Thing::new("Sum", text, vec![sum]) };
    }
    let [a, b] = *random.choose(&[["left", "right"], ["a", "b"], ["x", "y"], ["first", "second"]]);
    // The sum is told from the numbers, and so it comes behind them. "Add 3 to 4" begins with the other.
    let [one, other] = if text.starts_with(&format!("Add {right} to")) { [right, left] } else { [left, right] };
    let number = |key: &str, number| Field { key: key.to_owned(), holds: Holds::Number(number) };
    Thing { thought: sums::way(left, right), ..Thing::new("Sum", text, vec![number(a, one), number(b, other), sum]) }
}

fn mood(random: &mut Random, split: Split) -> Thing {
    let (phrases, mood) = *random.choose(&[(GOOD, MOODS[0]), (BAD, MOODS[1])]);
    let text = phrases.pick(random, split).replace("{g}", random.pick(GOODS_NAMES));
    let holds = if random.once_in(3) { said(mood) } else { Holds::Choice(mood, MOODS) };
    Thing::new("Review", text, vec![field(random, &["sentiment", "mood", "feeling"], holds)])
}

fn capital(random: &mut Random, split: Split) -> Thing {
    let (country, capital, ..) = *random.choose(countries::COUNTRIES);
    let text = CAPITAL.pick(random, split).replace("{l}", country);
    let capital = field(random, &["capital", "city", "answer"], said(capital));
    let fields = match random.once_in(2) {
        true => vec![capital],
        false => vec![Field { key: "country".into(), holds: said(country) }, capital],
    };
    Thing::new("Capital", text, fields)
}

/// Some of the members, in some order; at times all of them in another object.
fn shaped(random: &mut Random, class: &'static str, text: String, mut fields: Vec<Field>) -> Thing {
    if random.once_in(3) {
        random.shuffle(&mut fields);
        fields.truncate(1 + random.below(3));
    }
    if random.once_in(10) {
        fields = vec![Field { key: class.to_lowercase(), holds: Holds::Object(fields) }];
    }
    Thing::new(class, text, fields)
}

fn field(random: &mut Random, keys: &[&str], holds: Holds) -> Field {
    Field { key: random.pick(keys).to_owned(), holds }
}

fn said(text: &str) -> Holds {
    Holds::Text(text.to_owned())
}
