//! The vocabulary: byte-level BPE that is learnt from captions, with Qwen's control tokens behind it.

use crate::captions::Captioned;
use crate::random::Random;
use crate::shape::{CAPTION, VOCAB};
use serde_json::{Value, json};
use sluice_origin::models::endless::ADDED;
use sluice_origin::text::QWEN_PIECES;
use std::error::Error;
use std::path::Path;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{PreTokenizerWrapper, SplitDelimiterBehavior, Tokenizer, TokenizerImpl};

/// Captions that it is learnt from.
const CAPTIONS: usize = 20_000;

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
    // The words around a caption are learnt with it.
    let texts = (0..CAPTIONS).map(|_| format!("user\n{}\nassistant\n", Captioned::of_training(&mut random).caption));
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

/// Makes tokens of captions.
pub(crate) struct Vocabulary(Tokenizer);

impl Vocabulary {
    /// The one of a directory in the hub's layout.
    pub(crate) fn load(directory: &Path) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self(Tokenizer::from_file(directory.join("tokenizer/tokenizer.json"))?))
    }

    /// A caption as the question that the origin makes of it.
    pub(crate) fn tokens(&self, caption: &str) -> Result<Vec<u32>, Box<dyn Error + Send + Sync>> {
        let question = format!("<|im_start|>user\n{caption}<|im_end|>\n<|im_start|>assistant\n");
        Ok(self.0.encode_fast(question, false)?.get_ids().to_vec())
    }

    /// A caption of the training that fits into the rows that a caption has, with its scene.
    pub(crate) fn captioned(&self, random: &mut Random) -> Result<(Captioned, Vec<u32>), Box<dyn Error + Send + Sync>> {
        loop {
            let captioned = Captioned::of_training(random);
            let tokens = self.tokens(&captioned.caption)?;
            if tokens.len() <= CAPTION {
                return Ok((captioned, tokens));
            }
        }
    }
}
