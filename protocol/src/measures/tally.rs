//! Counts by series, of which no more are kept than their kinds let.

use super::series::Series;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::mem::discriminant;

/// Counts. All of them saturate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Tally(BTreeMap<Series, u64>);

impl Tally {
    /// Adds to one. What would be one series too many of its kind goes to that of the others.
    pub fn add(&mut self, series: Series, count: u64) {
        if count == 0 {
            return;
        }
        let series =
            if self.0.contains_key(&series) || self.has_room_beside(&series) { series } else { series.other() };
        let sum = self.0.entry(series).or_default();
        *sum = sum.saturating_add(count);
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        for (series, count) in &other.0 {
            self.add(series.clone(), *count);
        }
    }

    /// One count; 0 of what was never counted.
    pub fn get(&self, series: &Series) -> u64 {
        self.0.get(series).copied().unwrap_or(0)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Series, u64)> {
        self.0.iter().map(|(series, count)| (series, *count))
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn has_room_beside(&self, series: &Series) -> bool {
        let kind = discriminant(series);
        // Those of the others do not count: what was within bounds is, however often it is read and added up.
        let is_of_kind = |other: &&Series| discriminant(*other) == kind && !other.is_of_others();
        self.0.keys().filter(is_of_kind).count() < series.most()
    }
}

/// Adds up what it reads, so that what another version of ours has written is within bounds, too.
impl<'de> Deserialize<'de> for Tally {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut tally = Self::default();
        for (series, count) in BTreeMap::<Series, u64>::deserialize(deserializer)? {
            tally.add(series, count);
        }
        Ok(tally)
    }
}
