//! The protocol touches nothing: no clock, randomness, IO or environment, neither through a package nor by itself.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    packages::graph::{dependencies, matches},
    source::{Source, line_of},
};

/// What to do when the protocol is impure.
pub(super) const FIX: &str = "the protocol takes time, randomness and IO as arguments: move this to edge or origin";

/// The crate that is checked.
pub(super) const CRATES: [&str; 1] = ["protocol"];
/// All that the protocol may name itself: each of them computes and does nothing else, but for those that test and time it.
const LISTED: [&str; 13] = [
    "base64",
    "criterion",
    "form_urlencoded",
    "hmac",
    // For tests alone: it is impure, below.
    "jiff",
    "postcard",
    "proptest",
    "serde",
    "serde_json",
    "sha2",
    "spki",
    "subtle",
    "thiserror",
];
/// Packages, or families ending in `*`, that the protocol must not reach through others either.
const IMPURE: [&str; 14] = [
    "tokio",
    "worker",
    "wasm-bindgen",
    "js-sys",
    "web-sys",
    "candle-*",
    "axum",
    "rand",
    "getrandom",
    "reqwest",
    "hyper",
    "chrono",
    "time",
    "jiff",
];
/// What of the standard library its code must not name.
const IMPURE_STD: [&str; 10] = [
    "Instant",
    "SystemTime",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "println!",
];

/// Packages in the output of `cargo tree --prefix none` that the protocol must not reach.
pub(super) fn impure(tree: &str) -> Vec<String> {
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    let found: BTreeSet<&str> = names.filter(|name| IMPURE.iter().any(|pattern| matches(pattern, name))).collect();
    found.into_iter().map(|name| format!("sluice-protocol depends on {name}")).collect()
}

/// Direct dependencies of the protocol, of any kind, that are not on its list. `metadata` is `cargo metadata --no-deps`.
pub(super) fn unlisted(metadata: &Value) -> Vec<String> {
    dependencies(metadata)
        .filter(|(member, dependency, _)| *member == "sluice-protocol" && !LISTED.contains(dependency))
        .map(|(_, dependency, _)| format!("sluice-protocol depends on {dependency}, which is not on its list"))
        .collect()
}

/// Places in the protocol's own code that reach a clock, the environment or IO.
pub(super) fn impure_code(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        let code = source.bare_code();
        for what in IMPURE_STD {
            let places = code.match_indices(what);
            found.extend(places.map(|(at, _)| format!("{}:{}: {what}", source.path, line_of(&code, at))));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_impure_tree_is_refused() {
        let tree = "sluice-protocol v0.1.0 (/x/protocol)\nserde v1.0.0\nrand v0.9.1\ncandle-core v0.11.1 (*)\n";
        assert_eq!(impure(tree), ["sluice-protocol depends on candle-core", "sluice-protocol depends on rand"]);
        assert!(impure("sluice-protocol v0.1.0\nserde v1.0.0\nrand_core v0.6.4\n").is_empty());
    }

    #[test]
    fn a_new_dependency_is_refused_until_it_is_listed() {
        let with = |name: &str| json!({"packages": [{"name": "sluice-protocol", "dependencies": [{"name": name, "req": "^1"}]}]});
        assert_eq!(unlisted(&with("uuid")).len(), 1);
        assert!(unlisted(&with("serde")).is_empty());
    }

    #[test]
    fn a_clock_is_refused_however_it_is_named() {
        let source = |code: &str| Source { path: "protocol/src/x.rs".into(), text: code.into() };
        for code in [
            "let now = std::time::SystemTime::now();",
            "use std::time::{Duration, Instant};",
            "fn f() { std::env::var(\"X\"); }",
            "println!(\"{x}\");",
        ] {
            assert_eq!(impure_code(&[source(code)]).len(), 1, "{code}");
        }
        for code in ["// std::fs is not for us", "use std::time::Duration;", "let text = \"std::env\";"] {
            assert_eq!(impure_code(&[source(code)]), Vec::<String>::new(), "{code}");
        }
    }
}
