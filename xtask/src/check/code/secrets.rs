//! Two invariants over text: no secret type prints itself, and no prompt is logged.

use crate::check::source::{Source, end_of_group, line_of, words};

/// The crates that hold secrets and prompts.
pub(in crate::check) const CRATES: [&str; 3] = ["protocol", "edge", "origin"];
/// What to do about a type that prints itself.
pub(in crate::check) const PRINTS_FIX: &str =
    "remove the derive; write `impl Debug` by hand, naming the type and hiding its contents, where one is needed";
/// What to do about a logged prompt.
pub(in crate::check) const LOGS_FIX: &str = "log its length, its hash or the request id instead; \
    people write to a model what they would tell nobody";

/// Types that are secret by name.
const SECRET_TYPES: [&str; 5] = ["ApiKey", "KeyMaterial", "GrantSigner", "GrantKey", "Credentials"];
/// Types that are secret by how their name ends; a plural counts.
const SECRET_ENDINGS: [&str; 6] = ["Secret", "Pepper", "SigningKey", "PrivateKey", "Password", "Bearer"];
/// At the edge and in the protocol a token opens a door; in the origin it is a piece of text.
const TOKEN_CRATES: [&str; 2] = ["edge/", "protocol/"];
/// Named like a secret, and none.
const NOT_SECRET: [(&str, &str); 1] = [("Tokens", "a number of pieces of text")];
/// Derives that put a value into text.
const PRINTING: [&str; 3] = ["Debug", "Display", "Serialize"];

/// Macros that write where people, or a log collector, read.
const LOG_MACROS: [&str; 18] = [
    "console_log",
    "console_error",
    "console_warn",
    "console_debug",
    "trace",
    "debug",
    "info",
    "warn",
    "error",
    "event",
    "span",
    "trace_span",
    "debug_span",
    "info_span",
    "warn_span",
    "error_span",
    "println",
    "eprintln",
];
/// Identifiers that hold what a caller wrote or got.
const PROMPT_WORDS: [&str; 19] = [
    "messages",
    "content",
    "contents",
    "prompt",
    "prompts",
    "body",
    "bodies",
    "request_body",
    "response_body",
    "prompt_text",
    "input",
    "inputs",
    "completion",
    "delta",
    "generated",
    "user_text",
    "tool_calls",
    "reasoning",
    "rendered",
];
/// What may be asked of such an identifier in a log: it does not show the text.
const HARMLESS: [&str; 3] = [".len()", ".is_empty()", ".is_some()"];

/// Secret types that derive a way to print themselves.
pub(in crate::check) fn printing_secrets(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        let code = source.bare_code();
        for (offset, _) in code.match_indices("#[derive(") {
            let open = offset + "#[derive".len();
            let end = end_of_group(&code, open);
            let derived: Vec<&str> =
                words(&code[open..end]).map(|(_, word)| word).filter(|word| PRINTING.contains(word)).collect();
            let name = type_after(&code[end..]);
            if !derived.is_empty() && name.is_some_and(|name| is_secret(name, &source.path)) {
                let name = name.unwrap_or_default();
                found.push(format!(
                    "{}:{}: {name} derives {}",
                    source.path,
                    line_of(&code, offset),
                    derived.join(", ")
                ));
            }
        }
    }
    found
}

/// The name in `struct Name` or `enum Name`, the first after a derive.
fn type_after(code: &str) -> Option<&str> {
    let mut words = words(code).map(|(_, word)| word);
    words.find(|word| matches!(*word, "struct" | "enum" | "union"))?;
    words.next()
}

fn is_secret(name: &str, path: &str) -> bool {
    if NOT_SECRET.iter().any(|(other, _)| *other == name) {
        return false;
    }
    let singular = name.strip_suffix('s').unwrap_or(name);
    let is_token = singular.ends_with("Token") && TOKEN_CRATES.iter().any(|prefix| path.starts_with(prefix));
    SECRET_TYPES.contains(&name) || SECRET_ENDINGS.iter().any(|ending| singular.ends_with(ending)) || is_token
}

