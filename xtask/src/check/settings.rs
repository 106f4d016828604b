//! The tables of settings in docs/settings.md say what the gates really read.

use anyhow::{Context, Result};

/// What to do about a table that is not true.
pub(super) const FIX: &str = "docs/settings.md has one row per setting between `<!-- settings:GATE -->` and `<!-- /settings -->`: \
    `| `NAME` | `default` | meaning |`; make it equal to config/table.rs";

/// Where the tables are.
pub(super) const PAGE: &str = "docs/settings.md";

/// A setting: its name, its default, which is empty where there is none, and what it means, if the source says that in the
/// page's words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Setting {
    name: String,
    default: String,
    meaning: Option<String>,
}

/// The rows of the page's table for `gate`.
pub(super) fn from_page(page: &str, gate: &str) -> Result<Vec<Setting>> {
    let begin = format!("<!-- settings:{gate} -->");
    let (_, after) = page.split_once(&begin).with_context(|| format!("docs/settings.md has no `{begin}`"))?;
    let (table, _) = after
        .split_once("<!-- /settings -->")
        .context("docs/settings.md: a settings table has no `<!-- /settings -->`")?;
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
    let meaning = cells.collect::<Vec<_>>().join("|");
    Some(Setting {
        name,
        default: default.to_owned(),
        meaning: Some(without_links(meaning.trim_end_matches('|').trim())),
    })
}

/// `[text](target)` as `text`: the page links what the source names.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        let link = after.split_once("](").and_then(|(shown, after)| Some((shown, after.split_once(')')?.1)));
        let Some((shown, after)) = link else { break };
        plain.push_str(before);
        plain.push_str(shown);
        rest = after;
    }
    plain + rest
}

/// What edge/src/config/table.rs declares: literal entries `Setting { name: "X", default: "Y", meaning: "Z" }`.
pub(super) fn from_edge_table(config: &str) -> Result<Vec<Setting>> {
    const DECLARATION: &str = "const SETTINGS: &[Setting] = &[";
    let (_, after) =
        config.split_once(DECLARATION).with_context(|| format!("edge/src/config/table.rs has no `{DECLARATION}`"))?;
    let (table, _) = after.split_once("\n];").context("edge/src/config/table.rs: SETTINGS does not end with `];`")?;
    let entry = |text: &str| -> Result<Setting> {
        let field = |name: &str| {
            let (_, after) = text.split_once(&format!("{name}: \""))?;
            literal(after)
        };
        let shown = || format!("edge/src/config/table.rs: not a literal entry of SETTINGS: {}", text.trim());
        let [name, default, meaning] = ["name", "default", "meaning"].map(field);
        Ok(Setting { name: name.with_context(shown)?, default: default.with_context(shown)?, meaning })
    };
    table.split("Setting {").skip(1).map(entry).collect()
}

/// A text as Rust writes it, up to the quotation mark that ends it.
fn literal(text: &str) -> Option<String> {
    let mut said = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some(said),
            '\\' => said.push(characters.next()?),
            other => said.push(other),
        }
    }
}

