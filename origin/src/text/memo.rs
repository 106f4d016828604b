//! Texts that were taken apart into tokens before. An agent sends its whole conversation with each of its turns, and all but
//! the end of it was sent with the turn before.
//!
//! A prompt is cut behind each end of a turn. That is a control token, which a tokenizer finds before anything else, so
//! what lies on its two sides are other words whatever they are: the parts' tokens are the whole's. What an account sent is
//! found again for that account alone, as in the engine: nobody is to learn by a clock what others ask.

use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Tokens by the account and the text that they are of; the least lately used go first.
#[derive(Default)]
pub(crate) struct Memo {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    young: HashMap<[u8; 32], Arc<[u32]>>,
    /// What was not asked for since the young ones filled their half.
    old: HashMap<[u8; 32], Arc<[u32]>>,
    /// What the young ones take, in bytes.
    bytes: usize,
}

/// What all entries take at most, in bytes: some 200 conversations of 40,000 tokens.
const MAX_BYTES: usize = 32 << 20;
/// What an entry takes besides its tokens, in bytes.
const OVERHEAD: usize = 96;
/// Shorter parts are taken apart sooner than they are looked for, in bytes.
const LEAST: usize = 512;

impl Memo {
    /// The tokens of `text`, an account's, which `encode` makes of any part of it. `end` is how a turn ends.
    pub(crate) fn tokens<E>(
        &self,
        account: &str,
        text: &str,
        end: &str,
        mut encode: impl FnMut(&str, &mut Vec<u32>) -> Result<(), E>,
    ) -> Result<Vec<u32>, E> {
        let mut tokens = Vec::with_capacity(text.len() / 3);
        for part in text.split_inclusive(end) {
            if part.len() < LEAST {
                encode(part, &mut tokens)?;
                continue;
            }
            let key = key(account, part);
            if let Some(known) = self.get(&key) {
                tokens.extend_from_slice(&known);
                continue;
            }
            let from = tokens.len();
            encode(part, &mut tokens)?;
            self.put(key, tokens[from..].into());
        }
        Ok(tokens)
    }

    fn get(&self, key: &[u8; 32]) -> Option<Arc<[u32]>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.young.get(key) {
            return Some(Arc::clone(known));
        }
        let known = kept.old.remove(key)?;
        kept.add(*key, Arc::clone(&known));
        Some(known)
    }

    fn put(&self, key: [u8; 32], tokens: Arc<[u32]>) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).add(key, tokens);
    }
}

