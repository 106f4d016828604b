//! The page that shows the list of members.

use sluice_protocol::request::door::Door;
use sluice_protocol::request::member::{Fate, Table};
use std::path::PathBuf;

/// docs/requests.md shows the list, a table for each family of doors. `SLUICE_BLESS=1` writes them there.
#[test]
fn the_page_shows_the_list() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/requests.md");
    let mut page = std::fs::read_to_string(&path).unwrap();
    for (table, mark, columns) in [
        (Table::of(Door::Chat), "members", "whose | in a chat | in a text completion"),
        (Table::of(Door::OllamaChat), "ollama", "whose | `/api/chat` | `/api/generate`"),
        (Table::of(Door::Messages), "anthropic", "whose | for an answer | for a count"),
        (Table::of(Door::Responses), "responses", "whose | what happens to it"),
        (Table::of(Door::Embeddings), "embeddings", "whose | in a request"),
        (Table::of(Door::OllamaEmbed), "ollama-embed", "whose | `/api/embed` | `/api/embeddings`"),
        (Table::of(Door::Rerank), "rerank", "whose | in a request"),
        (Table::of(Door::Images), "images", "whose | in a request"),
        (Table::of(Door::Tokenize), "tokens", "whose | `/tokenize` | `/detokenize`"),
    ] {
        let (begin, end) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
        let (before, rest) = page.split_once(&begin).expect("the page has a place for the table");
        let (found, after) = rest.split_once(&end).expect("and an end of it");
        let shown = rows(table, columns);
        if std::env::var_os("SLUICE_BLESS").is_some() {
            page = format!("{before}{begin}{shown}{end}{after}");
            continue;
        }
        assert_eq!(found, shown, "docs/requests.md does not show the list of members as it is");
    }
    if std::env::var_os("SLUICE_BLESS").is_some() {
        std::fs::write(&path, page).unwrap();
    }
}

fn rows(table: &Table, columns: &str) -> String {
    let rule = "---|".repeat(columns.split(" | ").count() + 2);
    let mut rows = format!("| member | {columns} | |\n|{rule}\n");
    for member in table.members {
        let fate = |door| match table.fate(member, door) {
            Fate::Served => "served".to_owned(),
            Fate::Passes => "passed over".to_owned(),
            Fate::Refused([]) => "refused".to_owned(),
            Fate::Refused(nothing) => format!("refused, but for `{}`", nothing.join("`, `")),
        };
        let owners: Vec<&str> = member.owners().collect();
        let fates = table.doors.iter().map(|door| fate(*door));
        let cells = [format!("`{}`", member.name), owners.join(", ")].into_iter().chain(fates).chain([member.remark()]);
        rows += &format!("| {} |\n", cells.collect::<Vec<_>>().join(" | ").trim_end());
    }
    rows
}
