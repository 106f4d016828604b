//! Calls that are bound to be calls: they are told as they come, and what is told is what they are.

use super::*;

/// A piece of an answer as the engine hands it over, and whether a mark in it opens a call.
type Token = (String, bool);

fn token(text: &str) -> Vec<Token> {
    vec![(text.to_owned(), false)]
}

fn characters(text: &str) -> Vec<Token> {
    text.chars().map(|character| (character.to_string(), false)).collect()
}

/// The token that opens a call, and what follows it.
fn call(body: &str) -> Vec<Token> {
    [vec![(CALL.to_owned(), true)], characters(body), token(CALL_END)].concat()
}

fn read_tokens(calls: &Calls, tokens: &[Token]) -> Read {
    let mut sections = Sections::new(Start::Open, calls.clone());
    let mut out = Vec::new();
    for (text, is_bound) in tokens {
        sections.push(text, *is_bound, &mut out);
    }
    sections.finish(&mut out);
    gather(out)
}

/// What each token makes certain.
fn steps(calls: &Calls, tokens: &[Token]) -> Vec<Vec<Section>> {
    let mut sections = Sections::new(Start::Content, calls.clone());
    let step = |(text, is_bound): &Token| {
        let mut out = Vec::new();
        sections.push(text, *is_bound, &mut out);
        out
    };
    tokens.iter().map(step).collect()
}

