//! The edge's platform is behind one seam: whatever it runs on is named in one folder. So the whole edge compiles for a
//! platform that tests script, and for others.

use crate::check::source::{Source, line_of, words};

/// The crates that have a platform.
pub(in crate::check) const CRATES: [&str; 1] = ["edge"];
/// What to do about a violation.
pub(in crate::check) const FIX: &str =
    "give `edge/src/platform.rs` what is needed, for each of its platforms, and use that";

/// The folder, and its file.
const ALLOWED: [&str; 2] = ["edge/src/platform/", "edge/src/platform.rs"];
/// The platform's packages, and which of the platforms it is.
const NAMES: [&str; 8] =
    ["worker", "web_sys", "js_sys", "wasm_bindgen", "wasm_bindgen_futures", "rusqlite", "workerd", "scripted"];

/// Every name of a platform elsewhere.
pub(in crate::check) fn violations(sources: &[Source]) -> Vec<String> {
    let in_file = |source: &Source| {
        let code = source.bare_code();
        let names = words(&code).filter(|(_, word)| NAMES.contains(word));
        names.map(|(offset, word)| format!("{}:{}: {word}", source.path, line_of(&code, offset))).collect::<Vec<_>>()
    };
    let is_elsewhere = |source: &&Source| !ALLOWED.iter().any(|allowed| source.path.starts_with(allowed));
    sources.iter().filter(is_elsewhere).flat_map(in_file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        violations(&[Source { path: path.to_owned(), text: text.to_owned() }])
    }

    #[test]
    fn one_folder_names_the_platform() {
        let text = "// worker\nuse worker::Env;\nfn f(_: &web_sys::Request) {}\nconst S: &str = \"js_sys\";\n";
        let found = ["edge/src/limit.rs:2: worker", "edge/src/limit.rs:3: web_sys"];
        assert_eq!(check("edge/src/limit.rs", text), found);
        for allowed in ["edge/src/platform.rs", "edge/src/platform/workerd/time.rs"] {
            assert_eq!(check(allowed, text), Vec::<String>::new());
        }
        assert_eq!(check("edge/src/platforms.rs", "use wasm_bindgen::JsValue;").len(), 1);
        assert_eq!(check("edge/src/hop.rs", "use crate::platform::workerd::promise::Settled;").len(), 1);
        assert_eq!(
            check("edge/src/hop.rs", "use crate::platform::{Env, sleep};\nlet workers = 1;"),
            Vec::<String>::new()
        );
    }
}
