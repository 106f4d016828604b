//! Streams of lines, each of them JSON.

/// One line of a stream: JSON that stands on one line by every reader's rule, and its end.
///
/// ollama-python reads lines by httpx, which ends one at each line break that Unicode knows. Three of them may stand in
/// JSON as they are, within texts only, where an escape says the same. White space between parts of JSON is none of them.
pub fn line(json: &str) -> String {
    let mut line = String::with_capacity(json.len() + 1);
    for each in json.chars() {
        match each {
            '\u{85}' => line.push_str("\\u0085"),
            '\u{2028}' => line.push_str("\\u2028"),
            '\u{2029}' => line.push_str("\\u2029"),
            // Of what a model or a caller wrote, and only between parts.
            '\n' | '\r' => line.push(' '),
            each => line.push(each),
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_line_is_one_by_every_rule_and_says_the_same() {
        let breaks = "\n\r\u{b}\u{c}\u{1c}\u{1d}\u{1e}\u{85}\u{2028}\u{2029}";
        let value = json!({"a\u{2028}": format!("x{breaks}y"), "b": [{"c": "é"}]});
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let line = line(&text);
            assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
            let inner = line.strip_suffix('\n').unwrap();
            assert!(!inner.contains(|each: char| breaks.contains(each)), "{inner:?}");
        }
    }
}
