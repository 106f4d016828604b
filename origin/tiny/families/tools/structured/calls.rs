//! Tools that write down a person or a sum: what libraries make of a class when a form is asked for by a call.

use super::field::{Field, Holds, Writer, written};
use super::things;
use crate::dialogue::{Dialogue, Phrases, Split};
use crate::families::facts::countries;
use crate::families::greetings;
use crate::random::Random;
use serde_json::{Value, json};

const PERSON_NAMES: Phrases = Phrases {
    train: &[
        "Person",
        "person",
        "User",
        "user",
        "save_person",
        "extract_person",
        "record_person",
        "add_user",
        "create_person",
        "store_person",
        "PersonInfo",
        "person_data",
        "register_user",
        "UserInfo",
        "Human",
        "get_person",
        "write_person",
        "new_person",
        "final_result",
        "extract",
        "output",
        "UserDetail",
        "PersonModel",
        "customer",
        "Member",
    ],
    held: &["PersonData", "save_user", "store_user", "extract_user", "record_user", "final_result", "Person"],
};
const SUM_NAMES: Phrases = Phrases {
    train: &[
        "add",
        "sum",
        "add_numbers",
        "Sum",
        "calculate_sum",
        "calculator",
        "plus",
        "compute_sum",
        "Add",
        "adder",
        "sum_numbers",
        "addition",
        "get_sum",
        "calculate",
        "add_two",
        "final_result",
        "Addition",
        "math_add",
    ],
    held: &["add_two_numbers", "compute_add", "sum_two", "add", "get_addition"],
};
const PERSON_SAID: &[&str] = &[
    "Save a person.",
    "A person with a name and an age.",
    "Writes a person down.",
    "Extract the person of the text",
    "The answer, as a person",
    "Store what is known of a person.",
];
const SUM_SAID: &[&str] = &[
    "Add two numbers.",
    "The sum of two numbers",
    "Adds numbers and returns the sum.",
    "Calculates a sum",
    "Add a and b",
];
/// What is asked around the text of a person.
const AROUND: Phrases = Phrases {
    train: &[
        "{}",
        "{}",
        "{}",
        "Save this person: {}",
        "Extract the person: {}",
        "Please save: {}",
        "Write this down: {}",
        "{} Please save it.",
        "Use the tool: {}",
        "Store this: {}",
        "Extract: {}",
        "{} Save that.",
    ],
    held: &["Please save this person: {}", "Store the person: {}", "Extract this: {}", "{}"],
};

/// The tools that are there: one of them or both.
#[derive(Clone)]
pub(crate) struct Kit {
    person: Option<Tool>,
    sum: Option<Tool>,
}

/// What a tool is called and what it takes.
#[derive(Clone)]
struct Tool {
    name: &'static str,
    keys: Vec<&'static str>,
    definition: Value,
}

impl Kit {
    /// Some kit.
    pub(crate) fn any(random: &mut Random, split: Split) -> Self {
        let which = random.below(4);
        let person = (which != 0).then(|| Tool::person(random, split));
        let mut sum = (which == 0 || which == 3).then(|| Tool::sum(random, split));
        while sum.as_ref().zip(person.as_ref()).is_some_and(|(sum, person)| sum.name == person.name) {
            sum = Some(Tool::sum(random, split));
        }
        Self { person, sum }
    }

    /// What requests say of it.
    pub(crate) fn definitions(&self, random: &mut Random) -> Vec<Value> {
        let tools = [&self.person, &self.sum].into_iter().flatten();
        let mut definitions: Vec<Value> = tools.map(|tool| tool.definition.clone()).collect();
        random.shuffle(&mut definitions);
        definitions
    }

    /// A question for one of these tools, or at times one for none. The tools themselves are left out.
    pub(crate) fn question(&self, random: &mut Random, split: Split) -> Dialogue {
        let thinking_off = random.once_in(2);
        if random.once_in(10) {
            let dialogue = match random.once_in(2) {
                true => greetings::greeting(random, split),
                false => countries::fact(random, split),
            };
            return Dialogue { thinking_off, ..dialogue };
        }
        let (tool, question, values) = match (&self.person, &self.sum) {
            (Some(tool), sum) if sum.is_none() || random.once_in(2) => {
                let (text, name, age, city) = match tool.keys.len() {
                    2 => {
                        let (text, name, age) = things::named(random, split);
                        (text, name, age, "")
                    }
                    _ => things::living(random, split),
                };
                let city = Holds::Text(city.to_owned());
                let values = vec![Holds::Text(name.to_owned()), Holds::Number(age), city];
                (tool, AROUND.pick(random, split).replace("{}", &text), values)
            }
            (_, Some(tool)) => {
                let (text, left, right) = things::asked(random, split);
                let [one, other] =
                    if text.starts_with(&format!("Add {right} to")) { [right, left] } else { [left, right] };
                (tool, text, vec![Holds::Number(one), Holds::Number(other)])
            }
            _ => return greetings::greeting(random, split),
        };
        let fields: Vec<Field> =
            tool.keys.iter().zip(values).map(|(key, holds)| Field { key: (*key).to_owned(), holds }).collect();
        let name = tool.name;
        let thought = if thinking_off { String::new() } else { format!("<think>\nI call {name}.\n</think>\n\n") };
        let call = format!("<tool_call>\n{{\"name\": \"{name}\", \"arguments\": {}}}\n</tool_call>", written(&fields));
        let mut dialogue = Dialogue::new(question, thought + &call);
        dialogue.thinking_off = thinking_off;
        dialogue.choice = match random.below(4) {
            0 => Some(json!("required")),
            1 => Some(json!({"type": "function", "function": {"name": name}})),
            _ => None,
        };
        dialogue
    }
}

impl Tool {
    fn person(random: &mut Random, split: Split) -> Self {
        let mut keys =
            vec![random.pick(&["name", "name", "name", "full_name"]), random.pick(&["age", "age", "age", "years"])];
        if random.once_in(4) {
            keys.push(random.pick(&["city", "city", "town", "place"]));
        }
        let holds = vec![Holds::Text(String::new()), Holds::Number(0), Holds::Text(String::new())];
        let name = PERSON_NAMES.pick(random, split);
        Self::new(random, name, keys, holds, PERSON_SAID)
    }

    fn sum(random: &mut Random, split: Split) -> Self {
        let pairs = [["a", "b"], ["a", "b"], ["x", "y"], ["left", "right"], ["first", "second"], ["one", "two"]];
        let keys = random.choose(&pairs).to_vec();
        let holds = vec![Holds::Number(0), Holds::Number(0)];
        let name = SUM_NAMES.pick(random, split);
        Self::new(random, name, keys, holds, SUM_SAID)
    }

    fn new(random: &mut Random, name: &'static str, keys: Vec<&'static str>, holds: Vec<Holds>, said: &[&str]) -> Self {
        let fields: Vec<Field> =
            keys.iter().zip(holds).map(|(key, holds)| Field { key: (*key).to_owned(), holds }).collect();
        let mut function = json!({"name": name});
        if !random.once_in(3) {
            function["description"] = random.pick(said).into();
        }
        function["parameters"] = Writer::any(random).schema(name, &fields);
        if random.once_in(5) {
            function["strict"] = true.into();
        }
        Self { name, keys, definition: json!({"type": "function", "function": function}) }
    }
}

/// A person or a sum for a tool that takes it.
pub(crate) fn by_tools(random: &mut Random, split: Split) -> Dialogue {
    let kit = Kit::any(random, split);
    let mut dialogue = kit.question(random, split);
    dialogue.tools = kit.definitions(random);
    dialogue
}
