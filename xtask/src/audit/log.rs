//! `cargo xtask audit verify FILE`: whether an export of the audit log is whole and unchanged. `audit-log verify` is the same.
//!
//! This shares no code with the edge that wrote it: the hashes are made again from what `protocol/src/admin/audit.rs` documents.

use std::{collections::BTreeMap, fmt::Write, fs, path::PathBuf};

use anyhow::{Context, Result, bail, ensure};
use lexopt::{Arg, Parser, ValueExt};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

const USAGE: &str = "\
Usage: cargo xtask audit verify FILE [--head HASH]

Checks an export of the audit log: pages of GET /admin/v1/audit, or entries, one after another as JSON.
Every entry must follow the one before it and say what was hashed. What was cut off at the end only shows
against a hash that you have kept: the edge logs each as {\"audit\":NUMBER,\"hash\":...}.

  --head HASH   the last entry must have this hash

`cargo xtask audit-log verify FILE` is the same command.
";

/// Runs `audit verify` and `audit-log`.
pub(crate) fn run(mut args: Parser) -> Result<()> {
    let mut words = Vec::new();
    let mut head = None;
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Value(word) => words.push(word),
            Arg::Long("head") => head = Some(args.value()?.string()?),
            Arg::Long("help") | Arg::Short('h') => {
                print!("{USAGE}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let [command, file] = words.as_slice() else { bail!("a command and a file are needed\n\n{USAGE}") };
    ensure!(command == "verify", "there is no command `{}`\n\n{USAGE}", command.to_string_lossy());
    let file = PathBuf::from(file);
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let checked = verify(&text)?;
    if let Some(expected) = head {
        ensure!(
            checked.hash == expected,
            "the last entry has the hash {}, and not {expected}: what follows it is missing",
            checked.hash
        );
    }
    println!(
        "{} entries, {} to {}, are whole; the last hash is {}",
        checked.count, checked.first, checked.last, checked.hash
    );
    if checked.first != 1 {
        println!("what came before entry {} was not looked at", checked.first);
    }
    Ok(())
}

/// What an export holds.
#[derive(Debug, PartialEq, Eq)]
struct Checked {
    count: usize,
    first: u64,
    last: u64,
    hash: String,
}

fn verify(text: &str) -> Result<Checked> {
    let mut entries = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        match value.context("this is not JSON")? {
            Value::Object(mut page) if page.contains_key("data") => match page.remove("data") {
                Some(Value::Array(data)) => entries.extend(data),
                _ => bail!("a page's `data` is a list"),
            },
            entry => entries.push(entry),
        }
    }
    let mut before: Option<(u64, u64, String)> = None;
    let mut first = 0;
    for entry in &entries {
        let (number, at, hash) = check(entry, before.as_ref())?;
        if before.is_none() {
            first = number;
        }
        before = Some((number, at, hash));
    }
    let Some((last, _, hash)) = before else { bail!("there is no entry in it") };
    Ok(Checked { count: entries.len(), first, last, hash })
}

/// One entry's number, time and hash, if it is right.
fn check(entry: &Value, before: Option<&(u64, u64, String)>) -> Result<(u64, u64, String)> {
    let members = entry.as_object().context("an entry is an object")?;
    let number = entry["number"].as_u64().context("an entry has no number")?;
    let at = entry["at"].as_u64().with_context(|| format!("entry {number} has no time"))?;
    let text =
        |name: &str| entry[name].as_str().map(str::to_owned).with_context(|| format!("entry {number} has no `{name}`"));
    let (previous, hash) = (text("previous")?, text("hash")?);
    if let Some((last, last_at, last_hash)) = before {
        ensure!(number == last + 1, "entry {number} stands where {} belongs", last + 1);
        ensure!(previous == *last_hash, "entry {number} does not follow the entry before it");
        ensure!(at >= *last_at, "entry {number} is older than the entry before it");
    } else if number == 1 {
        ensure!(previous == "0".repeat(64), "entry 1 follows something");
    }
    ensure!(right_hash(members) == Some(hash.clone()), "entry {number} has been changed");
    Ok((number, at, hash))
}

/// The hash of what an entry says; `None` if it has other members than an entry has.
fn right_hash(entry: &Map<String, Value>) -> Option<String> {
    // Whatever has formatted the file may have sorted its members.
    let mut hashed = Map::new();
    for name in MEMBERS {
        hashed.insert(name.to_owned(), entry.get(name)?.clone());
    }
    if entry.len() != MEMBERS.len() + 1 {
        return None;
    }
    let details: BTreeMap<_, _> = hashed["details"].as_object()?.clone().into_iter().collect();
    hashed["details"] = json!(details);
    let digest = Sha256::digest(format!("sluice-audit-v1\n{}", Value::from(hashed)));
    Some(digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// What is hashed, in this order.
const MEMBERS: [&str; 9] = ["number", "at", "actor", "address", "action", "target", "details", "request", "previous"];

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by the protocol's own tests; a page as the edge answers it.
    const PAGE: &str = include_str!("../../../protocol/tests/golden/admin_audit.json");

    fn page() -> Value {
        serde_json::from_str(PAGE).unwrap()
    }

    #[test]
    fn what_the_edge_writes_is_whole() {
        let checked = verify(PAGE).unwrap();
        assert_eq!((checked.count, checked.first, checked.last), (3, 1, 3));
        // One by one, formatted and sorted as other tools do it.
        let lines: Vec<_> = page()["data"].as_array().unwrap().iter().map(Value::to_string).collect();
        assert_eq!(verify(&lines.join("\n")).unwrap(), checked);
        let sorted: BTreeMap<_, _> = page()["data"][0].as_object().unwrap().clone().into_iter().collect();
        assert_eq!(verify(&json!(sorted).to_string()).unwrap().hash, page()["data"][0]["hash"]);
        let rest = verify(&lines[1..].join("\n")).unwrap();
        assert_eq!((rest.first, rest.hash), (2, checked.hash));
    }

    #[test]
    fn whatever_is_changed_is_found() {
        let changed = |change: &dyn Fn(&mut Vec<Value>)| {
            let mut page = page();
            change(page["data"].as_array_mut().unwrap());
            verify(&page.to_string()).unwrap_err().to_string()
        };
        for member in MEMBERS.iter().filter(|member| !["number", "previous"].contains(member)) {
            let error = changed(&|data| {
                let value = if *member == "at" { json!(1_800_000_000_000u64) } else { json!({"x": "y"}) };
                data[2][*member] = value;
            });
            assert!(error.contains("entry 3"), "{member}: {error}");
        }
        assert!(changed(&|data| data[1]["more"] = json!(1)).contains("entry 2 has been changed"));
        assert!(changed(&|data| data[1]["number"] = json!(7)).contains("entry 7 stands where 2"));
        assert!(changed(&|data| drop(data.remove(1))).contains("entry 3 stands where 2"));
        assert!(changed(&|data| data[1]["previous"] = json!("0".repeat(64))).contains("does not follow"));
        assert!(changed(&|data| data[0]["previous"] = json!("1".repeat(64))).contains("follows something"));
        assert!(changed(&|data| drop(data.drain(..))).contains("no entry"));
    }
}
