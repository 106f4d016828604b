//! What `cargo xtask dev` was asked for.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use lexopt::{Arg, Parser, ValueExt};

use super::plans;

/// What `cargo xtask dev --help` prints.
pub(super) const USAGE: &str = "\
Usage: cargo xtask dev [OPTIONS]

Builds and starts both gates on this machine, issues a key, says how to call them, and serves until Ctrl-C.

  --once TEXT         send one chat request through both gates, print the answer as JSON, stop
  --json              when ready, print one line {\"url\",\"admin_token\",\"api_key\",\"origin_url\"} on stdout
  --port N            the edge's port (default 8787, 0 = any that is free)
  --origin-port N     the origin's port (default 8788, 0 = any that is free)
  --state DIR         secrets, the issued key, the edge's storage and logs (default .sluice)
  --plans FILE        plan table as JSON instead of the built-in plans and `trial`, which dev's own key is on
  --anonymous         let callers without a key in, on the plan `anonymous`
  --model MODEL       serve this model instead of the built-in ones, or with them: NAME=PATH, Owner/Name of the hub, tiny or
                      tiny-embed, as `sluice-origin serve --help` says; several if given several times, the first is the one
                      that is asked
  --slots N           requests the origin runs at once
  --queue N           requests the origin lets wait
";

const EDGE_PORT: u16 = 8787;
const ORIGIN_PORT: u16 = 8788;
/// The model that answers and is a part of the origin.
const EMBEDDED_MODEL: &str = "tiny";
/// All that are.
const BUILT_IN: [&str; 2] = [EMBEDDED_MODEL, "tiny-embed"];

/// Parsed and checked.
pub(super) struct Options {
    /// Send this once and stop, instead of serving.
    pub(super) once: Option<String>,
    /// Say what a program needs to know instead of what a person wants to read.
    pub(super) json: bool,
    /// 0 for any.
    pub(super) port: u16,
    /// 0 for any.
    pub(super) origin_port: u16,
    /// Absolute.
    pub(super) state: PathBuf,
    /// The plan table's text, checked.
    pub(super) plans: String,
    /// Passed on to the origin, with absolute paths; none for its own default.
    pub(super) models: Vec<String>,
    /// Passed on to the origin, which has its own default.
    pub(super) slots: Option<u32>,
    /// Passed on to the origin, which has its own default.
    pub(super) queue: Option<u32>,
}

impl Options {
    /// The name to ask for in a request.
    pub(super) fn model_name(&self) -> &str {
        let Some(first) = self.models.first() else { return EMBEDDED_MODEL };
        match first.split_once('=') {
            Some((name, _)) => name,
            // Owner/Name, and what may stand around it.
            None => first.strip_prefix("hf:").unwrap_or(first).split(['@', ':']).next().unwrap_or_default(),
        }
    }

    /// Reads the command line. `None` if it only asks for help.
    pub(super) fn parse(mut args: Parser, root: &Path) -> Result<Option<Self>> {
        let mut options = Self {
            once: None,
            json: false,
            port: EDGE_PORT,
            origin_port: ORIGIN_PORT,
            state: root.join(".sluice"),
            plans: String::new(),
            models: Vec::new(),
            slots: None,
            queue: None,
        };
        let (mut plans, mut anonymous) = (None, false);
        while let Some(arg) = args.next()? {
            match arg {
                Arg::Long("once") => options.once = Some(args.value()?.string()?),
                Arg::Long("json") => options.json = true,
                Arg::Long("port") => options.port = args.value()?.parse()?,
                Arg::Long("origin-port") => options.origin_port = args.value()?.parse()?,
                Arg::Long("state") => options.state = absolute(args.value()?)?,
                Arg::Long("plans") => plans = Some(absolute(args.value()?)?),
                Arg::Long("anonymous") => anonymous = true,
                Arg::Long("model") => options.models.push(check_model(&args.value()?.string()?)?),
                Arg::Long("slots") => options.slots = Some(args.value()?.parse()?),
                Arg::Long("queue") => options.queue = Some(args.value()?.parse()?),
                Arg::Long("help") | Arg::Short('h') => return Ok(None),
                other => return Err(other.unexpected().into()),
            }
        }
        if options.json && options.once.is_some() {
            bail!("--json serves until stopped and --once stops by itself: choose one");
        }
        options.plans = plans::table(plans.as_deref(), anonymous)?;
        Ok(Some(options))
    }
}

fn absolute(path: impl Into<PathBuf>) -> Result<PathBuf> {
    let path = path.into();
    std::path::absolute(&path).with_context(|| format!("not a path: {}", path.display()))
}

/// Refuses what cannot be a model; the origin says the rest.
fn check_model(model: &str) -> Result<String> {
    match model.split_once('=') {
        Some((name, place)) if !name.is_empty() && !place.is_empty() => match place.starts_with("hf:") {
            true => Ok(model.to_owned()),
            false => Ok(format!("{name}={}", absolute(place)?.display())),
        },
        None if BUILT_IN.contains(&model) || model.contains('/') => Ok(model.to_owned()),
        _ => bail!(
            "--model wants NAME=PATH, for instance qwen=models/qwen3-0.6b, or Owner/Name of the hub, or tiny or tiny-embed"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Option<Options>> {
        Options::parse(Parser::from_args(words), Path::new("/repository"))
    }

    #[test]
    fn defaults_are_the_documented_ones() {
        let options = parse(&[]).unwrap().unwrap();
        assert_eq!((options.port, options.origin_port), (8787, 8788));
        assert_eq!(options.state, Path::new("/repository/.sluice"));
        assert_eq!(options.model_name(), "tiny");
        for port in [EDGE_PORT, ORIGIN_PORT] {
            assert!(USAGE.contains(&port.to_string()));
        }
    }

    #[test]
    fn models_are_passed_on_and_the_first_is_asked() {
        for (text, name) in [
            ("qwen=/m", "qwen"),
            ("q=hf:Qwen/Qwen3-0.6B@v1", "q"),
            ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B"),
            ("hf:Qwen/Q-GGUF@main:q.gguf", "Qwen/Q-GGUF"),
            ("tiny", "tiny"),
        ] {
            let options = parse(&["--model", text, "--model", "b=/b"]).unwrap().unwrap();
            assert_eq!(options.model_name(), name);
            assert_eq!(options.models, [text, "b=/b"]);
        }
        let here = parse(&["--model", "a=b"]).unwrap().unwrap().models;
        assert!(here[0].starts_with("a=/") && here[0].ends_with("/b"), "{here:?}");
        for wrong in ["qwen", "=x", "x="] {
            assert!(parse(&["--model", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn contradictions_and_unknown_words_are_refused() {
        assert!(parse(&["--json", "--once", "hi"]).is_err());
        assert!(parse(&["--prot", "1"]).is_err());
        assert!(parse(&["--port", "70000"]).is_err());
    }
}
