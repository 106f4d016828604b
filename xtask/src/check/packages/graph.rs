//! Who depends on whom: packages that one crate alone may name, and pinned versions.

use serde_json::Value;

/// What to do when a crate names a package that is another's.
pub(in crate::check) const OWNERS_FIX: &str =
    "call it through the crate that owns it; ARCHITECTURE.md says which one names which package";
/// What to do when candle may float.
pub(in crate::check) const PINNED_FIX: &str =
    "write `=` before the version in the root Cargo.toml: another version computes other logits";

/// A package, or a family ending in `*`, and the only members that may depend on it directly.
const OWNERS: [(&str, &[&str]); 6] = [
    ("worker", &["sluice-edge"]),
    ("candle-*", &["sluice-origin"]),
    ("axum", &["sluice-origin"]),
    ("axum-*", &["sluice-origin"]),
    ("tokenizers", &["sluice-origin"]),
    // Its private-key operations are not constant in time (RUSTSEC-2023-0071): tests make keys with it, no gate does. The
    // edge has it without what makes keys, and checks signatures with public ones.
    ("rsa", &["e2e", "sluice-edge"]),
];
/// Families whose version decides our answers.
const PINNED: [&str; 2] = ["candle-*", "tokenizers"];

/// Direct dependencies, of any kind, of members that do not own the package. `metadata` is `cargo metadata --no-deps`.
pub(in crate::check) fn strangers(metadata: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (member, dependency, _) in dependencies(metadata) {
        let owner = OWNERS.iter().find(|(pattern, _)| matches(pattern, dependency));
        if let Some((_, owners)) = owner.filter(|(_, owners)| !owners.contains(&member)) {
            found.push(format!("{member} depends on {dependency}, which only {} may", owners.join(" and ")));
        }
    }
    found
}

/// Packages that must be pinned to a version and are not.
pub(in crate::check) fn floating(metadata: &Value) -> Vec<String> {
    dependencies(metadata)
        .filter(|(_, dependency, _)| PINNED.iter().any(|pattern| matches(pattern, dependency)))
        .filter(|(_, _, version)| !version.starts_with('='))
        .map(|(member, dependency, version)| format!("{member} asks for {dependency} {version}"))
        .collect()
}

/// (member, dependency, version requirement), of every kind.
pub(in crate::check) fn dependencies(metadata: &Value) -> impl Iterator<Item = (&str, &str, &str)> {
    let members = metadata["packages"].as_array().into_iter().flatten();
    members.flat_map(|member| {
        let dependencies = member["dependencies"].as_array().into_iter().flatten();
        dependencies.filter_map(move |dependency| {
            Some((member["name"].as_str()?, dependency["name"].as_str()?, dependency["req"].as_str()?))
        })
    })
}

pub(in crate::check) fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |family| name.starts_with(family))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workspace(member: &str, dependency: &str, version: &str) -> Value {
        json!({"packages": [{"name": member, "dependencies": [{"name": dependency, "req": version, "kind": "dev"}]}]})
    }

    #[test]
    fn a_package_is_named_by_its_owner_alone() {
        assert_eq!(strangers(&workspace("e2e", "axum", "^0.8")), ["e2e depends on axum, which only sluice-origin may"]);
        assert_eq!(strangers(&workspace("sluice-edge", "candle-nn", "=1")).len(), 1);
        assert_eq!(strangers(&workspace("sluice-protocol", "worker", "^0.8")).len(), 1);
        assert_eq!(strangers(&workspace("sluice-origin", "rsa", "^0.10")).len(), 1);
        for (member, dependency) in [("sluice-edge", "worker"), ("sluice-edge", "rsa"), ("e2e", "rsa")] {
            assert!(strangers(&workspace(member, dependency, "^1")).is_empty(), "{member} {dependency}");
        }
    }

    #[test]
    fn candle_is_pinned() {
        assert_eq!(floating(&workspace("sluice-origin", "candle-core", "^0.11.1")).len(), 1);
        assert!(floating(&workspace("sluice-origin", "candle-core", "=0.11.1")).is_empty());
    }
}
