//! Which models to serve: what was typed, checked into what can be loaded.

use super::ServeArgs;
use crate::hub::{HubModel, HubSettings};
use crate::models::choice::{ModelChoice, Models, TINY, TINY_EMBED, is_gguf};
use crate::models::qwen::precision::Precision;
use crate::models::qwen::shape::published::NAMES;
use std::path::{Path, PathBuf};

/// As long as a request's `model` may be.
const MAX_NAME: usize = 256;

impl ServeArgs {
    pub(super) fn models(&self, mistakes: &mut Vec<String>) -> Option<Models> {
        let precision = self.precision(mistakes);
        let before = mistakes.len();
        let mut choices = Vec::new();
        for text in self.model.iter().filter(|text| !text.is_empty()) {
            match choice(text, precision) {
                Ok(choice) => choices.push(choice),
                Err(why) => mistakes.push(format!("--model {text}: {why}")),
            }
        }
        for name in self.random.iter().filter(|name| !name.is_empty()) {
            if !NAMES.contains(&name.as_str()) {
                mistakes.push(format!("--random {name}: must be one of {}", NAMES.join(", ")));
            }
            let precision = precision.unwrap_or(Precision::Q8_0);
            choices.push(ModelChoice::Random { name: name.clone(), precision });
        }
        if choices.is_empty() && mistakes.len() == before {
            choices.extend([ModelChoice::Tiny, ModelChoice::TinyEmbed]);
        }
        for (index, choice) in choices.iter().enumerate() {
            let name = choice.name();
            let earlier = choices[..index].iter().filter(|other| other.name() == name).count();
            if earlier == 1 {
                mistakes.push(format!(
                    "two models are named {name}; give each a name of its own, NAME=PATH or NAME=hf:Owner/Name"
                ));
            }
        }
        let embedding: Vec<String> = self.embedding.iter().filter(|name| !name.is_empty()).cloned().collect();
        for name in embedding.iter().filter(|name| choices.iter().all(|choice| choice.name() != **name)) {
            mistakes.push(format!("--embedding {name}: no model has this name"));
        }
        let judging: Vec<String> = self.reranker.iter().filter(|name| !name.is_empty()).cloned().collect();
        for name in &judging {
            let why = match choices.iter().find(|choice| choice.name() == *name) {
                None => "no model has this name",
                Some(ModelChoice::TinyEmbed) => "it embeds, and what embeds reranks as it is; leave it away",
                Some(_) if embedding.contains(name) => "--embedding names it, too; a model is for one of them",
                Some(_) => continue,
            };
            mistakes.push(format!("--reranker {name}: {why}"));
        }
        let takes = |choice: &ModelChoice| match choice {
            ModelChoice::Tiny | ModelChoice::TinyEmbed => false,
            ModelChoice::Local { precision, .. } | ModelChoice::Hub { precision, .. } => precision.is_some(),
            ModelChoice::Random { .. } => true,
        };
        if precision.is_some() && mistakes.len() == before && !choices.iter().any(takes) {
            mistakes.push("--dtype: says what safetensors are turned into, and none are served; leave it away".into());
        }
        let hub = match choices.iter().any(|choice| matches!(choice, ModelChoice::Hub { .. })) {
            true => HubSettings::from_environment(|name| std::env::var_os(name)).map(Some).unwrap_or_else(|wrong| {
                mistakes.extend(wrong);
                None
            }),
            false => None,
        };
        (mistakes.len() == before).then_some(Models { choices, embedding, judging, hub })
    }

    fn precision(&self, mistakes: &mut Vec<String>) -> Option<Precision> {
        match self.dtype.as_deref() {
            None => None,
            Some("f32") => Some(Precision::F32),
            Some("q8_0") => Some(Precision::Q8_0),
            Some("q4k") => Some(Precision::Q4K),
            #[cfg(feature = "cuda")]
            Some("bf16") => Some(Precision::Bf16),
            #[cfg(feature = "cuda")]
            Some("f16") => Some(Precision::F16),
            Some(other) => {
                mistakes.push(format!("--dtype {other}: must be f32, q8_0 or q4k (or bf16 or f16 on CUDA)"));
                None
            }
        }
    }
}

