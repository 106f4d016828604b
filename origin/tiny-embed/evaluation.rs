//! What the model is worth: for texts in wordings that it never saw, whether what lies nearest means the same. Beside
//! it what counting words would find.

use crate::embedder::{Embedder, cut};
use crate::random::Random;
use crate::shape::WIDTHS;
use crate::topics::{Meaning, TOPICS, meanings};
use crate::wording::{self, Kind};
use crate::words::Words;
use serde::Serialize;
use std::error::Error;
use std::path::Path;

/// Decides which alternatives are asked; no batch has it.
const SEED: u64 = 0xe5a1;
/// Right answers that are aimed for: the same meaning, and the same topic.
const AIM: f64 = 0.90;
const TOPIC_AIM: f64 = 0.95;

/// A text whose meaning is known.
#[derive(Clone, Serialize)]
pub(crate) struct Known {
    text: String,
    meaning: usize,
    topic: &'static str,
    #[serde(skip)]
    question: &'static str,
}

/// What is asked, and among what its like is sought.
#[derive(Serialize)]
pub(crate) struct Held {
    candidates: Vec<Known>,
    queries: Vec<Known>,
}

/// Judges a model and prints tables. False if an aim is missed.
pub(crate) fn evaluate(directory: &Path, wrong: usize) -> Result<bool, Box<dyn Error + Send + Sync>> {
    let mut embedder = Embedder::load(directory)?;
    let all = meanings();
    let mut good = None;
    println!(
        "| queries, among {} candidates | asked | same meaning | same topic | tf-idf: meaning | topic |",
        all.len()
    );
    println!("|---|---|---|---|---|---|");
    type Row = (&'static str, Kind, Kind, fn(&Meaning) -> bool);
    let rows: [Row; 5] = [
        ("held-out wordings", Kind::Held, Kind::Wording, |meaning| !meaning.is_held()),
        ("held-out wordings of meanings never trained on", Kind::Held, Kind::Wording, Meaning::is_held),
        ("held-out questions, to answers", Kind::Held, Kind::Answer, |meaning| !meaning.is_held()),
        ("held-out Chinese, to Chinese", Kind::ChineseHeld, Kind::Chinese, |meaning| !meaning.is_held()),
        ("held-out Chinese, to English", Kind::ChineseHeld, Kind::Wording, |meaning| !meaning.is_held()),
    ];
    for (name, asked, sought, counts) in rows {
        let held = held(&all, (asked, sought), counts, 2);
        let found = held.nearest(&mut embedder, crate::shape::HIDDEN)?;
        let (ours, theirs) = (held.score(&found), held.score(&held.by_words()));
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let [meaning, topic, by_words, topic_by_words] =
            [ours.meaning, ours.topic, theirs.meaning, theirs.topic].map(percent);
        println!("| {name} | {} | {meaning} | {topic} | {by_words} | {topic_by_words} |", held.queries.len());
        held.show_wrong(&found, wrong);
        // The aims are of the first row; the others are told.
        good.get_or_insert(ours.meaning >= AIM && ours.topic >= TOPIC_AIM);
    }
    println!("\n| held-out wordings, cut to | same meaning | same topic |\n|---|---|---|");
    let held = held(&all, (Kind::Held, Kind::Wording), |meaning| !meaning.is_held(), 2);
    for width in WIDTHS {
        let Score { meaning, topic } = held.score(&held.nearest(&mut embedder, width)?);
        println!("| {width} | {:.1} % | {:.1} % |", 100.0 * meaning, 100.0 * topic);
    }
    Ok(good.unwrap_or_default())
}

/// Texts of a third of all meanings, for a test to keep: a candidate for each, and a held-out wording.
pub(crate) fn kept() -> Held {
    let all: Vec<Meaning> = meanings().into_iter().filter(|meaning| meaning.number / 7 % 3 == 0).collect();
    held(&all, (Kind::Held, Kind::Wording), |_| true, 1)
}

/// The texts nearest to a text, nearest first, with their cosines.
pub(crate) fn nearest(directory: &Path, text: &str) -> Result<Vec<(f32, String)>, Box<dyn Error + Send + Sync>> {
    let mut embedder = Embedder::load(directory)?;
    let candidates = held(&meanings(), (Kind::Held, Kind::Wording), |_| true, 1).candidates;
    let texts: Vec<&str> = candidates.iter().map(|known| known.text.as_str()).chain([text]).collect();
    let mut vectors = cut(&embedder.vectors(&texts)?, crate::shape::HIDDEN);
    let asked = vectors.pop().unwrap_or_default();
    let mut all: Vec<(f32, String)> =
        vectors.iter().zip(&candidates).map(|(vector, known)| (inner(vector, &asked), known.text.clone())).collect();
    all.sort_by(|one, other| other.0.total_cmp(&one.0));
    Ok(all)
}

/// A candidate for each meaning, and so many queries for each that counts.
fn held(all: &[Meaning], (asked, sought): (Kind, Kind), counts: fn(&Meaning) -> bool, each: usize) -> Held {
    let mut random = Random::new(SEED);
    let known = |meaning: &Meaning, text: String| Known {
        text,
        meaning: meaning.number,
        topic: TOPICS[meaning.topic].name,
        question: meaning.question.name,
    };
    let candidates = all.iter().map(|meaning| known(meaning, wording::text(meaning, sought, &mut random))).collect();
    let mut queries = Vec::new();
    for meaning in all.iter().filter(|meaning| counts(meaning)) {
        queries.extend((0..each).map(|_| known(meaning, wording::text(meaning, asked, &mut random))));
    }
    Held { candidates, queries }
}

/// Shares of queries.
struct Score {
    meaning: f64,
    topic: f64,
}

impl Held {
    /// For each query the place of the nearest candidate, by the model.
    fn nearest(&self, embedder: &mut Embedder, width: usize) -> Result<Vec<usize>, Box<dyn Error + Send + Sync>> {
        let texts = |known: &[Known]| known.iter().map(|known| known.text.clone()).collect::<Vec<_>>();
        let mut vectors = |known: &[Known]| {
            let texts = texts(known);
            embedder.vectors(&texts.iter().map(String::as_str).collect::<Vec<_>>()).map(|found| cut(&found, width))
        };
        let (candidates, queries) = (vectors(&self.candidates)?, vectors(&self.queries)?);
        let best = |query: &Vec<f32>| {
            let near = |one: &usize, other: &usize| {
                inner(query, &candidates[*one]).total_cmp(&inner(query, &candidates[*other]))
            };
            (0..candidates.len()).max_by(near).unwrap_or_default()
        };
        Ok(queries.iter().map(best).collect())
    }

    /// The same by words.
    fn by_words(&self) -> Vec<usize> {
        let words = Words::of(self.candidates.iter().map(|known| known.text.as_str()));
        self.queries.iter().map(|query| words.nearest(&query.text)).collect()
    }

    fn score(&self, found: &[usize]) -> Score {
        let share = |is_right: &dyn Fn(&Known, &Known) -> bool| {
            let right =
                self.queries.iter().zip(found).filter(|(query, place)| is_right(query, &self.candidates[**place]));
            right.count() as f64 / self.queries.len().max(1) as f64
        };
        Score { meaning: share(&|a, b| a.meaning == b.meaning), topic: share(&|a, b| a.topic == b.topic) }
    }

    fn show_wrong(&self, found: &[usize], count: usize) {
        let wrong = self.queries.iter().zip(found).map(|(query, place)| (query, &self.candidates[*place]));
        for (query, candidate) in wrong.filter(|(a, b)| a.meaning != b.meaning).take(count) {
            println!("  {}: {} -> {}: {}", query.question, query.text, candidate.question, candidate.text);
        }
    }
}

fn inner(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}
