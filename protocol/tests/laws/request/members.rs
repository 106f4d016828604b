//! Every member of a request that somebody documents, at both doors: what asks for something is served or refused by
//! its name, what asks for nothing passes, and what is wrong is told in words about the request.

mod hostile;
mod messages;
mod page;
mod refused;
mod responses;
mod served;
mod synonyms;

use serde_json::{Value, json};
use sluice_protocol::refusal::Reason::UnsupportedParameter;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::chat::ChatBounds;
use sluice_protocol::request::bodies::question::Question;
use sluice_protocol::request::door::Door;
use sluice_protocol::request::member::{Fate, Member, TABLES, Table};
use sluice_protocol::request::read;

const BOUNDS: ChatBounds = ChatBounds { default_max_tokens: 16, max_max_tokens: 100 };

fn parse(door: Door, body: &str) -> Result<Question, Refusal> {
    read::question(door, body.as_bytes(), BOUNDS)
}

/// The least that a request holds, but for a member of this name, which is as given.
fn body(door: Door, name: &str, value: &str) -> String {
    const MODEL: (&str, &str) = ("model", r#""m""#);
    const MESSAGES: (&str, &str) = ("messages", r#"[{"role":"user","content":"hi"}]"#);
    let least: &[(&str, &str)] = match door {
        Door::Chat | Door::OllamaChat | Door::CountTokens => &[MODEL, MESSAGES],
        Door::Completions | Door::OllamaGenerate => &[MODEL, ("prompt", r#""hi""#)],
        Door::Messages => &[MODEL, MESSAGES, ("max_tokens", "16")],
        Door::Responses => &[MODEL, ("input", r#""hi""#)],
        Door::Embeddings | Door::OllamaEmbed => &[MODEL, ("input", r#""hi""#)],
        Door::OllamaEmbeddings | Door::Tokenize => &[MODEL, ("prompt", r#""hi""#)],
        Door::Rerank => &[MODEL, ("query", r#""hi""#), ("documents", r#"["ho"]"#)],
        Door::Images => &[MODEL, ("prompt", r#""hi""#)],
        Door::Detokenize => &[MODEL, ("tokens", "[1]")],
    };
    let others = least.iter().copied().filter(|(other, _)| *other != name);
    let member = |name: &str, value: &str| format!("{}:{value}", json!(name));
    let named = match name.split_once('.').filter(|(outer, _)| Table::of(door).within == Some(outer)) {
        Some((outer, inner)) => member(outer, &format!("{{{}}}", member(inner, value))),
        None => member(name, value),
    };
    let members: Vec<String> = others.map(|(name, value)| member(name, value)).chain([named]).collect();
    format!("{{{}}}", members.join(","))
}

fn least(door: Door) -> Question {
    parse(door, &body(door, "unheard_of", "1")).unwrap()
}

/// Every kind of JSON, and values of each that some member could mean something by.
const VALUES: [&str; 27] = [
    "null",
    "true",
    "false",
    "0",
    "-1",
    "1",
    "5",
    "1.5",
    "-0.5",
    "1e400",
    "-1e400",
    "100000000000000000000000000",
    r#""""#,
    r#""x""#,
    r#""low""#,
    r#""text""#,
    "[]",
    "[1]",
    r#"["x"]"#,
    "[[1]]",
    "[{}]",
    "[null]",
    "{}",
    r#"{"a":1}"#,
    r#"{"type":"x"}"#,
    r#"{"5":5}"#,
    r#""\ud800""#,
];

fn same(one: &str, other: &str) -> bool {
    let read = |json: &str| serde_json::from_str::<Value>(json).ok();
    match (read(one), read(other)) {
        (Some(one), Some(other)) => one == other || (one.is_number() && one.as_f64() == other.as_f64()),
        _ => false,
    }
}

/// OpenAI's doors have one table.
const DOORS: [Door; 2] = [Door::Chat, Door::Completions];

/// That of OpenAI's doors.
fn members() -> &'static [Member] {
    Table::of(Door::Chat).members
}

fn fate(member: &Member, door: Door) -> Fate {
    Table::of(door).fate(member, door)
}

fn each() -> impl Iterator<Item = (&'static Member, Door)> {
    Door::ALL.iter().flat_map(|door| Table::of(*door).members.iter().map(|member| (member, *door)))
}

#[test]
fn each_door_has_one_table() {
    for door in Door::ALL {
        let tables = TABLES.iter().filter(|table| table.doors.contains(door));
        assert_eq!(tables.count(), 1, "{door:?}");
        assert_eq!(Door::of(door.path()), Some(*door));
        assert_eq!(Door::of(&format!("{}/", door.path())), None);
    }
    assert!(TABLES.iter().all(|table| (1..=2).contains(&table.doors.len())));
}

#[test]
fn the_list_is_in_order_and_says_who_has_each() {
    for pair in TABLES.iter().flat_map(|table| table.members.windows(2)) {
        assert!(pair[0].name < pair[1].name, "{} and {}", pair[0].name, pair[1].name);
    }
    for member in TABLES.iter().flat_map(|table| table.members) {
        assert!(member.owners().count() > 0, "{}", member.name);
        assert!(
            member
                .name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.'))
        );
    }
    assert!(members().len() > 200);
}

#[test]
fn what_is_not_served_is_refused_unless_it_asks_for_nothing() {
    for (member, door) in each() {
        let (name, least) = (member.name, least(door));
        let nothing = parse(door, &body(door, name, "null")).map_err(|refusal| refusal.reason).ok();
        assert_eq!(
            nothing.as_ref().filter(|question| !matches!(question, Question::Presence(_))),
            match name {
                // It has a prompt instead.
                "messages" if door == Door::Tokenize => Some(&least),
                // Without messages or a prompt Ollama's doors take a request for another one.
                "model" | "messages" | "prompt" | "input" | "tokens" | "query" | "documents"
                    if fate(member, door) == Fate::Served =>
                {
                    None
                }
                "max_tokens" if door == Door::Messages => None,
                _ => Some(&least),
            }
        );
        let asked = |value: &str| parse(door, &body(door, name, value));
        match fate(member, door) {
            Fate::Served => {}
            Fate::Passes => {
                for value in VALUES {
                    assert_eq!(asked(value).unwrap(), least, "{name}: {value}");
                }
            }
            Fate::Refused(nothing) => {
                for value in nothing {
                    assert_eq!(asked(value).unwrap(), least, "{name}: {value}");
                    assert_eq!(asked(&format!(" {value}\n")).unwrap(), least, "{name}: {value}");
                }
                for value in VALUES.into_iter().filter(|value| *value != "null") {
                    if nothing.iter().any(|none| same(none, value)) {
                        continue;
                    }
                    let refusal = asked(value).expect_err(name);
                    assert_eq!(
                        (refusal.reason, refusal.param.as_deref()),
                        (UnsupportedParameter, Some(name)),
                        "{door:?}: {value}"
                    );
                    assert!(refusal.message.contains(&format!("`{name}`")) && refusal.message.contains(door.path()));
                }
            }
        }
    }
}
