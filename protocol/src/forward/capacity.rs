//! What the origin says of itself on every reply: `x-sluice-capacity: slots=4, free=1, queued=2, queue=16, est-ms=1800,
//! mem=37`. What its `/capacity` says is that, and what it knows of its GPU.

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
    /// How much of the GPU's memory that may be taken is taken, in percent up to 100; absent where no GPU computes, or
    /// where its memory is not known at this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem: Option<u8>,
}

/// What `/capacity` answers: the places, and the GPU if one is watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CapacityReport {
    /// The places of this moment.
    #[serde(flatten)]
    pub capacity: Capacity,
    /// The GPU, as it was read last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<GpuFigures>,
}

/// A GPU, as it was read last. What its driver does not say, or says and cannot be, is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GpuFigures {
    /// Its number, as the driver counts: by where it is plugged in. A part of a GPU has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Its name for ever, such as `GPU-` and 36 characters.
    pub uuid: String,
    /// How long it was computing, of 1, over the driver's last span, which is a second or less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utilization: Option<f64>,
    /// Bytes of its memory that are in use, by whomever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_used_bytes: Option<u64>,
    /// Bytes of all of its memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_total_bytes: Option<u64>,
    /// How warm it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature_celsius: Option<u32>,
    /// What it draws.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_watts: Option<f64>,
    /// How old all of this is, in milliseconds.
    pub age_ms: u64,
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slots={}, free={}, queued={}, queue={}", self.slots, self.free, self.queued, self.queue)?;
        if let Some(wait) = self.est_ms {
            write!(f, ", est-ms={wait}")?;
        }
        match self.mem {
            Some(percent) => write!(f, ", mem={percent}"),
            None => Ok(()),
        }
    }
}

impl Capacity {
    /// How full the origin is, in percent: the larger of its places in use, running and waiting, and of [`Self::mem`]. 100
    /// where there are no places.
    pub fn percent_in_use(&self) -> u8 {
        Self::percent_of_all(&[*self]).unwrap_or(100)
    }

    /// How full several origins are together, in percent: each counts by its places, and is as full as it says itself.
    /// `None` where there are no places.
    pub fn percent_of_all(all: &[Self]) -> Option<u8> {
        let places = all.iter().map(Self::places).sum::<u64>();
        let hundredths = all.iter().map(Self::hundredths_in_use).sum::<u64>();
        hundredths.checked_div(places).and_then(|percent| u8::try_from(percent).ok())
    }

    fn places(&self) -> u64 {
        u64::from(self.slots) + u64::from(self.queue)
    }

    /// A hundred times the places that are in use, or that the memory in use stands for.
    fn hundredths_in_use(&self) -> u64 {
        let used = u64::from(self.slots.saturating_sub(self.free)) + u64::from(self.queued);
        let by_memory = self.places() * u64::from(self.mem.unwrap_or(0).min(100));
        (used.min(self.places()) * 100).max(by_memory)
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
                "mem" => capacity.mem = Some(value.parse().ok().filter(|percent| *percent <= 100)?),
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
        for (est_ms, mem) in [(None, None), (Some(1800), None), (None, Some(0)), (Some(1800), Some(100))] {
            let capacity = Capacity { slots: 4, free: 1, queued: 2, queue: 8, est_ms, mem };
            assert_eq!(Capacity::parse(&capacity.to_string()), Some(capacity));
        }
        let percent = |slots, free, queued, queue| {
            Capacity { slots, free, queued, queue, ..Capacity::default() }.percent_in_use()
        };
        assert_eq!(
            [percent(4, 4, 0, 4), percent(4, 0, 0, 4), percent(4, 0, 4, 4), percent(0, 0, 0, 0)],
            [0, 50, 100, 100]
        );
        for malformed in ["slots=4, free=one", "slots=4, mem=101", "slots=4, mem=-1", "slots=4, mem=half"] {
            assert_eq!(Capacity::parse(malformed), None, "{malformed}");
        }
        assert_eq!(Capacity::parse("slots=1, later=x").map(|c| c.slots), Some(1));
    }
    #[test]
    fn the_fuller_of_places_and_memory_counts() {
        let with = |free, mem| Capacity { slots: 4, free, queue: 4, mem, ..Capacity::default() };
        let percent = |free, mem| with(free, mem).percent_in_use();
        assert_eq!(
            [percent(0, None), percent(0, Some(49)), percent(0, Some(50)), percent(0, Some(51))],
            [50, 50, 50, 51]
        );
        assert_eq!([percent(4, Some(37)), percent(4, Some(100)), percent(4, Some(255))], [37, 100, 100]);
        let none = Capacity { mem: Some(3), ..Capacity::default() };
        assert_eq!((none.percent_in_use(), Capacity::percent_of_all(&[none])), (100, None));
        let most =
            Capacity { slots: u32::MAX, free: 0, queued: u32::MAX, queue: u32::MAX, est_ms: None, mem: Some(100) };
        assert_eq!(Capacity::percent_of_all(&[most; 64]), Some(100));
        // Nobody is made emptier or fuller than what it says by standing beside others.
        for (a, b) in [(with(4, Some(90)), with(0, None)), (with(4, None), with(4, Some(10)))] {
            let all = Capacity::percent_of_all(&[a, b]).unwrap();
            assert_eq!(all, (a.percent_in_use() + b.percent_in_use()) / 2);
        }
    }
}
