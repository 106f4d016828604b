//! Texts without a template, and the way back: for text completions, for embeddings, and for who asks which tokens a text
//! is.

use super::detokenizer::Detokenizer;
use super::sections::Start;
use super::{Prompt, Text};
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::prompts;

/// How models that embed spell the end of a text, where their tokenizer does not add it by itself.
const END_OF_TEXT: &str = "<|endoftext|>";

impl Text {
    /// A prompt without a template: the text's tokens, control tokens among them, or tokens as they are. `param` is what
    /// its door calls it.
    pub(crate) fn bare_prompt(
        &self,
        prompt: &prompts::Prompt,
        vocab: usize,
        param: &'static str,
    ) -> Result<Prompt, Refusal> {
        let tokens = match prompt {
            prompts::Prompt::Text(text) => self.tokens(text)?,
            prompts::Prompt::Tokens(tokens) => {
                check_tokens(tokens, vocab, param)?;
                tokens.clone()
            }
        };
        Ok(Prompt { tokens, start: Start::Content })
    }

    /// The tokens of a text, control tokens among them.
    pub(crate) fn tokens(&self, text: &str) -> Result<Vec<u32>, Refusal> {
        let encoding = self.tokenizer.encode_fast(text, false).map_err(|error| {
            Refusal::new(Reason::Internal, "The prompt could not be turned into tokens.")
                .with_detail(format!("tokenizer: {error}"))
        })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The token that follows each text that is embedded: what the tokenizer puts behind an empty one. Qwen3-Embedding's
    /// puts `<|endoftext|>` there, which is not the end of its chats (issue 122 of QwenLM/Qwen3-Embedding). Files that say
    /// nothing of it, such as GGUF's, mean the same.
    pub(crate) fn end_of_text(&self) -> Option<u32> {
        let added = self.tokenizer.encode_fast("", true).ok().and_then(|encoding| encoding.get_ids().last().copied());
        added.or_else(|| self.tokenizer.token_to_id(END_OF_TEXT))
    }

    /// The text of these tokens.
    pub(crate) fn spell_all(&self, tokens: &[u32]) -> String {
        let mut detokenizer = Detokenizer::new(self.bytes.clone());
        let mut text = String::new();
        for token in tokens {
            detokenizer.push(*token, &mut text);
        }
        detokenizer.finish(&mut text);
        text
    }

    /// The same with control tokens, which are told as text. `None` where that is longer than `most` bytes.
    pub(crate) fn decode(&self, tokens: &[u32], most: usize) -> Option<String> {
        let mut bytes = Vec::new();
        for token in tokens {
            let added = self.added.contains(token).then(|| self.tokenizer.id_to_token(*token)).flatten();
            match added {
                Some(text) => bytes.extend_from_slice(text.as_bytes()),
                None => bytes.extend_from_slice(self.bytes.get(*token)),
            }
            if bytes.len() > most {
                return None;
            }
        }
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A token as the vocabulary spells it; empty for a row that only fills it up.
    pub(crate) fn name(&self, token: u32) -> String {
        self.tokenizer.id_to_token(token).unwrap_or_default()
    }
}

/// Refuses tokens that a model does not have.
pub(crate) fn check_tokens(tokens: &[u32], vocab: usize, param: &'static str) -> Result<(), Refusal> {
    match tokens.iter().find(|id| **id as usize >= vocab) {
        None => Ok(()),
        Some(id) => {
            let message = format!("`{param}` names the token {id}; this model has {vocab}.");
            Err(Refusal::new(Reason::InvalidRequest, message).with_param(param))
        }
    }
}