#[test]
fn a_name_is_told_at_its_end_and_arguments_as_they_come() {
    let tokens =
        [call(r#"{"name": "f", "arguments": {"a": "}é\"}"}}"#), token("\n"), call("\n{\"name\":\"g\"}\n"), token(" b")]
            .concat();
    let steps = steps(&calls(&["f", "g"]), &tokens);
    let told = |from: usize, to: usize| steps[from..to].concat();
    let at =
        |text: &str| 1 + r#"{"name": "f", "arguments": {"a": "}é\"}"}}"#.split_once(text).unwrap().0.chars().count();
    assert_eq!(told(0, at(r#"", "arg"#)), []);
    assert_eq!(told(at(r#"", "arg"#), at(r#"{"a""#)), [Section::Call("f".into())]);
    // A character is a piece here.
    let pieces: Vec<Section> =
        r#"{"a": "}é\"}"}"#.chars().map(|character| Section::Arguments(character.into())).collect();
    let end = at(r#"{"a""#) + pieces.len();
    assert_eq!(told(at(r#"{"a""#), end), [pieces, vec![Section::CallEnd]].concat());
    let rest = told(end, steps.len());
    let none = vec![Section::Call("g".into()), Section::Arguments("{}".into()), Section::CallEnd];
    assert_eq!(rest, [none, vec![Section::Content(" b".into())]].concat());
}

/// Wherever it ends: what has been told is the beginning of what would have been, the mark and what is bound behind it are
/// never content, and nothing follows where one call is all.
#[test]
fn wherever_a_bound_call_is_cut_off_its_beginning_is_told() {
    let body = "\n{\"name\": \"f\", \"arguments\": {\"a\": [\"}\", {}]}}\n";
    let arguments = "{\"a\": [\"}\", {}]}";
    let tokens = [token("I ask.\n"), call(body)].concat();
    let named = tokens.len() - 1 - body.split_once("\", \"arg").unwrap().1.chars().count() - "\", \"arg".len() + 1;
    for several in [true, false] {
        let calls = Calls { several, ..calls(&["f", "g"]) };
        for end in 2..=tokens.len() {
            let found = read_tokens(&calls, &tokens[..end]);
            assert_eq!(found.content, "I ask.", "{end}");
            assert_eq!(found.calls.len(), usize::from(end >= named), "{end} {named}");
            let told = found.calls.first().map_or("", |(_, told)| told);
            assert!(arguments.starts_with(told), "{told}");
            assert_eq!(found.is_cut, end >= named && told != arguments, "{end}: {told}");
        }
        let after = [tokens.clone(), token("b"), call("{\"name\": \"g\"}")].concat();
        let found = read_tokens(&calls, &after);
        let expected = if several { ("I ask.\nb", 2) } else { ("I ask.", 1) };
        assert_eq!((found.content.as_str(), found.calls.len()), expected);
    }
}

/// The engine binds nothing in these, or was wrong.
#[test]
fn a_mark_that_binds_nothing_is_as_it_was() {
    let f = calls(&["f"]);
    // Spelt, and left open by a call that is bound.
    let tokens = [characters("a<tool_call>{\"x\": \""), call("{\"name\": \"f\"}")].concat();
    assert_eq!(told(&read_tokens(&f, &tokens)), ("", "a<tool_call>{\"x\": \"", vec![("f", "{}")]));
    let tokens = [characters("<tool_call>{\"name\": \"f\"}"), call("{\"name\": \"f\"}")].concat();
    assert_eq!(told(&read_tokens(&f, &tokens)), ("", "", vec![("f", "{}"), ("f", "{}")]));
    // No tool is known, or thoughts go on.
    let tokens = call("{\"name\": \"f\"}");
    let text = "<tool_call>{\"name\": \"f\"}</tool_call>";
    assert_eq!(told(&read_tokens(&Calls::none(), &tokens)), ("", text, vec![]));
    let tokens = [token("<think>"), tokens, token("</think>b")].concat();
    assert_eq!(told(&read_tokens(&f, &tokens)), (text, "b", vec![]));
    for body in ["{\"name\": \"h\"}", "{\"nam\": \"f\"}", "x", "{\"name\": \"\\u0066\"}"] {
        let found = read_tokens(&f, &call(body));
        let content = format!("<tool_call>{body}</tool_call>");
        let is_call = body.contains('\\');
        assert_eq!(told(&found), if is_call { ("", "", vec![("f", "{}")]) } else { ("", content.as_str(), vec![]) });
    }
}

fn body() -> impl Strategy<Value = (String, String, String)> {
    const STRINGS: &[&str] = &["", "x", "\"", "\\", "\n", "é🦀", "</tool_call>", "<tool_call>", "{", "}", "]", "\u{1}"];
    let strings = proptest::collection::vec(select(STRINGS), 0..5);
    (select(&["f", "g"][..]), strings, any::<(bool, bool)>()).prop_map(|(name, strings, (pretty, lines))| {
        let all = strings.concat();
        let arguments = serde_json::json!({&all: strings, "s": {"n": [1.5, null, {}]}, "": all});
        let spell = if pretty { serde_json::to_string_pretty } else { serde_json::to_string };
        let (arguments, between) = (spell(&arguments).unwrap(), if lines { "\n" } else { "" });
        let space = if pretty { " " } else { "" };
        let body = format!("{between}{{\"name\":{space}\"{name}\",{space}\"arguments\":{space}{arguments}}}{between}");
        (name.to_owned(), arguments, body)
    })
}

proptest! {
    /// Pieces make the same as the whole, however text comes, and the first comes long before the last.
    #[test]
    fn calls_in_pieces_are_the_calls(
        items in proptest::collection::vec(prop_oneof![
            text(&["a", "é", " ", "<", "</tool_call>", "<tool_", "{"]).prop_map(Err),
            body().prop_map(Ok),
        ], 1..6),
        joins in proptest::collection::vec(any::<bool>(), 64),
        end in any::<Index>(),
    ) {
        let (mut tokens, mut expected, mut content) = (token("x"), Vec::new(), "x".to_owned());
        for item in &items {
            match item {
                Ok((name, arguments, body)) => {
                    tokens.extend(call(body));
                    expected.push((name.clone(), arguments.clone()));
                }
                Err(text) => {
                    tokens.extend(characters(text));
                    content += text;
                }
            }
        }
        // What is no mark of the engine's comes in any pieces.
        let mut joined: Vec<Token> = Vec::new();
        for (number, (text, is_bound)) in tokens.iter().enumerate() {
            match joined.last_mut() {
                Some((last, false)) if !is_bound && joins[number % joins.len()] => last.push_str(text),
                _ => joined.push((text.clone(), *is_bound)),
            }
        }
        let calls = calls(&["f", "g"]);
        for tokens in [&tokens, &joined] {
            let found = read_tokens(&calls, tokens);
            prop_assert_eq!((&found.content, &found.calls, found.is_cut), (&content, &expected, false), "{:?}", tokens);
        }
        // Cut off anywhere: all that came is told, and nothing that is not so.
        let cut = &joined[..=end.index(joined.len())];
        let found = read_tokens(&calls, cut);
        prop_assert!(content.starts_with(&found.content) && !found.content.contains(CALL), "{:?}", found);
        let last = found.calls.len().checked_sub(usize::from(found.is_cut)).unwrap();
        prop_assert_eq!(&found.calls[..last], &expected[..last]);
        if found.is_cut {
            let (name, arguments) = &found.calls[last];
            prop_assert!(*name == expected[last].0 && expected[last].1.starts_with(arguments));
        }
        // A call's pieces are as many as its characters where those come one by one.
        let pieces = steps(&calls, &tokens).concat();
        let pieces = pieces.iter().filter(|section| matches!(section, Section::Arguments(_))).count();
        prop_assert_eq!(pieces, expected.iter().map(|(_, arguments)| arguments.chars().count()).sum::<usize>());
    }
}
