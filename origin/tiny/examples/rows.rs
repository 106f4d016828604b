//! Sequences of the later stages: dialogues side by side, alone or behind tools that stand for a long context.

use super::Texts;
use super::drills::Drills;
use super::example::Example;
use crate::families::tools::crowd::{Crowd, crowd};
use crate::families::{Late, late_dialogue};
use crate::network::Batch;
use crate::network::shape::CONTEXT;
use crate::network::sight::Sight;
use crate::random::Random;
use crate::vocabulary;
use std::error::Error;
use std::ops::Range;
use std::sync::Arc;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Tokens of a sequence, at most.
const ROW: usize = 1_000;
/// Tokens of a trunk, at most.
const TRUNK: usize = 600;
/// Dialogues behind one trunk, at most.
const BRANCHES: usize = 12;
/// How long a context is that a sequence stands for: from here to [`CONTEXT`].
const SHORTEST: f64 = 800.0;
/// Positions that are left for the dialogue.
const SPARED: usize = 1_000;

impl Texts {
    /// So many sequences, each a batch of its own, decided by the seed: in turn dialogues alone and beside tools.
    pub(crate) fn rows(&self, stage: Late, seed: u64, count: usize) -> Outcome<Vec<Batch>> {
        let mut random = Random::new(seed);
        let row = |number: usize| match number.is_multiple_of(2) {
            true => self.alone(&mut random, stage),
            false => self.beside(&mut random, stage),
        };
        (0..count).map(row).collect()
    }

    /// Dialogues and drills that have nothing to do with each other.
    fn alone(&self, random: &mut Random, stage: Late) -> Outcome<Batch> {
        let mut row = Row::default();
        loop {
            let example = match Drills::late().pick(random) {
                Some(drill) => drill.example(&self.tokenizer, random)?,
                None => self.example(&late_dialogue(random, stage))?,
            };
            if example.len() > ROW {
                continue;
            }
            if row.tokens.len() + example.len() > ROW {
                return Ok(row.batch());
            }
            row.branch(&example);
        }
    }

    /// Dialogues behind tools that none of them needs.
    fn beside(&self, random: &mut Random, stage: Late) -> Outcome<Batch> {
        loop {
            let Crowd { idle, dialogues } = crowd(random, BRANCHES, stage);
            let examples: Vec<Example> =
                dialogues.iter().map(|dialogue| self.example(dialogue)).collect::<Outcome<_>>()?;
            let Some(trunk) = self.trunk(&examples)? else { continue };
            if trunk.len() > TRUNK {
                continue;
            }
            let lines = self.tool_lines(&trunk)?;
            let mut row = Row::default();
            row.trunk(&trunk, &stretches(random, trunk.len(), &lines, &idle));
            for example in examples {
                let rest = Example { prompt: example.prompt[trunk.len()..].to_vec(), ..example };
                if row.tokens.len() + rest.len() <= ROW.max(trunk.len() + 400) {
                    row.branch(&rest);
                }
            }
            if !row.targets.is_empty() {
                return Ok(row.batch());
            }
        }
    }

    /// What all of these begin with: the system's message, which holds the tools. `None` if they differ in it.
    fn trunk(&self, examples: &[Example]) -> Outcome<Option<Vec<u32>>> {
        let Some(first) = examples.first() else { return Ok(None) };
        let ends = |prompt: &[u32]| prompt.iter().position(|token| *token == vocabulary::end());
        let Some(end) = ends(&first.prompt) else { return Ok(None) };
        // The line break behind it is of the message too.
        let trunk = &first.prompt[..(end + 2).min(first.prompt.len())];
        Ok(examples.iter().all(|example| example.prompt.starts_with(trunk)).then(|| trunk.to_vec()))
    }

    /// Where each tool stands in a prompt: one a line between `<tools>` and `</tools>`.
    pub(crate) fn tool_lines(&self, prompt: &[u32]) -> Outcome<Vec<Range<usize>>> {
        let (mut text, mut lines, mut begin) = (String::new(), Vec::new(), None);
        for (place, token) in prompt.iter().enumerate() {
            let word = self.spell(&[*token])?;
            match begin {
                None => {
                    text.push_str(&word);
                    begin = text.ends_with("<tools>\n").then_some(place + 1);
                }
                Some(first) if word.contains('\n') => {
                    lines.push(first..place + 1);
                    begin = Some(place + 1);
                }
                Some(first) if first == place && word.starts_with("</") => break,
                Some(_) => {}
            }
        }
        Ok(lines)
    }
}

/// Tokens that stand for several of their kind.
struct Stretch {
    tokens: Range<usize>,
    /// How many.
    times: usize,
    /// Which of them is the one that is read.
    read: usize,
}

/// Lets the idle ones of these lines stand for as many as make up some length.
fn stretches(random: &mut Random, length: usize, lines: &[Range<usize>], idle: &[bool]) -> Vec<Stretch> {
    let idle: Vec<&Range<usize>> = lines.iter().zip(idle).filter(|(_, idle)| **idle).map(|(line, _)| line).collect();
    let longest = (CONTEXT - SPARED) as f64;
    let part = random.below(1_000) as f64 / 1_000.0;
    let context = (SHORTEST * (longest / SHORTEST).powf(part)) as usize;
    // One in five is as long as it is.
    let mut left = if random.once_in(5) { 0 } else { context.saturating_sub(length) };
    let mut stretches = Vec::new();
    for (number, line) in idle.iter().enumerate() {
        // The last one takes what is left; the others some of it.
        let share = if number + 1 == idle.len() { left } else { random.below(left + 1) };
        let times = 1 + share / line.len();
        left -= (times - 1) * line.len();
        stretches.push(Stretch { tokens: (*line).clone(), times, read: random.below(times) });
    }
    stretches
}

