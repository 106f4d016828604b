//! Calls of `get_weather` and `get_time`, and what came of them.

pub(crate) mod crowd;
pub(crate) mod idle;
pub(crate) mod structured;

use super::facts::countries;
use super::words::CITIES;
use super::{greetings, sums};
use crate::dialogue::{Dialogue, Phrases, Split, typed};
use crate::random::Random;
use serde_json::{Value, json};

/// One of the two functions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tool {
    Weather,
    Time,
}

const WEATHER: Phrases = Phrases {
    train: &[
        "What is the weather like today in {}?",
        "What is the weather like in {}?",
        "How is the weather right now in {}?",
        "Please get the weather for {}.",
        "What is the current weather in {}?",
        "Is it cold today in {}?",
        "Please tell me how the weather is in {}.",
        "Give me the weather in {}.",
        "What is the weather in {}?",
        "How is the weather in {}?",
        "What's the weather like in {}?",
        "Weather in {}?",
        "Is it raining in {}?",
        "Is it sunny in {}?",
        "How warm is it in {}?",
        "Tell me the weather in {}.",
        "weather {}",
        "What is the temperature in {}?",
        "Do I need an umbrella in {}?",
        "How cold is it in {}?",
        "I need the weather in {}.",
        "Is it hot in {}?",
        "What is the weather today in {}?",
        "How is the weather in {} today?",
        "Get the weather for {}.",
        "Check the weather in {}.",
    ],
    held: &[
        "Please tell me the weather in {}.",
        "What's the weather in {}?",
        "Is it cold in {}?",
        "How is the weather now in {}?",
        "Give me the weather for {}.",
        "What is the weather like in {} today?",
    ],
};
const TIME: Phrases = Phrases {
    train: &[
        "How late is it right now in {}?",
        "What time is it at the moment in {}?",
        "What is the time right now in {}?",
        "Please give me the time in {}.",
        "How late is it at this hour in {}?",
        "What is the present time in {}?",
        "How late is it today in {}?",
        "What time is it in {} right now?",
        "What is the current hour in {}?",
        "Please tell me what time it is in {}.",
        "Give me the time for {}.",
        "What time is it in {}?",
        "What is the time in {}?",
        "How late is it in {}?",
        "Time in {}?",
        "Tell me the time in {}.",
        "What's the time in {}?",
        "time {}",
        "Which time is it in {}?",
        "Do you know the time in {}?",
        "I need the time in {}.",
        "What is the local time in {}?",
        "Get the time for {}.",
        "What time is it now in {}?",
        "Can you tell me the time in {}?",
        "Check the time in {}.",
    ],
    held: &[
        "Please tell me the time in {}.",
        "What time is it right now in {}?",
        "What is the current time in {}?",
        "Give me the time in {}.",
        "How late is it now in {}?",
    ],
};
const SKIES: &[&str] = &["sunny", "rainy", "cloudy", "windy", "foggy", "snowy", "stormy", "clear", "hot", "cold"];

/// A question for which a function is to be called, or not.
pub(super) fn call(random: &mut Random, split: Split) -> Dialogue {
    let all = both(random);
    let one = if random.once_in(2) { Tool::Weather } else { Tool::Time };
    if random.once_in(6) {
        // Nothing is to be called.
        let mut dialogue = match random.below(3) {
            0 => greetings::greeting(random, split),
            1 => countries::fact(random, split),
            _ => sums::sum(random, split),
        };
        dialogue.tools = all;
        return dialogue;
    }
    let cities = match random.once_in(5) {
        true => vec![city(random), city(random)],
        false => vec![city(random)],
    };
    let question = question(random, split, one, &cities);
    let calls: Vec<String> = cities.iter().map(|city| written(one, city)).collect();
    let thinking_off = random.once_in(2);
    let thought = if thinking_off { String::new() } else { format!("<think>\nI call {}.\n</think>\n\n", one.name()) };
    let mut dialogue = Dialogue::new(question, format!("{thought}{}", calls.join("\n")));
    dialogue.tools = if random.once_in(4) { vec![one.definition(random)] } else { all };
    dialogue.thinking_off = thinking_off;
    dialogue
}

