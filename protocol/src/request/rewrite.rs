//! A body that asks for less than its sender wrote: some of its members changed, and all else as it came.

use crate::request::door::Door;
use crate::request::member::raw;
use std::ops::Range;

/// What is changed in a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrite<'a> {
    /// It names this model.
    pub model: Option<&'a str>,
    /// It asks for a whole answer.
    pub whole: bool,
    /// It asks the model not to think.
    pub no_thinking: bool,
}

/// A body of this door, changed so; `None` for one that is no object, which was refused before.
pub fn rewritten(door: Door, body: &[u8], change: Rewrite<'_>) -> Option<Vec<u8>> {
    let model = change.model.map(|model| serde_json::to_string(model).expect("a text can be written as JSON"));
    let mut members: Vec<(&str, &str)> = model.iter().map(|model| ("model", model.as_str())).collect();
    if change.whole {
        members.push(("stream", "false"));
    }
    if change.no_thinking {
        members.extend(without_thinking(door));
    }
    with_members(body, &members)
}

/// How a door says that the model is not to think. What goes first of several ways is said, whatever the others say.
const fn without_thinking(door: Door) -> Option<(&'static str, &'static str)> {
    match door {
        Door::Chat => Some(("enable_thinking", "false")),
        Door::OllamaChat | Door::OllamaGenerate => Some(("think", "false")),
        Door::Responses => Some(("reasoning", r#"{"effort":"none"}"#)),
        // Where nothing is said, no model thinks at this door, if its template leaves the choice.
        Door::Messages => Some(("thinking", "null")),
        _ => None,
    }
}

/// An object in JSON with these members in the place of its own, or behind them. `None` for what is none.
pub fn with_members(body: &[u8], members: &[(&str, &str)]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    let mut places: Vec<(Range<usize>, &str)> = Vec::new();
    let mut is_there = vec![false; members.len()];
    let mut is_empty = true;
    let walked = raw::entries(text, |name, json| {
        is_empty = false;
        if let Some(at) = members.iter().position(|(member, _)| *member == name) {
            is_there[at] = true;
            places.push((raw::place(text, json), members[at].1));
        }
        Ok::<(), ()>(())
    });
    walked.ok()?;
    let mut changed = Vec::with_capacity(body.len() + 64);
    let mut from = 0;
    for (place, json) in places {
        changed.extend_from_slice(&body[from..place.start]);
        changed.extend_from_slice(json.as_bytes());
        from = place.end;
    }
    let end = text.rfind('}')?;
    changed.extend_from_slice(&body[from..end]);
    for ((name, json), _) in members.iter().zip(is_there).filter(|(_, is_there)| !is_there) {
        let comma = if is_empty { "" } else { "," };
        changed.extend_from_slice(format!("{comma}\"{name}\":{json}").as_bytes());
        is_empty = false;
    }
    changed.extend_from_slice(&body[end..]);
    Some(changed)
}

/// An answer whose `usage` tells besides what was made of its request. As it was, if it has none.
pub fn with_degraded(answer: &[u8], steps: &[String]) -> Vec<u8> {
    told_in_usage(answer, steps).unwrap_or_else(|| answer.to_vec())
}

fn told_in_usage(answer: &[u8], steps: &[String]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(answer).ok()?;
    let [usage] = raw::members(text, &["usage"]).ok()?;
    let usage = usage.filter(|usage| usage.starts_with('{'))?;
    let place = raw::place(text, usage);
    let steps = serde_json::to_string(steps).expect("texts can be written as JSON");
    let comma = if usage[1..].trim_start().starts_with('}') { "" } else { "," };
    let told = format!("\"degraded\":{steps}{comma}");
    Some([&answer[..place.start + 1], told.as_bytes(), &answer[place.start + 1..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_keeps_all_that_is_not_changed() {
        let all = Rewrite { model: Some("s\"m"), whole: true, no_thinking: true };
        for (door, body, expected) in [
            (
                Door::Chat,
                r#" {"model" : "a", "n":{"stream":true}, "stream": true } "#,
                r#" {"model" : "s\"m", "n":{"stream":true}, "stream": false ,"enable_thinking":false} "#,
            ),
            (
                Door::Chat,
                r#"{"\u0073tream":1,"reasoning_effort":"high","enable_thinking":true,"model":"a"}"#,
                r#"{"\u0073tream":false,"reasoning_effort":"high","enable_thinking":false,"model":"s\"m"}"#,
            ),
            (Door::Completions, r#"{"model":"a","prompt":"}"}"#, r#"{"model":"s\"m","prompt":"}","stream":false}"#),
            (
                Door::Messages,
                r#"{"model":"a","thinking":{"type":"enabled","budget_tokens":9}}"#,
                r#"{"model":"s\"m","thinking":null,"stream":false}"#,
            ),
            (
                Door::Responses,
                r#"{"model":"a","reasoning":{"summary":"auto"}}"#,
                r#"{"model":"s\"m","reasoning":{"effort":"none"},"stream":false}"#,
            ),
            (Door::OllamaChat, r#"{"model":"a"}"#, r#"{"model":"s\"m","stream":false,"think":false}"#),
            (Door::OllamaGenerate, "{}", r#"{"model":"s\"m","stream":false,"think":false}"#),
        ] {
            let found = rewritten(door, body.as_bytes(), all).expect("an object");
            assert_eq!(std::str::from_utf8(&found).expect("a text"), expected);
            assert_eq!(rewritten(door, body.as_bytes(), Rewrite::default()).as_deref(), Some(body.as_bytes()));
        }
        for none in ["[]", "", r#"{"model":"a""#] {
            assert_eq!(rewritten(Door::Chat, none.as_bytes(), all), None, "{none}");
        }
    }

    #[test]
    fn usage_tells_what_was_done_and_what_has_none_stays() {
        let steps = ["no-stream".to_owned(), "max-tokens=9".to_owned()];
        for (answer, expected) in [
            (r#"{"usage": {"a":1}}"#, r#"{"usage": {"degraded":["no-stream","max-tokens=9"],"a":1}}"#),
            (r#"{"usage":{ }}"#, r#"{"usage":{"degraded":["no-stream","max-tokens=9"] }}"#),
            (r#"{"usage":null}"#, r#"{"usage":null}"#),
            (r#"{"x":{"usage":{}}}"#, r#"{"x":{"usage":{}}}"#),
            ("no JSON", "no JSON"),
        ] {
            assert_eq!(with_degraded(answer.as_bytes(), &steps), expected.as_bytes());
        }
    }
}
