//! A model of made-up logits, a function of what came before and of nothing else: what it says is noise, with a liking for what
//! would break a form.

use sluice_origin::engine::model::{Logits, Model, ModelError, Row};

/// Bytes, the built-in model's control tokens, and some hundred more that the stand-in tokenizer spells as `[number]`.
pub(super) const VOCAB: usize = 400;
const CONTEXT: usize = 4096;

pub(super) struct Wild {
    sequences: Vec<Vec<u32>>,
}

impl Wild {
    pub(super) fn new(slots: usize) -> Self {
        Self { sequences: vec![Vec::new(); slots] }
    }
}

/// From -1 to 1, by a hash of everything before.
fn noise(before: u64, token: u64) -> f32 {
    let mut mixed = before ^ token.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

fn liking(token: usize) -> f32 {
    match u8::try_from(token) {
        // What closes, so that most answers come to an end.
        Ok(b'"') => 6.0,
        Ok(b'}' | b']') => 5.0,
        Ok(b',' | b'0'..=b'9') => 2.0,
        Ok(_) => 0.0,
        // Ends and control tokens, all the time and more than anything else.
        Err(_) if token < 282 => 9.0,
        Err(_) => 1.0,
    }
}

impl Model for Wild {
    fn context_length(&self) -> usize {
        CONTEXT
    }

    fn vocab_size(&self) -> usize {
        VOCAB
    }

    fn token_bytes(&self) -> usize {
        0
    }

    fn slots(&self) -> usize {
        self.sequences.len()
    }

    fn begin(&mut self, slot: usize, _tokens: usize) -> Result<(), ModelError> {
        self.sequences[slot].clear();
        Ok(())
    }

    fn copy_prefix(&mut self, from: usize, to: usize, tokens: usize) -> Result<(), ModelError> {
        self.sequences[to] = self.sequences[from][..tokens].to_vec();
        Ok(())
    }

    fn step(&mut self, rows: &[Row<'_>], logits: &mut Logits) -> Result<(), ModelError> {
        for (number, row) in rows.iter().enumerate() {
            let sequence = &mut self.sequences[row.slot];
            assert_eq!(sequence.len(), row.position, "rows come without gaps");
            sequence.extend_from_slice(row.tokens);
            if row.sample {
                let before =
                    sequence.iter().fold(7u64, |hash, token| hash.wrapping_mul(0x0100_0000_01b3) ^ u64::from(*token));
                for (token, logit) in logits.row_mut(number).iter_mut().enumerate() {
                    *logit = 3.0 * noise(before, token as u64) + liking(token);
                }
            }
        }
        Ok(())
    }

    fn release(&mut self, slot: usize) {
        self.sequences[slot].clear();
    }
}
