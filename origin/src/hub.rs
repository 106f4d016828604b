//! Models of the Hugging Face hub: fetched once, checked, and kept in the cache that Hugging Face's own programs use.
//!
//! Of a repository only what is served is fetched: the text files, then the weights, or one GGUF file. What a revision
//! stands for is asked once at every start; if nobody answers, the last commit that is whole in the cache is served. A
//! commit that is named and whole is served without asking.
//!
//! This is code of ours on `ureq`: the crate `hf-hub` neither goes on with a file that broke off nor checks what came
//! (1.0), or appends whatever a server answers (0.5).

mod cache;
mod client;
mod download;
mod error;
pub(crate) mod name;
mod progress;
mod settings;

pub use error::HubError;
pub use name::HubModel;
pub use settings::HubSettings;

use cache::Shelf;
use client::{Client, Failure, Found};
use download::Download;
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::thread::sleep;

/// Must be there beside safetensors.
const NEEDED: [&str; 2] = ["config.json", "tokenizer.json"];
/// Are served if they are there.
const WELCOME: [&str; 3] = ["generation_config.json", "tokenizer_config.json", "chat_template.jinja"];
/// Says that a model embeds, and how; only with the first there may be the second.
const EMBEDS: [&str; 2] = ["modules.json", "1_Pooling/config.json"];
const WEIGHTS: &str = "model.safetensors";
/// Says which files weights are split into.
const INDEX: &str = "model.safetensors.index.json";
const NO_TEXT: &str =
    "a model is served from config.json, tokenizer.json and safetensors, or from one GGUF file: Owner/Name:FILE.gguf";
const NO_WEIGHTS: &str =
    "weights are served from safetensors; of a repository with GGUF files name one: Owner/Name:FILE.gguf";
const NO_GGUF: &str = "see the names of its GGUF files on its page";

/// Makes sure that a model is in the cache, and returns its path: a directory, or a GGUF file. Blocks for as long as that
/// takes, which may be hours; what has come when it fails is gone on with at the next call.
pub fn fetch(settings: &HubSettings, model: &HubModel) -> Result<PathBuf, HubError> {
    let session =
        Session { settings, model, shelf: Shelf::new(&settings.cache, model), client: Client::new(settings)? };
    let files = match model.file() {
        Some(_) => model.parts(),
        None => NEEDED.map(str::to_owned).to_vec(),
    };
    let first = files.first().map_or("", String::as_str);
    let state = session.state(first)?;
    let hint = if model.file().is_some() { NO_GGUF } else { NO_TEXT };
    for file in &files {
        session.need(&state, file, hint)?;
    }
    if model.file().is_none() {
        for file in WELCOME {
            session.want(&state, file)?;
        }
        for file in EMBEDS {
            if !session.want(&state, file)? {
                break;
            }
        }
        session.weights(&state)?;
    }
    // Only now: until all of it is there, the commit before is the one to serve without a network.
    session.shelf.keep_commit(model.revision(), &state.commit)?;
    let snapshot = session.shelf.snapshot(&state.commit);
    Ok(model.file().map_or(snapshot.clone(), |file| snapshot.join(file)))
}

/// One model that is being fetched.
struct Session<'a> {
    settings: &'a HubSettings,
    model: &'a HubModel,
    shelf: Shelf,
    client: Client,
}

/// What is fetched, and from where.
struct State {
    commit: String,
    /// Why the hub is not asked.
    silent: Option<Silence>,
}

enum Silence {
    Offline,
    Unreachable(String),
}

#[derive(Deserialize)]
struct Index {
    weight_map: HashMap<String, String>,
}

