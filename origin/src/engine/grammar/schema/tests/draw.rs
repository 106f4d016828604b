//! Answers drawn from a schema's grammar at random, and judges that share nothing with what they judge.

use super::super::{Fuel, compile};
use crate::engine::grammar::limit;
use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use serde_json::Value;
use std::sync::{Arc, OnceLock};

/// Numbers that are the same on every machine.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }

    pub(super) fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// The token that ends an answer; those before it are bytes.
const END: u32 = 256;

/// A vocabulary of bytes.
fn factory() -> &'static ParserFactory {
    static FACTORY: OnceLock<ParserFactory> = OnceLock::new();
    FACTORY.get_or_init(|| {
        let words: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).chain([Vec::new()]).collect();
        let trie = TokTrie::from(&TokRxInfo::new(257, END), &words).with_eos_tokens(&[END]);
        let environment: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory = ParserFactory::new_simple(&environment).unwrap();
        limit(factory.quiet().limits_mut());
        factory
    })
}

/// A schema's grammar, compiled to its first mask.
pub(super) fn compiled(schema: &str) -> Result<Matcher, String> {
    started(compile(schema, "form", false, &mut Fuel::full())?)
}

/// Grammars, compiled to their first mask.
pub(super) fn started(grammars: Vec<GrammarWithLexer>) -> Result<Matcher, String> {
    let mut matcher = Matcher::new(factory().create_parser(TopLevelGrammar { grammars, max_tokens: None }));
    matcher.compute_mask().map_err(|error| format!("llguidance: {error}"))?;
    Ok(matcher)
}

/// The bytes that may come next, and whether the answer may end.
pub(super) fn next(matcher: &mut Matcher) -> Result<(Vec<u8>, bool), String> {
    if matcher.is_stopped() {
        return Ok((Vec::new(), true));
    }
    let mask = matcher.compute_mask().map_err(|error| error.to_string())?;
    let bytes = (0..=255).filter(|byte| mask.is_allowed(u32::from(*byte))).collect();
    Ok((bytes, mask.is_allowed(END)))
}

/// How many bytes an answer has at most before it is given up.
const MAX_BYTES: usize = 1500;

/// An answer; `None`: it did not come to its end. The error: there was no way on.
pub(super) fn drawn(matcher: &Matcher, seed: u64) -> Result<Option<String>, String> {
    let (mut matcher, mut chance) = (matcher.deep_clone(), Chance(seed));
    let mut answer = Vec::new();
    chance.below(2);
    // How much what closes is liked: from not at all to nearly always.
    let haste = 1 + chance.below(8);
    loop {
        let (bytes, may_end) = next(&mut matcher)?;
        if may_end && (bytes.is_empty() || chance.below(2) == 0) {
            return String::from_utf8(answer).map(Some).map_err(|_| "not UTF-8".into());
        }
        if bytes.is_empty() {
            return Err(format!("no way on after {}", String::from_utf8_lossy(&answer)));
        }
        let closing: Vec<u8> = bytes.iter().copied().filter(|byte| b"\"}]".contains(byte)).collect();
        let plain: Vec<u8> = bytes.iter().copied().filter(|byte| byte.is_ascii_graphic()).collect();
        let byte = match (answer.len() > 300, chance.below(10)) {
            (true, _) | (_, 0) if !closing.is_empty() && haste > 1 => *chance.one_of(&closing),
            (_, roll) if roll < haste && !closing.is_empty() => *chance.one_of(&closing),
            (_, roll) if roll < 9 && !plain.is_empty() => *chance.one_of(&plain),
            _ => *chance.one_of(&bytes),
        };
        answer.push(byte);
        matcher.consume_token(byte.into()).map_err(|error| error.to_string())?;
        if answer.len() > MAX_BYTES {
            return Ok(None);
        }
    }
}

/// Whether this text is one JSON value that the schema takes, formats included.
pub(super) fn judge(schema: &Value, text: &str) -> Result<(), String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
    let judge = jsonschema::options().should_validate_formats(true).build(schema);
    let judge = judge.map_err(|error| format!("no schema: {error}"))?;
    judge.validate(&value).map_err(|error| format!("{error} at {}", error.instance_path()))
}