/// The flags in `sluice-origin serve --help`, with the defaults it names.
pub(super) fn from_origin_help(help: &str) -> Vec<Setting> {
    let mut found: Vec<Setting> = Vec::new();
    for line in help.lines() {
        if let Some(name) = flag(line) {
            found.push(Setting { name: format!("--{name}"), default: String::new(), meaning: None });
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

/// Names in one and not in the other, and defaults and meanings that differ.
pub(super) fn differences(gate: &str, page: &[Setting], source: &[Setting]) -> Vec<String> {
    let mut found = Vec::new();
    for setting in source {
        match page.iter().find(|row| row.name == setting.name) {
            None => found.push(format!("{gate}: {} is missing from docs/settings.md", setting.name)),
            Some(row) if row.default != setting.default => found.push(format!(
                "{gate}: {} defaults to `{}`, docs/settings.md says `{}`",
                setting.name, setting.default, row.default
            )),
            Some(row) if setting.meaning.is_some() && row.meaning != setting.meaning => found.push(format!(
                "{gate}: {} means `{}`, docs/settings.md says `{}`",
                setting.name,
                setting.meaning.clone().unwrap_or_default(),
                row.meaning.clone().unwrap_or_default()
            )),
            Some(_) => {}
        }
    }
    for row in page.iter().filter(|row| source.iter().all(|setting| setting.name != row.name)) {
        found.push(format!("{gate}: docs/settings.md lists {}, which does not exist", row.name));
    }
    if source.is_empty() {
        found.push(format!("{gate}: no settings were found in the source, so nothing was compared"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<!-- settings:edge -->\n| name | default | meaning |\n|---|---|---|\n| `ORIGIN_URL` | required | x |\n\
        | `PLANS` | `built-in` | see [docs/y.md](y.md#a) |\n<!-- /settings -->\n<!-- settings:origin -->\n| `--bind ADDRESS` | `x` | z |\n<!-- /settings -->";
    const CONFIG: &str = "pub const SETTINGS: &[Setting] = &[\n    Setting {\n        name: \"ORIGIN_URL\",\n        default: \"\",\n        \
        meaning: \"x\",\n    },\n    Setting { name: \"PLANS\", default: \"built-in\", meaning: \"see docs/y.md\" },\n];\n";

    fn edge(page: &str, config: &str) -> Vec<String> {
        differences("edge", &from_page(page, "edge").unwrap(), &from_edge_table(config).unwrap())
    }

    #[test]
    fn equal_tables_pass() {
        assert_eq!(edge(PAGE, CONFIG), Vec::<String>::new());
    }

    #[test]
    fn a_missing_an_invented_and_a_wrong_row_are_refused() {
        assert_eq!(
            edge(&PAGE.replace("| `PLANS` | `built-in` | see [docs/y.md](y.md#a) |\n", ""), CONFIG),
            ["edge: PLANS is missing from docs/settings.md"]
        );
        assert_eq!(edge(&PAGE.replace("PLANS", "PLANES"), CONFIG).len(), 2);
        assert_eq!(
            edge(&PAGE.replace("built-in", "none"), CONFIG),
            ["edge: PLANS defaults to `built-in`, docs/settings.md says ``"]
        );
        assert_eq!(
            edge(&PAGE.replace("| x |", "| y |"), CONFIG),
            ["edge: ORIGIN_URL means `x`, docs/settings.md says `y`"]
        );
        assert!(!edge(PAGE, "const SETTINGS: &[Setting] = &[\n];").is_empty());
    }

    #[test]
    fn a_meaning_may_hold_quotation_marks() {
        let config = CONFIG.replace("meaning: \"x\"", r#"meaning: "x, such as `{\"a\": \"b\"}`""#);
        assert_ne!(config, CONFIG);
        assert_eq!(edge(&PAGE.replace("| x |", r#"| x, such as `{"a": "b"}` |"#), &config), Vec::<String>::new());
    }

    #[test]
    fn a_table_that_is_not_there_is_an_error() {
        assert!(from_page("# Sluice", "edge").is_err());
        assert!(from_edge_table("fn main() {}").is_err());
    }

    #[test]
    fn flags_are_read_from_the_help() {
        let help = "Options:\n      --bind <ADDRESS>\n          Where [env: B=] [default: x]\n  -s, --slots <N>\n      --open\n  -h, --help   Print help\n";
        let flags = from_origin_help(help);
        let names: Vec<&str> = flags.iter().map(|flag| flag.name.as_str()).collect();
        assert_eq!(names, ["--bind", "--slots", "--open"]);
        let found = differences("origin", &from_page(PAGE, "origin").unwrap(), &flags);
        assert_eq!(flags[0].default, "x");
        assert_eq!(
            found,
            ["origin: --slots is missing from docs/settings.md", "origin: --open is missing from docs/settings.md"]
        );
    }
}
