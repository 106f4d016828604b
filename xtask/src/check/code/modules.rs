//! Imports run down among siblings and never back up, at every level of every crate's module tree; and nobody names a crate's
//! root, which stands above everything.
//!
//! A file is a module, and a folder is what its file is. An arrow goes from the module of a file to the module of a path in it; the
//! segments that both share are dropped, and what is left first on both sides are siblings. A parent and its child count as one.

mod paths;

use std::collections::{BTreeMap, BTreeSet};

use crate::check::source::Source;
use paths::paths_in;

/// What to do about a violation.
pub(in crate::check) const FIX: &str =
    "move what both need below both, or let the upper one hand it down: imports run one way";

/// Where the module trees are: each has its own root.
pub(in crate::check) const ROOTS: [&str; 10] = [
    "protocol/src",
    "edge/src",
    "origin/src",
    "origin/tiny",
    "origin/tiny-embed",
    "xtask/src",
    "xtask/replay/src",
    "tests/harness",
    "tests/bench",
    "tests/audit",
];

/// Modules that import each other in a ring, at one level.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::check) struct Circle {
    /// The module whose children they are: a root of [`ROOTS`] and the segments below it.
    pub(in crate::check) level: String,
    /// Their names.
    pub(in crate::check) modules: BTreeSet<String>,
}

/// What a reading of all sources finds.
#[derive(Debug, Default)]
pub(in crate::check) struct Found {
    /// Rings.
    pub(in crate::check) circles: Vec<Circle>,
    /// Files with a path that ends in their crate's root.
    pub(in crate::check) name_the_root: BTreeSet<String>,
    /// How many arrows there are between siblings.
    pub(in crate::check) arrows: usize,
}

/// Reads all arrows and looks for rings among them.
pub(in crate::check) fn find(sources: &[Source]) -> Found {
    let mut found = Found::default();
    let mut levels: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for root in ROOTS {
        let files: Vec<_> =
            sources.iter().filter_map(|source| Some((source, module_of(root, &source.path)?))).collect();
        let taken = files.iter().flat_map(|(source, module)| taken(&source.text).map(|name| child(module, name)));
        let modules: BTreeSet<_> = files.iter().map(|(_, module)| module.clone()).chain(taken).collect();
        for (source, module) in &files {
            for path in paths_in(&source.bare_code(), module) {
                let target = (0..=path.len()).rev().map(|end| &path[..end]).find(|prefix| modules.contains(*prefix));
                let Some(target) = target else { continue };
                if target.is_empty() && !module.is_empty() {
                    found.name_the_root.insert(source.path.clone());
                }
                let shared = module.iter().zip(target).take_while(|(ours, theirs)| ours == theirs).count();
                if let (Some(from), Some(to)) = (module.get(shared), target.get(shared)) {
                    let level = [&[root.to_owned()], &module[..shared]].concat().join("/");
                    levels.entry(level).or_default().entry(from.clone()).or_default().insert(to.clone());
                }
            }
        }
    }
    for (level, arrows) in levels {
        found.arrows += arrows.values().map(BTreeSet::len).sum::<usize>();
        let rings = rings(&arrows).into_iter().map(|modules| Circle { level: level.clone(), modules });
        found.circles.extend(rings);
    }
    found
}

/// Every circle, and every file that names its crate's root.
pub(in crate::check) fn violations(found: &Found) -> Vec<String> {
    let circle = |Circle { level, modules }: &Circle| {
        let modules: Vec<_> = modules.iter().map(String::as_str).collect();
        format!("a circle in {level}: {}", modules.join(" "))
    };
    let root = |path: &String| format!("{path} names its crate's root");
    found.circles.iter().map(circle).chain(found.name_the_root.iter().map(root)).collect()
}

/// The module that a file is, below a root; `None` if it lies elsewhere.
fn module_of(root: &str, path: &str) -> Option<Vec<String>> {
    let inside = path.strip_prefix(root)?.strip_prefix('/')?.strip_suffix(".rs")?;
    let mut module: Vec<_> = inside.split('/').map(str::to_owned).collect();
    match module.last().map(String::as_str) {
        Some("mod") => drop(module.pop()),
        Some("lib" | "main") if module.len() == 1 => module.clear(),
        _ => {}
    }
    Some(module)
}

/// The modules that a file takes from another folder: `#[path = ".."] mod name;`.
fn taken(code: &str) -> impl Iterator<Item = &str> {
    code.split("#[path = ").skip(1).filter_map(|rest| rest.split_once("mod ")?.1.split_once(';')).map(|(name, _)| name)
}

