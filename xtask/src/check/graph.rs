//! Who depends on whom: purity of the protocol, packages that one crate alone may name, and pinned versions.

use std::collections::BTreeSet;

use serde_json::Value;

/// What to do when the protocol is impure.
pub(super) const PURE_FIX: &str =
    "the protocol takes time, randomness and IO as arguments: move the dependency to edge or origin";
/// What to do when a crate names a package that is another's.
pub(super) const OWNERS_FIX: &str =
    "call it through the crate that owns it; ARCHITECTURE.md says which one names which package";
/// What to do when candle may float.
pub(super) const PINNED_FIX: &str =
    "write `=` before the version in the root Cargo.toml: another version computes other logits";

/// Packages, or families ending in `*`, that the protocol must not reach.
const IMPURE: [&str; 11] = [
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
];
/// A package, or a family ending in `*`, and the only member that may depend on it directly.
const OWNERS: [(&str, &str); 5] = [
    ("worker", "sluice-edge"),
    ("candle-*", "sluice-origin"),
    ("axum", "sluice-origin"),
    ("axum-*", "sluice-origin"),
    ("tokenizers", "sluice-origin"),
];
/// Families whose version decides our answers.
const PINNED: [&str; 2] = ["candle-*", "tokenizers"];

/// Packages in the output of `cargo tree --prefix none` that the protocol must not reach.
pub(super) fn impure(tree: &str) -> Vec<String> {
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    let found: BTreeSet<&str> = names.filter(|name| IMPURE.iter().any(|pattern| matches(pattern, name))).collect();
    found.into_iter().map(|name| format!("sluice-protocol depends on {name}")).collect()
}

/// Direct dependencies, of any kind, of members that do not own the package. `metadata` is `cargo metadata --no-deps`.
pub(super) fn strangers(metadata: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (member, dependency, _) in dependencies(metadata) {
        let owner = OWNERS.iter().find(|(pattern, _)| matches(pattern, dependency));
        if let Some((_, owner)) = owner.filter(|(_, owner)| *owner != member) {
            found.push(format!("{member} depends on {dependency}, which only {owner} may"));
        }
    }
    found
}

/// Packages that must be pinned to a version and are not.
pub(super) fn floating(metadata: &Value) -> Vec<String> {
    dependencies(metadata)
        .filter(|(_, dependency, _)| PINNED.iter().any(|pattern| matches(pattern, dependency)))
        .filter(|(_, _, version)| !version.starts_with('='))
        .map(|(member, dependency, version)| format!("{member} asks for {dependency} {version}"))
        .collect()
}

/// (member, dependency, version requirement), of every kind.
fn dependencies(metadata: &Value) -> impl Iterator<Item = (&str, &str, &str)> {
    let members = metadata["packages"].as_array().into_iter().flatten();
    members.flat_map(|member| {
        let dependencies = member["dependencies"].as_array().into_iter().flatten();
        dependencies.filter_map(move |dependency| {
            Some((member["name"].as_str()?, dependency["name"].as_str()?, dependency["req"].as_str()?))
        })
    })
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |family| name.starts_with(family))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_impure_protocol_is_refused() {
        let tree = "sluice-protocol v0.1.0 (/x/protocol)\nserde v1.0.0\nrand v0.9.1\ncandle-core v0.11.1 (*)\n";
        assert_eq!(impure(tree), ["sluice-protocol depends on candle-core", "sluice-protocol depends on rand"]);
        assert!(impure("sluice-protocol v0.1.0\nserde v1.0.0\nrand_core v0.6.4\n").is_empty());
    }

    fn workspace(member: &str, dependency: &str, version: &str) -> Value {
        json!({"packages": [{"name": member, "dependencies": [{"name": dependency, "req": version, "kind": "dev"}]}]})
    }

    #[test]
    fn a_package_is_named_by_its_owner_alone() {
        assert_eq!(strangers(&workspace("e2e", "axum", "^0.8")), ["e2e depends on axum, which only sluice-origin may"]);
        assert_eq!(strangers(&workspace("sluice-edge", "candle-nn", "=1")).len(), 1);
        assert_eq!(strangers(&workspace("sluice-protocol", "worker", "^0.8")).len(), 1);
        assert!(strangers(&workspace("sluice-edge", "worker", "^0.8")).is_empty());
    }

    #[test]
    fn candle_is_pinned() {
        assert_eq!(floating(&workspace("sluice-origin", "candle-core", "^0.11.1")).len(), 1);
        assert!(floating(&workspace("sluice-origin", "candle-core", "=0.11.1")).is_empty());
    }
}
