//! The console, `edge/console/`: from TypeScript to `edge/build/assets/`, which wrangler uploads beside the Worker. It is
//! built with the edge, and `cargo xtask console` builds it alone.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use lexopt::{Arg, Parser};
use sha2::{Digest, Sha256};

use crate::host::process::{self, command};
use crate::host::progress::{self, Step};
use crate::host::workspace::{Workspace, collect, hex};
use crate::setup::{self, Node};

const USAGE: &str = "\
Usage: cargo xtask console [types]

Builds the console into edge/build/assets/. It is a part of every build of the edge, too.

  types   writes its types anew from docs/openapi-admin.json and docs/openapi.json
";
const SOURCES: &str = "edge/console";
/// What goes into it besides its sources.
const FILES: [&str; 2] = ["package-lock.json", "xtask/src/console.rs"];
/// What wrangler and workerd serve; `wrangler.toml` names it.
const ASSETS: &str = "edge/build/assets";
/// Where in it the console is: a path of the Worker's.
const PLACE: &str = "edge/build/assets/console";
/// Written last, so that an interrupted build is no build.
const STAMP: &str = "edge/build/.console-fingerprint";
/// Files that are served as they are.
const PUBLIC: [&str; 2] = ["index.html", "icon.svg"];
/// A first look at the console loads all of it: so many bytes at most, compressed.
const MAX_LOADED: usize = 120 * 1024;

/// `cargo xtask console`.
pub(crate) fn run(workspace: &Workspace, mut args: Parser) -> Result<()> {
    let node = match args.next()? {
        None => setup::run(workspace)?.node,
        Some(Arg::Value(word)) if word == "types" => {
            let node = setup::run(workspace)?.node;
            let mut step = Step::begin("console types");
            script(workspace, &node, &mut step, &["edge/console/script/types.mjs"])?;
            step.done("written");
            node
        }
        Some(Arg::Long("help") | Arg::Short('h')) => {
            print!("{USAGE}");
            return Ok(());
        }
        Some(other) => return Err(other.unexpected().into()),
    };
    progress::heading("build");
    build(workspace, &node)
}

/// Builds it, unless nothing that goes into it has changed.
pub(crate) fn build(workspace: &Workspace, node: &Node) -> Result<()> {
    let mut step = Step::begin("console");
    let _one_at_a_time = workspace.lock("console")?;
    let fingerprint = fingerprint(workspace)?;
    let is_there = workspace.path(PLACE).exists();
    if is_there && fs::read_to_string(workspace.path(STAMP)).is_ok_and(|found| found == fingerprint) {
        step.done("up to date");
        return Ok(());
    }
    match bundle(workspace, node, &mut step).and_then(|()| loaded(workspace, node, &mut step)) {
        Ok(bytes) => {
            fs::write(workspace.path(STAMP), fingerprint).with_context(|| format!("cannot write {STAMP}"))?;
            step.done(&format!("built, {} KB to load", bytes.div_ceil(1024)));
            Ok(())
        }
        Err(error) => {
            step.failed();
            Err(error)
        }
    }
}

/// Its types are those that the API's description gives, and it has no mistake that a compiler finds.
pub(crate) fn check(workspace: &Workspace, node: &Node, step: &mut Step) -> Result<String> {
    script(workspace, node, step, &["edge/console/script/types.mjs", "--check"])?;
    let mut compiler = command(workspace.path("edge/console/node_modules/.bin/tsc"));
    compiler.args(["--project", SOURCES, "--noEmit"]).current_dir(workspace.root());
    node.apply(&mut compiler)?;
    process::run(step, compiler, &workspace.log("console-types")?)?;
    Ok("current, no mistake".to_owned())
}

/// Its unit tests; how many passed.
pub(crate) fn test(workspace: &Workspace, node: &Node) -> Result<u32> {
    let mut step = Step::begin("console");
    let tests = ["--test", "--test-reporter=tap", "edge/console/test/*.test.ts"];
    match script(workspace, node, &mut step, &tests) {
        Ok(printed) => {
            let passed = passed(&printed);
            step.done(&format!("{passed} passed"));
            Ok(passed)
        }
        Err(error) => {
            step.failed();
            Err(error)
        }
    }
}

fn script(workspace: &Workspace, node: &Node, step: &mut Step, arguments: &[&str]) -> Result<String> {
    let mut run = command(node.binary());
    run.args(arguments).current_dir(workspace.root());
    process::run(step, run, &workspace.log("console-script")?)
}

/// The line of node's test runner that says how many passed.
fn passed(printed: &str) -> u32 {
    printed.lines().find_map(|line| line.strip_prefix("# pass ")?.trim().parse().ok()).unwrap_or_default()
}

fn bundle(workspace: &Workspace, node: &Node, step: &mut Step) -> Result<()> {
    let place = workspace.path(PLACE);
    if workspace.path(ASSETS).exists() {
        fs::remove_dir_all(workspace.path(ASSETS)).with_context(|| format!("cannot remove {ASSETS}"))?;
    }
    fs::create_dir_all(&place).with_context(|| format!("cannot create {PLACE}"))?;
    let mut bundle = command(node.program("esbuild"));
    bundle
        .args([&format!("{SOURCES}/src/main.tsx"), "--bundle", "--minify", "--format=esm", "--target=es2022"])
        .args(["--jsx=automatic", "--jsx-import-source=preact", "--charset=utf8"])
        .arg(format!("--outfile={PLACE}/console.js"))
        .current_dir(workspace.root());
    node.apply(&mut bundle)?;
    process::run(step, bundle, &workspace.log("build-console")?)?;
    for file in PUBLIC {
        copy(workspace, file, place.join(file))?;
    }
    copy(workspace, "_headers", workspace.path(ASSETS).join("_headers"))
}

fn copy(workspace: &Workspace, file: &str, to: PathBuf) -> Result<()> {
    let from = workspace.path(SOURCES).join("public").join(file);
    fs::copy(&from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

/// How many bytes a first look loads, compressed.
fn loaded(workspace: &Workspace, node: &Node, step: &mut Step) -> Result<usize> {
    let printed = script(workspace, node, step, &["edge/console/script/size.mjs", PLACE, &MAX_LOADED.to_string()])?;
    printed.trim().parse().with_context(|| format!("not a size: {printed}"))
}

/// A hash over everything that decides what the console is.
fn fingerprint(workspace: &Workspace) -> Result<String> {
    let mut files: Vec<PathBuf> = FILES.iter().map(|file| workspace.path(file)).collect();
    collect(&workspace.path(SOURCES), &["node_modules", "test"], &mut files)?;
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        hash.update(format!("{}\0{}\0", file.display(), bytes.len()));
        hash.update(bytes);
    }
    Ok(hex(&hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_tests_are_read_from_the_last_lines() {
        assert_eq!(passed("TAP version 13\n1..2\n# tests 2\n# pass 2\n# fail 0\n"), 2);
        assert_eq!(passed(""), 0);
    }

    #[test]
    fn wrangler_serves_what_is_built_and_nothing_else_first() {
        let settings = Workspace::locate().read("wrangler.toml").unwrap();
        assert!(settings.contains(&format!("directory = \"{ASSETS}\"")));
        assert!(settings.contains("run_worker_first = [\"/*\", \"!/console\", \"!/console/*\"]"));
    }
}
