//! The vocabulary: byte-level BPE that is learnt from the texts, with Qwen's control tokens behind it.

use crate::random::Random;
use crate::shape::VOCAB;
use crate::topics::{TOPICS, meanings};
use crate::wording::{self, Kind};
use serde_json::{Value, json};
use sluice_origin::models::endless::ADDED;
use sluice_origin::text::QWEN_PIECES;
use std::error::Error;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{PreTokenizerWrapper, SplitDelimiterBehavior, TokenizerImpl};

/// Rounds over all meanings that it is learnt from.
const ROUNDS: usize = 40;
/// The name of the token that ends a text.
pub(crate) const END: &str = "<|endoftext|>";

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
        .vocab_size(VOCAB - ADDED.len())
        .min_frequency(1)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let mut random = Random::new(seed);
    tokenizer.train(&mut trainer, texts(&mut random).into_iter())?;
    let mut learnt: Value = serde_json::from_str(&tokenizer.to_string(false)?)?;
    learnt["normalizer"] = json!({"type": "NFC"});
    learnt["decoder"] =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false});
    // What follows each text; Sentence Transformers takes it from here.
    let (text, end) =
        (json!({"Sequence": {"id": "A", "type_id": 0}}), json!({"SpecialToken": {"id": END, "type_id": 0}}));
    learnt["post_processor"] = json!({
        "type": "TemplateProcessing", "single": [text, end], "pair": [text, end],
        "special_tokens": {END: {"id": END, "ids": [id(END)], "tokens": [END]}},
    });
    let added = ADDED.iter().map(|(content, special)| {
        json!({
            "id": id(content), "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": special,
        })
    });
    learnt["added_tokens"] = added.collect();
    Ok(learnt)
}

fn texts(random: &mut Random) -> Vec<String> {
    let kinds = [Kind::Wording, Kind::Wording, Kind::Answer, Kind::Chinese];
    let mut texts = Vec::new();
    for _ in 0..ROUNDS {
        for meaning in meanings().iter().filter(|meaning| !meaning.is_held()) {
            for kind in kinds {
                let text = wording::text(meaning, kind, random);
                texts.push(wording::written(text, random));
            }
        }
        for about in TOPICS.iter().flat_map(|topic| topic.about) {
            texts.push(wording::said(about, "", random));
        }
    }
    texts
}
