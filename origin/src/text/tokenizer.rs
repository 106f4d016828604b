//! The tokenizer as its file says it, and texts taken apart by it.

use serde_json::Value;
use tokenizers::Tokenizer;

/// A tokenizer whose added tokens have the ids that its file says. Left to itself it counts them on from the size of its vocabulary, which
/// is wrong where that has ids beyond them: GGUF files name the rows with which a vocabulary was filled up.
pub(super) fn with_added_tokens(json: &Value) -> Result<Tokenizer, String> {
    let mut json = json.clone();
    let added: Vec<(String, u64)> = json["added_tokens"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|token| Some((token["content"].as_str()?.to_owned(), token["id"].as_u64()?)))
        .collect();
    if let Some(vocab) = json["model"]["vocab"].as_object_mut() {
        for (content, id) in &added {
            vocab.entry(content.clone()).or_insert((*id).into());
        }
    }
    let tokenizer = parse_tokenizer(json.to_string().as_bytes())?;
    match added.iter().find(|(content, id)| tokenizer.token_to_id(content).map(u64::from) != Some(*id)) {
        None => Ok(tokenizer),
        Some((content, id)) => Err(format!("the added token {content} is said to be {id} and is another")),
    }
}

/// The tokens of a text.
pub(super) fn taken_apart(tokenizer: &Tokenizer, text: &str) -> tokenizers::Result<Vec<u32>> {
    let mut tokens = Vec::new();
    extend(tokenizer, text, &mut tokens)?;
    Ok(tokens)
}

/// The same, behind others.
pub(super) fn extend(tokenizer: &Tokenizer, text: &str, tokens: &mut Vec<u32>) -> tokenizers::Result<()> {
    tokens.extend_from_slice(tokenizer.encode_fast(text, false)?.get_ids());
    Ok(())
}

/// A tokenizer from its file, which neither pads nor cuts.
pub(super) fn parse_tokenizer(json: &[u8]) -> Result<Tokenizer, String> {
    let mut tokenizer = Tokenizer::from_bytes(json).map_err(|error| error.to_string())?;
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(|error| error.to_string())?;
    Ok(tokenizer)
}
