//! From dialogues to tokens, through the origin's own template and tokenizer, and from those to batches.

pub(crate) mod drills;
pub(crate) mod example;
mod rows;

use crate::dialogue::Dialogue;
use crate::network::Batch;
use crate::random::Random;
use crate::{families, vocabulary};
use drills::Drills;
use example::Example;
use sluice_origin::text::Text;
use sluice_protocol::request::bodies::chat::{ChatBounds, ChatRequest};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use tokenizers::Tokenizer;

/// Tokens of a batch, those that fill its rows up included.
const BATCH: usize = 1200;
/// Longer dialogues are left out.
const LONGEST: usize = 400;

/// The text side of the model.
pub(crate) struct Texts {
    text: Text,
    tokenizer: Tokenizer,
}

impl Texts {
    /// Of a directory in Hugging Face's layout.
    pub(crate) fn load(directory: &Path) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self { text: Text::load(directory)?, tokenizer: Tokenizer::from_file(directory.join("tokenizer.json"))? })
    }

    /// The text side alone.
    pub(crate) const fn text(&self) -> &Text {
        &self.text
    }

    /// The request of a dialogue, and its prompt in tokens.
    pub(crate) fn prompt(&self, dialogue: &Dialogue) -> Result<(ChatRequest, Vec<u32>), Box<dyn Error + Send + Sync>> {
        let bounds = ChatBounds { default_max_tokens: 128, max_max_tokens: 128 };
        let refused = |refusal: sluice_protocol::refusal::Refusal| format!("{}: {refusal:?}", dialogue.body());
        let request = ChatRequest::parse(dialogue.body().to_string().as_bytes(), bounds).map_err(refused)?;
        let prompt = self.text.prompt_tokens(&request, 0).map_err(refused)?;
        Ok((request, prompt))
    }

    /// A dialogue in tokens.
    pub(crate) fn example(&self, dialogue: &Dialogue) -> Result<Example, Box<dyn Error + Send + Sync>> {
        let (_, prompt) = self.prompt(dialogue)?;
        let mut answer = self.tokenizer.encode_fast(dialogue.answer.as_str(), false)?.get_ids().to_vec();
        answer.push(vocabulary::end());
        let free = if dialogue.has_schema() { self.untold(&answer)? } else { Vec::new() };
        Ok(Example { prompt, answer, free })
    }

    /// The tokens of an answer that only its schema tells: whether it begins with a thought, and that JSON follows. To
    /// learn them from the prompt would be to answer in JSON where nobody asks for it.
    fn untold(&self, answer: &[u32]) -> Result<Vec<usize>, Box<dyn Error + Send + Sync>> {
        let mut untold = vec![0];
        if let Some(closed) = answer.iter().position(|token| *token == vocabulary::id("</think>")) {
            let mut begin = closed + 1;
            while begin + 1 < answer.len() && self.spell(&answer[begin..=begin])?.trim().is_empty() {
                begin += 1;
            }
            untold.push(begin);
        }
        Ok(untold)
    }

    /// What these tokens spell, control tokens included.
    pub(crate) fn spell(&self, tokens: &[u32]) -> Result<String, Box<dyn Error + Send + Sync>> {
        self.tokenizer.decode(tokens, false)
    }

    /// So many batches of dialogues, decided by the seed. Those of one batch are about equally long.
    pub(crate) fn batches(
        &self,
        seed: u64,
        count: usize,
        drills: Drills,
    ) -> Result<Vec<Batch>, Box<dyn Error + Send + Sync>> {
        let mut random = Random::new(seed);
        let mut examples = Vec::new();
        let mut tokens = 0;
        while tokens < BATCH * count {
            let example = match drills.pick(&mut random) {
                Some(drill) => drill.example(&self.tokenizer, &mut random)?,
                None => self.example(&families::dialogue(&mut random))?,
            };
            let length = example.prompt.len() + example.answer.len() - 1;
            if length <= LONGEST {
                tokens += length;
                examples.push(example);
            }
        }
        examples.sort_by_key(|example| example.prompt.len() + example.answer.len());
        let mut batches = Vec::new();
        let mut rest = examples.as_slice();
        while !rest.is_empty() {
            let length = |example: &Example| example.prompt.len() + example.answer.len() - 1;
            let fits = |taken: &usize| taken * length(&rest[taken - 1]) <= BATCH;
            let taken = (1..=rest.len()).take_while(fits).last().unwrap_or(1);
            let (batch, left) = rest.split_at(taken);
            batches.push(batch_of(batch));
            rest = left;
        }
        random.shuffle(&mut batches);
        Ok(batches)
    }
}

fn batch_of(examples: &[Example]) -> Batch {
    let positions = examples.iter().map(|example| example.prompt.len() + example.answer.len() - 1).max().unwrap_or(0);
    let (mut tokens, mut rows, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for (number, example) in examples.iter().enumerate() {
        let start = number * positions;
        tokens.extend(&example.prompt);
        tokens.extend(&example.answer[..example.answer.len() - 1]);
        tokens.resize(start + positions, vocabulary::id("<|endoftext|>"));
        let first = start + example.prompt.len() - 1;
        for (number, token) in example.answer.iter().enumerate() {
            if example.free.binary_search(&number).is_err() {
                rows.push((first + number) as u32);
                targets.push(*token);
            }
        }
    }
    Batch { tokens, positions, rows, targets: Arc::new(targets), sight: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_only_the_schema_tells_is_not_learnt() {
        let texts = Texts::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tiny/model")).unwrap();
        let example = |answer: &str| {
            let mut dialogue = Dialogue::new("Anna is 31.", answer);
            dialogue.form = Some(json!({"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}));
            let example = texts.example(&dialogue).unwrap();
            let spelt = |place: &usize| texts.spell(&example.answer[*place..=*place]).unwrap();
            example.free.iter().map(spelt).collect::<Vec<_>>()
        };
        assert_eq!(example("{\"age\": 31}"), ["{\""]);
        assert_eq!(example("<think>\nI write JSON.\n</think>\n\n{\"age\": 31}"), ["<think>", "{\""]);
    }
}
