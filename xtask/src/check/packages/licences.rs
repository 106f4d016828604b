//! Everything that is linked or run may be used under a licence that asks for no more than attribution.

use serde_json::Value;

/// What to do about a dependency whose licence is not in the list.
pub(in crate::check) const FIX: &str = "use another package, or add the licence to ALLOWED in xtask/src/check/packages/licences.rs, \
    or the package to ARGUED there with the reason why it is acceptable";

/// Licences that ask for attribution at most.
pub(in crate::check) const ALLOWED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];
/// (package, licence, why it is acceptable here).
const ARGUED: [(&str, &str, &str); 1] =
    [("jpeg-encoder", "IJG", "of the Independent JPEG Group, for a part of it: it asks for attribution, as BSD does")];

/// Packages that no allowed licence covers. `metadata` is the whole `cargo metadata`.
pub(in crate::check) fn violations(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages.filter_map(|package| violation(package["name"].as_str()?, package["license"].as_str())).collect()
}

fn violation(name: &str, licence: Option<&str>) -> Option<String> {
    let Some(licence) = licence else { return Some(format!("{name} names no licence")) };
    let argued = |id: &str| ARGUED.iter().any(|(package, argued, _)| *package == name && *argued == id);
    match satisfied(licence, &|id| ALLOWED.contains(&id) || argued(id)) {
        Some(true) => None,
        Some(false) => Some(format!("{name} is under {licence}")),
        None => Some(format!("{name} has a licence that is no SPDX expression: {licence}")),
    }
}

/// Evaluates an SPDX expression: `AND` binds tighter than `OR`, the old `/` means `OR`. `None` if it is malformed.
fn satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, allowed };
    let verdict = parser.any()?;
    parser.words.is_empty().then_some(verdict)
}

struct Parser<'e> {
    words: &'e [&'e str],
    allowed: &'e dyn Fn(&str) -> bool,
}

impl<'e> Parser<'e> {
    fn any(&mut self) -> Option<bool> {
        let mut verdict = self.all()?;
        while self.eat("OR") {
            verdict |= self.all()?;
        }
        Some(verdict)
    }

    fn all(&mut self) -> Option<bool> {
        let mut verdict = self.one()?;
        while self.eat("AND") {
            verdict &= self.one()?;
        }
        Some(verdict)
    }

    fn one(&mut self) -> Option<bool> {
        if self.eat("(") {
            let verdict = self.any()?;
            return self.eat(")").then_some(verdict);
        }
        let id = self.next().filter(|id| !matches!(*id, "OR" | "AND" | "WITH" | ")"))?;
        if self.eat("WITH") {
            let exception = self.next()?;
            return Some((self.allowed)(&format!("{id} WITH {exception}")));
        }
        Some((self.allowed)(id))
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = self.words.first() == Some(&word);
        if found {
            self.words = &self.words[1..];
        }
        found
    }

    fn next(&mut self) -> Option<&'e str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn expressions_are_evaluated() {
        for licence in [
            "MIT",
            "MIT OR Apache-2.0",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
        ] {
            assert_eq!(violation("p", Some(licence)), None, "{licence}");
        }
        for licence in ["GPL-3.0", "MIT AND GPL-3.0", "GPL-3.0 OR MIT AND AGPL-3.0", "MIT OR", "(MIT", "MIT MIT", ""] {
            assert!(violation("p", Some(licence)).is_some(), "{licence}");
        }
    }

    #[test]
    fn a_package_without_a_licence_is_refused() {
        let metadata = json!({"packages": [{"name": "a", "license": "MIT"}, {"name": "b", "license": null}]});
        assert_eq!(violations(&metadata), ["b names no licence"]);
    }

    #[test]
    fn every_exception_carries_its_reason() {
        assert!(ARGUED.iter().all(|(_, _, reason)| reason.len() > 20));
    }
}
