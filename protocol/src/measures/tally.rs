//! Counts by series, of which no more are kept than their kinds let.

use super::series::Series;
use serde::{Deserialize, Deserializer, Serialize};

/// Counts. All of them saturate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Tally(Vec<Count>);

/// One count. They are in order of their series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    series: Series,
    count: u64,
}

impl Tally {
    /// Adds to one. What would be one series too many of its kind goes to that of the others.
    pub fn add(&mut self, series: Series, count: u64) {
        if count == 0 {
            return;
        }
        let place = match self.place(&series) {
            Ok(place) => place,
            Err(place) if self.has_room_beside(&series) => self.insert(place, series),
            Err(_) => {
                let other = series.other();
                self.place(&other).unwrap_or_else(|place| self.insert(place, other))
            }
        };
        self.0[place].count = self.0[place].count.saturating_add(count);
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        other.iter().for_each(|(series, count)| self.add(series.clone(), count));
    }

    /// Adds what of another is added up for ever.
    pub fn merge_lasting(&mut self, other: &Self) {
        let lasting = other.iter().filter(|(series, _)| !series.is_passing());
        lasting.for_each(|(series, count)| self.add(series.clone(), count));
    }

    /// Adds all of another, and tells apart whatever either does: for several that are shown together. A bound that another one
    /// has would move counts from name to name.
    pub fn join(&mut self, other: &Self) {
        for (series, count) in other.iter() {
            let place = self.place(series).unwrap_or_else(|place| self.insert(place, series.clone()));
            self.0[place].count = self.0[place].count.saturating_add(count);
        }
    }

    /// One count; 0 of what was never counted.
    pub fn get(&self, series: &Series) -> u64 {
        self.place(series).map_or(0, |place| self.0[place].count)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Series, u64)> {
        self.0.iter().map(|count| (&count.series, count.count))
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, series: &Series) -> Result<usize, usize> {
        self.0.binary_search_by(|count| count.series.cmp(series))
    }

    fn insert(&mut self, place: usize, series: Series) -> usize {
        self.0.insert(place, Count { series, count: 0 });
        place
    }

    fn has_room_beside(&self, series: &Series) -> bool {
        let first = self.0.partition_point(|count| count.series.kind() < series.kind());
        let of_kind = self.0[first..].iter().map(|count| &count.series).take_while(|one| one.kind() == series.kind());
        has_room(of_kind, series)
    }

    /// Whether it is as adding up would have left it.
    fn is_in_bounds(&self) -> bool {
        let is_sorted = self.0.is_sorted_by(|one, other| one.series < other.series);
        let is_few = |of_kind: &[Count]| places(of_kind.iter().map(|count| &count.series)) <= of_kind[0].series.most();
        is_sorted && self.0.chunk_by(|one, other| one.series.kind() == other.series.kind()).all(is_few)
    }
}

/// Whether one more series is told apart beside those of its kind.
fn has_room<'s>(of_kind: impl Iterator<Item = &'s Series> + Clone, series: &Series) -> bool {
    of_kind.clone().any(|one| one.shares_place(series)) || places(of_kind) < series.most()
}

/// How many places series of one kind take, in their order. Those of the others take none: what was within bounds is,
/// however often it is read and added up.
fn places<'s>(of_kind: impl Iterator<Item = &'s Series>) -> usize {
    let (mut places, mut last) = (0, None::<&Series>);
    for series in of_kind.filter(|series| !series.is_of_others()) {
        places += usize::from(last.is_none_or(|last| !last.shares_place(series)));
        last = Some(series);
    }
    places
}

/// What is read is within bounds, too: it is added up anew where it is more than a tally holds.
impl<'de> Deserialize<'de> for Tally {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = Self(Vec::deserialize(deserializer)?);
        if read.is_in_bounds() {
            return Ok(read);
        }
        let mut tally = Self::default();
        read.0.into_iter().for_each(|Count { series, count }| tally.add(series, count));
        Ok(tally)
    }
}
