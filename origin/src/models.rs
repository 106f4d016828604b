//! Models: what is loaded and served, and the kinds of them.

pub mod built_in;
pub mod choice;
pub mod endless;
pub mod load;
pub(crate) mod painter;
pub mod purpose;
pub mod qwen;
pub mod scripted;
pub(crate) mod share;
pub mod tiny;
pub mod tiny_embed;
pub mod z_image;

use crate::engine::grammar::Grammars;
use crate::engine::model::Model;
use crate::engine::turns::Turns;
use crate::engine::{Engine, EngineOptions};
use crate::models::painter::Painter;
use crate::models::z_image::ZImage;
use crate::models::z_image::facts::Facts;
use crate::system::now_millis;
use crate::text::Text;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::model_name::no_model;
use std::sync::Arc;
use std::time::Duration;

/// A model to be served: a name, what computes, and its text side.
pub struct Backend {
    /// The name that requests call the model by.
    pub name: String,
    /// Computes.
    pub model: Box<dyn Model>,
    /// Between text and tokens.
    pub text: Text,
}

/// A model that draws, to be served.
pub struct Drawing {
    /// The name that requests call the model by.
    pub name: String,
    /// Draws.
    pub model: ZImage,
}

/// Models to be served.
#[derive(Default)]
pub struct Backends {
    /// Those that read or write text.
    pub texts: Vec<Backend>,
    /// Those that draw.
    pub drawing: Vec<Drawing>,
}

impl From<Backend> for Backends {
    fn from(backend: Backend) -> Self {
        vec![backend].into()
    }
}

impl From<Vec<Backend>> for Backends {
    fn from(texts: Vec<Backend>) -> Self {
        Self { texts, drawing: Vec::new() }
    }
}

impl From<Drawing> for Backends {
    fn from(drawing: Drawing) -> Self {
        Self { texts: Vec::new(), drawing: vec![drawing] }
    }
}

/// The models that are being served, each kind in the order of the settings. No two have one name.
#[derive(Default)]
pub(crate) struct Models {
    /// Those that read or write text.
    pub(crate) texts: Vec<Arc<Loaded>>,
    /// Those that draw.
    pub(crate) drawing: Vec<Arc<Draws>>,
}

/// A model that draws and is being served, with a thread of its own.
pub(crate) struct Draws {
    pub(crate) name: String,
    /// What it can draw, and what that takes.
    pub(crate) facts: Facts,
    pub(crate) painter: Painter,
    /// Bytes that pictures have, whatever texts keep; `None` where nobody says.
    pub(crate) room: Option<u64>,
    /// Seconds since the epoch.
    pub(crate) since: u64,
}

/// A model that is being served, with an engine of its own.
pub(crate) struct Loaded {
    pub(crate) name: String,
    pub(crate) text: Text,
    pub(crate) engine: Engine,
    pub(crate) context: usize,
    /// How many tokens the model has.
    pub(crate) vocab: usize,
    /// What it is for.
    pub(crate) does: Does,
    /// Compiles forms of answers.
    pub(crate) grammars: Grammars,
    /// Seconds since the epoch.
    pub(crate) since: u64,
}

/// What a model is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Does {
    /// It goes on with a text.
    Answer,
    /// It makes a vector of a text, and answers nothing.
    Embed(Embeds),
    /// It says how well a document fits a query, and answers nothing.
    Judge,
}

/// What is asked of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// To go on with a text.
    Answer,
    /// To make vectors of texts.
    Embed,
    /// To say how well documents fit a query. Vectors tell it, too.
    Judge,
}

/// How a model embeds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Embeds {
    /// The length of its vectors.
    pub(crate) width: usize,
    /// The token that follows each text.
    pub(crate) end: u32,
}

/// How many texts of one request go through a model that embeds at once. They need memory for no answer, so this is no
/// number of requests: those have slots.
pub(crate) const LANES: usize = 64;
/// How many texts of all requests do, at most.
pub(crate) const MOST_LANES: usize = 1_024;

/// What a caller is told of a model whose engine broke.
pub(crate) fn starting_again() -> Refusal {
    Refusal::new(Reason::ModelLoading, "The model failed and is being started again.")
}

