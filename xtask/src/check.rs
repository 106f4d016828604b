//! `cargo xtask check`: formatting, lints, the invariants of ARCHITECTURE.md, docs, licences. Everything that fails is
//! reported together at the end, each with what to do about it.
//!
//! An invariant is a pure function over text or JSON, with a test that feeds it a violation and sees it refused.

mod code;
mod measures;
mod packages;
mod paths;
mod purity;
mod settings;
mod source;
mod worker_size;

use std::{path::PathBuf, process::Command, thread};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use self::code::{leftovers, log_lines, modules, seam, secrets, status};
use self::packages::{features, graph, licences, supply};
use self::source::of_crates;
use crate::host::process::{self, Interrupted, capture, command};
use crate::host::progress::{self, Step};
use crate::host::workspace::Workspace;
use crate::setup::{self, Toolbox};
use crate::{build_edge, console, dev};

/// Members that are linted and tested by themselves, so that features do not unify, in this order. The last two are taken
/// together: both need candle, which would otherwise be compiled for the features of each.
const MEMBERS: [&[&str]; 5] = [&["sluice-protocol"], &["sluice-edge"], &["xtask"], &["sluice-replay"], &["bind"]];
/// Members that need candle.
pub(crate) const WITH_CANDLE: [&str; 2] = ["sluice-origin", "e2e"];
/// Members that also run as wasm.
const WASM_MEMBERS: [&str; 2] = ["sluice-protocol", "sluice-edge"];
/// Members whose documentation others read.
const DOCUMENTED: [&str; 3] = ["sluice-protocol", "sluice-edge", "sluice-origin"];

/// Sets up what is missing and checks.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let toolbox = setup::run(workspace)?;
    all(workspace, &toolbox)
}

/// What a check needs, the quickest first.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// Texts, and cargo's own tables: seconds.
    Texts,
    /// What the compiler says of the code for this machine, but for members that need candle.
    Lints,
    /// What it says of those.
    OriginLints,
    /// What it says of the code for wasm, and of the pages of documentation.
    Pages,
    /// Both gates as they are deployed. It builds them if they are not built.
    Built,
}

/// Every check; the quick ones first.
pub(crate) fn all(workspace: &Workspace, toolbox: &Toolbox) -> Result<()> {
    these(workspace, toolbox, &[Part::Texts, Part::Lints, Part::OriginLints, Part::Pages, Part::Built])
}

/// Some of the checks, in the order of `parts`. Fails after the last one, with all that failed.
pub(crate) fn these(workspace: &Workspace, toolbox: &Toolbox, parts: &[Part]) -> Result<()> {
    progress::heading("check");
    let mut checks = Checks { workspace, toolbox, failures: Vec::new(), count: 0 };
    for part in parts {
        match part {
            Part::Texts => checks.texts()?,
            Part::Lints => MEMBERS.iter().try_for_each(|members| checks.lints(members))?,
            Part::OriginLints => checks.lints(&WITH_CANDLE)?,
            Part::Pages => checks.pages()?,
            Part::Built => checks.built()?,
        }
    }
    checks.report()
}

/// Builds both gates as they are served. The end of the edge's build is one linker and one optimiser: another core builds
/// the origin meanwhile.
pub(crate) fn build_gates(workspace: &Workspace, toolbox: &Toolbox) -> Gates {
    thread::scope(|scope| {
        let edge = scope.spawn(|| build_edge::build(workspace, toolbox));
        let origin = dev::build_origin(workspace);
        let edge = edge.join().unwrap_or_else(|_| Err(anyhow!("the build of the edge panicked")));
        Gates { edge, origin }
    })
}

/// What came of building them.
pub(crate) struct Gates {
    /// Whether the edge's files are there.
    pub(crate) edge: Result<()>,
    /// The origin's program.
    pub(crate) origin: Result<PathBuf>,
}

struct Checks<'a> {
    workspace: &'a Workspace,
    toolbox: &'a Toolbox,
    failures: Vec<(String, anyhow::Error)>,
    count: usize,
}