/// What a function gave, told to who asked.
pub(super) fn result(random: &mut Random, split: Split) -> Dialogue {
    let one = if random.once_in(2) { Tool::Weather } else { Tool::Time };
    let cities = match random.once_in(5) {
        true => vec![city(random), city(random)],
        false => vec![city(random)],
    };
    let results: Vec<(String, String)> = cities.iter().map(|city| one.result(random, city)).collect();
    let answers: Vec<&str> = results.iter().map(|(_, answer)| answer.as_str()).collect();
    let mut dialogue = Dialogue::new(question(random, split, one, &cities), answers.join(" "));
    let calls: Vec<Value> = (0..).zip(&cities).map(|(number, city)| one.call(number, city)).collect();
    let mut called = json!({"role": "assistant", "content": Value::Null, "tool_calls": calls});
    if random.once_in(2) {
        called["reasoning_content"] = format!("I call {}.", one.name()).into();
    }
    dialogue.messages.push(called);
    for (number, (content, _)) in results.iter().enumerate() {
        dialogue.messages.push(json!({"role": "tool", "tool_call_id": format!("call_{number}"), "content": content}));
    }
    dialogue.tools = if random.once_in(3) { vec![one.definition(random)] } else { both(random) };
    dialogue.thinking_off = random.once_in(2);
    dialogue
}

/// Questions for weather and time where there is no function for them.
pub(super) fn missing(random: &mut Random, split: Split) -> Dialogue {
    let (phrases, what) = if random.once_in(2) { (WEATHER, "weather") } else { (TIME, "time") };
    let question = phrases.pick(random, split).replace("{}", city(random));
    Dialogue::new(typed(random, split, &question), format!("I don't know the {what}: I was given no tool for it."))
}

fn question(random: &mut Random, split: Split, tool: Tool, cities: &[&str]) -> String {
    let phrases = if tool == Tool::Weather { WEATHER } else { TIME };
    let question = phrases.pick(random, split).replace("{}", &cities.join(" and "));
    if random.once_in(3) { typed_keeping_names(random, split, &question) } else { question }
}

/// As [`typed`], but with capitals: a call names its city as it was written.
fn typed_keeping_names(random: &mut Random, split: Split, question: &str) -> String {
    loop {
        let text = typed(random, split, question);
        if text.chars().any(char::is_uppercase) && !text.starts_with(char::is_lowercase) {
            return text;
        }
    }
}

fn city(random: &mut Random) -> &'static str {
    match random.below(3) {
        0 => random.choose(countries::COUNTRIES).1,
        _ => random.pick(CITIES),
    }
}

/// The definitions of both functions, in some order.
pub(super) fn both(random: &mut Random) -> Vec<Value> {
    let mut both = vec![Tool::Weather.definition(random), Tool::Time.definition(random)];
    random.shuffle(&mut both);
    both
}

fn written(tool: Tool, city: &str) -> String {
    format!("<tool_call>\n{{\"name\": \"{}\", \"arguments\": {{\"city\": \"{city}\"}}}}\n</tool_call>", tool.name())
}

impl Tool {
    const fn name(self) -> &'static str {
        match self {
            Self::Weather => "get_weather",
            Self::Time => "get_time",
        }
    }

    fn definition(self, random: &mut Random) -> Value {
        let descriptions: [&str; 4] = match self {
            Self::Weather => [
                "Get the weather",
                "The weather in a city",
                "Get the current weather in a city.",
                "Returns the weather.",
            ],
            Self::Time => {
                ["Get the time", "The local time in a city", "Get the current time in a city.", "Returns the time."]
            }
        };
        let city = match random.once_in(2) {
            true => json!({"type": "string"}),
            false => json!({"type": "string", "description": "The city"}),
        };
        let mut function = json!({"name": self.name()});
        if !random.once_in(3) {
            function["description"] = (*random.choose(&descriptions)).into();
        }
        function["parameters"] = json!({"type": "object", "properties": {"city": city}});
        if !random.once_in(3) {
            function["parameters"]["required"] = json!(["city"]);
        }
        json!({"type": "function", "function": function})
    }

    fn call(self, number: usize, city: &str) -> Value {
        let arguments = json!({"city": city}).to_string();
        json!({"id": format!("call_{number}"), "type": "function", "function": {"name": self.name(), "arguments": arguments}})
    }

    /// What the function gives, and what is told of it.
    fn result(self, random: &mut Random, city: &str) -> (String, String) {
        match self {
            Self::Weather => {
                let (sky, degrees) = (*random.choose(SKIES), random.below(40));
                let content = match random.below(4) {
                    0 => json!({"condition": sky, "temperature": degrees}).to_string(),
                    1 => json!({"city": city, "temperature": degrees, "weather": sky}).to_string(),
                    2 => json!({"weather": sky, "degrees": degrees}).to_string(),
                    _ => format!("{sky}, {degrees} degrees"),
                };
                (content, format!("In {city} it is {sky}, {degrees} degrees."))
            }
            Self::Time => {
                let time = format!("{:02}:{:02}", random.below(24), random.below(60));
                let content = match random.below(3) {
                    0 => json!({"time": time}).to_string(),
                    1 => json!({"city": city, "time": time}).to_string(),
                    _ => time.clone(),
                };
                (content, format!("In {city} it is {time}."))
            }
        }
    }
}
