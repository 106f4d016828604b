//! The vocabulary: byte-level BPE that is learnt from the dialogues, with Qwen's control tokens behind it.

use crate::dialogue::Dialogue;
use crate::families;
use crate::random::Random;
use serde_json::{Value, json};
use sluice_origin::models::endless::{ADDED, TEMPLATE};
use sluice_origin::text::QWEN_PIECES;
use std::error::Error;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{PreTokenizerWrapper, SplitDelimiterBehavior, TokenizerImpl};

/// Rows of the embedding; a multiple of 256.
pub(crate) const VOCAB: usize = 1280;
/// Rows of what is no control token.
pub(crate) const LEARNT: usize = VOCAB - ADDED.len();
/// Dialogues that it is learnt from.
const DIALOGUES: usize = 60_000;

/// The id of `<|im_end|>`, which ends an answer.
pub(crate) fn end() -> u32 {
    id("<|im_end|>")
}

/// The id of one of Qwen's control tokens. Panics if there is none.
pub(crate) fn id(control: &str) -> u32 {
    let place = ADDED.iter().position(|(name, _)| *name == control).expect("one of Qwen's control tokens");
    (VOCAB - ADDED.len() + place) as u32
}

/// `tokenizer.json`.
pub(crate) fn learn(seed: u64) -> Result<Value, Box<dyn Error + Send + Sync>> {
    let bytes = || ByteLevel::new(false, false, false);
    let pieces = Split::new(SplitPattern::Regex(QWEN_PIECES.into()), SplitDelimiterBehavior::Isolated, false)?;
    let cut: Vec<PreTokenizerWrapper> = vec![pieces.into(), bytes().into()];
    let mut tokenizer: TokenizerImpl<BPE, tokenizers::NormalizerWrapper, Sequence, ByteLevel, ByteLevel> =
        TokenizerImpl::new(BPE::default());
    tokenizer.with_pre_tokenizer(Some(Sequence::new(cut)));
    let mut trainer = BpeTrainer::builder()
        .vocab_size(LEARNT)
        .min_frequency(1)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let mut random = Random::new(seed);
    let texts = (0..DIALOGUES).flat_map(|_| said(&families::dialogue(&mut random)));
    // The words of the template, as often as tools are there.
    let texts = texts.chain(std::iter::repeat_n(TEMPLATE.to_owned(), DIALOGUES / 20));
    tokenizer.train(&mut trainer, texts)?;
    let mut learnt: Value = serde_json::from_str(&tokenizer.to_string(false)?)?;
    learnt["normalizer"] = json!({"type": "NFC"});
    learnt["decoder"] =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false});
    let added = ADDED.iter().map(|(content, special)| {
        json!({
            "id": id(content), "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": special,
        })
    });
    learnt["added_tokens"] = added.collect();
    Ok(learnt)
}

/// What people and the model write in a conversation.
fn said(dialogue: &Dialogue) -> Vec<String> {
    let mut texts = vec![dialogue.answer.clone()];
    for message in &dialogue.messages {
        texts.extend(message["content"].as_str().map(str::to_owned));
    }
    for tool in &dialogue.tools {
        texts.push(tool.to_string());
    }
    texts
}