/// A sequence while it is put together.
#[derive(Default)]
struct Row {
    tokens: Vec<u32>,
    sight: Sight,
    /// Where the first token behind the trunk stands.
    next: usize,
    rows: Vec<u32>,
    targets: Vec<u32>,
}

impl Row {
    fn trunk(&mut self, tokens: &[u32], stretches: &[Stretch]) {
        let mut moved = 0;
        for (number, token) in tokens.iter().enumerate() {
            let stretch = stretches.iter().find(|stretch| stretch.tokens.contains(&number));
            let (weight, further) =
                stretch.map_or((0.0, 0), |stretch| ((stretch.times as f32).ln(), stretch.read * stretch.tokens.len()));
            self.push(*token, number + moved + further, weight, 0);
            if let Some(stretch) = stretch.filter(|stretch| number + 1 == stretch.tokens.end) {
                moved += (stretch.times - 1) * stretch.tokens.len();
            }
        }
        (self.sight.trunk, self.next) = (tokens.len(), tokens.len() + moved);
    }

    fn branch(&mut self, example: &Example) {
        let begin = self.tokens.len();
        let read = example.prompt.iter().chain(&example.answer[..example.answer.len() - 1]);
        for (number, token) in read.enumerate() {
            self.push(*token, self.next + number, 0.0, begin);
        }
        let first = begin + example.prompt.len() - 1;
        for (number, token) in example.answer.iter().enumerate() {
            if example.free.binary_search(&number).is_err() {
                self.rows.push((first + number) as u32);
                self.targets.push(*token);
            }
        }
    }

    fn push(&mut self, token: u32, place: usize, weight: f32, begin: usize) {
        self.tokens.push(token);
        self.sight.places.push(place);
        self.sight.weights.push(weight);
        self.sight.begins.push(begin);
    }

    fn batch(self) -> Batch {
        Batch {
            positions: self.tokens.len(),
            tokens: self.tokens,
            rows: self.rows,
            targets: Arc::new(self.targets),
            sight: Some(Arc::new(self.sight)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn texts() -> Texts {
        Texts::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tiny/model")).unwrap()
    }

    #[test]
    fn tools_are_found_in_a_prompt() {
        let texts = texts();
        let mut random = Random::new(5);
        for stage in [Late::Second, Late::Third].repeat(10) {
            let crowd = crowd(&mut random, 3, stage);
            let prompt = texts.example(&crowd.dialogues[0]).unwrap().prompt;
            let lines = texts.tool_lines(&prompt).unwrap();
            assert_eq!(lines.len(), crowd.idle.len());
            for (line, tool) in lines.iter().zip(&crowd.dialogues[0].tools) {
                let text = texts.spell(&prompt[line.clone()]).unwrap();
                assert_eq!(&serde_json::from_str::<serde_json::Value>(&text).unwrap(), tool);
            }
        }
    }

    #[test]
    fn rows_stand_for_contexts_up_to_the_longest_and_nothing_is_lost() {
        let (mut longest, mut targets) = (0, 0);
        let rows = |stage| texts().rows(stage, 3, 60).unwrap();
        for batch in [Late::Second, Late::Third].into_iter().flat_map(rows) {
            let sight = batch.sight.unwrap();
            let count = batch.tokens.len();
            assert_eq!((sight.places.len(), sight.weights.len(), sight.begins.len()), (count, count, count));
            assert!(count <= ROW && batch.positions == count && sight.trunk <= TRUNK);
            assert!(batch.rows.iter().all(|row| (*row as usize) < count && *row as usize + 1 >= sight.trunk));
            assert!(sight.places.iter().all(|place| *place < CONTEXT));
            assert!(
                sight.places[..sight.trunk].is_sorted(),
                "what is read of a tool stands where one of its kind would"
            );
            longest = longest.max(sight.places.iter().copied().max().unwrap());
            targets += batch.targets.len();
        }
        assert!(longest > 16_000, "{longest}");
        assert!(targets > 12_000, "{targets}");
    }

    #[test]
    fn what_stands_for_many_is_as_heavy_and_as_long_as_they_are() {
        let mut row = Row::default();
        let stretches = [Stretch { tokens: 1..3, times: 4, read: 2 }, Stretch { tokens: 3..4, times: 1, read: 0 }];
        row.trunk(&[10, 11, 12, 13, 14], &stretches);
        row.branch(&Example { prompt: vec![20, 21], answer: vec![22, 23], free: vec![0] });
        row.branch(&Example { prompt: vec![30], answer: vec![31], free: Vec::new() });
        let four = 4f32.ln();
        assert_eq!(row.sight.places, [0, 5, 6, 9, 10, 11, 12, 13, 11]);
        assert_eq!(row.sight.weights, [0.0, four, four, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!((row.sight.trunk, row.sight.begins.as_slice()), (5, &[0, 0, 0, 0, 0, 5, 5, 5, 8][..]));
        assert_eq!((row.rows.as_slice(), row.targets.as_slice()), (&[7, 8][..], &[23, 31][..]));
    }
}