fn child(module: &[String], name: &str) -> Vec<String> {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

/// The strongly connected groups of more than one, by Kosaraju's two walks.
fn rings(arrows: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let mut backwards: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (from, to) in arrows.iter().flat_map(|(from, all)| all.iter().map(move |to| (from, to))) {
        backwards.entry(to.clone()).or_default().insert(from.clone());
    }
    let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
    for start in arrows.keys().chain(backwards.keys()) {
        walk(start, arrows, &mut seen, &mut order);
    }
    let (mut groups, mut seen) = (Vec::new(), BTreeSet::new());
    for start in order.iter().rev() {
        let mut group = Vec::new();
        walk(start, &backwards, &mut seen, &mut group);
        if group.len() > 1 {
            groups.push(group.into_iter().collect());
        }
    }
    groups
}

/// Everything that can be reached and was not seen, in the order in which it was left.
fn walk(from: &str, arrows: &BTreeMap<String, BTreeSet<String>>, seen: &mut BTreeSet<String>, left: &mut Vec<String>) {
    if !seen.insert(from.to_owned()) {
        return;
    }
    arrows.get(from).into_iter().flatten().for_each(|to| walk(to, arrows, seen, left));
    left.push(from.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> Found {
        let source = |(path, text): &(&str, &str)| Source { path: (*path).to_owned(), text: (*text).to_owned() };
        find(&files.iter().map(source).collect::<Vec<_>>())
    }

    fn circle(level: &str, modules: &[&str]) -> Circle {
        Circle { level: level.to_owned(), modules: modules.iter().map(|name| (*name).to_owned()).collect() }
    }

    #[test]
    fn a_ring_of_siblings_is_found_at_its_level_whatever_the_way_of_naming() {
        let found = read(&[
            ("edge/src/lib.rs", "mod a; mod b; mod c;"),
            ("edge/src/a.rs", "use crate::{b::x, c as d};"),
            ("edge/src/b.rs", "fn f() { super::c::deep::y() }"),
            ("edge/src/c.rs", "mod deep;"),
            ("edge/src/c/deep.rs", "use crate::a;"),
        ]);
        assert_eq!(found.circles, [circle("edge/src", &["a", "b", "c"])]);
        assert_eq!(found.arrows, 4);
    }

    #[test]
    fn a_ring_below_is_one_of_the_level_below() {
        let found = read(&[
            ("origin/src/lib.rs", "mod a;"),
            ("origin/src/a/mod.rs", "mod x; mod y; use x::X; use self::y::Y;"),
            ("origin/src/a/x.rs", "use super::y::Y;"),
            ("origin/src/a/y.rs", "use super::{Helper, x};"),
        ]);
        assert_eq!(found.circles, [circle("origin/src/a", &["x", "y"])]);
    }

    #[test]
    fn parents_and_children_may_name_each_other_and_tests_whom_they_like() {
        let found = read(&[
            ("protocol/src/lib.rs", "pub mod a; pub mod b;"),
            ("protocol/src/a.rs", "mod x; use x::X; use super::b; // use crate::c\n"),
            ("protocol/src/a/x.rs", "use super::Y; use crate::a::Z;"),
            ("protocol/src/b.rs", "#[cfg(test)]\nmod tests { use crate::a; }"),
        ]);
        assert_eq!(found.circles, []);
        assert!(found.name_the_root.is_empty());
    }

    #[test]
    fn who_names_the_root_is_found() {
        let found = read(&[
            ("edge/src/lib.rs", "mod a; mod b; fn random() {}"),
            ("edge/src/a.rs", "fn f() { crate::random() }"),
            ("edge/src/b.rs", "use crate::a;"),
        ]);
        assert_eq!(found.name_the_root, BTreeSet::from(["edge/src/a.rs".to_owned()]));
        // A module that lies elsewhere is one all the same.
        let found = read(&[
            ("edge/src/lib.rs", "mod a;\n#[path = \"../b.rs\"]\nmod b;"),
            ("edge/src/a.rs", "use crate::b::random;"),
        ]);
        assert!(found.name_the_root.is_empty());
    }

    #[test]
    fn each_of_them_is_told() {
        let found = Found {
            circles: vec![circle("edge/src", &["new", "ring"])],
            name_the_root: BTreeSet::from(["edge/src/a.rs".to_owned()]),
            arrows: 0,
        };
        assert_eq!(violations(&found), ["a circle in edge/src: new ring", "edge/src/a.rs names its crate's root"]);
    }
}
