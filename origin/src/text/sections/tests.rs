//! Answers are made of parts of which it is known what they mean, and then cut anywhere.

use super::*;
use proptest::prelude::*;
use proptest::sample::{Index, select};

fn calls(functions: &[&str]) -> Calls {
    Calls { functions: functions.iter().map(ToString::to_string).collect(), several: true }
}

mod bound;

/// Everything in its place: thinking, content, and the calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Read {
    reasoning: String,
    content: String,
    calls: Vec<(String, String)>,
    /// Whether the last call is not whole.
    is_cut: bool,
}

fn gather(sections: Vec<Section>) -> Read {
    let mut read = Read::default();
    for section in sections {
        match section {
            Section::Reasoning(text) | Section::Content(text) if text.is_empty() => panic!("an empty section"),
            Section::Reasoning(text) => read.reasoning += &text,
            Section::Content(text) => read.content += &text,
            Section::Call(name) => {
                assert!(!std::mem::replace(&mut read.is_cut, true), "a call begins in a call");
                read.calls.push((name, String::new()));
            }
            Section::Arguments(text) => {
                assert!(read.is_cut && !text.is_empty(), "arguments outside of a call, or none");
                read.calls.last_mut().unwrap().1 += &text;
            }
            Section::CallEnd => assert!(std::mem::replace(&mut read.is_cut, false), "an end outside of a call"),
        }
    }
    read
}

fn read_pieces<'a>(start: Start, calls: &Calls, pieces: impl IntoIterator<Item = &'a str>) -> Read {
    let mut sections = Sections::new(start, calls.clone());
    let mut out = Vec::new();
    pieces.into_iter().for_each(|piece| sections.push(piece, false, &mut out));
    sections.finish(&mut out);
    gather(out)
}

fn read(start: Start, calls: &Calls, text: &str) -> Read {
    read_pieces(start, calls, [text])
}

/// As thinking, content, names and arguments.
fn told(read: &Read) -> (&str, &str, Vec<(&str, &str)>) {
    let calls = read.calls.iter().map(|(name, arguments)| (name.as_str(), arguments.as_str())).collect();
    (&read.reasoning, &read.content, calls)
}