impl Models {
    /// The model of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Loaded>> {
        self.iter().find(|loaded| loaded.name == name)
    }

    /// The one of this name. A caller without a grant may know of all, and is told which has the nearest name; of others the
    /// edge knows what they may know of.
    pub(crate) fn wanted(&self, name: &str, is_open: bool) -> Result<&Arc<Loaded>, Refusal> {
        if let (None, Some(draws)) = (self.find(name), self.find_drawing(name)) {
            let why = format!(
                "`{}` draws, and reads no text else: POST /v1/images/generations asks for pictures.",
                draws.name
            );
            return Err(Refusal::new(Reason::InvalidRequest, why).with_param("model"));
        }
        self.find(name).ok_or_else(|| no_model(name, self.known(is_open)))
    }

    /// The model of this name that draws.
    pub(crate) fn find_drawing(&self, name: &str) -> Option<&Arc<Draws>> {
        self.drawing.iter().find(|draws| draws.name == name)
    }

    /// The one of this name that draws, as [`Self::wanted`] finds others.
    pub(crate) fn wanted_drawing(&self, name: &str, is_open: bool) -> Result<&Arc<Draws>, Refusal> {
        if let (None, Some(loaded)) = (self.find_drawing(name), self.find(name)) {
            let does = self.drawing.first().filter(|_| is_open).map(|draws| format!("`{}` does.", draws.name));
            let does = does.unwrap_or_else(|| "GET /v1/models tells which does.".into());
            let why = format!("`{}` does not draw. {does}", loaded.name);
            return Err(Refusal::new(Reason::InvalidRequest, why).with_param("model"));
        }
        self.find_drawing(name).ok_or_else(|| no_model(name, self.known(is_open)))
    }

    /// All names that a caller may be told: one without a grant, of all models.
    fn known(&self, is_open: bool) -> impl Iterator<Item = &str> {
        let texts = self.iter().map(|loaded| loaded.name.as_str());
        texts.chain(self.drawing.iter().map(|draws| draws.name.as_str())).filter(move |_| is_open)
    }

    /// What to tell who asked one for what it does not do: the first that does. A caller with a grant may not know of all.
    pub(crate) fn who_does(&self, deed: Deed, is_open: bool) -> String {
        let first = self.iter().find(|loaded| is_open && loaded.does.serves(deed));
        first.map_or("GET /v1/models tells which does.".into(), |loaded| format!("`{}` does.", loaded.name))
    }

    /// Those that read or write text, in the order of the settings.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Loaded>> {
        self.texts.iter()
    }

    /// Those whose engine broke and has not started again, for the log.
    pub(crate) fn down(&self) -> Option<String> {
        let is_down = |loaded: &&Arc<Loaded>| loaded.engine.is_down();
        let down: Vec<&str> = self.iter().filter(is_down).map(|loaded| &*loaded.name).collect();
        (!down.is_empty()).then(|| down.join("; "))
    }

    /// Those whose engine was not seen between two steps for this long, for the log.
    pub(crate) fn hung(&self, limit: Duration) -> Option<String> {
        let texts = self.iter().map(|loaded| (&loaded.name, loaded.engine.beat_age()));
        let ages = texts.chain(self.drawing.iter().map(|draws| (&draws.name, draws.painter.beat_age())));
        let old = |(name, age): (&String, Duration)| {
            (age > limit).then(|| format!("{name}: the last beat was {} ms ago", age.as_millis()))
        };
        let hung: Vec<String> = ages.filter_map(old).collect();
        (!hung.is_empty()).then(|| hung.join("; "))
    }
}

impl Does {
    /// Whether such a model does this.
    pub(crate) const fn serves(self, deed: Deed) -> bool {
        match self {
            Self::Answer => matches!(deed, Deed::Answer),
            Self::Embed(_) => matches!(deed, Deed::Embed | Deed::Judge),
            Self::Judge => matches!(deed, Deed::Judge),
        }
    }
}

impl Loaded {
    pub(crate) fn start(backend: Backend, options: EngineOptions) -> std::io::Result<Self> {
        let Backend { name, model, text } = backend;
        // A request that all the memory cannot hold is refused before it waits.
        let context = model.context_length().min(options.kv_tokens);
        let vocab = model.vocab_size();
        let does = match (model.vectors(), text.judges()) {
            (None, _) => Does::Answer,
            (Some(_), Some(_)) => Does::Judge,
            (Some(width), None) => {
                let why = || std::io::Error::other(format!("{name}: its tokenizer has no token that ends a text"));
                Does::Embed(Embeds { width, end: text.end_of_text().ok_or_else(why)? })
            }
        };
        // Of a model that answers nothing all slots run: nothing of a text is asked for again.
        let options = match does {
            Does::Answer => options,
            Does::Embed(_) | Does::Judge => EngineOptions { runs: model.slots(), ..options },
        };
        let engine = Engine::start(model, text.ends().to_vec(), options)?;
        let (grammars, since) = (Grammars::new(vocab), now_millis() / 1000);
        Ok(Self { name, text, engine, context, vocab, does, grammars, since })
    }
}

impl Draws {
    pub(crate) fn start(backend: Drawing, turns: &Arc<Turns>, room: Option<u64>) -> std::io::Result<Self> {
        let Drawing { name, model } = backend;
        let facts = model.facts().clone();
        let painter = Painter::start(model, Arc::clone(turns))?;
        Ok(Self { name, facts, painter, room, since: now_millis() / 1000 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::company::Company;
    use crate::engine::tests::job;
    use crate::models::scripted::Script;
    use sluice_protocol::request::bodies::chat::Sampling;
    use std::time::Instant;

    #[test]
    fn a_hung_engine_is_named_and_no_other() {
        let scripts = [Script::new(1), Script::new(1)];
        let named = scripts.iter().zip(["fine", "stuck"]);
        let options =
            EngineOptions { runs: 1, kv_tokens: 100, stall: Duration::from_secs(60), company: Company::default() };
        let start = |(script, name): (&Script, &str)| {
            let backend = Backend { name: name.into(), ..script.backend() };
            Arc::new(Loaded::start(backend, options.clone()).unwrap())
        };
        let models = Models { texts: named.map(start).collect(), drawing: Vec::new() };
        let job = job("", vec![1], 1, Sampling { seed: Some(1), ..Sampling::default() });
        let _generation = models.find("stuck").unwrap().engine.submit(job);
        // An idle engine beats ten times a second.
        let limit = Duration::from_millis(500);
        let begun = Instant::now();
        let said = loop {
            match models.hung(limit) {
                Some(said) => break said,
                None => assert!(begun.elapsed() < Duration::from_secs(30), "it never hung"),
            }
        };
        assert!(said.starts_with("stuck: the last beat was ") && !said.contains("fine"), "{said}");
    }
}
