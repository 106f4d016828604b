//! A model's name: in a path (`GET /v1/models/{model}`), and in a body, where another may take its place.

use crate::refusal::{Reason, Refusal};
use crate::request::member::raw;

/// What a caller is told that names a model which is not there, or not for it. `models` are those that it may use: the one
/// whose name is nearest to `name` is told of.
pub fn no_model<'m>(name: &str, models: impl IntoIterator<Item = &'m str>) -> Refusal {
    let message = match nearest(name, models) {
        Some(meant) => format!("There is no such model. Did you mean `{meant}`? GET /v1/models lists them."),
        None => "There is no such model; GET /v1/models lists them.".to_owned(),
    };
    Refusal::new(Reason::ModelNotFound, message).with_param("model")
}

/// The model that a name most likely means: letters of another size, an owner or a tag too many or too few, a typing
/// error in every third letter at most. `None` if no name is near.
fn nearest<'m>(name: &str, models: impl IntoIterator<Item = &'m str>) -> Option<&'m str> {
    if name.len() > MAX_COMPARED {
        return None;
    }
    let asked = bare(name);
    let near = models.into_iter().filter(|model| model.len() <= MAX_COMPARED).filter_map(|model| {
        let there = bare(model);
        let distance = distance(&asked, &there);
        let is_part = holds(&there, &asked) || holds(&asked, &there);
        (is_part || distance * 3 <= there.len().max(asked.len())).then_some((distance, model))
    });
    near.min_by_key(|(distance, _)| *distance).map(|(_, model)| model)
}

/// A name without its owner and its tag, in small letters.
fn bare(name: &str) -> Vec<char> {
    let name = name.rsplit('/').next().unwrap_or(name);
    name.split(':').next().unwrap_or(name).chars().flat_map(char::to_lowercase).collect()
}

/// Whether a name is in another one, and says something.
fn holds(long: &[char], short: &[char]) -> bool {
    short.len() >= 3 && long.windows(short.len()).any(|part| part == short)
}

/// How many characters have to be put in, left out or changed (Levenshtein, 1966).
fn distance(from: &[char], to: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, character) in from.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, other) in to.iter().enumerate() {
            let changed = diagonal + usize::from(character != other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

/// Names that are longer are not compared, in bytes.
const MAX_COMPARED: usize = 96;

/// A body with another name as its `model`, and else as it was; `None` for one that names none.
pub fn renamed(body: &[u8], model: &str) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    let mut named = None;
    let walked = raw::entries(text, |name, json| {
        if name == "model" {
            named = Some(raw::place(text, json));
        }
        Ok::<(), ()>(())
    });
    let named = walked.ok().and(named)?;
    let model = serde_json::to_string(model).ok()?;
    Some([&body[..named.start], model.as_bytes(), &body[named.end..]].concat())
}

/// The longest name that is looked for, in bytes as it came.
const MAX_NAME: usize = 1_024;

/// The name that a path's end says, as it came: `Owner/Name` and `Owner%2FName` say the same. It is decoded once. `None`
/// if it is nothing that a model could be called.
pub fn model_name(text: &str) -> Option<String> {
    if text.is_empty() || text.len() > MAX_NAME {
        return None;
    }
    let mut name = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                name.push(u8::try_from(high * 16 + low).ok()?);
            }
            _ => name.push(byte),
        }
    }
    String::from_utf8(name).ok().filter(|name| !name.contains(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_keeps_all_but_the_name() {
        for (body, expected) in [
            (r#"{"model":"a","n":1}"#, r#"{"model":"x\"y","n":1}"#),
            (r#" { "n" : {"model":"b"} , "model" : "a" } "#, r#" { "n" : {"model":"b"} , "model" : "x\"y" } "#),
            (r#"{"\u006dodel":"\u0061","m":"\u0061é"}"#, r#"{"\u006dodel":"x\"y","m":"\u0061é"}"#),
            (r#"{"model":null}"#, r#"{"model":"x\"y"}"#),
        ] {
            let found = renamed(body.as_bytes(), "x\"y").unwrap();
            assert_eq!(std::str::from_utf8(&found).unwrap(), expected);
        }
        for none in ["{}", "[]", "", r#"{"n":{"model":"a"}}"#, r#"{"model":"a""#] {
            assert_eq!(renamed(none.as_bytes(), "x"), None, "{none}");
        }
        assert_eq!(renamed(b"\xff", "x"), None);
    }

    #[test]
    fn the_nearest_model_is_told_of() {
        let models = ["tiny", "Qwen/Qwen3-0.6B", "qwen3-embedding"];
        for (name, meant) in [
            ("Tiny", Some("tiny")),
            ("tiny:latest", Some("tiny")),
            ("tinny", Some("tiny")),
            ("sluice/tiny", Some("tiny")),
            ("tiny-instruct", Some("tiny")),
            ("qwen3-0.6b", Some("Qwen/Qwen3-0.6B")),
            ("qwen3:0.6b", Some("Qwen/Qwen3-0.6B")),
            ("Qwen/Qwen3-0.6B-GGUF", Some("Qwen/Qwen3-0.6B")),
            ("qwen3-embeding", Some("qwen3-embedding")),
            ("gpt-4o", None),
            ("", None),
            ("x", None),
        ] {
            let told = no_model(name, models);
            assert_eq!(told.message.contains("Did you mean"), meant.is_some(), "{name}: {}", told.message);
            assert!(meant.is_none_or(|meant| told.message.contains(&format!("`{meant}`"))), "{name}: {}", told.message);
        }
        // What is not offered is not told of, and nothing long is compared or said again.
        assert!(!no_model("tiny", ["other"]).message.contains("tiny"));
        assert!(!no_model(&"tiny".repeat(10_000), models).message.contains("mean"));
    }

    #[test]
    fn distances_are_levenshtein_s() {
        let between = |a: &str, b: &str| distance(&bare(a), &bare(b));
        for (a, b, expected) in
            [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("flaw", "lawn", 2), ("a", "a", 0)]
        {
            assert_eq!((between(a, b), between(b, a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn a_name_is_decoded_once() {
        for (text, name) in [
            ("tiny", Some("tiny")),
            ("Owner/Name", Some("Owner/Name")),
            ("Owner%2FName", Some("Owner/Name")),
            ("Owner%2fName", Some("Owner/Name")),
            ("Owner%252FName", Some("Owner%2FName")),
            ("Owner%2F%2FName", Some("Owner//Name")),
            ("a+b", Some("a+b")),
            ("a%20b", Some("a b")),
            ("%2e%2e%2fadmin", Some("../admin")),
            ("%C3%A9", Some("é")),
            ("é", Some("é")),
            ("tiny/", Some("tiny/")),
            ("", None),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%+1", None),
            ("a%00", None),
            ("a%0d%0ab", None),
            ("%C2%85", None),
            ("%ff", None),
            ("%c3", None),
            ("%é1", None),
        ] {
            assert_eq!(model_name(text).as_deref(), name, "{text}");
        }
        assert!(model_name(&"x".repeat(MAX_NAME)).is_some());
        assert_eq!(model_name(&"x".repeat(MAX_NAME + 1)), None);
    }
}