impl Session<'_> {
    /// What the revision stands for now, or stood for when the hub was last asked.
    fn state(&self, first: &str) -> Result<State, HubError> {
        let revision = self.model.revision();
        let known = self.shelf.commit(revision);
        if self.settings.offline {
            let commit = known.ok_or_else(|| self.missing(&Silence::Offline, first))?;
            return Ok(State { commit, silent: Some(Silence::Offline) });
        }
        if let Some(commit) = known.as_ref().filter(|commit| commit.eq_ignore_ascii_case(revision)) {
            return Ok(State { commit: commit.clone(), silent: None });
        }
        match self.find(revision, first) {
            Ok(Some(found)) => Ok(State { commit: found.commit, silent: None }),
            Ok(None) => Err(self.no_file(first, if self.model.file().is_some() { NO_GGUF } else { NO_TEXT })),
            Err(Failure::Final(error)) => Err(error),
            Err(Failure::Network(why)) => {
                let silence = Silence::Unreachable(why);
                let commit = known.ok_or_else(|| self.missing(&silence, first))?;
                tracing::warn!(
                    "{} cannot be reached; {} is served as it is in the cache",
                    self.client.endpoint(),
                    self.model
                );
                Ok(State { commit, silent: Some(silence) })
            }
        }
    }

    /// The weights, in one file or in several.
    fn weights(&self, state: &State) -> Result<(), HubError> {
        if self.want(state, WEIGHTS)? {
            return Ok(());
        }
        if !self.want(state, INDEX)? {
            return match &state.silent {
                Some(silence) => Err(self.missing(silence, WEIGHTS)),
                None => Err(self.no_file(WEIGHTS, NO_WEIGHTS)),
            };
        }
        let path = self.shelf.snapshot(&state.commit).join(INDEX);
        let json = std::fs::read(&path).map_err(HubError::disk(&path))?;
        let odd = |why: String| HubError::Odd { url: format!("{} {INDEX}", self.model), why };
        let index: Index = serde_json::from_slice(&json).map_err(|error| odd(error.to_string()))?;
        let files: BTreeSet<&String> = index.weight_map.values().collect();
        for file in files {
            if !name::is_path(file) || file.contains('/') || !file.ends_with(".safetensors") {
                return Err(odd("it names a file that is not beside it, or no safetensors file".into()));
            }
            self.need(state, file, NO_WEIGHTS)?;
        }
        Ok(())
    }

    fn need(&self, state: &State, file: &str, hint: &'static str) -> Result<(), HubError> {
        match (self.want(state, file)?, &state.silent) {
            (true, _) => Ok(()),
            (false, Some(silence)) => Err(self.missing(silence, file)),
            (false, None) => Err(self.no_file(file, hint)),
        }
    }

    /// Brings a file into the cache. Says whether it is there: it is not if the repository has no such file, or if nobody can
    /// be asked.
    fn want(&self, state: &State, file: &str) -> Result<bool, HubError> {
        let commit = &state.commit;
        if self.shelf.has(commit, file) {
            return Ok(true);
        }
        if self.shelf.lacks(commit, file) || state.silent.is_some() {
            return Ok(false);
        }
        let found = self.find(commit, file).map_err(|failure| match failure {
            Failure::Final(error) => error,
            Failure::Network(why) => self.missing(&Silence::Unreachable(why), file),
        })?;
        let Some(found) = found else {
            self.shelf.keep_lack(commit, file)?;
            return Ok(false);
        };
        // A hub that is asked for a commit answers for that commit.
        let found = Found { commit: commit.clone(), ..found };
        let (client, shelf, model) = (&self.client, &self.shelf, self.model);
        Download { client, shelf, model, file, found: &found, patience: self.settings.patience }.run()?;
        self.shelf.link(commit, file, &found.etag)?;
        Ok(true)
    }

    /// Asks what a file is, more than once if nobody answers.
    fn find(&self, revision: &str, file: &str) -> Result<Option<Found>, Failure> {
        let again = self.client.find(self.model, revision, file);
        match again {
            Err(Failure::Network(_)) => {
                sleep(self.settings.patience);
                self.client.find(self.model, revision, file)
            }
            answered => answered,
        }
    }

    fn no_file(&self, file: &str, hint: &'static str) -> HubError {
        HubError::NoFile { repository: self.model.repository(), file: file.to_owned(), hint }
    }

    fn missing(&self, silence: &Silence, file: &str) -> HubError {
        let missing = format!("{} of {}", file, self.model);
        let cache = self.settings.cache.clone();
        match silence {
            Silence::Offline => HubError::Offline { missing, cache },
            Silence::Unreachable(why) => {
                HubError::Unreachable { endpoint: self.client.endpoint().to_owned(), why: why.clone(), missing, cache }
            }
        }
    }
}
