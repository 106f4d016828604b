//! Where packages come from, and which are not wanted: what deny.toml asks of `cargo deny`, as far as it can be told without it.

use serde_json::Value;

use super::licences::ALLOWED;

/// What to do when a package comes from somewhere else, is banned, or deny.toml and the list of licences differ.
pub(in crate::check) const FIX: &str = "take packages from crates.io alone; deny.toml says which are banned and why, and has the same \
    licences as xtask/src/check/packages/licences.rs";

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Packages that are neither members nor from crates.io, and those that deny.toml bans. `metadata` is the whole `cargo metadata`.
pub(in crate::check) fn unwanted(metadata: &Value, deny: &str) -> Vec<String> {
    let banned: Vec<_> = deny.lines().filter_map(banned).collect();
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        match package["source"].as_str() {
            None | Some(CRATES_IO) => {}
            Some(source) => found.push(format!("{name} comes from {source}")),
        }
        if banned.contains(&name) {
            found.push(format!("{name} is banned"));
        }
    }
    if licences(deny) != ALLOWED {
        found.push("deny.toml allows other licences than `cargo xtask check`".to_owned());
    }
    found
}

/// `{ name = "openssl-sys" },`
fn banned(line: &str) -> Option<&str> {
    line.trim().strip_prefix("{ name = \"")?.split_once('"').map(|(name, _)| name)
}

/// The list `allow` of the section `[licenses]`.
fn licences(deny: &str) -> Vec<&str> {
    let section = deny.split_once("\n[licenses]\n").map_or("", |(_, rest)| rest);
    let list = section.split_once("\nallow = [\n").and_then(|(_, rest)| rest.split_once("\n]"));
    let lines = list.map_or("", |(list, _)| list).lines();
    lines.map(|line| line.trim().trim_end_matches(',').trim_matches('"')).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deny() -> String {
        let allowed: String = ALLOWED.iter().map(|licence| format!("    \"{licence}\",\n")).collect();
        format!(
            "[advisories]\nignore = []\n\n[licenses]\n# Why.\nallow = [\n{allowed}]\n\n[bans]\ndeny = [\n    {{ name = \"bad\" }},\n]\n"
        )
    }

    fn metadata(name: &str, source: Option<&str>) -> Value {
        json!({"packages": [{"name": name, "source": source}]})
    }

    #[test]
    fn packages_come_from_crates_io() {
        assert!(unwanted(&metadata("good", Some(CRATES_IO)), &deny()).is_empty());
        assert!(unwanted(&metadata("member", None), &deny()).is_empty());
        for elsewhere in ["git+https://github.com/a/b?rev=1#1", "registry+https://example.com/index"] {
            assert_eq!(unwanted(&metadata("good", Some(elsewhere)), &deny()).len(), 1, "{elsewhere}");
        }
    }

    #[test]
    fn what_is_banned_is_found() {
        assert_eq!(unwanted(&metadata("bad", Some(CRATES_IO)), &deny()), ["bad is banned"]);
    }

    #[test]
    fn both_lists_of_licences_are_one() {
        let more = deny().replace("    \"MIT\",\n", "    \"MIT\",\n    \"GPL-3.0\",\n");
        assert_eq!(unwanted(&metadata("good", None), &more).len(), 1);
        assert_eq!(unwanted(&metadata("good", None), "").len(), 1);
    }
}