impl Checks<'_> {
    /// What can be told from text and from cargo's own tables.
    fn texts(&mut self) -> Result<()> {
        self.check("format", |checks, step| {
            checks
                .cargo(step, &["fmt", "--all", "--", "--check", "--color", "never"])
                .context("run `cargo fmt --all`")?;
            Ok("clean".to_owned())
        })?;
        self.check("protocol is pure", |checks, step| {
            let tree =
                checks.cargo_output(step, &["tree", "-p", "sluice-protocol", "-e", "normal", "--prefix", "none"])?;
            let mut found = purity::impure(&tree);
            found.extend(purity::unlisted(&checks.metadata(step, &["--no-deps"])?));
            found.extend(purity::impure_code(&of_crates(checks.workspace.root(), &purity::CRATES)?));
            holds(&found, purity::FIX)
        })?;
        self.check("packages have owners", |checks, step| {
            holds(&graph::strangers(&checks.metadata(step, &["--no-deps"])?), graph::OWNERS_FIX)
        })?;
        self.check("candle is pinned", |checks, step| {
            holds(&graph::floating(&checks.metadata(step, &["--no-deps"])?), graph::PINNED_FIX)
        })?;
        self.check("what is tested is what is served", |checks, step| {
            let mut tree =
                |which: &[&str]| checks.cargo_output(step, &[&["tree"], &features::PRINTED[..], which].concat());
            let served = tree(&["-p", "sluice-origin", "-e", "normal,build"])?;
            let tested = WITH_CANDLE.iter().flat_map(|member| ["-p", member]);
            let tested = tree(&["-e", "normal,build,dev"].into_iter().chain(tested).collect::<Vec<_>>())?;
            holds(&features::differences(&served, &tested), features::FIX)
        })?;
        self.check("licences", |checks, step| {
            let metadata = checks.metadata(step, &[])?;
            holds(&licences::violations(&metadata), licences::FIX)?;
            let count = metadata["packages"].as_array().map_or(0, Vec::len);
            Ok(format!("{count} packages"))
        })?;
        self.check("where packages come from", |checks, step| {
            let metadata = checks.metadata(step, &[])?;
            holds(&supply::unwanted(&metadata, &checks.workspace.read("deny.toml")?), supply::FIX)
        })?;
        self.check("status codes", |checks, _| {
            let sources = of_crates(checks.workspace.root(), &status::CRATES)?;
            holds(&status::violations(&sources), status::FIX)?;
            Ok(format!("{} files", sources.len()))
        })?;
        self.check("secrets do not print", |checks, _| {
            let sources = of_crates(checks.workspace.root(), &secrets::CRATES)?;
            holds(&secrets::printing_secrets(&sources), secrets::PRINTS_FIX)?;
            Ok(format!("{} files", sources.len()))
        })?;
        self.check("one place writes to the log", |checks, _| {
            let sources = of_crates(checks.workspace.root(), &log_lines::CRATES)?;
            holds(&log_lines::violations(&sources), log_lines::FIX)?;
            Ok(format!("{} files", sources.len()))
        })?;
        self.check("one folder names the platform", |checks, _| {
            let sources = of_crates(checks.workspace.root(), &seam::CRATES)?;
            holds(&seam::violations(&sources), seam::FIX)?;
            Ok(format!("{} files", sources.len()))
        })?;
        self.check("no prompt is logged", |checks, _| {
            let sources = of_crates(checks.workspace.root(), &secrets::CRATES)?;
            holds(&secrets::logged_prompts(&sources), secrets::LOGS_FIX)?;
            Ok(format!("{} files", sources.len()))
        })?;
        self.check("imports run one way", |checks, _| {
            let found = modules::find(&source::below(checks.workspace.root(), &modules::ROOTS)?);
            holds(&modules::violations(&found), modules::FIX)?;
            Ok(format!("{} arrows, no circle", found.arrows))
        })?;
        self.check("the console's types", |checks, step| console::check(checks.workspace, &checks.toolbox.node, step))?;
        self.check("files that are named are there", |checks, _| checks.paths())?;
        self.check("settings of the edge", |checks, _| {
            let page = settings::from_page(&checks.workspace.read(settings::PAGE)?, "edge")?;
            let source = settings::from_edge_table(&checks.workspace.read("edge/src/config/table.rs")?)?;
            holds(&settings::differences("edge", &page, &source), settings::FIX)
        })?;
        self.check("measures", |checks, _| measures::page(checks.workspace))?;
        self.check("the board and the rules", |checks, _| measures::board(checks.workspace))?;
        self.check("nothing is left undone", |checks, _| checks.leftovers())
    }

    /// What the compiler says of these members.
    fn lints(&mut self, members: &[&str]) -> Result<()> {
        self.check(&format!("clippy {}", members.join(", ")), |checks, step| {
            let packages = members.iter().flat_map(|member| ["-p", member]);
            let rest = ["--all-targets", "--", "-D", "warnings"];
            checks.cargo(step, &["clippy"].into_iter().chain(packages).chain(rest).collect::<Vec<_>>())
        })
    }

    /// What the compiler says of wasm and of pages.
    fn pages(&mut self) -> Result<()> {
        for member in WASM_MEMBERS {
            self.check(&format!("clippy {member}, wasm"), |checks, step| checks.lint_for_wasm(step, member))?;
        }
        for member in DOCUMENTED {
            self.check(&format!("docs of {member}"), |checks, step| {
                let mut cargo = checks.command(&["doc", "--no-deps", "-p", member]);
                cargo.env("RUSTDOCFLAGS", "-D warnings");
                checks.run(step, cargo)
            })?;
        }
        Ok(())
    }

    /// What is told from what is deployed.
    fn built(&mut self) -> Result<()> {
        let Gates { edge, origin } = build_gates(self.workspace, self.toolbox);
        self.check("settings of the origin", |checks, _| {
            let mut serve = command(origin?);
            serve.args(["serve", "--help"]);
            let source = settings::from_origin_help(&capture(serve)?);
            let page = settings::from_page(&checks.workspace.read(settings::PAGE)?, "origin")?;
            holds(&settings::differences("origin", &page, &source), settings::FIX)
        })?;
        self.check("wrangler deploy --dry-run", |checks, step| {
            edge?;
            let mut wrangler = checks.toolbox.node.command("wrangler")?;
            wrangler
                .args(["deploy", "--dry-run", "--outdir"])
                .arg(checks.workspace.target().join("deploy"))
                .current_dir(checks.workspace.root())
                .env("WRANGLER_SEND_METRICS", "false")
                .env("WRANGLER_HIDE_BANNER", "true")
                .env("WRANGLER_WRITE_LOGS", "false");
            worker_size::judge(&process::run(step, wrangler, &checks.workspace.log("deploy")?)?)
        })
    }

    /// Runs one check and keeps its failure. `Err` only if we were told to stop.
    fn check(&mut self, name: &str, run: impl FnOnce(&Self, &mut Step) -> Result<String>) -> Result<()> {
        let mut step = Step::begin(name);
        self.count += 1;
        match run(self, &mut step) {
            Ok(outcome) => {
                step.done(&outcome);
            }
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => {
                step.failed();
                self.failures.push((name.to_owned(), error));
            }
        }
        Ok(())
    }

    fn report(self) -> Result<()> {
        if self.failures.is_empty() {
            return Ok(());
        }
        for (name, error) in &self.failures {
            progress::heading(&format!("\n{name}"));
            progress::note(process::last_words(error));
            progress::note(&format!("{error:#}"));
        }
        let names: Vec<&str> = self.failures.iter().map(|(name, _)| name.as_str()).collect();
        bail!("{} of {} checks failed: {}", names.len(), self.count, names.join(", "))
    }

    fn leftovers(&self) -> Result<String> {
        let files = self.files()?;
        let code: Vec<_> = files.iter().filter(|path| leftovers::is_code(path)).collect();
        let mut found = Vec::new();
        for path in &code {
            found.extend(leftovers::in_file(path, &self.workspace.read(path)?));
        }
        holds(&found, leftovers::FIX)?;
        Ok(format!("{} files", code.len()))
    }

    fn paths(&self) -> Result<String> {
        let files = self.files()?;
        let all: Vec<&str> = files.iter().map(String::as_str).collect();
        let mut found = Vec::new();
        for path in all.iter().filter(|path| paths::has_prose(path)) {
            found.extend(paths::in_file(path, &self.workspace.read(path)?, &all));
        }
        holds(&found, paths::FIX)
    }

    /// All files of the repository, and those that are to be added. A tracked file that was deleted but not yet committed has
    /// nothing left in it.
    fn files(&self) -> Result<Vec<String>> {
        let mut git = command("git");
        git.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(self.workspace.root());
        let listed = capture(git)?;
        Ok(listed.lines().filter(|path| self.workspace.path(path).exists()).map(str::to_owned).collect())
    }

    /// clippy where the toolchain has it for wasm32; Debian's compiler only checks.
    fn lint_for_wasm(&self, step: &mut Step, member: &str) -> Result<String> {
        if self.toolbox.wasm.has_clippy() {
            self.cargo_for_wasm(step, &["clippy", "-p", member, "--", "-D", "warnings"])
        } else {
            self.cargo_for_wasm(step, &["check", "-p", member])?;
            Ok("compiles (this toolchain has no clippy for wasm)".to_owned())
        }
    }

    fn cargo_for_wasm(&self, step: &mut Step, arguments: &[&str]) -> Result<String> {
        let (verb, rest) = arguments.split_first().expect("a cargo command has a verb");
        let mut cargo = self.command(&[&[*verb, "--target", "wasm32-unknown-unknown"], rest].concat());
        self.toolbox.wasm.apply(&mut cargo)?;
        self.run(step, cargo)
    }

    fn cargo(&self, step: &mut Step, arguments: &[&str]) -> Result<String> {
        self.run(step, self.command(arguments))
    }

    fn run(&self, step: &mut Step, command: Command) -> Result<String> {
        let log = self.workspace.log(step.name())?;
        process::run(step, command, &log)?;
        Ok("clean".to_owned())
    }

    /// stdout alone: cargo's progress goes to stderr.
    fn cargo_output(&self, step: &mut Step, arguments: &[&str]) -> Result<String> {
        step.tick(|| arguments.join(" "));
        capture(self.command(arguments))
    }

    fn metadata(&self, step: &mut Step, arguments: &[&str]) -> Result<Value> {
        let all = [&["metadata", "--format-version", "1"], arguments].concat();
        serde_json::from_str(&self.cargo_output(step, &all)?).context("`cargo metadata` did not print JSON")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut cargo = command("cargo");
        cargo.args(arguments).current_dir(self.workspace.root());
        cargo
    }
}

/// Good if nothing was found; else an error that lists what was, and what to do.
fn holds(violations: &[String], fix: &str) -> Result<String> {
    if violations.is_empty() {
        return Ok("holds".to_owned());
    }
    bail!("{}\n-> {fix}", violations.join("\n"))
}