#[test]
fn what_qwen_writes() {
    let f = calls(&["f", "g"]);
    let none = Vec::new;
    type Case = (Start, &'static str, &'static str, &'static str, Vec<(&'static str, &'static str)>);
    let table: &[Case] = &[
        (Start::Open, "<think>\nHm.\n</think>\n\nYes.", "Hm.", "Yes.", none()),
        // Thinking that was switched off in words: an empty block.
        (Start::Open, "<think>\n\n</think>\n\nYes.\n", "", "Yes.\n", none()),
        (Start::Open, "Yes.", "", "Yes.", none()),
        (Start::Open, "\n\nYes. <think>No.</think>", "", "\n\nYes. <think>No.</think>", none()),
        (Start::Content, "<think>\nHm.\n</think>\n\nYes.", "", "<think>\nHm.\n</think>\n\nYes.", none()),
        // The template has opened the block; some models open it again.
        (Start::Thinking, "Hm.\n</think>\n\nYes.", "Hm.", "Yes.", none()),
        (Start::Thinking, "\n<think>Hm.</think>Yes.", "Hm.", "Yes.", none()),
        // Cut off.
        (Start::Open, "<think>\nHm.\n\n", "Hm.", "", none()),
        (Start::Thinking, "Hm. </thi", "Hm. </thi", "", none()),
        (Start::Open, " <thi", "", " <thi", none()),
        // Calls inside of thinking are thoughts.
        (
            Start::Open,
            "<think>a<tool_call>{\"name\":\"f\"}</tool_call></think>b",
            "a<tool_call>{\"name\":\"f\"}</tool_call>",
            "b",
            none(),
        ),
        (
            Start::Open,
            "<think>\nAsk.\n</think>\n\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": [1, \"é\"]}}\n</tool_call>",
            "Ask.",
            "",
            vec![("f", "{\"a\": [1, \"é\"]}")],
        ),
        (
            Start::Open,
            "I ask.\n<tool_call>\n{\"arguments\": {} , \"name\": \"f\"}\n</tool_call>\n<tool_call>\n{\"name\": \"g\"}\n</tool_call>\n",
            "",
            "I ask.",
            vec![("f", "{}"), ("g", "{}")],
        ),
        // Text between calls is kept, and so are the newlines between what is said before and after.
        (Start::Open, "a\n<tool_call>{\"name\":\"f\"}</tool_call>\nb", "", "a\n\nb", vec![("f", "{}")]),
        // Inside of a string a mark is a part of it.
        (
            Start::Open,
            r#"<tool_call>{"name":"f","arguments":{"a":"\"</tool_call><tool_call>\\"}}</tool_call>b"#,
            "",
            "b",
            vec![("f", r#"{"a":"\"</tool_call><tool_call>\\"}"#)],
        ),
        // A call that is not closed ends where the next begins.
        (Start::Open, "<tool_call>{\"name\":\"f\"}<tool_call>{\"name\":\"g\"}", "", "", vec![("f", "{}"), ("g", "{}")]),
    ];
    for (start, text, reasoning, content, found) in table {
        assert_eq!(told(&read(*start, &f, text)), (*reasoning, *content, found.clone()), "{text}");
    }
}

#[test]
fn what_is_no_call_is_content() {
    for body in [
        "",
        "{}",
        "[]",
        "f",
        "{\"name\": \"h\", \"arguments\": {}}",
        "{\"name\": 1}",
        "{\"name\": \"f\", \"arguments\": {\"a\": \"\\ud800\"}}",
        "{\"name\": \"f\", \"arguments\": \"{}\"}",
        "{\"name\": \"f\", \"arguments\": [1]}",
        "{\"name\": \"f\", \"arguments\": {\"a\": }}",
        "{\"name\": \"f\", \"arguments\": {}",
        "{\"name\": \"f\", \"arguments\": {}}}",
        "{\"name\": \"f\"} {\"name\": \"f\"}",
        "{\"name\": \"f\", \"arguments\": {\"a\": \"he said \"no\"}\n}",
    ] {
        let text = format!("a <tool_call>\n{body}\n</tool_call>\n<tool_call>{{\"name\":\"f\"}}</tool_call>");
        let expected = format!("a <tool_call>\n{body}\n</tool_call>");
        assert_eq!(told(&read(Start::Open, &calls(&["f"]), &text)), ("", expected.as_str(), vec![("f", "{}")]));
        // Nothing may be called: nothing is looked for.
        assert_eq!(told(&read(Start::Open, &Calls::none(), &text)), ("", text.as_str(), Vec::new()));
    }
}

#[test]
fn wherever_an_answer_is_cut_off_nothing_is_lost() {
    let call = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"}\"}}\n</tool_call>";
    let whole = call.rfind('}').unwrap();
    for end in (0..=call.len()).filter(|end| call.is_char_boundary(*end)) {
        let text = format!("x{}", &call[..end]);
        let found = read(Start::Open, &calls(&["f"]), &text);
        match end > whole {
            true => assert_eq!(told(&found), ("", "x", vec![("f", "{\"a\": \"}\"}")]), "{text}"),
            false => assert_eq!(told(&found), ("", text.as_str(), Vec::new())),
        }
    }
}

#[test]
fn where_one_call_is_allowed_the_answer_ends_with_it() {
    let one = Calls { several: false, ..calls(&["f"]) };
    let mut sections = Sections::new(Start::Open, one);
    let mut out = Vec::new();
    sections.push("a <tool_call>{}</tool_call><tool_call>{\"name\":\"f\"}</tool_call", false, &mut out);
    assert!(!sections.is_over());
    sections.push(">\nb<tool_call>{\"name\":\"f\"}</tool_call>", false, &mut out);
    assert!(sections.is_over());
    sections.push("c", false, &mut out);
    sections.finish(&mut out);
    assert_eq!(told(&gather(out)), ("", "a <tool_call>{}</tool_call>", vec![("f", "{}")]));
}

#[test]
fn only_what_may_be_a_mark_is_held_back() {
    let f = calls(&["f"]);
    let table = [
        (Start::Open, &Calls::none(), vec![("a<", "a<"), ("tool_call>\n", "tool_call>\n")]),
        (Start::Open, &f, vec![("a<", "a"), ("to", ""), ("x", "<tox"), ("\n", ""), ("\nb", "\n\nb")]),
        (Start::Open, &f, vec![(" ", ""), ("<thin", ""), ("g", " <thing")]),
        (Start::Content, &f, vec![(" ", " "), ("<think>", "<think>")]),
        (Start::Thinking, &f, vec![("\na", "a"), ("</", ""), ("b\n", "</b"), ("</think>\n\n", ""), ("c", "c")]),
    ];
    for (start, calls, pieces) in table {
        let mut sections = Sections::new(start, calls.clone());
        for (piece, expected) in pieces {
            let mut out = Vec::new();
            sections.push(piece, false, &mut out);
            let read = gather(out);
            assert_eq!(read.reasoning + &read.content, expected, "{piece}");
        }
    }
}

/// A part of an answer behind its thinking.
#[derive(Clone, Debug)]
enum Item {
    /// Says nothing but itself, whatever is around it.
    Text(String),
    Call(String, String, String),
}

fn text(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::collection::vec(select(pieces), 0..6).prop_map(|pieces| pieces.concat())
}

fn item() -> impl Strategy<Value = Item> {
    const PLAIN: &[&str] = &["a", "é🦀", " ", "\n", "\n\n", "<", "<tool_", "</tool_call>", "<think>", "</think>", "{}"];
    const BROKEN: &[&str] = &[
        "<tool_call>",
        "<tool_call>{\"name\": ",
        "<tool_call>\n{\"name\": \"h\", \"arguments\": {}}\n</tool_call>",
        "<tool_call>{\"name\": \"f\", \"arguments\": 1}</tool_call>",
        "<tool_call>{\"name\": \"f\" \"arguments\": {\"\n</tool_call>",
    ];
    const STRINGS: &[&str] = &["", "x", "\"", "\\", "\n", "é", "</tool_call>", "<tool_call>", "</think>"];
    let call = (select(&["f", "g"][..]), proptest::collection::vec(select(STRINGS), 0..4), any::<(bool, bool)>());
    prop_oneof![
        3 => text(PLAIN).prop_map(Item::Text),
        1 => select(BROKEN).prop_map(|text| Item::Text(text.to_owned())),
        3 => call.prop_map(|(name, strings, (pretty, lines))| {
            let arguments = serde_json::json!({"s": strings.concat(), "all": strings});
            let spell = if pretty { serde_json::to_string_pretty } else { serde_json::to_string };
            let arguments = spell(&arguments).unwrap();
            let between = if lines { "\n" } else { "" };
            let written = format!("<tool_call>{between}{{\"name\": \"{name}\", \"arguments\": {arguments}}}{between}</tool_call>");
            Item::Call(name.to_owned(), arguments, written)
        }),
    ]
}

/// Content in which `\u{1}` stands for a block: newlines that a block touches go, at either end.
fn without_borders(content: &str) -> String {
    let border = |character| character == '\n' || character == '\u{1}';
    let start = content.len() - content.trim_start_matches(border).len();
    let start = if content[..start].contains('\u{1}') { start } else { 0 };
    let end = content.trim_end_matches(border).len().max(start);
    let end = if content[end..].contains('\u{1}') { end } else { content.len() };
    content[start..end].replace('\u{1}', "")
}

proptest! {
    #[test]
    fn every_part_is_found_however_the_answer_is_cut(
        thought in proptest::option::of(text(&["a", "\n", " é", "<", "</thi", "<tool_call>", "{\"name\":\"f\"}"])),
        opened in any::<bool>(),
        items in proptest::collection::vec(item(), 0..6),
        cuts in proptest::collection::vec(any::<Index>(), 0..24),
    ) {
        let start = if thought.is_some() && opened { Start::Thinking } else { Start::Open };
        let mut answer = match &thought {
            Some(thought) if opened => format!("{thought}</think>"),
            Some(thought) => format!("\n<think>{thought}</think>"),
            // So that a mark of thinking does not come first.
            None => "x".to_owned(),
        };
        let mut expected = Read { reasoning: thought.as_deref().unwrap_or("").trim_matches('\n').to_owned(), ..Read::default() };
        let mut content = if thought.is_some() { "\u{1}" } else { "x" }.to_owned();
        for item in items {
            match item {
                Item::Text(text) => {
                    answer += &text;
                    content += &text;
                }
                Item::Call(name, arguments, written) => {
                    answer += &written;
                    content.push('\u{1}');
                    expected.calls.push((name, arguments));
                }
            }
        }
        expected.content = without_borders(&content);

        let calls = calls(&["f", "g"]);
        let whole = read(start, &calls, &answer);
        prop_assert_eq!(&whole, &expected, "{}", answer);
        let borders: Vec<usize> = answer.char_indices().map(|(at, _)| at).chain([answer.len()]).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| borders[cut.index(borders.len())]).chain([0, answer.len()]).collect();
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &answer[pair[0]..pair[1]]);
        prop_assert_eq!(&read_pieces(start, &calls, pieces), &expected, "{}", answer);
        let characters = borders.windows(2).map(|pair| &answer[pair[0]..pair[1]]);
        prop_assert_eq!(&read_pieces(start, &calls, characters), &expected, "{}", answer);
    }
}
