//! What is written beside an answer that is kept.

use crate::forward::report::{brief, read_brief};
use crate::request::bodies::chat::{Usage, Used};
use crate::request::drawing::Drawn;
use crate::time::Millis;
use std::fmt;

/// What is known of an answer that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was whole.
    pub at: Millis,
    /// What it used.
    pub used: Used,
}

impl Entry {
    /// Reads what is written, and nothing else.
    pub fn read(text: &str) -> Option<Self> {
        let (at, used) = text.strip_prefix("1 ")?.split_once(' ')?;
        let at = at.parse().ok().filter(|number: &Millis| number.to_string() == at)?;
        Some(Self { at, used: read_brief(used)? })
    }

    /// Whether it may be given again to a caller that takes what is `ttl_ms` old at most. One of the future is not: some
    /// clock is wrong.
    pub const fn is_fresh(&self, ttl_ms: Millis, now: Millis) -> bool {
        self.at <= now && now - self.at < ttl_ms
    }

    /// What it costs to be given again: so many percent of its tokens, rounded up.
    pub fn charged(&self, price: u8) -> Used {
        let part =
            |tokens: u64| u64::try_from((u128::from(tokens) * u128::from(price)).div_ceil(100)).unwrap_or(u64::MAX);
        let usage = Usage::new(part(self.used.usage.prompt_tokens), part(self.used.usage.completion_tokens));
        // No pictures are kept.
        Used {
            usage,
            cached_tokens: 0,
            drawn: Drawn::NOTHING,
            reasoning_tokens: Some(self.used.reasoning_tokens.map_or(0, part)),
        }
    }
}

impl fmt::Display for Entry {
    /// `1 1790000000000 57/12/2`: a version, the time, what was used.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1 {} {}", self.at, brief(self.used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: Entry = Entry {
        at: 1_790_000_000_000,
        used: Used { usage: Usage::new(57, 12), reasoning_tokens: Some(2), cached_tokens: 0, drawn: Drawn::NOTHING },
    };

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        assert_eq!(ENTRY.to_string(), "1 1790000000000 57/12/2");
        assert_eq!(Entry::read(&ENTRY.to_string()), Some(ENTRY));
        for wrong in ["", "1", "1 5", "2 5 1/2/3", "1 05 1/2/3", "1 -5 1/2/3", "1 5 1/2", "1 5 1/2/3 "] {
            assert_eq!(Entry::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_entry_is_fresh_for_its_time_and_costs_its_part() {
        for (now, is) in [(ENTRY.at - 1, false), (ENTRY.at, true), (ENTRY.at + 999, true), (ENTRY.at + 1_000, false)] {
            assert_eq!(ENTRY.is_fresh(1_000, now), is);
        }
        let all = ENTRY.charged(100);
        assert_eq!((ENTRY.charged(0), all), (Used::NOTHING, ENTRY.used));
        assert_eq!(ENTRY.charged(10).usage, Usage::new(6, 2));
        let most = Entry { used: Usage::new(u64::MAX, 1).into(), ..ENTRY };
        assert_eq!(most.charged(100).usage.prompt_tokens, u64::MAX);
    }
}
