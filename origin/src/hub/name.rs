//! What a model of the hub is called: `Owner/Name`, with `@REVISION` or `:FILE.gguf` behind it.

use std::fmt;
use std::str::FromStr;

/// A model of the hub: which repository, in which state, and which of its files if it is not the usual ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubModel {
    owner: String,
    name: String,
    revision: String,
    file: Option<String>,
}

/// What is served if no revision is named.
const DEFAULT_REVISION: &str = "main";
/// The hub's bound on the parts of a repository's name.
const MAX_PART: usize = 96;
/// Our bound on revisions and files: they become names on disk.
const MAX_PATH: usize = 200;

impl HubModel {
    /// `Owner/Name`.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// A branch, a tag or a commit.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// The GGUF file to serve; `None` for safetensors.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// All files that the GGUF file was split into, in their order; it alone if it was not.
    pub(super) fn parts(&self) -> Vec<String> {
        let parts = self.file.as_deref().map(parts);
        parts.and_then(Result::ok).unwrap_or_default()
    }

    /// The folder of its repository in the cache. Two repositories never share one: no name has two hyphens in a row.
    pub(super) fn folder(&self) -> String {
        format!("models--{}--{}", self.owner, self.name)
    }
}

impl fmt::Display for HubModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)?;
        if self.revision != DEFAULT_REVISION {
            write!(f, "@{}", self.revision)?;
        }
        self.file.iter().try_for_each(|file| write!(f, ":{file}"))
    }
}

impl FromStr for HubModel {
    type Err = String;

    /// Reads `Owner/Name`, `Owner/Name@REVISION`, `Owner/Name:FILE.gguf` or `Owner/Name@REVISION:FILE.gguf`. The error says
    /// what is wrong with the text.
    fn from_str(text: &str) -> Result<Self, String> {
        let (rest, file) = match text.split_once(':') {
            Some((rest, file)) => (rest, Some(file)),
            None => (text, None),
        };
        let (repository, revision) = rest.split_once('@').unwrap_or((rest, DEFAULT_REVISION));
        let Some((owner, name)) = repository.split_once('/') else {
            return Err(format!("`{repository}` is not Owner/Name"));
        };
        for part in [owner, name] {
            if !is_part(part) {
                return Err(format!("`{part}` is not a name that the hub gives"));
            }
        }
        if !is_path(revision) {
            return Err(format!("`{revision}` is not a revision: a branch, a tag or a commit"));
        }
        match file {
            Some(file) if !is_path(file) || !file.ends_with(".gguf") => {
                return Err(format!("`{file}` is not a GGUF file of a repository, such as model-q8_0.gguf"));
            }
            Some(file) => drop(parts(file).map_err(|why| format!("`{file}` {why}"))?),
            None => {}
        }
        Ok(Self { owner: owner.into(), name: name.into(), revision: revision.into(), file: file.map(str::to_owned) })
    }
}

/// The hub's rule for owners and names of repositories.
fn is_part(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let edge = |c: char| matches!(c, '-' | '.');
    !text.is_empty()
        && text.len() <= MAX_PART
        && text.chars().all(plain)
        && !text.starts_with(edge)
        && !text.ends_with(edge)
        && !text.contains("--")
        && !text.contains("..")
}

/// A path that stays where it is put: no part of it is hidden, empty or leads upwards.
pub(super) fn is_path(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(plain);
    text.len() <= MAX_PATH && text.split('/').all(part)
}

/// `a-00001-of-00003.gguf` and its two siblings, or the file alone. A later part is refused with the reason.
pub(crate) fn parts(name: &str) -> Result<Vec<String>, &'static str> {
    let split = name.strip_suffix(".gguf").and_then(|stem| {
        let (rest, count) = stem.rsplit_once("-of-")?;
        let (stem, number) = rest.rsplit_once('-')?;
        Some((stem, number.parse::<usize>().ok()?, count.parse::<usize>().ok()?, number.len()))
    });
    match split {
        Some((_, number, _, _)) if number != 1 => Err("is a later part of a model; name its first part, 00001"),
        Some((stem, _, count, digits)) if count <= 1_000 => {
            Ok((1..=count).map(|number| format!("{stem}-{number:0digits$}-of-{count:0digits$}.gguf")).collect())
        }
        _ => Ok(vec![name.to_owned()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written_alike() {
        for (text, repository, revision, file) in [
            ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B", "main", None),
            ("Qwen/Qwen3-0.6B@v1.0", "Qwen/Qwen3-0.6B", "v1.0", None),
            ("a_b/c.d@refs/pr/1", "a_b/c.d", "refs/pr/1", None),
            ("Qwen/Q-GGUF:q-q8_0.gguf", "Qwen/Q-GGUF", "main", Some("q-q8_0.gguf")),
            ("Qwen/Q@x:sub/q-00001-of-00002.gguf", "Qwen/Q", "x", Some("sub/q-00001-of-00002.gguf")),
        ] {
            let model: HubModel = text.parse().unwrap();
            assert_eq!((model.repository().as_str(), model.revision(), model.file()), (repository, revision, file));
            assert_eq!(model.to_string(), text);
        }
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        let long = format!("{}/b", "a".repeat(MAX_PART + 1));
        for text in [
            "Qwen",
            "/b",
            "a/",
            "./a",
            "../a",
            "a/b/c",
            "a/..",
            "~/a",
            "a--b/c",
            "a/b--c",
            "-a/b",
            "a/b.",
            "a b/c",
            "ä/b",
            "a/b@",
            "a/b@..",
            "a/b@x/../../y",
            "a/b@/x",
            "a/b@x y",
            "a/b:x.bin",
            "a/b:../x.gguf",
            "a/b:/x.gguf",
            "a/b:",
            "a/b?x",
            "a/b:q-00002-of-00002.gguf",
            "a%2f/b",
            &long,
        ] {
            assert!(text.parse::<HubModel>().is_err(), "{text}");
        }
    }
}
