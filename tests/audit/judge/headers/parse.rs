//! The two notations of the headers: the IETF's lists with parameters, and Go's durations.

use std::time::Duration;

/// One member of a list: `"minute";q=60;w=60`.
pub(super) struct Item {
    /// Its name, without quotes.
    pub(super) name: String,
    parameters: Vec<(String, String)>,
}

impl Item {
    /// A parameter that is a whole number.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.parameters.iter().find(|(parameter, _)| parameter == name)?.1.parse().ok()
    }
}

/// The members of a list.
pub(super) fn items(list: &str) -> Vec<Item> {
    let member = |text: &str| {
        let mut parts = split(text, ';').into_iter().map(str::trim);
        let name = parts.next().unwrap_or_default().trim_matches('"').to_owned();
        let parameter = |part: &str| part.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Item { name, parameters: parts.filter_map(parameter).collect() }
    };
    split(list, ',').into_iter().map(str::trim).filter(|text| !text.is_empty()).map(member).collect()
}

/// `1h2m3.5s`, `12ms`.
pub(super) fn go_duration(text: &str) -> Option<Duration> {
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        seconds += number
            * match &rest[digits..unit_end] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                _ => return None,
            };
        rest = &rest[unit_end..];
    }
    Some(Duration::from_secs_f64(seconds))
}

/// Splits outside of quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut quoted = false;
    let outside = move |c: char| {
        quoted ^= c == '"';
        c == separator && !quoted
    };
    text.split(outside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        let all = items(r#""a, b;c";q=60;w=1, "p";q=2;qu="concurrent-requests""#);
        let names: Vec<_> = all.iter().map(|item| item.name.as_str()).collect();
        assert_eq!(names, ["a, b;c", "p"]);
        assert_eq!((all[0].number("q"), all[0].number("w"), all[1].number("w")), (Some(60), Some(1), None));
        assert!(items("").is_empty());
    }

    #[test]
    fn durations_are_read() {
        for (text, ms) in [("12ms", 12), ("1.5s", 1_500), ("6m0s", 360_000), ("1h0m0s", 3_600_000)] {
            assert_eq!(go_duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(go_duration("5"), None);
        assert_eq!(go_duration("5 parsecs"), None);
    }
}
