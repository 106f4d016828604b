//! Reports of leaked keys, in the format of GitHub's secret scanning partner programme.

use crate::auth::key::{KEY_LEN, PREFIX};
use crate::id::hex;
use crate::refusal::{Reason, Refusal};
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// What a scanner is told to look for: every key matches it, and hardly anything else. Whether a match is a key, its tag says.
pub fn pattern() -> String {
    format!("{PREFIX}[0-9A-Za-z]{{{}}}", KEY_LEN - PREFIX.len())
}

/// The longest message, in bytes.
pub const MAX_MESSAGE_BYTES: u64 = 1 << 20;
/// The most reports in a message.
pub const MAX_REPORTS: usize = 1_000;

/// One match somewhere in public. Does not print.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct LeakReport {
    /// What was found.
    pub token: String,
    /// What the scanner calls this kind of thing.
    #[serde(rename = "type", default)]
    pub kind: String,
}

/// As many matches as are taken; whether there are more is all that is kept of those.
struct FirstReports {
    reports: Vec<LeakReport>,
    more: bool,
}

impl<'de> Deserialize<'de> for FirstReports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Self { reports: Vec::new(), more: false })
    }
}

impl<'de> Visitor<'de> for FirstReports {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of matches")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut matches: A) -> Result<Self, A::Error> {
        while let Some(report) = matches.next_element()? {
            self.more |= self.reports.len() == MAX_REPORTS;
            if !self.more {
                self.reports.push(report);
            }
        }
        Ok(self)
    }
}

/// What the scanner learns of one match. The match itself is not sent back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeakFeedback {
    /// SHA-256 of the match, hexadecimal.
    pub token_hash: String,
    /// As reported.
    pub token_type: String,
    /// Whether it was a key.
    pub label: LeakLabel,
}

/// Whether a match was a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeakLabel {
    /// It was, and it is disabled now.
    TruePositive,
    /// It was not, or the key is gone.
    FalsePositive,
}

impl LeakReport {
    /// Reads a message: a list of matches. Members that it has besides (where it was found) are left alone.
    pub fn parse_all(message: &[u8]) -> Result<Vec<Self>, Refusal> {
        let FirstReports { reports, more } = serde_json::from_slice(message)
            // The message of the parser could quote a key.
            .map_err(|_| {
                Refusal::new(Reason::InvalidJson, "The body is not a list of matches, each with a `token`.")
            })?;
        if more {
            let message = format!("The body holds more than {MAX_REPORTS} matches. Send them in parts.");
            return Err(Refusal::new(Reason::InvalidRequest, message));
        }
        Ok(reports)
    }

    /// What the scanner learns of it.
    pub fn feedback(&self, is_key: bool) -> LeakFeedback {
        LeakFeedback {
            token_hash: hex(&Sha256::digest(&self.token)),
            token_type: self.kind.chars().take(MAX_KIND).collect(),
            label: if is_key { LeakLabel::TruePositive } else { LeakLabel::FalsePositive },
        }
    }
}

impl fmt::Debug for LeakReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LeakReport({:?}, ..)", self.kind)
    }
}

const MAX_KIND: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::key::{ApiKey, Peppers};
    use crate::id::AccountId;

    /// The pattern, read by hand: a prefix, a class of characters, a count.
    fn matches(text: &str) -> bool {
        let pattern = pattern();
        let (prefix, rest) = pattern.split_once("[0-9A-Za-z]{").unwrap();
        let count: usize = rest.strip_suffix('}').unwrap().parse().unwrap();
        text.strip_prefix(prefix)
            .is_some_and(|rest| rest.len() == count && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    }

    #[test]
    fn every_key_matches_what_scanners_look_for() {
        for byte in [0, 1, 0x7f, 0xff] {
            let peppers = Peppers::parse(&format!("{byte}:{}", "00".repeat(32))).unwrap();
            let key = ApiKey::mint(&peppers, AccountId([byte; 8]), [byte; 20]).reveal();
            assert!(matches(&key), "{key}");
            assert!(!matches(&key[1..]) && !matches(&format!("{key}0")));
        }
    }

    #[test]
    fn the_pattern_is_the_published_one() {
        assert!(include_str!("../../../docs/tokens.md").contains(&format!("`{}`", pattern())));
    }

    #[test]
    fn a_message_is_a_list_and_errors_show_nothing_of_it() {
        let read = LeakReport::parse_all(
            br#"[{"token": "slc_x", "type": "sluice_key", "url": "https://a", "source": "content"}, {"token": "y"}]"#,
        );
        let read = read.unwrap();
        assert_eq!((read.len(), read[0].kind.as_str(), read[1].kind.as_str()), (2, "sluice_key", ""));
        assert_eq!(read[0].feedback(true).token_hash.len(), 64);
        for bad in ["", "{}", "[1]", r#"[{"token": 1}]"#, r#"[{"type": "slc_x"}]"#, r#"["slc_x"]"#] {
            let refusal = LeakReport::parse_all(bad.as_bytes()).unwrap_err();
            assert_eq!(refusal.reason, Reason::InvalidJson, "{bad}");
            assert!(!refusal.message.contains("slc_"));
        }
        let many = format!("[{}]", vec![r#"{"token":"x"}"#; MAX_REPORTS + 1].join(","));
        assert_eq!(LeakReport::parse_all(many.as_bytes()).unwrap_err().reason, Reason::InvalidRequest);
    }
}
