//! What a conversation is known by: its session, or how it begins. An origin that has served its beginning remembers
//! it, and computes only what is new.

use crate::auth::principal::Mark;
use crate::request::member::raw;
use sha2::{Digest, Sha256};

/// The beginning of a conversation, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning(pub(super) u64);

impl Beginning {
    /// Of an account's session.
    pub fn of_session(account: &str, session: Mark) -> Self {
        Self::of(&[account.as_bytes(), &session.0])
    }

    /// Of what a request says first: its messages up to the first one of a person, or the first part of its prompt.
    /// The next request of the same conversation begins so, too. `None` if it says nothing.
    pub fn of_body(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let mut said = None;
        let walked = raw::entries(text, |name, json| {
            if CONVERSATION.contains(&&*name) {
                said = Some(json);
            }
            Ok::<(), ()>(())
        });
        let said = walked.ok().and(said)?;
        let first = first_items(said).unwrap_or(said).as_bytes();
        Some(Self::of(&[&first[..first.len().min(MAX_BYTES)]]))
    }

    /// Of a request that continues nothing: any number will do, such as one of its id.
    pub const fn of_nothing(number: u64) -> Self {
        Self(mix(number))
    }

    fn of(parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Self(digest.finalize().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

/// The items of a list to the end of the first one of a person, as they were sent; `None` if it is no list.
fn first_items(list: &str) -> Option<&str> {
    let mut end = 0;
    let mut seen = 0;
    let walked = raw::items(list, |item| {
        end = item.as_ptr() as usize - list.as_ptr() as usize + item.len();
        seen += 1;
        if seen == MAX_ITEMS || is_of_person(item) { Err(()) } else { Ok(()) }
    });
    match walked {
        Ok(()) | Err(raw::Stopped::By(())) => Some(&list[..end]),
        Err(raw::Stopped::Json(_)) => None,
    }
}

fn is_of_person(item: &str) -> bool {
    let mut is_so = false;
    let _ = raw::entries(item, |name, json| {
        is_so |= name == "role" && json == "\"user\"";
        Ok::<(), ()>(())
    });
    is_so
}

/// A number in which each bit depends on each bit of this one (the last step of SplitMix64).
pub(super) const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

/// The members that hold what is said, of any protocol.
const CONVERSATION: [&str; 3] = ["messages", "input", "prompt"];
/// As many items as are looked through for a person's.
const MAX_ITEMS: usize = 16;
/// How much of a beginning counts, in bytes.
const MAX_BYTES: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> Option<Beginning> {
        Beginning::of_body(body.as_bytes())
    }

    #[test]
    fn a_conversation_that_goes_on_begins_as_it_began() {
        let system = r#"{"role":"system","content":"Be kind."}"#;
        let (first, answer) = (r#"{"role":"user","content":"Hi"}"#, r#"{"role":"assistant","content":"Hello"}"#);
        let begun = of(&format!(r#"{{"model":"m","messages":[{system},{first}]}}"#)).unwrap();
        let goes_on = format!(r#"{{"messages":[{system},{first},{answer},{first}],"model":"m","stream":true}}"#);
        assert_eq!(of(&goes_on), Some(begun));
        assert_ne!(of(&goes_on.replace("Be kind.", "Be short.")), Some(begun));
        assert_ne!(of(&goes_on.replacen("Hi", "Ho", 1)), Some(begun));
        // Without a system's message, and as Responses have it.
        let bare = of(&format!(r#"{{"input":[{first}]}}"#));
        assert_eq!(of(&format!(r#"{{"input":[{first},{answer},{first}]}}"#)), bare);
    }

    #[test]
    fn whatever_comes_has_a_beginning_or_none() {
        assert!(of(r#"{"prompt":"Once upon a time"}"#).is_some());
        assert_eq!(of(r#"{"prompt":"a"}"#), of(r#"{"prompt":"a","max_tokens":5}"#));
        assert!(of(r#"{"input":["a","b"]}"#).is_some() && of(r#"{"messages":[]}"#).is_some());
        for nothing in ["", "{}", "[]", r#"{"messages":"#, "{\"prompt\":\"\\ud800", r#"{"model":"m"}"#] {
            assert_eq!(of(nothing), None, "{nothing}");
        }
        assert_eq!(Beginning::of_body(b"{\"prompt\":\"\xff\"}"), None);
        let long = |end: &str| of(&format!(r#"{{"prompt":"{}{end}"}}"#, "x".repeat(MAX_BYTES)));
        assert_eq!(long("a"), long("b"), "what comes after its beginning changes nothing");
    }

    #[test]
    fn a_session_is_of_one_account() {
        let session = Mark::of("s");
        assert_eq!(Beginning::of_session("a", session), Beginning::of_session("a", session));
        assert_ne!(Beginning::of_session("a", session), Beginning::of_session("b", session));
    }
}
