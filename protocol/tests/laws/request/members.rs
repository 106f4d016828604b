//! Every member of a request that somebody documents, at both doors: what asks for something is served or refused by
//! its name, what asks for nothing passes, and what is wrong is told in words about the request.

mod messages;
mod refused;
mod responses;

use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_protocol::refusal::Reason::{InvalidRequest, UnsupportedParameter};
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::chat::{ChatBounds, ChatRequest, MAX_CALLS, MAX_MESSAGES};
use sluice_protocol::request::bodies::question::Question;
use sluice_protocol::request::door::Door;
use sluice_protocol::request::member::{Fate, Member, TABLES, Table};
use sluice_protocol::request::read;
use std::path::PathBuf;

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
                "model" | "messages" | "prompt" | "input" | "tokens" if fate(member, door) == Fate::Served => None,
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

/// For each member that is served, values that make another request than its absence.
const SERVED_BY_OPENAI: [(&str, &str, &str); 32] = [
    ("chat_template_kwargs", r#"{"enable_thinking":false}"#, ""),
    ("echo", "", "true"),
    ("enable_thinking", "true", ""),
    ("frequency_penalty", "1", "1"),
    ("logit_bias", r#"{"5":5}"#, r#"{"5":5}"#),
    ("logprobs", "true", "0"),
    ("max_completion_tokens", "5", "5"),
    ("max_tokens", "5", "5"),
    ("messages", r#"[{"role":"user","content":"ho"}]"#, ""),
    ("min_p", "0.5", "0.5"),
    ("model", r#""other""#, r#""other""#),
    ("n", "2", "2"),
    ("parallel_tool_calls", "false", ""),
    ("presence_penalty", "1", "1"),
    ("prompt", "", "[[1],[2]]"),
    ("reasoning", r#"{"effort":"none"}"#, ""),
    ("reasoning_effort", r#""none""#, ""),
    ("repetition_penalty", "2", "2"),
    ("response_format", r#"{"type":"json_object"}"#, ""),
    ("safety_identifier", r#""s""#, r#""s""#),
    ("seed", "0", "0"),
    ("stop", r#""x""#, r#"["x"]"#),
    ("stream", "true", "true"),
    ("stream_options", r#"{"include_usage":true}"#, r#"{"include_usage":true}"#),
    ("temperature", "0", "0"),
    ("think", "false", ""),
    ("tools", r#"[{"type":"function","function":{"name":"f"}}]"#, ""),
    ("top_k", "1", "1"),
    ("top_p", "0.5", "0.5"),
    ("user", r#""u""#, r#""u""#),
    // Which alone ask for nothing.
    ("tool_choice", "-", ""),
    ("top_logprobs", "-", ""),
];

/// The same at Ollama's doors: chats and answers to one prompt.
const SERVED_BY_OLLAMA: [(&str, &str, &str); 23] = [
    ("format", r#""json""#, r#"{"type":"object"}"#),
    ("logprobs", "true", "true"),
    ("max_output_tokens", "5", "5"),
    ("messages", r#"[{"role":"user","content":"ho"}]"#, ""),
    ("model", r#""other""#, r#""other""#),
    ("options", r#"{"seed":5}"#, r#"{"seed":5}"#),
    ("options.frequency_penalty", "1", "1"),
    ("options.min_p", "0.5", "0.5"),
    ("options.num_predict", "5", "5"),
    ("options.presence_penalty", "1", "1"),
    ("options.repeat_penalty", "2", "2"),
    ("options.seed", "0", "0"),
    ("options.stop", r#""x""#, r#"["x"]"#),
    ("options.temperature", "0", "0"),
    ("options.top_k", "1", "1"),
    ("options.top_p", "0.5", "0.5"),
    ("prompt", "", r#""ho""#),
    ("raw", "", "true"),
    ("stream", "false", "false"),
    ("system", "", r#""be""#),
    ("think", "false", "true"),
    ("tools", r#"[{"type":"function","function":{"name":"f"}}]"#, ""),
    // Which alone asks for nothing.
    ("top_logprobs", "-", "-"),
];

/// The same at Anthropic's doors: answers, and counts of their prompts.
const SERVED_BY_ANTHROPIC: [(&str, &str, &str); 16] = [
    ("max_tokens", "5", ""),
    ("messages", r#"[{"role":"user","content":"ho"}]"#, r#"[{"role":"user","content":"ho"}]"#),
    ("metadata", r#"{"user_id":"u"}"#, ""),
    ("model", r#""other""#, r#""other""#),
    (
        "output_config",
        r#"{"format":{"type":"json_schema","schema":{}}}"#,
        r#"{"format":{"type":"json_schema","schema":{}}}"#,
    ),
    ("output_format", r#"{"type":"json_schema","schema":{}}"#, r#"{"type":"json_schema","schema":{}}"#),
    ("stop_sequences", r#"["x"]"#, ""),
    ("stream", "true", ""),
    ("system", r#""be""#, r#"[{"type":"text","text":"be"}]"#),
    ("temperature", "0", ""),
    ("thinking", r#"{"type":"enabled","budget_tokens":1024}"#, r#"{"type":"adaptive"}"#),
    ("tools", r#"[{"name":"f","input_schema":{}}]"#, r#"[{"name":"f","input_schema":{}}]"#),
    ("top_k", "1", ""),
    ("top_p", "0.5", ""),
    // Which alone ask for nothing.
    ("context_management", "-", "-"),
    ("tool_choice", "-", "-"),
];

/// The same at the door of OpenAI's responses.
const SERVED_BY_RESPONSES: [(&str, &str, &str); 28] = [
    ("frequency_penalty", "1", ""),
    ("include", r#"["message.output_text.logprobs"]"#, ""),
    ("input", r#"[{"role":"user","content":"ho"}]"#, ""),
    ("instructions", r#""be""#, ""),
    ("logit_bias", r#"{"5":5}"#, ""),
    ("max_output_tokens", "5", ""),
    ("min_p", "0.5", ""),
    ("model", r#""other""#, ""),
    ("parallel_tool_calls", "false", ""),
    ("presence_penalty", "1", ""),
    ("reasoning", r#"{"effort":"none"}"#, ""),
    ("repetition_penalty", "2", ""),
    ("safety_identifier", r#""s""#, ""),
    ("seed", "0", ""),
    ("stop", r#""x""#, ""),
    ("stream", "true", ""),
    ("temperature", "0", ""),
    ("text", r#"{"format":{"type":"json_object"}}"#, ""),
    ("tools", r#"[{"type":"function","name":"f"}]"#, ""),
    ("top_k", "1", ""),
    ("top_logprobs", "5", ""),
    ("top_p", "0.5", ""),
    ("user", r#""u""#, ""),
    // Which alone ask for nothing, or change only what is told.
    ("metadata", "-", ""),
    ("previous_response_id", "-", ""),
    ("store", "-", ""),
    ("stream_options", "-", ""),
    ("tool_choice", "-", ""),
];

/// The same where vectors are made: at OpenAI's door.
const SERVED_BY_EMBEDDINGS: [(&str, &str, &str); 5] = [
    ("dimensions", "5", ""),
    ("encoding_format", r#""base64""#, ""),
    ("input", r#"[[1],[2]]"#, ""),
    ("model", r#""other""#, ""),
    ("user", r#""u""#, ""),
];

/// And at Ollama's.
const SERVED_BY_EMBED: [(&str, &str, &str); 5] = [
    ("dimensions", "5", ""),
    ("input", r#"["ho"]"#, ""),
    ("model", r#""other""#, r#""other""#),
    ("prompt", "", r#""ho""#),
    ("truncate", "false", ""),
];

/// The same between text and tokens.
const SERVED_BY_TOKENS: [(&str, &str, &str); 14] = [
    ("add_special_tokens", "false", ""),
    ("model", r#""other""#, r#""other""#),
    ("prompt", r#""ho""#, ""),
    ("return_token_strs", "true", ""),
    ("tokens", "", "[2]"),
    // Which go with messages.
    ("add_generation_prompt", "-", ""),
    ("chat_template_kwargs", "-", ""),
    ("enable_thinking", "-", ""),
    ("messages", "-", ""),
    ("reasoning", "-", ""),
    ("reasoning_effort", "-", ""),
    ("think", "-", ""),
    ("tool_choice", "-", ""),
    ("tools", "-", ""),
];

#[test]
fn what_is_served_makes_another_request() {
    for (member, door) in each() {
        let rows = match door {
            Door::Chat | Door::Completions => &SERVED_BY_OPENAI[..],
            Door::OllamaChat | Door::OllamaGenerate => &SERVED_BY_OLLAMA[..],
            Door::Messages | Door::CountTokens => &SERVED_BY_ANTHROPIC[..],
            Door::Responses => &SERVED_BY_RESPONSES[..],
            Door::Embeddings => &SERVED_BY_EMBEDDINGS[..],
            Door::OllamaEmbed | Door::OllamaEmbeddings => &SERVED_BY_EMBED[..],
            Door::Tokenize | Door::Detokenize => &SERVED_BY_TOKENS[..],
        };
        let row = rows.iter().find(|(name, ..)| *name == member.name);
        let is_first = Table::of(door).doors[0] == door;
        let value = row.map_or("", |(_, first, second)| if is_first { first } else { second });
        assert_eq!(fate(member, door) == Fate::Served, !value.is_empty(), "{} at {door:?}", member.name);
        if !value.is_empty() && value != "-" {
            assert_ne!(parse(door, &body(door, member.name, value)).unwrap(), least(door), "{}: {value}", member.name);
        }
    }
    let tools = r#""tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required","logprobs":true,"top_logprobs":5"#;
    let full = body(Door::Chat, "unheard_of", &format!("1,{tools}"));
    let Question::Chat(request) = parse(Door::Chat, &full).unwrap() else { unreachable!() };
    assert_eq!((request.tools.len(), request.logprobs), (1, Some(5)));
}

/// Which of the switches for thinking goes first, and which efforts there are.
#[test]
fn thinking_is_said_in_many_ways() {
    for (members, expected, by) in [
        (r#""stream":false"#, None, ""),
        (r#""reasoning_effort":"none""#, Some(false), "reasoning_effort"),
        (r#""reasoning_effort":"medium""#, Some(true), "reasoning_effort"),
        (r#""reasoning_effort":"high""#, Some(true), "reasoning_effort"),
        (r#""reasoning_effort":"""#, None, ""),
        (r#""reasoning":{"effort":"none"}"#, Some(false), "reasoning"),
        (r#""reasoning":{"enabled":true}"#, Some(true), "reasoning"),
        (r#""reasoning":{"effort":null,"exclude":false,"unheard_of":1}"#, None, ""),
        (r#""think":false"#, Some(false), "think"),
        (r#""think":"high""#, Some(true), "think"),
        (r#""enable_thinking":true,"reasoning_effort":"none""#, Some(true), "enable_thinking"),
        (r#""enable_thinking":null,"reasoning_effort":"none""#, Some(false), "reasoning_effort"),
        (r#""chat_template_kwargs":{"enable_thinking":true},"think":false"#, Some(true), "chat_template_kwargs"),
        (r#""reasoning":{"effort":"high"},"reasoning_effort":"none""#, Some(true), "reasoning"),
    ] {
        let text = body(Door::Chat, "unheard_of", &format!("1,{members}"));
        let request = ChatRequest::parse(text.as_bytes(), BOUNDS).unwrap();
        assert_eq!((request.enable_thinking, request.thinking_param), (expected, by), "{members}");
        assert_eq!(request.thinks(), expected != Some(false));
    }
    for (member, value, reason) in [
        ("reasoning_effort", r#""minimal""#, UnsupportedParameter),
        ("reasoning_effort", r#""low""#, UnsupportedParameter),
        ("reasoning_effort", r#""xhigh""#, UnsupportedParameter),
        ("reasoning_effort", r#""extreme""#, InvalidRequest),
        ("reasoning_effort", "0.5", InvalidRequest),
        ("reasoning", r#"{"effort":"low"}"#, UnsupportedParameter),
        ("reasoning", r#"{"exclude":true}"#, UnsupportedParameter),
        ("reasoning", r#"{"max_tokens":5}"#, UnsupportedParameter),
        ("reasoning", r#"{"summary":"auto"}"#, UnsupportedParameter),
        ("think", r#""low""#, UnsupportedParameter),
        ("stream_options", r#"{"include_obfuscation":true}"#, UnsupportedParameter),
        ("stream_options", r#"{"continuous_usage_stats":true}"#, UnsupportedParameter),
    ] {
        // Also where another switch goes first.
        for more in ["", r#","enable_thinking":false"#] {
            let refusal = parse(Door::Chat, &body(Door::Chat, member, &format!("{value}{more}"))).unwrap_err();
            assert_eq!((refusal.reason, refusal.param.as_deref()), (reason, Some(member)), "{value}");
        }
    }
    let told = body(Door::Chat, "chat_template_kwargs", r#"{"a":1,"b":null,"enable_thinking":true}"#);
    let request = ChatRequest::parse(told.as_bytes(), BOUNDS).unwrap();
    assert_eq!((request.template_arguments, request.enable_thinking), (vec!["a".to_owned()], Some(true)));
}

/// `user` goes before what replaces it; an empty one says nothing.
#[test]
fn the_end_user_has_two_names() {
    for door in DOORS {
        for (members, expected) in [
            (r#""user":"u","safety_identifier":"s""#, Some("u")),
            (r#""user":"","safety_identifier":"s""#, Some("s")),
            (r#""safety_identifier":"s""#, Some("s")),
            (r#""prompt_cache_key":"k""#, None),
        ] {
            let user = match parse(door, &body(door, "unheard_of", &format!("1,{members}"))).unwrap() {
                Question::Chat(request) => request.user,
                Question::Text(request) => request.user,
                other => unreachable!("{other:?}"),
            };
            assert_eq!(user.as_deref(), expected, "{members}");
        }
    }
}

/// What is far too much is refused when the bound is passed, and not when all of it has been read.
#[test]
fn bodies_made_to_be_large_are_refused_early() {
    let list = |item: &str, count: usize| format!("[{}]", vec![item; count].join(","));
    let biases: Vec<String> = (0..100_000).map(|id| format!("\"{id}\":1")).collect();
    let calls = list(r#"{"id":"","function":{"name":""}}"#, MAX_CALLS + 1);
    let tools: Vec<String> =
        (0..20_000).map(|number| format!(r#"{{"type":"function","function":{{"name":"f{number}"}}}}"#)).collect();
    for (door, name, value) in [
        (Door::Chat, "messages", list(r#"{"role":"user","content":""}"#, MAX_MESSAGES + 1)),
        (Door::Chat, "messages", format!(r#"[{{"role":"assistant","tool_calls":{calls}}}]"#)),
        (Door::Chat, "tools", format!("[{}]", tools.join(","))),
        (Door::Chat, "stop", list(r#""a""#, 10_000)),
        (Door::Chat, "logit_bias", format!("{{{}}}", biases.join(","))),
        (Door::Chat, "logit_bias", format!("{{{}}}", vec![r#""5":1"#; 100_000].join(","))),
        (Door::Completions, "prompt", list("[0]", 200_000)),
        (Door::Completions, "prompt", list(r#""x""#, 200_000)),
        (Door::Embeddings, "input", list(r#""x""#, 100_000)),
        (Door::Embeddings, "input", list("[0]", 100_000)),
        (Door::OllamaEmbed, "input", list(r#""x""#, 100_000)),
        (Door::Detokenize, "tokens", list("0", 1_000_000)),
    ] {
        let refusal = parse(door, &body(door, name, &value)).unwrap_err();
        assert_eq!((refusal.reason, refusal.param.as_deref()), (InvalidRequest, Some(name)));
        assert!(refusal.message.len() < 300, "{}", refusal.message);
    }
    // A million members that nobody knows cost nothing; one that is known and comes again ends it.
    let unknown = format!("1{}", r#","unheard_of":1"#.repeat(1_000_000));
    assert_eq!(parse(Door::Chat, &body(Door::Chat, "unheard_of", &unknown)).unwrap(), least(Door::Chat));
    let again = format!("true{}", r#","stream":true"#.repeat(1_000_000));
    assert_eq!(parse(Door::Chat, &body(Door::Chat, "stream", &again)).unwrap_err().param.unwrap(), "stream");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for name in ["unheard_of", "metadata"] {
        assert_eq!(parse(Door::Chat, &body(Door::Chat, name, &deep)).unwrap(), least(Door::Chat));
    }
    for name in ["messages", "tools", "stop", "user", "guided_json", "tool_choice", "response_format"] {
        assert_eq!(parse(Door::Chat, &body(Door::Chat, name, &deep)).unwrap_err().param.unwrap(), name);
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[a-z_]{0,8}", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Any member with any value, at both doors: a request, or a refusal that names this member.
    #[test]
    fn any_value_is_taken_or_refused_by_name(at in any::<prop::sample::Index>(), value in value()) {
        for door in Door::ALL.iter().copied() {
            let member = at.get(Table::of(door).members);
            if let Err(refusal) = parse(door, &body(door, member.name, &value.to_string())) {
                // Or what is within it.
                let param = refusal.param.unwrap_or_default();
                prop_assert!(param == member.name || param.starts_with(&format!("{}.", member.name)), "{}", param);
                prop_assert!(refusal.message.len() < 400);
            }
        }
    }

    /// What nobody knows changes nothing.
    #[test]
    fn what_nobody_knows_passes(name in "[A-Za-z\\.\\u{e9} -]{0,12}", value in value()) {
        let all = || TABLES.iter().flat_map(|table| table.members);
        prop_assume!(all().all(|member| member.name != name && !member.name.ends_with(&format!(".{name}"))));
        for door in Door::ALL.iter().copied() {
            prop_assert_eq!(parse(door, &body(door, &name, &value.to_string())).unwrap(), least(door));
        }
    }
}

/// docs/requests.md shows the list, a table for each family of doors. `SLUICE_BLESS=1` writes them there.
#[test]
fn the_page_shows_the_list() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/requests.md");
    let mut page = std::fs::read_to_string(&path).unwrap();
    for (table, mark, columns) in [
        (Table::of(Door::Chat), "members", "whose | in a chat | in a text completion"),
        (Table::of(Door::OllamaChat), "ollama", "whose | `/api/chat` | `/api/generate`"),
        (Table::of(Door::Messages), "anthropic", "whose | for an answer | for a count"),
        (Table::of(Door::Responses), "responses", "whose | what happens to it"),
        (Table::of(Door::Embeddings), "embeddings", "whose | in a request"),
        (Table::of(Door::OllamaEmbed), "ollama-embed", "whose | `/api/embed` | `/api/embeddings`"),
        (Table::of(Door::Tokenize), "tokens", "whose | `/tokenize` | `/detokenize`"),
    ] {
        let (begin, end) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
        let (before, rest) = page.split_once(&begin).expect("the page has a place for the table");
        let (found, after) = rest.split_once(&end).expect("and an end of it");
        let shown = rows(table, columns);
        if std::env::var_os("SLUICE_BLESS").is_some() {
            page = format!("{before}{begin}{shown}{end}{after}");
            continue;
        }
        assert_eq!(found, shown, "docs/requests.md does not show the list of members as it is");
    }
    if std::env::var_os("SLUICE_BLESS").is_some() {
        std::fs::write(&path, page).unwrap();
    }
}

fn rows(table: &Table, columns: &str) -> String {
    let rule = "---|".repeat(columns.split(" | ").count() + 2);
    let mut rows = format!("| member | {columns} | |\n|{rule}\n");
    for member in table.members {
        let fate = |door| match table.fate(member, door) {
            Fate::Served => "served".to_owned(),
            Fate::Passes => "passed over".to_owned(),
            Fate::Refused([]) => "refused".to_owned(),
            Fate::Refused(nothing) => format!("refused, but for `{}`", nothing.join("`, `")),
        };
        let owners: Vec<&str> = member.owners().collect();
        let fates = table.doors.iter().map(|door| fate(*door));
        let cells = [format!("`{}`", member.name), owners.join(", ")].into_iter().chain(fates).chain([member.remark()]);
        rows += &format!("| {} |\n", cells.collect::<Vec<_>>().join(" | ").trim_end());
    }
    rows
}
