//! vLLM's `/tokenize` and `/detokenize`: answers that need a tokenizer and no model.

use crate::api::respond::to_json;
use crate::models::{Does, Loaded};
use crate::text::check_tokens;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::tokens::{
    DetokenizeRequest, Detokenized, MAX_TOKENS, Source, TokenizeRequest, Tokenized,
};
use sluice_protocol::time::Millis;

/// Which tokens something becomes, as JSON. `asked`: by whom, and when, for templates that ask the time.
pub(crate) fn tokenized(request: &TokenizeRequest, loaded: &Loaded, asked: (&str, Millis)) -> Result<String, Refusal> {
    let (tokens, param) = match (&request.source, loaded.does) {
        (Source::Prompt { text, add_special_tokens }, does) => {
            let mut tokens = loaded.text.tokens(text)?;
            let end = match does {
                Does::Embed(embeds) if *add_special_tokens => Some(embeds.end),
                _ => None,
            };
            tokens.extend(end.filter(|end| tokens.last() != Some(end)));
            (tokens, "prompt")
        }
        (Source::Messages { .. }, Does::Embed(_) | Does::Judge) => {
            let why = "`messages` are for models that answer; this one answers nothing. Send a `prompt`.";
            return Err(Refusal::new(Reason::InvalidRequest, why).with_param("messages"));
        }
        (Source::Messages { chat, add_generation_prompt }, Does::Answer) => {
            (loaded.text.prompt_to(chat, *add_generation_prompt, asked)?.tokens, "messages")
        }
    };
    let count = tokens.len();
    if count > MAX_TOKENS {
        let why = format!("`{param}` has {count} tokens; at most {MAX_TOKENS} are told.");
        return Err(Refusal::new(Reason::InvalidRequest, why).with_param(param));
    }
    let token_strs = request.token_strs.then(|| tokens.iter().map(|token| loaded.text.name(*token)).collect());
    Ok(to_json(&Tokenized { count: count as u64, max_model_len: loaded.context as u64, tokens, token_strs }))
}

/// Which text some tokens are, as JSON.
pub(crate) fn detokenized(request: &DetokenizeRequest, loaded: &Loaded) -> Result<String, Refusal> {
    check_tokens(&request.tokens, loaded.vocab, "tokens")?;
    match loaded.text.decode(&request.tokens, MAX_TEXT_BYTES) {
        Some(prompt) => Ok(to_json(&Detokenized { prompt })),
        None => {
            let why = format!("`tokens` are a text of more than {MAX_TEXT_BYTES} bytes. Send fewer of them.");
            Err(Refusal::new(Reason::InvalidRequest, why).with_param("tokens"))
        }
    }
}

/// The longest text that is told, in bytes: what an edge reads whole, however it is escaped.
const MAX_TEXT_BYTES: usize = 4 << 20;
