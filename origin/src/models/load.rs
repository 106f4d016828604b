//! From the names in the settings to models in memory: what the hub has is fetched, then one is loaded after another.
//!
//! Loading may take minutes. So what all models need together, which their headers say, is compared with what is free
//! before the first is loaded. Then they are loaded in turn, so that each sees how much memory those before it have
//! left.

use crate::hub::{self, HubModel};
use crate::load_error::LoadError;
use crate::models::choice::{ModelChoice, Models, is_gguf};
use crate::models::purpose::{Purpose, purpose};
use crate::models::qwen::Qwen;
use crate::models::qwen::precision::Precision;
use crate::models::qwen::shape::published::named;
use crate::models::tiny_embed::TINY_EMBED;
use crate::models::z_image::ZImage;
use crate::models::{Backend, Backends, Drawing, LANES, MOST_LANES, tiny};
use crate::system::memory;
use crate::text::Text;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Models that cannot be served: for each of them why.
#[derive(Debug, thiserror::Error)]
pub struct LoadErrors(pub Vec<String>);

impl fmt::Display for LoadErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

/// Of made-up weights: the same in every run.
const SEED: u64 = 7;

/// Loads all models, each with room for this many sequences, in the order of the settings. Blocks for as long as that
/// takes. Files that the settings name and that are missing are reported for all models, before anything is fetched.
/// After that, the first model that cannot be fetched or loaded ends it.
pub fn load(models: Models, slots: usize) -> Result<Backends, LoadErrors> {
    let missing: Vec<String> = models.choices.iter().filter_map(missing).collect();
    if !missing.is_empty() {
        return Err(LoadErrors(missing));
    }
    let count = models.choices.len();
    let Models { choices, embedding, judging, hub } = models;
    let mut ready = Vec::with_capacity(count);
    for (index, choice) in choices.into_iter().enumerate() {
        let ModelChoice::Hub { name, model, precision } = choice else {
            ready.push(choice);
            continue;
        };
        tracing::info!("{name}: looking for {model} ({} of {count})", index + 1);
        let fail = |why: String| LoadErrors(vec![format!("{name}: {why}")]);
        let settings = hub.as_ref().ok_or_else(|| fail("the settings do not say where the hub is".into()))?;
        let path = hub::fetch(settings, &model).map_err(|error| fail(error.to_string()))?;
        ready.push(ModelChoice::Local { name, path, precision });
    }
    fit(&ready)?;
    let mut backends = Backends::default();
    let mut loaded: Vec<String> = Vec::with_capacity(count);
    for (index, choice) in ready.into_iter().enumerate() {
        let (name, begun) = (choice.name().to_owned(), Instant::now());
        let fail = |why: String| {
            let beside =
                if loaded.is_empty() { String::new() } else { format!(" (loaded before it: {})", loaded.join(", ")) };
            LoadErrors(vec![format!("{name}: {why}{beside}")])
        };
        tracing::info!("{name}: loading ({} of {count})", index + 1);
        let told = match (embedding.contains(&name), judging.contains(&name)) {
            (true, _) => Purpose::Embed,
            (false, true) => Purpose::Judge,
            (false, false) => Purpose::Answer,
        };
        match &choice {
            ModelChoice::Local { path, precision, .. } if draws(path) => {
                let model = ZImage::load(path, of_pictures(*precision)).map_err(|error| fail(error.to_string()))?;
                backends.drawing.push(Drawing { name: name.clone(), model });
            }
            _ => {
                let backend = load_one(choice, slots, told).map_err(|error| fail(error.to_string()))?;
                backends.texts.push(backend);
            }
        }
        tracing::info!("{name}: loaded in {:.1} s", begun.elapsed().as_secs_f64());
        loaded.push(name);
    }
    Ok(backends)
}

/// Refuses several models whose weights need more memory together than there is.
fn fit(choices: &[ModelChoice]) -> Result<(), LoadErrors> {
    let mut sizes = Vec::with_capacity(choices.len());
    for choice in choices {
        let needed = match choice {
            ModelChoice::Local { path, precision, .. } if draws(path) => ZImage::needs(path, of_pictures(*precision)),
            ModelChoice::Local { path, precision, .. } => Qwen::needs(path, *precision),
            ModelChoice::Random { name, precision } => {
                let shape = named(name).ok_or_else(|| LoadError::unknown_shape(name));
                shape.map(|shape| Qwen::random_needs(&shape, *precision))
            }
            // Fetched before; and those that are built in are as good as nothing.
            ModelChoice::Hub { .. } | ModelChoice::Tiny | ModelChoice::TinyEmbed => Ok(0),
        };
        sizes.push((choice.name(), needed.map_err(|error| LoadErrors(vec![format!("{}: {error}", choice.name())]))?));
    }
    let all = sizes.iter().fold(0, |all: u64, (_, needed)| all.saturating_add(*needed));
    match memory::short_of(all) {
        Some(available) if choices.len() > 1 => {
            let each: Vec<String> =
                sizes.iter().map(|(name, needed)| format!("{name} {}", memory::gib(*needed))).collect();
            Err(LoadErrors(vec![format!(
                "the weights of all models together need about {} of memory ({}), and {} are free; \
                 try --dtype q8_0 or q4k, smaller models, or fewer of them",
                memory::gib(all),
                each.join(", "),
                memory::gib(available)
            )]))
        }
        _ => Ok(()),
    }
}