/// Log lines that mention what a caller wrote or got.
pub(in crate::check) fn logged_prompts(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        let (code, bare) = (source.code(), source.bare_code());
        for (offset, word) in words(&bare) {
            let open = offset + word.len() + 1;
            if !LOG_MACROS.contains(&word) || !bare[offset + word.len()..].starts_with("!(") {
                continue;
            }
            let end = end_of_group(&bare, open);
            let named = words(&bare[open..end])
                .filter(|(at, word)| PROMPT_WORDS.contains(word) && shows(&bare[open + at + word.len()..]))
                .map(|(_, word)| word);
            let captured = captures(&code[open..end], &bare[open..end]);
            let mentioned: Vec<&str> = named.chain(captured).collect();
            if !mentioned.is_empty() {
                let line = line_of(&bare, offset);
                found.push(format!("{}:{line}: {word}! mentions {}", source.path, mentioned.join(", ")));
            }
        }
    }
    found
}

/// Whether an identifier followed by `rest` is shown, rather than measured or named as a field.
fn shows(rest: &str) -> bool {
    !HARMLESS.iter().any(|call| rest.starts_with(call))
}

/// `{prompt}` and `{body:?}` inside the string literals of `code`; `bare` is the same without literals.
fn captures<'c>(code: &'c str, bare: &'c str) -> impl Iterator<Item = &'c str> {
    words(code).filter_map(move |(at, word)| {
        let in_literal = bare.as_bytes()[at] == b' ';
        let opened = code[..at].ends_with('{') && !code[..at].ends_with("{{");
        (in_literal && opened && PROMPT_WORDS.contains(&word)).then_some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str, text: &str) -> [Source; 1] {
        [Source { path: path.to_owned(), text: text.to_owned() }]
    }

    #[test]
    fn a_secret_that_derives_debug_is_refused() {
        for text in [
            "#[derive(Clone, Debug)]\npub struct ApiKey { secret: [u8; 16] }",
            "#[derive(serde::Serialize)]\n/// Doc.\n#[serde(transparent)]\nstruct Peppers(Vec<u8>);",
            "#[derive(\n  Debug,\n)]\npub(crate) struct AdminToken;",
            "#[derive(Display)] enum GrantSigningKey { A }",
        ] {
            assert_eq!(printing_secrets(&at("edge/src/a.rs", text)).len(), 1, "{text}");
        }
    }

    #[test]
    fn other_types_may_print() {
        for text in [
            "#[derive(Clone, PartialEq)] pub struct ApiKey;",
            "#[derive(Debug)] pub struct SecretHash;",
            "#[derive(Debug)] pub struct Tokens(u64);",
            "// #[derive(Debug)] struct ApiKey",
        ] {
            assert!(printing_secrets(&at("protocol/src/auth/key.rs", text)).is_empty(), "{text}");
        }
        assert!(printing_secrets(&at("origin/src/engine.rs", "#[derive(Debug)] struct StopToken;")).is_empty());
    }

    #[test]
    fn a_logged_prompt_is_refused() {
        for text in [
            "tracing::debug!(\"input: {}\", request.messages)",
            "console_log!(\"{prompt}\");",
            "info!(id, ?body, \"refused\")",
            "eprintln!(\"{:?} {body:?}\", id)",
            "tracing::event!(Level::INFO,\n  content = %text)",
        ] {
            assert_eq!(logged_prompts(&at("edge/src/a.rs", text)).len(), 1, "{text}");
        }
    }

    #[test]
    fn measuring_is_not_logging_it() {
        for text in [
            "info!(bytes = body.len(), \"read\")",
            "console_log!(\"the body was too large\");",
            "info!(prompt_tokens, \"admitted\")",
            "format!(\"{prompt}\")",
            "error!(\"literal {{body}}\")",
        ] {
            assert_eq!(logged_prompts(&at("edge/src/a.rs", text)), Vec::<String>::new(), "{text}");
        }
    }
}