impl Kept {
    fn add(&mut self, key: [u8; 32], tokens: Arc<[u32]>) {
        let bytes = size_of_val(&*tokens) + OVERHEAD;
        if bytes > MAX_BYTES / 2 {
            return;
        }
        if self.bytes + bytes > MAX_BYTES / 2 {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        // Two requests may have taken the same text apart at once.
        if self.young.insert(key, tokens).is_none() {
            self.bytes += bytes;
        }
    }
}

fn key(account: &str, text: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((account.len() as u64).to_be_bytes());
    hash.update(account);
    hash.update(text);
    hash.finalize().into()
}

/// Whether prompts may be cut behind this control token: it is one of `all` that a tokenizer knows, and no other one of
/// them can be taken for it, or for its beginning, wherever they meet.
pub(crate) fn is_cut(end: &str, all: &[&str]) -> bool {
    let overlaps = |other: &str| (1..end.len()).any(|length| other.as_bytes().ends_with(&end.as_bytes()[..length]));
    let meets = |other: &&str| *other != end && (other.contains(end) || end.contains(*other) || overlaps(other));
    !end.is_empty() && all.contains(&end) && !all.iter().any(meets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every byte is a token; counts how many were taken apart.
    fn encode(taken: &mut usize) -> impl FnMut(&str, &mut Vec<u32>) -> Result<(), ()> {
        |part, tokens| {
            *taken += part.len();
            tokens.extend(part.bytes().map(u32::from));
            Ok(())
        }
    }

    fn tokens(memo: &Memo, account: &str, text: &str) -> (Vec<u32>, usize) {
        let mut taken = 0;
        let tokens = memo.tokens(account, text, "<end>", encode(&mut taken)).unwrap();
        (tokens, taken)
    }

    #[test]
    fn what_was_sent_before_is_not_taken_apart_again() {
        let memo = Memo::default();
        let turn = |letter: &str| format!("{}<end>", letter.repeat(1_000));
        let first = turn("a") + &turn("b");
        let second = first.clone() + "short<end>" + &turn("c");
        assert_eq!(tokens(&memo, "me", &first), (first.bytes().map(u32::from).collect(), first.len()));
        assert_eq!(tokens(&memo, "me", &first).1, 0);
        let (found, taken) = tokens(&memo, "me", &second);
        assert_eq!((found, taken), (second.bytes().map(u32::from).collect(), second.len() - first.len()));
        // Of another account, and of one whose name runs into the text.
        assert_eq!(tokens(&memo, "you", &first).1, first.len());
        assert_eq!(tokens(&memo, "m", &format!("e{first}")).1, first.len() + 1);
        // A fault is not kept.
        let fault = memo.tokens("me", &turn("d"), "<end>", |_, _| Err("no"));
        assert_eq!(fault, Err("no"));
        assert_eq!(tokens(&memo, "me", &turn("d")).1, 1_005);
    }

    #[test]
    fn it_is_bounded_and_what_is_used_stays() {
        let memo = Memo::default();
        let text = |number: usize| format!("{number:01000}<end>");
        tokens(&memo, "me", &text(0));
        for number in 1..30_000 {
            tokens(&memo, "me", &text(number));
            if number % 1_000 == 0 {
                assert_eq!(tokens(&memo, "me", &text(0)).1, 0, "{number}");
                let kept = memo.kept.lock().unwrap();
                let entries = kept.young.values().chain(kept.old.values());
                let bytes: usize = entries.map(|tokens| tokens.len() * 4 + OVERHEAD).sum();
                assert!(bytes <= MAX_BYTES && kept.bytes <= MAX_BYTES / 2, "{bytes}");
            }
        }
        assert!(tokens(&memo, "me", &text(1)).1 > 0, "what nobody asked for is gone");
        let huge = "x".repeat(MAX_BYTES / 8 + 1);
        tokens(&memo, "me", &huge);
        assert_eq!(tokens(&memo, "me", &huge).1, huge.len(), "nor is one kept that would take the place of all");
    }

    #[test]
    fn a_cut_is_where_no_other_mark_can_be() {
        for (end, all, expected) in [
            ("<|im_end|>", &["<|im_end|>", "<|im_start|>", "<think>"][..], true),
            ("<|im_end|>", &["<|im_end|>", "x<|im_end|>y"], false),
            ("<|im_end|>", &["<|im_end|>", "im_end"], false),
            ("<|im_end|>", &["<|im_end|>", "x<|im"], false),
            ("<|endoftext|>", &["<|im_end|>", "x<|im", "<|endoftext|>"], true),
            ("<|end|>", &["<|end|>", "x<|", "[END]"], false),
            ("[END]", &["<|end|>", "x<|", "[END]"], true),
            ("<|im_end|>", &["<|im_start|>"], false),
            ("", &[""], false),
        ] {
            assert_eq!(is_cut(end, all), expected, "{end:?} of {all:?}");
        }
    }

    proptest! {
        #[test]
        fn tokens_are_the_wholes_whatever_came_before(
            texts in proptest::collection::vec(("[ab]", "(a{0,600}|<end>|<e|nd>|b{600,700}){0,9}"), 1..12)
        ) {
            let memo = Memo::default();
            for (account, text) in &texts {
                prop_assert_eq!(tokens(&memo, account, text).0, text.bytes().map(u32::from).collect::<Vec<_>>());
            }
        }
    }
}