/// Reads one `--model`. The error says what to write instead.
fn choice(text: &str, precision: Option<Precision>) -> Result<ModelChoice, String> {
    let of_hub = |name: Option<&str>, text: &str| {
        let model: HubModel = text.parse().map_err(|why| {
            format!("{why}; a model of the hub is Owner/Name, Owner/Name@REVISION or Owner/Name:FILE.gguf")
        })?;
        let name = name.map_or_else(|| model.repository(), str::to_owned);
        let precision = precision.filter(|_| model.file().is_none());
        Ok(ModelChoice::Hub { name, model, precision })
    };
    match text.split_once('=') {
        Some((name, place)) => {
            check_name(name)?;
            if place.is_empty() {
                return Err(format!("nothing stands behind the name; write {name}=PATH or {name}=hf:Owner/Name"));
            }
            if let Some(model) = place.strip_prefix("hf:") {
                return of_hub(Some(name), model);
            }
            let path = PathBuf::from(place);
            let precision = precision.filter(|_| !is_gguf(&path));
            Ok(ModelChoice::Local { name: name.to_owned(), path, precision })
        }
        None if text == TINY => Ok(ModelChoice::Tiny),
        None if text == TINY_EMBED => Ok(ModelChoice::TinyEmbed),
        None if text.starts_with("hf:") => of_hub(None, &text["hf:".len()..]),
        None if looks_like_a_path(text) => {
            let stem =
                Path::new(text).file_stem().and_then(|stem| stem.to_str()).filter(|stem| check_name(stem).is_ok());
            Err(format!("looks like a path, which needs a name: write {}={text}", stem.unwrap_or("NAME")))
        }
        None if text.contains('/') => of_hub(None, text),
        None => Err("must be NAME=PATH, Owner/Name for a model of the hub, tiny or tiny-embed (a comma parts models)"
            .to_owned()),
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\\');
    match name {
        "" => Err("no name stands before the `=`; write NAME=PATH".to_owned()),
        _ if name.len() > MAX_NAME => Err(format!("a name has at most {MAX_NAME} bytes")),
        _ if name.contains(odd) => Err("a name has no spaces, quotes or backslashes".to_owned()),
        _ => Ok(()),
    }
}

/// A path and no name of the hub's, which has one slash and begins with a letter or a digit.
fn looks_like_a_path(text: &str) -> bool {
    text.starts_with(['/', '.', '~', '\\'])
        || text.ends_with('/')
        || text
            .split(':')
            .next()
            .is_some_and(|path| path.split('@').next().is_some_and(|path| path.matches('/').count() > 1))
        || (is_gguf(Path::new(text)) && !text.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;

    fn models(arguments: &[&str]) -> Vec<ModelChoice> {
        check(&[&["--open"], arguments].concat()).unwrap().1.choices
    }

    fn mistakes(arguments: &[&str]) -> Vec<String> {
        check(&[&["--open"], arguments].concat()).unwrap_err()
    }

    fn local(name: &str, path: &str, precision: Option<Precision>) -> ModelChoice {
        ModelChoice::Local { name: name.into(), path: path.into(), precision }
    }

    fn hub(name: &str, model: &str, precision: Option<Precision>) -> ModelChoice {
        ModelChoice::Hub { name: name.into(), model: model.parse().unwrap(), precision }
    }

    fn random(name: &str, precision: Precision) -> ModelChoice {
        ModelChoice::Random { name: name.into(), precision }
    }

    #[test]
    fn a_model_is_a_path_a_name_of_the_hub_or_tiny() {
        let tiny = ModelChoice::Tiny;
        for (text, choice) in [
            ("qwen=/models/q", local("qwen", "/models/q", None)),
            ("qwen=Qwen/q", local("qwen", "Qwen/q", None)),
            ("a=b=c", local("a", "b=c", None)),
            ("Qwen/Qwen3-0.6B", hub("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B", None)),
            ("hf:Qwen/Qwen3-0.6B", hub("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B", None)),
            ("Qwen/Qwen3-0.6B@refs/pr/3", hub("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B@refs/pr/3", None)),
            ("Qwen/Q-GGUF:q.gguf", hub("Qwen/Q-GGUF", "Qwen/Q-GGUF:q.gguf", None)),
            ("small=hf:Qwen/Q@v1:d/q.gguf", hub("small", "Qwen/Q@v1:d/q.gguf", None)),
            ("tiny", tiny.clone()),
            ("tiny-embed", ModelChoice::TinyEmbed),
        ] {
            assert_eq!(models(&["--model", text]), [choice], "{text}");
        }
        // On a fresh machine one answers and one embeds.
        assert_eq!(models(&[]), [tiny.clone(), ModelChoice::TinyEmbed]);
        assert_eq!(models(&["--model", ""]), [tiny, ModelChoice::TinyEmbed]);
        assert!(check(&["--open", "--model", "a/b"]).unwrap().1.hub.is_some());
        assert!(check(&["--open", "--model", "a=b"]).unwrap().1.hub.is_none());
    }

    #[test]
    fn several_come_in_the_order_of_the_settings() {
        let arguments = ["--random", "Qwen3-0.6B", "--model", "a=/a,tiny", "--random", "Qwen2.5-7B", "--model", "b=/b"];
        let found: Vec<String> = models(&arguments).iter().map(|choice| choice.name().to_owned()).collect();
        assert_eq!(found, ["a", "tiny", "b", "Qwen3-0.6B", "Qwen2.5-7B"]);
    }

    #[test]
    fn a_type_is_for_those_that_can_take_it() {
        let q4k = Some(Precision::Q4K);
        let arguments = ["--dtype", "q4k", "--model", "a=/a,b=/b.gguf,o/c,o/d:d.gguf,tiny", "--random", "Qwen3-0.6B"];
        let expected = [
            local("a", "/a", q4k),
            local("b", "/b.gguf", None),
            hub("o/c", "o/c", q4k),
            hub("o/d", "o/d:d.gguf", None),
            ModelChoice::Tiny,
            random("Qwen3-0.6B", Precision::Q4K),
        ];
        assert_eq!(models(&arguments), expected);
        assert_eq!(models(&["--random", "Qwen3-0.6B"]), [random("Qwen3-0.6B", Precision::Q8_0)]);
        for arguments in [&["--dtype", "f32"][..], &["--dtype", "f32", "--model", "a=/a.gguf,o/d:d.gguf"]] {
            assert!(mistakes(arguments)[0].contains("--dtype: says what safetensors"), "{arguments:?}");
        }
    }

    #[test]
    fn a_wrong_model_is_told_what_to_write() {
        let long = format!("{}=/a", "n".repeat(MAX_NAME + 1));
        for (text, expected) in [
            ("x", "must be NAME=PATH, Owner/Name"),
            ("./Qwen/x", "write x=./Qwen/x"),
            ("/models/Qwen/x", "write x=/models/Qwen/x"),
            ("../x.gguf", "write x=../x.gguf"),
            ("q.gguf", "write q=q.gguf"),
            ("models/q.gguf", "write q=models/q.gguf"),
            ("a/b/c", "write c=a/b/c"),
            ("Qwen/x/", "write x=Qwen/x/"),
            ("~/x", "write x=~/x"),
            ("=/a", "no name stands before"),
            ("a=", "a=hf:Owner/Name"),
            ("a b=/a", "no spaces"),
            ("a\"=/a", "no spaces, quotes"),
            (&long, "at most 256 bytes"),
            ("a=hf:Qwen", "`Qwen` is not Owner/Name"),
            ("a=hf:./Qwen/x", "a model of the hub is Owner/Name"),
            ("Qwen/x:model.safetensors", "is not a GGUF file"),
            ("Qwen/x@", "is not a revision"),
        ] {
            let mistakes = mistakes(&["--model", text]);
            assert_eq!(mistakes.len(), 1, "{text}: {mistakes:?}");
            assert!(
                mistakes[0].starts_with(&format!("--model {text}: ")) && mistakes[0].contains(expected),
                "{mistakes:?}"
            );
        }
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let models = "a=/a,a=/b,a=/c,./x,o/n,o/n@v1,Qwen3-0.6B=/q";
        let arguments =
            ["--model", models, "--random", "Qwen3-0.6B", "--random", "x", "--dtype", "q5", "--kv-tokens", "0"];
        let mistakes = mistakes(&arguments);
        for word in [
            "two models are named a;",
            "--model ./x",
            "two models are named o/n",
            "two models are named Qwen3-0.6B",
            "--random x: must be one of Qwen1.5-0.5B",
            "--dtype q5",
            "--kv-tokens 0",
        ] {
            assert_eq!(mistakes.iter().filter(|mistake| mistake.contains(word)).count(), 1, "{word}: {mistakes:?}");
        }
        assert_eq!(mistakes.len(), 7, "{mistakes:?}");
    }
}
