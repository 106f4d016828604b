//! By what an answer that is kept is found again: a hash of all that it depends on.

use crate::id::{Version, hex};
use crate::order::sorted;
use crate::request::door::Door;
use crate::request::member::raw;
use sha2::{Digest, Sha256};

/// All that an answer depends on.
#[derive(Clone, Copy, Debug)]
pub struct KeyParts<'a> {
    /// By which door it was asked for.
    pub door: Door,
    /// Who may be given it: an account, or all of a plan.
    pub scope: Scope<'a>,
    /// The plan that the request was admitted by.
    pub plan: &'a str,
    /// The table that the plan is of.
    pub table: Version,
    /// Which revision of the model answers, as the origins tell it.
    pub revision: &'a str,
    /// How often what is kept was forgotten.
    pub purges: Purges,
    /// The most tokens, of prompt and answers together, as the request was granted them.
    pub tokens: u64,
    /// The most tokens of its answers together.
    pub max_tokens: u32,
    /// The longest prompt.
    pub max_prompt_tokens: u32,
    /// Whether the answer is in pieces.
    pub in_pieces: bool,
    /// The request, as the origin is sent it.
    pub body: &'a [u8],
}

/// Who may be given an answer.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// This account alone.
    Account(&'a str),
    /// All accounts of the plan.
    Plan,
}

/// How often what is kept was forgotten: of all accounts, and of this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purges {
    /// Of all.
    pub all: u64,
    /// Of this account.
    pub account: u64,
}

impl KeyParts<'_> {
    /// The key: 64 hexadecimal digits. `None` for a body that is no object, or has a member twice.
    pub fn key(&self) -> Option<String> {
        let body = canonical(self.body, self.in_pieces)?;
        let (kind, account) = match self.scope {
            Scope::Account(account) => ("account", account),
            Scope::Plan => ("plan", ""),
        };
        let mut hash = Sha256::new();
        let numbers = [
            self.purges.all,
            self.purges.account,
            self.tokens,
            self.max_tokens.into(),
            self.max_prompt_tokens.into(),
            self.in_pieces.into(),
        ];
        let numbers: Vec<u8> = numbers.into_iter().flat_map(u64::to_be_bytes).collect();
        for part in [
            b"sluice-cache-v1".as_slice(),
            self.door.path().as_bytes(),
            kind.as_bytes(),
            account.as_bytes(),
            self.plan.as_bytes(),
            &self.table.0,
            self.revision.as_bytes(),
            &numbers,
            body.as_bytes(),
        ] {
            // Lengths first: parts must not run into each other.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Some(hex(&hash.finalize()))
    }
}

/// A body's members in the order of their names, each as it was written but for white space between its parts. Nothing
/// within a member is put in another order: a schema's properties are answered in theirs.
fn canonical(body: &[u8], in_pieces: bool) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let mut members = Vec::new();
    raw::entries(text, |name, json| {
        // How an answer is told is said apart.
        if name != "stream" && (in_pieces || name != "stream_options") {
            members.push((name.into_owned(), json));
        }
        Ok::<(), ()>(())
    })
    .ok()?;
    let members = sorted(members, Ord::cmp);
    if members.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return None;
    }
    let mut all = String::with_capacity(text.len());
    for (name, json) in members {
        all += &serde_json::to_string(&name).expect("a text can be written as JSON");
        all.push(':');
        squeeze(json, &mut all);
        all.push(',');
    }
    Some(all)
}

/// Adds JSON without the white space between its parts.
fn squeeze(json: &str, to: &mut String) {
    let (mut is_text, mut is_escaped) = (false, false);
    for character in json.chars() {
        match character {
            ' ' | '\n' | '\r' | '\t' if !is_text => continue,
            '"' if !is_escaped => is_text = !is_text,
            _ => {}
        }
        is_escaped = is_text && character == '\\' && !is_escaped;
        to.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"model":"m","messages":[{"role":"user","content":"a b"}],"temperature":0,"stream":true}"#;

    fn parts(body: &str) -> KeyParts<'_> {
        KeyParts {
            door: Door::Chat,
            scope: Scope::Account("acct:1"),
            plan: "p",
            table: Version([1; 8]),
            revision: "r",
            purges: Purges::default(),
            tokens: 9,
            max_tokens: 4,
            max_prompt_tokens: 0,
            in_pieces: false,
            body: body.as_bytes(),
        }
    }

    #[test]
    fn the_same_question_has_the_same_key() {
        let key = parts(BODY).key();
        assert!(key.as_ref().is_some_and(|key| key.len() == 64));
        for same in [
            r#"{"model":"m","messages":[{"role":"user","content":"a b"}],"temperature":0}"#,
            r#" { "stream_options" : {}, "temperature" : 0, "messages":[ {"role":"user", "content":"a b"}],"model":"m" } "#,
            "{\"\\u006dodel\":\"m\",\n\"messages\":[{\"role\":\"user\",\"content\":\"a b\"}],\"temperature\":0}",
        ] {
            assert_eq!(parts(same).key(), key, "{same}");
        }
    }

    /// Nothing that an answer depends on is left out.
    #[test]
    fn whatever_differs_is_another_key() {
        let base = parts(BODY);
        let others = [
            KeyParts { door: Door::Completions, ..base },
            KeyParts { scope: Scope::Account("acct:2"), ..base },
            KeyParts { scope: Scope::Plan, ..base },
            KeyParts { scope: Scope::Account(""), ..base },
            KeyParts { plan: "q", ..base },
            KeyParts { table: Version([2; 8]), ..base },
            KeyParts { revision: "s", ..base },
            KeyParts { purges: Purges { all: 1, account: 0 }, ..base },
            KeyParts { purges: Purges { all: 0, account: 1 }, ..base },
            KeyParts { tokens: 10, ..base },
            KeyParts { max_tokens: 5, ..base },
            KeyParts { max_prompt_tokens: 1, ..base },
            KeyParts { in_pieces: true, ..base },
            parts(r#"{"model":"n","messages":[{"role":"user","content":"a b"}],"temperature":0}"#),
            parts(r#"{"model":"m","messages":[{"role":"user","content":"ab"}],"temperature":0}"#),
            parts(r#"{"model":"m","messages":[{"content":"a b","role":"user"}],"temperature":0}"#),
            parts(r#"{"model":"m","messages":[{"role":"user","content":"a b"}],"temperature":0,"user":"u"}"#),
        ];
        let mut keys: Vec<_> = others.iter().chain([&base]).map(|parts| parts.key().expect("an object")).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), others.len() + 1);
        let apart = r#"{"stream_options":{"include_usage":true}}"#;
        assert_ne!(
            KeyParts { in_pieces: true, ..parts(apart) }.key(),
            KeyParts { in_pieces: true, ..parts("{}") }.key()
        );
        for none in ["[]", "", "{\"a\":1", r#"{"a":1,"\u0061":2}"#] {
            assert_eq!(parts(none).key(), None, "{none}");
        }
    }

    #[test]
    fn white_space_is_squeezed_out_between_parts_alone() {
        let mut all = String::new();
        squeeze("{ \"a \\\" b\\\\\" : [1 ,\n2] }", &mut all);
        assert_eq!(all, "{\"a \\\" b\\\\\":[1,2]}");
    }
}
