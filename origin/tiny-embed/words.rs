//! What a model has to be better than: texts as bags of words, rare ones counting more (tf-idf), compared by cosine.

use std::collections::{BTreeMap, HashMap};

/// Candidates, and how rare each of their words is.
pub(crate) struct Words {
    rare: HashMap<String, f64>,
    candidates: Vec<BTreeMap<String, f64>>,
}

impl Words {
    /// Of these candidates.
    pub(crate) fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let counted: Vec<BTreeMap<String, f64>> = texts.map(counted).collect();
        let mut texts_with: HashMap<&str, usize> = HashMap::new();
        counted.iter().flat_map(BTreeMap::keys).for_each(|word| *texts_with.entry(word).or_default() += 1);
        let all = counted.len() as f64;
        let rare =
            texts_with.into_iter().map(|(word, with)| (word.to_owned(), (all / with as f64).ln() + 1.0)).collect();
        let mut words = Self { rare, candidates: Vec::new() };
        words.candidates = counted.into_iter().map(|counted| words.weighted(counted)).collect();
        words
    }

    /// The place of the candidate nearest to a text; the first of several.
    pub(crate) fn nearest(&self, text: &str) -> usize {
        let asked = self.weighted(counted(text));
        let near = |candidate: &BTreeMap<String, f64>| -> f64 {
            asked.iter().filter_map(|(word, weight)| Some(weight * candidate.get(word)?)).sum()
        };
        let mut best = (0, f64::MIN);
        for (place, candidate) in self.candidates.iter().enumerate() {
            let found = near(candidate);
            if found > best.1 {
                best = (place, found);
            }
        }
        best.0
    }

    /// Of length 1.
    fn weighted(&self, counted: BTreeMap<String, f64>) -> BTreeMap<String, f64> {
        let mut weighted: BTreeMap<String, f64> = counted
            .into_iter()
            .filter_map(|(word, count)| Some((word.clone(), count * self.rare.get(&word)?)))
            .collect();
        let length = weighted.values().map(|weight| weight * weight).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        weighted.values_mut().for_each(|weight| *weight /= length);
        weighted
    }
}

/// Words in small letters; each Chinese character is one.
fn counted(text: &str) -> BTreeMap<String, f64> {
    let mut counted = BTreeMap::new();
    let mut word = String::new();
    for character in text.to_lowercase().chars().chain([' ']) {
        let is_han = ('\u{4e00}'..='\u{9fff}').contains(&character);
        if character.is_alphanumeric() && !is_han {
            word.push(character);
            continue;
        }
        let found = std::mem::take(&mut word);
        let found = [found, if is_han { character.to_string() } else { String::new() }];
        found.into_iter().filter(|word| !word.is_empty()).for_each(|word| *counted.entry(word).or_default() += 1.0);
    }
    counted
}
