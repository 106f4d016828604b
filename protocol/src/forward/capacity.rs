//! What the origin says of itself on every reply: `x-sluice-capacity: slots=4, free=1, queued=2, est-ms=1800`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The origin's places at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// Sequences that can run at once.
    pub slots: u32,
    /// Slots that nothing runs in.
    pub free: u32,
    /// Requests that wait.
    pub queued: u32,
    /// Requests that may wait.
    pub queue: u32,
    /// How long a request that came now would wait, in milliseconds; absent until enough requests have ended to know.
    #[serde(rename = "est-ms")]
    pub est_ms: Option<u64>,
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slots={}, free={}, queued={}, queue={}", self.slots, self.free, self.queued, self.queue)?;
        match self.est_ms {
            Some(wait) => write!(f, ", est-ms={wait}"),
            None => Ok(()),
        }
    }
}

impl Capacity {
    /// How many percent of all places, running and waiting, are in use: 100 where there are none.
    pub fn percent_in_use(&self) -> u8 {
        let places = u64::from(self.slots) + u64::from(self.queue);
        let used = u64::from(self.slots.saturating_sub(self.free)) + u64::from(self.queued);
        let percent = (used.min(places) * 100).checked_div(places);
        percent.and_then(|percent| u8::try_from(percent).ok()).unwrap_or(100)
    }

    /// Reads the header. Unknown members are passed over (a newer origin may say more); anything malformed is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut capacity = Self::default();
        for member in text.split(',') {
            let (name, value) = member.split_once('=')?;
            let value = value.trim();
            match name.trim() {
                "slots" => capacity.slots = value.parse().ok()?,
                "free" => capacity.free = value.parse().ok()?,
                "queued" => capacity.queued = value.parse().ok()?,
                "queue" => capacity.queue = value.parse().ok()?,
                "est-ms" => capacity.est_ms = Some(value.parse().ok()?),
                _ => {}
            }
        }
        Some(capacity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_round_trips() {
        for est_ms in [None, Some(1800)] {
            let capacity = Capacity { slots: 4, free: 1, queued: 2, queue: 8, est_ms };
            assert_eq!(Capacity::parse(&capacity.to_string()), Some(capacity));
        }
        let percent =
            |slots, free, queued, queue| Capacity { slots, free, queued, queue, est_ms: None }.percent_in_use();
        assert_eq!(
            [percent(4, 4, 0, 4), percent(4, 0, 0, 4), percent(4, 0, 4, 4), percent(0, 0, 0, 0)],
            [0, 50, 100, 100]
        );
        assert_eq!(Capacity::parse("slots=4, free=one"), None);
        assert_eq!(Capacity::parse("slots=1, later=x").map(|c| c.slots), Some(1));
    }
}
