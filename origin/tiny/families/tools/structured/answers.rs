//! Answers whose form somebody says: in words beside the text, or by a schema that the prompt does not show.

use super::field::{Field, Holds, Writer, written};
use super::things::{self, Thing};
use crate::dialogue::{Dialogue, Phrases, Split};
use crate::random::Random;
use serde_json::json;

/// `{}` is the text, `{k}` the members.
const ORDER: Phrases = Phrases {
    train: &[
        "{} Answer in JSON with the keys {k}.",
        "{} Reply with JSON: {k}.",
        "{} Give me JSON with {k}.",
        "{} Write it as JSON with the members {k}.",
        "Answer in JSON with the keys {k}. {}",
        "As JSON with {k}: {}",
        "Extract {k} as JSON: {}",
        "JSON with the keys {k}, please: {}",
        "Return a JSON object with {k}. {}",
        "{}\nReturn JSON with the keys {k}.",
        "{}\nUse the keys {k} and answer in JSON.",
        "Write JSON. The keys are {k}. The text: {}",
        "{} As a JSON object with the fields {k}.",
        "Please turn this into JSON with {k}: {}",
    ],
    held: &[
        "{} Please answer in JSON with the keys {k}.",
        "Give me JSON with the keys {k}: {}",
        "{} Return JSON with {k}.",
        "Write this as JSON with the keys {k}: {}",
        "{}\nReply with a JSON object with the keys {k}.",
    ],
};
/// `{s}` is a schema or the form of an object.
const SCHEMA: Phrases = Phrases {
    train: &[
        "Answer with JSON that follows this schema: {s}",
        "The answer has to be JSON of this schema:\n{s}",
        "Write what the text says as JSON by the schema {s}",
        "Schema of the answer:\n{s}\nAnswer with one JSON object and nothing else.",
        "You write JSON objects. They follow this schema:\n\n{s}\n\nSay nothing else.",
        "Return only JSON. Its schema is {s}",
        "Fill in this form and return it as JSON:\n{s}",
    ],
    held: &[
        "Your answer is JSON that follows this schema:\n{s}",
        "Answer with one JSON object by this schema:\n{s}\nSay nothing else.",
        "Return JSON of the schema {s}",
    ],
};
/// What is asked where the prompt need not say what the form is.
const PLAIN: Phrases = Phrases {
    train: &[
        "{}",
        "{}",
        "{}",
        "Extract the data: {}",
        "What does this say? {}",
        "Read this: {}",
        "Extract what is said here: {}",
        "Get the facts: {}",
        "{} Fill in the form.",
        "Parse this: {}",
        "Turn this into data: {}",
        "Extract all from this text: {}",
        "{} Give me JSON.",
        "As JSON: {}",
        "Write this as JSON: {}",
    ],
    held: &["Extract the facts: {}", "{} Answer in JSON.", "Parse this text: {}", "Please read this: {}", "{}"],
};
/// System prompts in front of it.
const TASKS: Phrases = Phrases {
    train: &[
        "Extract the data.",
        "You extract data from texts.",
        "Extract what the user says.",
        "You are good at reading texts.",
        "Write down what the text tells.",
        "Read the text and fill in the form.",
        "You turn texts into data.",
        "Extract the information.",
    ],
    held: &["Extract the facts.", "You read texts and extract data.", "Turn the text into data."],
};

/// JSON with the members that the question names, or by a schema that it shows.
pub(crate) fn by_order(random: &mut Random, split: Split) -> Dialogue {
    let Thing { class, text, fields, .. } = things::any(random, split);
    let answer = written(&fields);
    let mut dialogue = if random.once_in(3) {
        let schema = match random.once_in(4) {
            true => outline(&fields),
            false => Writer::any(random).schema(class, &fields).to_string(),
        };
        let told = SCHEMA.pick(random, split).replace("{s}", &schema);
        match random.once_in(3) {
            true => Dialogue::new(format!("{text}\n{told}"), answer),
            false => Dialogue::new(text, answer).with_system(told),
        }
    } else {
        let keys = keys(random, &fields);
        Dialogue::new(ORDER.pick(random, split).replace("{k}", &keys).replace("{}", &text), answer)
    };
    dialogue.thinking_off = random.once_in(2);
    dialogue.form = Some(json!({"type": "json_object"}));
    dialogue
}

/// JSON by a schema that only the grammar knows: what the members are called tells what is to stand in them.
pub(crate) fn by_schema(random: &mut Random, split: Split) -> Dialogue {
    let Thing { class, text, thought, fields } = things::any(random, split);
    let mut dialogue = Dialogue::new(PLAIN.pick(random, split).replace("{}", &text), written(&fields));
    dialogue.thinking_off = random.once_in(2);
    if !dialogue.thinking_off && random.once_in(2) {
        // It need not think, and must know what to do if it does.
        dialogue.answer = format!("<think>\n{thought}\n</think>\n\n{}", dialogue.answer);
    }
    if random.once_in(3) {
        dialogue = dialogue.with_system(TASKS.pick(random, split));
    }
    let schema = Writer::any(random).schema(class, &fields);
    dialogue.form =
        Some(json!({"type": "json_schema", "json_schema": {"name": class, "schema": schema, "strict": true}}));
    dialogue
}

/// The members' names in words, where they hold no others; else their outline.
fn keys(random: &mut Random, fields: &[Field]) -> String {
    let is_flat = fields.iter().all(|field| !field.holds.kind().contains("object"));
    if !is_flat {
        return outline(fields);
    }
    let quote = random.once_in(3);
    let typed = random.once_in(5);
    let name = |field: &Field| {
        let name = if quote { format!("\"{}\"", field.key) } else { field.key.clone() };
        if typed { format!("{name} ({})", field.holds.kind()) } else { name }
    };
    let names: Vec<String> = fields.iter().map(name).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() && !random.once_in(4) => format!("{} and {last}", rest.join(", ")),
        _ => names.join(", "),
    }
}

/// An object with types in the place of what it holds.
fn outline(fields: &[Field]) -> String {
    let member = |field: &Field| {
        let inner = match &field.holds {
            Holds::Object(fields) => outline(fields),
            Holds::Objects(all) => format!("[{}]", outline(all.first().map(Vec::as_slice).unwrap_or_default())),
            other => other.kind().to_owned(),
        };
        format!("\"{}\": {inner}", field.key)
    };
    format!("{{{}}}", fields.iter().map(member).collect::<Vec<_>>().join(", "))
}