/// `told`: what the settings say that it is for; its files may say that it embeds.
fn load_one(choice: ModelChoice, slots: usize, told: Purpose) -> Result<Backend, LoadError> {
    // There are two slots for each request that may run.
    let lanes = (slots.div_ceil(2) * LANES).clamp(LANES, MOST_LANES);
    let from = |name: String, path: &Path, precision: Option<Precision>| {
        let (text, network) = match (told, purpose(path)?) {
            (Purpose::Judge, Purpose::Embed) => {
                return Err(LoadError::new(path, "its files say that it embeds; take its name out of --reranker"));
            }
            (Purpose::Judge, _) => {
                let text = Text::load_judging(path)?;
                let network = Qwen::load(path, lanes, precision)?;
                return judge(name, text, network);
            }
            (Purpose::Embed, _) | (_, Purpose::Embed) => {
                (Text::load_embedding(path)?, Qwen::load_embedding(path, lanes, precision)?)
            }
            (Purpose::Answer, _) => (Text::load(path)?, Qwen::load(path, slots, precision)?),
        };
        Ok(Backend { name, model: Box::new(network), text })
    };
    let of_purpose = |name: String, text: Text, network: Qwen| match told {
        Purpose::Answer => Ok(Backend { name, model: Box::new(network), text }),
        Purpose::Embed => Ok(Backend { name, model: Box::new(network.embedding()), text }),
        Purpose::Judge => judge(name.clone(), text.judging(Path::new(&name))?, network),
    };
    let room = if told == Purpose::Answer { slots } else { lanes };
    match choice {
        ModelChoice::Local { name, path, precision } => from(name, &path, precision),
        ModelChoice::Hub { model, .. } => Err(LoadError::new(model.to_string(), "it has not been fetched")),
        ModelChoice::Random { name, precision } => {
            let shape = named(&name).ok_or_else(|| LoadError::unknown_shape(&name))?;
            let text = Text::stand_in(shape.vocab)?;
            of_purpose(name, text, Qwen::random(shape, room, precision, SEED)?)
        }
        ModelChoice::TinyEmbed => {
            let (model, text) = (Box::new(TINY_EMBED.network(lanes)?), TINY_EMBED.text()?);
            Ok(Backend { name: choice.name().to_owned(), model, text })
        }
        ModelChoice::Tiny => of_purpose(choice.name().to_owned(), Text::tiny()?, tiny::network(room)?),
    }
}

/// A model that judges, of its text side and a network that has its whole head yet.
fn judge(name: String, text: Text, network: Qwen) -> Result<Backend, LoadError> {
    let words = text.verdicts().ok_or_else(|| LoadError::new(&name, "its text side knows no verdict"))?;
    Ok(Backend { name, model: Box::new(network.judging(words)?), text })
}

/// Whether a path is a directory of a model that draws.
fn draws(path: &Path) -> bool {
    path.join(PIPELINE).is_file()
}

/// What the parts of a model that draws are named in.
const PIPELINE: &str = "model_index.json";

/// In what matrices of a model that draws are kept: in BF16 where the settings say nothing, or what texts alone have.
fn of_pictures(precision: Option<Precision>) -> Precision {
    match precision {
        None | Some(Precision::Q8_0 | Precision::Q4K) => Precision::Bf16,
        Some(precision) => precision,
    }
}

/// What is missing of a model on this machine, and what to do about it.
fn missing(choice: &ModelChoice) -> Option<String> {
    let ModelChoice::Local { name, path, .. } = choice else { return None };
    let why = match (path.is_file(), path.is_dir()) {
        (true, _) if is_gguf(path) => return None,
        (true, _) => "is neither a directory nor a .gguf file".to_owned(),
        (_, false) => match path.to_str().map(str::parse::<HubModel>) {
            Some(Ok(model)) => format!("is not there; for the hub's model write {name}=hf:{model}"),
            _ => "is not there".to_owned(),
        },
        (_, true) if draws(path) => return None,
        (_, true) => lacking(path)?,
    };
    Some(format!("{name}: {} {why}", path.display()))
}

/// What is missing of Hugging Face's layout in a directory.
fn lacking(directory: &Path) -> Option<String> {
    let named = ["config.json", "tokenizer.json"].into_iter().filter(|file| !directory.join(file).is_file());
    let mut lacking: Vec<&str> = named.collect();
    let files: Vec<PathBuf> =
        std::fs::read_dir(directory).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    if !files.iter().any(|file| file.extension().is_some_and(|extension| extension == "safetensors")) {
        lacking.push("*.safetensors");
    }
    if lacking.is_empty() {
        return None;
    }
    let gguf = files.iter().find(|file| is_gguf(file));
    let hint = gguf.map(|file| format!("; to serve its GGUF file name that: {}", file.display())).unwrap_or_default();
    Some(format!("is not a model in Hugging Face's layout: it has no {}{hint}", lacking.join(", no ")))
}
