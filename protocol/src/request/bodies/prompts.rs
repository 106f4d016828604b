//! Texts without a template: one or a list of them, each as text or as token ids.

use crate::refusal::Refusal;
use crate::request::member::{Body, invalid, raw};

/// A text by itself; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// Text, in which control tokens are themselves.
    Text(String),
    /// Tokens by their ids.
    Tokens(Vec<u32>),
}

impl Prompt {
    /// A guess at its length, made without a tokenizer: a token for every four bytes of text.
    pub(crate) fn guess_tokens(&self) -> usize {
        match self {
            Self::Text(text) => text.len().div_ceil(4),
            Self::Tokens(tokens) => tokens.len(),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Tokens(tokens) => tokens.is_empty(),
        }
    }
}

/// What a member with ids in it must be.
const MUST: &str = "a text or a list of token ids, or a list of those; none empty";

/// Reads the member of this name: one text or `most` of them, all of one kind. `too_many` says what to do with more.
pub(crate) fn read(
    body: &Body<'_>,
    name: &'static str,
    most: u32,
    too_many: impl Fn() -> Refusal,
) -> Result<Vec<Prompt>, Refusal> {
    let Some(given) = body.get(name) else { return Err(invalid(name, format!("`{name}` must be {MUST}."))) };
    let token = |json: &str| json.parse::<u32>().map_err(|_| given.must(MUST));
    let text = |json| raw::text(json).map(|text| Prompt::Text(text.into_owned())).ok_or_else(|| given.must(MUST));
    let (mut prompts, mut tokens) = (Vec::new(), Vec::new());
    if given.json.starts_with('"') {
        prompts.push(text(given.json)?);
    } else {
        // One after the other, so that what is refused has cost no memory.
        given.items(MUST, |json| {
            if prompts.len() == most as usize {
                return Err(too_many());
            }
            match json.as_bytes().first() {
                Some(b'"') => prompts.push(text(json)?),
                Some(b'[') => {
                    prompts.push(Prompt::Tokens(list_of_tokens(json, &token).ok_or_else(|| given.must(MUST))?))
                }
                _ => tokens.push(token(json)?),
            }
            // Of one kind all of them.
            let is_text = |prompt: &Prompt| matches!(prompt, Prompt::Text(_));
            let alike = prompts.first().map(is_text) == prompts.last().map(is_text);
            if !alike || !(prompts.is_empty() || tokens.is_empty()) {
                return Err(given.must(MUST));
            }
            Ok(())
        })?;
    }
    if !tokens.is_empty() {
        prompts.push(Prompt::Tokens(tokens));
    }
    match prompts.is_empty() || prompts.iter().any(Prompt::is_empty) {
        false => Ok(prompts),
        true => Err(given.must(MUST)),
    }
}

fn list_of_tokens(json: &str, token: &impl Fn(&str) -> Result<u32, Refusal>) -> Option<Vec<u32>> {
    let mut tokens = Vec::new();
    raw::items(json, |json| token(json).map(|token| tokens.push(token))).ok()?;
    Some(tokens)
}
