//! Batches: pairs of texts that mean the same, and what each topic is called.

use crate::random::Random;
use crate::topics::{Meaning, TOPICS, meanings};
use crate::wording::{self, Kind};
use std::error::Error;
use std::path::Path;
use tokenizers::Tokenizer;

/// Subjects of a batch.
const SUBJECTS: usize = 28;
/// Meanings of each: they share their subject, so that it alone does not tell which belongs to which.
const OF_EACH: usize = 4;

/// Pairs of texts in tokens. No two pairs mean the same.
pub(crate) struct Batch {
    /// One text of each pair, and then the other of each.
    pub(crate) texts: Vec<Vec<u32>>,
    /// The topic of each pair.
    pub(crate) topics: Vec<u32>,
    /// A text for each topic that names it.
    pub(crate) named: Vec<Vec<u32>>,
}

/// Makes them.
pub(crate) struct Pairs {
    tokenizer: Tokenizer,
    /// The meanings that are trained on, by subject.
    subjects: Vec<Vec<Meaning>>,
}

impl Pairs {
    /// With the tokenizer of a directory.
    pub(crate) fn load(directory: &Path) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut subjects: Vec<Vec<Meaning>> = Vec::new();
        for meaning in meanings() {
            match subjects.last_mut() {
                Some(of_one) if std::ptr::eq(of_one[0].subject, meaning.subject) => of_one.push(meaning),
                _ => subjects.push(vec![meaning]),
            }
        }
        subjects.iter_mut().for_each(|of_one| of_one.retain(|meaning| !meaning.is_held()));
        Ok(Self { tokenizer: Tokenizer::from_file(directory.join("tokenizer.json"))?, subjects })
    }

    /// The batch of this seed.
    pub(crate) fn batch(&self, seed: u64) -> Result<Batch, Box<dyn Error + Send + Sync>> {
        let mut random = Random::new(seed);
        let mut order: Vec<&Vec<Meaning>> = self.subjects.iter().collect();
        random.shuffle(&mut order);
        let (mut left, mut right, mut topics) = (Vec::new(), Vec::new(), Vec::new());
        for of_one in &order[..SUBJECTS] {
            let mut chosen: Vec<&Meaning> = of_one.iter().collect();
            random.shuffle(&mut chosen);
            for meaning in chosen.into_iter().take(OF_EACH) {
                let kinds = match random.below(10) {
                    0..5 => [Kind::Wording, Kind::Wording],
                    5..7 => [Kind::Wording, Kind::Answer],
                    7..9 => [Kind::Wording, Kind::Chinese],
                    _ => [Kind::Chinese, Kind::Chinese],
                };
                let [one, other] = kinds.map(|kind| wording::text(meaning, kind, &mut random));
                let [one, other] = [one, other].map(|text| wording::written(text, &mut random));
                let (one, other) = if random.once_in(2) { (one, other) } else { (other, one) };
                left.push(self.tokens(&one)?);
                right.push(self.tokens(&other)?);
                topics.push(meaning.topic as u32);
            }
        }
        left.append(&mut right);
        let name = |topic: &&crate::topics::Topic| {
            let about = wording::said(random.pick(topic.about), "", &mut random);
            self.tokens(&wording::written(about, &mut random))
        };
        let named = TOPICS.iter().map(name).collect::<Result<_, _>>()?;
        Ok(Batch { texts: left, topics, named })
    }

    /// With the token that ends a text.
    fn tokens(&self, text: &str) -> Result<Vec<u32>, Box<dyn Error + Send + Sync>> {
        Ok(self.tokenizer.encode_fast(text, true)?.get_ids().to_vec())
    }
}
