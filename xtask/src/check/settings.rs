//! The README's tables of settings say what the gates really read.

use anyhow::{Context, Result};

/// What to do about a table that is not true.
pub(super) const FIX: &str = "README.md has one row per setting between `<!-- settings:GATE -->` and `<!-- /settings -->`: \
    `| `NAME` | `default` | meaning |`; make it equal to config.rs";

/// A setting: its name, and its default, which is empty where there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Setting {
    name: String,
    default: String,
}

/// The rows of the README's table for `gate`.
pub(super) fn from_readme(readme: &str, gate: &str) -> Result<Vec<Setting>> {
    let begin = format!("<!-- settings:{gate} -->");
    let (_, after) = readme.split_once(&begin).with_context(|| format!("README.md has no `{begin}`"))?;
    let (table, _) =
        after.split_once("<!-- /settings -->").context("README.md: a settings table has no `<!-- /settings -->`")?;
    Ok(table.lines().filter_map(row).collect())
}

/// `| `NAME` | `default` | meaning |`; `None` for the head and the rule below it.
fn row(line: &str) -> Option<Setting> {
    let mut cells = line.trim().strip_prefix('|')?.split('|').map(str::trim);
    let name = cells.next()?.strip_prefix('`')?.split('`').next()?;
    // `--bind ADDRESS` names the flag `--bind`.
    let name = name.split([' ', '=']).next()?.to_owned();
    let default = cells.next()?.trim_matches('`');
    let default = if matches!(default, "required" | "none" | "-") { "" } else { default };
    Some(Setting { name, default: default.to_owned() })
}

/// What edge/src/config.rs declares: literal entries `Setting { name: "X", default: "Y", meaning: "Z" }`.
pub(super) fn from_edge_config(config: &str) -> Result<Vec<Setting>> {
    const DECLARATION: &str = "const SETTINGS: &[Setting] = &[";
    let (_, after) =
        config.split_once(DECLARATION).with_context(|| format!("edge/src/config.rs has no `{DECLARATION}`"))?;
    let (table, _) = after.split_once("\n];").context("edge/src/config.rs: SETTINGS does not end with `];`")?;
    let entry = |text: &str| -> Result<Setting> {
        let field = |name: &str| {
            let (_, after) = text.split_once(&format!("{name}: \""))?;
            Some(after.split_once('"')?.0.to_owned())
        };
        let shown = || format!("edge/src/config.rs: not a literal entry of SETTINGS: {}", text.trim());
        Ok(Setting { name: field("name").with_context(shown)?, default: field("default").with_context(shown)? })
    };
    table.split("Setting {").skip(1).map(entry).collect()
}

/// The flags in `sluice-origin serve --help`, with the defaults it names.
pub(super) fn from_origin_help(help: &str) -> Vec<Setting> {
    let mut found: Vec<Setting> = Vec::new();
    for line in help.lines() {
        if let Some(name) = flag(line) {
            found.push(Setting { name: format!("--{name}"), default: String::new() });
        }
        let default = line.split_once("[default: ").and_then(|(_, rest)| rest.split_once(']'));
        if let (Some((default, _)), Some(setting)) = (default, found.last_mut()) {
            default.clone_into(&mut setting.default);
        }
    }
    found.retain(|setting| !matches!(setting.name.as_str(), "--help" | "--version"));
    found
}

/// The long flag that a line of help begins with.
fn flag(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let long = if line.starts_with("--") { line } else { line.strip_prefix('-')?.split_once(", ")?.1 };
    long.strip_prefix("--")?.split([' ', '=', '[', '<', ',']).next().filter(|name| !name.is_empty())
}

/// Names in one and not in the other, and defaults that differ.
pub(super) fn differences(gate: &str, readme: &[Setting], source: &[Setting]) -> Vec<String> {
    let mut found = Vec::new();
    for setting in source {
        match readme.iter().find(|row| row.name == setting.name) {
            None => found.push(format!("{gate}: {} is missing from README.md", setting.name)),
            Some(row) if row.default != setting.default => found.push(format!(
                "{gate}: {} defaults to `{}`, README.md says `{}`",
                setting.name, setting.default, row.default
            )),
            Some(_) => {}
        }
    }
    for row in readme.iter().filter(|row| source.iter().all(|setting| setting.name != row.name)) {
        found.push(format!("{gate}: README.md lists {}, which does not exist", row.name));
    }
    if source.is_empty() {
        found.push(format!("{gate}: no settings were found in the source, so nothing was compared"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "<!-- settings:edge -->\n| name | default | meaning |\n|---|---|---|\n| `ORIGIN_URL` | required | x |\n\
        | `PLANS` | `built-in` | y |\n<!-- /settings -->\n<!-- settings:origin -->\n| `--bind ADDRESS` | `x` | z |\n<!-- /settings -->";
    const CONFIG: &str = "pub const SETTINGS: &[Setting] = &[\n    Setting {\n        name: \"ORIGIN_URL\",\n        default: \"\",\n        \
        meaning: \"m\",\n    },\n    Setting { name: \"PLANS\", default: \"built-in\", meaning: \"p\" },\n];\n";

    fn edge(readme: &str, config: &str) -> Vec<String> {
        differences("edge", &from_readme(readme, "edge").unwrap(), &from_edge_config(config).unwrap())
    }

    #[test]
    fn equal_tables_pass() {
        assert_eq!(edge(README, CONFIG), Vec::<String>::new());
    }

    #[test]
    fn a_missing_an_invented_and_a_wrong_row_are_refused() {
        assert_eq!(
            edge(&README.replace("| `PLANS` | `built-in` | y |\n", ""), CONFIG),
            ["edge: PLANS is missing from README.md"]
        );
        assert_eq!(edge(&README.replace("PLANS", "PLANES"), CONFIG).len(), 2);
        assert_eq!(
            edge(&README.replace("built-in", "none"), CONFIG),
            ["edge: PLANS defaults to `built-in`, README.md says ``"]
        );
        assert!(!edge(README, "const SETTINGS: &[Setting] = &[\n];").is_empty());
    }

    #[test]
    fn a_table_that_is_not_there_is_an_error() {
        assert!(from_readme("# Sluice", "edge").is_err());
        assert!(from_edge_config("fn main() {}").is_err());
    }

    #[test]
    fn flags_are_read_from_the_help() {
        let help = "Options:\n      --bind <ADDRESS>\n          Where [env: B=] [default: x]\n  -s, --slots <N>\n      --open\n  -h, --help   Print help\n";
        let flags = from_origin_help(help);
        let names: Vec<&str> = flags.iter().map(|flag| flag.name.as_str()).collect();
        assert_eq!(names, ["--bind", "--slots", "--open"]);
        let found = differences("origin", &from_readme(README, "origin").unwrap(), &flags);
        assert_eq!(flags[0].default, "x");
        assert_eq!(found, ["origin: --slots is missing from README.md", "origin: --open is missing from README.md"]);
    }
}
