//! `cargo xtask parity`: the origin beside Hugging Face transformers and diffusers, on models and prompts that they make
//! here.
//!
//! Not a part of `cargo xtask test`: it brings in torch. What CI compares is committed: a float64 oracle's logits
//! (`origin/tests/oracle/forward.json`) and transformers' prompts (`templates.json`), which this makes again.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use lexopt::{Arg, Parser};

use crate::{
    bench::peers,
    host::{
        process::{self, command},
        progress,
        workspace::Workspace,
    },
};

const USAGE: &str = "\
Usage: cargo xtask parity [--templates DIR | --images]

Installs transformers, diffusers and torch (some 3 GB, into target/parity), has transformers make a tiny model of every variant and
compute with it, and compares the origin's engine: logits in F32 within 1e-4 at positions up to 2,399, 64 greedy tokens
from two prompts, in Q8_0 a cosine above 0.999, and with
transformers rounded alike above 0.9997 everywhere and 0.9999 somewhere. Then renders the committed conversations again and compares the prompts
that CI tests with, byte for byte. Then has diffusers make shrunken models that draw, and draw with them: text features within
1e-4, latents after each step within 1e-3, pixels within one level; in BF16 a cosine of the last latents above 0.999.
Exits with 1 if anything misses.

  --images         the models that draw alone

  --templates DIR  instead: renders the same conversations with the chat templates in DIR (files that end in .jinja, such as
                   published ones), once with transformers (without torch) and once with the origin, and compares the
                   prompts byte for byte
";

const ORACLES: &str = "origin/tests/oracle";

/// Sets up what is missing, computes, compares.
pub(crate) fn run(workspace: &Workspace, mut args: Parser) -> Result<()> {
    let (mut templates, mut images): (Option<PathBuf>, bool) = (None, false);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("templates") => templates = Some(args.value()?.into()),
            Arg::Long("images") => images = true,
            Arg::Long("help") | Arg::Short('h') => {
                print!("{USAGE}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    progress::heading("parity");
    let home = workspace.target().join("parity");
    fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
    let _one_at_a_time = workspace.lock("parity")?;
    if let Some(templates) = templates {
        return with_templates(workspace, &home, &templates);
    }
    let oracles = workspace.path(ORACLES);
    let venv = home.join("venv");
    peers::python(workspace, "transformers", &venv, &oracles.join("requirements.txt"), None)?;
    let python = |script: &str| {
        let mut python = command(venv.join("bin").join("python"));
        python.arg(oracles.join(script)).env("TRANSFORMERS_VERBOSITY", "error");
        python
    };
    if !images {
        let models = emptied(&home.join("models"))?;
        let mut make = python("hf.py");
        make.arg(&models);
        step(workspace, "models", make)?;
        let prompts = step(workspace, "prompts", python("templates.py"))?;
        print!("{}", step(workspace, "engine", example(workspace, "parity", &models))?);
        compare_prompts(&workspace.read(&format!("{ORACLES}/templates.json"))?, &prompts)?;
    }
    let models = emptied(&home.join("images"))?;
    let mut make = python("diffusers_images.py");
    make.arg(&models);
    step(workspace, "models that draw", make)?;
    print!("{}", step(workspace, "pictures", example(workspace, "parity_images", &models))?);
    Ok(())
}

/// The directory, with nothing in it: it is not there.
fn emptied(directory: &Path) -> Result<PathBuf> {
    if directory.exists() {
        fs::remove_dir_all(directory).with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    Ok(directory.to_owned())
}

/// An example of the origin's, of what lies in this directory.
fn example(workspace: &Workspace, name: &str, models: &Path) -> Command {
    let mut example = command("cargo");
    example.args(["run", "-q", "-p", "sluice-origin", "--example", name, "--"]).arg(models);
    example.current_dir(workspace.root());
    example
}

/// The conversations with these templates, in transformers and in the origin.
fn with_templates(workspace: &Workspace, home: &Path, templates: &Path) -> Result<()> {
    if !holds_templates(templates) {
        bail!("{} holds no file that ends in .jinja", templates.display());
    }
    let requirements = home.join("requirements-templates.txt");
    let text = without_torch(&workspace.read(&format!("{ORACLES}/requirements.txt"))?);
    fs::write(&requirements, text).with_context(|| format!("cannot write {}", requirements.display()))?;
    let (venv, prompts) = (home.join("venv-templates"), home.join("templates.json"));
    peers::python(workspace, "transformers, without torch", &venv, &requirements, None)?;
    let mut render = command(venv.join("bin").join("python"));
    render.arg(workspace.path(ORACLES).join("templates.py")).arg("--templates").arg(templates);
    render.arg("--out").arg(&prompts).env("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1");
    print!("{}", step(workspace, "transformers", render)?);
    let mut compare = command("cargo");
    compare.args(["run", "-q", "-p", "sluice-origin", "--example", "templates", "--"]).arg(&prompts);
    compare.current_dir(workspace.root());
    print!("{}", step(workspace, "origin", compare)?);
    Ok(())
}

fn holds_templates(directory: &Path) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return false };
    entries.flatten().any(|entry| entry.path().extension().is_some_and(|extension| extension == "jinja"))
}

/// What rendering needs of the requirements.
fn without_torch(requirements: &str) -> String {
    requirements.lines().filter(|line| !line.starts_with("torch")).map(|line| format!("{line}\n")).collect()
}

fn step(workspace: &Workspace, name: &str, program: Command) -> Result<String> {
    process::run_as_step(name, program, &workspace.log(&format!("parity-{name}"))?)
}

/// Says how many prompts are the committed ones, and refuses if one is not.
fn compare_prompts(committed: &str, made: &str) -> Result<()> {
    let read = |text: &str| -> Result<serde_json::Value> { serde_json::from_str(text).context("prompts are not JSON") };
    let (committed, made) = (read(committed)?, read(made)?);
    let generations = made["rendered"].as_object().context("no prompts were made")?;
    for (generation, prompts) in generations {
        let prompts = prompts.as_object().context("no prompts were made")?;
        let same = prompts.iter().filter(|(name, text)| committed["rendered"][generation][*name] == **text).count();
        println!("{generation:<18}{same} of {} prompts are the committed ones", prompts.len());
    }
    if committed != made {
        bail!("transformers renders other prompts than those that are committed; see {ORACLES}/templates.py");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_prompt_is_a_miss() {
        let prompts = |text: &str| format!(r#"{{"rendered": {{"qwen3": {{"a": "x", "b": "{text}"}}}}}}"#);
        assert!(compare_prompts(&prompts("y"), &prompts("y")).is_ok());
        assert!(compare_prompts(&prompts("y"), &prompts("z")).is_err());
        assert!(compare_prompts(&prompts("y"), "{}").is_err());
    }

    #[test]
    fn rendering_takes_all_requirements_but_torch() {
        assert_eq!(without_torch("# torch\njinja2==1\ntorch==2\nnumpy==3\n"), "# torch\njinja2==1\nnumpy==3\n");
    }

    #[test]
    fn every_requirement_has_an_exact_version() {
        let text = Workspace::locate().read(&format!("{ORACLES}/requirements.txt")).unwrap();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(line.contains("=="), "{line}");
        }
    }
}
