//! A model's name: in a path (`GET /v1/models/{model}`), and in a body, where another may take its place.

use crate::refusal::{Reason, Refusal};
use crate::request::member::raw;

/// What a caller is told that names a model which is not there, or not for it.
pub fn no_model() -> Refusal {
    let message = "There is no such model; GET /v1/models lists them.";
    Refusal::new(Reason::ModelNotFound, message).with_param("model")
}

/// A body with another name as its `model`, and else as it was; `None` for one that names none.
pub fn renamed(body: &[u8], model: &str) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    let mut named = None;
    let walked = raw::entries(text, |name, json| {
        if name == "model" {
            // Where it stands in the text that it is a part of.
            let from = json.as_ptr() as usize - text.as_ptr() as usize;
            named = Some(from..from + json.len());
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
